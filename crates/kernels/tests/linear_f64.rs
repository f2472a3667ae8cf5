//! The composed affine map in double precision against central differences: see `gradcheck_f64` for why this is a binary of its own.

mod support;

use burn::tensor::{DType, Device, FloatDType, IntDType, Tensor};
use std::sync::LazyLock;
use support::{Numbers, relative_error};
use unbiased_kernels::{Activation, linear};

static DEVICE: LazyLock<Device> = LazyLock::new(|| {
    let mut device = Device::flex();
    device
        .configure((FloatDType::F64, IntDType::I64))
        .expect("no tensor exists yet");
    device.autodiff()
});

const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 1e-8;

fn loss([x, weight, bias]: [Tensor<2>; 3], activation: Activation) -> Tensor<1> {
    let y = linear(x, weight, Some(bias.squeeze_dim(0)), activation);
    let weights = Numbers(5).matrix(y.dims(), 1.0, &DEVICE).inner();
    (y * weights).sum()
}

#[test]
fn gradients_match_central_differences() {
    for activation in [
        Activation::Identity,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Relu,
        Activation::Softplus,
    ] {
        let mut numbers = Numbers(2);
        let inputs = [[3, 4], [4, 5], [1, 5]]
            .map(|shape| numbers.matrix(shape, 1.5, &DEVICE).require_grad());
        assert_eq!(inputs[0].dtype(), DType::F64);
        let mut gradients = loss(inputs.clone(), activation).backward();
        for (index, leaf) in inputs.iter().enumerate() {
            let got = leaf.grad_remove(&mut gradients).expect("tracked");
            let [rows, columns] = leaf.dims();
            let mut expected = got.zeros_like();
            for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
                let cell = [i..i + 1, j..j + 1];
                let shifted = |by: f64| {
                    let mut moved = inputs.clone().map(Tensor::inner);
                    let value = moved[index].clone().slice(cell.clone()) + by;
                    moved[index] = moved[index].clone().slice_assign(cell.clone(), value);
                    loss(moved, activation)
                };
                let slope = (shifted(STEP) - shifted(-STEP)) / (2.0 * STEP);
                expected = expected.slice_assign(cell, slope.reshape([1, 1]));
            }
            let error = relative_error(&got, &expected);
            assert!(error < TOLERANCE, "{activation:?}, input {index}: {error}");
            // The check sees a gradient that is wrong by one part in ten million.
            assert!(relative_error(&(got * (1.0 + 1e-7)), &expected) > TOLERANCE);
        }
    }
}
