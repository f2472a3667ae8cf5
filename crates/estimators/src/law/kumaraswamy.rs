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
    special::{EULER, digamma, ln_gamma, ln_one_minus_exp},
};
use crate::noise::NoiseLaw;

/// Kumaraswamy variables; parameters are `[ln a, ln b]` side by side, `[rows, 2 n]`, values `[rows, n]`.
#[derive(Debug, Clone, Copy)]
pub struct Kumaraswamy;

impl Entrywise for Kumaraswamy {
    fn draw(&self, [log_a, log_b]: [Tensor<2>; 2], noise: Tensor<2>) -> [Tensor<2>; 3] {
        let r = noise * log_b.neg().exp();
        let log_rest = ln_one_minus_exp(r.clone());
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
        // x^a = e^-s.
        let log_x = value.log();
        let s = log_x.clone().neg() * a.clone();
        row_sum(log_a + log_b + (a - 1.0) * log_x + (b - 1.0) * ln_one_minus_exp(s))
    }

    fn score(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
        let [log_a, log_b] = halves(params);
        let (a, b) = (log_a.exp(), log_b.exp());
        let s = value.log().neg() * a;
        let log_rest = ln_one_minus_exp(s.clone());
        let odds = (s.clone().neg() - log_rest.clone()).exp();
        let in_a = s.clone().neg() + 1.0 + (b.clone() - 1.0) * odds * s;
        Tensor::cat(vec![in_a, b * log_rest + 1.0], 1)
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
