//! ARM: antithetic pairs with the noise of the choice as factor.
//!
//! Source: Yin & Zhou, "ARM: Augment-REINFORCE-Merge Gradient for Stochastic Binary Networks", 2019.
//!
//! `g = (f(b) - f(b~)) (u - 1/2)`, `b = 1[u > 1 - p]`, `b~ = 1[u < p]` from the opposite noise
//!
//! | unbiased | f differentiable | calls of f              | extra parameters |
//! |----------|------------------|-------------------------|------------------|
//! | yes      | not needed       | 1 + choices (2 for one) | none             |
//!
//! Shapes: bits `[rows, n]`, `u = sigma(noise)` in (0, 1), the same. [DisARM](super::disarm) is this with `u` integrated out given both
//! samples: at the same price it never has more variance. Several choices in a row as there. Differences from the paper, which
//! goes through the layers one after the other: none in the estimate.

use std::rc::Rc;

use unbiased_kernels::sigmoid;

use super::{At, Gradient, Rule, expected_only, needs_bits, needs_replay};
use crate::{
    coupling::{Coupling, Opposite},
    estimator::Objective,
    trace::{Schema, SiteSchema, column},
};

/// Antithetic pairs, the augmentation kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct Arm;

impl Rule for Arm {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        needs_replay(schema)?;
        expected_only(objective)?;
        needs_bits(site)
    }

    fn coupling(&self) -> Option<Rc<dyn Coupling>> {
        Some(Rc::new(Opposite))
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let u = sigmoid(at.choice_noise());
        let difference = at.cost_to_go() - at.partner_cost_to_go(0);
        Some(Gradient {
            logits: at.mask(column(difference) * (u - 0.5)),
            tuning: None,
            evaluations: 0.0,
        })
    }
}
