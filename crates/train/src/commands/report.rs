//! `unbiased report`: one page about one or several runs.

use crate::cli::ReportArgs;
use crate::error::Failure;
use crate::report::report;
use crate::run_dir::runs_in;
use crate::{files, out};

/// Writes the page.
///
/// # Errors
/// A run that cannot be read, or a page that cannot be written.
pub fn run(args: &ReportArgs) -> Result<(), Failure> {
    let runs: Vec<_> = args.runs.iter().flat_map(|path| runs_in(path)).collect();
    let page = report(&runs)?;
    files::replace(&args.output, page.as_bytes())?;
    out::note(format_args!(
        "{} {} in {}",
        runs.len(),
        if runs.len() == 1 { "run" } else { "runs" },
        args.output.display()
    ));
    Ok(())
}
