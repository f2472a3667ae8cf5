//! The LSTM: kernel against composed form in single precision, value and every gradient, over shapes, views, masks and extremes; burn's own
//! LSTM as a second reference; records.

use crate::support::{Numbers, relative_error};
use crate::{TOLERANCE, device, some_steps};
use burn::nn::LstmState;
use burn::tensor::{Bool, Device, Tensor};
use unbiased_kernels::{LstmNorms, LstmWeights, composed, lstm, lstm_step};

#[derive(Clone, Copy, Debug)]
struct Size {
    batch: usize,
    time: usize,
    d_input: usize,
    hidden: usize,
    norms: bool,
}

fn size(batch: usize, time: usize, d_input: usize, hidden: usize) -> Size {
    Size {
        batch,
        time,
        d_input,
        hidden,
        norms: false,
    }
}

/// All inputs as matrices: x, W, U, b, h₀, c₀ and the parameters of the layer norms.
fn leaves(size: Size, scale: f32, seed: u32) -> [Tensor<2>; 7] {
    let mut numbers = Numbers(seed);
    let gates = 4 * size.hidden;
    let weight = scale / (size.hidden as f32).sqrt();
    [
        ([size.batch * size.time, size.d_input], scale),
        ([size.d_input, gates], weight),
        ([size.hidden, gates], weight),
        ([1, gates], scale),
        ([size.batch, size.hidden], scale),
        ([size.batch, size.hidden], scale),
        ([1, 10 * size.hidden], scale),
    ]
    .map(|(shape, scale)| numbers.matrix(shape, scale, &device()).require_grad())
}

type Results = (Tensor<3>, LstmState<2>);
type Form = fn(Tensor<3>, &LstmWeights, LstmState<2>, Option<Tensor<2, Bool>>) -> Results;

const KERNEL: Form = |x, weights, state, mask| lstm(x, weights, Some(state), mask);
const COMPOSED: Form = composed::lstm;

/// Which results the loss reads: output, final cell state, final hidden state.
type Reads = [bool; 3];

fn run(form: Form, size: Size, leaves: &[Tensor<2>; 7], mask: Option<&Tensor<2, Bool>>) -> Results {
    let [x, input, recurrent, bias, h0, c0, norms] = leaves.clone();
    let norm = |start: usize, width: usize| {
        let part = norms
            .clone()
            .narrow(1, start * size.hidden, width * size.hidden);
        part.squeeze_dim(0)
    };
    let weights = LstmWeights {
        input,
        recurrent,
        bias: bias.squeeze_dim(0),
        norms: size.norms.then(|| LstmNorms {
            input_gain: norm(0, 4),
            recurrent_gain: norm(4, 4),
            cell_gain: norm(8, 1),
            cell_bias: norm(9, 1),
        }),
    };
    form(
        x.reshape([size.batch, size.time, size.d_input]),
        &weights,
        LstmState::new(c0, h0),
        mask.cloned(),
    )
}

/// Values of all results and the gradients of a weighted sum of those read.
fn values_and_gradients(
    form: Form,
    size: Size,
    leaves: &[Tensor<2>; 7],
    mask: Option<&Tensor<2, Bool>>,
    reads: Reads,
) -> ([Tensor<2>; 3], [Option<Tensor<2>>; 7]) {
    let (output, state) = run(form, size, leaves, mask);
    let flat = output.reshape([size.batch, size.time * size.hidden]);
    let results = [flat, state.cell, state.hidden];
    let values = results.clone().map(Tensor::inner);
    let mut numbers = Numbers(77);
    let mut loss = Tensor::<1>::zeros([1], &device());
    for (result, read) in results.into_iter().zip(reads) {
        let weights = numbers.matrix(result.dims(), 1.0, &Device::flex());
        if read {
            loss = loss + (result * weights).sum();
        }
    }
    let mut gradients = loss.backward();
    let gradients = leaves
        .each_ref()
        .map(|leaf| leaf.grad_remove(&mut gradients));
    (values, gradients)
}

/// The largest relative error over all values and gradients.
fn error(
    kernel: Form,
    size: Size,
    leaves: &[Tensor<2>; 7],
    mask: Option<&Tensor<2, Bool>>,
    reads: Reads,
) -> f64 {
    let (values, gradients) = values_and_gradients(kernel, size, leaves, mask, reads);
    let (exact_values, exact_gradients) = values_and_gradients(COMPOSED, size, leaves, mask, reads);
    let mut worst = 0.0;
    for (got, exact) in values.iter().zip(&exact_values) {
        worst = f64::max(worst, relative_error(got, exact));
    }
    for (index, pair) in gradients.iter().zip(&exact_gradients).enumerate() {
        match pair {
            (Some(got), Some(exact)) => worst = worst.max(relative_error(got, exact)),
            (None, None) => {}
            // Where nothing depends on an input, the kernel may say so with zeros.
            (Some(got), None) => {
                let largest = got.clone().abs().max().into_scalar::<f32>();
                assert_eq!(largest, 0.0, "{size:?}: gradient {index}");
            }
            (None, Some(_)) => panic!("{size:?}: gradient {index} is missing"),
        }
    }
    worst
}

const ALL: Reads = [true; 3];

#[test]
fn values_and_gradients_agree_over_shapes() {
    let mut numbers = Numbers(3);
    let mut one_to = |n: f32| 1 + (numbers.next().abs() * n) as usize;
    let random: Vec<Size> = (0..12)
        .map(|_| size(one_to(20.0), one_to(9.0), one_to(40.0), one_to(70.0)))
        .collect();
    let chosen = [
        size(1, 1, 1, 1),
        size(1, 5, 3, 2),
        size(3, 1, 7, 9),
        size(33, 4, 5, 33),
        size(9, 3, 64, 128),
        size(16, 6, 8, 96),
    ];
    for size in chosen.into_iter().chain(random) {
        for (masked, norms) in [(false, false), (true, false), (false, true), (true, true)] {
            if norms && size.d_input.min(size.hidden) < 3 {
                // The norm of two numbers is ±1: nothing is left of its gradient but rounding.
                continue;
            }
            let size = Size { norms, ..size };
            let mask = masked.then(|| some_steps(size.batch, size.time, 5));
            let error = error(KERNEL, size, &leaves(size, 1.0, 1), mask.as_ref(), ALL);
            assert!(error < TOLERANCE, "{size:?}, masked {masked}: {error}");
        }
    }
}

#[test]
fn every_result_carries_its_own_gradient() {
    let mask = some_steps(5, 4, 2);
    for reads in [
        [true, false, false],
        [false, true, false],
        [false, false, true],
        [true, true, false],
        [false, true, true],
    ] {
        for (mask, norms) in [
            (None, false),
            (Some(&mask), false),
            (None, true),
            (Some(&mask), true),
        ] {
            let size = Size {
                norms,
                ..size(5, 4, 6, 7)
            };
            let error = error(KERNEL, size, &leaves(size, 1.0, 4), mask, reads);
            assert!(error < TOLERANCE, "{reads:?}, norms {norms}: {error}");
        }
    }
}

#[test]
fn views_are_read_as_they_are() {
    let (batch, time, d_input, hidden) = (4, 5, 6, 3);
    let mut numbers = Numbers(6);
    let x = numbers.matrix([time * batch, d_input], 1.0, &device());
    // Time first in memory, and weights that are transposed.
    let x = x.require_grad();
    let [w, u] = [[4 * hidden, d_input], [4 * hidden, hidden]]
        .map(|shape| numbers.matrix(shape, 0.5, &device()).require_grad());
    let bias = numbers.matrix([1, 4 * hidden], 0.5, &device());
    let state = numbers.matrix([hidden, batch], 0.5, &device());
    let run = |form: Form| {
        let weights = LstmWeights {
            input: w.clone().transpose(),
            recurrent: u.clone().transpose(),
            bias: bias.clone().squeeze_dim(0),
            norms: None,
        };
        let sequence = x.clone().reshape([time, batch, d_input]).swap_dims(0, 1);
        let state = state.clone().transpose();
        let (output, _) = form(
            sequence,
            &weights,
            LstmState::new(state.clone(), state),
            None,
        );
        let value = output.clone().inner();
        let mut gradients = output.powi_scalar(3).sum().backward();
        let gradients = [&x, &u, &w].map(|leaf| leaf.grad_remove(&mut gradients));
        (value, gradients)
    };
    let ((y, d), (y_exact, d_exact)) = (run(KERNEL), run(COMPOSED));
    assert!(relative_error(&y, &y_exact) < TOLERANCE);
    for (d, exact) in d.into_iter().zip(d_exact) {
        assert!(relative_error(&d.unwrap(), &exact.unwrap()) < TOLERANCE);
    }
}

#[test]
fn constants_need_no_gradient() {
    let size = Size {
        norms: true,
        ..size(6, 3, 5, 8)
    };
    for constant in 0..7 {
        for plain in [false, true] {
            let mut leaves = leaves(size, 1.0, 8);
            let mut value = leaves[constant].clone().inner();
            if !plain {
                value = value.autodiff();
            }
            leaves[constant] = value;
            let run = |form| {
                let (output, state) = run(form, size, &leaves, None);
                let mut gradients = (output.sum() * 2.0 + state.cell.sum()).backward();
                leaves
                    .iter()
                    .enumerate()
                    .filter(|(index, _)| *index != constant)
                    .map(|(_, leaf)| leaf.grad_remove(&mut gradients).unwrap())
                    .collect::<Vec<_>>()
            };
            for (got, exact) in run(KERNEL).iter().zip(&run(COMPOSED)) {
                assert!(relative_error(got, exact) < TOLERANCE, "{constant}");
            }
        }
    }
}

#[test]
fn plain_tensors_give_the_tracked_values() {
    let size = size(6, 7, 5, 40);
    let leaves = leaves(size, 1.0, 8);
    let plain = leaves.clone().map(Tensor::inner);
    let mask = some_steps(size.batch, size.time, 1);
    for mask in [None, Some(&mask)] {
        let (tracked, tracked_state) = run(KERNEL, size, &leaves, mask);
        let inner = mask.map(|mask| mask.clone().inner());
        let (output, state) = run(KERNEL, size, &plain, inner.as_ref());
        assert_eq!(output.into_data(), tracked.inner().into_data());
        assert_eq!(
            state.cell.into_data(),
            tracked_state.cell.inner().into_data()
        );
        assert_eq!(
            state.hidden.into_data(),
            tracked_state.hidden.inner().into_data()
        );
    }
}

#[test]
fn a_sequence_in_two_parts_is_the_sequence() {
    let size = size(3, 6, 4, 5);
    let [x, input, recurrent, bias, h0, c0, _] = leaves(size, 1.0, 9).map(Tensor::inner);
    let weights = LstmWeights {
        input,
        recurrent,
        bias: bias.squeeze_dim(0),
        norms: None,
    };
    let x = x.reshape([3, 6, 4]);
    let state = LstmState::new(c0, h0);
    let (whole, end) = lstm(x.clone(), &weights, Some(state.clone()), None);
    let (first, middle) = lstm(
        x.clone().narrow(1, 0, 2),
        &weights,
        Some(state.clone()),
        None,
    );
    let (second, last) = lstm(x.clone().narrow(1, 2, 4), &weights, Some(middle), None);
    let parts = Tensor::cat(vec![first, second], 1);
    assert!(relative_error(&parts, &whole) < 1e-6);
    assert!(relative_error(&last.cell, &end.cell) < 1e-6);
    // Steps one by one.
    let mut state = state;
    for t in 0..6 {
        let x = x.clone().narrow(1, t, 1).squeeze_dim(1);
        state = lstm_step(x, &weights, Some(state));
    }
    assert!(relative_error(&state.cell, &end.cell) < 1e-6);
    assert!(relative_error(&state.hidden, &end.hidden) < 1e-6);
}

#[test]
fn padding_changes_nothing() {
    // A sequence of three steps, padded to five: the states are those after three steps, and padding reaches no other gradient than that of W, even if it is NaN.
    for norms in [false, true] {
        padding_with_norms_or_without(Size {
            norms,
            ..size(2, 5, 3, 4)
        });
    }
}

fn padding_with_norms_or_without(size: Size) {
    let leaves = leaves(size, 1.0, 10);
    let mask = [[true, true, true, false, false], [true; 5]];
    let mask = Tensor::<2, Bool>::from_data(mask, &device());
    let nan = Tensor::<2>::full([2, 3], f32::NAN, &Device::flex());
    let mut padded = leaves.clone();
    padded[0] = leaves[0]
        .clone()
        .inner()
        .slice_assign([3..5, 0..3], nan)
        .autodiff()
        .require_grad();
    let (output, state) = run(KERNEL, size, &padded, Some(&mask));
    let (whole, _) = run(KERNEL, size, &leaves, None);
    let row = |t: Tensor<3>| t.inner().narrow(0, 0, 1).narrow(1, 2, 1).into_data();
    assert_eq!(row(output.clone()), row(whole));
    assert_eq!(
        state
            .hidden
            .clone()
            .inner()
            .narrow(0, 0, 1)
            .into_data()
            .try_to_vec::<f32>(),
        row(output.clone()).try_to_vec::<f32>()
    );
    let mut gradients = (output.sum() + state.cell.sum()).backward();
    let count = if size.norms { 7 } else { 6 };
    for (index, leaf) in padded.iter().enumerate().take(count).skip(2) {
        let gradient = leaf.grad_remove(&mut gradients).unwrap();
        assert!(
            gradient.abs().max().into_scalar::<f32>().is_finite(),
            "{index}"
        );
    }
}

#[test]
fn nan_stays_in_its_row_and_infinities_are_limits() {
    let size = size(9, 3, 2, 5);
    let mut leaves = leaves(size, 1.0, 11);
    let bad = Tensor::<2>::from_data([[f32::NAN, 0.0]], &Device::flex());
    // Row 4, step 1.
    leaves[0] = leaves[0]
        .clone()
        .inner()
        .slice_assign([13..14, 0..2], bad)
        .autodiff()
        .require_grad();
    let (output, _) = run(KERNEL, size, &leaves, None);
    let values = output.inner().into_data().try_to_vec::<f32>().unwrap();
    for (index, value) in values.iter().enumerate() {
        let (row, step) = (index / 15, index / 5 % 3);
        assert_eq!(
            value.is_nan(),
            row == 4 && step >= 1,
            "row {row}, step {step}"
        );
    }
    // Gates that are certain: i = f = o = 1, g = 1, so c counts the steps.
    let full = |shape: [usize; 2], value: f32| Tensor::<2>::full(shape, value, &Device::flex());
    let weights = LstmWeights {
        input: full([2, 20], f32::INFINITY),
        recurrent: full([5, 20], 0.0),
        bias: Tensor::zeros([20], &Device::flex()),
        norms: None,
    };
    let (_, state) = lstm(
        Tensor::ones([1, 3, 2], &Device::flex()),
        &weights,
        None,
        None,
    );
    assert_eq!(
        state.cell.into_data().try_to_vec::<f32>().unwrap(),
        [3.0; 5]
    );
}

#[test]
fn mutants_are_caught() {
    let wrong: [(&str, Form); 6] = [
        ("no norms", |x, weights, state, mask| {
            let weights = LstmWeights {
                norms: None,
                ..weights.clone()
            };
            lstm(x, &weights, Some(state), mask)
        }),
        // The value is right, the gradient 1 % too large.
        ("a gain with another gradient", |x, weights, state, mask| {
            let norms = weights.norms.clone().unwrap();
            let gain = norms.recurrent_gain;
            let norms = LstmNorms {
                recurrent_gain: gain.clone() * 1.01 - gain.detach() * 0.01,
                ..norms
            };
            let weights = LstmWeights {
                norms: Some(norms),
                ..weights.clone()
            };
            lstm(x, &weights, Some(state), mask)
        }),
        // The gradient does not reach back beyond a step.
        ("no recurrence", |x, weights, state, mask| {
            let weights = LstmWeights {
                recurrent: weights.recurrent.clone().detach(),
                ..weights.clone()
            };
            lstm(x, &weights, Some(state), mask)
        }),
        ("states are constants", |x, weights, state, mask| {
            let state = LstmState::new(state.cell.detach(), state.hidden);
            lstm(x, weights, Some(state), mask)
        }),
        ("the mask is forgotten", |x, weights, state, _| {
            lstm(x, weights, Some(state), None)
        }),
        (
            "the final cell has no gradient",
            |x, weights, state, mask| {
                let (output, state) = lstm(x, weights, Some(state), mask);
                (output, LstmState::new(state.cell.detach(), state.hidden))
            },
        ),
    ];
    let size = Size {
        norms: true,
        ..size(4, 5, 3, 6)
    };
    let leaves = leaves(size, 1.0, 12);
    let mask = some_steps(size.batch, size.time, 3);
    for (name, form) in wrong {
        let run = || error(form, size, &leaves, Some(&mask), ALL);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        assert!(caught.is_err() || caught.unwrap() > TOLERANCE, "{name}");
    }
}

#[test]
#[should_panic(expected = "mask must be [batch, time]")]
fn a_mask_of_another_shape_is_refused() {
    let size_ = size(2, 3, 4, 5);
    let mask = some_steps(3, 2, 1);
    let _ = run(KERNEL, size_, &leaves(size_, 1.0, 1), Some(&mask));
}
