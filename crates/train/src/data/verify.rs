//! Whether the files of a set are there, and whether they are the right ones.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::DataError;
use super::checksum::{self, Checksum};
use super::locate::{Packing, place};
use super::manifest::{Manifest, ManifestFile};

/// What is there of a set, by the lengths of its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is needed.
    Generated,
    /// All files, in this folder.
    Ready(PathBuf),
    /// Some of the files, in this folder.
    Partial(PathBuf),
    /// A file of the wrong length, in this folder.
    Damaged(PathBuf),
    /// No file anywhere.
    Absent,
}

impl State {
    /// One word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Generated => "generated",
            Self::Ready(_) => "ready",
            Self::Partial(_) => "partial",
            Self::Damaged(_) => "damaged",
            Self::Absent => "absent",
        }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Ready(folder) | Self::Partial(folder) | Self::Damaged(folder) => Some(folder),
            Self::Generated | Self::Absent => None,
        }
    }
}

/// What is there of `set` in the folders `roots`: the first complete one, or else the first with anything in it.
#[must_use]
pub fn state(set: &Manifest, roots: &[PathBuf]) -> State {
    if set.is_generated() {
        return State::Generated;
    }
    let mut best = State::Absent;
    for root in roots {
        let folder = root.join(set.name);
        let places = set.files.iter().map(|file| (file, place(&folder, file)));
        let lengths: Vec<Option<bool>> = places
            .map(|(file, place)| place.map(|(packing, path)| has_length(file, packing, &path)))
            .collect();
        let state = if lengths.iter().all(|length| *length == Some(true)) {
            return State::Ready(folder);
        } else if lengths.contains(&Some(false)) {
            State::Damaged(folder)
        } else if lengths.contains(&Some(true)) {
            State::Partial(folder)
        } else {
            continue;
        };
        if best == State::Absent {
            best = state;
        }
    }
    best
}

fn has_length(file: &ManifestFile, packing: Packing, path: &Path) -> bool {
    let expected = match packing {
        Packing::Published => file.bytes,
        Packing::Unpacked => file.unpacked.as_ref().map(|unpacked| unpacked.bytes),
        Packing::Packed => None,
    };
    let found = fs::metadata(path).map(|data| data.len());
    found.is_ok_and(|found| expected.is_none_or(|expected| found == expected))
}

/// What a look at the whole of a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the published one, by this kind of checksum.
    Good(&'static str),
    /// It has the right length; no checksum of it is known.
    LengthOnly,
    /// It is not there.
    Missing,
    /// It is another one, or damaged.
    Wrong {
        /// What it has.
        found: String,
        /// What it should have.
        expected: String,
    },
}

/// The file in a set's folder that keeps the checksums of downloads for which none is published.
pub(super) const KEPT_SUMS: &str = "SHA256SUMS";

/// Looks at the whole of a file of a set that lies in `folder`.
///
/// # Errors
/// [`DataError::Read`] if it cannot be read.
pub fn verify(folder: &Path, file: &ManifestFile) -> Result<Verdict, DataError> {
    match place(folder, file) {
        None => Ok(Verdict::Missing),
        Some((packing, path)) => match verify_at(&path, packing, file)? {
            Verdict::LengthOnly if packing == Packing::Published => kept(folder, file, &path),
            verdict => Ok(verdict),
        },
    }
}

/// Looks at the whole of the file at `path`.
pub(super) fn verify_at(
    path: &Path,
    packing: Packing,
    file: &ManifestFile,
) -> Result<Verdict, DataError> {
    let unreadable = |source| DataError::Read {
        path: path.into(),
        source,
    };
    let (bytes, checksum) = match packing {
        Packing::Published | Packing::Packed => (file.bytes, file.checksum()),
        Packing::Unpacked => (
            file.unpacked.as_ref().map(|unpacked| unpacked.bytes),
            file.unpacked
                .as_ref()
                .map(|unpacked| Checksum::Sha256(&unpacked.sha256)),
        ),
    };
    if packing == Packing::Packed {
        return packed(path, bytes, checksum).map_err(unreadable);
    }
    let length = fs::metadata(path).map_err(unreadable)?.len();
    if let Some(expected) = bytes.filter(|&expected| expected != length) {
        return Ok(lengths(length, expected));
    }
    let Some(checksum) = checksum else {
        return Ok(Verdict::LengthOnly);
    };
    let compared = checksum.compare(path).map_err(unreadable)?;
    Ok(compared.map_or_else(
        |found| sums(checksum, found),
        |()| Verdict::Good(checksum.kind()),
    ))
}

fn lengths(found: u64, expected: u64) -> Verdict {
    Verdict::Wrong {
        found: format!("{found} bytes"),
        expected: format!("{expected}"),
    }
}

fn sums(checksum: Checksum<'_>, found: String) -> Verdict {
    Verdict::Wrong {
        found: format!("{} {found}", checksum.kind()),
        expected: checksum.digits(),
    }
}

/// The content of a gzip file.
fn packed(path: &Path, bytes: Option<u64>, checksum: Option<Checksum<'_>>) -> io::Result<Verdict> {
    let content = MultiGzDecoder::new(BufReader::new(File::open(path)?));
    let Some((bytes, checksum)) = bytes.zip(checksum) else {
        return Ok(Verdict::LengthOnly);
    };
    // One byte more tells a file that goes on; no more is taken from one that unpacks without end.
    match checksum.of(content.take(bytes + 1), bytes) {
        Ok(found) if found == checksum.digits() => Ok(Verdict::Good(checksum.kind())),
        Ok(found) => Ok(sums(checksum, found)),
        Err(error) if is_content(&error) => Ok(Verdict::Wrong {
            found: format!("broken compressed data ({error})"),
            expected: checksum.to_string(),
        }),
        Err(error) => Err(error),
    }
}

/// Whether reading failed because of what was read.
pub(super) fn is_content(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

/// Compares with the checksum that was kept when the file came.
fn kept(folder: &Path, file: &ManifestFile, path: &Path) -> Result<Verdict, DataError> {
    let Ok(text) = fs::read_to_string(folder.join(KEPT_SUMS)) else {
        return Ok(Verdict::LengthOnly);
    };
    let lines = text.lines().filter_map(|line| line.split_once("  "));
    let Some((expected, _)) = lines.into_iter().find(|(_, name)| *name == file.path) else {
        return Ok(Verdict::LengthOnly);
    };
    let found = checksum::sha256(path).map_err(|source| DataError::Read {
        path: path.into(),
        source,
    })?;
    Ok(if found == expected {
        Verdict::Good("sha256 of its download")
    } else {
        sums(Checksum::Sha256(expected), found)
    })
}

/// Keeps the checksum of a file that came without one.
pub(super) fn keep_sum(folder: &Path, file: &ManifestFile) -> anyhow::Result<()> {
    let sum = checksum::sha256(&folder.join(&file.path))?;
    let path = folder.join(KEPT_SUMS);
    let old = fs::read_to_string(&path).unwrap_or_default();
    let others = old.lines().filter(|line| {
        line.split_once("  ")
            .is_none_or(|(_, name)| name != file.path)
    });
    let mut text: String = others.flat_map(|line| [line, "\n"]).collect();
    text.extend([&sum, "  ", &file.path, "\n"]);
    crate::files::replace(&path, text.as_bytes())
}
