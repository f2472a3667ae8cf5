//! What balancing gives.

use super::PullBack;
use burn::tensor::Tensor;
use unbiased_kernels::custom_gradient;

/// Balanced matrices.
#[derive(Clone)]
pub struct Balanced<const D: usize> {
    /// P, `[.., n, m]`; columns sum to 1, rows up to the error. Differentiable.
    pub plan: Tensor<D>,
    /// f, `[.., n, 1]`, off the graph: `P = exp(scores/τ + f + g)`.
    pub row_potentials: Tensor<D>,
    /// g, `[.., 1, m]`, off the graph.
    pub column_potentials: Tensor<D>,
    /// Iterations of each matrix.
    pub iterations: Vec<usize>,
    /// The largest deviation of a row sum from 1, of each matrix.
    pub errors: Vec<f64>,
    /// Divided by the temperature.
    pub(super) scores: Tensor<D>,
    pub(super) temperature: f64,
    pub(super) pull_back: PullBack,
}

impl<const D: usize> Balanced<D> {
    /// ln P from the potentials, exact also where P underflows; −∞ for forbidden pairs. Differentiable.
    #[must_use]
    pub fn log_plan(&self) -> Tensor<D> {
        let shape = self.scores.dims();
        let [n, m] = [shape[D - 2], shape[D - 1]];
        let log_plan = self.scores.clone().inner()
            + self.row_potentials.clone()
            + self.column_potentials.clone();
        let pull_back = self.pull_back.clone();
        custom_gradient(&self.scores, log_plan, move |g| {
            let batch = g.shape().num_elements() / (n * m);
            pull_back(g.reshape([batch, n, m])).reshape(shape)
        })
    }

    /// Duals of the columns in the assignment problem of the scores, −τg: with −τf of the rows they are feasible once it has converged, and
    /// their sum is within τ·n·ln n of the best matching's score. A warm start for [`crate::assign_batch_from`].
    #[must_use]
    pub fn column_duals(&self) -> Tensor<D> {
        self.column_potentials.clone() * -self.temperature
    }

    /// Duals of the rows, −τf.
    #[must_use]
    pub fn row_duals(&self) -> Tensor<D> {
        self.row_potentials.clone() * -self.temperature
    }

    /// Whether each matrix is within the tolerance.
    #[must_use]
    pub fn converged(&self, tolerance: f64) -> Vec<bool> {
        self.errors.iter().map(|&e| e <= tolerance).collect()
    }
}

impl<const D: usize> core::fmt::Debug for Balanced<D> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Balanced")
            .field("shape", &self.scores.dims())
            .field("iterations", &self.iterations)
            .field("errors", &self.errors)
            .finish_non_exhaustive()
    }
}
