//! One training step of the discrete autoencoder 784-200-784, to be run beside `benches/peer_sbn.py`.
//!
//! `cargo bench --workspace --bench sbn_step -- [--case NAME|all] [--batch N] [--steps N]`
//!
//! A case is the name of an estimator, `rloo` and `rebar` if none is given; `all` are those that are defined for this program.
//! Prints `ours <case> <batch> <median ms> <minimum ms> <processor ms>`. A step is what training does: noise, program, estimate, one
//! reverse pass, both optimizers; only the images are uploaded once.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod timing;

use burn::tensor::{Device, Tensor, TensorData};
use unbiased_estimators::{ESTIMATORS, EstimatorConfig, Noise, Schema};
use unbiased_models::sbn::{Sbn, SbnConfig, SbnProgram};
use unbiased_train::learner::Learner;
use unbiased_train::optimizer::OptimizerConfig;

const PIXELS: usize = 784;
const WARM_UP: usize = 50;

fn main() {
    timing::run(|options| {
        let steps = options.number("--steps").unwrap_or(300);
        let cases = options.text("--case");
        let cases = match cases.as_deref() {
            None => vec!["rloo", "rebar"],
            Some("all") => ESTIMATORS.iter().map(|(name, _)| *name).collect(),
            Some(case) => vec![case],
        };
        let batches = options.number("--batch").map_or(vec![24, 100], |n| vec![n]);
        for case in &cases {
            for &batch in &batches {
                measure(case, batch, steps);
            }
        }
    });
}

/// Times the step.
fn measure(case: &str, batch: usize, steps: usize) {
    let plain = timing::device();
    let device = plain.clone().autodiff();
    let model = Sbn::new(&SbnConfig::default(), &[0.13; PIXELS], 0, &device);
    let images = random_images(batch, &plain);
    let schema = Schema::of(&SbnProgram::new(&model, images.clone()));
    let objective = model.config().objective;
    let estimator = match EstimatorConfig::named(case).build(&schema, objective, &device) {
        Ok(estimator) => estimator,
        Err(reason) => return println!("no {case}: {reason}"),
    };
    let optimizer = OptimizerConfig {
        beta_2: 0.99999,
        ..OptimizerConfig::default()
    };
    let mut learner = Learner::new(model, estimator, &optimizer, false, device);
    let name = format!("{case} {batch}");
    timing::time(&name, [WARM_UP, steps], &plain, |step| {
        let (model, estimator) = learner.parts();
        let program = SbnProgram::new(model, images.clone());
        let estimate = estimator.estimate(&program, &Noise::new(0, step));
        drop(program);
        learner.follow(&estimate);
    });
}

/// Bits with the density of ink of binarized digits.
fn random_images(batch: usize, device: &Device) -> Tensor<2> {
    let mut state = 1_u64;
    let bits = (0..batch * PIXELS).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        f32::from(u8::from((state >> 33) % 100 < 13))
    });
    Tensor::from_data(
        TensorData::new(bits.collect::<Vec<_>>(), [batch, PIXELS]),
        device,
    )
}
