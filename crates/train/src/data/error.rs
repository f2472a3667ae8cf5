//! Why data could not be had.

use std::fmt;
use std::path::PathBuf;

/// A failure of the data module.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// No set has this name.
    #[error("unknown data set `{name}`; there are: {known}. Choose one with --set data.name=NAME")]
    UnknownSet {
        /// The name asked for.
        name: String,
        /// The names there are, separated by commas.
        known: String,
    },
    /// The binarization does not exist for the set.
    #[error("data.binarization `{binarization}` is not defined for the set `{name}`: {reason}")]
    Binarization {
        /// The set asked for.
        name: String,
        /// The binarization asked for.
        binarization: super::Binarization,
        /// What would be.
        reason: &'static str,
    },
    /// A cap on the number of images that leaves none.
    #[error("data.{key} is 0: at least one image is needed (leave it out to use all)")]
    EmptyLimit {
        /// `train_limit` or `eval_limit`.
        key: &'static str,
    },
    /// The files of a real set are in none of the folders that were looked in.
    #[error(transparent)]
    Missing(Box<Missing>),
    /// A file of a data set is not what it should be.
    #[error("{}: {problem}. The file is damaged or another one: replace it by the published file", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the value found and the value expected.
        problem: String,
    },
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A picture could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

impl DataError {
    /// Whether the request was at fault (a name, a value, a set that is not there) rather than
    /// the machine or a file's content.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        !matches!(
            self,
            Self::Damaged { .. } | Self::Read { .. } | Self::Write { .. }
        )
    }
}

/// What a user needs to know about a set that was not found.
#[derive(Debug)]
pub struct Missing {
    /// The set.
    pub name: String,
    /// Every folder that was looked in, and the files that were not in it, in the order of look-up.
    pub looked: Vec<(PathBuf, Vec<String>)>,
    /// The files the set consists of.
    pub files: Vec<String>,
    /// What does without files.
    pub instead: &'static str,
    /// Where the files are published.
    pub url: Option<String>,
}

impl std::error::Error for Missing {}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        writeln!(
            f,
            "the data set `{name}` is not on this machine. Looked in:"
        )?;
        if self.looked.is_empty() {
            writeln!(
                f,
                "  nowhere: no --data-dir, no UNBIASED_DATA, no home folder"
            )?;
        }
        for (folder, lacking) in &self.looked {
            if lacking.len() == self.files.len() {
                writeln!(f, "  {} (none of its files)", folder.display())?;
            } else {
                writeln!(f, "  {} (without {})", folder.display(), lacking.join(", "))?;
            }
        }
        writeln!(f, "Ways out:")?;
        writeln!(f, "  {}", self.instead)?;
        writeln!(
            f,
            "  or put these files into DIR/{name} and add --data-dir DIR (or set UNBIASED_DATA=DIR):"
        )?;
        write!(f, "    {}", self.files.join(", "))?;
        if let Some(url) = &self.url {
            write!(f, "\n    published at {url}")?;
        }
        Ok(())
    }
}
