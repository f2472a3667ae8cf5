//! Gumbel-Rao: straight-through Gumbel, averaged over the noise that leads to the same choice.
//!
//! Source: Paulus, Maddison & Krause, "Rao-Blackwellizing the Straight-Through Gumbel-Softmax Gradient Estimator", 2021
//! (GR-MCK).
//!
//! `g = f'(b) 1/K sum_k dx/da at z~_k`, `z~_k ~ p(z | H(z) = b)`, `x = relax(z / t)`
//!
//! | unbiased                                      | f differentiable | calls of f | extra parameters |
//! |-----------------------------------------------|------------------|------------|------------------|
//! | no: the expectation is that of `st-gumbel`    | needed           | 1          | one temperature  |
//!
//! Its variance is at most that of `st-gumbel`, the less the larger `K`, and allows lower temperatures. The Jacobian is that of the
//! *free* latent, `dz/da`, taken at the values `z~_k`: they stand for noise that might have been drawn, and do not move with the logits
//! by themselves. Shapes: logits and values `[rows, width]`; one pass over `[rows * K, width]`. Conditional latents are those of REBAR,
//! in forms that are stable in f32.

use burn::tensor::Tensor;

use crate::backward::{Backward, Chosen};

/// Straight-through Gumbel, averaged over `k` conditional samples of the latent.
#[derive(Debug, Clone, Copy)]
pub struct GumbelRao {
    /// `K`.
    pub k: usize,
    /// `t`.
    pub temperature: f64,
}

impl Backward for GumbelRao {
    fn path(&self, choice: &Chosen<'_>) -> Tensor<2> {
        let relaxation = choice.relaxation();
        let [rows, width] = choice.hard.dims();
        let repeat = |x: Tensor<2>| {
            let each = x.reshape([rows, 1, width]).expand([rows, self.k, width]);
            each.reshape([rows * self.k, width])
        };
        let params = repeat(choice.params.clone());
        let noise = choice.further_noise(self.k).reshape([rows * self.k, width]);
        let latent =
            relaxation.conditional(params.clone().inner(), repeat(choice.hard.clone()), noise);
        // A free latent with the value of the conditional one.
        let location = relaxation.location(params);
        let z = latent + (location.clone() - location.inner());
        let x = relaxation.relax(z, choice.constant(self.temperature));
        x.reshape([rows, self.k, width])
            .mean_dim(1)
            .squeeze_dim::<2>(1)
    }
}
