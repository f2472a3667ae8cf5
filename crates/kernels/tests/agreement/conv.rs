//! Convolutions: kernel against composed form in single precision, value and every gradient, over shapes, strides, paddings, masks, views and
//! extremes; records.

use crate::support::{Numbers, relative_error};
use crate::{TOLERANCE, device};
use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2dConfig, ConvTranspose2dConfig};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Tensor, TensorData};
use unbiased_kernels::{Conv2d, ConvTranspose2d, KernelMask, composed, conv_transpose2d, conv2d};

fn numbers(shape: [usize; 4], seed: u32) -> Tensor<4> {
    let mut numbers = Numbers(seed);
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| numbers.next())
        .collect();
    Tensor::from_data(TensorData::new(values, shape), &device()).require_grad()
}

/// Value of `f(x, w, b)` and the gradients of a weighted sum of it.
fn value_and_gradients(
    f: impl Fn(Tensor<4>, Tensor<4>, Tensor<1>) -> Tensor<4>,
    [x, w, b]: &[Tensor<4>; 3],
) -> [Tensor<4>; 4] {
    let channels = b.dims()[0];
    let y = f(x.clone(), w.clone(), b.clone().reshape([channels]));
    let value = y.clone().inner();
    let weights = numbers(y.dims(), 99).inner();
    let mut gradients = (y * weights.autodiff()).sum().backward();
    let [dx, dw, db] = [x, w, b].map(|leaf| leaf.grad_remove(&mut gradients).unwrap());
    [value, dx, dw, db]
}

fn largest_error(got: &[Tensor<4>; 4], exact: &[Tensor<4>; 4]) -> f64 {
    let pairs = got.iter().zip(exact);
    pairs
        .map(|(got, exact)| relative_error(got, exact))
        .fold(0.0, f64::max)
}

#[derive(Clone, Debug)]
struct Case {
    batch: usize,
    channels: [usize; 2],
    size: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    /// Before and after, along each axis.
    padding: [(usize, usize); 2],
    padding_out: [usize; 2],
}

impl Case {
    fn leaves(&self, transposed: bool) -> [Tensor<4>; 3] {
        let ([c_in, c_out], [height, width]) = (self.channels, self.size);
        let kernel = if transposed {
            [c_in, c_out]
        } else {
            [c_out, c_in]
        };
        [
            numbers([self.batch, c_in, height, width], 1),
            numbers([kernel[0], kernel[1], self.kernel[0], self.kernel[1]], 2),
            numbers([c_out, 1, 1, 1], 3),
        ]
    }

    fn options(&self) -> ConvOptions<2> {
        ConvOptions::new_with_padding(self.stride, self.padding, [1, 1], 1)
    }

    fn transposed(&self) -> ConvTransposeOptions<2> {
        let padding = self.padding.map(|(before, _)| before);
        ConvTransposeOptions::new(self.stride, padding, self.padding_out, [1, 1], 1)
    }

    fn check(&self) {
        let leaves = self.leaves(false);
        let got = value_and_gradients(
            |x, w, b| conv2d(x, w, Some(b), None, self.options()),
            &leaves,
        );
        let exact = value_and_gradients(
            |x, w, b| composed::conv2d(x, w, Some(b), self.options()),
            &leaves,
        );
        let error = largest_error(&got, &exact);
        assert!(error < TOLERANCE, "{self:?}: {error}");
        // The composed form does not cut more than there is.
        let [y, x] = [0, 1].map(|axis| {
            (self.size[axis] - 1) * self.stride[axis] + self.kernel[axis] + self.padding_out[axis]
                > 2 * self.padding[axis].0
        });
        if y && x {
            let leaves = self.leaves(true);
            let got = value_and_gradients(
                |x, w, b| conv_transpose2d(x, w, Some(b), self.transposed()),
                &leaves,
            );
            let exact = value_and_gradients(
                |x, w, b| composed::conv_transpose2d(x, w, Some(b), self.transposed()),
                &leaves,
            );
            let error = largest_error(&got, &exact);
            assert!(error < TOLERANCE, "transposed {self:?}: {error}");
        }
    }
}

#[test]
fn values_and_gradients_agree_over_shapes() {
    let case = |batch, channels, size, kernel, stride, padding| Case {
        batch,
        channels,
        size,
        kernel,
        stride,
        padding,
        padding_out: [0, 0],
    };
    let even = |p| [(p, p); 2];
    let chosen = [
        case(1, [1, 1], [1, 1], [1, 1], [1, 1], even(0)),
        case(2, [3, 5], [6, 7], [3, 3], [1, 1], even(1)),
        case(32, [16, 32], [28, 28], [3, 3], [1, 1], even(1)),
        case(3, [9, 17], [14, 14], [3, 3], [2, 2], even(1)),
        case(5, [2, 1], [7, 9], [7, 7], [1, 1], even(3)),
        case(2, [4, 8], [8, 8], [1, 1], [1, 1], even(0)),
        case(2, [4, 8], [9, 8], [1, 1], [2, 3], even(0)),
        case(2, [1, 2], [11, 5], [4, 4], [2, 2], even(1)),
        case(2, [3, 12], [5, 40], [2, 5], [3, 1], [(0, 2), (4, 1)]),
        case(1, [40, 3], [4, 4], [4, 4], [4, 4], even(0)),
    ];
    let mut numbers = Numbers(3);
    let mut up_to = |n: usize| (numbers.next().abs() * (n + 1) as f32) as usize;
    let random: Vec<Case> = (0..30)
        .map(|_| {
            let kernel = [1 + up_to(5), 1 + up_to(5)];
            let stride = [1 + up_to(2), 1 + up_to(2)];
            Case {
                batch: 1 + up_to(4),
                channels: [1 + up_to(18), 1 + up_to(18)],
                // Never smaller than the kernel.
                size: kernel.map(|k| k + up_to(12)),
                kernel,
                stride,
                padding: [(); 2].map(|()| (up_to(3), up_to(3))),
                padding_out: stride.map(|s| up_to(s - 1)),
            }
        })
        .collect();
    for case in chosen.iter().chain(&random) {
        case.check();
    }
}

#[test]
fn masks_hold_weights_at_zero() {
    for (kernel, centre) in [
        ([7, 7], false),
        ([3, 3], true),
        ([3, 5], false),
        ([1, 1], false),
    ] {
        let leaves = [
            numbers([3, 4, 9, 8], 1),
            numbers([6, 4, kernel[0], kernel[1]], 2),
            numbers([6, 1, 1, 1], 3),
        ];
        let padding = kernel.map(|k| k / 2);
        let options = || ConvOptions::new([1, 1], padding, [1, 1], 1);
        let mask = KernelMask::causal(leaves[1].dims(), centre, &Device::flex());
        let got = value_and_gradients(
            |x, w, b| conv2d(x, w, Some(b), Some(&mask), options()),
            &leaves,
        );
        // The mask written once more, as the paper has it.
        let middle = [kernel[0] / 2, kernel[1] / 2];
        let before: Vec<f32> = (0..leaves[1].shape().num_elements())
            .map(|i| {
                let (u, v) = (i / kernel[1] % kernel[0], i % kernel[1]);
                let sees = u < middle[0]
                    || (u == middle[0] && (v < middle[1] || (centre && v == middle[1])));
                f32::from(u8::from(sees))
            })
            .collect();
        let before = Tensor::<4>::from_data(TensorData::new(before, leaves[1].dims()), &device());
        let masked = |x, w, b| composed::conv2d(x, w * before.clone(), Some(b), options());
        let exact = value_and_gradients(masked, &leaves);
        let error = largest_error(&got, &exact);
        assert!(error < TOLERANCE, "{kernel:?}: {error}");
        // Without it the values differ: the comparison can fail.
        let unmasked =
            value_and_gradients(|x, w, b| conv2d(x, w, Some(b), None, options()), &leaves);
        assert!(relative_error(&unmasked[0], &exact[0]) > 0.1);
    }
}

#[test]
fn a_mask_between_channels_keeps_the_places_that_some_pair_uses() {
    // Channel 1 does not see channel 0 at the centre, but channel 0 does.
    let mut has_weight = [true; 2 * 2 * 9];
    has_weight[2 * 9 + 4] = false;
    for pair in 0..4 {
        has_weight[pair * 9 + 8] = false;
    }
    let mask = KernelMask::new([2, 2, 3, 3], &has_weight, &Device::flex());
    let leaves = [
        numbers([2, 2, 5, 5], 1),
        numbers([2, 2, 3, 3], 2),
        numbers([2, 1, 1, 1], 3),
    ];
    let options = || ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    let got = value_and_gradients(
        |x, w, b| conv2d(x, w, Some(b), Some(&mask), options()),
        &leaves,
    );
    let exact = value_and_gradients(
        |x, w, b| composed::conv2d(x, mask.apply(w), Some(b), options()),
        &leaves,
    );
    assert!(largest_error(&got, &exact) < TOLERANCE);
    let dw = got[2].to_data().try_to_vec::<f32>().unwrap();
    for (gradient, has_weight) in dw.iter().zip(has_weight) {
        assert_eq!(*gradient != 0.0, has_weight);
    }
}

#[test]
fn dilation_and_groups_run_the_composed_form() {
    let options = || ConvOptions::new([1, 1], [1, 1], [2, 1], 2);
    let leaves = [
        numbers([2, 4, 9, 8], 1),
        numbers([6, 2, 3, 3], 2),
        numbers([6, 1, 1, 1], 3),
    ];
    let got = value_and_gradients(|x, w, b| conv2d(x, w, Some(b), None, options()), &leaves);
    let exact = value_and_gradients(
        |x, w, b| composed::conv2d(x, w, Some(b), options()),
        &leaves,
    );
    assert_eq!(largest_error(&got, &exact), 0.0);
}

#[test]
fn views_are_read_as_they_are() {
    let (x, w) = (numbers([6, 9, 2, 5], 1), numbers([3, 3, 8, 5], 2));
    let run = |conv: &dyn Fn(Tensor<4>, Tensor<4>) -> Tensor<4>| {
        // [2, 5, 9, 6] from [6, 9, 2, 5]; [8, 5, 3, 3] from [3, 3, 8, 5].
        let y = conv(
            x.clone().permute([2, 3, 1, 0]),
            w.clone().permute([2, 3, 0, 1]),
        );
        let value = y.clone().inner();
        let mut gradients = y.powi_scalar(3).sum().backward();
        let [dx, dw] = [&x, &w].map(|leaf| leaf.grad_remove(&mut gradients).unwrap());
        [value, dx, dw]
    };
    let options = || ConvOptions::new([2, 1], [1, 1], [1, 1], 1);
    let got = run(&|x, w| conv2d(x, w, None, None, options()));
    let exact = run(&|x, w| composed::conv2d(x, w, None, options()));
    for (got, exact) in got.iter().zip(&exact) {
        assert!(relative_error(got, exact) < TOLERANCE);
    }
}

#[test]
fn constants_need_no_gradient() {
    let options = || ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    for constant in 0..3 {
        let mut leaves = [
            numbers([2, 3, 6, 5], 1),
            numbers([4, 3, 3, 3], 2),
            numbers([4, 1, 1, 1], 3),
        ];
        leaves[constant] = leaves[constant].clone().inner().autodiff();
        let run = |conv: &dyn Fn(Tensor<4>, Tensor<4>, Tensor<1>) -> Tensor<4>| {
            let [x, w, b] = leaves.clone();
            let mut gradients = conv(x, w, b.reshape([4])).powi_scalar(2).sum().backward();
            leaves
                .each_ref()
                .map(|leaf| leaf.grad_remove(&mut gradients))
        };
        let got = run(&|x, w, b| conv2d(x, w, Some(b), None, options()));
        let exact = run(&|x, w, b| composed::conv2d(x, w, Some(b), options()));
        for (index, pair) in got.iter().zip(&exact).enumerate() {
            match pair {
                (Some(got), Some(exact)) => assert!(relative_error(got, exact) < TOLERANCE),
                (None, None) => assert_eq!(index, constant),
                _ => panic!("gradient {index} with constant {constant}"),
            }
        }
    }
}

#[test]
fn nan_and_infinity_stay_where_the_kernel_reaches() {
    let options = || ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    let w = numbers([2, 1, 3, 3], 2).inner();
    for bad in [f32::NAN, f32::INFINITY] {
        let x = numbers([2, 1, 6, 6], 1).inner();
        let x = x.slice_assign(
            [0..1, 0..1, 2..3, 5..6],
            Tensor::full([1, 1, 1, 1], bad, &Device::flex()),
        );
        let y = conv2d(x, w.clone(), None, None, options());
        let values = y.into_data().try_to_vec::<f32>().unwrap();
        for (index, value) in values.iter().enumerate() {
            let (image, row, column) = (index / 72, index / 6 % 6, index % 6);
            let reached = image == 0 && (1..=3).contains(&row) && column >= 4;
            assert_eq!(
                !value.is_finite(),
                reached,
                "{bad}: {image}, {row}, {column}"
            );
        }
    }
}

#[test]
fn modules_are_those_of_burn() {
    let device = device();
    let paddings = [
        PaddingConfig2d::Same,
        PaddingConfig2d::Valid,
        PaddingConfig2d::Explicit(1, 0, 2, 3),
    ];
    for padding in paddings {
        for (kernel, stride) in [([3, 3], [1, 1]), ([4, 2], [2, 3])] {
            let config = Conv2dConfig::new([3, 4], kernel)
                .with_stride(stride)
                .with_padding(padding.clone());
            let theirs = config.init(&device);
            let ours = Conv2d::new(&config, &device).load_record(theirs.clone().into_record());
            let back = config.init(&device).load_record(ours.clone().into_record());
            let x = numbers([2, 3, 9, 8], 1);
            let [got, there, back] = [
                ours.forward(x.clone()),
                theirs.forward(x.clone()),
                back.forward(x),
            ]
            .map(Tensor::inner);
            assert!(relative_error(&got, &there) < TOLERANCE, "{padding:?}");
            assert_eq!(there.into_data(), back.into_data());
        }
    }
    let config = ConvTranspose2dConfig::new([3, 4], [4, 3])
        .with_stride([2, 2])
        .with_padding([1, 1])
        .with_padding_out([0, 1]);
    let theirs = config.init(&device);
    let ours = ConvTranspose2d::new(&config, &device).load_record(theirs.clone().into_record());
    let x = numbers([2, 3, 5, 6], 1);
    let [got, there] = [ours.forward(x.clone()), theirs.forward(x)].map(Tensor::inner);
    assert!(relative_error(&got, &there) < TOLERANCE);
}

#[test]
#[should_panic(expected = "larger than the image with its padding")]
fn a_kernel_larger_than_the_image_is_named() {
    let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
    let _ = conv2d(
        numbers([1, 1, 2, 5], 1),
        numbers([1, 1, 3, 3], 2),
        None,
        None,
        options,
    );
}

#[test]
#[should_panic(expected = "weight must be [channels_out, channels_in / groups")]
fn channels_that_do_not_match_are_named() {
    let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
    let _ = conv2d(
        numbers([1, 2, 5, 5], 1),
        numbers([1, 1, 3, 3], 2),
        None,
        None,
        options,
    );
}
