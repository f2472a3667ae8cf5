//! The operations: a kernel where there is one, the composed form everywhere else.

use crate::composed;
#[cfg(feature = "flex")]
use crate::flex::{self, Map, RowSum};
use burn::tensor::Tensor;

/// The logistic function 1 / (1 + e⁻ˣ), element by element.
#[must_use]
pub fn sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if flex::takes(&x) {
        return flex::map(x, Map::Sigmoid);
    }
    composed::sigmoid(x)
}

/// The hyperbolic tangent, element by element.
#[must_use]
pub fn tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if flex::takes(&x) {
        return flex::map(x, Map::Tanh);
    }
    composed::tanh(x)
}

/// ln(1 + eˣ), element by element.
#[must_use]
pub fn softplus<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if flex::takes(&x) {
        return flex::map(x, Map::Softplus);
    }
    composed::softplus(x)
}

/// Log-likelihood of independent Bernoulli variables, per row: `Σ_j x_j l_j − softplus(l_j)`, in nats.
///
/// The gradient is x − σ(l) towards the logits and l towards the targets (relaxed targets may be tracked; untracked ones cost nothing).
/// An infinite logit gives what the formula gives in floating point: NaN where it is an infinite certainty, right or wrong, times 0.
///
/// # Shapes
///
/// * `logits`: `[rows, units]`
/// * `targets`: `[rows, units]`, or `[1, units]` for every row; usually 0 and 1, any number is allowed
/// * returns `[rows]`
///
/// # Panics
///
/// If the shapes do not match.
#[must_use]
pub fn bernoulli_log_lik(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    assert_rows_match(
        "bernoulli_log_lik",
        "targets",
        logits.dims(),
        targets.dims(),
    );
    #[cfg(feature = "flex")]
    if flex::takes(&logits) && flex::takes(&targets) {
        return flex::row_sum(logits, targets, RowSum::BernoulliLogLik);
    }
    composed::bernoulli_log_lik(logits, targets)
}

/// Kullback–Leibler divergence between products of Bernoulli laws given by logits, per row:
/// `KL(q ‖ p) = Σ_j σ(q_j)(q_j − p_j) + softplus(p_j) − softplus(q_j)`, in nats.
///
/// The gradient is σ(q)σ(−q)(q − p) towards q and σ(p) − σ(q) towards p.
///
/// # Shapes
///
/// * `q_logits`: `[rows, units]`
/// * `p_logits`: `[rows, units]`, or `[1, units]` for every row (a learned prior: no need to expand it)
/// * returns `[rows]`
///
/// # Panics
///
/// If the shapes do not match.
#[must_use]
pub fn bernoulli_kl(q_logits: Tensor<2>, p_logits: Tensor<2>) -> Tensor<1> {
    assert_rows_match("bernoulli_kl", "p_logits", q_logits.dims(), p_logits.dims());
    #[cfg(feature = "flex")]
    if flex::takes(&q_logits) && flex::takes(&p_logits) {
        return flex::row_sum(q_logits, p_logits, RowSum::BernoulliKl);
    }
    composed::bernoulli_kl(q_logits, p_logits)
}

fn assert_rows_match(function: &str, name: &str, [rows, units]: [usize; 2], got: [usize; 2]) {
    assert!(
        got == [rows, units] || got == [1, units],
        "{function}: {name} must be [{rows}, {units}] or [1, {units}], got {got:?}"
    );
}
