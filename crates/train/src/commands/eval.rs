//! `unbiased eval`: the figures of a trained run, as JSON.

use serde::Serialize;

use super::load;
use crate::cli::EvalArgs;
use crate::data::Split;
use crate::error::Failure;
use crate::out;
use crate::system::Metrics;

#[derive(Serialize)]
struct Report<'a> {
    system: &'a str,
    config: &'a str,
    seed: u64,
    step: u64,
    split: Split,
    data: String,
    metrics: Metrics,
}

/// Prints the figures of the last good checkpoint.
///
/// # Errors
/// The run cannot be loaded or has no such split.
pub fn run(args: &EvalArgs) -> Result<(), Failure> {
    let mut trained = load(&args.run, &args.device, args.data_dir.as_deref())?;
    let metrics = trained.system.evaluate(args.split, true)?;
    let run = &trained.config.run;
    if metrics.is_empty() {
        return Err(Failure::usage(format!(
            "`{}` has nothing to evaluate on the split `{}`",
            run.system, args.split
        )));
    }
    let report = Report {
        system: &run.system,
        config: &run.config,
        seed: run.seed,
        step: trained.step,
        split: args.split,
        data: trained.system.data(),
        metrics,
    };
    let text = serde_json::to_string_pretty(&report).map_err(anyhow::Error::from)?;
    Ok(out::result(text)?)
}
