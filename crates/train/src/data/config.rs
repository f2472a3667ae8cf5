//! What a configuration says about data.

use super::Binarization;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// A part of a data set.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// To learn from.
    Train,
    /// To choose by.
    Valid,
    /// To report on.
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        })
    }
}

/// Which data, and how they are shown: the table `[data]` of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// `glyphs`, `mnist`, `fashion-mnist`, `binarized-mnist`, `omniglot`, `omniglot28`, or `folder` for pictures of one's own.
    pub name: String,
    /// The folder of PNG pictures of the set `folder`, from where the program is started.
    pub folder: Option<PathBuf>,
    /// Rows and columns that the pictures of a folder are brought to.
    pub pixels: usize,
    /// How grey pixels become what a model sees.
    pub binarization: Binarization,
    /// Seed of generated images and of Bernoulli draws; has nothing to do with the run's seed.
    pub seed: u64,
    /// Use only the first so many training images.
    pub train_limit: Option<usize>,
    /// Use only the first so many validation and test images.
    pub eval_limit: Option<usize>,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            name: "glyphs".into(),
            folder: None,
            pixels: 64,
            binarization: Binarization::Bernoulli1,
            seed: 0,
            train_limit: None,
            eval_limit: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::test_support::config;

    const ALL: [Binarization; 5] = [
        Binarization::Fixed,
        Binarization::Bernoulli1,
        Binarization::Dynamic,
        Binarization::Threshold,
        Binarization::Grey,
    ];

    #[test]
    fn names_are_those_of_configurations() {
        for binarization in ALL {
            let text = toml::to_string(&config("mnist", binarization, None)).expect("text");
            assert!(
                text.contains(&format!("binarization = \"{binarization}\"")),
                "{text}"
            );
            let back: DataConfig = toml::from_str(&text).expect("a configuration");
            assert_eq!(back, config("mnist", binarization, None));
        }
        assert_eq!(
            toml::from_str::<DataConfig>("").expect("defaults"),
            DataConfig::default()
        );
        assert!(toml::from_str::<DataConfig>("nmae = \"mnist\"").is_err());
        for split in [Split::Train, Split::Valid, Split::Test] {
            let name = clap::ValueEnum::to_possible_value(&split).expect("a name");
            assert_eq!(name.get_name(), split.to_string());
        }
    }
}
