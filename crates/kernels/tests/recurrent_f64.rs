//! The composed LSTM and GRU in double precision against central differences: see `gradcheck_f64` for why this is a binary of its own.

mod support;

use burn::nn::LstmState;
use burn::tensor::{Bool, DType, Device, FloatDType, IntDType, Tensor};
use std::sync::LazyLock;
use support::{Numbers, relative_error};
use unbiased_kernels::{GruWeights, LstmWeights, gru, lstm};

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

/// Seeded weights for a sum of everything a layer returns (a plain sum would hide errors).
fn weighted_sum(results: Vec<Tensor<2>>) -> Tensor<1> {
    let mut numbers = Numbers(5);
    let mut total = Tensor::<1>::zeros([1], &results[0].device());
    for result in results {
        let weights = numbers.matrix(result.dims(), 1.0, &DEVICE).inner();
        total = total + (result * weights).sum();
    }
    total
}

fn mask(masked: bool, device: &Device) -> Option<Tensor<2, Bool>> {
    let mask = [[true, false, true], [true, true, false]];
    masked.then(|| Tensor::from_data(mask, device))
}

/// What an LSTM returns, as a function of its six inputs.
fn lstm_loss(inputs: &[Tensor<2>; 6], masked: bool) -> Tensor<1> {
    let [x, input, recurrent, bias, h0, c0] = inputs.clone();
    let weights = LstmWeights {
        input,
        recurrent,
        bias: bias.squeeze_dim(0),
    };
    let mask = mask(masked, &x.device());
    let state = LstmState::new(c0, h0);
    let (output, state) = lstm(x.reshape([2, 3, 2]), &weights, Some(state), mask);
    weighted_sum(vec![output.reshape([2, 12]), state.cell, state.hidden])
}

/// What a GRU returns, as a function of its six inputs.
fn gru_loss(inputs: &[Tensor<2>; 6], masked: bool, reset_after: bool) -> Tensor<1> {
    let [x, input, recurrent, bias, recurrent_bias, h0] = inputs.clone();
    let weights = GruWeights {
        input,
        recurrent,
        bias: bias.squeeze_dim(0),
        recurrent_bias: recurrent_bias.squeeze_dim(0),
        reset_after,
    };
    let mask = mask(masked, &x.device());
    let output = gru(x.reshape([2, 3, 2]), &weights, Some(h0), mask);
    weighted_sum(vec![output.reshape([2, 12])])
}

/// Every gradient of `loss` at seeded inputs of these shapes.
fn check(name: &str, shapes: [[usize; 2]; 6], loss: impl Fn(&[Tensor<2>; 6]) -> Tensor<1>) {
    let mut numbers = Numbers(2);
    let inputs = shapes.map(|shape| numbers.matrix(shape, 1.5, &DEVICE).require_grad());
    assert_eq!(inputs[0].dtype(), DType::F64);
    let mut gradients = loss(&inputs).backward();
    for (index, leaf) in inputs.iter().enumerate() {
        let got = leaf.grad_remove(&mut gradients).expect("tracked");
        let plain = inputs.clone().map(Tensor::inner);
        let at = |value: Tensor<2>| {
            let mut moved = plain.clone();
            moved[index] = value;
            loss(&moved)
        };
        let expected = differences(at, leaf);
        let error = relative_error(&got, &expected);
        assert!(error < TOLERANCE, "{name}, input {index}: {error}");
        // The check sees a gradient that is wrong by one part in ten million.
        assert!(relative_error(&(got * (1.0 + 1e-7)), &expected) > TOLERANCE);
    }
}

#[test]
fn lstm_gradients_match_central_differences() {
    let shapes = [[6, 2], [2, 16], [4, 16], [1, 16], [2, 4], [2, 4]];
    for masked in [false, true] {
        check("lstm", shapes, |inputs| lstm_loss(inputs, masked));
    }
}

#[test]
fn gru_gradients_match_central_differences() {
    let shapes = [[6, 2], [2, 12], [4, 12], [1, 12], [1, 12], [2, 4]];
    for masked in [false, true] {
        for reset_after in [true, false] {
            check("gru", shapes, |inputs| {
                gru_loss(inputs, masked, reset_after)
            });
        }
    }
}
