//! `ReinMax`: straight-through of second order.
//!
//! Source: Liu, Dong, Liu, Yu & Gao, "Bridging Discrete and Backpropagation: Straight-Through and Beyond", 2023.
//!
//! `g = 2 J(pi_b) f'(b) - 1/2 J(pi) f'(b)`, `pi_b = (pi_t + b) / 2`, `J(q) = diag(q) - q q^T`, `pi_t = softmax(a / t)`
//!
//! | unbiased                                            | f differentiable | calls of f | extra parameters |
//! |-----------------------------------------------------|------------------|------------|------------------|
//! | where f is at most quadratic in each choice, `t = 1` | needed           | 1          | one temperature  |
//!
//! Straight-through takes `f(i) - f(j)` by Euler's rule, from the slope at one end; this is Heun's (trapezoidal) rule, with the slopes of
//! both ends, each where the choice falls on it. A bit is a choice of two: `J(q) = q (1 - q)`. Shapes: logits and values
//! `[rows, width]`. Numerics: `J(pi_b)` is the derivative of the mean at the logits of `pi_b`, whose logarithms are at least -69.
//! The authors' code writes a backward pass by hand; this is the same as one expression. They use `t` of 1 to 1.5.

use burn::tensor::Tensor;

use crate::{
    backward::{Backward, Chosen},
    law::Law,
};

/// Heun's rule in place of Euler's.
#[derive(Debug, Clone, Copy)]
pub struct ReinMax {
    /// `t`, at least 1.
    pub temperature: f64,
}

impl Backward for ReinMax {
    fn path(&self, choice: &Chosen<'_>) -> Tensor<2> {
        let (law, a) = (choice.law, choice.params);
        let fixed = a.clone().inner();
        let tempered = law.mean(fixed.clone() / self.temperature);
        let half = (tempered + choice.hard.clone()) * 0.5;
        let link = law.link().expect("checked: every mean has its logits");
        let at_half = law.mean(link(half) + (a.clone() - fixed));
        at_half * 2.0 - law.mean(a.clone()) * 0.5
    }

    fn is_defined(&self, law: &dyn Law) -> Result<(), String> {
        if law.link().is_some() {
            return Ok(());
        }
        Err(format!(
            "a {} choice has no logits of a mean; use `straight-through`",
            law.name()
        ))
    }
}
