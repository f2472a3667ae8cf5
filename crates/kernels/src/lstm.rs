//! Long short-term memory over whole sequences.

use crate::composed;
#[cfg(feature = "flex")]
use crate::flex;
use burn::module::{Initializer, Module, Param};
use burn::nn::{GateController, LstmState};
use burn::tensor::{Bool, Device, Tensor};

/// The parameters of an LSTM with its four gates side by side, in the order input, forget, candidate, output (that of `PyTorch`).
#[derive(Clone, Debug)]
pub struct LstmWeights {
    /// From the input, `[d_in, 4 h]`.
    pub input: Tensor<2>,
    /// From the hidden state of the step before, `[h, 4 h]`.
    pub recurrent: Tensor<2>,
    /// `[4 h]`.
    pub bias: Tensor<1>,
    /// Layer norms, if any.
    pub norms: Option<LstmNorms>,
}

/// The parameters of the layer norms of an LSTM: see [`lstm()`]. The products need no biases of their own beside that of the gates.
#[derive(Clone, Debug)]
pub struct LstmNorms {
    /// Gain of the product with the input, `[4 h]`.
    pub input_gain: Tensor<1>,
    /// Gain of the product with the hidden state, `[4 h]`.
    pub recurrent_gain: Tensor<1>,
    /// Gain of the cell state, `[h]`.
    pub cell_gain: Tensor<1>,
    /// Bias of the cell state, `[h]`.
    pub cell_bias: Tensor<1>,
}

/// What is added to the variance in a layer norm.
pub(crate) const NORM_EPSILON: f64 = 1e-5;

impl LstmWeights {
    fn check(&self, d_input: usize) -> usize {
        let [hidden, gates] = self.recurrent.dims();
        assert_eq!(
            gates,
            4 * hidden,
            "lstm: recurrent weights must be [h, 4 h], got [{hidden}, {gates}]"
        );
        assert_eq!(
            self.input.dims(),
            [d_input, gates],
            "lstm: input weights must be [d_in, 4 h]"
        );
        assert_eq!(self.bias.dims(), [gates], "lstm: bias must be [4 h]");
        if let Some(norms) = &self.norms {
            for gain in [&norms.input_gain, &norms.recurrent_gain] {
                assert_eq!(
                    gain.dims(),
                    [gates],
                    "lstm: gains of products must be [4 h]"
                );
            }
            for cell in [&norms.cell_gain, &norms.cell_bias] {
                assert_eq!(
                    cell.dims(),
                    [hidden],
                    "lstm: gain and bias of the cell must be [h]"
                );
            }
        }
        hidden
    }
}

#[cfg(feature = "flex")]
impl LstmNorms {
    fn all(&self) -> [Tensor<1>; 4] {
        [
            &self.input_gain,
            &self.recurrent_gain,
            &self.cell_gain,
            &self.cell_bias,
        ]
        .map(Clone::clone)
    }

    fn has_kernel(&self) -> bool {
        self.all().iter().all(flex::takes)
    }
}

/// An LSTM (Hochreiter and Schmidhuber, 1997; forget gates of Gers, Schmidhuber and Cummins, 2000) over a sequence, from zero states or given ones:
///
/// i, f, o = σ(xW + hU + b), g = tanh(xW + hU + b), c ← f·c + i·g, h ← o·tanh c,
///
/// all with their own columns of W, U and b. With layer norms (Ba, Kiros and Hinton, 2016, equations 20 to 22),
///
/// i, f, o = σ(γ₁·LN(xW) + γ₂·LN(hU) + b), g the same in tanh, h ← o·tanh(γ₃·LN(c) + β), LN(a) = (a − mean a)/√(var a + 1e-5),
///
/// where mean and variance of a product are those of all its 4 h columns. Where `mask` is false, both states stay as they are, so that the state after a padded
/// sequence is that after its last real step. Gradients go to everything that is tracked, the states included.
/// Padding must hold numbers: NaN there would reach the gradient of W as 0·NaN.
///
/// # Shapes
///
/// * `x`: `[batch, time, d_in]`, `time` at least 1
/// * `state`: cell and hidden state, `[batch, h]` each
/// * `mask`: `[batch, time]`
/// * returns the hidden states `[batch, time, h]` and the states after the last step
///
/// # Panics
///
/// If the shapes do not match.
#[must_use]
pub fn lstm(
    x: Tensor<3>,
    weights: &LstmWeights,
    state: Option<LstmState<2>>,
    mask: Option<Tensor<2, Bool>>,
) -> (Tensor<3>, LstmState<2>) {
    let [batch, time, d_input] = x.dims();
    let hidden = weights.check(d_input);
    assert!(time > 0, "lstm: the sequence is empty");
    let state = state.unwrap_or_else(|| {
        let zeros = Tensor::zeros([batch, hidden], (&x.device(), x.dtype()));
        LstmState::new(zeros.clone(), zeros)
    });
    for (name, got) in [("cell", state.cell.dims()), ("hidden", state.hidden.dims())] {
        assert_eq!(
            got,
            [batch, hidden],
            "lstm: the {name} state must be [batch, h]"
        );
    }
    if let Some(mask) = &mask {
        assert_eq!(
            mask.dims(),
            [batch, time],
            "lstm: mask must be [batch, time]"
        );
    }
    #[cfg(feature = "flex")]
    if flex::takes(&x)
        && [
            &weights.input,
            &weights.recurrent,
            &state.cell,
            &state.hidden,
        ]
        .into_iter()
        .all(flex::takes)
        && flex::takes(&weights.bias)
        && weights.norms.as_ref().is_none_or(LstmNorms::has_kernel)
    {
        let mask = mask.map(|mask| mask.into_data().iter::<bool>().collect::<Vec<_>>().into());
        let LstmWeights {
            input,
            recurrent,
            bias,
            norms,
        } = weights.clone();
        let norms = match norms {
            None => Tensor::from_floats([0.0; 0], &bias.device()),
            Some(norms) => Tensor::cat(norms.all().to_vec(), 0),
        };
        let (output, cell) = flex::lstm(flex::LstmInputs {
            x: x.into_dispatch(),
            input: input.into_dispatch(),
            recurrent: recurrent.into_dispatch(),
            bias: bias.into_dispatch(),
            norms: norms.into_dispatch(),
            h0: state.hidden.into_dispatch(),
            c0: state.cell.into_dispatch(),
            mask,
        });
        let hidden = output.clone().narrow(1, time - 1, 1).squeeze_dim(1);
        return (output, LstmState::new(cell, hidden));
    }
    composed::lstm(x, weights, state, mask)
}

/// One step of [`lstm`], for sampling: `x` is `[batch, d_in]`.
///
/// # Panics
///
/// If the shapes do not match.
#[must_use]
pub fn lstm_step(x: Tensor<2>, weights: &LstmWeights, state: Option<LstmState<2>>) -> LstmState<2> {
    lstm(x.unsqueeze_dim(1), weights, state, None).1
}

/// What follows the products in a step of [`lstm`]: i, f, o = σ, g = tanh, c ← f·c + i·g, h ← o·tanh c. For models that make the sums in the
/// gates themselves: inputs from several places, a product that serves several steps.
///
/// # Shapes
///
/// * `gates`: the sums, biases included, `[batch, 4 h]`, in the order input, forget, candidate, output
/// * `cell`: the cell state before, `[batch, h]`
///
/// # Panics
///
/// If the shapes do not match.
#[must_use]
pub fn lstm_cell(gates: Tensor<2>, cell: Tensor<2>) -> LstmState<2> {
    let [batch, hidden] = cell.dims();
    assert_eq!(
        gates.dims(),
        [batch, 4 * hidden],
        "lstm_cell: gates must be [batch, 4 h]"
    );
    #[cfg(feature = "flex")]
    if flex::takes(&gates) && flex::takes(&cell) {
        let (hidden, cell) = flex::lstm_cell(gates, cell);
        return LstmState::new(cell, hidden);
    }
    composed::lstm_cell(gates, cell)
}

/// Settings of [`Lstm`].
#[derive(Clone, Debug)]
pub struct LstmConfig {
    /// Width of the input.
    pub d_input: usize,
    /// Width h of both states.
    pub d_hidden: usize,
    /// Whether the gates have biases.
    pub bias: bool,
    /// Initial weights and biases of each gate; Xavier normal with gain 1 as in [`burn::nn::LstmConfig`].
    pub initializer: Initializer,
    /// Whether sequences are `[batch, time, width]` (the default) or `[time, batch, width]`.
    pub batch_first: bool,
    /// Whether the last step is taken first.
    pub reverse: bool,
    /// If given, both products and the cell state have layer norms, whose gains begin here (at 1 in the paper).
    pub layer_norm: Option<f64>,
    /// If given, the initial bias of the forget gates; 1 keeps them open (Jozefowicz, Zaremba and Sutskever, 2015).
    pub forget_bias: Option<f64>,
}

impl LstmConfig {
    /// The defaults of [`burn::nn::LstmConfig`].
    #[must_use]
    pub fn new(d_input: usize, d_hidden: usize, bias: bool) -> Self {
        Self {
            d_input,
            d_hidden,
            bias,
            initializer: Initializer::XavierNormal { gain: 1.0 },
            batch_first: true,
            reverse: false,
            layer_norm: None,
            forget_bias: None,
        }
    }

    /// A module with random weights.
    ///
    /// # Panics
    ///
    /// If a bias of the forget gates is asked for and there are no biases.
    #[must_use]
    pub fn init(&self, device: &Device) -> Lstm {
        let gate = || {
            GateController::new(
                self.d_input,
                self.d_hidden,
                self.bias,
                self.initializer.clone(),
                device,
            )
        };
        let mut lstm = Lstm {
            input_gate: gate(),
            forget_gate: gate(),
            output_gate: gate(),
            cell_gate: gate(),
            d_hidden: self.d_hidden,
            batch_first: self.batch_first,
            reverse: self.reverse,
            layer_norm: self
                .layer_norm
                .map(|gain| LstmLayerNorm::new(self.d_hidden, gain, device)),
        };
        if let Some(value) = self.forget_bias {
            assert!(self.bias, "LstmConfig: forget_bias needs bias");
            // There are two biases, of which only the sum matters.
            let full =
                |value: f64| Param::from_tensor(Tensor::full([self.d_hidden], value, device));
            lstm.forget_gate.input_transform.bias = Some(full(value));
            lstm.forget_gate.hidden_transform.bias = Some(full(0.0));
        }
        lstm
    }
}

/// [`burn::nn::Lstm`] with [`lstm()`] inside: the same parameters under the same names, so that the records of each load into the other
/// (without the options `clip`, `input_forget` and other activations, which have no kernel, and without layer norms, which burn's has not).
#[derive(Module, Debug)]
pub struct Lstm {
    /// Input gate.
    pub input_gate: GateController,
    /// Forget gate.
    pub forget_gate: GateController,
    /// Output gate.
    pub output_gate: GateController,
    /// Candidate.
    pub cell_gate: GateController,
    /// Width of both states.
    pub d_hidden: usize,
    /// Whether sequences are `[batch, time, width]`.
    pub batch_first: bool,
    /// Whether the last step is taken first.
    pub reverse: bool,
    /// Gains and biases of the layer norms, if any.
    pub layer_norm: Option<LstmLayerNorm>,
}

/// [`LstmNorms`] as parameters; the bias begins at 0.
#[derive(Module, Debug)]
pub struct LstmLayerNorm {
    /// Gain of the product with the input, `[4 h]`.
    pub input_gain: Param<Tensor<1>>,
    /// Gain of the product with the hidden state, `[4 h]`.
    pub recurrent_gain: Param<Tensor<1>>,
    /// Gain of the cell state, `[h]`.
    pub cell_gain: Param<Tensor<1>>,
    /// Bias of the cell state, `[h]`.
    pub cell_bias: Param<Tensor<1>>,
}

impl LstmLayerNorm {
    fn new(hidden: usize, gain: f64, device: &Device) -> Self {
        let full =
            |width: usize, value: f64| Param::from_tensor(Tensor::full([width], value, device));
        Self {
            input_gain: full(4 * hidden, gain),
            recurrent_gain: full(4 * hidden, gain),
            cell_gain: full(hidden, gain),
            cell_bias: full(hidden, 0.0),
        }
    }
}

impl Lstm {
    /// The parameters side by side. A loop over single steps should take them once.
    #[must_use]
    pub fn weights(&self) -> LstmWeights {
        let gates = [
            &self.input_gate,
            &self.forget_gate,
            &self.cell_gate,
            &self.output_gate,
        ];
        let input = gates.map(|gate| gate.input_transform.weight.val());
        let recurrent = gates.map(|gate| gate.hidden_transform.weight.val());
        let bias = gates.map(|gate| {
            let both = [&gate.input_transform, &gate.hidden_transform];
            let biases = both.map(|linear| linear.bias.as_ref().map(Param::val));
            match biases {
                [Some(input), Some(recurrent)] => input + recurrent,
                [Some(one), None] | [None, Some(one)] => one,
                [None, None] => {
                    let weight = gate.hidden_transform.weight.val();
                    Tensor::zeros([self.d_hidden], (&weight.device(), weight.dtype()))
                }
            }
        });
        LstmWeights {
            input: Tensor::cat(input.to_vec(), 1),
            recurrent: Tensor::cat(recurrent.to_vec(), 1),
            bias: Tensor::cat(bias.to_vec(), 0),
            norms: self.layer_norm.as_ref().map(|norm| LstmNorms {
                input_gain: norm.input_gain.val(),
                recurrent_gain: norm.recurrent_gain.val(),
                cell_gain: norm.cell_gain.val(),
                cell_bias: norm.cell_bias.val(),
            }),
        }
    }

    /// Hidden states of all steps and the states after the last one; the shapes are those of [`burn::nn::Lstm::forward`].
    #[must_use]
    pub fn forward(&self, x: Tensor<3>, state: Option<LstmState<2>>) -> (Tensor<3>, LstmState<2>) {
        self.forward_masked(x, state, None)
    }

    /// The same for sequences with padding: where `mask`, `[batch, time]` whatever `batch_first`, is false, the states stay as they are.
    #[must_use]
    pub fn forward_masked(
        &self,
        x: Tensor<3>,
        state: Option<LstmState<2>>,
        mask: Option<Tensor<2, Bool>>,
    ) -> (Tensor<3>, LstmState<2>) {
        let turn = |x: Tensor<3>| if self.reverse { x.flip([1]) } else { x };
        let swap = |x: Tensor<3>| {
            if self.batch_first {
                x
            } else {
                x.swap_dims(0, 1)
            }
        };
        let mask = mask.map(|mask| if self.reverse { mask.flip([1]) } else { mask });
        let (output, state) = lstm(turn(swap(x)), &self.weights(), state, mask);
        (swap(turn(output)), state)
    }
}
