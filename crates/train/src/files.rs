//! Files that are either complete or absent, and locks.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;

/// Replaces the file at `path`: writes beside it, makes it durable, then renames.
///
/// # Errors
/// With the path and the reason; the old file is then untouched.
pub fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.tmp"));
    let write = || -> io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_folder(path.parent().unwrap_or(Path::new(".")))
    };
    write()
        .inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Makes the entries of a folder durable: a rename is not, before this.
///
/// # Errors
/// The folder cannot be opened or synced.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    // Windows has no such operation, and needs none: its renames are journaled.
    if cfg!(unix) {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// The lock of a file, given back when this is dropped, and by the operating system when the process ends, however it ends.
///
/// Closing the file would not do: a program that another thread starts just then holds it a moment longer.
#[derive(Debug)]
pub struct Lock(pub File);

impl Drop for Lock {
    fn drop(&mut self) {
        // It ends with the process at the latest.
        let _ = self.0.unlock();
    }
}
