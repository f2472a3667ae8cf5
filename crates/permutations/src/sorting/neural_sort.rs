//! `NeuralSort`: every place of the sorted list as a softmax over the elements.
//!
//! Source: Grover, Wang, Zweig and Ermon, "Stochastic Optimization of Sorting Networks via Continuous Relaxations", 2019, equation 5.

use super::{assert_ranks, positive};
use crate::Error;
use burn::tensor::{DType, Tensor, TensorData, activation::softmax};

/// `P_i = softmax(((n + 1 − 2i)·s − A·1)/τ)`, `A_jk = |s_j − s_k|`, i from 1.
///
/// Rows sum to 1, columns do not; no two rows have the same largest entry if τ is small beside the differences of scores. The largest score
/// comes first.
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
/// use unbiased_permutations::sorting::neural_sort;
///
/// let scores = Tensor::<1>::from_floats([2.0, 5.0, 4.0, 1.0], &Device::flex());
/// let p: Tensor<2> = neural_sort(scores.clone(), 0.1)?;
/// let sorted = p.matmul(scores.unsqueeze_dim(1));
/// assert!((sorted.into_data().try_to_vec::<f32>().unwrap()[0] - 5.0).abs() < 1e-3);
/// # Ok::<(), unbiased_permutations::Error>(())
/// ```
pub fn neural_sort<const D: usize, const E: usize>(
    scores: Tensor<D>,
    temperature: f64,
) -> Result<Tensor<E>, Error> {
    assert_ranks("neural_sort", D, E);
    let tau = positive("temperature", temperature)?;
    let n = scores.dims()[D - 1];
    let row = scores.clone().unsqueeze_dim::<E>(D - 1);
    let column = scores.unsqueeze_dim::<E>(D);
    let distances = (row.clone() - column).abs().sum_dim(E - 2);
    Ok(softmax((slopes(n, &row) * row - distances) / tau, E - 1))
}

/// `n + 1 − 2i` as a column, `[1, .., n, 1]`.
fn slopes<const E: usize>(n: usize, like: &Tensor<E>) -> Tensor<E> {
    let mut shape = [1; E];
    shape[E - 2] = n;
    let values: Vec<f64> = (1..=n).map(|i| (n + 1) as f64 - 2.0 * i as f64).collect();
    let dtype: DType = like.dtype();
    Tensor::from_data(TensorData::new(values, shape), (&like.device(), dtype))
}
