//! What a problem file holds, as it is written.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

/// A problem file before it is checked; see [`Problem`](super::Problem) for what the keys mean.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProblemFile {
    /// The choices, in order.
    #[serde(default)]
    pub site: Vec<SiteFile>,
    /// The cost as a polynomial.
    #[serde(default)]
    pub term: Vec<TermFile>,
    /// The cost as a table.
    pub table: Option<TableFile>,
    /// What is minimised.
    #[serde(default)]
    pub objective: ObjectiveFile,
}

/// A `[[site]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteFile {
    /// Law of the choices.
    pub kind: SiteKind,
    /// Their logits: numbers for bits, one list per choice for one-hot choices.
    pub logits: Vec<Logits>,
    /// Name in reports; `site0`, `site1`, ... when absent.
    pub name: Option<String>,
    /// Earlier sites that the logits depend on, by index.
    #[serde(default)]
    pub parents: Vec<usize>,
    /// One row per logit, one column per coordinate of the parents.
    #[serde(default)]
    pub weights: Vec<Vec<f64>>,
    /// Logits of the prior, shaped like `logits`.
    pub prior: Option<Vec<Logits>>,
}

/// The law of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SiteKind {
    /// Independent bits.
    Bernoulli,
    /// Independent one-hot choices.
    Categorical,
}

/// An entry of `logits`: the logit of a bit, or those of the classes of a choice.
#[derive(Debug, Clone, PartialEq)]
pub enum Logits {
    /// Of a bit.
    Bit(f64),
    /// Of the classes of a choice.
    Classes(Vec<f64>),
}

/// A `[[term]]`: `coefficient * product of value^power`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermFile {
    /// The factor in front.
    pub coefficient: f64,
    /// One power per coordinate.
    pub powers: Vec<u32>,
}

/// The `[table]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableFile {
    /// One cost per joint state.
    pub values: Vec<f64>,
}

/// The `[objective]`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveFile {
    /// Which objective.
    #[serde(default)]
    pub kind: ObjectiveKind,
    /// Samples of the bound.
    pub k: Option<usize>,
}

/// Which objective.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectiveKind {
    /// The expected cost.
    #[default]
    Expected,
    /// A bound of `k` samples.
    LogMeanWeight,
}

// By hand, so that a wrong entry is an error at its own place and not "no variant of an untagged enum".
impl<'de> Deserialize<'de> for Logits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entry;

        impl<'de> Visitor<'de> for Entry {
            type Value = Logits;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a list of numbers for a categorical choice")
            }

            fn visit_f64<E>(self, logit: f64) -> Result<Logits, E> {
                Ok(Logits::Bit(logit))
            }

            fn visit_i64<E>(self, logit: i64) -> Result<Logits, E> {
                Ok(Logits::Bit(logit as f64))
            }

            fn visit_u64<E>(self, logit: u64) -> Result<Logits, E> {
                Ok(Logits::Bit(logit as f64))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut classes: A) -> Result<Logits, A::Error> {
                let mut logits = Vec::new();
                while let Some(logit) = classes.next_element()? {
                    logits.push(logit);
                }
                Ok(Logits::Classes(logits))
            }
        }

        deserializer.deserialize_any(Entry)
    }
}
