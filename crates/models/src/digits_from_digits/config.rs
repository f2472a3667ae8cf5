//! What a [`DigitMaker`](super::DigitMaker) is made of.

use serde::{Deserialize, Serialize};

use crate::Matching;

/// Pieces, network and law of the permutation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DigitsConfig {
    /// Pieces along each side.
    pub side: usize,
    /// Channels of the convolution.
    pub filters: usize,
    /// How permutations are drawn.
    pub matching: Matching,
}

impl Default for DigitsConfig {
    fn default() -> Self {
        Self {
            side: 10,
            filters: 64,
            matching: Matching {
                iterations: 20,
                noise: 0.0,
                ..Matching::default()
            },
        }
    }
}
