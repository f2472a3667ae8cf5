//! One's own Burn model with RELAX: an autoencoder that squeezes 16 patterns of 12 pixels through 4 bits.

use std::borrow::Cow;

use burn::{
    module::Module,
    nn::{Linear, LinearConfig},
    optim::{AdamConfig, GradientsParams},
    tensor::{Device, Tensor, activation::softplus},
};
use unbiased_estimators::{EstimatorConfig, Noise, Objective, Program, Run, Schema, Site};

#[derive(Module, Debug)]
struct Autoencoder {
    encoder: Linear,
    decoder: Linear,
}

/// The model on a batch. This is all that an estimator asks for.
struct OnBatch<'a> {
    model: Cow<'a, Autoencoder>,
    images: Tensor<2>,
}

impl<'a> OnBatch<'a> {
    fn new(model: &'a Autoencoder, images: &Tensor<2>) -> Self {
        Self {
            model: Cow::Borrowed(model),
            images: images.clone(),
        }
    }
}

impl Program for OnBatch<'_> {
    fn batch(&self) -> usize {
        self.images.dims()[0]
    }

    fn device(&self) -> Device {
        self.images.device()
    }

    fn run(&self, run: &mut Run<'_>) {
        let images = run.rows(self.images.clone());
        let logits = self.model.encoder.forward(images.clone());
        // The control variate may look at the images, not at the bits.
        let bits = run.bernoulli("bits", Site::new(logits).context(images.clone()));
        let pixels = self.model.decoder.forward(bits.value * 2.0 - 1.0);
        let log_lik = images * pixels.clone() - softplus(pixels, 1.0);
        run.log_lik("pixels", log_lik.sum_dim(1).squeeze_dim::<1>(1));
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(OnBatch {
            model: Cow::Owned(self.model.valid()),
            images: self.images.clone(),
        })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let plain = Device::flex();
    let device = plain.clone().autodiff();
    plain.seed(1);
    let mut model = Autoencoder {
        encoder: LinearConfig::new(12, 4).init(&device),
        decoder: LinearConfig::new(4, 12).init(&device),
    };
    // Four bits, each written three times.
    let pixel = |i: usize| f32::from(u8::from((i / 12) >> (i % 12 / 3) & 1 == 1));
    let images = Tensor::<1>::from_data(
        (0..16 * 12).map(pixel).collect::<Vec<_>>().as_slice(),
        &plain,
    )
    .reshape([16, 12]);

    let config = EstimatorConfig {
        hidden: 20,
        ..EstimatorConfig::named("relax")
    };
    let schema = Schema::of(&OnBatch::new(&model, &images));
    let mut estimator = config.build(&schema, Objective::default(), &device)?;

    let (mut optimizer, mut tuner) = (AdamConfig::new().init(), AdamConfig::new().init());
    let mut cost = f32::NAN;
    for step in 0..2000 {
        let estimate = estimator.estimate(&OnBatch::new(&model, &images), &Noise::new(0, step));
        cost = estimate.cost.mean().into_scalar();
        let mut total = estimate.surrogate;
        if let Some(tuning) = estimate.tuning {
            total = total + tuning;
        }
        // One reverse pass for the model and for the control variate.
        let mut gradients = total.backward();
        let of_model = GradientsParams::from_module(&mut gradients, &model);
        model = optimizer.step(0.02, model, of_model);
        let owned = estimator.owned();
        let of_owned = GradientsParams::from_module(&mut gradients, &owned);
        estimator.set_owned(tuner.step(0.01, owned, of_owned));
    }
    for warning in estimator.warnings() {
        println!("{warning}");
    }
    println!("{cost:.3} nats per image; 8.3 without the bits");
    if cost < 3.0 {
        Ok(())
    } else {
        Err("it did not learn".into())
    }
}
