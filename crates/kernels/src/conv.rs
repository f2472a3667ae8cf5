//! Convolutions over two axes, plain, transposed and with masked weights.

use crate::composed;
#[cfg(feature = "flex")]
use crate::flex::{self, Direction, Geometry, Side};
use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2dConfig, ConvTranspose2dConfig};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Tensor, TensorData};

/// Weights of a convolution that stay zero.
#[derive(Clone, Debug)]
pub struct KernelMask {
    /// 1 where there is a weight, 0 where there is none: `[channels_out, channels_in, height, width]`.
    values: Tensor<4>,
    /// Which places of the kernel, row by row, have a weight for some pair of channels.
    #[cfg(feature = "flex")]
    used: Vec<bool>,
}

impl KernelMask {
    /// A mask from numbers, row by row: `[channels_out, channels_in, height, width]`.
    ///
    /// # Panics
    ///
    /// If there is not one number per weight.
    #[must_use]
    pub fn new(shape: [usize; 4], has_weight: &[bool], device: &Device) -> Self {
        let count: usize = shape.iter().product();
        assert_eq!(
            has_weight.len(),
            count,
            "KernelMask: a kernel of shape {shape:?} has {count} weights"
        );
        let values: Vec<f32> = has_weight.iter().map(|&w| f32::from(u8::from(w))).collect();
        Self {
            values: Tensor::from_data(TensorData::new(values, shape), device),
            #[cfg(feature = "flex")]
            used: {
                let places = shape[2] * shape[3];
                let at = |place| has_weight.iter().skip(place).step_by(places).any(|&w| w);
                (0..places).map(at).collect()
            },
        }
    }

    /// The masks of an autoregressive model over pixels in raster order (van den Oord, Kalchbrenner and Kavukcuoglu, 2016): nothing below the
    /// centre or right of it in its row, and the centre itself only if `centre` ("B"; without, "A", for the first layer).
    #[must_use]
    pub fn causal(shape: [usize; 4], centre: bool, device: &Device) -> Self {
        let [out, input, height, width] = shape;
        let places = height * width;
        let middle = height / 2 * width + width / 2;
        let has_weight: Vec<bool> = (0..out * input * places)
            .map(|weight| weight % places < middle + usize::from(centre))
            .collect();
        Self::new(shape, &has_weight, device)
    }

    /// The weights with zeros where the mask has them.
    #[must_use]
    pub fn apply(&self, weight: Tensor<4>) -> Tensor<4> {
        let values = self.values.clone().to_device(&weight.device());
        weight.clone() * values.cast(weight.dtype())
    }
}

/// A convolution: `y[n, o, i, j] = b_o + Σ_{c, u, v} w[o, c, u, v] · x[n, c, s·i + u − p, s·j + v − p]`, zeros outside the image.
///
/// [`burn::tensor::module::conv2d`] with a kernel for Flex and with a backward pass of the same speed, for strides, paddings and sizes of any
/// kind; dilation and groups run the composed form. Multiplying the weights by a mask, where one is given, is part of it, and places of the
/// kernel that have no weight at all cost nothing, forward or backward.
///
/// NaN or infinity in a pixel reaches the gradient of all weights that read its channel.
///
/// # Shapes
///
/// * `x`: `[batch, channels_in, height, width]`
/// * `weight`: `[channels_out, channels_in / groups, kernel height, kernel width]`
/// * `bias`: `[channels_out]`
/// * returns `[batch, channels_out, ⌊(height + paddings − kernel height) / stride⌋ + 1, …]`
///
/// # Panics
///
/// If the shapes do not match or the kernel is larger than the image with its padding.
#[must_use]
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    mask: Option<&KernelMask>,
    options: impl Into<ConvOptions<2>>,
) -> Tensor<4> {
    let options = options.into();
    let [_, channels, height, width] = x.dims();
    let [channels_out, channels_in, kernel_height, kernel_width] = weight.dims();
    assert_eq!(
        channels,
        channels_in * options.groups,
        "conv2d: weight must be [channels_out, channels_in / groups, kernel height, kernel width], got {:?} for x {:?}",
        weight.dims(),
        x.dims()
    );
    let kernel = [kernel_height, kernel_width];
    let feature = feature_size([height, width], kernel, &options);
    if let Some(bias) = &bias {
        assert_eq!(
            bias.dims(),
            [channels_out],
            "conv2d: bias must be [channels_out]"
        );
    }
    let weight = match mask {
        Some(mask) => mask.apply(weight),
        None => weight,
    };
    #[cfg(feature = "flex")]
    if takes(&x, &weight, bias.as_ref(), options.dilation, options.groups) {
        let geometry = Geometry::new(
            Side {
                channels,
                size: [height, width],
            },
            Side {
                channels: channels_out,
                size: feature,
            },
            options.padding.map(|(before, _)| before),
            kernel,
            options.stride,
            |place| mask.is_none_or(|mask| mask.used[place]),
        );
        let bias = bias.unwrap_or_else(|| Tensor::zeros([channels_out], &Device::flex()));
        return flex::convolution(x, weight, bias, geometry, Direction::Down);
    }
    let y = composed::conv2d(x, weight, bias, options);
    debug_assert_eq!(y.dims()[2..], feature);
    y
}

/// A transposed convolution: every pixel of `x` adds its multiple of the kernel to the result, `stride` pixels apart.
///
/// [`burn::tensor::module::conv_transpose2d`] with a kernel for Flex that multiplies no zeros; dilation and groups run the composed form.
///
/// # Shapes
///
/// * `x`: `[batch, channels_in, height, width]`
/// * `weight`: `[channels_in, channels_out / groups, kernel height, kernel width]`
/// * `bias`: `[channels_out]`
/// * returns `[batch, channels_out, (height − 1)·stride − 2·padding + kernel height + padding_out, …]`
///
/// # Panics
///
/// If the shapes do not match or nothing is left of the result.
#[must_use]
pub fn conv_transpose2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: ConvTransposeOptions<2>,
) -> Tensor<4> {
    let [_, channels, height, width] = x.dims();
    let [channels_in, channels_out, kernel_height, kernel_width] = weight.dims();
    let channels_out = channels_out * options.groups;
    assert_eq!(
        channels,
        channels_in,
        "conv_transpose2d: weight must be [channels_in, channels_out / groups, kernel height, kernel width], got {:?} for x {:?}",
        weight.dims(),
        x.dims()
    );
    let kernel = [kernel_height, kernel_width];
    let image = image_size([height, width], kernel, &options);
    if let Some(bias) = &bias {
        assert_eq!(
            bias.dims(),
            [channels_out],
            "conv_transpose2d: bias must be [channels_out]"
        );
    }
    #[cfg(feature = "flex")]
    if takes(&x, &weight, bias.as_ref(), options.dilation, options.groups) {
        let geometry = Geometry::new(
            Side {
                channels: channels_out,
                size: image,
            },
            Side {
                channels,
                size: [height, width],
            },
            options.padding,
            kernel,
            options.stride,
            |_| true,
        );
        let bias = bias.unwrap_or_else(|| Tensor::zeros([channels_out], &Device::flex()));
        return flex::convolution(x, weight, bias, geometry, Direction::Up);
    }
    let y = composed::conv_transpose2d(x, weight, bias, options);
    debug_assert_eq!(y.dims()[2..], image);
    y
}

/// Height and width of a convolution's result.
fn feature_size(size: [usize; 2], kernel: [usize; 2], options: &ConvOptions<2>) -> [usize; 2] {
    [0, 1].map(|axis| {
        let (before, after) = options.padding[axis];
        let padded = size[axis] + before + after;
        let reach = (kernel[axis] - 1) * options.dilation[axis];
        assert!(
            padded > reach,
            "conv2d: the kernel, {kernel:?} with dilation {:?}, is larger than the image with its padding, {size:?} and {:?}",
            options.dilation,
            options.padding
        );
        (padded - reach - 1) / options.stride[axis] + 1
    })
}

/// Height and width of a transposed convolution's result.
fn image_size(
    size: [usize; 2],
    kernel: [usize; 2],
    options: &ConvTransposeOptions<2>,
) -> [usize; 2] {
    [0, 1].map(|axis| {
        let full = (size[axis] - 1) * options.stride[axis]
            + (kernel[axis] - 1) * options.dilation[axis]
            + 1
            + options.padding_out[axis];
        let cut = 2 * options.padding[axis];
        assert!(
            full > cut,
            "conv_transpose2d: padding {:?} leaves nothing of a result of {full}",
            options.padding
        );
        full - cut
    })
}

#[cfg(feature = "flex")]
fn takes(
    x: &Tensor<4>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
    dilation: [usize; 2],
    groups: usize,
) -> bool {
    dilation == [1, 1]
        && groups == 1
        && flex::takes(x)
        && flex::takes(weight)
        && bias.is_none_or(flex::takes)
}

/// [`burn::nn::conv::Conv2d`] with [`conv2d`] inside: the same parameters under the same names, so that the records of each load into the
/// other.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[channels_out, channels_in / groups, kernel height, kernel width]`.
    pub weight: Param<Tensor<4>>,
    /// `[channels_out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Pixels between two places of the kernel.
    pub stride: [usize; 2],
    /// Rows and columns of the kernel.
    pub kernel_size: [usize; 2],
    /// Pixels between two taps of the kernel.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Zeros around the image.
    #[module(skip)]
    pub padding: PaddingConfig2d,
    /// Weights that stay zero, if any.
    #[module(skip)]
    pub mask: Option<KernelMask>,
}

impl Conv2d {
    /// With random weights as [`Conv2dConfig::init`] draws them.
    #[must_use]
    pub fn new(config: &Conv2dConfig, device: &Device) -> Self {
        let layer = config.init(device);
        Self {
            weight: layer.weight,
            bias: layer.bias,
            stride: layer.stride,
            kernel_size: layer.kernel_size,
            dilation: layer.dilation,
            groups: layer.groups,
            padding: layer.padding,
            mask: None,
        }
    }

    /// The same layer with some weights held at zero.
    #[must_use]
    pub fn masked(mut self, mask: KernelMask) -> Self {
        self.mask = Some(mask);
        self
    }

    /// See [`conv2d`] for the shapes.
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = x.dims();
        let padding = match &self.padding {
            PaddingConfig2d::Valid => [(0, 0); 2],
            PaddingConfig2d::Explicit(top, left, bottom, right) => {
                [(*top, *bottom), (*left, *right)]
            }
            // As many pixels as strides fit, the odd one behind.
            PaddingConfig2d::Same => [0, 1].map(|axis| {
                let (size, stride) = ([height, width][axis], self.stride[axis]);
                let needed = (size.div_ceil(stride) - 1) * stride + self.kernel_size[axis];
                let total = needed.saturating_sub(size);
                (total / 2, total - total / 2)
            }),
        };
        let options =
            ConvOptions::new_with_padding(self.stride, padding, self.dilation, self.groups);
        let bias = self.bias.as_ref().map(Param::val);
        conv2d(x, self.weight.val(), bias, self.mask.as_ref(), options)
    }
}

/// [`burn::nn::conv::ConvTranspose2d`] with [`conv_transpose2d`] inside: the same parameters under the same names, so that the records of each
/// load into the other.
#[derive(Module, Debug)]
pub struct ConvTranspose2d {
    /// `[channels_in, channels_out / groups, kernel height, kernel width]`.
    pub weight: Param<Tensor<4>>,
    /// `[channels_out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Pixels of the result between two pixels of the input.
    pub stride: [usize; 2],
    /// Rows and columns of the kernel.
    pub kernel_size: [usize; 2],
    /// Pixels between two taps of the kernel.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Pixels cut off at every edge of the result.
    pub padding: [usize; 2],
    /// Pixels added to the result at the bottom and on the right.
    pub padding_out: [usize; 2],
    /// Channels in and out.
    pub channels: [usize; 2],
}

impl ConvTranspose2d {
    /// With random weights as [`ConvTranspose2dConfig::init`] draws them.
    #[must_use]
    pub fn new(config: &ConvTranspose2dConfig, device: &Device) -> Self {
        let layer = config.init(device);
        Self {
            weight: layer.weight,
            bias: layer.bias,
            stride: layer.stride,
            kernel_size: layer.kernel_size,
            dilation: layer.dilation,
            groups: layer.groups,
            padding: layer.padding,
            padding_out: layer.padding_out,
            channels: layer.channels,
        }
    }

    /// See [`conv_transpose2d`] for the shapes.
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let options = ConvTransposeOptions::new(
            self.stride,
            self.padding,
            self.padding_out,
            self.dilation,
            self.groups,
        );
        let bias = self.bias.as_ref().map(Param::val);
        conv_transpose2d(x, self.weight.val(), bias, options)
    }
}
