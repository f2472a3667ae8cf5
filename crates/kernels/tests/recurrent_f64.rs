//! The composed LSTM in double precision against central differences: see `gradcheck_f64` for why this is a binary of its own.

mod support;

use burn::nn::LstmState;
use burn::tensor::{Bool, DType, Device, FloatDType, IntDType, Tensor};
use std::sync::LazyLock;
use support::{Numbers, relative_error};
use unbiased_kernels::{LstmWeights, lstm};

static DEVICE: LazyLock<Device> = LazyLock::new(|| {
    let mut device = Device::flex();
    device
        .configure((FloatDType::F64, IntDType::I64))
        .expect("no tensor exists yet");
    device.autodiff()
});

const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 1e-8;

/// Central differences of a number by every entry of a matrix.
fn differences(f: impl Fn(Tensor<2>) -> Tensor<1>, at: &Tensor<2>) -> Tensor<2> {
    let at = at.clone().inner();
    let [rows, columns] = at.dims();
    let mut gradient = at.zeros_like();
    for i in 0..rows {
        for j in 0..columns {
            let cell = [i..i + 1, j..j + 1];
            let shifted = |by: f64| {
                let moved = at.clone().slice(cell.clone()) + by;
                f(at.clone().slice_assign(cell.clone(), moved))
            };
            let slope = (shifted(STEP) - shifted(-STEP)) / (2.0 * STEP);
            gradient = gradient.slice_assign(cell.clone(), slope.reshape([1, 1]));
        }
    }
    gradient
}

/// A weighted sum of everything an LSTM returns, as a function of its six inputs.
fn loss(inputs: &[Tensor<2>; 6], masked: bool) -> Tensor<1> {
    let [x, input, recurrent, bias, h0, c0] = inputs.clone();
    let mask = [[true, false, true], [true, true, false]];
    let mask = masked.then(|| Tensor::<2, Bool>::from_data(mask, &x.device()));
    let weights = LstmWeights {
        input,
        recurrent,
        bias: bias.squeeze_dim(0),
    };
    let (output, state) = lstm(
        x.reshape([2, 3, 2]),
        &weights,
        Some(LstmState::new(c0, h0)),
        mask,
    );
    let mut numbers = Numbers(5);
    let results = [output.reshape([2, 12]), state.cell, state.hidden];
    results
        .map(|result| {
            let weights = numbers.matrix(result.dims(), 1.0, &DEVICE).inner();
            (result * weights).sum()
        })
        .into_iter()
        .reduce(|a, b| a + b)
        .expect("three results")
}

#[test]
fn lstm_gradients_match_central_differences() {
    for masked in [false, true] {
        let mut numbers = Numbers(2);
        let inputs = [[6, 2], [2, 16], [4, 16], [1, 16], [2, 4], [2, 4]]
            .map(|shape| numbers.matrix(shape, 1.5, &DEVICE).require_grad());
        assert_eq!(inputs[0].dtype(), DType::F64);
        let mut gradients = loss(&inputs, masked).backward();
        for (index, leaf) in inputs.iter().enumerate() {
            let got = leaf.grad_remove(&mut gradients).expect("tracked");
            let plain = inputs.clone().map(Tensor::inner);
            let at = |value: Tensor<2>| {
                let mut moved = plain.clone();
                moved[index] = value;
                loss(&moved, masked)
            };
            let expected = differences(at, leaf);
            let error = relative_error(&got, &expected);
            assert!(error < TOLERANCE, "input {index}, masked {masked}: {error}");
            // The check sees a gradient that is wrong by one part in ten million.
            assert!(relative_error(&(got * (1.0 + 1e-7)), &expected) > TOLERANCE);
        }
    }
}
