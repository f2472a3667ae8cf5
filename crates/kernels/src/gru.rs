//! Gated recurrent units over whole sequences.

use crate::composed;
#[cfg(feature = "flex")]
use crate::flex;
use burn::module::{Initializer, Module, Param};
use burn::nn::GateController;
use burn::tensor::{Bool, Device, Tensor};

/// The parameters of a GRU with its gates side by side, in the order reset, update, candidate (that of `PyTorch`).
#[derive(Clone, Debug)]
pub struct GruWeights {
    /// From the input, `[d_in, 3 h]`.
    pub input: Tensor<2>,
    /// From the hidden state of the step before, `[h, 3 h]`.
    pub recurrent: Tensor<2>,
    /// Added to the input's product, `[3 h]`.
    pub bias: Tensor<1>,
    /// Added to the hidden state's product, `[3 h]`; the candidate's part is behind the reset gate if `reset_after`.
    pub recurrent_bias: Tensor<1>,
    /// Where the reset gate acts: see [`gru()`].
    pub reset_after: bool,
}

impl GruWeights {
    fn check(&self, d_input: usize) -> usize {
        let [hidden, gates] = self.recurrent.dims();
        assert_eq!(
            gates,
            3 * hidden,
            "gru: recurrent weights must be [h, 3 h], got [{hidden}, {gates}]"
        );
        assert_eq!(
            self.input.dims(),
            [d_input, gates],
            "gru: input weights must be [d_in, 3 h]"
        );
        for bias in [&self.bias, &self.recurrent_bias] {
            assert_eq!(bias.dims(), [gates], "gru: biases must be [3 h]");
        }
        hidden
    }
}

/// A GRU (Cho et al., 2014) over a sequence, from a zero state or a given one:
///
/// r, z = σ(xW + b + hU + b′), h ← (1 − z)·n + z·h, with the candidate
/// n = tanh(xW + b + r·(hU + b′)) if `reset_after`, as in `PyTorch` and the first version of the paper, or
/// n = tanh(xW + b + (r·h)U + b′) as in its last.
///
/// All have their own columns of W, U, b and b′. Where `mask` is false, the state stays as it is, so that the last output of a padded
/// sequence is the state after its last real step. Gradients go to everything that is tracked, the state included.
/// Padding must hold numbers: NaN there would reach the gradient of W as 0·NaN.
///
/// # Shapes
///
/// * `x`: `[batch, time, d_in]`, `time` at least 1
/// * `state`: `[batch, h]`
/// * `mask`: `[batch, time]`
/// * returns the hidden states `[batch, time, h]`
///
/// # Panics
///
/// If the shapes do not match.
#[must_use]
pub fn gru(
    x: Tensor<3>,
    weights: &GruWeights,
    state: Option<Tensor<2>>,
    mask: Option<Tensor<2, Bool>>,
) -> Tensor<3> {
    let [batch, time, d_input] = x.dims();
    let hidden = weights.check(d_input);
    assert!(time > 0, "gru: the sequence is empty");
    let state = state.unwrap_or_else(|| Tensor::zeros([batch, hidden], (&x.device(), x.dtype())));
    assert_eq!(
        state.dims(),
        [batch, hidden],
        "gru: the state must be [batch, h]"
    );
    if let Some(mask) = &mask {
        assert_eq!(
            mask.dims(),
            [batch, time],
            "gru: mask must be [batch, time]"
        );
    }
    #[cfg(feature = "flex")]
    if flex::takes(&x)
        && [&weights.input, &weights.recurrent, &state]
            .into_iter()
            .all(flex::takes)
        && [&weights.bias, &weights.recurrent_bias]
            .into_iter()
            .all(flex::takes)
    {
        let GruWeights {
            input,
            recurrent,
            bias,
            recurrent_bias,
            reset_after,
        } = weights.clone();
        let mask = mask.map(|mask| mask.into_data().iter::<bool>().collect::<Vec<_>>().into());
        return flex::gru(flex::GruInputs {
            x: x.into_dispatch(),
            input: input.into_dispatch(),
            recurrent: recurrent.into_dispatch(),
            bias: bias.into_dispatch(),
            recurrent_bias: recurrent_bias.into_dispatch(),
            h0: state.into_dispatch(),
            mask,
            reset_after,
        });
    }
    composed::gru(x, weights, state, mask)
}

/// One step of [`gru()`], for sampling: `x` is `[batch, d_in]`.
///
/// # Panics
///
/// If the shapes do not match.
#[must_use]
pub fn gru_step(x: Tensor<2>, weights: &GruWeights, state: Option<Tensor<2>>) -> Tensor<2> {
    gru(x.unsqueeze_dim(1), weights, state, None).squeeze_dim(1)
}

/// Settings of [`Gru`].
#[derive(Clone, Debug)]
pub struct GruConfig {
    /// Width of the input.
    pub d_input: usize,
    /// Width h of the state.
    pub d_hidden: usize,
    /// Whether the gates have biases.
    pub bias: bool,
    /// Where the reset gate acts: see [`gru()`].
    pub reset_after: bool,
    /// Initial weights and biases of each gate; Xavier normal with gain 1 as in [`burn::nn::GruConfig`].
    pub initializer: Initializer,
}

impl GruConfig {
    /// The defaults of [`burn::nn::GruConfig`].
    #[must_use]
    pub fn new(d_input: usize, d_hidden: usize, bias: bool) -> Self {
        Self {
            d_input,
            d_hidden,
            bias,
            reset_after: true,
            initializer: Initializer::XavierNormal { gain: 1.0 },
        }
    }

    /// A module with random weights.
    #[must_use]
    pub fn init(&self, device: &Device) -> Gru {
        let gate = || {
            GateController::new(
                self.d_input,
                self.d_hidden,
                self.bias,
                self.initializer.clone(),
                device,
            )
        };
        Gru {
            update_gate: gate(),
            reset_gate: gate(),
            new_gate: gate(),
            d_hidden: self.d_hidden,
            reset_after: self.reset_after,
        }
    }
}

/// [`burn::nn::Gru`] with [`gru()`] inside: the same parameters under the same names, so that the records of each load into the other
/// (without the options `clip` and other activations, which have no kernel).
#[derive(Module, Debug)]
pub struct Gru {
    /// Update gate.
    pub update_gate: GateController,
    /// Reset gate.
    pub reset_gate: GateController,
    /// Candidate.
    pub new_gate: GateController,
    /// Width of the state.
    pub d_hidden: usize,
    /// Where the reset gate acts: see [`gru()`].
    pub reset_after: bool,
}

impl Gru {
    /// The parameters side by side. A loop over single steps should take them once.
    #[must_use]
    pub fn weights(&self) -> GruWeights {
        let gates = [&self.reset_gate, &self.update_gate, &self.new_gate];
        let linears = |recurrent: bool| {
            gates.map(|gate| {
                if recurrent {
                    &gate.hidden_transform
                } else {
                    &gate.input_transform
                }
            })
        };
        let weight = |recurrent| {
            let weights = linears(recurrent).map(|linear| linear.weight.val());
            Tensor::cat(weights.to_vec(), 1)
        };
        let bias = |recurrent| {
            let biases = linears(recurrent).map(|linear| {
                let weight = linear.weight.val();
                let none = || Tensor::zeros([self.d_hidden], (&weight.device(), weight.dtype()));
                linear.bias.as_ref().map_or_else(none, Param::val)
            });
            Tensor::cat(biases.to_vec(), 0)
        };
        GruWeights {
            input: weight(false),
            recurrent: weight(true),
            bias: bias(false),
            recurrent_bias: bias(true),
            reset_after: self.reset_after,
        }
    }

    /// Hidden states of all steps, `[batch, time, h]`, as [`burn::nn::Gru::forward`] gives them.
    #[must_use]
    pub fn forward(&self, x: Tensor<3>, state: Option<Tensor<2>>) -> Tensor<3> {
        self.forward_masked(x, state, None)
    }

    /// The same for sequences with padding: where `mask`, `[batch, time]`, is false, the state stays as it is.
    #[must_use]
    pub fn forward_masked(
        &self,
        x: Tensor<3>,
        state: Option<Tensor<2>>,
        mask: Option<Tensor<2, Bool>>,
    ) -> Tensor<3> {
        gru(x, &self.weights(), state, mask)
    }
}
