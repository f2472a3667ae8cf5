//! Learning to sort numbers, the first experiment with latent permutations.
//!
//! Source: Mena, Belanger, Linderman & Snoek, "Learning Latent Permutations with Gumbel-Sinkhorn Networks", 2018, section 5.1.
//!
//! A list `x` of n numbers is sorted by `Pᵀ x`, `P` a permutation matrix (row i: element, column j: place). A network looks at each element
//! alone and gives it a row of scores, `X_ij`, how well it would do in place j; P is drawn around them, and trained is
//!
//! `E[1/n |Pᵀ x − sort(x)|²]`
//!
//! by the soft matrices of Gumbel-Sinkhorn (pathwise) or, with one score per element, by the Plackett-Luce law, which has a density.
//!
//! With a normal likelihood of the sorted list, `ln p(sort(x) | P) = −|Pᵀ x − sort(x)|²/2σ² − n/2 ln 2πσ²`, there is a bound of k orders,
//! `E[ln 1/k Σ p(sort(x) | P_k)]` (Mnih & Rezende, "Variational Inference for Monte Carlo Objectives", 2016, where the prior proposes, section 5.3);
//! at k = 1 it is `−n/2σ²` times the expected distance, but for the constant.
//!
//! Two networks: that of the paper, a layer of rectified units between number and scores; and slopes that rise from place to place,
//! `X_ij = a_j x_i`, `a_1 < a_2 < ..`, with which the best matching sorts *every* list, by the rearrangement inequality.
//!
//! Shapes: lists `[batch, n]`; scores `[batch, n²]`, rows of the matrix after each other, or `[batch, n]` under Plackett-Luce.

mod config;
mod lists;
mod loss;
mod model;
mod order;

pub use config::{Head, OrderLaw, SortingConfig, SortingConfigError};
pub use lists::{Interval, lists};
pub use loss::SortingProgram;
pub use model::{HostSorter, Sorter};
