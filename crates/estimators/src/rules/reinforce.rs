//! REINFORCE: the score-function estimator without a baseline.
//!
//! Source: Williams, "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning", 1992.
//!
//! `g = f(b) * d ln p(b; a) / d a`
//!
//! | unbiased | f differentiable | calls of f | extra parameters |
//! |----------|------------------|------------|------------------|
//! | yes      | not needed       | 1          | none             |
//!
//! Shapes: parameters `[rows, width]`, costs to go `[rows]` in nats. Any law with a density. The highest variance of
//! all: it grows with the size of `f` and with the width. There as the yardstick.

use super::{At, Gradient, Rule};
use crate::{
    estimator::Objective,
    trace::{Schema, SiteSchema},
};

/// The score-function estimator.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reinforce;

impl Rule for Reinforce {
    fn check(&self, _: &SiteSchema, _: &Schema, _: &Objective) -> Result<(), String> {
        Ok(())
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        Some(Gradient::score(at, at.cost_to_go()))
    }

    fn stacks(&self) -> bool {
        true
    }
}
