//! Sets of texts in three splits.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};
use unbiased_grammar::languages::Language;

use super::manifest::{Manifest, texts};
use super::stream::Stream;
use super::{DataError, Split, equations, locate, programs};

/// How a set without splits of its own is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// Validation and test are a random tenth.
    Shuffled,
    /// They are the last tenth in the order of the file, in turns: what the published code validates on, which begins unlike all it trains on.
    File,
}

/// Which texts: the table `[data]` of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextConfig {
    /// `equations`, `programs` or `zinc250k`.
    pub name: String,
    /// How equations are cut.
    pub cut: Cut,
    /// Seed of the cut and of programs; has nothing to do with the run's seed.
    pub seed: u64,
    /// Use only the first so many training texts.
    pub train_limit: Option<usize>,
    /// Use only the first so many validation and test texts.
    pub eval_limit: Option<usize>,
}

impl Default for TextConfig {
    fn default() -> Self {
        Self {
            name: "equations".into(),
            cut: Cut::Shuffled,
            seed: 0,
            train_limit: None,
            eval_limit: None,
        }
    }
}

/// Texts in three splits that share none.
#[derive(Debug)]
pub struct TextSet {
    /// To learn from.
    pub train: Vec<String>,
    /// To choose by.
    pub valid: Vec<String>,
    /// To report on.
    pub test: Vec<String>,
    /// What they are texts of.
    pub language: Language,
}

impl TextSet {
    /// Generates the set, or reads it from where [`super::ImageSet::load`] looks.
    ///
    /// # Errors
    /// There is no such set, its files are not to be found or not what they should be, or a limit is 0.
    pub fn load(config: &TextConfig, dir: Option<&Path>) -> Result<Self, DataError> {
        for (key, limit) in [
            ("train_limit", config.train_limit),
            ("eval_limit", config.eval_limit),
        ] {
            if limit == Some(0) {
                return Err(DataError::EmptyLimit { key });
            }
        }
        let known = texts().iter().find(|set| set.name == config.name);
        let (language, [mut train, mut valid, mut test]) = match known {
            _ if config.name == "equations" => ("equations", cut_equations(config)),
            _ if config.name == "programs" => ("programs", programs::generate(config.seed)),
            Some(set) => ("zinc", read_molecules(set, &locate::search_path(dir))?),
            None => {
                let files = texts().iter().map(|set| set.name);
                let known: Vec<&str> = ["equations", "programs"].into_iter().chain(files).collect();
                return Err(DataError::UnknownSet {
                    name: config.name.clone(),
                    known: known.join(", "),
                });
            }
        };
        train.truncate(config.train_limit.unwrap_or(usize::MAX));
        for texts in [&mut valid, &mut test] {
            texts.truncate(config.eval_limit.unwrap_or(usize::MAX));
        }
        Ok(Self {
            train,
            valid,
            test,
            language: Language::named(language).expect("a language of the grammar crate"),
        })
    }

    /// The texts of a split.
    #[must_use]
    pub fn split(&self, split: Split) -> &[String] {
        match split {
            Split::Train => &self.train,
            Split::Valid => &self.valid,
            Split::Test => &self.test,
        }
    }

    /// All texts.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        let all = self.train.iter().chain(&self.valid).chain(&self.test);
        all.map(String::as_str)
    }
}

/// Validation and test in turns out of the last tenth, of a shuffled list or of the list as it is.
fn cut_equations(config: &TextConfig) -> [Vec<String>; 3] {
    let mut train = equations::generate();
    if config.cut == Cut::Shuffled {
        let stream = Stream::new("equations/1", config.seed);
        stream.draws(0, 0).shuffle(&mut train);
    }
    let last = train.split_off(train.len() / 10 * 9);
    let (mut valid, mut test) = (Vec::new(), Vec::new());
    for (i, text) in last.into_iter().enumerate() {
        if i % 2 == 0 {
            valid.push(text);
        } else {
            test.push(text);
        }
    }
    [train, valid, test]
}

/// One molecule a line: test first, then training, then validation.
fn read_molecules(set: &Manifest, roots: &[PathBuf]) -> Result<[Vec<String>; 3], DataError> {
    let paths = locate::find(set, roots)?;
    let path = paths.first().expect("one file");
    let unreadable = |source| DataError::Read {
        path: path.clone(),
        source,
    };
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let mut text = String::new();
    // Molecules are short: a file that unpacks to more is another one.
    let most = 200 * (set.items.train + set.items.valid + set.items.test) as u64;
    let read = if path.extension().is_some_and(|extension| extension == "gz") {
        GzDecoder::new(&bytes[..])
            .take(most)
            .read_to_string(&mut text)
    } else {
        bytes.as_slice().take(most).read_to_string(&mut text)
    };
    read.map_err(unreadable)?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let expected = set.items.train + set.items.valid + set.items.test;
    if lines.len() != expected {
        return Err(DataError::Damaged {
            path: path.clone(),
            problem: format!("has {} lines, expected {expected}", lines.len()),
        });
    }
    let mut train = lines.split_off(set.items.test);
    let valid = train.split_off(set.items.train);
    Ok([train, valid, lines])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_are_cut_into_parts_that_share_nothing() {
        for cut in [Cut::Shuffled, Cut::File] {
            let config = TextConfig {
                cut,
                ..TextConfig::default()
            };
            let set = TextSet::load(&config, None).expect("generated");
            assert_eq!(
                [set.train.len(), set.valid.len(), set.test.len()],
                [90_000, 5_000, 5_000]
            );
            let mut all: Vec<&str> = set.all().collect();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), equations::COUNT);
            let strange = set.test.iter().filter(|text| &text[1..2] == "/").count();
            match cut {
                Cut::File => assert_eq!(strange, 5_000),
                // 18 of 100 in the whole set.
                Cut::Shuffled => assert!((700..1_100).contains(&strange), "{strange}"),
            }
        }
    }

    #[test]
    fn what_there_is_not_is_named() {
        let load = |name: &str, limit| {
            let config = TextConfig {
                name: name.into(),
                train_limit: limit,
                ..TextConfig::default()
            };
            TextSet::load(&config, Some(Path::new("nowhere")))
        };
        let unknown = load("poems", None).expect_err("no such set").to_string();
        assert!(
            unknown.contains("equations, programs, zinc250k"),
            "{unknown}"
        );
        assert!(load("equations", Some(0)).is_err());
    }

    /// A file of the right number of lines goes where it should.
    #[test]
    fn molecules_come_in_the_published_order() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("zinc250k");
        std::fs::create_dir(&folder).expect("a folder");
        let lines = |n: usize| (0..n).map(|i| format!("C{i}\n")).collect::<String>();
        let path = folder.join("250k_rndm_zinc_drugs_clean.smi");
        let read = || read_molecules(&texts()[0], &[root.path().to_path_buf()]);
        std::fs::write(&path, lines(249_456)).expect("written");
        let [train, valid, test] = read().expect("a set");
        assert_eq!((test[0].as_str(), test[4_999].as_str()), ("C0", "C4999"));
        assert_eq!((train[0].as_str(), valid[0].as_str()), ("C5000", "C225010"));
        assert_eq!(valid.len(), 24_446);
        std::fs::write(&path, lines(249_455)).expect("written");
        assert!(matches!(read(), Err(DataError::Damaged { .. })));
    }
}
