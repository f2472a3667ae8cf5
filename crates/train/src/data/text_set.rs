//! Sets of texts in three splits.

use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use unbiased_grammar::languages::Language;
use unbiased_models::gvae::score;

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
    /// Only the half of the equations with the worse scores, and of these a random tenth: what a search for better ones may learn from.
    WorseHalf,
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

/// The half with the worse scores, the order of the file among equals.
fn worse_half(texts: Vec<String>) -> Vec<String> {
    let score = |text: String| (score(&text), text);
    let mut scored: Vec<(f64, String)> = texts.into_par_iter().map(score).collect();
    scored.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let worse = scored.split_off(scored.len() / 2);
    worse.into_iter().map(|(_, text)| text).collect()
}

/// Validation and test in turns out of the last tenth, of a shuffled list or of the list as it is.
fn cut_equations(config: &TextConfig) -> [Vec<String>; 3] {
    let mut train = equations::generate();
    if config.cut == Cut::WorseHalf {
        train = worse_half(train);
    }
    if config.cut != Cut::File {
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
    use std::collections::HashSet;

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
                Cut::WorseHalf => unreachable!("in a test of its own"),
            }
        }
    }

    /// The median of the scores is known from the whole file; what is looked for, and all that comes near, is gone.
    #[test]
    fn the_better_half_is_left_out() {
        let config = TextConfig {
            cut: Cut::WorseHalf,
            ..TextConfig::default()
        };
        let set = TextSet::load(&config, None).expect("generated");
        assert_eq!(
            [set.train.len(), set.valid.len(), set.test.len()],
            [45_000, 2_500, 2_500]
        );
        let best = set.all().map(score).fold(f64::INFINITY, f64::min);
        let left_out: HashSet<&str> = set.all().collect();
        let all = equations::generate();
        let rest = all.iter().filter(|text| !left_out.contains(text.as_str()));
        let worst = rest.map(|text| score(text)).fold(0.0, f64::max);
        assert!(worst <= best && best > 3.0, "{worst} {best}");
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
