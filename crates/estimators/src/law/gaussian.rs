//! Independent normal variables, the standard pathwise law: `z = mu + sigma eps` (Kingma & Welling, 2014).

use std::f64::consts::PI;

use burn::tensor::Tensor;

use super::{Decomposition, Law, Reparameterization, one_by_one, row_sum};
use crate::noise::NoiseLaw;

/// Independent normals; parameters are `[mean, ln standard deviation]` side by side, `[rows, 2 n]`, values `[rows, n]`.
#[derive(Debug, Clone, Copy)]
pub struct Gaussian;

/// The two halves of the parameters.
fn split(params: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let width = params.dims()[1];
    assert!(
        width.is_multiple_of(2),
        "a Gaussian site needs mean and ln standard deviation, got {width} columns"
    );
    (
        params.clone().narrow(1, 0, width / 2),
        params.narrow(1, width / 2, width / 2),
    )
}

impl Law for Gaussian {
    fn name(&self) -> &'static str {
        "gaussian"
    }

    fn noise(&self) -> NoiseLaw {
        NoiseLaw::Normal
    }

    fn width(&self, params: usize) -> usize {
        params / 2
    }

    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        let (mean, log_std) = split(params);
        mean + log_std.exp() * noise
    }

    fn mean(&self, params: Tensor<2>) -> Tensor<2> {
        split(params).0
    }

    fn log_prob(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<1> {
        let (mean, log_std) = split(params);
        let standard = (value - mean) / log_std.clone().exp();
        row_sum(standard.square() * -0.5 - log_std - 0.5 * (2.0 * PI).ln())
    }

    fn score(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
        let (mean, log_std) = split(params);
        let std = log_std.exp();
        let standard = (value - mean) / std.clone();
        Tensor::cat(vec![standard.clone() / std, standard.square() - 1.0], 1)
    }

    fn negative_entropy(&self, params: Tensor<2>) -> Option<Tensor<1>> {
        let (_, log_std) = split(params);
        Some(row_sum(log_std.neg() - 0.5 * (1.0 + (2.0 * PI).ln())))
    }

    fn kl(&self, params: Tensor<2>, prior: Tensor<2>) -> Option<Tensor<1>> {
        let ((mean, log_std), (prior_mean, prior_log_std)) = (split(params), split(prior));
        let ratio = (log_std.clone() - prior_log_std.clone()).exp();
        let shift = (mean - prior_mean) / prior_log_std.clone().exp();
        Some(row_sum(
            (ratio.square() + shift.square() - 1.0) * 0.5 - log_std + prior_log_std,
        ))
    }

    fn reparameterization(&self) -> Option<&dyn Reparameterization> {
        Some(self)
    }

    fn decomposition(&self) -> Option<&dyn Decomposition> {
        Some(self)
    }
}

/// Mohamed, Rosca, Figurnov & Mnih, "Monte Carlo Gradient Estimation in Machine Learning", 2020, table 1:
///
/// `d E f/d mu = (E f(mu + sigma w) - E f(mu - sigma w)) / (sigma sqrt(2 pi))`, `w ~ Weibull(2, sqrt 2)`;
/// `d E f/d ln sigma = E f(mu + sigma m) - E f(mu + sigma z)`, `m` double-sided Maxwell, `z` normal.
///
/// `w = sqrt(2 e)` and `m = sign(z) sqrt(z^2 + 2 e)` for a unit exponential `e` and the `z` that was drawn: `z` is to `m` as a coordinate
/// to the length of a vector of three normals, so both have their laws and are close.
impl Decomposition for Gaussian {
    fn further_noise(&self) -> Option<NoiseLaw> {
        Some(NoiseLaw::Exponential)
    }

    fn others(&self, params: Tensor<2>, value: Tensor<2>, further: Option<Tensor<2>>) -> Tensor<2> {
        let (mean, log_std) = split(params);
        let std = log_std.exp();
        let squared = further.expect("its own further noise") * 2.0;
        let w = std.clone() * squared.clone().sqrt();
        let z = (value.clone() - mean.clone()) / std.clone();
        let m = std * z.clone().sign() * (z.square() + squared).sqrt();
        let others = [mean.clone() + w.clone(), mean.clone() - w, mean + m];
        Tensor::cat(
            others
                .map(|other| one_by_one(value.clone(), other))
                .to_vec(),
            0,
        )
    }

    fn gradient(&self, params: Tensor<2>, value: Tensor<2>, change: Tensor<2>) -> Tensor<2> {
        let (n, (_, log_std)) = (value.dims()[1], split(params));
        let [above, below, maxwell] = [0, n, 2 * n].map(|start| change.clone().narrow(1, start, n));
        let to_mean = (above - below) * log_std.neg().exp() / (2.0 * PI).sqrt();
        Tensor::cat(vec![to_mean, maxwell], 1)
    }
}

impl Reparameterization for Gaussian {
    fn pull(&self, params: Tensor<2>, noise: Tensor<2>, h: Tensor<2>) -> Tensor<2> {
        // dz/dmu = 1, dz/dln sigma = sigma eps.
        let (_, log_std) = split(params);
        Tensor::cat(vec![h.clone(), h * log_std.exp() * noise], 1)
    }

    fn push(&self, params: Tensor<2>, noise: Tensor<2>, g: Tensor<2>) -> Tensor<2> {
        let (_, log_std) = split(params);
        let (to_mean, to_log_std) = split(g);
        to_mean + to_log_std * log_std.exp() * noise
    }
}
