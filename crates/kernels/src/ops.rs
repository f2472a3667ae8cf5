//! The operations: a kernel where there is one, the composed form everywhere else.

use crate::composed;
#[cfg(feature = "flex")]
use crate::flex::{self, Map, RowMap, RowSum};
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

/// ln(1 / (1 + e⁻ˣ)), element by element.
#[must_use]
pub fn log_sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if flex::takes(&x) {
        return flex::map(x, Map::LogSigmoid);
    }
    composed::log_sigmoid(x)
}

/// eˣ, element by element.
#[must_use]
pub fn exp<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if flex::takes(&x) {
        return flex::map(x, Map::Exp);
    }
    composed::exp(x)
}

/// ln x, element by element; NaN below 0, −∞ at 0.
#[must_use]
pub fn log<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if flex::takes(&x) {
        return flex::map(x, Map::Log);
    }
    composed::log(x)
}

/// `exp(x_j) / Σ_k exp(x_k)` over the last axis.
///
/// A row that contains +∞ or nothing but −∞ is NaN.
#[must_use]
pub fn softmax<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if flex::takes(&x) {
        return flex::row_map(x, RowMap::Softmax);
    }
    composed::softmax(x)
}

/// `x_j − ln Σ_k exp(x_k)` over the last axis.
///
/// A row that contains +∞ or nothing but −∞ is NaN.
#[must_use]
pub fn log_softmax<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if flex::takes(&x) {
        return flex::row_map(x, RowMap::LogSoftmax);
    }
    composed::log_softmax(x)
}

/// `ln Σ_j exp(x_j)` over the last axis, which is kept with size 1.
///
/// A row that contains +∞ gives +∞, one of nothing but −∞ gives −∞ (their gradients are NaN).
#[must_use]
pub fn logsumexp<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if flex::takes(&x) {
        return flex::logsumexp(x);
    }
    composed::logsumexp(x)
}

/// Log-likelihood of a categorical variable, per row: `Σ_j t_j (l_j − ln Σ_k exp(l_k))`, in nats.
///
/// The gradient is t − (Σ t)·softmax(l) towards the logits and l − ln Σ exp(l) towards the targets (relaxed targets may be tracked; untracked
/// ones cost nothing). A logit of −∞ gives NaN even where its target is 0, as the formula says. For targets given as numbers of classes,
/// `logits.gather(1, classes) - logsumexp(logits)` is the same.
///
/// # Shapes
///
/// * `logits`: `[rows, classes]`
/// * `targets`: `[rows, classes]`, or `[1, classes]` for every row; usually one-hot or probabilities, any number is allowed
/// * returns `[rows]`
///
/// # Panics
///
/// If the shapes do not match.
#[must_use]
pub fn categorical_log_lik(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    assert_rows_match(
        "categorical_log_lik",
        "targets",
        logits.dims(),
        targets.dims(),
    );
    #[cfg(feature = "flex")]
    if flex::takes(&logits) && flex::takes(&targets) {
        return flex::categorical(logits, targets);
    }
    composed::categorical_log_lik(logits, targets)
}

/// Log-probability of values rounded to `levels` steps in [−1, 1] under a logistic law, element by element, in nats (Salimans, Karpathy,
/// Chen and Kingma, 2017, equation 2):
///
/// `ln[σ((x + h − μ)/s) − σ((x − h − μ)/s)]`, h = 1/(levels − 1), s = exp(`log_scale`),
///
/// where the lowest value has no lower end and the highest no upper one, so that the probabilities of all levels add up to 1. It is computed
/// as `ln(1 − e^{−2h/s}) − softplus(−(x + h − μ)/s) − softplus((x − h − μ)/s)`, without cancellation, so no threshold and no
/// approximation by the density is needed. For a mixture add the logarithms of the weights and take [`logsumexp`].
///
/// # Shapes
///
/// All alike: values −1, −1 + 2h, …, 1; means; logarithms of the scales. Returns the same shape.
///
/// # Panics
///
/// If the shapes differ or `levels` is below 2.
#[must_use]
pub fn discretised_logistic<const D: usize>(
    x: Tensor<D>,
    mean: Tensor<D>,
    log_scale: Tensor<D>,
    levels: usize,
) -> Tensor<D> {
    assert!(
        levels >= 2,
        "discretised_logistic: levels must be at least 2, got {levels}"
    );
    for (name, got) in [("mean", mean.dims()), ("log_scale", log_scale.dims())] {
        let expected = x.dims();
        assert_eq!(
            got, expected,
            "discretised_logistic: {name} must have the shape of x"
        );
    }
    #[cfg(feature = "flex")]
    if flex::takes(&x) && flex::takes(&mean) && flex::takes(&log_scale) {
        let half_width = (1.0 / (levels - 1) as f64) as f32;
        return flex::discretised_logistic(x, mean, log_scale, half_width);
    }
    composed::discretised_logistic(x, mean, log_scale, levels)
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
