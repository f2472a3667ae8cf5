//! The Gumbel-Sinkhorn law as a table of a configuration.

use serde::{Deserialize, Serialize};
use unbiased_permutations::{GumbelSinkhorn, Sinkhorn, sites::SoftMatching};

/// How permutations are drawn around scores. The defaults are those of the code of Mena et al., 2018.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Matching {
    /// Temperature of the soft permutations.
    pub temperature: f64,
    /// Iterations of balancing, each of rows and of columns.
    pub iterations: usize,
    /// Factor of the Gumbel noise.
    pub noise: f64,
}

impl Default for Matching {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            iterations: 10,
            noise: 1.0,
        }
    }
}

impl Matching {
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
