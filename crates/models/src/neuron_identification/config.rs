//! How names are found.

use serde::{Deserialize, Serialize};

use crate::Matching;

/// The method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Variational: each neuron has a relaxed categorical law over its candidates by itself, so two may have the same name.
    NaiveVi,
    /// Regression and quadratic assignment by turns.
    Map,
    /// Draws of weights and swaps of names by turns.
    Mcmc,
    /// Variational: the rounding law.
    Rounding,
    /// Variational: Gumbel-Sinkhorn without a prior.
    GumbelSinkhornWithoutKl,
    /// Variational: Gumbel-Sinkhorn, KL bounded in the space of the Gumbel matrices.
    GumbelSinkhorn,
    /// The same with the smallest such bound.
    GumbelSinkhornTightened,
}

impl Method {
    /// Whether it follows gradients of a bound.
    #[must_use]
    pub fn is_variational(self) -> bool {
        !matches!(self, Self::Map | Self::Mcmc)
    }
}

/// Method and its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NeuronConfig {
    /// How names are found.
    pub method: Method,
    /// Temperature, balancing and noise of Gumbel-Sinkhorn; the temperature is that of the other variational laws, too (at most 1 for
    /// `rounding`).
    pub matching: Matching,
    /// Temperature of the prior of names.
    pub prior_temperature: f64,
    /// `rounding`: the largest standard deviation of an entry.
    pub deviation: f64,
    /// `mcmc`: swaps that are tried in a worm between two draws of the weights.
    pub proposals: usize,
}

impl Default for NeuronConfig {
    fn default() -> Self {
        Self {
            method: Method::GumbelSinkhorn,
            matching: Matching {
                iterations: 20,
                ..Matching::default()
            },
            prior_temperature: 1.0,
            deviation: 0.07,
            proposals: 1000,
        }
    }
}
