//! Permutations as choices of a stochastic program: laws for `Run::law`.
//!
//! | law | value | trained by |
//! |---|---|---|
//! | [`PlackettLuce`](crate::PlackettLuce) | ranks `[rows, n]` | every estimator of discrete choices: it has a density, a relaxation with conditional noise, and (up to eight items) all its values |
//! | [`MallowsRanking`] | ranks `[rows, n]` | `reinforce` and its relatives, `vimco`, `exact` (up to eight items): a density, no relaxation |
//! | [`SoftMatching`] | a soft matrix `[rows, n²]`, row after row | `pathwise` |
//! | [`OnPolytope`] | a relaxed matrix `[rows, n²]` or relaxed choice `[rows, n]`, by stick-breaking or rounding | `pathwise`, `stl`, `dreg`; `reinforce` and its relatives by the density |
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

mod mallows;
mod on_polytope;
mod plackett_luce;
mod soft_matching;

pub use mallows::MallowsRanking;
pub use on_polytope::{Construction, OnPolytope};
pub use soft_matching::SoftMatching;

use burn::tensor::Tensor;

use crate::exact;

/// `[rows, n] -> [rows]`.
fn row_sum(x: Tensor<2>) -> Tensor<1> {
    x.sum_dim(1).squeeze_dim::<1>(1)
}

/// All rankings of n items as rows, if there are at most `limit`.
fn rankings(n: usize, limit: usize) -> Option<Vec<Vec<f64>>> {
    let count = (1..=n).try_fold(1_usize, usize::checked_mul)?;
    if count > limit {
        return None;
    }
    let lists = exact::permutations(n).ok()?;
    let row = |list: Vec<usize>| list.into_iter().map(|rank| rank as f64).collect();
    Some(lists.map(row).collect())
}
