//! The folder of a set: one writer at a time, what it lacks, and files that have arrived getting their names.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::{Event, archive, length_of, part_of, partial};
use crate::data::locate::{Packing, place};
use crate::data::manifest::{Archive, Form, Manifest, ManifestFile};
use crate::data::verify::{self, Verdict, verify_at};
use crate::data::{DataError, amat};
use crate::files::{self, Lock};

/// The files that `folder` lacks or has in a damaged state; says of the others that they are there.
pub(super) fn lacking<'a>(
    set: &'a Manifest,
    folder: &Path,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<Vec<&'a ManifestFile>, DataError> {
    let mut lacking = Vec::new();
    for file in &set.files {
        match verify::verify(folder, file)? {
            Verdict::Missing | Verdict::Wrong { .. } => lacking.push(file),
            verdict => report(Event::Done {
                file: &file.path,
                before: true,
                verdict: &verdict,
            }),
        }
    }
    Ok(lacking)
}

/// Gives a file that has arrived as `part` its name, if it is the published one.
pub(super) fn settle(
    set: &Manifest,
    file: &ManifestFile,
    (packing, part): (Packing, &Path),
    folder: &Path,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<(), DataError> {
    let path = folder.join(packing.name(&file.path));
    let verdict = verify_at(part, packing, file)?;
    let problem = match &verdict {
        Verdict::Wrong { found, expected } => Some(format!("has {found}, expected {expected}")),
        Verdict::LengthOnly if set.form == Form::Amat => check_amat(set, file, part)?,
        _ => None,
    };
    if let Some(problem) = problem {
        fs::remove_file(part).map_err(partial(part))?;
        return Err(DataError::Damaged { path, problem });
    }
    // What lay there was damaged, or else nothing would have been brought.
    if let Some((_, old)) = place(folder, file) {
        fs::remove_file(&old).map_err(partial(&old))?;
    }
    fs::rename(part, &path)
        .and_then(|()| files::sync_folder(folder))
        .map_err(partial(&path))?;
    if verdict == Verdict::LengthOnly && packing == Packing::Published {
        verify::keep_sum(folder, file).map_err(|error| partial(&path)(io::Error::other(error)))?;
    }
    report(Event::Done {
        file: &file.path,
        before: false,
        verdict: &verdict,
    });
    Ok(())
}

/// Reads a file that has no checksum as a loader would; what is wrong with it.
fn check_amat(
    set: &Manifest,
    file: &ManifestFile,
    part: &Path,
) -> Result<Option<String>, DataError> {
    let items = set.items;
    let splits = [
        ("train", items.train),
        ("valid", items.valid),
        ("test", items.test),
    ];
    let rows = splits
        .iter()
        .find_map(|(split, rows)| file.path.contains(split).then_some(*rows));
    match amat::read(part, rows.unwrap_or(0), 784) {
        Ok(_) => Ok(None),
        Err(DataError::Damaged { problem, .. }) => Ok(Some(problem)),
        Err(error) => Err(error),
    }
}

/// Takes the files of the set out of the archive at `packed`, checks and names them.
pub(super) fn unpack(
    set: &Manifest,
    packed: &Path,
    folder: &Path,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<(), DataError> {
    let part = |file: &ManifestFile| part_of(&folder.join(&file.path));
    let mut all = || {
        archive::unpack(set, packed, folder)?;
        set.files.iter().try_for_each(|file| {
            let arrived = (Packing::Published, &*part(file));
            settle(set, file, arrived, folder, report)
        })
    };
    all().inspect_err(|_| {
        // Best effort: the error to report is the first one.
        for file in &set.files {
            let _ = fs::remove_file(part(file));
        }
    })
}

/// One writer at a time.
pub(super) fn lock(folder: &Path) -> Result<Lock, DataError> {
    fs::create_dir_all(folder).map_err(partial(folder))?;
    let path = folder.join(".lock");
    let file = File::create(&path).map_err(partial(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(fs::TryLockError::WouldBlock) => Err(DataError::Busy {
            folder: folder.to_owned(),
        }),
        Err(fs::TryLockError::Error(source)) => Err(partial(&path)(source)),
    }
}

/// Refuses what the disk cannot take; parts that are there already count.
pub(super) fn check_room(
    folder: &Path,
    archive: Option<&Archive>,
    files: &[&ManifestFile],
) -> Result<(), DataError> {
    let rest = |path: &str, bytes: Option<u64>| {
        bytes
            .unwrap_or(0)
            .saturating_sub(length_of(&part_of(&folder.join(path))))
    };
    let files: u64 = files.iter().map(|file| rest(&file.path, file.bytes)).sum();
    let archive = archive.map_or(0, |archive| rest(&archive.path, Some(archive.bytes)));
    let needed = files + archive;
    // A system that cannot tell has its say when writing fails.
    let free = fs4::available_space(folder).unwrap_or(u64::MAX);
    if free < needed {
        return Err(DataError::NoRoom {
            folder: folder.to_owned(),
            needed,
            free,
        });
    }
    Ok(())
}
