//! Small scenes and networks, and their gradients as plain numbers.

use burn::tensor::Tensor;
use unbiased_estimators::{Estimator, EstimatorConfig, Noise, Objective, Schema};
use unbiased_models::air::{Air, AirConfig, AirProgram, Counting, Input};

use crate::support::{device, gradient, numbers, stirred, tensor};

/// `ln k` of the prior in all tests: neither end of the chain is negligible.
pub const LN_ODDS: f64 = -0.7;

/// Scenes of 6x6 with windows of 4x4; pixels so uncertain that every count keeps some probability.
pub fn config(input: Input) -> AirConfig {
    AirConfig {
        canvas: 6,
        window: 4,
        steps: 3,
        embed: vec![4],
        lstm: 3,
        predict: 4,
        what: 2,
        glimpse: vec![4],
        input,
        sigma: 0.8,
        scale: 0.6,
        scale_std: 0.3,
        presence_bias: 0.4,
        decoder_bias: -0.5,
        place_std: 0.3,
        exploration: 0.01,
        ..AirConfig::default()
    }
}

/// A network whose weights are large enough that nothing in the objective is nearly linear.
pub fn network(config: &AirConfig) -> Air {
    stirred(Air::new(config, 3, &device().autodiff()), 1.3, 0.1)
}

/// `copies` of an image with two blots.
pub fn images(copies: usize) -> Tensor<2> {
    let pixel = |i: usize| match (i / 6, i % 6) {
        (0..3, 1..4) => 0.9 - 0.1 * (i % 5) as f64,
        (3..6, 4..6) => 0.7,
        _ => 0.05 * (i % 3) as f64,
    };
    let pixels: Vec<f64> = (0..36).map(pixel).collect();
    tensor(&pixels, [1, 36]).repeat_dim(0, copies)
}

/// Cost of every image, and the gradient of their mean in the order of the parameters.
pub fn estimate(
    net: &Air,
    estimator: &mut dyn Estimator,
    counting: Counting,
    batch: usize,
    step: u64,
) -> (Vec<f64>, Vec<f64>) {
    let program = AirProgram::new(net, images(batch), counting, LN_ODDS);
    let estimate = estimator.estimate(&program, &Noise::new(5, step));
    (numbers(estimate.cost), gradient(net, estimate.surrogate))
}

pub fn build(
    net: &Air,
    name: &str,
    counting: Counting,
    objective: Objective,
) -> Box<dyn Estimator> {
    let program = AirProgram::new(net, images(1), counting, LN_ODDS);
    let config = EstimatorConfig {
        hidden: 4,
        ..EstimatorConfig::named(name)
    };
    config
        .build(&Schema::of(&program), objective, &device().autodiff())
        .expect("the estimator is defined")
}

pub fn summed(net: &Air, batch: usize, step: u64) -> (Vec<f64>, Vec<f64>) {
    let mut estimator = build(net, "pathwise", Counting::Summed, Objective::default());
    estimate(net, &mut *estimator, Counting::Summed, batch, step)
}
