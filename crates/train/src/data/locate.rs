//! Where real data sets are looked for: `--data-dir`, `$UNBIASED_DATA`, the user's cache folder.
//!
//! Each of these holds one folder per set, named after it. The first that holds all files of the
//! set is used. Nothing is ever downloaded here.

use super::DataError;
use super::error::Missing;
use super::manifest::{Form, Manifest, ManifestFile};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The folders to look in, in order.
#[must_use]
pub fn search_path(data_dir: Option<&Path>) -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name);
    search_path_of(data_dir, std::env::consts::OS, variable)
}

fn search_path_of(
    data_dir: Option<&Path>,
    os: &str,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Vec<PathBuf> {
    let folder = |name: &str| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let cache = match os {
        "windows" => folder("LOCALAPPDATA"),
        "macos" => folder("HOME").map(|home| home.join("Library").join("Caches")),
        // The XDG base directory specification: relative paths are to be ignored.
        _ => folder("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| folder("HOME").map(|home| home.join(".cache"))),
    };
    let cache = cache.map(|cache| cache.join("unbiased"));
    let mut folders: Vec<PathBuf> = [data_dir.map(Path::to_owned), folder("UNBIASED_DATA"), cache]
        .into_iter()
        .flatten()
        .collect();
    folders.dedup();
    folders
}

/// How a file lies in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// As published.
    Published,
    /// A file `x.gz`, as `x`.
    Unpacked,
    /// A file `x`, as `x.gz`.
    Packed,
}

impl Packing {
    /// The name of the file that is published as `path`, where it lies in this way.
    pub(super) fn name(self, path: &str) -> String {
        match self {
            Self::Published => path.to_owned(),
            Self::Unpacked => path.trim_end_matches(".gz").to_owned(),
            Self::Packed => format!("{path}.gz"),
        }
    }

    /// The ways in which a file may lie that is published as `path`: texts may also be packed.
    pub(super) fn of(path: &str) -> Vec<Self> {
        let extension = Path::new(path).extension().and_then(|e| e.to_str());
        match extension {
            Some("gz") => vec![Self::Published, Self::Unpacked],
            Some("amat" | "smi") => vec![Self::Published, Self::Packed],
            _ => vec![Self::Published],
        }
    }
}

/// Where a file of a set lies in `folder`, if it does.
pub(super) fn place(folder: &Path, file: &ManifestFile) -> Option<(Packing, PathBuf)> {
    let place = |packing: Packing| (packing, folder.join(packing.name(&file.path)));
    let mut places = Packing::of(&file.path).into_iter().map(place);
    places.find(|(_, path)| path.is_file())
}

/// The folder that has all files of the set: the first one in `roots`. A file `x.gz` may also be there unpacked, as `x`, and
/// a text `x` packed, as `x.gz`.
///
/// # Errors
/// [`DataError::Missing`] if none has.
pub fn folder(set: &Manifest, roots: &[PathBuf]) -> Result<PathBuf, DataError> {
    let mut looked = Vec::new();
    for root in roots {
        let folder = root.join(set.name);
        let is_lacking = |file: &&ManifestFile| place(&folder, file).is_none();
        let lacking: Vec<String> = set
            .files
            .iter()
            .filter(is_lacking)
            .map(|file| file.path.clone())
            .collect();
        if lacking.is_empty() {
            return Ok(folder);
        }
        looked.push((folder, lacking));
    }
    Err(DataError::Missing(Box::new(Missing {
        name: set.name.to_owned(),
        looked,
        files: set.files.iter().map(|file| file.path.clone()).collect(),
        instead: match set.form {
            Form::Connectome => {
                Some("a generated connectome, no files needed: --set data.name=surrogate")
            }
            Form::Smiles => Some("generated equations, no files needed: train gvae"),
            form => form
                .is_image_set()
                .then_some("generated digits, no files needed: --set data.name=glyphs"),
        },
    })))
}

/// The paths of the set's files, in the manifest's order, in its [`folder`].
pub(super) fn find(set: &Manifest, roots: &[PathBuf]) -> Result<Vec<PathBuf>, DataError> {
    let folder = folder(set, roots)?;
    let places = set.files.iter().filter_map(|file| place(&folder, file));
    Ok(places.map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn paths(data_dir: Option<&str>, os: &str, variables: &[(&str, &str)]) -> Vec<PathBuf> {
        search_path_of(data_dir.map(Path::new), os, |name| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn folders_come_in_the_promised_order() {
        let all = [
            ("UNBIASED_DATA", "sets"),
            ("HOME", "/home/u"),
            ("XDG_CACHE_HOME", "/tmp/cache"),
        ];
        let expect = |found: Vec<PathBuf>, expected: &[&str]| {
            assert_eq!(
                found,
                expected.iter().map(PathBuf::from).collect::<Vec<_>>()
            );
        };
        expect(
            paths(Some("here"), "linux", &all),
            &["here", "sets", "/tmp/cache/unbiased"],
        );
        expect(
            paths(None, "linux", &[("HOME", "/home/u")]),
            &["/home/u/.cache/unbiased"],
        );
        let relative = [
            ("HOME", "/home/u"),
            ("XDG_CACHE_HOME", "cache"),
            ("UNBIASED_DATA", ""),
        ];
        expect(
            paths(None, "linux", &relative),
            &["/home/u/.cache/unbiased"],
        );
        expect(
            paths(None, "macos", &[("HOME", "/Users/u")]),
            &["/Users/u/Library/Caches/unbiased"],
        );
        expect(
            paths(None, "windows", &[("LOCALAPPDATA", "C:/u/Local")]),
            &["C:/u/Local/unbiased"],
        );
        expect(paths(None, "linux", &[]), &[]);
        expect(
            paths(Some("sets"), "linux", &[("UNBIASED_DATA", "sets")]),
            &["sets"],
        );
    }

    #[test]
    fn the_first_complete_folder_is_used() {
        let root = tempfile::tempdir().expect("a folder");
        let mnist = Manifest::named("mnist").expect("mnist");
        let roots = ["partial", "complete", "later"].map(|name| root.path().join(name));
        for (i, dir) in roots.iter().enumerate() {
            fs::create_dir_all(dir.join("mnist")).expect("a folder");
            for (j, file) in mnist.files.iter().enumerate() {
                // The first folder lacks one; in the second, one is unpacked.
                let name = match (i, j) {
                    (0, 2) => continue,
                    (1, 3) => file.path.trim_end_matches(".gz"),
                    _ => &file.path,
                };
                fs::write(dir.join("mnist").join(name), b"").expect("a file");
            }
        }
        let found = find(mnist, &roots).expect("the second folder");
        assert!(
            found.iter().all(|path| path.starts_with(&roots[1])),
            "{found:?}"
        );
        assert!(found[3].ends_with("t10k-labels-idx1-ubyte"));

        let nowhere = [roots[0].clone(), root.path().join("absent")];
        let message = find(mnist, &nowhere).expect_err("incomplete").to_string();
        for part in [
            "`mnist`",
            &format!(
                "{} (without t10k-images-idx3-ubyte.gz)",
                nowhere[0].join("mnist").display()
            ),
            &format!("{} (none of its files)", nowhere[1].join("mnist").display()),
            "--set data.name=glyphs",
            "data fetch mnist",
        ] {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }
}
