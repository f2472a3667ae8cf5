//! One training step of the Grammar VAE on equations, to be run beside `benches/peer_gvae.py`.
//!
//! `cargo bench --workspace --bench gvae_step -- [--batch N] [--steps N]`
//!
//! Prints `ours equations <batch> <median ms> <minimum ms>`. The network of the paper on rows of 15 productions. A step is what training
//! does: rows from the texts with their budgeted masks, noise, program, estimate, one reverse pass, Adam.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod timing;

use unbiased_estimators::{EstimatorConfig, Noise, Schema};
use unbiased_grammar::languages::Language;
use unbiased_models::gvae::{
    Batch, Derivations, Gvae, GvaeConfig, GvaeProgram, Masks, Notation, Sizes,
};
use unbiased_train::data::{TextConfig, TextSet};
use unbiased_train::learner::Learner;
use unbiased_train::optimizer::OptimizerConfig;

const STEPS: usize = 15;
const WARM_UP: usize = 10;

fn main() {
    timing::run(|options| {
        let steps = options.number("--steps").unwrap_or(50);
        let batches = options
            .number("--batch")
            .map_or(vec![100, 600], |n| vec![n]);
        for batch in batches {
            measure(batch, steps);
        }
    });
}

/// Times the step.
fn measure(batch: usize, steps: usize) {
    let plain = timing::device();
    let device = plain.clone().autodiff();
    let texts = TextSet::load(&TextConfig::default(), None).expect("equations are generated");
    let language = Language::named("equations").expect("a language of the grammar crate");
    let notation = Derivations::new(language.kept());
    let padding = (notation.width() - 1) as u16;
    let mut read = notation.reader();
    let rows = texts.train.iter().take(10_000).map(|text| {
        let mut row = read(text).expect("an equation");
        row.resize(STEPS, padding);
        row
    });
    let rows: Vec<Vec<u16>> = rows.collect();
    let of = |step: u64| {
        let start = step as usize * batch;
        let rows = (start..start + batch).map(|i| rows[i % rows.len()].as_slice());
        let rows: Vec<&[u16]> = rows.collect();
        Batch::new(&notation, Masks::Budgeted, &rows, &plain).expect("rows that can be finished")
    };

    let sizes = Sizes {
        steps: STEPS,
        width: notation.width(),
        contexts: notation.contexts(),
    };
    let config = GvaeConfig::default();
    let model = Gvae::new(&config, sizes, 0, &device);
    let schema = Schema::of(&GvaeProgram::new(&model, &of(0), 1.0));
    let estimator = EstimatorConfig::named("pathwise")
        .build(&schema, config.objective, &device)
        .expect("the estimator is defined");
    let mut learner = Learner::new(model, estimator, &OptimizerConfig::default(), false, device);
    let name = format!("equations {batch}");
    timing::time(&name, [WARM_UP, steps], &plain, |step| {
        let batch = of(step);
        let (model, estimator) = learner.parts();
        let program = GvaeProgram::new(model, &batch, 1.0);
        let estimate = estimator.estimate(&program, &Noise::new(0, step));
        drop(program);
        learner.follow(&estimate);
    });
}
