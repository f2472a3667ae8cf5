//! Which posterior is fitted.

use serde::{Deserialize, Serialize};

use crate::Matching;

/// How a permutation is relaxed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relaxation {
    /// Entry after entry, within the polytope.
    StickBreaking,
    /// A noisy matrix moved towards its nearest permutation.
    Rounding,
    /// Balanced scores with Gumbel noise, by Mena et al., 2018; its bound has the divergence of the noisy scores in place of densities.
    GumbelSinkhorn,
}

/// A posterior for each problem. The defaults are those of `configs/birkhoff_matching/stick_breaking.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MatchingConfig {
    /// Points in a problem.
    pub n: usize,
    /// How permutations are relaxed.
    pub law: Relaxation,
    /// τ of stick-breaking and rounding.
    pub temperature: f64,
    /// ν stays between these two.
    pub deviation: [f64; 2],
    /// η, the standard deviation of the relaxed prior around 0 and 1.
    pub prior_deviation: f64,
    /// How Gumbel-Sinkhorn draws.
    pub matching: Matching,
    /// Temperature of the prior of Gumbel-Sinkhorn.
    pub prior_temperature: f64,
}

impl Default for MatchingConfig {
    fn default() -> Self {
        Self {
            n: 6,
            law: Relaxation::StickBreaking,
            temperature: 0.5,
            deviation: [1e-8, 0.17],
            prior_deviation: 0.07_f64.sqrt(),
            matching: Matching::default(),
            prior_temperature: 1.0,
        }
    }
}
