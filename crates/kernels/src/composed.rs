//! The same functions made of ordinary tensor operations: what runs where there is no kernel, and what the kernels are tested against.
//!
//! They work on every backend and for every float type, and are differentiated by the framework.

use crate::lstm::NORM_EPSILON;
use crate::{Activation, GruWeights, LstmNorms, LstmWeights};
use burn::nn::LstmState;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Bool, Tensor, activation, module};

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

/// See [`crate::log_sigmoid`].
#[must_use]
pub fn log_sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::log_sigmoid(x)
}

/// See [`crate::exp`].
#[must_use]
pub fn exp<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.exp()
}

/// See [`crate::log`].
#[must_use]
pub fn log<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.log()
}

/// See [`crate::softmax`].
#[must_use]
pub fn softmax<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::softmax(x, D - 1)
}

/// See [`crate::log_softmax`].
#[must_use]
pub fn log_softmax<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::log_softmax(x, D - 1)
}

/// See [`crate::logsumexp`].
#[must_use]
pub fn logsumexp<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let max = x.clone().detach().max_dim(D - 1);
    // An infinite maximum would be subtracted from itself.
    let max = max.clone().mask_fill(max.is_inf(), 0.0);
    (x - max.clone()).exp().sum_dim(D - 1).log() + max
}

/// See [`crate::categorical_log_lik`].
#[must_use]
pub fn categorical_log_lik(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    (targets * log_softmax(logits)).sum_dim(1).squeeze_dim(1)
}

/// See [`crate::discretised_logistic`]; `ln(1 − e⁻ᵈ) = ln tanh(d/2) + softplus(−d)` keeps its digits for small d.
#[must_use]
pub fn discretised_logistic<const D: usize>(
    x: Tensor<D>,
    mean: Tensor<D>,
    log_scale: Tensor<D>,
    levels: usize,
) -> Tensor<D> {
    let half_width = 1.0 / (levels - 1) as f64;
    let lowest = x.clone().lower_scalar(half_width - 1.0);
    let highest = x.clone().greater_scalar(1.0 - half_width);
    let rate = log_scale.neg().exp();
    let centred = x - mean;
    let upper = log_sigmoid((centred.clone() + half_width) * rate.clone());
    let lower = log_sigmoid((centred - half_width).neg() * rate.clone());
    let width = tanh(rate.clone() * half_width).log() + softplus(rate * (-2.0 * half_width));
    let inside = width + upper.clone() + lower.clone();
    inside.mask_where(highest, lower).mask_where(lowest, upper)
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

/// See [`crate::linear()`].
#[must_use]
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    activation: Activation,
) -> Tensor<D> {
    let y = module::linear(x, weight, bias);
    match activation {
        Activation::Identity => y,
        Activation::Tanh => tanh(y),
        Activation::Sigmoid => sigmoid(y),
        Activation::Relu => activation::relu(y),
        Activation::Softplus => softplus(y),
    }
}

/// See [`crate::lstm()`].
#[must_use]
pub fn lstm(
    x: Tensor<3>,
    weights: &LstmWeights,
    state: LstmState<2>,
    mask: Option<Tensor<2, Bool>>,
) -> (Tensor<3>, LstmState<2>) {
    let [batch, time, d_input] = x.dims();
    let hidden = weights.recurrent.dims()[0];
    let product = x
        .reshape([batch * time, d_input])
        .matmul(weights.input.clone());
    let norms = weights.norms.as_ref();
    let input_gain = norms.map(|norms| &norms.input_gain);
    let recurrent_gain = norms.map(|norms| &norms.recurrent_gain);
    let from_input = scaled(product, input_gain) + weights.bias.clone().unsqueeze();
    let from_input = from_input.reshape([batch, time, 4 * hidden]);
    let LstmState {
        cell: mut c,
        hidden: mut h,
    } = state;
    let mut output = Vec::with_capacity(time);
    for t in 0..time {
        let from_input = from_input.clone().narrow(1, t, 1).squeeze_dim::<2>(1);
        let from_state = h.clone().matmul(weights.recurrent.clone());
        let gates = from_input + scaled(from_state, recurrent_gain);
        let LstmState {
            cell: next_c,
            hidden: next_h,
        } = gated(gates, c.clone(), norms);
        (c, h) = match &mask {
            None => (next_c, next_h),
            Some(mask) => {
                let real = mask.clone().narrow(1, t, 1).expand([batch, hidden]);
                (
                    c.mask_where(real.clone(), next_c),
                    h.mask_where(real, next_h),
                )
            }
        };
        output.push(h.clone());
    }
    (Tensor::stack(output, 1), LstmState::new(c, h))
}

/// See [`crate::lstm_cell`].
#[must_use]
pub fn lstm_cell(gates: Tensor<2>, cell: Tensor<2>) -> LstmState<2> {
    gated(gates, cell, None)
}

fn gated(gates: Tensor<2>, cell: Tensor<2>, norms: Option<&LstmNorms>) -> LstmState<2> {
    let hidden = cell.dims()[1];
    let [i, f, g, o] = [0, 1, 2, 3].map(|gate| gates.clone().narrow(1, gate * hidden, hidden));
    let cell = sigmoid(f) * cell + sigmoid(i) * tanh(g);
    let normed = match norms {
        None => cell.clone(),
        Some(norms) => {
            scaled(cell.clone(), Some(&norms.cell_gain)) + norms.cell_bias.clone().unsqueeze()
        }
    };
    LstmState::new(cell, sigmoid(o) * tanh(normed))
}

/// The layer norm of each row times the gain, or the rows as they are where there is none.
fn scaled(x: Tensor<2>, gain: Option<&Tensor<1>>) -> Tensor<2> {
    let Some(gain) = gain else {
        return x;
    };
    let centred = x.clone() - x.mean_dim(1);
    let variance = centred.clone().square().mean_dim(1);
    centred / (variance + NORM_EPSILON).sqrt() * gain.clone().unsqueeze()
}

/// See [`crate::gru()`].
#[must_use]
pub fn gru(
    x: Tensor<3>,
    weights: &GruWeights,
    state: Tensor<2>,
    mask: Option<Tensor<2, Bool>>,
) -> Tensor<3> {
    let [batch, time, d_input] = x.dims();
    let n = weights.recurrent.dims()[0];
    let product = x
        .reshape([batch * time, d_input])
        .matmul(weights.input.clone());
    let from_input = product + weights.bias.clone().unsqueeze();
    let from_input = from_input.reshape([batch, time, 3 * n]);
    let recurrent_bias = weights.recurrent_bias.clone().unsqueeze::<2>();
    // Columns of the gates and of the candidate.
    let split = |t: Tensor<2>| (t.clone().narrow(1, 0, 2 * n), t.narrow(1, 2 * n, n));
    let (gate_weights, candidate_weights) = split(weights.recurrent.clone());
    let (gate_bias, candidate_bias) = split(recurrent_bias);
    let mut h = state;
    let mut output = Vec::with_capacity(time);
    for t in 0..time {
        let (gates, candidate) = split(from_input.clone().narrow(1, t, 1).squeeze_dim(1));
        let gates = sigmoid(gates + h.clone().matmul(gate_weights.clone()) + gate_bias.clone());
        let (r, z) = (gates.clone().narrow(1, 0, n), gates.narrow(1, n, n));
        let inner = if weights.reset_after {
            r * (h.clone().matmul(candidate_weights.clone()) + candidate_bias.clone())
        } else {
            (r * h.clone()).matmul(candidate_weights.clone()) + candidate_bias.clone()
        };
        let candidate = tanh(candidate + inner);
        let next = candidate.clone() + z * (h.clone() - candidate);
        h = match &mask {
            None => next,
            Some(mask) => {
                let real = mask.clone().narrow(1, t, 1).expand([batch, n]);
                h.mask_where(real, next)
            }
        };
        output.push(h.clone());
    }
    Tensor::stack(output, 1)
}

/// See [`crate::conv2d()`]; a mask is multiplied to the weights before.
#[must_use]
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: impl Into<ConvOptions<2>>,
) -> Tensor<4> {
    module::conv2d(x, weight, bias, options)
}

/// See [`crate::conv_transpose2d`].
#[must_use]
pub fn conv_transpose2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: ConvTransposeOptions<2>,
) -> Tensor<4> {
    module::conv_transpose2d(x, weight, bias, options)
}
