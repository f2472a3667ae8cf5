//! What a [`Sorter`](super::Sorter) is made of.

use serde::{Deserialize, Serialize};

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
}

impl Default for SortingConfig {
    fn default() -> Self {
        Self {
            n: 50,
            head: Head::Paper,
            hidden: 32,
            law: OrderLaw::GumbelSinkhorn,
            matching: Matching::default(),
        }
    }
}
