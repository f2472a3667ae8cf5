//! Why data could not be had.

use crate::invocation::program;
use std::fmt;
use std::path::PathBuf;

/// A failure of the data module.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// No set has this name.
    #[error("unknown data set `{name}`; there are: {}. Choose one with --set data.name=NAME", known.join(", "))]
    UnknownSet {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<&'static str>,
    },
    /// The set exists, but not as images of 28x28 pixels.
    #[error(
        "the data set `{name}` does not consist of images of 28x28 pixels; choose another with --set data.name=NAME"
    )]
    NoImages {
        /// The name asked for.
        name: &'static str,
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
    /// The set `folder` without a folder.
    #[error("data.name is `folder`: say which one with --set data.folder=PATH")]
    UnnamedFolder,
    /// A folder of pictures, or a picture in it, that cannot be used.
    #[error("{}: {problem}", path.display())]
    Folder {
        /// The folder or the file.
        path: PathBuf,
        /// What is wrong, and the way out.
        problem: String,
    },
    /// The files of a real set are in none of the folders that were looked in.
    #[error(transparent)]
    Missing(Box<Missing>),
    /// A file of a data set is not what it should be.
    #[error("{}: {problem}. The file is damaged or another one: replace it by the published file (`unbiased data fetch` does that)", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the value found and the value expected.
        problem: String,
    },
    /// A file could not be downloaded.
    #[error(transparent)]
    NotFetched(Box<NotFetched>),
    /// Files to import are not there.
    #[error("{} holds none of the files of `{name}` that are not there yet: {}", from.display(), files.join(", "))]
    NothingToImport {
        /// The set.
        name: &'static str,
        /// Where they were looked for.
        from: PathBuf,
        /// The files that are wanted.
        files: Vec<String>,
    },
    /// Someone else is writing to the folder.
    #[error("another process is fetching into {}; wait for it or end it", folder.display())]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// The disk is too full.
    #[error("{} has room for {free} bytes, {needed} are needed; give another folder with --data-dir", folder.display())]
    NoRoom {
        /// The folder.
        folder: PathBuf,
        /// Bytes that are still to come.
        needed: u64,
        /// Bytes that the disk can take.
        free: u64,
    },
    /// There is no folder to put data into.
    #[error("no folder to put data into: give one with --data-dir, or set UNBIASED_DATA")]
    NoFolder,
    /// The user asked to stop.
    #[error("stopped; what has arrived is kept, and the same command goes on with it")]
    Stopped,
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
    /// The same where pictures of one's own would do as well.
    #[must_use]
    pub(super) fn or_a_folder(mut self) -> Self {
        if let Self::UnknownSet { known, .. } = &mut self {
            known.push("folder");
        }
        self
    }

    /// Whether the request was at fault (a name, a value, a set that is not there) rather than
    /// the machine or a file's content.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::UnknownSet { .. }
                | Self::NoImages { .. }
                | Self::Binarization { .. }
                | Self::EmptyLimit { .. }
                | Self::Missing(_)
                | Self::NothingToImport { .. }
                | Self::NoFolder
                | Self::UnnamedFolder
                | Self::Folder { .. }
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
    /// What does without them, and how.
    pub instead: Option<&'static str>,
}

impl std::error::Error for Missing {}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, program) = (&self.name, program());
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
        if let Some(instead) = self.instead {
            writeln!(f, "  {instead}")?;
        }
        writeln!(f, "  download it: {program} data fetch {name}")?;
        write!(
            f,
            "  take files that you have: {program} data import {name} FOLDER, or --data-dir DIR (or UNBIASED_DATA=DIR) with DIR/{name}"
        )
    }
}

/// A file that could not be downloaded from anywhere.
#[derive(Debug)]
pub struct NotFetched {
    /// The set.
    pub name: &'static str,
    /// The file.
    pub file: String,
    /// Every address that was tried, and what went wrong there.
    pub tried: Vec<(String, String)>,
}

impl std::error::Error for NotFetched {}

impl fmt::Display for NotFetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, file, tried } = self;
        let program = program();
        writeln!(f, "cannot fetch {file} of {name}:")?;
        for (address, problem) in tried {
            writeln!(f, "  {address}: {problem}")?;
        }
        write!(
            f,
            "What has arrived is kept: `{program} data fetch {name}` goes on with it.\n\
             Without a network: download {file} on another machine and run\n  \
             {program} data fetch {name} --from FILE_OR_FOLDER"
        )
    }
}
