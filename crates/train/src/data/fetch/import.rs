//! Taking files that the user has: copies under the checks of a download.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::folder::{lacking, lock, settle, unpack};
use super::{Event, part_of, partial};
use crate::data::DataError;
use crate::data::checksum::Checksum;
use crate::data::locate::Packing;
use crate::data::manifest::Manifest;

/// See [`Fetcher::import`](super::Fetcher::import).
pub(super) fn import(
    set: &Manifest,
    folder: &Path,
    from: &Path,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<(), DataError> {
    let wanted = lacking(set, folder, report)?;
    if wanted.is_empty() {
        return Ok(());
    }
    let _lock = lock(folder)?;
    if let Some((archive, path)) = set
        .archive
        .as_ref()
        .and_then(|archive| Some((archive, look(from, set, &archive.path)?)))
    {
        let checksum = Checksum::Sha256(&archive.sha256);
        let compared = checksum.compare(&path).map_err(|source| DataError::Read {
            path: path.clone(),
            source,
        })?;
        if let Err(found) = compared {
            let problem = format!("has sha256 {found}, expected {}", checksum.digits());
            return Err(DataError::Damaged { path, problem });
        }
        return unpack(set, &path, folder, report);
    }
    let mut found = 0;
    for &file in &wanted {
        let place = |packing: Packing| Some((packing, look(from, set, &packing.name(&file.path))?));
        if let Some((packing, path)) = Packing::of(&file.path).into_iter().find_map(place) {
            report(Event::Begun {
                file: &file.path,
                bytes: file.bytes,
                from: &path.display().to_string(),
            });
            let part = part_of(&folder.join(packing.name(&file.path)));
            // A copy without the permissions of the original, which may forbid writing.
            let copy = || -> io::Result<u64> {
                io::copy(&mut File::open(&path)?, &mut File::create(&part)?)
            };
            copy().map_err(partial(&part))?;
            settle(set, file, (packing, &part), folder, report).map_err(|error| match error {
                // Of the user's file, not of the copy.
                DataError::Damaged { problem, .. } => DataError::Damaged { path, problem },
                error => error,
            })?;
            found += 1;
        }
    }
    if found == 0 {
        return Err(DataError::NothingToImport {
            name: set.name,
            from: from.to_owned(),
            files: wanted.iter().map(|file| file.path.clone()).collect(),
        });
    }
    Ok(())
}

/// The file `name` if `from` is it, has it, or has it in a folder named after the set.
fn look(from: &Path, set: &Manifest, name: &str) -> Option<PathBuf> {
    let itself = from.file_name().is_some_and(|own| own == name);
    let places = [
        itself.then(|| from.to_owned()),
        Some(from.join(name)),
        Some(from.join(set.name).join(name)),
    ];
    places.into_iter().flatten().find(|path| path.is_file())
}
