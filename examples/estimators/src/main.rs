//! An objective of one's own, trained with RLOO: three bits that should come close to three numbers.

use burn::tensor::{Device, Tensor};
use unbiased_estimators::{EstimatorConfig, Noise, Objective, Program, Run, Schema, Site};

/// Minimise `E |b - target|^2` over independent bits `b`; 16 draws at a time.
struct Bits {
    logits: Tensor<2>,
    target: Tensor<2>,
}

impl Program for Bits {
    fn batch(&self) -> usize {
        16
    }

    fn device(&self) -> Device {
        self.logits.device()
    }

    fn run(&self, run: &mut Run<'_>) {
        let logits = self.logits.clone().expand([16, 3]);
        let bits = run.bernoulli("bits", Site::new(run.rows(logits)));
        let distance = (bits.value - self.target.clone()).square().sum_dim(1);
        run.cost("distance", distance.squeeze_dim::<1>(1), run.mark());
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(Self {
            logits: self.logits.clone().inner(),
            target: self.target.clone(),
        })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex();
    let mut program = Bits {
        logits: Tensor::zeros([1, 3], &device).autodiff().require_grad(),
        target: Tensor::from_data([[0.1, 0.9, 0.4]], &device),
    };
    let schema = Schema::of(&program);
    let config = EstimatorConfig::named("rloo");
    let mut estimator = config.build(&schema, Objective::default(), &device.autodiff())?;

    let mut cost = f32::NAN;
    for step in 0..200 {
        let estimate = estimator.estimate(&program, &Noise::new(0, step));
        cost = estimate.cost.mean().into_scalar();
        let gradients = estimate.surrogate.backward();
        let gradient = program.logits.grad(&gradients).ok_or("no gradient")?;
        let logits = program.logits.inner() - gradient * 2.0;
        program.logits = logits.autodiff().require_grad();
    }
    // At best the bits are 0, 1, 0: .1^2 + .1^2 + .4^2.
    println!("cost {cost:.3}, at best 0.180");
    if cost < 0.25 {
        Ok(())
    } else {
        Err("it did not learn".into())
    }
}
