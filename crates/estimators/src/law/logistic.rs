//! Independent logistic variables: `x = mu + s l`, `l = ln u - ln(1 - u)`.
//!
//! `ln p = -t - 2 ln(1 + e^-t) - ln s`, `t = (x - mu) / s`.

use burn::tensor::Tensor;
use unbiased_kernels::softplus;

use super::{
    Entrywise, Law, Reparameterization,
    entrywise::{self, halves},
    row_sum,
};
use crate::noise::NoiseLaw;

/// Logistic variables; parameters are `[location, ln scale]` side by side, `[rows, 2 n]`, values `[rows, n]`.
#[derive(Debug, Clone, Copy)]
pub struct Logistic;

impl Entrywise for Logistic {
    fn draw(&self, [location, log_scale]: [Tensor<2>; 2], noise: Tensor<2>) -> [Tensor<2>; 3] {
        let away = log_scale.exp() * noise;
        [location.clone() + away.clone(), location.ones_like(), away]
    }
}

impl Law for Logistic {
    fn name(&self) -> &'static str {
        "logistic"
    }

    fn noise(&self) -> NoiseLaw {
        NoiseLaw::Logistic
    }

    fn width(&self, params: usize) -> usize {
        params / 2
    }

    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        entrywise::sample(self, params, noise)
    }

    fn mean(&self, params: Tensor<2>) -> Tensor<2> {
        let [location, _] = halves(params);
        location
    }

    fn log_prob(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<1> {
        let [location, log_scale] = halves(params);
        let t = (value - location) / log_scale.clone().exp();
        row_sum(t.clone().neg() - softplus(t.neg()) * 2.0 - log_scale)
    }

    fn score(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
        let [location, log_scale] = halves(params);
        let scale = log_scale.exp();
        let t = (value - location) / scale.clone();
        // -d ln p/dt.
        let slope = (t.clone() * 0.5).tanh();
        Tensor::cat(vec![slope.clone() / scale, t * slope - 1.0], 1)
    }

    fn negative_entropy(&self, params: Tensor<2>) -> Option<Tensor<1>> {
        let [_, log_scale] = halves(params);
        Some(row_sum(log_scale.neg() - 2.0))
    }

    fn kl(&self, _params: Tensor<2>, _prior: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn reparameterization(&self) -> Option<&dyn Reparameterization> {
        Some(self)
    }
}
