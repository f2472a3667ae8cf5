//! Independent angles, each von Mises around its own direction, by implicit reparameterization.
//!
//! Source: Figurnov, Mohamed & Mnih, "Implicit Reparameterization Gradients", 2018.
//!
//! `x = mu + F^-1(u; k)`, `dx/dk = -(dF/dk) / p(x)`: the quantile, in f64 on the host. `ln p = k cos(x - mu) - ln(2 pi I_0(k))`.
//!
//! A value lies within pi of its direction. An angle is the same after a whole turn, so costs should be periodic in it: the score
//! function is unbiased for these only, since it does not see the ends of the interval move.

use std::f64::consts::PI;

use burn::tensor::Tensor;

use super::{
    Entrywise, Law, Reparameterization,
    entrywise::{self, halves},
    row_sum,
    special::{ln_bessel, on_host, von_mises_quantile},
};
use crate::noise::NoiseLaw;

/// Angles; parameters are `[direction, ln concentration]` side by side, `[rows, 2 n]`, values `[rows, n]`.
#[derive(Debug, Clone, Copy)]
pub struct VonMises;

/// `ln(e^-k I_0(k))` and the mean resultant length `A = I_1(k) / I_0(k)`, on the tape of `k`: their derivatives are `A - 1` and
/// `1 - A/k - A^2`.
fn norm(k: Tensor<2>) -> [Tensor<2>; 2] {
    let [ln_norm, length] = on_host([k.clone()], |[k]| ln_bessel(k));
    let fixed = k.clone().inner();
    let change = k - fixed.clone();
    let slope = length.clone().square().neg() + 1.0 - length.clone() / fixed;
    [
        ln_norm + (length.clone() - 1.0) * change.clone(),
        length + slope * change,
    ]
}

impl Entrywise for VonMises {
    fn draw(&self, [direction, log_k]: [Tensor<2>; 2], u: Tensor<2>) -> [Tensor<2>; 3] {
        let k = log_k.exp();
        let [away, in_k] = on_host([k.clone(), u], |[k, u]| von_mises_quantile(k, u));
        [direction.clone() + away, direction.ones_like(), in_k * k]
    }
}

impl Law for VonMises {
    fn name(&self) -> &'static str {
        "von mises"
    }

    fn noise(&self) -> NoiseLaw {
        NoiseLaw::Uniform
    }

    fn width(&self, params: usize) -> usize {
        params / 2
    }

    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        entrywise::sample(self, params, noise)
    }

    fn mean(&self, params: Tensor<2>) -> Tensor<2> {
        let [direction, _] = halves(params);
        direction
    }

    fn is_periodic(&self) -> bool {
        true
    }

    fn log_prob(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<1> {
        let [direction, log_k] = halves(params);
        let k = log_k.exp();
        let [ln_norm, _] = norm(k.clone());
        row_sum(k * ((value - direction).cos() - 1.0) - ln_norm - (2.0 * PI).ln())
    }

    fn score(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
        let [direction, log_k] = halves(params);
        let (k, away) = (log_k.exp(), value - direction);
        let [_, length] = norm(k.clone());
        let in_k = k.clone() * (away.clone().cos() - length);
        Tensor::cat(vec![k * away.sin(), in_k], 1)
    }

    fn negative_entropy(&self, params: Tensor<2>) -> Option<Tensor<1>> {
        let [_, log_k] = halves(params);
        let k = log_k.exp();
        let [ln_norm, length] = norm(k.clone());
        Some(row_sum(k * (length - 1.0) - ln_norm - (2.0 * PI).ln()))
    }

    fn kl(&self, params: Tensor<2>, prior: Tensor<2>) -> Option<Tensor<1>> {
        let ([direction, log_k], [prior, log_prior]) = (halves(params), halves(prior));
        let (k, p) = (log_k.exp(), log_prior.exp());
        let ([ln_norm, length], [ln_prior, _]) = (norm(k.clone()), norm(p.clone()));
        let own = k * (length.clone() - 1.0) - ln_norm;
        Some(row_sum(
            own - p * (length * (direction - prior).cos() - 1.0) + ln_prior,
        ))
    }

    fn reparameterization(&self) -> Option<&dyn Reparameterization> {
        Some(self)
    }
}
