//! One module per command.

pub mod check;
pub mod completions;
pub mod data;
pub mod estimators;
pub mod eval;
pub mod export;
pub mod grammar;
pub mod list;
pub mod report;
pub mod sample;
pub mod train;

use std::path::Path;

use crate::checkpoint::Checkpoints;
use crate::config::RunConfig;
use crate::error::Failure;
use crate::run_dir;
use crate::system::{BuildContext, System};
use crate::{device, out};

/// A trained system and the step it was saved at.
struct Trained {
    system: Box<dyn System>,
    config: RunConfig,
    step: u64,
}

/// Builds the system of a run and loads its last good checkpoint.
fn load(run: &Path, device: &str, data_dir: Option<&Path>) -> Result<Trained, Failure> {
    let (entry, config) = run_dir::stored_config(run)?;
    let found = Checkpoints::of(run, &config).latest(|reason| out::note(reason))?;
    let Some(checkpoint) = found else {
        return Err(Failure::usage(format!(
            "{} has no checkpoint yet",
            run.display()
        )));
    };
    let device = device::open(device)?;
    let context = BuildContext {
        device: device.device,
        data_dir: data_dir.or(config.data_dir()).map(Path::to_owned),
        seed: config.run.seed,
    };
    let mut system = (entry.build)(&config.system, &context)?;
    system.load(&checkpoint.path)?;
    Ok(Trained {
        system,
        config,
        step: checkpoint.step,
    })
}
