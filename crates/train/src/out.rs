//! Where words go: people read stderr, programs read stdout.

use std::fmt::Display;
use std::io::{self, Write};

/// A line for people.
pub fn note(message: impl Display) {
    // Nobody left to read it is no reason to stop a run.
    let _ = writeln!(io::stderr().lock(), "{message}");
}

/// A result, on stdout.
///
/// # Errors
/// Stdout cannot be written; a reader that has gone away (`unbiased list | head`) is no error.
pub fn result(text: impl Display) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("cannot write to stdout"))
        }
        _ => Ok(()),
    }
}
