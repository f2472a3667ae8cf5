//! Convolutions against burn's, interleaved: median and minimum in milliseconds.
//!
//! `cargo bench --workspace --bench conv`; an argument picks the cases whose name contains it, and a second one the candidates.

mod compare;

use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2dConfig, ConvTranspose2dConfig};
use burn::tensor::{Device, Tensor};
use compare::{compare, heading, numbers};
use std::hint::black_box;
use unbiased_kernels::{Conv2d, ConvTranspose2d, KernelMask};

/// Forward alone, then forward and backward from the mean of the squares, towards the weights and, `inner`, the input.
fn layer(
    case: &str,
    shape: [usize; 4],
    inner: bool,
    ours: impl Fn(Tensor<4>) -> Tensor<4>,
    theirs: impl Fn(Tensor<4>) -> Tensor<4>,
    [ours_plain, theirs_plain]: [&dyn Fn(Tensor<4>) -> Tensor<4>; 2],
) {
    let plain = numbers(shape);
    let tracked = plain.clone().autodiff();
    let tracked = if inner {
        tracked.require_grad()
    } else {
        tracked
    };
    let both = |y: Tensor<4>| drop(black_box(y.square().mean().backward()));
    compare(
        &format!("{case} value"),
        vec![
            (
                "ours",
                Box::new(|| drop(black_box(ours_plain(plain.clone())))),
            ),
            (
                "burn",
                Box::new(|| drop(black_box(theirs_plain(plain.clone())))),
            ),
        ],
    );
    compare(
        &format!("{case} both"),
        vec![
            ("ours", Box::new(|| both(ours(tracked.clone())))),
            ("burn", Box::new(|| both(theirs(tracked.clone())))),
        ],
    );
}

fn main() {
    heading();
    let device = Device::flex().autodiff();
    for (batch, channels, size, kernel, stride, inner) in [
        (32, [1, 16], 28, 3, 1, false),
        (32, [16, 32], 28, 3, 1, true),
        (32, [32, 32], 28, 3, 1, true),
        (64, [16, 32], 14, 3, 2, true),
        (64, [1, 16], 28, 3, 2, false),
        (64, [64, 64], 7, 3, 1, true),
        (32, [64, 64], 28, 1, 1, true),
        (1, [32, 32], 28, 3, 1, true),
    ] {
        let config = Conv2dConfig::new(channels, [kernel; 2])
            .with_stride([stride; 2])
            .with_padding(PaddingConfig2d::Explicit(
                kernel / 2,
                kernel / 2,
                kernel / 2,
                kernel / 2,
            ));
        let (ours, theirs) = (Conv2d::new(&config, &device), config.init(&device));
        let (a, b) = (ours.valid(), theirs.valid());
        let [c_in, c_out] = channels;
        layer(
            &format!("conv b{batch} {c_in}->{c_out} {size}x{size} k{kernel} s{stride}"),
            [batch, c_in, size, size],
            inner,
            |x| ours.forward(x),
            |x| theirs.forward(x),
            [&|x| a.forward(x), &|x| b.forward(x)],
        );
    }
    for (batch, channels, size, kernel, stride) in
        [(64, [32, 16], 7, 4, 2), (64, [16, 1], 14, 4, 2)]
    {
        let config = ConvTranspose2dConfig::new(channels, [kernel; 2])
            .with_stride([stride; 2])
            .with_padding([1, 1]);
        let (ours, theirs) = (ConvTranspose2d::new(&config, &device), config.init(&device));
        let (a, b) = (ours.valid(), theirs.valid());
        let [c_in, c_out] = channels;
        layer(
            &format!("transposed b{batch} {c_in}->{c_out} {size}x{size} k{kernel} s{stride}"),
            [batch, c_in, size, size],
            true,
            |x| ours.forward(x),
            |x| theirs.forward(x),
            [&|x| a.forward(x), &|x| b.forward(x)],
        );
    }
    for (channels, kernel, centre) in [([1, 32], 7, false), ([32, 32], 3, true)] {
        let config = Conv2dConfig::new(channels, [kernel; 2]).with_padding(PaddingConfig2d::Same);
        let layer_of = |device: &Device| {
            let layer = Conv2d::new(&config, device);
            let mask = KernelMask::causal(layer.weight.dims(), centre, &Device::flex());
            (layer.masked(mask.clone()), mask)
        };
        let ((ours, mask), theirs) = (layer_of(&device), config.init(&device));
        let masked = |x| {
            let mut layer = theirs.clone();
            layer.weight = layer.weight.map(|w| mask.apply(w));
            layer.forward(x)
        };
        let (a, b) = (ours.valid(), theirs.valid());
        let [c_in, c_out] = channels;
        layer(
            &format!("masked b32 {c_in}->{c_out} 28x28 k{kernel}"),
            [32, c_in, 28, 28],
            c_in > 1,
            |x| ours.forward(x),
            masked,
            [&|x| a.forward(x), &|x| b.forward(x)],
        );
    }
}
