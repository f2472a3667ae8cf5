//! Independent Poisson counts: any number, so no enumeration, and no smooth function of their noise.
//!
//! `x` is the least count with `F(x) >= u`, found on the host in f64. `ln p = x ln r - r - ln Gamma(x + 1)`.

use burn::tensor::Tensor;

use super::{
    Decomposition, Law, one_by_one, row_sum,
    special::{ln_gamma, on_host},
};
use crate::noise::NoiseLaw;

/// Counts; parameters are ln rates `[rows, n]`, values `[rows, n]`.
#[derive(Debug, Clone, Copy)]
pub struct Poisson;

/// The least count whose distribution function reaches `u`, summed outwards from the mode, where terms do not underflow.
fn quantile(rate: f64, u: f64) -> f64 {
    let mode = rate.floor();
    let at_mode = (mode * rate.ln() - rate - libm::lgamma(mode + 1.0)).exp();
    let mut below = 0.0;
    let (mut term, mut n) = (at_mode, mode);
    while n > 0.0 && term > 1e-18 {
        term *= n / rate;
        below += term;
        n -= 1.0;
    }
    let (mut sum, mut term, mut n) = (below + at_mode, at_mode, mode);
    if sum < u {
        while sum < u && term > 1e-18 {
            n += 1.0;
            term *= rate / n;
            sum += term;
        }
        return n;
    }
    while n > 0.0 && sum - term >= u {
        sum -= term;
        term *= n / rate;
        n -= 1.0;
    }
    n
}

impl Law for Poisson {
    fn name(&self) -> &'static str {
        "poisson"
    }

    fn noise(&self) -> NoiseLaw {
        NoiseLaw::Uniform
    }

    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        let [count] = on_host([params, noise], |[log_rate, u]| {
            [quantile(log_rate.exp(), u)]
        });
        count
    }

    fn mean(&self, params: Tensor<2>) -> Tensor<2> {
        params.exp()
    }

    fn log_prob(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<1> {
        row_sum(value.clone() * params.clone() - params.exp() - ln_gamma(value + 1.0))
    }

    fn score(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
        value - params.exp()
    }

    fn negative_entropy(&self, _params: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn kl(&self, params: Tensor<2>, prior: Tensor<2>) -> Option<Tensor<1>> {
        let change = params.clone() - prior.clone();
        Some(row_sum(params.clone().exp() * (change - 1.0) + prior.exp()))
    }

    fn decomposition(&self) -> Option<&dyn Decomposition> {
        Some(self)
    }
}

impl Decomposition for Poisson {
    fn others(&self, _: Tensor<2>, value: Tensor<2>, _: Option<Tensor<2>>) -> Tensor<2> {
        one_by_one(value.clone(), value + 1.0)
    }

    fn gradient(&self, params: Tensor<2>, _: Tensor<2>, change: Tensor<2>) -> Tensor<2> {
        // d E f/d rate = E[f(x + 1) - f(x)].
        params.exp() * change
    }
}
