//! The network, and the parts of its bound.

use burn::module::{Initializer, Module, Param};
use burn::nn::LinearConfig;
use burn::tensor::{Device, Tensor};
use unbiased_estimators::law::{Bernoulli, Categorical, Gaussian, Law};
use unbiased_estimators::{Key, Noise, Role};
use unbiased_kernels::{Linear, categorical_log_lik};

use super::batch::Batch;
use super::config::{GvaeConfig, Sizes};
use super::decoder::Decoder;
use super::encoder::Encoder;
use crate::init::{Init, initialise_with, lecun_uniform};
use crate::sbn::{Latent, Prior};

/// The logit of a forbidden choice: its probability is 0 in every precision, and 0 times it is 0.
const FORBIDDEN: f64 = -1e9;

/// A variational autoencoder of texts; see the [module](super).
#[derive(Module, Debug)]
pub struct Gvae {
    /// From rows of choices to features.
    pub encoder: Encoder,
    /// From features to the parameters of the latents.
    pub posterior: Linear,
    /// Parameters of the latents before a text is seen, `[1, width]`.
    pub prior: Param<Tensor<2>>,
    /// From latents to logits.
    pub decoder: Decoder,
    #[module(skip)]
    config: GvaeConfig,
    #[module(skip)]
    sizes: Sizes,
}

impl Gvae {
    /// A network whose weights are a function of `seed`: uniform on ±1/√(fan in), biases 0.
    ///
    /// # Panics
    /// If the settings do not pass [`GvaeConfig::check`].
    #[must_use]
    pub fn new(config: &GvaeConfig, sizes: Sizes, seed: u64, device: &Device) -> Self {
        config.check(sizes.steps).expect("checked settings");
        let posterior = LinearConfig::new(config.features, config.param_width())
            .with_initializer(Initializer::Zeros);
        let prior = Tensor::zeros([1, config.param_width()], device);
        let model = Self {
            encoder: Encoder::new(config, sizes, device),
            posterior: Linear::new(&posterior, device),
            prior: Param::from_tensor(prior),
            decoder: Decoder::new(config, sizes, device),
            config: config.clone(),
            sizes,
        };
        let mut model = initialise_with(model, seed, |path, shape| match path {
            "prior" => Init::Constant(0.0),
            _ => lecun_uniform(path, shape),
        });
        model.prior = model.prior.set_require_grad(config.prior == Prior::Learned);
        model
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &GvaeConfig {
        &self.config
    }

    /// What its rows look like.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// The law of the latents.
    #[must_use]
    pub fn law(&self) -> Box<dyn Law> {
        match self.config.latent {
            Latent::Bernoulli => Box::new(Bernoulli),
            Latent::Categorical => Box::new(Categorical {
                classes: self.config.classes,
            }),
            Latent::Gaussian => Box::new(Gaussian),
        }
    }

    /// Parameters of the latents given a batch, `[rows, width]`.
    #[must_use]
    pub fn encode(&self, batch: &Batch) -> Tensor<2> {
        self.posterior.forward(self.encoder.forward(batch))
    }

    /// `KL(q || p)` of latents with these parameters, `[rows]`.
    ///
    /// # Panics
    /// Never: each of the three laws has a closed form.
    #[must_use]
    pub fn kl(&self, params: Tensor<2>) -> Tensor<1> {
        let kl = self.law().kl(params, self.prior.val());
        kl.expect("a closed form")
    }

    /// Latents with these parameters, drawn from `noise`.
    #[must_use]
    pub fn draw(&self, params: Tensor<2>, noise: &Noise) -> Tensor<2> {
        let law = self.law();
        let [rows, width] = params.dims();
        let (key, width) = (Key::new("z", 0), law.width(width));
        let noise = noise.draw(
            law.noise(),
            &key,
            Role::Choice,
            1,
            1,
            rows,
            width,
            &params.device(),
        );
        law.sample(params, noise)
    }

    /// `rows` latents from the prior.
    #[must_use]
    pub fn draw_prior(&self, rows: usize, noise: &Noise) -> Tensor<2> {
        let prior = self.prior.val().inner();
        let width = prior.dims()[1];
        self.draw(prior.expand([rows, width]), noise)
    }

    /// Logits of the steps of a batch, what is forbidden far below all others: `z` `[rows, latents]`, `[rows * steps, width]`.
    #[must_use]
    pub fn masked_logits(&self, z: Tensor<2>, batch: &Batch) -> Tensor<2> {
        let logits = self
            .decoder
            .logits(z, || batch.previous(), || batch.contexts.clone());
        let logits = logits.reshape([batch.rows() * self.sizes.steps, self.sizes.width]);
        logits.mask_fill(batch.forbidden.clone(), FORBIDDEN)
    }

    /// `sum_t ln p(r_t | z, mask_t)` of every row, `[rows]`.
    #[must_use]
    pub fn log_lik(&self, z: Tensor<2>, batch: &Batch) -> Tensor<1> {
        let Sizes { steps, width, .. } = self.sizes;
        let rows = batch.rows();
        let chosen = batch.choices.clone().reshape([rows * steps, width]);
        let each = categorical_log_lik(self.masked_logits(z, batch), chosen);
        each.reshape([rows, steps]).sum_dim(1).squeeze_dim::<1>(1)
    }
}
