//! VIMCO: leave-one-out baselines inside the importance-weighted bound.
//!
//! Source: Mnih & Rezende, "Variational Inference for Monte Carlo Objectives", 2016, eq. 9 and 10, with either mean.
//!
//! `L = ln 1/K sum_k w_k`, `g_k = -(L - L_{-k}) * d ln q(b_k; a) / d a` for the cost `-L`, where `L_{-k}` replaces
//! `w_k` by the geometric (`vimco`) or arithmetic (`vimco-arithmetic`) mean of the others; the weights' own derivative `sum_k w~_k d ln w_k`
//! is on the tape.
//!
//! | unbiased (for the bound) | f differentiable | calls of f | extra parameters |
//! |--------------------------|------------------|------------|------------------|
//! | yes                      | not needed       | K >= 2     | none             |
//!
//! Shapes: log-weights `[k, batch]` in nats. Numerics: every `L_{-k}` is a log-sum-exp of its own over a `k x k` table
//! whose diagonal holds the replacement, never a difference of exponentials. The arithmetic mean is that of the largest of the other
//! weights where they differ much, the geometric one is not.

use burn::tensor::{Bool, Tensor};

use super::{At, Gradient, Rule};
use crate::{
    estimator::Objective,
    trace::{Schema, SiteSchema},
};

/// What stands for the weight of a sample in the bound without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Vimco {
    /// The geometric mean of the others.
    #[default]
    Geometric,
    /// Their arithmetic mean: `L_{-k}` is the bound of the others.
    Arithmetic,
}

/// `ln 1/K sum_k exp(x_k)` over the first axis: `[k, batch] -> [batch]`.
#[must_use]
pub fn log_mean_exp(log_weights: Tensor<2>) -> Tensor<1> {
    let k = log_weights.dims()[0] as f64;
    let max = log_weights.clone().inner().max_dim(0);
    let sum = (log_weights - max.clone()).exp().sum_dim(0);
    (sum.log() + max).squeeze_dim::<1>(0) - k.ln()
}

/// The bound with each sample's log-weight in turn replaced: `[k, batch] -> [k, batch]`.
#[must_use]
pub fn replaced(log_weights: Tensor<2>, replacement: Tensor<2>) -> Tensor<2> {
    let [k, batch] = log_weights.dims();
    let diagonal: Tensor<2, Bool> = Tensor::<2>::eye(k, &log_weights.device()).greater_scalar(0.5);
    let table = log_weights
        .unsqueeze_dim::<3>(0)
        .expand([k, k, batch])
        .mask_where(
            diagonal.unsqueeze_dim::<3>(2).expand([k, k, batch]),
            replacement.unsqueeze_dim::<3>(1).expand([k, k, batch]),
        );
    let max = table.clone().max_dim(1);
    let sum = (table - max.clone()).exp().sum_dim(1);
    (sum.log() + max).squeeze_dim::<2>(1) - (k as f64).ln()
}

/// `L - L_{-k}`: `[k, batch] -> [k, batch]`.
#[must_use]
pub fn signal(log_weights: Tensor<2>, mean: Vimco) -> Tensor<2> {
    let n = log_weights.dims()[0] as f64;
    let bound = log_mean_exp(log_weights.clone()).unsqueeze_dim::<2>(0);
    let without = match mean {
        Vimco::Geometric => {
            // ln w^_k = mean_{j != k} ln w_j.
            let sum = log_weights.clone().sum_dim(0);
            let replacement = (sum - log_weights.clone()) / (n - 1.0);
            replaced(log_weights, replacement)
        }
        Vimco::Arithmetic => {
            // A weight of zero in its place, and a mean over one less.
            let nothing = log_weights.full_like(-1e30);
            replaced(log_weights, nothing) + (n / (n - 1.0)).ln()
        }
    };
    bound - without
}

impl Rule for Vimco {
    fn check(&self, _: &SiteSchema, schema: &Schema, objective: &Objective) -> Result<(), String> {
        super::needs_replay(schema)?;
        match objective {
            Objective::LogMeanWeight { k } if *k >= 2 => Ok(()),
            Objective::LogMeanWeight { .. } => Err("the bound needs at least 2 samples; use `reinforce`, or set `k`".into()),
            Objective::Expected { .. } => Err(
                "its objective is an expected cost, not a bound of several samples; use `rloo`, or the objective `log_mean_weight`"
                    .into(),
            ),
        }
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let log_weights = at.log_weights().expect("checked: the objective is a bound");
        let signal = signal(log_weights, *self);
        Some(Gradient::score(at, signal.flatten(0, 1).neg()))
    }
}
