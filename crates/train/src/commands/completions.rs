//! `unbiased completions`: a script that completes the command line in a shell.

use clap_complete::generate;

use crate::cli::{CompletionsArgs, command};
use crate::error::Failure;
use crate::out;

/// Prints the script.
///
/// # Errors
/// Stdout cannot be written.
pub fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(args.shell, &mut command(), "unbiased", &mut script);
    Ok(out::result(String::from_utf8_lossy(&script).trim_end())?)
}
