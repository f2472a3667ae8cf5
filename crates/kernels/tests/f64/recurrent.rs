//! The LSTM, with layer norms and without, and the GRU.

use crate::support::{Numbers, relative_error};
use crate::{DEVICE, TOLERANCE, differences};
use burn::nn::LstmState;
use burn::tensor::{Bool, DType, Device, Tensor};
use unbiased_kernels::{GruWeights, LstmNorms, LstmWeights, gru, lstm};

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

fn norms(all: &Tensor<2>, hidden: usize) -> LstmNorms {
    let part = |start: usize, width: usize| {
        let part = all.clone().narrow(1, start * hidden, width * hidden);
        part.squeeze_dim(0)
    };
    LstmNorms {
        input_gain: part(0, 4),
        recurrent_gain: part(4, 4),
        cell_gain: part(8, 1),
        cell_bias: part(9, 1),
    }
}

/// What an LSTM returns, as a function of its six inputs and the parameters of its norms, if it has them.
fn lstm_loss<const N: usize>(inputs: &[Tensor<2>; N], masked: bool) -> Tensor<1> {
    let [x, input, recurrent, bias, h0, c0] = [0, 1, 2, 3, 4, 5].map(|i: usize| inputs[i].clone());
    let weights = LstmWeights {
        input,
        recurrent,
        bias: bias.squeeze_dim(0),
        norms: inputs.get(6).map(|all| norms(all, 4)),
    };
    let mask = mask(masked, &x.device());
    let state = LstmState::new(c0, h0);
    let d_input = x.dims()[1];
    let (output, state) = lstm(x.reshape([2, 3, d_input]), &weights, Some(state), mask);
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
fn check<const N: usize>(
    name: &str,
    shapes: [[usize; 2]; N],
    loss: impl Fn(&[Tensor<2>; N]) -> Tensor<1>,
) {
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
fn gradients_of_an_lstm_with_layer_norms_match_central_differences() {
    // Wider than without: a short row is turned by the norm so fast that the differences see its curvature.
    let shapes = [[6, 5], [5, 16], [4, 16], [1, 16], [2, 4], [2, 4], [1, 40]];
    for masked in [false, true] {
        check("norms", shapes, |inputs| lstm_loss(inputs, masked));
    }
}

#[test]
fn layer_norms_are_those_of_the_paper() {
    // One step, by loops.
    let mut numbers = Numbers(8);
    let [x, w, u, b, h, c, all] = [[1, 2], [2, 12], [3, 12], [1, 12], [1, 3], [1, 3], [1, 30]]
        .map(|shape| numbers.matrix(shape, 1.0, &DEVICE).inner());
    let weights = LstmWeights {
        input: w.clone(),
        recurrent: u.clone(),
        bias: b.clone().squeeze_dim(0),
        norms: Some(norms(&all, 3)),
    };
    let state = LstmState::new(c.clone(), h.clone());
    let (_, got) = lstm(x.clone().unsqueeze_dim(1), &weights, Some(state), None);
    let [x, w, u, b, h, c, all] =
        [x, w, u, b, h, c, all].map(|t| t.into_data().try_to_vec::<f64>().unwrap());
    let product = |a: &[f64], m: &[f64]| -> Vec<f64> {
        let entry = |j: usize| a.iter().enumerate().map(|(k, a)| a * m[k * 12 + j]).sum();
        (0..12).map(entry).collect()
    };
    let normalise = |a: Vec<f64>| -> Vec<f64> {
        let n = a.len() as f64;
        let mean = a.iter().sum::<f64>() / n;
        let variance = a.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / n;
        a.iter()
            .map(|a| (a - mean) / (variance + 1e-5).sqrt())
            .collect()
    };
    let (p, q) = (normalise(product(&x, &w)), normalise(product(&h, &u)));
    let gate = |j: usize| all[j] * p[j] + all[12 + j] * q[j] + b[j];
    let sigmoid = |a: f64| 1.0 / (1.0 + (-a).exp());
    let cell = |j: usize| sigmoid(gate(3 + j)) * c[j] + sigmoid(gate(j)) * gate(6 + j).tanh();
    let cells: Vec<f64> = (0..3).map(cell).collect();
    let normed = normalise(cells.clone());
    let got = [got.cell, got.hidden].map(|t| t.into_data().try_to_vec::<f64>().unwrap());
    for j in 0..3 {
        let hidden = sigmoid(gate(9 + j)) * (all[24 + j] * normed[j] + all[27 + j]).tanh();
        assert!((got[0][j] - cells[j]).abs() < 1e-12);
        assert!((got[1][j] - hidden).abs() < 1e-12);
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
