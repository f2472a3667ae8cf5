//! Taking the files of a set out of a `.tar.gz`.
//!
//! Only members that the manifest names are written, under names that the manifest gives: what an archive says about
//! paths, links, owners and modes is never acted upon. An archive with anything suspect in it is refused as a whole.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};

use super::{part_of, partial};
use crate::data::DataError;
use crate::data::manifest::Manifest;

/// Entries that an archive may have.
const MOST_ENTRIES: usize = 1000;
/// Bytes that an archive may hold besides the members that are wanted: readme files, tables of names.
const MOST_OTHERS: u64 = 64 << 20;

/// Writes the members of `archive` that `set` names to the parts of its files in `folder`.
pub(super) fn unpack(set: &Manifest, archive: &Path, folder: &Path) -> Result<(), DataError> {
    let damaged = |problem: String| DataError::Damaged {
        path: archive.into(),
        problem,
    };
    let file = File::open(archive).map_err(|source| DataError::Read {
        path: archive.into(),
        source,
    })?;
    let wanted: u64 = set.files.iter().filter_map(|file| file.bytes).sum();
    // Headers and padding add less than that; an archive that unpacks without end is cut off.
    let most = wanted + MOST_OTHERS;
    let mut tar = Archive::new(MultiGzDecoder::new(BufReader::new(file)).take(most));
    let broken = |error: io::Error| damaged(format!("the archive is broken ({error})"));
    let mut found = vec![false; set.files.len()];
    for (number, entry) in tar.entries().map_err(broken)?.enumerate() {
        let mut entry = entry.map_err(broken)?;
        if number == MOST_ENTRIES {
            return Err(damaged(format!("holds more than {MOST_ENTRIES} entries")));
        }
        let name = entry.path().map_err(broken)?.into_owned();
        refuse(&name, entry.header().entry_type()).map_err(damaged)?;
        let is_it = |member: &Option<String>| {
            member
                .as_deref()
                .is_some_and(|member| Path::new(member) == name)
        };
        let Some(index) = set.files.iter().position(|file| is_it(&file.member)) else {
            continue;
        };
        let expected = set.files[index].bytes;
        if expected != Some(entry.size()) {
            return Err(damaged(format!(
                "{} is {} bytes long, expected {}",
                name.display(),
                entry.size(),
                expected.unwrap_or_default()
            )));
        }
        let part = part_of(&folder.join(&set.files[index].path));
        let mut to = File::create(&part).map_err(partial(&part))?;
        io::copy(&mut entry, &mut to).map_err(|error| match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => partial(&part)(error),
            _ => broken(error),
        })?;
        to.sync_all().map_err(partial(&part))?;
        found[index] = true;
    }
    let missing: Vec<&str> = set
        .files
        .iter()
        .zip(found)
        .filter(|(_, found)| !found)
        .filter_map(|(file, _)| file.member.as_deref())
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(damaged(format!("holds no {}", missing.join(", "))))
    }
}

/// Refuses entries that no archive of data has.
fn refuse(name: &Path, kind: EntryType) -> Result<(), String> {
    let shown: PathBuf = name.iter().take(8).collect();
    let shown = shown.display();
    let is_inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    // A backslash is a separator on some systems and a letter on others.
    if !name.components().all(is_inside) || name.to_string_lossy().contains(['\\', ':']) {
        return Err(format!("holds `{shown}`, which leads out of the folder"));
    }
    match kind {
        EntryType::Regular | EntryType::Directory | EntryType::XGlobalHeader => Ok(()),
        EntryType::Link | EntryType::Symlink => Err(format!("holds the link `{shown}`")),
        other => Err(format!("holds `{shown}`, an entry of kind {other:?}")),
    }
}
