//! Getting the files of a set: from the network, or from a folder of the user.
//!
//! A file is written as `<name>.part`, gets its name when its length and checksum are right, and is never there in part.
//! A part that was left behind is gone on with. One process at a time writes to the folder of a set.

mod archive;
mod folder;
mod http;
mod import;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use self::folder::{check_room, lacking, lock, settle, unpack};
use self::http::Fault;
use super::DataError;
use super::checksum::Checksum;
use super::error::NotFetched;
use super::locate::Packing;
use super::manifest::{Manifest, ManifestFile};
use super::verify::Verdict;

/// How patient one is with servers.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Tries at each address that bring nothing before the next address is tried.
    pub tries: u32,
    /// The wait after the first of them; twice as long after each further one.
    pub pause: Duration,
    /// The longest wait for a connection.
    pub connect: Duration,
    /// The longest wait for an answer, and for its next bytes.
    pub idle: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            tries: 3,
            pause: Duration::from_secs(1),
            connect: Duration::from_secs(15),
            idle: Duration::from_secs(30),
        }
    }
}

/// What happens on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A file comes from an address or a path.
    Begun {
        /// Its name.
        file: &'a str,
        /// Its length, if that is known.
        bytes: Option<u64>,
        /// Where it comes from.
        from: &'a str,
    },
    /// So many bytes of it are here.
    Arrived(u64),
    /// A try has failed.
    Trouble {
        /// Where.
        from: &'a str,
        /// Why.
        problem: &'a str,
    },
    /// The file is here and was looked at.
    Done {
        /// Its name.
        file: &'a str,
        /// Whether it was here before.
        before: bool,
        /// What is known about it.
        verdict: &'a Verdict,
    },
}

/// Gets the files of sets.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// How patient one is.
    pub policy: Policy,
    /// Folders on the network to use in place of the published ones.
    pub mirrors: Vec<String>,
    /// Whether the user has asked to stop.
    pub stop: fn() -> bool,
}

impl Default for Fetcher {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            mirrors: Vec::new(),
            stop: || false,
        }
    }
}

/// A file that is to be had: one of the set, or the archive that holds them all.
struct Wanted<'a> {
    path: &'a str,
    bytes: Option<u64>,
    checksum: Option<Checksum<'a>>,
    /// Addresses of its own.
    urls: &'a [String],
}

impl<'a> Wanted<'a> {
    fn file(file: &'a ManifestFile) -> Self {
        Self {
            path: &file.path,
            bytes: file.bytes,
            checksum: file.checksum(),
            urls: &file.urls,
        }
    }
}

impl Fetcher {
    /// Downloads what is not there yet of `set` into its folder under `root`.
    ///
    /// # Errors
    /// [`DataError::NotFetched`] if no address has a file; [`DataError::Busy`], [`DataError::NoRoom`] and
    /// [`DataError::Write`] on this machine's part; [`DataError::Stopped`].
    pub fn fetch(
        &self,
        set: &Manifest,
        root: &Path,
        report: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), DataError> {
        let folder = root.join(set.name);
        // Looked at before anything is written: a folder that is complete may be read-only.
        let wanted = lacking(set, &folder, report)?;
        if wanted.is_empty() {
            return Ok(());
        }
        let _lock = lock(&folder)?;
        let archive = set.archive.as_ref().map(|archive| Wanted {
            path: &archive.path,
            bytes: Some(archive.bytes),
            checksum: Some(Checksum::Sha256(&archive.sha256)),
            urls: &[],
        });
        check_room(&folder, set.archive.as_ref(), &wanted)?;
        match archive {
            Some(archive) => {
                let packed = self.bring(set, &archive, &folder, report)?;
                unpack(set, &packed, &folder, report)?;
                fs::remove_file(&packed).map_err(partial(&packed))
            }
            None => wanted.into_iter().try_for_each(|file| {
                let part = self.bring(set, &Wanted::file(file), &folder, report)?;
                settle(set, file, (Packing::Published, &part), &folder, report)
            }),
        }
    }

    /// Takes what is not there yet of `set` from the file or folder `from` of the user, under the same checks.
    ///
    /// # Errors
    /// As [`Fetcher::fetch`]; [`DataError::NothingToImport`] if `from` has nothing that is wanted, and
    /// [`DataError::Damaged`] if what it has is not the published file.
    pub fn import(
        &self,
        set: &Manifest,
        root: &Path,
        from: &Path,
        report: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), DataError> {
        import::import(set, &root.join(set.name), from, report)
    }

    /// Downloads one file and checks it; gives the path that it has so far.
    fn bring(
        &self,
        set: &Manifest,
        wanted: &Wanted<'_>,
        folder: &Path,
        report: &mut dyn FnMut(Event<'_>),
    ) -> Result<PathBuf, DataError> {
        let part = part_of(&folder.join(wanted.path));
        let mut tried = Vec::new();
        for address in self.addresses(set, wanted) {
            report(Event::Begun {
                file: wanted.path,
                bytes: wanted.bytes,
                from: &address,
            });
            match self.try_address(&address, wanted, &part, report)? {
                Ok(()) => return Ok(part),
                Err(problem) => tried.push((address, problem)),
            }
        }
        Err(DataError::NotFetched(Box::new(NotFetched {
            name: set.name,
            file: wanted.path.to_owned(),
            tried,
        })))
    }

    fn addresses(&self, set: &Manifest, wanted: &Wanted<'_>) -> Vec<String> {
        let within = |folders: &[String]| -> Vec<String> {
            let join = |url: &String| format!("{}/{}", url.trim_end_matches('/'), wanted.path);
            folders.iter().map(join).collect()
        };
        if !self.mirrors.is_empty() {
            within(&self.mirrors)
        } else if !wanted.urls.is_empty() {
            wanted.urls.to_vec()
        } else {
            within(&set.urls)
        }
    }

    /// Tries one address until it has given the file or is given up; the outer error ends everything.
    fn try_address(
        &self,
        address: &str,
        wanted: &Wanted<'_>,
        part: &Path,
        report: &mut dyn FnMut(Event<'_>),
    ) -> Result<Result<(), String>, DataError> {
        /// A try that brought less is counted, so that a server of single bytes is left.
        const WORTHWHILE: u64 = 1 << 20;
        let agent = http::agent(&self.policy, address, wanted.checksum.is_some());
        let mut failures = 0;
        let mut clean = false;
        loop {
            let before = length_of(part);
            clean |= before == 0;
            let fault = match http::download(
                &agent,
                address,
                part,
                wanted.bytes,
                self.stop,
                &mut |bytes| report(Event::Arrived(bytes)),
            ) {
                Ok(()) => match wrong(part, wanted)? {
                    None => return Ok(Ok(())),
                    Some(problem) => {
                        fs::remove_file(part).map_err(partial(part))?;
                        // The beginning may have been left by another server or another day.
                        if clean {
                            Fault::Lasting(problem)
                        } else {
                            Fault::Passing(problem)
                        }
                    }
                },
                Err(fault) => fault,
            };
            let problem = match fault {
                Fault::Stopped => return Err(DataError::Stopped),
                Fault::Machine(source) => return Err(partial(part)(source)),
                Fault::Lasting(problem) => {
                    report(Event::Trouble {
                        from: address,
                        problem: &problem,
                    });
                    return Ok(Err(problem));
                }
                Fault::Passing(problem) => problem,
            };
            report(Event::Trouble {
                from: address,
                problem: &problem,
            });
            if length_of(part) < before + WORTHWHILE {
                failures += 1;
            }
            if failures >= self.policy.tries {
                return Ok(Err(problem));
            }
            self.wait(self.policy.pause * 2_u32.pow(failures.saturating_sub(1)))?;
        }
    }

    /// Waits, unless the user has had enough.
    fn wait(&self, pause: Duration) -> Result<(), DataError> {
        const SLICE: Duration = Duration::from_millis(100);
        let mut left = pause;
        while !left.is_zero() {
            if (self.stop)() {
                return Err(DataError::Stopped);
            }
            thread::sleep(left.min(SLICE));
            left = left.saturating_sub(SLICE);
        }
        Ok(())
    }
}

/// What is wrong with a file that has arrived, if anything is.
fn wrong(part: &Path, wanted: &Wanted<'_>) -> Result<Option<String>, DataError> {
    let Some(checksum) = wanted.checksum else {
        return Ok(None);
    };
    let compared = checksum.compare(part).map_err(|source| DataError::Read {
        path: part.into(),
        source,
    })?;
    Ok(compared.err().map(|found| {
        let kind = checksum.kind();
        format!("has the {kind} {found}, expected {}", checksum.digits())
    }))
}

/// The name of a file that has not wholly arrived.
fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn length_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |data| data.len())
}

fn partial(path: &Path) -> impl Fn(io::Error) -> DataError {
    move |source| DataError::Write {
        path: path.into(),
        source,
    }
}
