//! The folder of a run.
//!
//! ```text
//! config.toml       the resolved configuration; a folder is a run as soon as it has one
//! metrics.jsonl     figures, one line per measurement
//! summary.json      final and best figures and how they came about
//! checkpoint/STEP/  the last two
//! samples/          pictures
//! ```

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::config::RunConfig;
use crate::error::Failure;
use crate::files::{self, Lock};
use crate::invocation::{program, quote};
use crate::system::SystemEntry;
use crate::systems;

/// A run folder that this process writes to; nobody else can while it lives.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    _lock: Lock,
}

impl RunDir {
    /// Refuses a folder that is already in use, before anything expensive happens.
    ///
    /// # Errors
    /// The folder holds a run or anything else, or cannot be read.
    pub fn refuse_occupied(path: &Path) -> Result<(), Failure> {
        let shown = path.display();
        if path.join("config.toml").exists() {
            return Err(Failure::usage(format!(
                "{shown} already holds a run; go on with it by\n  {} train --resume {}\n\
                 or choose another folder with --out DIR",
                program(),
                quote(&path.to_string_lossy())
            )));
        }
        let mut entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                return Err(Failure::Failed(anyhow::anyhow!(
                    "{shown} cannot be used as a run folder ({error}); choose another with --out DIR"
                )));
            }
        };
        let occupied = entries.any(|entry| {
            entry.is_ok_and(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        });
        if occupied {
            return Err(Failure::usage(format!(
                "{shown} is not empty and not a run; choose another folder with --out DIR"
            )));
        }
        Ok(())
    }

    /// Makes `path` a run folder.
    ///
    /// # Errors
    /// It is occupied, or cannot be written.
    pub fn create(path: &Path, config: &RunConfig) -> Result<Self, Failure> {
        Self::refuse_occupied(path)?;
        fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
        let lock = lock(path)?;
        Self::refuse_occupied(path)?;
        // The configuration is last: without it the folder is not a run, with it the run can be resumed.
        files::replace(&path.join("config.toml"), config.to_toml().as_bytes())?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Opens a run folder to go on in it.
    ///
    /// # Errors
    /// It is not a run folder, or another process is writing to it.
    pub fn reopen(path: &Path) -> Result<(Self, &'static SystemEntry, RunConfig), Failure> {
        let (entry, config) = stored_config(path)?;
        let lock = lock(path)?;
        let dir = Self {
            path: path.to_owned(),
            _lock: lock,
        };
        Ok((dir, entry, config))
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where pictures go; created when asked for.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn samples(&self) -> anyhow::Result<PathBuf> {
        let path = self.path.join("samples");
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(path)
    }
}

/// The system and configuration of the run in `path`.
///
/// # Errors
/// It is not a run folder, or its configuration is not one this program knows.
pub fn stored_config(path: &Path) -> Result<(&'static SystemEntry, RunConfig), Failure> {
    let file = path.join("config.toml");
    let text = fs::read_to_string(&file).map_err(|error| {
        Failure::usage(format!(
            "{} is not a run folder ({}: {error}); `{} list` shows what can be trained",
            path.display(),
            file.display(),
            program()
        ))
    })?;
    RunConfig::stored(&text, systems::find)
        .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))
}

/// The folder itself, or the runs inside it when it is one of several seeds.
#[must_use]
pub fn runs_in(path: &Path) -> Vec<PathBuf> {
    if !path.join("config.toml").exists()
        && let Ok(entries) = fs::read_dir(path)
    {
        let mut runs: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.join("config.toml").exists())
            .collect();
        if !runs.is_empty() {
            runs.sort();
            return runs;
        }
    }
    vec![path.to_owned()]
}

fn lock(path: &Path) -> Result<Lock, Failure> {
    let file = path.join(".lock");
    let handle = File::create(&file).with_context(|| format!("cannot write {}", file.display()))?;
    if let Err(TryLockError::WouldBlock) = handle.try_lock() {
        return Err(Failure::usage(format!(
            "another process is writing to {}; wait for it, or choose another folder with --out DIR",
            path.display()
        )));
    }
    // Some network file systems cannot lock; that alone is no reason not to train there.
    Ok(Lock(handle))
}
