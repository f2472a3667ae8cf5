//! Training examples of which some have wrong labels, each with a weight that other examples decide.
//!
//! Source: Franceschi, Donini, Frasconi & Pontil, "Forward and reverse gradient-based hyperparameter optimization", 2017,
//! section 5.1 (data hyper-cleaning).

use burn::tensor::{Tensor, activation::sigmoid};
use unbiased_kernels::{categorical_log_lik, log_softmax};

use super::Bilevel;

/// Softmax regression on weighted examples, the weights chosen by the loss on examples whose labels are right.
///
/// `f(x, W) = -1/n Σ_i σ(x_i) ln p(label_i | image_i; W) + penalty/2 |W|²`,
/// `F(x, W) = -1/n' Σ_i ln p(label'_i | image'_i; W)`
///
/// The paper bounds the sum of weights instead of squashing each one; the penalty makes the inner solution unique.
#[derive(Debug, Clone)]
pub struct Cleaning {
    /// Examples to fit: features `[n, d]` and one-hot labels `[n, classes]`.
    pub fit: [Tensor<2>; 2],
    /// Examples to choose by, in the same shapes.
    pub choose: [Tensor<2>; 2],
    /// Of the squared weights, above 0.
    pub penalty: f64,
}

impl Cleaning {
    /// Length of y: `(d + 1) · classes`, the biases last.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let [features, labels] = &self.fit;
        (features.dims()[1] + 1) * labels.dims()[1]
    }

    /// Logits of images, `[n, classes]`.
    #[must_use]
    pub fn logits(features: &Tensor<2>, y: Tensor<1>) -> Tensor<2> {
        let d = features.dims()[1];
        let classes = y.dims()[0] / (d + 1);
        let y = y.reshape([d + 1, classes]);
        features.clone().matmul(y.clone().narrow(0, 0, d)) + y.narrow(0, d, 1)
    }

    /// The share of examples whose most likely class is their label.
    #[must_use]
    pub fn accuracy([features, labels]: &[Tensor<2>; 2], y: &Tensor<1>) -> f64 {
        let chosen = Self::logits(features, y.clone()).argmax(1);
        let right = chosen.equal(labels.clone().argmax(1)).float();
        right.mean().into_scalar::<f64>()
    }
}

impl Bilevel for Cleaning {
    fn outer(&self, _: Tensor<1>, y: Tensor<1>) -> Tensor<1> {
        let [features, labels] = &self.choose;
        categorical_log_lik(Self::logits(features, y), labels.clone())
            .mean()
            .neg()
    }

    fn inner(&self, x: Tensor<1>, y: Tensor<1>) -> Tensor<1> {
        let [features, labels] = &self.fit;
        let log_p = log_softmax(Self::logits(features, y.clone()));
        let log_lik = (log_p * labels.clone()).sum_dim(1).squeeze_dim::<1>(1);
        (sigmoid(x) * log_lik).mean().neg() + y.square().sum() * (0.5 * self.penalty)
    }
}
