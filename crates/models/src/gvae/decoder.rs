//! From a latent to the logits of every step.

use burn::module::{Initializer, Module};
use burn::nn::LinearConfig;
use burn::tensor::{Device, Tensor};
use unbiased_kernels::{Activation, Gru, GruConfig, GruWeights, Linear, gru, gru_step};

use super::config::{DecoderKind, GvaeConfig, Sizes};

/// A GRU over the steps.
#[derive(Module, Debug)]
pub struct Decoder {
    /// From the latent to what every step sees of it, `ReLU`.
    pub embed: Linear,
    /// Layers of the GRU.
    pub layers: Vec<Gru>,
    /// To the logits of all choices.
    pub output: Linear,
    #[module(skip)]
    kind: DecoderKind,
    #[module(skip)]
    sizes: Sizes,
}

impl Decoder {
    pub(super) fn new(config: &GvaeConfig, sizes: Sizes, device: &Device) -> Self {
        let linear = |d_in, d_out, activation| {
            let config = LinearConfig::new(d_in, d_out).with_initializer(Initializer::Zeros);
            Linear::new(&config, device).with(activation)
        };
        let mut below = config.embed
            + match config.decoder {
                DecoderKind::Parallel => 0,
                DecoderKind::Autoregressive => sizes.width + sizes.contexts,
            };
        let layers = (0..config.layers).map(|_| {
            let layer = GruConfig {
                initializer: Initializer::Zeros,
                ..GruConfig::new(below, config.hidden, true)
            };
            below = config.hidden;
            layer.init(device)
        });
        Self {
            layers: layers.collect(),
            embed: linear(config.value_width(), config.embed, Activation::Relu),
            output: linear(config.hidden, sizes.width, Activation::Identity),
            kind: config.decoder,
            sizes,
        }
    }

    /// Logits of known texts: `z` `[rows, latents]`, what stands before every step and what it is about, one-hot, `[rows, steps, ..]`.
    /// `[rows, steps, width]`.
    #[must_use]
    pub fn logits(
        &self,
        z: Tensor<2>,
        previous: impl FnOnce() -> Tensor<3>,
        contexts: impl FnOnce() -> Tensor<3>,
    ) -> Tensor<3> {
        let seen = self.embed.forward(z);
        let [rows, embed] = seen.dims();
        let seen = seen
            .unsqueeze_dim::<3>(1)
            .expand([rows, self.sizes.steps, embed]);
        let input = match self.kind {
            DecoderKind::Parallel => seen,
            DecoderKind::Autoregressive => Tensor::cat(vec![seen, previous(), contexts()], 2),
        };
        let hidden = self
            .layers
            .iter()
            .fold(input, |x, layer| gru(x, &layer.weights(), None, None));
        self.output.forward(hidden)
    }

    /// The logits one step after the other, for texts that are still to be written.
    #[must_use]
    pub(super) fn unroll(&self, z: Tensor<2>) -> Unroll<'_> {
        match self.kind {
            DecoderKind::Parallel => {
                let none = || unreachable!("a parallel decoder sees the latent alone");
                Unroll::All {
                    logits: self.logits(z, none, none),
                    step: 0,
                }
            }
            DecoderKind::Autoregressive => Unroll::OneByOne {
                seen: self.embed.forward(z),
                weights: self.layers.iter().map(Gru::weights).collect(),
                states: vec![None; self.layers.len()],
                output: &self.output,
            },
        }
    }
}

/// A decoder at a step.
pub(super) enum Unroll<'d> {
    /// All logits, `[rows, steps, width]`.
    All { logits: Tensor<3>, step: usize },
    /// The states of the layers.
    OneByOne {
        seen: Tensor<2>,
        weights: Vec<GruWeights>,
        states: Vec<Option<Tensor<2>>>,
        output: &'d Linear,
    },
}

impl Unroll<'_> {
    /// The logits of the next step, `[rows, width]`, given the one-hot choice before it and what it is about.
    pub(super) fn next(&mut self, previous: Tensor<2>, contexts: Tensor<2>) -> Tensor<2> {
        match self {
            Self::All { logits, step } => {
                *step += 1;
                logits.clone().narrow(1, *step - 1, 1).squeeze_dim::<2>(1)
            }
            Self::OneByOne {
                seen,
                weights,
                states,
                output,
            } => {
                let mut x = Tensor::cat(vec![seen.clone(), previous, contexts], 1);
                for (weights, state) in weights.iter().zip(states) {
                    x = gru_step(x, weights, state.take());
                    *state = Some(x.clone());
                }
                output.forward(x)
            }
        }
    }
}
