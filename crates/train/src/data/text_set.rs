//! Sets of texts in three splits.

use std::path::Path;

use serde::{Deserialize, Serialize};
use unbiased_grammar::languages::Language;

use super::smiles::{SmilesSet, SmilesSplit};
use super::stream::Stream;
use super::{DataError, Split, equations, programs};

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
        let (language, [mut train, mut valid, mut test]) = match config.name.as_str() {
            "equations" => ("equations", cut_equations(config)),
            "programs" => ("programs", programs::generate(config.seed)),
            "zinc250k" => {
                let SmilesSet { train, valid, test } = SmilesSet::load(SmilesSplit::Grammar, dir)?;
                ("zinc", [train, valid, test])
            }
            _ => {
                return Err(DataError::UnknownSet {
                    name: config.name.clone(),
                    known: vec!["equations", "programs", "zinc250k"],
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
}
