//! Independent Gumbel variables: `x = mu + s g`, `g = -ln(-ln u)`.
//!
//! `ln p = -t - e^-t - ln s`, `t = (x - mu) / s`.

use burn::tensor::Tensor;

use super::{
    Entrywise, Law, Reparameterization,
    entrywise::{self, halves},
    row_sum,
    special::{EULER, ln_gamma},
};
use crate::noise::NoiseLaw;

/// Gumbel variables; parameters are `[location, ln scale]` side by side, `[rows, 2 n]`, values `[rows, n]`.
#[derive(Debug, Clone, Copy)]
pub struct Gumbel;

impl Entrywise for Gumbel {
    fn draw(&self, [location, log_scale]: [Tensor<2>; 2], noise: Tensor<2>) -> [Tensor<2>; 3] {
        let away = log_scale.exp() * noise;
        [location.clone() + away.clone(), location.ones_like(), away]
    }
}

impl Law for Gumbel {
    fn name(&self) -> &'static str {
        "gumbel"
    }

    fn noise(&self) -> NoiseLaw {
        NoiseLaw::Gumbel
    }

    fn width(&self, params: usize) -> usize {
        params / 2
    }

    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        entrywise::sample(self, params, noise)
    }

    fn mean(&self, params: Tensor<2>) -> Tensor<2> {
        let [location, log_scale] = halves(params);
        location + log_scale.exp() * EULER
    }

    fn log_prob(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<1> {
        let [location, log_scale] = halves(params);
        let t = (value - location) / log_scale.clone().exp();
        row_sum(t.clone().neg() - t.neg().exp() - log_scale)
    }

    fn score(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
        let [location, log_scale] = halves(params);
        let scale = log_scale.exp();
        let t = (value - location) / scale.clone();
        // -d ln p/dt.
        let slope = t.clone().neg().exp().neg() + 1.0;
        Tensor::cat(vec![slope.clone() / scale, t * slope - 1.0], 1)
    }

    fn negative_entropy(&self, params: Tensor<2>) -> Option<Tensor<1>> {
        let [_, log_scale] = halves(params);
        Some(row_sum(log_scale.neg() - (1.0 + EULER)))
    }

    fn kl(&self, params: Tensor<2>, prior: Tensor<2>) -> Option<Tensor<1>> {
        // With t under the prior, E[t] = shift + gamma ratio and E[e^-t] = e^-shift Gamma(1 + ratio).
        let ([location, log_scale], [prior, log_prior]) = (halves(params), halves(prior));
        let shift = (location - prior) / log_prior.clone().exp();
        let ratio = (log_scale.clone() - log_prior.clone()).exp();
        let decay = (ln_gamma(ratio.clone() + 1.0) - shift.clone()).exp();
        Some(row_sum(
            log_prior - log_scale + shift + ratio * EULER + decay - (1.0 + EULER),
        ))
    }

    fn reparameterization(&self) -> Option<&dyn Reparameterization> {
        Some(self)
    }
}
