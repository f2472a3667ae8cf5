//! Reports about one or several runs: a page to look at, or Markdown to keep.
//!
//! Runs that differ by their seed only are one group: one colour, one column, one mean with its spread.

mod chart;
mod html;
mod markdown;
mod page;
mod runs;

use std::path::PathBuf;

use crate::error::Failure;
use runs::Runs;

/// One self-contained HTML page about the runs in `paths`.
///
/// # Errors
/// A folder that is not a run, or cannot be read.
pub fn html(paths: &[PathBuf]) -> Result<String, Failure> {
    page::html(&Runs::read(paths)?)
}

/// Tables of the promised figures of the runs in `paths`, in Markdown.
///
/// # Errors
/// A folder that is not a run, or cannot be read.
pub fn markdown(paths: &[PathBuf]) -> Result<String, Failure> {
    Ok(markdown::markdown(&Runs::read(paths)?.groups))
}
