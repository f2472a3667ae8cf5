//! The same functions made of ordinary tensor operations: what runs where there is no kernel, and what the kernels are tested against.
//!
//! They work on every backend and for every float type, and are differentiated by the framework.

use burn::tensor::{Tensor, activation};

/// See [`crate::sigmoid`].
#[must_use]
pub fn sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::sigmoid(x)
}

/// See [`crate::tanh`].
#[must_use]
pub fn tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.tanh()
}

/// See [`crate::softplus`]. Through the log-sigmoid, whose value and gradient are stable at both ends and exact at 0.
#[must_use]
pub fn softplus<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::log_sigmoid(x.neg()).neg()
}

/// See [`crate::bernoulli_log_lik`].
#[must_use]
pub fn bernoulli_log_lik(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    (targets * logits.clone() - softplus(logits))
        .sum_dim(1)
        .squeeze_dim(1)
}

/// See [`crate::bernoulli_kl`]. The terms cancel: the error is about the largest |logit| times the precision of the float type.
#[must_use]
pub fn bernoulli_kl(q_logits: Tensor<2>, p_logits: Tensor<2>) -> Tensor<1> {
    let cross = sigmoid(q_logits.clone()) * (q_logits.clone() - p_logits.clone());
    (cross + softplus(p_logits) - softplus(q_logits))
        .sum_dim(1)
        .squeeze_dim(1)
}
