//! The catalogue of data sets: one manifest each, `datasets/<name>.toml`, kept in the program.

use serde::Deserialize;
use std::sync::LazyLock;

/// What is known about one data set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name, which is also the name of its folder.
    #[serde(skip)]
    pub name: &'static str,
    /// What does without files.
    #[serde(skip)]
    pub instead: &'static str,
    /// One line on what it holds.
    pub title: String,
    /// The licence of the data.
    pub licence: String,
    /// What its users owe.
    pub obligation: String,
    /// Number of items of each split.
    pub items: Items,
    /// Folders on the network where the files are published, in order of preference.
    #[serde(default)]
    pub urls: Vec<String>,
    /// Its files; none for a set that is generated.
    #[serde(default, rename = "file")]
    pub files: Vec<ManifestFile>,
}

/// Number of items of each split.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Items {
    /// Training.
    pub train: usize,
    /// Validation.
    pub valid: usize,
    /// Test.
    pub test: usize,
}

/// One file as published.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Its name in the set's folder.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its MD5, where one was published.
    pub md5: Option<String>,
    /// Its SHA-256, where the content is known.
    pub sha256: Option<String>,
}

impl Manifest {
    /// Length of all files together; 0 for a set that is generated.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

macro_rules! manifests {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../../../datasets/", $name, ".toml")))),*]
    };
}

/// Every set of images this program can load, the default first.
#[must_use]
pub fn catalogue() -> &'static [Manifest] {
    static CATALOGUE: LazyLock<Vec<Manifest>> = LazyLock::new(|| {
        read_all(
            &manifests!["glyphs", "mnist", "fashion-mnist", "binarized-mnist"],
            "generated digits, no files needed: --set data.name=glyphs",
        )
    });
    &CATALOGUE
}

/// Every set of texts that comes from files.
#[must_use]
pub fn texts() -> &'static [Manifest] {
    static TEXTS: LazyLock<Vec<Manifest>> = LazyLock::new(|| {
        read_all(
            &manifests!["zinc250k"],
            "generated equations, no files needed: train gvae",
        )
    });
    &TEXTS
}

fn read_all(sets: &[(&'static str, &str)], instead: &'static str) -> Vec<Manifest> {
    let read = |&(name, text): &(&'static str, &str)| {
        // Part of the program and tested with it, so it cannot fail on a user's machine.
        let manifest: Manifest =
            toml::from_str(text).unwrap_or_else(|error| panic!("datasets/{name}.toml: {error}"));
        Manifest {
            name,
            instead,
            ..manifest
        }
    };
    sets.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_well_formed() {
        for set in catalogue() {
            let [train, valid, test] = [50_000, 10_000, 10_000];
            assert_eq!(set.items, Items { train, valid, test }, "{}", set.name);
        }
        for set in catalogue().iter().chain(texts()) {
            assert!(!set.title.is_empty() && !set.licence.is_empty() && !set.obligation.is_empty());
            assert_eq!(set.urls.is_empty(), set.files.is_empty(), "{}", set.name);
            assert!(
                set.urls
                    .iter()
                    .all(|url| url.starts_with("http") && url.ends_with('/'))
            );
            for file in &set.files {
                let is_hash = |hash: &Option<String>, digits| {
                    hash.as_ref().is_none_or(|hash| {
                        hash.len() == digits
                            && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
                    })
                };
                assert!(
                    is_hash(&file.md5, 32) && is_hash(&file.sha256, 64),
                    "{}",
                    file.path
                );
                // Files are put into the set's folder, and nowhere else.
                assert!(
                    !file.path.contains(['/', '\\']) && !file.path.starts_with('.'),
                    "{}",
                    file.path
                );
            }
        }
        let total = |name: &str| {
            catalogue()
                .iter()
                .chain(texts())
                .find(|set| set.name == name)
                .map(Manifest::bytes)
        };
        assert_eq!(total("glyphs"), Some(0));
        assert_eq!(total("mnist"), Some(11_594_722));
        assert_eq!(total("fashion-mnist"), Some(30_878_645));
        assert_eq!(total("binarized-mnist"), Some(70_000 * 1568));
        assert_eq!(total("zinc250k"), Some(2_860_728));
    }

    /// Every manifest in the folder is in the catalogue.
    #[test]
    fn no_manifest_is_left_out() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets");
        let files = std::fs::read_dir(folder).expect("the folder of manifests");
        let mut names: Vec<String> = files
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .filter_map(|name| name.strip_suffix(".toml").map(str::to_owned))
            .collect();
        names.sort();
        let sets = catalogue().iter().chain(texts());
        let mut listed: Vec<&str> = sets.map(|set| set.name).collect();
        listed.sort_unstable();
        assert_eq!(names, listed);
    }
}
