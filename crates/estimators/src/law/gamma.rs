//! Independent gamma variables, by implicit reparameterization.
//!
//! Source: Figurnov, Mohamed & Mnih, "Implicit Reparameterization Gradients", 2018.
//!
//! `x = F^-1(u; a) / r`, `dx/da = -(dF/da) / p(x)`: the quantile, in f64 on the host, one number of noise per variable, where the paper draws
//! by rejection. `ln p = a ln r - ln Gamma(a) + (a - 1) ln x - r x`.

use burn::tensor::Tensor;

use super::{
    Entrywise, Law, Reparameterization,
    entrywise::{self, LEAST, halves},
    row_sum,
    special::{digamma, ln_gamma, ln_gamma_quantile, on_host},
};
use crate::noise::NoiseLaw;

/// Gamma variables; parameters are `[ln concentration, ln rate]` side by side, `[rows, 2 n]`, values `[rows, n]`, at least 1e-30.
#[derive(Debug, Clone, Copy)]
pub struct Gamma;

impl Entrywise for Gamma {
    fn draw(&self, [log_a, log_rate]: [Tensor<2>; 2], u: Tensor<2>) -> [Tensor<2>; 3] {
        let a = log_a.exp();
        let [log_x, in_a] = on_host([a.clone(), u], |[a, u]| ln_gamma_quantile(a, u));
        let x = (log_x - log_rate).exp().clamp_min(LEAST);
        [x.clone(), x.clone() * in_a * a, x.neg()]
    }
}

impl Law for Gamma {
    fn name(&self) -> &'static str {
        "gamma"
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
        let [log_a, log_rate] = halves(params);
        (log_a - log_rate).exp()
    }

    fn log_prob(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<1> {
        let [log_a, log_rate] = halves(params);
        let a = log_a.exp();
        row_sum(
            a.clone() * log_rate.clone() - ln_gamma(a.clone()) + (a - 1.0) * value.clone().log()
                - log_rate.exp() * value,
        )
    }

    fn score(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
        let [log_a, log_rate] = halves(params);
        let a = log_a.exp();
        let in_a = a.clone() * (log_rate.clone() - digamma(a.clone()) + value.clone().log());
        Tensor::cat(vec![in_a, a - log_rate.exp() * value], 1)
    }

    fn negative_entropy(&self, params: Tensor<2>) -> Option<Tensor<1>> {
        let [log_a, log_rate] = halves(params);
        let a = log_a.exp();
        Some(row_sum(
            log_rate - a.clone() - ln_gamma(a.clone()) + (a.clone() - 1.0) * digamma(a),
        ))
    }

    fn kl(&self, params: Tensor<2>, prior: Tensor<2>) -> Option<Tensor<1>> {
        let ([log_a, log_rate], [log_prior, log_prior_rate]) = (halves(params), halves(prior));
        let (a, p) = (log_a.exp(), log_prior.exp());
        let change = log_rate - log_prior_rate;
        Some(row_sum(
            (a.clone() - p.clone()) * digamma(a.clone()) - ln_gamma(a.clone())
                + ln_gamma(p.clone())
                + p * change.clone()
                + a * (change.neg().exp() - 1.0),
        ))
    }

    fn reparameterization(&self) -> Option<&dyn Reparameterization> {
        Some(self)
    }
}
