//! `unbiased sample`: samples of a trained run.

use anyhow::Context;

use super::load;
use crate::cli::SampleArgs;
use crate::error::Failure;
use crate::out;

/// Writes samples of the last good checkpoint into the run's `samples` folder and prints the names of the files.
///
/// # Errors
/// The run cannot be loaded, the files cannot be written, or the system has no samples.
pub fn run(args: &SampleArgs) -> Result<(), Failure> {
    let mut trained = load(&args.run, &args.device, args.data_dir.as_deref())?;
    let folder = args.run.join("samples");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let files = trained.system.samples(&folder, trained.step, args.n)?;
    if files.is_empty() {
        let system = &trained.config.run.system;
        return Err(Failure::usage(format!("`{system}` has no samples")));
    }
    for file in files {
        out::result(file.display())?;
    }
    Ok(())
}
