//! Independent beta variables, by implicit reparameterization.
//!
//! Source: Figurnov, Mohamed & Mnih, "Implicit Reparameterization Gradients", 2018.
//!
//! `x = F^-1(u; a, b)`, `dx/da = -(dF/da) / p(x)`: the quantile, in f64 on the host. `ln p = (a - 1) ln x + (b - 1) ln(1 - x) - ln B(a, b)`.

use burn::tensor::Tensor;
use unbiased_kernels::sigmoid;

use super::{
    Entrywise, Law, Reparameterization,
    entrywise::{self, halves, inside_unit},
    row_sum,
    special::{beta_quantile, digamma, ln_gamma, on_host},
};
use crate::noise::NoiseLaw;

/// Beta variables; parameters are `[ln a, ln b]` side by side, `[rows, 2 n]`, values `[rows, n]`.
#[derive(Debug, Clone, Copy)]
pub struct Beta;

/// `ln B(a, b)`.
fn ln_beta(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    ln_gamma(a.clone()) + ln_gamma(b.clone()) - ln_gamma(a + b)
}

impl Entrywise for Beta {
    fn draw(&self, [log_a, log_b]: [Tensor<2>; 2], u: Tensor<2>) -> [Tensor<2>; 3] {
        let (a, b) = (log_a.exp(), log_b.exp());
        let [x, in_a, in_b] = on_host([a.clone(), b.clone(), u], |[a, b, u]| {
            beta_quantile(a, b, u)
        });
        [inside_unit(x), in_a * a, in_b * b]
    }
}

impl Law for Beta {
    fn name(&self) -> &'static str {
        "beta"
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
        let [log_a, log_b] = halves(params);
        sigmoid(log_a - log_b)
    }

    fn log_prob(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<1> {
        let [log_a, log_b] = halves(params);
        let (a, b) = (log_a.exp(), log_b.exp());
        let inside =
            (a.clone() - 1.0) * value.clone().log() + (b.clone() - 1.0) * value.neg().log1p();
        row_sum(inside - ln_beta(a, b))
    }

    fn score(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
        let [log_a, log_b] = halves(params);
        let (a, b) = (log_a.exp(), log_b.exp());
        let sum = digamma(a.clone() + b.clone());
        let in_a = a.clone() * (value.clone().log() - digamma(a) + sum.clone());
        let in_b = b.clone() * (value.neg().log1p() - digamma(b) + sum);
        Tensor::cat(vec![in_a, in_b], 1)
    }

    fn negative_entropy(&self, params: Tensor<2>) -> Option<Tensor<1>> {
        let [log_a, log_b] = halves(params);
        let (a, b) = (log_a.exp(), log_b.exp());
        let sum = digamma(a.clone() + b.clone());
        Some(row_sum(
            (a.clone() - 1.0) * (digamma(a.clone()) - sum.clone())
                + (b.clone() - 1.0) * (digamma(b.clone()) - sum)
                - ln_beta(a, b),
        ))
    }

    fn kl(&self, params: Tensor<2>, prior: Tensor<2>) -> Option<Tensor<1>> {
        let ([log_a, log_b], [log_p, log_q]) = (halves(params), halves(prior));
        let (a, b, p, q) = (log_a.exp(), log_b.exp(), log_p.exp(), log_q.exp());
        let sum = digamma(a.clone() + b.clone());
        Some(row_sum(
            (a.clone() - p.clone()) * (digamma(a.clone()) - sum.clone())
                + (b.clone() - q.clone()) * (digamma(b.clone()) - sum)
                + ln_beta(p, q)
                - ln_beta(a, b),
        ))
    }

    fn reparameterization(&self) -> Option<&dyn Reparameterization> {
        Some(self)
    }
}
