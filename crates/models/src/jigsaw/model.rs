//! The networks.

use burn::{
    module::{Initializer, Module},
    nn::{
        Linear, LinearConfig, PaddingConfig2d,
        conv::Conv2dConfig,
        transformer::{TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput},
    },
    tensor::{Device, Tensor, activation::relu, module::max_pool2d, ops::MaxPoolOptions},
};
use unbiased_kernels::Conv2d;

use super::config::{JigsawConfig, Network};
use super::puzzles::Grid;
use crate::init::{Init, initialise_with, lecun_uniform};

/// Scores pieces for places.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a run has one")]
pub enum Jigsaw {
    /// [`Network::Paper`].
    Paper(Alone),
    /// [`Network::Comparing`].
    Comparing(Together),
}

/// Each piece by itself.
#[derive(Module, Debug)]
pub struct Alone {
    convolution: Conv2d,
    places: Linear,
}

/// Pieces that look at each other.
#[derive(Module, Debug)]
pub struct Together {
    piece: Linear,
    layers: TransformerEncoder,
    places: Linear,
}

impl Jigsaw {
    /// A network for puzzles of `grid`.
    #[must_use]
    pub fn new(config: &JigsawConfig, grid: Grid, seed: u64, device: &Device) -> Self {
        let affine = |d_in, d_out| {
            let config = LinearConfig::new(d_in, d_out);
            config.with_initializer(Initializer::Zeros).init(device)
        };
        match config.network {
            Network::Paper => {
                let convolution = Conv2dConfig::new([1, config.filters], [5, 5])
                    .with_padding(PaddingConfig2d::Explicit(2, 2, 2, 2))
                    .with_initializer(Initializer::Zeros);
                let half = grid.piece / 2;
                let net = Alone {
                    convolution: Conv2d::new(&convolution, device),
                    places: affine(config.filters * half * half, grid.count()),
                };
                Self::Paper(initialise_with(net, seed, lecun_uniform))
            }
            Network::Comparing => {
                let layers = TransformerEncoderConfig::new(
                    config.width,
                    4 * config.width,
                    config.heads,
                    config.layers,
                )
                .with_dropout(0.0)
                .with_norm_first(true)
                .with_initializer(Initializer::Zeros);
                let net = Together {
                    piece: affine(grid.pixels(), config.width),
                    layers: layers.init(device),
                    places: affine(config.width, grid.count()),
                };
                Self::Comparing(initialise_with(net, seed, gains_of_one))
            }
        }
    }

    /// Scores of pieces `[batch, N, pixels]`, `[batch, N²]`.
    #[must_use]
    pub fn scores(&self, pieces: Tensor<3>) -> Tensor<2> {
        let [batch, n, pixels] = pieces.dims();
        let scores = match self {
            Self::Paper(net) => {
                let piece = (pixels as f64).sqrt() as usize;
                let x = pieces.reshape([batch * n, 1, piece, piece]);
                let x = net.convolution.forward(x);
                // The maximum of rectified numbers is the rectified maximum, which costs a quarter.
                let x = relu(max_pool2d(x, MaxPoolOptions::new([2, 2])));
                net.places.forward(x.flatten::<2>(1, 3))
            }
            Self::Comparing(net) => {
                let x = net.piece.forward(pieces);
                let x = net.layers.forward(TransformerEncoderInput::new(x));
                net.places.forward(x).reshape([batch * n, n])
            }
        };
        scores.reshape([batch, n * n])
    }
}

/// As [`lecun_uniform`], and the gains of layer norms 1.
fn gains_of_one(path: &str, shape: &[usize]) -> Init {
    if path.ends_with("gamma") {
        Init::Constant(1.0)
    } else {
        lecun_uniform(path, shape)
    }
}
