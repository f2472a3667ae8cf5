//! Independent Kumaraswamy variables on (0, 1), much like beta ones, with a distribution function that can be inverted.
//!
//! Source: Kumaraswamy, "A Generalized Probability Density Function for Double-Bounded Random Processes", 1980.
//!
//! `F(x) = 1 - (1 - x^a)^b`, so `x = (1 - e^(-e/b))^(1/a)` for a unit exponential `e`.

use burn::tensor::Tensor;

use super::{
    Entrywise, Law, Reparameterization,
    entrywise::{self, halves, inside_unit},
    row_sum,
    special::{EULER, digamma, ln_gamma},
};
use crate::noise::NoiseLaw;

/// Kumaraswamy variables; parameters are `[ln a, ln b]` side by side, `[rows, 2 n]`, values `[rows, n]`.
#[derive(Debug, Clone, Copy)]
pub struct Kumaraswamy;

impl Entrywise for Kumaraswamy {
    fn draw(&self, [log_a, log_b]: [Tensor<2>; 2], noise: Tensor<2>) -> [Tensor<2>; 3] {
        // 1 - e^-r = 2 h / (1 + h), h = tanh(r / 2), which does not cancel where r is small.
        let r = noise * log_b.neg().exp();
        let h = (r.clone() * 0.5).tanh();
        let log_rest = (h.clone() * 2.0).log() - h.log1p();
        let inverse = log_a.neg().exp();
        let log_x = log_rest.clone() * inverse.clone();
        let x = inside_unit(log_x.clone().exp());
        // dr/dln b = -r, and e^-r / (1 - e^-r) is d ln(1 - e^-r)/dr.
        let in_b = (r.clone().neg() - log_rest).exp() * r * inverse;
        [x.clone(), (x.clone() * log_x).neg(), (x * in_b).neg()]
    }
}

impl Law for Kumaraswamy {
    fn name(&self) -> &'static str {
        "kumaraswamy"
    }

    fn noise(&self) -> NoiseLaw {
        NoiseLaw::Exponential
    }

    fn width(&self, params: usize) -> usize {
        params / 2
    }

    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        entrywise::sample(self, params, noise)
    }

    fn mean(&self, params: Tensor<2>) -> Tensor<2> {
        // b B(1 + 1/a, b).
        let [log_a, log_b] = halves(params);
        let (shift, b) = (log_a.neg().exp() + 1.0, log_b.clone().exp());
        (log_b + ln_gamma(shift.clone()) + ln_gamma(b.clone()) - ln_gamma(shift + b)).exp()
    }

    fn log_prob(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<1> {
        let [log_a, log_b] = halves(params);
        let (a, b) = (log_a.clone().exp(), log_b.clone().exp());
        let log_x = value.log();
        let log_rest = (log_x.clone() * a.clone()).exp().neg().log1p();
        row_sum(log_a + log_b + (a - 1.0) * log_x + (b - 1.0) * log_rest)
    }

    fn score(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
        let [log_a, log_b] = halves(params);
        let (a, b) = (log_a.exp(), log_b.exp());
        let scaled = value.log() * a;
        let power = scaled.clone().exp();
        let rest = power.clone().neg() + 1.0;
        let odds = power / rest.clone();
        let in_a = scaled.clone() + 1.0 - (b.clone() - 1.0) * odds * scaled;
        Tensor::cat(vec![in_a, b * rest.log() + 1.0], 1)
    }

    fn negative_entropy(&self, params: Tensor<2>) -> Option<Tensor<1>> {
        let [log_a, log_b] = halves(params);
        let (inverse_a, b) = (log_a.clone().neg().exp(), log_b.clone().exp());
        let harmonic = digamma(b.clone() + 1.0) + EULER;
        Some(row_sum(
            log_a + log_b + b.recip() - 1.0 + (inverse_a - 1.0) * harmonic,
        ))
    }

    fn kl(&self, _params: Tensor<2>, _prior: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn reparameterization(&self) -> Option<&dyn Reparameterization> {
        Some(self)
    }
}
