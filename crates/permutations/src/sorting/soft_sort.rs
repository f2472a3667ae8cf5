//! `SoftSort`: each place attends to the elements near its value.
//!
//! Source: Prillo and Eisenschlos, "`SoftSort`: A Continuous Relaxation for the argsort Operator", 2020, equation 3 with the distance |·|.

use super::{assert_ranks, positive};
use crate::Error;
use burn::tensor::{Tensor, activation::softmax};

/// `P_ij = softmax_j(−|sort(s)_i − s_j|/τ)`.
///
/// Rows sum to 1, and each has its largest entry at the element of its place, at every temperature. The largest score comes first.
///
/// # Shapes
///
/// `scores`: `[.., n]`; returns `[.., n, n]`, `E = D + 1`.
///
/// # Errors
///
/// [`Error::Setting`] for a temperature that is not positive.
///
/// # Panics
///
/// If E is not D + 1.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use unbiased_permutations::sorting::soft_sort;
///
/// let scores = Tensor::<1>::from_floats([2.0, 5.0, 4.0, 1.0], &Device::flex());
/// let p: Tensor<2> = soft_sort(scores, 1.0)?;
/// let best = p.argmax(1).into_data().convert::<i64>().try_to_vec::<i64>().unwrap();
/// assert_eq!(best, [1, 2, 0, 3]);
/// # Ok::<(), unbiased_permutations::Error>(())
/// ```
pub fn soft_sort<const D: usize, const E: usize>(
    scores: Tensor<D>,
    temperature: f64,
) -> Result<Tensor<E>, Error> {
    assert_ranks("soft_sort", D, E);
    let tau = positive("temperature", temperature)?;
    let sorted = scores.clone().sort_descending(D - 1).unsqueeze_dim::<E>(D);
    let row = scores.unsqueeze_dim::<E>(D - 1);
    Ok(softmax((sorted - row).abs() / -tau, E - 1))
}
