//! Learning permutations: relaxations, laws and exact counterparts.
//!
//! A permutation is a list, `list[i] = j`, or a matrix, `P_ij = 1`: row i goes to column j. Scores `X` `[.., n, n]` say how well each row goes with each column.
//!
//! | what | where |
//! |---|---|
//! | balancing scores to a soft matrix, and its gradients | [`Sinkhorn`] |
//! | the best matching, exactly, with its duals | [`assign`], [`assign_batch`] |
//! | laws from Gumbel noise, hard and soft; divergences | [`gumbel_matching`], [`GumbelSinkhorn`] |
//! | rankings with a density | [`PlackettLuce`] |
//! | rankings around a centre | [`Mallows`] |
//! | soft sorting and ranking: NeuralSort, SoftSort, sorting networks, isotonic regression | [`sorting`] |
//! | laws on the Birkhoff polytope: stick-breaking and rounding | [`birkhoff`] |
//! | expected matchings under noise, and their loss | [`PerturbedMatching`] |
//! | mixtures of few matchings | [`sparse_map()`] |
//! | lists and matrices | [`permutation`] |
//! | distances of rankings | [`metrics`] |
//! | laws of few elements, exactly | [`exact`] |
//! | choices of a stochastic program, for every estimator of `unbiased-estimators` | module `sites`, by the feature of that name |

/// The examples of the README, for the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod assignment;
pub mod birkhoff;
mod error;
pub mod exact;
mod gumbel;
mod mallows;
pub mod metrics;
pub mod permutation;
mod perturbed;
mod plackett_luce;
mod sinkhorn;
#[cfg(feature = "sites")]
pub mod sites;
pub mod sorting;
mod sparse_map;

pub use assignment::{
    Assignment, Assignments, assign, assign_batch, assign_batch_from, assign_from,
};
pub use error::Error;
pub use gumbel::{GumbelSinkhorn, gumbel_matching, straight_through};
pub use mallows::Mallows;
pub use perturbed::{Perturbation, PerturbedMatching};
pub use plackett_luce::{PlackettLuce, rank_matrix, ranks};
pub use sinkhorn::{Acceleration, Balanced, Sinkhorn, SinkhornGradient, Stop};
pub use sparse_map::{SparseMap, sparse_map};
