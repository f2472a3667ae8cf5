//! Sorting as a differentiable operation.
//!
//! One convention for all of them: **the largest comes first**. Row i of a matrix belongs to the place i of the sorted list, column j to the
//! element j of the given one, so `P·s` is the sorted list, and rank 1 is that of the largest. For ascending order negate the scores (and
//! the sorted values).
//!
//! | | gives | cost | doubly stochastic | source |
//! |---|---|---|---|---|
//! | [`neural_sort`] | matrix | n² | rows only, unimodal | Grover et al. 2019 |
//! | [`soft_sort`] | matrix | n² | rows only, unimodal | Prillo and Eisenschlos 2020 |
//! | [`SortingNetwork`] | values, or values and matrix | n or n² a layer; n or about ½·log₂²n layers | yes | Petersen et al. 2021, 2022 |
//! | [`fast_sort`], [`fast_rank`] | values or ranks | n·log n | no matrix | Blondel et al. 2020 |
//!
//! Where the scores are far apart, measured in temperatures, each of them sorts.

mod isotonic;
mod network_layers;
mod networks;
mod neural_sort;
mod soft_sort;

pub use isotonic::{Regularization, fast_rank, fast_sort};
pub use networks::{Sorted, SortingNetwork, Swap};
pub use neural_sort::neural_sort;
pub use soft_sort::soft_sort;

use crate::Error;

/// A setting above 0.
fn positive(setting: &'static str, value: f64) -> Result<f64, Error> {
    if value > 0.0 && value.is_finite() {
        return Ok(value);
    }
    Err(Error::Setting {
        setting,
        value,
        allowed: "a positive number",
    })
}

/// Matrices have one axis more than lists.
fn assert_ranks(what: &str, of_list: usize, of_matrix: usize) {
    assert_eq!(
        of_matrix,
        of_list + 1,
        "{what}: lists of rank {of_list} give matrices of rank {}, got {of_matrix}",
        of_list + 1
    );
}
