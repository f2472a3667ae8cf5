//! Affine maps with the function that follows them.

use crate::composed;
#[cfg(feature = "flex")]
use crate::flex;
use burn::module::{Module, Param};
use burn::nn::LinearConfig;
use burn::tensor::{Device, Tensor};

/// The function behind an affine map, element by element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// x.
    #[default]
    Identity,
    /// tanh x.
    Tanh,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// max(x, 0), slope 0 at 0.
    Relu,
    /// ln(1 + eˣ).
    Softplus,
}

/// `f(x·W + b)`.
///
/// [`burn::tensor::module::linear`] and an activation as one operation. On Flex the products, forward and backward, are split over threads by
/// columns: Burn's own leave a second core nearly idle at the widths of small networks. On one thread nothing is gained but the activation.
///
/// # Shapes
///
/// * `x`: `[…, d_in]`
/// * `weight`: `[d_in, d_out]`
/// * `bias`: `[d_out]`
/// * returns `[…, d_out]`
///
/// # Panics
///
/// If the shapes do not match.
#[must_use]
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    activation: Activation,
) -> Tensor<D> {
    let [d_in, d_out] = weight.dims();
    let shape = x.dims();
    assert_eq!(
        shape[D - 1],
        d_in,
        "linear: the last axis of x must be that of the weight [{d_in}, {d_out}]"
    );
    if let Some(bias) = &bias {
        assert_eq!(bias.dims(), [d_out], "linear: bias must be [d_out]");
    }
    #[cfg(feature = "flex")]
    if flex::takes(&x) && flex::takes(&weight) && bias.as_ref().is_none_or(flex::takes) {
        let rows = shape[..D - 1].iter().product();
        let mut to = shape;
        to[D - 1] = d_out;
        let bias = bias.unwrap_or_else(|| Tensor::zeros([d_out], &Device::flex()));
        return flex::linear(x.reshape([rows, d_in]), weight, bias, activation).reshape(to);
    }
    composed::linear(x, weight, bias, activation)
}

/// [`burn::nn::Linear`] with [`linear`] inside: the same parameters under the same names, so that the records of each load into the other.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[d_in, d_out]`.
    pub weight: Param<Tensor<2>>,
    /// `[d_out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// What follows the map.
    #[module(skip)]
    pub activation: Activation,
}

impl Linear {
    /// With random weights as [`LinearConfig::init`] draws them, and nothing behind the map.
    #[must_use]
    pub fn new(config: &LinearConfig, device: &Device) -> Self {
        let burn::nn::Linear { weight, bias } = config.init(device);
        Self {
            weight,
            bias,
            activation: Activation::Identity,
        }
    }

    /// The same layer followed by `activation`.
    #[must_use]
    pub fn with(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    /// See [`linear`] for the shapes.
    #[must_use]
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let bias = self.bias.as_ref().map(Param::val);
        linear(x, self.weight.val(), bias, self.activation)
    }
}
