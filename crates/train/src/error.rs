//! How a command fails, and the exit code that says so.

use std::path::PathBuf;

use crate::config::ConfigError;
use crate::data::DataError;

/// Exit code of an interrupted run: 128 + SIGINT, as shells count it.
pub const INTERRUPTED: u8 = 130;

/// Why a command did not end well. Every variant has its own exit code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Something went wrong that the user's input did not cause: I/O, a full disk, a missed figure.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
    /// The command line, a configuration or the data it needs are not right.
    #[error("{0}")]
    Usage(String),
    /// The first loss that was not finite.
    #[error(
        "diverged at step {step} (seed {seed}): {term} is {value}; {}",
        match .checkpoint {
            Some(path) => format!("the last checkpoint is {}", path.display()),
            None => "no checkpoint had been written yet".to_owned(),
        }
    )]
    Diverged {
        /// Step whose figures were read.
        step: u64,
        /// Seed of the run.
        seed: u64,
        /// Name of the quantity that is not finite.
        term: String,
        /// Its value: NaN or an infinity.
        value: f64,
        /// The last good checkpoint.
        checkpoint: Option<PathBuf>,
    },
    /// The user asked to stop; the checkpoint is written.
    #[error("interrupted at step {step}; continue with\n  {resume}")]
    Interrupted {
        /// Step after which the run stopped.
        step: u64,
        /// The command that goes on from here.
        resume: String,
    },
    /// The user asked to stop something that leaves no run.
    #[error("{0}")]
    Stopped(String),
}

impl Failure {
    /// A failure of the user's input, with a message that says what to do.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// The process exit code: 1 failed, 2 usage, 3 diverged, 130 interrupted.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Diverged { .. } => 3,
            Self::Interrupted { .. } | Self::Stopped(_) => INTERRUPTED,
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        match error {
            DataError::Stopped => Self::Stopped(error.to_string()),
            error if error.is_usage() => Self::Usage(error.to_string()),
            error => Self::Failed(error.into()),
        }
    }
}
