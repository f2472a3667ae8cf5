//! From a row of choices to features.

use burn::module::{Initializer, Module};
use burn::nn::LinearConfig;
use burn::nn::conv::Conv2dConfig;
use burn::tensor::{Device, Tensor, activation::relu};
use unbiased_kernels::{Activation, Conv2d, Gru, GruConfig, Linear, Lstm, LstmConfig};

use super::batch::Batch;
use super::config::{EncoderKind, GvaeConfig, Sizes};

/// What reads a row; `[rows, features]`.
#[expect(clippy::large_enum_variant, reason = "a model has one")]
#[derive(Module, Debug)]
pub enum Encoder {
    /// Over all steps, padding included.
    Convolutional(Convolutions),
    /// The state behind the last choice before padding.
    Gru(Gru),
    /// The same of an LSTM.
    Lstm(Lstm),
}

/// Convolutions over the steps without padding, `ReLU` behind each, and a layer of `ReLU`.
#[derive(Module, Debug)]
pub struct Convolutions {
    /// `[filters, channels, 1, width]` each.
    pub layers: Vec<Conv2d>,
    /// Behind them.
    pub features: Linear,
}

impl Encoder {
    pub(super) fn new(config: &GvaeConfig, sizes: Sizes, device: &Device) -> Self {
        let (d_in, d_out) = (sizes.width, config.features);
        match config.encoder {
            EncoderKind::Convolutional => {
                Self::Convolutional(Convolutions::new(config, sizes, device))
            }
            EncoderKind::Gru => Self::Gru(
                GruConfig {
                    initializer: Initializer::Zeros,
                    ..GruConfig::new(d_in, d_out, true)
                }
                .init(device),
            ),
            EncoderKind::Lstm => Self::Lstm(
                LstmConfig {
                    initializer: Initializer::Zeros,
                    ..LstmConfig::new(d_in, d_out, true)
                }
                .init(device),
            ),
        }
    }

    /// The features of a batch.
    #[must_use]
    pub fn forward(&self, batch: &Batch) -> Tensor<2> {
        let x = batch.choices.clone();
        let last = |states: Tensor<3>| {
            let steps = states.dims()[1];
            states.narrow(1, steps - 1, 1).squeeze_dim::<2>(1)
        };
        let present = Some(batch.present.clone());
        match self {
            Self::Convolutional(convolutions) => convolutions.forward(x),
            Self::Gru(gru) => last(gru.forward_masked(x, None, present)),
            Self::Lstm(lstm) => last(lstm.forward_masked(x, None, present).0),
        }
    }
}

impl Convolutions {
    fn new(config: &GvaeConfig, sizes: Sizes, device: &Device) -> Self {
        let mut channels = sizes.width;
        let layers = config.filters.iter().map(|&[filters, width]| {
            let layer = Conv2dConfig::new([channels, filters], [1, width])
                .with_initializer(Initializer::Zeros);
            channels = filters;
            Conv2d::new(&layer, device)
        });
        let layers = layers.collect();
        let flat = channels * config.left_of(sizes.steps);
        let features =
            LinearConfig::new(flat, config.features).with_initializer(Initializer::Zeros);
        Self {
            layers,
            features: Linear::new(&features, device).with(Activation::Relu),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<2> {
        // Choices are channels, steps the columns of an image one row high.
        let image = x.swap_dims(1, 2).unsqueeze_dim::<4>(2);
        let seen = self
            .layers
            .iter()
            .fold(image, |x, layer| relu(layer.forward(x)));
        self.features.forward(seen.flatten::<2>(1, 3))
    }
}
