//! The network that places pieces.

use burn::{
    module::{Initializer, Module, Param},
    nn::{PaddingConfig2d, conv::Conv2dConfig},
    tensor::{Device, Int, Tensor, activation::relu, module::max_pool2d, ops::MaxPoolOptions},
};
use unbiased_kernels::Conv2d;

use super::{CLASSES, config::DigitsConfig};
use crate::init::{Init, initialise_with, lecun_uniform};
use crate::jigsaw::Grid;

/// Scores each piece, alone, for the places of a digit of the wanted class.
#[derive(Module, Debug)]
pub struct DigitMaker {
    convolution: Conv2d,
    /// The affine map of each class, `[classes, features, N]`.
    places: Param<Tensor<3>>,
    /// `[classes, N]`
    bias: Param<Tensor<2>>,
}

impl DigitMaker {
    /// A network for pieces of `grid`, which are two pixels wide at least.
    ///
    /// # Panics
    /// If they are smaller.
    #[must_use]
    pub fn new(config: &DigitsConfig, grid: Grid, seed: u64, device: &Device) -> Self {
        assert!(
            grid.piece >= 2,
            "DigitMaker: pieces of 2 pixels a side at least, got {}",
            grid.piece
        );
        let convolution = Conv2dConfig::new([1, config.filters], [5, 5])
            .with_padding(PaddingConfig2d::Explicit(2, 2, 2, 2))
            .with_initializer(Initializer::Zeros);
        let half = grid.piece / 2;
        let features = config.filters * half * half;
        let net = Self {
            convolution: Conv2d::new(&convolution, device),
            places: Param::from_tensor(Tensor::zeros([CLASSES, features, grid.count()], device)),
            bias: Param::from_tensor(Tensor::zeros([CLASSES, grid.count()], device)),
        };
        let of_features = |path: &str, shape: &[usize]| match shape {
            // All classes start as one kind of map of the features.
            &[_, features, _] => lecun_uniform(path, &[features, 1]),
            [_, _] => Init::Constant(0.0),
            _ => lecun_uniform(path, shape),
        };
        initialise_with(net, seed, of_features)
    }

    /// Scores of pieces `[batch, N, pixels]` for digits of `classes` `[batch]`, `[batch, N²]`.
    #[must_use]
    pub fn scores(&self, pieces: Tensor<3>, classes: Tensor<1, Int>) -> Tensor<2> {
        let [batch, n, pixels] = pieces.dims();
        let piece = pixels.isqrt();
        let x = self
            .convolution
            .forward(pieces.reshape([batch * n, 1, piece, piece]));
        let x = relu(max_pool2d(x, MaxPoolOptions::new([2, 2])));
        let features = x.flatten::<2>(1, 3).reshape([batch as i32, n as i32, -1]);
        let places = self.places.val().select(0, classes.clone());
        let bias = self.bias.val().select(0, classes).unsqueeze_dim::<3>(1);
        (features.matmul(places) + bias).reshape([batch, n * n])
    }
}
