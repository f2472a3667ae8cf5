//! What a [`Jigsaw`](super::Jigsaw) is made of.

use serde::{Deserialize, Serialize};
use unbiased_permutations::{GumbelSinkhorn, Sinkhorn, sites::SoftMatching};

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
    /// Temperature of the soft permutations.
    pub temperature: f64,
    /// Iterations of balancing, each of rows and of columns.
    pub iterations: usize,
    /// Factor of the Gumbel noise.
    pub noise: f64,
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
            temperature: 1.0,
            iterations: 20,
            noise: 1.0,
        }
    }
}

impl JigsawConfig {
    /// The law of the permutation.
    #[must_use]
    pub fn law(&self) -> SoftMatching {
        let sinkhorn = Sinkhorn::after(self.iterations).at(self.temperature);
        SoftMatching {
            law: GumbelSinkhorn { sinkhorn },
            noise: self.noise,
            straight_through: false,
        }
    }
}
