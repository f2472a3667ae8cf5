//! A reader of whole digits.

use burn::{
    module::{Initializer, Module},
    nn::{Linear, LinearConfig, PaddingConfig2d, conv::Conv2dConfig},
    tensor::{Device, Tensor, activation::relu},
};
use unbiased_kernels::Conv2d;

use super::CLASSES;
use crate::init::initialise;

/// Two convolutions of 5x5 in steps of two, 16 and 32 channels, and an affine map to the classes.
#[derive(Module, Debug)]
pub struct Judge {
    first: Conv2d,
    second: Conv2d,
    classes: Linear,
}

impl Judge {
    /// A reader of pictures of `side` x `side` pixels.
    #[must_use]
    pub fn new(side: usize, seed: u64, device: &Device) -> Self {
        let convolution = |channels: [usize; 2]| {
            let config = Conv2dConfig::new(channels, [5, 5])
                .with_stride([2, 2])
                .with_padding(PaddingConfig2d::Explicit(2, 2, 2, 2))
                .with_initializer(Initializer::Zeros);
            Conv2d::new(&config, device)
        };
        let quarter = side.div_ceil(2).div_ceil(2);
        let affine = LinearConfig::new(32 * quarter * quarter, CLASSES);
        let net = Self {
            first: convolution([1, 16]),
            second: convolution([16, 32]),
            classes: affine.with_initializer(Initializer::Zeros).init(device),
        };
        initialise(net, seed)
    }

    /// Logits of the classes, `[batch, 10]`, of pictures `[batch, side, side]`.
    #[must_use]
    pub fn logits(&self, pictures: Tensor<3>) -> Tensor<2> {
        let x = pictures.unsqueeze_dim::<4>(1);
        let x = relu(self.first.forward(x));
        let x = relu(self.second.forward(x));
        self.classes.forward(x.flatten::<2>(1, 3))
    }
}
