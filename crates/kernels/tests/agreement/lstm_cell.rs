//! The cell of the LSTM by itself: kernel against composed form in single precision, values and gradients of both states.

use crate::support::{Numbers, relative_error};
use crate::{TOLERANCE, device};
use burn::nn::LstmState;
use burn::tensor::{Device, Tensor};
use unbiased_kernels::{LstmWeights, composed, lstm, lstm_cell};

type Form = fn(Tensor<2>, Tensor<2>) -> LstmState<2>;

/// Sums in the gates and a cell state, tracked.
fn leaves([batch, hidden]: [usize; 2], scale: f32, seed: u32) -> [Tensor<2>; 2] {
    let mut numbers = Numbers(seed);
    [4 * hidden, hidden].map(|width| {
        numbers
            .matrix([batch, width], scale, &device())
            .require_grad()
    })
}

/// Cell and hidden state, and the gradients of a weighted sum of those of them that `reads` names.
fn results(form: Form, leaves: &[Tensor<2>; 2], reads: [bool; 2]) -> Vec<Tensor<2>> {
    let [gates, cell] = leaves.clone();
    let state = form(gates, cell);
    let mut numbers = Numbers(77);
    let mut loss = Tensor::<1>::zeros([1], &device());
    let mut all = Vec::new();
    for (result, read) in [state.cell, state.hidden].into_iter().zip(reads) {
        let weights = numbers.matrix(result.dims(), 1.0, &Device::flex());
        all.push(result.clone().inner());
        if read {
            loss = loss + (result * weights).sum();
        }
    }
    let mut gradients = loss.backward();
    for leaf in leaves {
        all.push(leaf.grad_remove(&mut gradients).expect("tracked"));
    }
    all
}

/// The largest relative error over states and gradients.
fn error(form: Form, leaves: &[Tensor<2>; 2], reads: [bool; 2]) -> f64 {
    let exact = results(composed::lstm_cell, leaves, reads);
    let pairs = results(form, leaves, reads).into_iter().zip(exact);
    pairs.fold(0.0, |worst, (got, exact)| {
        f64::max(worst, relative_error(&got, &exact))
    })
}

#[test]
fn values_and_gradients_agree() {
    for shape in [[1, 1], [3, 7], [32, 64], [5, 33], [64, 256]] {
        for scale in [1.0, 12.0] {
            for reads in [[true, true], [true, false], [false, true]] {
                let error = error(lstm_cell, &leaves(shape, scale, 1), reads);
                assert!(error < TOLERANCE, "{shape:?}, {scale}, {reads:?}: {error}");
            }
        }
    }
}

/// Each state of the first step reaches the loss through the second one.
#[test]
fn gradients_pass_from_step_to_step() {
    fn twice(cell: Form, gates: Tensor<2>, state: Tensor<2>) -> LstmState<2> {
        let first = cell(gates.clone(), state);
        cell(gates + first.hidden.repeat_dim(1, 4), first.cell)
    }
    let kernel = |gates, state| twice(lstm_cell, gates, state);
    let composed = |gates, state| twice(composed::lstm_cell, gates, state);
    let leaves = leaves([6, 9], 1.0, 3);
    let exact = results(composed, &leaves, [true, true]);
    for (got, exact) in results(kernel, &leaves, [true, true]).iter().zip(&exact) {
        assert!(relative_error(got, exact) < TOLERANCE);
    }
}

#[test]
fn it_is_the_step_of_the_sequence() {
    let mut numbers = Numbers(9);
    let mut matrix = |shape| numbers.matrix(shape, 1.0, &Device::flex());
    let (x, hidden, cell) = (matrix([4, 3]), matrix([4, 5]), matrix([4, 5]));
    let (input, recurrent, bias) = (matrix([3, 20]), matrix([5, 20]), matrix([1, 20]));
    let sums =
        x.clone().matmul(input.clone()) + hidden.clone().matmul(recurrent.clone()) + bias.clone();
    let got = lstm_cell(sums, cell.clone());
    let weights = LstmWeights {
        input,
        recurrent,
        bias: bias.squeeze_dim(0),
        norms: None,
    };
    let state = LstmState::new(cell, hidden);
    let (_, want) = lstm(x.unsqueeze_dim(1), &weights, Some(state), None);
    assert!(relative_error(&got.cell, &want.cell) < 1e-6);
    assert!(relative_error(&got.hidden, &want.hidden) < 1e-6);
}

/// Transposed gates and a column of a wider table as cell state; either of them a constant.
#[test]
fn views_and_constants_are_taken() {
    let mut numbers = Numbers(4);
    let mut leaf = |shape| numbers.matrix(shape, 1.0, &device()).require_grad();
    let (gates, cell) = (leaf([20, 6]), leaf([6, 8]));
    for tracked in [[true, true], [true, false], [false, true]] {
        let run = |form: Form| {
            let [gates, cell] =
                [(&gates, tracked[0]), (&cell, tracked[1])].map(|(leaf, tracked)| {
                    if tracked {
                        leaf.clone()
                    } else {
                        leaf.clone().inner()
                    }
                });
            let state = form(gates.transpose(), cell.narrow(1, 2, 5));
            (state.hidden.powi_scalar(3) + state.cell).sum().backward()
        };
        let (mut got, mut exact) = (run(lstm_cell), run(composed::lstm_cell));
        for (leaf, tracked) in [&gates, &cell].into_iter().zip(tracked) {
            let pair = [&mut got, &mut exact].map(|gradients| leaf.grad_remove(gradients));
            match pair {
                [Some(got), Some(exact)] => {
                    assert!(tracked && relative_error(&got, &exact) < TOLERANCE);
                }
                [None, None] => assert!(!tracked),
                _ => panic!("one form has a gradient and the other has none"),
            }
        }
    }
}

#[test]
fn plain_tensors_give_the_tracked_values() {
    let leaves = leaves([6, 40], 1.0, 8);
    let [gates, cell] = leaves.clone().map(Tensor::inner);
    let plain = lstm_cell(gates.clone(), cell);
    let tracked = results(lstm_cell, &leaves, [true, true]);
    assert_eq!(plain.cell.into_data(), tracked[0].to_data());
    assert_eq!(plain.hidden.into_data(), tracked[1].to_data());
    // What the caller still holds stays as it is.
    assert_eq!(gates.into_data(), leaves[0].clone().inner().into_data());
}

#[test]
fn nan_stays_in_its_unit_and_infinities_are_limits() {
    let [gates, cell] = leaves([3, 4], 1.0, 5).map(Tensor::inner);
    // The forget gate of unit 2 in row 1.
    let nan = Tensor::<2>::full([1, 1], f32::NAN, &Device::flex());
    let gates = gates.slice_assign([1..2, 6..7], nan);
    let state = lstm_cell(gates, cell);
    for values in [state.cell, state.hidden] {
        let values = values.into_data().try_to_vec::<f32>().unwrap();
        for (index, value) in values.iter().enumerate() {
            assert_eq!(value.is_nan(), index == 6, "{index}");
        }
    }
    let certain = Tensor::<2>::full([1, 4], f32::INFINITY, &Device::flex());
    let state = lstm_cell(certain, Tensor::full([1, 1], 3.0, &Device::flex()));
    assert_eq!(state.cell.into_scalar::<f32>(), 4.0);
}

#[test]
fn mutants_are_caught() {
    let leaves = leaves([4, 6], 1.0, 12);
    let wrong: [(&str, Form); 3] = [
        ("candidate and output exchanged", |gates, cell| {
            let n = cell.dims()[1];
            let gate = |index: usize| gates.clone().narrow(1, index * n, n);
            lstm_cell(Tensor::cat([0, 1, 3, 2].map(gate).to_vec(), 1), cell)
        }),
        ("no gradient through the cell state", |gates, cell| {
            let state = lstm_cell(gates, cell);
            LstmState::new(state.cell.detach(), state.hidden)
        }),
        ("no gradient through the hidden state", |gates, cell| {
            let state = lstm_cell(gates, cell);
            LstmState::new(state.cell, state.hidden.detach())
        }),
    ];
    for (name, form) in wrong {
        assert!(error(form, &leaves, [true, true]) > TOLERANCE, "{name}");
    }
}

#[test]
#[should_panic(expected = "gates must be [batch, 4 h]")]
fn gates_of_another_width_are_refused() {
    let [gates, cell] = leaves([2, 3], 1.0, 1);
    let _ = lstm_cell(gates.narrow(1, 0, 9), cell);
}
