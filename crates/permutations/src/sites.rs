//! Permutations as choices of a stochastic program: laws for `Run::law`.
//!
//! | law | value | trained by |
//! |---|---|---|
//! | [`PlackettLuce`] | ranks `[rows, n]` | every estimator of discrete choices: it has a density, a relaxation with conditional noise, and (up to eight items) all its values |
//! | [`SoftMatching`] | a soft matrix `[rows, n²]`, row after row | `pathwise` |
//!
//! [`rank_matrix`](crate::rank_matrix) makes a matrix of ranks, exact or relaxed.
//!
//! # Example
//!
//! ```
//! use burn::tensor::Tensor;
//! use unbiased_estimators::{Run, Site};
//! use unbiased_permutations::{PlackettLuce, rank_matrix};
//!
//! /// A list is put in the order of its scores; what is paid is the squared distance to a target.
//! fn order(run: &mut Run<'_>, scores: Tensor<2>, list: Tensor<2>, target: Tensor<2>) {
//!     let ranks = run.law("order", PlackettLuce, Site::new(run.rows(scores))).value;
//!     let y = run.rows(list).unsqueeze_dim::<3>(1).matmul(rank_matrix(ranks)).squeeze_dim::<2>(1);
//!     let cost = (y - run.rows(target)).square().sum_dim(1).squeeze_dim::<1>(1);
//!     run.cost("distance", cost, run.mark());
//! }
//! ```

use burn::tensor::Tensor;
use unbiased_estimators::{
    NoiseLaw,
    law::{Law, Relaxation},
};

use crate::{GumbelSinkhorn, PlackettLuce, exact, ranks};

impl Law for PlackettLuce {
    fn name(&self) -> &'static str {
        "plackett-luce"
    }

    fn noise(&self) -> NoiseLaw {
        NoiseLaw::Gumbel
    }

    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        (*self).sample(params, noise)
    }

    fn mean(&self, params: Tensor<2>) -> Tensor<2> {
        (*self).mean(params)
    }

    fn log_prob(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<1> {
        // Values of relaxed runs are relaxed, too.
        self.log_prob_relaxed(params, value)
    }

    fn score(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
        (*self).score(params, value)
    }

    fn negative_entropy(&self, _params: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn kl(&self, _params: Tensor<2>, _prior: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn support(&self, params: usize, limit: usize) -> Option<Vec<Vec<f64>>> {
        let count = (1..=params).try_fold(1_usize, usize::checked_mul)?;
        if count > limit {
            return None;
        }
        let lists = exact::permutations(params).ok()?;
        let number = |rank: usize| rank as f64;
        Some(
            lists
                .map(|list| list.into_iter().map(number).collect())
                .collect(),
        )
    }

    fn relaxation(&self) -> Option<&dyn Relaxation> {
        Some(self)
    }
}

impl Relaxation for PlackettLuce {
    fn latent(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        Self::latent(params, noise)
    }

    fn harden(&self, latent: Tensor<2>) -> Tensor<2> {
        ranks(latent)
    }

    fn relax(&self, latent: Tensor<2>, temperature: Tensor<1>) -> Tensor<2> {
        (*self).relax(latent, temperature)
    }

    fn conditional(&self, params: Tensor<2>, hard: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        (*self).conditional(params, hard, noise)
    }

    fn pull(&self, _params: Tensor<2>, h: Tensor<2>) -> Tensor<2> {
        h
    }

    fn pull_conditional(
        &self,
        params: Tensor<2>,
        hard: Tensor<2>,
        latent: Tensor<2>,
        h: Tensor<2>,
    ) -> Tensor<2> {
        Self::pull(params, hard, latent, h)
    }

    fn push(&self, _params: Tensor<2>, g: Tensor<2>) -> Tensor<2> {
        g
    }

    fn push_conditional(
        &self,
        params: Tensor<2>,
        hard: Tensor<2>,
        latent: Tensor<2>,
        g: Tensor<2>,
    ) -> Tensor<2> {
        Self::push(params, hard, latent, g)
    }

    fn log_density(&self, params: Tensor<2>, temperature: Tensor<1>, y: Tensor<2>) -> Tensor<1> {
        // y = (s + G) / t, entry by entry.
        let t = temperature.unsqueeze::<2>();
        let residual = params - t.clone() * y;
        let terms = t.log() + residual.clone() - residual.exp();
        terms.sum_dim(1).squeeze_dim::<1>(1)
    }

    fn coordinates(&self, latent: Tensor<2>, temperature: Tensor<1>) -> Tensor<2> {
        latent / temperature.unsqueeze::<2>()
    }
}

/// The Gumbel-Sinkhorn law as that of a choice: parameters are scores `[rows, n²]`, row after row.
///
/// It moves smoothly with its parameters (`pathwise`), and has no density, so there is nothing for REINFORCE and its relatives; use
/// [`PlackettLuce`] with them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoftMatching {
    /// How scores with noise are balanced.
    pub law: GumbelSinkhorn,
    /// Factor of the noise; 0 for none.
    pub noise: f64,
    /// Whether values are hard matchings, with the gradient of the soft ones.
    pub straight_through: bool,
}

impl SoftMatching {
    fn matrices(params: Tensor<2>) -> Tensor<3> {
        let [rows, width] = params.dims();
        let n = width.isqrt();
        assert_eq!(
            n * n,
            width,
            "SoftMatching: scores must be [rows, n²], got [{rows}, {width}]"
        );
        params.reshape([rows, n, n])
    }
}

impl Law for SoftMatching {
    fn name(&self) -> &'static str {
        "Gumbel-Sinkhorn"
    }

    fn noise(&self) -> NoiseLaw {
        NoiseLaw::Gumbel
    }

    /// # Panics
    /// If settings are out of range or scores are not numbers, or a gradient of the limit is asked for where balancing has not converged.
    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        let dims = params.dims();
        let (scores, noise) = (Self::matrices(params), Self::matrices(noise * self.noise));
        let plan = if self.straight_through {
            self.law.straight_through(scores, noise)
        } else {
            self.law.sample(scores, noise).map(|balanced| balanced.plan)
        };
        plan.unwrap_or_else(|error| panic!("SoftMatching: {error}"))
            .reshape(dims)
    }

    /// The balanced matrix without noise.
    fn mean(&self, params: Tensor<2>) -> Tensor<2> {
        let none = params.zeros_like();
        self.sample(params, none)
    }

    fn has_density(&self) -> bool {
        false
    }

    /// # Panics
    /// Always: a prior of such a choice is reported by `Run::log_prior`, for instance by the bound [`GumbelSinkhorn::kl`].
    fn log_prob(&self, _params: Tensor<2>, _value: Tensor<2>) -> Tensor<1> {
        panic!("SoftMatching: the law has no density; report its prior by `Run::log_prior`")
    }

    /// # Panics
    /// Always.
    fn score(&self, _params: Tensor<2>, _value: Tensor<2>) -> Tensor<2> {
        panic!("SoftMatching: the law has no density, and no score; use `pathwise`")
    }

    fn negative_entropy(&self, _params: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn kl(&self, _params: Tensor<2>, _prior: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn is_pathwise(&self) -> bool {
        true
    }
}
