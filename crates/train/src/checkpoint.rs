//! Checkpoints that are complete or do not count.
//!
//! A checkpoint is a folder named after its step. It is written under a temporary name, made durable and
//! renamed, so that a process killed at any moment leaves either the whole of it or nothing. Its manifest
//! holds the length and SHA-256 of every file and a seal over itself: truncation, flipped bits and files of
//! another run are found when it is read, and the checkpoint before it is used.

use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::RunConfig;
use crate::error::Failure;
use crate::files;
use crate::system::{StepError, System};

/// How many checkpoints are kept.
const KEPT: usize = 2;
const MANIFEST: &str = "manifest.json";
const FORMAT: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    system: String,
    /// Digest of everything that must agree between this checkpoint and the run that loads it.
    settings: String,
    step: u64,
    files: Vec<FileEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEntry {
    name: String,
    bytes: u64,
    sha256: String,
}

/// The manifest as it stands in the file, with a digest over the rest.
#[derive(Debug, Serialize, Deserialize)]
struct Sealed {
    manifest: Manifest,
    seal: String,
}

/// A checkpoint that has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Steps done when it was written.
    pub step: u64,
    /// Its folder.
    pub path: PathBuf,
}

/// The checkpoints of one run.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    system: String,
    settings: String,
}

impl Checkpoints {
    /// The checkpoints in the run folder `run`, which trains `config`.
    #[must_use]
    pub fn of(run: &Path, config: &RunConfig) -> Self {
        Self {
            folder: run.join("checkpoint"),
            system: config.run.system.clone(),
            settings: digest(config.identity().as_bytes()),
        }
    }

    /// Writes the state of `system` after `step` steps and drops all but the last two checkpoints.
    ///
    /// # Errors
    /// The reason, with the path; the earlier checkpoints are then untouched.
    pub fn write(&self, step: u64, system: &dyn System) -> Result<Checkpoint, StepError> {
        let temporary = self.folder.join(format!(".{step}.tmp"));
        let path = self.folder.join(step.to_string());
        self.stage(&temporary, step, system).inspect_err(|_| {
            let _ = fs::remove_dir_all(&temporary);
        })?;
        let publish = || -> std::io::Result<()> {
            // Left behind by a run that was resumed from an earlier step.
            remove_if_there(&path)?;
            fs::rename(&temporary, &path)?;
            files::sync_folder(&self.folder)
        };
        publish().with_context(|| format!("cannot write {}", path.display()))?;
        self.prune();
        Ok(Checkpoint { step, path })
    }

    fn stage(&self, folder: &Path, step: u64, system: &dyn System) -> Result<(), StepError> {
        let prepare = || -> std::io::Result<()> {
            remove_if_there(folder)?;
            fs::create_dir_all(folder)
        };
        prepare().with_context(|| format!("cannot write {}", folder.display()))?;
        system.save(folder)?;
        let manifest = Manifest {
            format: FORMAT,
            system: self.system.clone(),
            settings: self.settings.clone(),
            step,
            files: entries(folder)?,
        };
        for entry in &manifest.files {
            let path = folder.join(&entry.name);
            File::open(&path)
                .and_then(|file| file.sync_all())
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        let seal = seal(&manifest)?;
        let text =
            serde_json::to_vec_pretty(&Sealed { manifest, seal }).map_err(anyhow::Error::from)?;
        files::replace(&folder.join(MANIFEST), &text)?;
        Ok(())
    }

    /// Drops what is older than the last [`KEPT`]. A checkpoint that cannot be removed does no harm.
    fn prune(&self) {
        let steps = self.steps().unwrap_or_default();
        for step in steps.iter().rev().skip(KEPT) {
            let _ = fs::remove_dir_all(self.folder.join(step.to_string()));
        }
    }

    /// The newest checkpoint that is whole and belongs to this run; none when none was ever written.
    ///
    /// `warn` hears about every one that had to be passed over.
    ///
    /// # Errors
    /// There are checkpoints and none of them is usable.
    pub fn latest(&self, mut warn: impl FnMut(&str)) -> Result<Option<Checkpoint>, Failure> {
        let steps = self.steps().map_err(Failure::Failed)?;
        for &step in steps.iter().rev() {
            let path = self.folder.join(step.to_string());
            match self.verify(&path, step) {
                Ok(()) => return Ok(Some(Checkpoint { step, path })),
                Err(reason) => warn(&format!(
                    "checkpoint {} is not usable ({reason:#})",
                    path.display()
                )),
            }
        }
        if steps.is_empty() {
            Ok(None)
        } else {
            Err(Failure::Failed(anyhow::anyhow!(
                "no usable checkpoint is left in {}; remove that folder to start this run again from step 0",
                self.folder.display()
            )))
        }
    }

    /// Moves aside whatever claims to be newer than `step`: unusable, or overtaken by the resumed run.
    ///
    /// # Errors
    /// A folder that cannot be renamed.
    pub fn set_aside_after(&self, step: Option<u64>) -> anyhow::Result<()> {
        for newer in self.steps()? {
            if step.is_none_or(|step| newer > step) {
                let path = self.folder.join(newer.to_string());
                let aside = self.folder.join(format!("unusable-{newer}"));
                remove_if_there(&aside)
                    .and_then(|()| fs::rename(&path, &aside))
                    .with_context(|| format!("cannot rename {}", path.display()))?;
            }
        }
        Ok(())
    }

    /// The steps of all checkpoint folders, ascending.
    fn steps(&self) -> anyhow::Result<Vec<u64>> {
        let listing = match fs::read_dir(&self.folder) {
            Ok(listing) => listing,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                let context = format!("cannot read {}", self.folder.display());
                return Err(anyhow::Error::new(error).context(context));
            }
        };
        let mut steps: Vec<u64> = listing
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        steps.sort_unstable();
        Ok(steps)
    }

    fn verify(&self, path: &Path, step: u64) -> anyhow::Result<()> {
        let text = fs::read(path.join(MANIFEST)).context("its manifest cannot be read")?;
        let Sealed {
            manifest,
            seal: read,
        } = serde_json::from_slice(&text).context("its manifest is damaged")?;
        ensure!(read == seal(&manifest)?, "its manifest is damaged");
        ensure!(
            manifest.format == FORMAT,
            "its format is {}, this program reads {FORMAT}",
            manifest.format
        );
        if manifest.system != self.system || manifest.settings != self.settings {
            bail!("it belongs to a run with other settings");
        }
        ensure!(
            manifest.step == step,
            "it was written at step {}",
            manifest.step
        );
        let found = entries(path)?;
        for expected in &manifest.files {
            let name = &expected.name;
            let Some(entry) = found.iter().find(|entry| entry.name == *name) else {
                bail!("{name} is missing");
            };
            ensure!(
                entry.bytes == expected.bytes,
                "{name} has {} bytes, {} were written",
                entry.bytes,
                expected.bytes
            );
            ensure!(entry.sha256 == expected.sha256, "{name} is damaged");
        }
        Ok(())
    }
}

/// Name, length and digest of every file of a checkpoint but its manifest, by name.
fn entries(folder: &Path) -> anyhow::Result<Vec<FileEntry>> {
    let mut entries = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name == MANIFEST {
            continue;
        }
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        entries.push(FileEntry {
            name,
            bytes: bytes.len() as u64,
            sha256: digest(&bytes),
        });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn seal(manifest: &Manifest) -> anyhow::Result<String> {
    Ok(digest(&serde_json::to_vec(manifest)?))
}

fn digest(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn remove_if_there(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
