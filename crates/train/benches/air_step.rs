//! One training step of attend-infer-repeat with the count summed over, to be run beside `benches/peer_air.py`.
//!
//! `cargo bench -p unbiased-train --bench air_step -- [--case reduced|paper] [--batch N] [--steps N]`
//!
//! Prints `ours <case> <batch> <median ms> <minimum ms>`. A step is what training does: noise, program, estimate, one
//! reverse pass, the optimizer; only the images are uploaded once.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod timing;

use burn::tensor::{Device, Tensor, TensorData};
use unbiased_estimators::{EstimatorConfig, Noise, Schema};
use unbiased_models::air::{Air, AirConfig, AirProgram, Counting};
use unbiased_train::learner::Learner;
use unbiased_train::optimizer::OptimizerConfig;

const WARM_UP: usize = 20;

fn main() {
    timing::run(|options| {
        let steps = options.number("--steps").unwrap_or(100);
        let batch = options.number("--batch").unwrap_or(64);
        let cases = options.text("--case");
        let cases = cases.map_or(vec!["reduced".into(), "paper".into()], |case| vec![case]);
        for case in &cases {
            measure(case, batch, steps);
        }
    });
}

/// The sizes of `air/scenes` and of `air/multi_mnist`.
fn settings(case: &str) -> AirConfig {
    match case {
        "reduced" => AirConfig::default(),
        "paper" => AirConfig {
            canvas: 50,
            window: 28,
            embed: Vec::new(),
            lstm: 256,
            predict: 200,
            what: 50,
            glimpse: vec![200],
            ..AirConfig::default()
        },
        other => panic!("--case takes reduced or paper, got {other}"),
    }
}

/// Times the step.
fn measure(case: &str, batch: usize, steps: usize) {
    let config = &settings(case);
    let plain = timing::device();
    let device = plain.clone().autodiff();
    let model = Air::new(config, 0, &device);
    let images = random_images(batch, config.pixels(), &plain);
    let ln_odds = config.count_prior.last_ln_odds();
    let first = AirProgram::new(&model, images.clone(), Counting::Summed, ln_odds);
    let schema = Schema::of(&first);
    drop(first);
    let estimator = EstimatorConfig::named("pathwise")
        .build(&schema, config.objective, &device)
        .expect("what is left is continuous");
    let mut learner = Learner::new(model, estimator, &OptimizerConfig::default(), false, device);
    let name = format!("{case} {batch}");
    timing::time(&name, [WARM_UP, steps], &plain, |step| {
        let (model, estimator) = learner.parts();
        let program = AirProgram::new(model, images.clone(), Counting::Summed, ln_odds);
        let estimate = estimator.estimate(&program, &Noise::new(0, step));
        drop(program);
        learner.follow(&estimate);
    });
}

/// Pixels of which one in ten is bright; the time does not depend on them.
fn random_images(batch: usize, pixels: usize, device: &Device) -> Tensor<2> {
    let mut state = 1_u64;
    let values = (0..batch * pixels).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        f32::from(u8::from((state >> 33).is_multiple_of(10)))
    });
    Tensor::from_data(
        TensorData::new(values.collect::<Vec<_>>(), [batch, pixels]),
        device,
    )
}
