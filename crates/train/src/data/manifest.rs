//! The catalogue of data sets: one manifest each, `datasets/<name>.toml`, kept in the program.

use super::DataError;
use super::checksum::Checksum;
use serde::Deserialize;
use std::sync::LazyLock;

/// What is known about one data set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name, which is also the name of its folder.
    #[serde(skip)]
    pub name: &'static str,
    /// One line on what it holds.
    pub title: String,
    /// The licence of the data.
    pub licence: String,
    /// What its users owe.
    pub obligation: String,
    /// How its files are read.
    pub form: Form,
    /// Systems that can be trained on it.
    pub used_by: Vec<String>,
    /// Number of items of each split.
    pub items: Items,
    /// Folders on the network where the files are published, in order of preference.
    #[serde(default)]
    pub urls: Vec<String>,
    /// The archive that the files are published in, if they are in one.
    pub archive: Option<Archive>,
    /// Its files; none for a set that is generated.
    #[serde(default, rename = "file")]
    pub files: Vec<ManifestFile>,
}

/// How the files of a set are read.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// There are none: the program draws the set.
    Generated,
    /// Images and labels of MNIST and its likes.
    Idx,
    /// Text of digits 0 and 1.
    Amat,
    /// Omniglot as arrays of bits, 105x105.
    OmniglotNpz,
    /// Omniglot as the matrix of the code for importance-weighted autoencoders.
    OmniglotMat,
    /// Records of CIFAR-10.
    Cifar,
    /// One molecule a line.
    Smiles,
    /// Neurons and their connections.
    Connectome,
}

impl Form {
    /// Whether the set consists of images of 28x28 pixels.
    #[must_use]
    pub fn is_image_set(self) -> bool {
        !matches!(self, Self::Cifar | Self::Smiles | Self::Connectome)
    }
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
    /// Its length, if that was published.
    pub bytes: Option<u64>,
    /// Its MD5, where one was published.
    pub md5: Option<String>,
    /// Its SHA-256, where the content is known.
    pub sha256: Option<String>,
    /// What git stores of it, where it is published in a repository.
    pub git_blob: Option<String>,
    /// Addresses of its own, in order of preference; those of the set when empty.
    #[serde(default)]
    pub urls: Vec<String>,
    /// Its name in the archive.
    pub member: Option<String>,
    /// What it unpacks to, if it is packed.
    pub unpacked: Option<Unpacked>,
}

/// The content of a packed file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unpacked {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
}

/// An archive, `.tar.gz`, that holds the files of a set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// Its name.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
}

impl ManifestFile {
    /// The strongest checksum that is known.
    #[must_use]
    pub fn checksum(&self) -> Option<Checksum<'_>> {
        let sha256 = self.sha256.as_deref().map(Checksum::Sha256);
        let git = || self.git_blob.as_deref().map(Checksum::GitBlob);
        let md5 = || self.md5.as_deref().map(Checksum::Md5);
        sha256.or_else(git).or_else(md5)
    }
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// If the text is none.
    pub fn parse(name: &'static str, text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text).map(|manifest| Self { name, ..manifest })
    }

    /// The set of this name.
    ///
    /// # Errors
    /// [`DataError::UnknownSet`] if there is none.
    pub fn named(name: &str) -> Result<&'static Self, DataError> {
        let set = catalogue().iter().find(|set| set.name == name);
        set.ok_or_else(|| DataError::UnknownSet {
            name: name.to_owned(),
            known: catalogue().iter().map(|set| set.name).collect(),
        })
    }

    /// Length of what a download brings, of which the files without a published length are left out; 0 for a set that is
    /// generated.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match &self.archive {
            Some(archive) => archive.bytes,
            None => self.files.iter().filter_map(|file| file.bytes).sum(),
        }
    }

    /// Whether there is anything to download.
    #[must_use]
    pub fn is_generated(&self) -> bool {
        self.form == Form::Generated
    }
}

macro_rules! manifests {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../../../datasets/", $name, ".toml")))),*]
    };
}

/// Every data set this program can load, the default first.
#[must_use]
pub fn catalogue() -> &'static [Manifest] {
    static CATALOGUE: LazyLock<Vec<Manifest>> = LazyLock::new(|| {
        manifests![
            "glyphs",
            "mnist",
            "fashion-mnist",
            "binarized-mnist",
            "omniglot",
            "omniglot28",
            "cifar10",
            "zinc250k",
            "celegans"
        ]
        .into_iter()
        // Part of the program and tested with it, so it cannot fail on a user's machine.
        .map(|(name, text)| {
            Manifest::parse(name, text)
                .unwrap_or_else(|error| panic!("datasets/{name}.toml: {error}"))
        })
        .collect()
    });
    &CATALOGUE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_well_formed() {
        let is_hash = |hash: &str, digits| {
            hash.len() == digits && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        for set in catalogue() {
            assert!(!set.title.is_empty() && !set.licence.is_empty() && !set.obligation.is_empty());
            assert_eq!(set.is_generated(), set.files.is_empty(), "{}", set.name);
            for system in &set.used_by {
                let known = crate::systems::SYSTEMS.iter().any(|s| s.name == system);
                assert!(known, "{}: used by `{system}`", set.name);
            }
            assert!(set.urls.iter().all(|url| url.ends_with('/')));
            if let Some(archive) = &set.archive {
                assert!(is_hash(&archive.sha256, 64) && archive.path.ends_with(".tar.gz"));
            }
            for file in &set.files {
                let name = &file.path;
                let hashes = [(&file.md5, 32), (&file.sha256, 64), (&file.git_blob, 40)];
                for (hash, digits) in hashes {
                    assert!(hash.as_ref().is_none_or(|h| is_hash(h, digits)), "{name}");
                }
                if let Some(unpacked) = &file.unpacked {
                    assert!(is_hash(&unpacked.sha256, 64) && name.strip_suffix(".gz").is_some());
                }
                assert_eq!(set.archive.is_some(), file.member.is_some(), "{name}");
                // Something says whether the file is the right one, and nobody can change it on the way.
                assert!(file.bytes.is_some() || file.checksum().is_some(), "{name}");
                let urls = if file.urls.is_empty() {
                    &set.urls
                } else {
                    &file.urls
                };
                assert!(!urls.is_empty(), "{name}");
                let safe = |url: &String| {
                    let guarded = file.checksum().is_some() || set.archive.is_some();
                    url.starts_with("https://") || (guarded && url.starts_with("http://"))
                };
                assert!(urls.iter().all(safe), "{name}");
                // Files are put into the set's folder, and nowhere else.
                assert!(
                    !name.contains(['/', '\\']) && !name.starts_with('.'),
                    "{name}"
                );
            }
        }
        let total = |name: &str| Manifest::named(name).expect(name).bytes();
        assert_eq!(total("glyphs"), 0);
        assert_eq!(total("mnist"), 11_594_722);
        assert_eq!(total("fashion-mnist"), 30_878_645);
        assert_eq!(total("binarized-mnist"), 70_000 * 1568);
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
        let mut listed: Vec<&str> = catalogue().iter().map(|set| set.name).collect();
        listed.sort_unstable();
        assert_eq!(names, listed);
    }
}
