//! DisARM (U2G): antithetic pairs, the augmentation integrated out.
//!
//! Sources: Dong, Mnih & Tucker, "DisARM: An Antithetic Gradient Estimator for Binary Latent Variables", 2020, eq. 5;
//! Yin, Ho, Yan, Qian & Zhou, "Probabilistic Best Subset Selection via Gradient-Based Optimization", 2020.
//!
//! `g = 1/2 (f(b) - f(b~)) (-1)^b~ 1[b != b~] sigma(|a|)`, `b~` from the opposite noise
//!
//! | unbiased | f differentiable | calls of f             | extra parameters |
//! |----------|------------------|------------------------|------------------|
//! | yes      | not needed       | 1 + choices (2 for one) | none             |
//!
//! Several choices in a row: every choice gets a block of copies in which it alone is the opposite one, and everything
//! after it is drawn anew from the same noise. Each block by itself follows the law of the program, so the direct costs
//! are averaged over all of them. A zero entry where `b = b~` is right.

use super::{At, Gradient, Rule, expected_only, needs_replay};
use crate::{
    estimator::Objective,
    trace::{Schema, SiteSchema, column},
};

/// Antithetic pairs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disarm;

impl Rule for Disarm {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        needs_replay(schema)?;
        expected_only(objective)?;
        if site.law.antithesis().is_none() {
            return Err(format!(
                "a {} choice has no opposite sample; use `rloo`",
                site.law.name()
            ));
        }
        Ok(())
    }

    fn is_mirrored(&self) -> bool {
        true
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let law = at.site().law.clone();
        let antithesis = law
            .antithesis()
            .expect("checked: the law has an opposite sample");
        let factor = antithesis.factor(at.params(), at.hard(), at.opposite());
        let difference = at.cost_to_go() - at.opposite_cost_to_go();
        Some(Gradient {
            logits: at.mask(column(difference) * factor),
            tuning: None,
            evaluations: 0.0,
        })
    }
}
