//! RLOO: REINFORCE with the mean of the other samples as baseline.
//!
//! Source: Kool, van Hoof & Welling, "Buy 4 REINFORCE Samples, Get a Baseline for Free!", 2019.
//!
//! `g = 1/K sum_k (f(b_k) - mean_{j != k} f(b_j)) * d ln p(b_k; a) / d a`
//!
//! | unbiased | f differentiable | calls of f | extra parameters |
//! |----------|------------------|------------|------------------|
//! | yes      | not needed       | K >= 2     | none             |
//!
//! Shapes: costs `[k, batch]` in nats.

use burn::tensor::Tensor;

use super::{At, Gradient, Rule, by_sample, expected_only, needs_replay};
use crate::{
    estimator::Objective,
    trace::{Schema, SiteSchema},
};

/// REINFORCE with leave-one-out baselines over `k` samples.
#[derive(Debug, Clone, Copy)]
pub struct Rloo {
    /// Samples, at least 2.
    pub k: usize,
}

/// `f_k - mean_{j != k} f_j` of `[k, batch]`.
#[must_use]
pub fn advantage(costs: Tensor<2>) -> Tensor<2> {
    let k = costs.dims()[0] as f64;
    (costs.clone() - costs.mean_dim(0)) * (k / (k - 1.0))
}

impl Rule for Rloo {
    fn check(&self, _: &SiteSchema, schema: &Schema, objective: &Objective) -> Result<(), String> {
        needs_replay(schema)?;
        expected_only(objective)
    }

    fn samples(&self) -> usize {
        self.k
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let advantage = advantage(by_sample(at.cost_to_go(), at.samples()));
        Some(Gradient::score(at, advantage.flatten(0, 1)))
    }

    fn stacks(&self) -> bool {
        true
    }
}
