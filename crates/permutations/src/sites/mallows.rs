//! Mallows.

use burn::tensor::{Tensor, TensorData, activation::softmax};
use unbiased_estimators::{NoiseLaw, law::Law};
use unbiased_kernels::logsumexp;

use super::{rankings, row_sum};
use crate::plackett_luce::differences;
use crate::{Mallows, ranks};

/// The [`Mallows`] law as that of a choice: values are ranks `[rows, n]`.
///
/// Parameters are `[rows, 1 + n]`: ln θ, then n numbers whose ascending order is that of the centre (its ranks, say). Only θ has a slope: the law is
/// constant in the numbers almost everywhere.
///
/// It has a density and no relaxation: `reinforce`, `rloo`, `vimco` and the like, and `exact` where the rankings can be enumerated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MallowsRanking;

/// θ `[rows, 1]` and the ranks of the centre `[rows, n]`.
fn split(params: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let columns = params.dims()[1];
    assert!(
        columns > 1,
        "MallowsRanking: parameters must be [rows, 1 + n], got {columns} columns"
    );
    let centre = params.clone().inner().narrow(1, 1, columns - 1).neg();
    (params.narrow(1, 0, 1).exp(), ranks(centre))
}

/// Jumps v = 0, …, t of insertions t = 0, …, n − 1: `−θ v` where v ≤ t, −∞ elsewhere, and v, `[rows, n, n]`.
fn log_weights(theta: Tensor<2>, n: usize) -> (Tensor<3>, Tensor<3>) {
    let like = (&theta.device(), theta.dtype());
    let square = |f: &dyn Fn(usize, usize) -> f64| {
        let values: Vec<f64> = (0..n * n).map(|k| f(k / n, k % n)).collect();
        Tensor::<3>::from_data(TensorData::new(values, [1, n, n]), like)
    };
    let jump = square(&|_, v| v as f64);
    let beyond = square(&|t, v| f64::from(u8::from(v > t)));
    let rows = theta.dims()[0];
    let weights = theta.unsqueeze_dim::<3>(2).neg() * jump.clone();
    let beyond = beyond.expand([rows, n, n]).greater_scalar(0.5);
    (weights.mask_fill(beyond, f64::NEG_INFINITY), jump)
}

/// `ln Z`, `[rows]`.
fn log_partition(theta: Tensor<2>, n: usize) -> Tensor<1> {
    let (weights, _) = log_weights(theta, n);
    row_sum(logsumexp(weights).squeeze_dim::<2>(2))
}

/// The expected distance from the centre, `[rows]`.
fn mean_distance(theta: Tensor<2>, n: usize) -> Tensor<1> {
    let (weights, jump) = log_weights(theta, n);
    let mean = (softmax(weights, 2) * jump).sum_dim(2);
    row_sum(mean.squeeze_dim::<2>(2))
}

/// Pairs in another order, `[rows]`.
fn distance(a: Tensor<2>, b: Tensor<2>) -> Tensor<1> {
    let [_, n] = a.dims();
    let agreement = differences(a).sign() * differences(b).sign();
    let agreement = agreement.sum_dim(2).squeeze_dim::<2>(2);
    (row_sum(agreement).neg() + (n * (n - 1)) as f64) / 4.0
}

impl Law for MallowsRanking {
    fn name(&self) -> &'static str {
        "mallows"
    }

    fn noise(&self) -> NoiseLaw {
        NoiseLaw::Uniform
    }

    fn width(&self, params: usize) -> usize {
        params - 1
    }

    /// Repeated insertion, an item in every step: it jumps ahead of as many as its uniform says.
    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        let (theta, centre) = split(params.inner());
        let [rows, n] = noise.dims();
        let chances = softmax(log_weights(theta, n).0, 2);
        let passed = chances
            .cumsum(2)
            .lower_equal(noise.unsqueeze_dim::<3>(2).expand([rows, n, n]));
        let jumps = passed
            .float()
            .cast(centre.dtype())
            .sum_dim(2)
            .squeeze_dim::<2>(2);
        let mut places = jumps.clone().narrow(1, 0, 1).zeros_like();
        for t in 1..n {
            // Rounding may leave the last chance below 1.
            let place = (jumps.clone().narrow(1, t, 1).neg() + t as f64).clamp_min(0.0);
            let moved = places
                .clone()
                .greater_equal(place.clone().expand([rows, t]));
            places = places + moved.float().cast(centre.dtype());
            places = Tensor::cat(vec![places, place], 1);
        }
        places.gather(1, centre.int())
    }

    /// Expected ranks, without slope; on the host.
    fn mean(&self, params: Tensor<2>) -> Tensor<2> {
        let like = (&params.device(), params.dtype());
        let (theta, centre) = split(params.inner());
        let [rows, n] = centre.dims();
        let numbers = |x: Tensor<2>| x.into_data().iter::<f64>().collect::<Vec<_>>();
        let (thetas, centres) = (numbers(theta), numbers(centre));
        let means = centres
            .chunks_exact(n)
            .zip(thetas)
            .flat_map(|(centre, theta)| {
                let centre: Vec<usize> = centre.iter().map(|&rank| rank as usize).collect();
                let law = Mallows::new(&centre, theta)
                    .unwrap_or_else(|error| panic!("MallowsRanking: {error}"));
                let mean = |of_item: &[f64]| -> f64 {
                    let terms = of_item.iter().enumerate();
                    terms.map(|(rank, p)| rank as f64 * p).sum()
                };
                law.marginals()
                    .chunks_exact(n)
                    .map(mean)
                    .collect::<Vec<f64>>()
            });
        Tensor::from_data(
            TensorData::new(means.collect::<Vec<f64>>(), [rows, n]),
            like,
        )
    }

    fn has_mean(&self) -> bool {
        false
    }

    fn log_prob(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<1> {
        let (theta, centre) = split(params);
        let [_, n] = centre.dims();
        let per_pair = theta.clone().squeeze_dim::<1>(1);
        per_pair.neg() * distance(value, centre) - log_partition(theta, n)
    }

    fn score(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
        let (theta, centre) = split(params);
        let [_, n] = centre.dims();
        let beyond = mean_distance(theta.clone(), n) - distance(value, centre.clone());
        let of_theta = theta * beyond.unsqueeze_dim::<2>(1);
        Tensor::cat(vec![of_theta, centre.zeros_like()], 1)
    }

    fn negative_entropy(&self, params: Tensor<2>) -> Option<Tensor<1>> {
        let (theta, centre) = split(params);
        let [_, n] = centre.dims();
        let mean = mean_distance(theta.clone(), n);
        let per_pair = theta.clone().squeeze_dim::<1>(1);
        Some(per_pair.neg() * mean - log_partition(theta, n))
    }

    fn kl(&self, _params: Tensor<2>, _prior: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn support(&self, params: usize, limit: usize) -> Option<Vec<Vec<f64>>> {
        rankings(params - 1, limit)
    }
}
