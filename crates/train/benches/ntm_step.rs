//! One training step of the neural Turing machine on copy, to be run beside `benches/peer_ntm.py`.
//!
//! `cargo bench -p unbiased-train --bench ntm_step -- [--case soft|shift-rloo] [--length N] [--steps N]`
//!
//! Prints `ours <case> <length> <median ms> <minimum ms>`. The machine of `ntm/copy`: LSTM of 64 units, memory of 32 x 16, one read and one
//! write head, 6 bits, batch of 32; sequences of one length, so 2 N + 1 steps of the machine. A step is what training does: noise, program,
//! estimate, one reverse pass, clipping at norm 10, Adam; only the sequences are generated once.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod timing;

use unbiased_estimators::{EstimatorConfig, Noise, Schema};
use unbiased_models::ntm::{Address, Ntm, NtmConfig, NtmProgram, Size, Stream, TaskConfig};
use unbiased_train::learner::Learner;
use unbiased_train::optimizer::OptimizerConfig;

const BATCH: usize = 32;
const WARM_UP: usize = 20;

fn main() {
    timing::run(|options| {
        let steps = options.number("--steps").unwrap_or(200);
        let cases = options.text("--case");
        let cases = cases.map_or(vec!["soft".into(), "shift-rloo".into()], |case| vec![case]);
        let lengths = options.number("--length").map_or(vec![5, 10], |n| vec![n]);
        for case in &cases {
            for &length in &lengths {
                measure(case, length, steps);
            }
        }
    });
}

/// Times the step.
fn measure(case: &str, length: usize, steps: usize) {
    let plain = timing::device();
    let device = plain.clone().autodiff();
    let task = TaskConfig {
        bits: 6,
        lengths: [1, 10],
        ..TaskConfig::default()
    };
    let config = NtmConfig {
        address: match case {
            "soft" => Address::Soft,
            "shift-rloo" => Address::Shift,
            _ => panic!("unknown case {case}"),
        },
        ..NtmConfig::default()
    };
    let model = Ntm::new(&config, task.inputs(), task.outputs(), 0, &device);
    let (size, stream) = (Size { length, repeats: 1 }, Stream { seed: 0, batch: 0 });
    let sequences = task.generate(size, BATCH, stream).upload(&plain);
    let schema = Schema::of(&NtmProgram::new(&model, &sequences));
    let estimator = EstimatorConfig::named("rloo")
        .build(&schema, config.objective, &device)
        .expect("the estimator is defined");
    let optimizer = OptimizerConfig {
        clip_norm: Some(10.0),
        ..OptimizerConfig::default()
    };
    let mut learner = Learner::new(model, estimator, &optimizer, false, device);
    let name = format!("{case} {length}");
    timing::time(&name, [WARM_UP, steps], &plain, |step| {
        let (model, estimator) = learner.parts();
        let program = NtmProgram::new(model, &sequences);
        let estimate = estimator.estimate(&program, &Noise::new(0, step));
        drop(program);
        learner.follow(&estimate);
    });
}
