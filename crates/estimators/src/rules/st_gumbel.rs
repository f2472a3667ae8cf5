//! Straight-through Gumbel: the exact choice forwards, its relaxation from the same noise backwards.
//!
//! Sources: Jang, Gu & Poole, "Categorical Reparameterization with Gumbel-Softmax", 2017, section 2.2; Maddison, Mnih & Teh, "The
//! Concrete Distribution", 2017 (the form for bits).
//!
//! `z = ln p + Gumbel`, `b = H(z)`, `x = relax(z / t)`, `value = b - stop(x) + x`, so `g = f'(b) dx/da`
//!
//! | unbiased | f differentiable | calls of f | extra parameters  |
//! |----------|------------------|------------|-------------------|
//! | no       | needed           | 1          | one temperature   |
//!
//! Shapes: logits and values `[rows, width]`. A low temperature makes the gradient large and rare, a high one biases it further.
//! For one bit with `p = 1/2` at `t = 1` it is `(f'(0) + f'(1)) / 12` on average, a third of the gradient where `f` is quadratic.
//! Divergences stay those of the exact choice.

use burn::tensor::Tensor;

use crate::backward::{Backward, Chosen};

/// Straight-through with the relaxation of the same noise.
#[derive(Debug, Clone, Copy)]
pub struct StGumbel {
    /// `t`.
    pub temperature: f64,
}

impl Backward for StGumbel {
    fn path(&self, choice: &Chosen<'_>) -> Tensor<2> {
        let relaxation = choice.relaxation();
        let z = relaxation.latent(choice.params.clone(), choice.noise.clone());
        relaxation.relax(z, choice.constant(self.temperature))
    }
}
