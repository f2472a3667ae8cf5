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

use burn::tensor::Tensor;

use crate::backward::{Backward, Chosen};

/// The straight-through estimator.
#[derive(Debug, Clone, Copy, Default)]
pub struct StraightThrough;

impl Backward for StraightThrough {
    fn path(&self, choice: &Chosen<'_>) -> Tensor<2> {
        choice.law.mean(choice.params.clone())
    }
}
