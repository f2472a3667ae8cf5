//! What a [`Jigsaw`](super::Jigsaw) is made of.

use serde::{Deserialize, Serialize};

use crate::Matching;

/// What scores pieces for places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Each piece alone: a 5x5 convolution, rectified, 2x2 maxima, an affine map.
    Paper,
    /// Each piece among the others: an affine map and layers of self-attention.
    Comparing,
}

/// Puzzle, network and law of the permutation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JigsawConfig {
    /// Pieces along each side.
    pub side: usize,
    /// What scores the pieces.
    pub network: Network,
    /// `paper`: channels of the convolution.
    pub filters: usize,
    /// `comparing`: numbers per piece in the layers, a multiple of `heads`.
    pub width: usize,
    /// `comparing`: heads of each layer.
    pub heads: usize,
    /// `comparing`: layers.
    pub layers: usize,
    /// How permutations are drawn.
    pub matching: Matching,
}

impl Default for JigsawConfig {
    fn default() -> Self {
        Self {
            side: 3,
            network: Network::Paper,
            filters: 64,
            width: 128,
            heads: 4,
            layers: 3,
            matching: Matching::default(),
        }
    }
}
