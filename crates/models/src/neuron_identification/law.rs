//! Relaxed names that need not be a permutation.

use burn::tensor::Tensor;
use unbiased_estimators::{NoiseLaw, law::Law};
use unbiased_kernels::softmax;

/// Each row of a matrix `[rows, N²]` a relaxed categorical variable, `softmax((X + ε)/τ)`; scores of −∞ where pairs may not be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rows {
    /// τ
    pub temperature: f64,
}

fn row_softmax(x: Tensor<2>) -> Tensor<2> {
    let [rows, width] = x.dims();
    let n = width.isqrt();
    softmax(x.reshape([rows, n, n])).flatten(1, 2)
}

impl Law for Rows {
    fn name(&self) -> &'static str {
        "relaxed categorical"
    }

    fn noise(&self) -> NoiseLaw {
        NoiseLaw::Gumbel
    }

    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        row_softmax((params + noise) / self.temperature)
    }

    fn mean(&self, params: Tensor<2>) -> Tensor<2> {
        row_softmax(params)
    }

    fn has_density(&self) -> bool {
        false
    }

    /// # Panics
    /// Always.
    fn log_prob(&self, _params: Tensor<2>, _value: Tensor<2>) -> Tensor<1> {
        panic!("Rows: its prior is a cost of the program")
    }

    /// # Panics
    /// Always.
    fn score(&self, _params: Tensor<2>, _value: Tensor<2>) -> Tensor<2> {
        panic!("Rows: there is no score; use `pathwise`")
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
