//! `unbiased export`: the weights of a run, for use elsewhere.

use crate::checkpoint::Checkpoints;
use crate::cli::ExportArgs;
use crate::error::Failure;
use crate::{out, run_dir, weights};

/// Writes the model of the last good checkpoint as one safetensors file. Neither the data nor the device of the
/// run is needed.
///
/// # Errors
/// The run has no checkpoint, or the file cannot be written.
pub fn run(args: &ExportArgs) -> Result<(), Failure> {
    let (_, config) = run_dir::stored_config(&args.run)?;
    let found = Checkpoints::of(&args.run, &config).latest(|reason| out::note(reason))?;
    let Some(checkpoint) = found else {
        return Err(Failure::usage(format!(
            "{} has no checkpoint yet",
            args.run.display()
        )));
    };
    let run = &config.run;
    let origin = serde_json::json!({
        "system": run.system,
        "config": run.config,
        "seed": run.seed,
        "step": checkpoint.step,
        "version": env!("CARGO_PKG_VERSION"),
    });
    let written = weights::export(&checkpoint.path, &origin.to_string(), &args.output)?;
    out::note(format_args!(
        "{} tensors, {} numbers of step {} -> {}",
        written.tensors,
        written.numbers,
        checkpoint.step,
        args.output.display()
    ));
    Ok(())
}
