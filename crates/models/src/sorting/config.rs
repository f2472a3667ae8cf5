//! What a [`Sorter`](super::Sorter) is made of.

use serde::{Deserialize, Serialize};
use unbiased_estimators::Objective;

use crate::Matching;

/// How elements are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// The network of the paper: `hidden` rectified units of the number alone.
    Paper,
    /// The standardised number times a slope that rises from place to place.
    Affine,
}

/// The law of the permutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderLaw {
    /// Scores for all pairs of element and place; relaxed, without density.
    GumbelSinkhorn,
    /// One score per element, the greatest in the last place; exact, with a density.
    PlackettLuce,
}

/// Network and law. The defaults are those of the paper's code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SortingConfig {
    /// Numbers in a list.
    pub n: usize,
    /// How elements are scored.
    pub head: Head,
    /// Rectified units of the paper's network.
    pub hidden: usize,
    /// Law of the permutation.
    pub law: OrderLaw,
    /// How Gumbel-Sinkhorn draws.
    pub matching: Matching,
    /// What is optimised: the expected distance, or the bound of several orders on the likelihood of the sorted list.
    pub objective: Objective,
    /// Variance of the normal noise through which the sorted list is seen, under a bound.
    pub variance: f64,
}

impl Default for SortingConfig {
    fn default() -> Self {
        Self {
            n: 50,
            head: Head::Paper,
            hidden: 32,
            law: OrderLaw::GumbelSinkhorn,
            matching: Matching::default(),
            objective: Objective::default(),
            variance: 1.0,
        }
    }
}

/// A setting that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: expected {expected}, got {got}")]
pub struct SortingConfigError {
    /// The setting.
    pub key: &'static str,
    /// What is allowed.
    pub expected: &'static str,
    /// What was given.
    pub got: String,
}

impl SortingConfig {
    /// Checks sizes and the objective.
    ///
    /// # Errors
    /// The first setting out of range.
    pub fn check(&self) -> Result<(), SortingConfigError> {
        let error = |key, expected, got: String| Err(SortingConfigError { key, expected, got });
        if self.n < 2 {
            return error("n", "at least 2", self.n.to_string());
        }
        if self.hidden == 0 {
            return error("hidden", "at least 1", "0".into());
        }
        if !(self.variance > 0.0 && self.variance.is_finite()) {
            let got = self.variance.to_string();
            return error("variance", "a number above 0", got);
        }
        match self.objective {
            Objective::LogMeanWeight { k: 0 } => error("objective.k", "at least 1", "0".into()),
            Objective::Expected { discount } if discount != 1.0 => error(
                "objective.discount",
                "1: there is one choice",
                discount.to_string(),
            ),
            _ => Ok(()),
        }
    }
}
