//! `unbiased report`: one page about one or several runs.

use std::path::{Path, PathBuf};

use crate::cli::ReportArgs;
use crate::error::Failure;
use crate::run_dir::runs_in;
use crate::{files, out, report};

/// Writes the page, or its figures as Markdown.
///
/// # Errors
/// A run that cannot be read, or a file that cannot be written.
pub fn run(args: &ReportArgs) -> Result<(), Failure> {
    let runs: Vec<PathBuf> = args.runs.iter().flat_map(|path| runs_in(path)).collect();
    let (text, default) = if args.markdown {
        (report::markdown(&runs)?, None)
    } else {
        (report::html(&runs)?, Some(Path::new("report.html")))
    };
    let Some(output) = args.output.as_deref().or(default) else {
        return Ok(out::result(text.trim_end())?);
    };
    files::replace(output, text.as_bytes())?;
    out::note(format_args!(
        "{} {} in {}",
        runs.len(),
        if runs.len() == 1 { "run" } else { "runs" },
        output.display()
    ));
    Ok(())
}
