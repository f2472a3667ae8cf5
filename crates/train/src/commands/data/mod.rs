//! `unbiased data`: one module per command.

mod fetch;
mod generate;
mod list;
mod path;
mod show;
mod verify;

use std::path::{Path, PathBuf};

use crate::cli::DataCommand;
use crate::config::closest;
use crate::data::{DataError, Manifest, catalogue, search_path, state};
use crate::error::Failure;

/// Does what the command says.
///
/// # Errors
/// There is no such set, its files are not there or not right, or they cannot be had.
pub fn run(command: &DataCommand) -> Result<(), Failure> {
    match command {
        DataCommand::List(args) => list::run(args),
        DataCommand::Fetch(args) => fetch::run(args),
        DataCommand::Verify(args) => verify::run(args),
        DataCommand::Path(args) => path::run(args),
        DataCommand::Import(args) => fetch::import(args),
        DataCommand::Generate(args) => generate::run(args),
    }
}

/// The set of this name.
fn named(name: &str) -> Result<&'static Manifest, Failure> {
    Manifest::named(name).map_err(|_| {
        let known = catalogue().iter().map(|set| set.name.to_owned());
        Failure::usage(unknown("data set", name, &known.collect::<Vec<_>>()))
    })
}

/// Says that there is no such name, and which there are.
fn unknown(what: &str, name: &str, known: &[String]) -> String {
    let close =
        closest(name, known).map_or_else(String::new, |close| format!("; did you mean `{close}`?"));
    format!(
        "there is no {what} `{name}`{close}\n  there are: {}",
        known.join(", ")
    )
}

/// Where data goes: the folder that has some of the set already, or else the first one that is looked in.
fn target(set: &Manifest, data_dir: Option<&Path>) -> Result<PathBuf, DataError> {
    let roots = search_path(data_dir);
    let first = roots.first().ok_or(DataError::NoFolder)?;
    // A folder that was named is the one that is meant.
    if data_dir.is_some() {
        return Ok(first.clone());
    }
    let found = state(set, &roots);
    let root = found.folder().and_then(Path::parent);
    Ok(root.unwrap_or(first).to_owned())
}
