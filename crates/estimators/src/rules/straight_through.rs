//! Straight-through: the exact choice forwards, the mean backwards.
//!
//! Source: Bengio, Léonard & Courville, "Estimating or Propagating Gradients Through Stochastic Neurons for
//! Conditional Computation", 2013.
//!
//! `value = b - stop(E[b]) + E[b]`, so `g = f'(b) dE[b]/da`
//!
//! | unbiased | f differentiable | calls of f | extra parameters |
//! |----------|------------------|------------|------------------|
//! | no       | needed           | 1          | none             |
//!
//! The bias can move the fixed point: for `f = (b - t)^2` with one bit it finds `p = t` instead of 0 or 1.

use std::rc::Rc;

use burn::tensor::Tensor;

use super::{At, Gradient, Rule, expected_only, needs_relaxation};
use crate::{
    backward::{Backward, Chosen},
    estimator::Objective,
    trace::{Draw, Schema, SiteSchema},
};

/// The straight-through estimator.
#[derive(Debug, Clone, Copy, Default)]
pub struct StraightThrough;

impl Backward for StraightThrough {
    fn path(&self, choice: &Chosen<'_>) -> Tensor<2> {
        choice.law.mean(choice.params.clone())
    }
}

/// What every straight-through estimator needs.
pub(super) fn is_defined(
    site: &SiteSchema,
    schema: &Schema,
    objective: &Objective,
) -> Result<(), String> {
    expected_only(objective)?;
    needs_relaxation(site, schema)
}

impl Rule for StraightThrough {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        is_defined(site, schema, objective)
    }

    fn draw(&self) -> Draw {
        Draw::StraightThrough(Rc::new(*self))
    }

    fn gradient(&mut self, _: &At<'_>) -> Option<Gradient> {
        None
    }

    fn is_biased(&self) -> bool {
        true
    }
}
