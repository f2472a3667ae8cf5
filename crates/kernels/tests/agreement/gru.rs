//! The GRU: kernel against composed form in single precision, value and every gradient, both places of the reset gate; burn's own GRU as a
//! second reference; records.

use crate::support::{Numbers, relative_error};
use crate::{TOLERANCE, device, some_steps};
use burn::module::{Initializer, Module};
use burn::tensor::{Bool, Device, Tensor, TensorData};
use unbiased_kernels::{Gru, GruConfig, GruWeights, composed, gru, gru_step};

#[derive(Clone, Copy, Debug)]
struct Size {
    batch: usize,
    time: usize,
    d_input: usize,
    hidden: usize,
    reset_after: bool,
}

fn size(reset_after: bool, [batch, time, d_input, hidden]: [usize; 4]) -> Size {
    Size {
        batch,
        time,
        d_input,
        hidden,
        reset_after,
    }
}

/// All six inputs as matrices: x, W, U, b, b′, h₀.
fn leaves(size: Size, seed: u32) -> [Tensor<2>; 6] {
    let mut numbers = Numbers(seed);
    let gates = 3 * size.hidden;
    let weight = 1.5 / (size.hidden as f32).sqrt();
    [
        ([size.batch * size.time, size.d_input], 1.0),
        ([size.d_input, gates], weight),
        ([size.hidden, gates], weight),
        ([1, gates], 1.0),
        ([1, gates], 1.0),
        ([size.batch, size.hidden], 1.0),
    ]
    .map(|(shape, scale)| numbers.matrix(shape, scale, &device()).require_grad())
}

type Form = fn(Tensor<3>, &GruWeights, Tensor<2>, Option<Tensor<2, Bool>>) -> Tensor<3>;

const KERNEL: Form = |x, weights, state, mask| gru(x, weights, Some(state), mask);
const COMPOSED: Form = composed::gru;

fn run(
    form: Form,
    size: Size,
    leaves: &[Tensor<2>; 6],
    mask: Option<&Tensor<2, Bool>>,
) -> Tensor<3> {
    let [x, input, recurrent, bias, recurrent_bias, h0] = leaves.clone();
    let weights = GruWeights {
        input,
        recurrent,
        bias: bias.squeeze_dim(0),
        recurrent_bias: recurrent_bias.squeeze_dim(0),
        reset_after: size.reset_after,
    };
    let x = x.reshape([size.batch, size.time, size.d_input]);
    form(x, &weights, h0, mask.cloned())
}

/// The largest relative error over the value and all gradients of a weighted sum of the output.
fn error(kernel: Form, size: Size, leaves: &[Tensor<2>; 6], mask: Option<&Tensor<2, Bool>>) -> f64 {
    let both = [kernel, COMPOSED].map(|form| {
        let output = run(form, size, leaves, mask);
        let output = output.reshape([size.batch, size.time * size.hidden]);
        let value = output.clone().inner();
        let weights = Numbers(77).matrix(output.dims(), 1.0, &Device::flex());
        let mut gradients = (output * weights).sum().backward();
        let gradients = leaves
            .each_ref()
            .map(|leaf| leaf.grad_remove(&mut gradients));
        (value, gradients)
    });
    let [(value, gradients), (exact, exact_gradients)] = both;
    let mut worst = relative_error(&value, &exact);
    for (index, pair) in gradients.iter().zip(&exact_gradients).enumerate() {
        match pair {
            (Some(got), Some(exact)) => worst = worst.max(relative_error(got, exact)),
            (None, None) => {}
            _ => panic!("{size:?}: gradient {index} is missing on one side"),
        }
    }
    worst
}

#[test]
fn values_and_gradients_agree_over_shapes() {
    let mut numbers = Numbers(3);
    let mut one_to = |n: f32| 1 + (numbers.next().abs() * n) as usize;
    let random: Vec<[usize; 4]> = (0..12)
        .map(|_| [one_to(20.0), 1 + one_to(8.0), one_to(40.0), one_to(70.0)])
        .collect();
    let chosen = [
        [1, 1, 1, 1],
        [1, 2, 1, 1],
        [1, 5, 3, 2],
        [33, 4, 5, 33],
        [9, 3, 64, 128],
        [16, 6, 8, 96],
    ];
    for shape in chosen.into_iter().chain(random) {
        for reset_after in [true, false] {
            let size = size(reset_after, shape);
            for masked in [false, true] {
                let mask = masked.then(|| some_steps(size.batch, size.time, 5));
                let error = error(KERNEL, size, &leaves(size, 1), mask.as_ref());
                assert!(error < TOLERANCE, "{size:?}, masked {masked}: {error}");
            }
        }
    }
}

#[test]
fn views_are_read_as_they_are() {
    let (batch, time, d_input, hidden) = (4, 5, 6, 3);
    let mut numbers = Numbers(6);
    let x = numbers
        .matrix([time * batch, d_input], 1.0, &device())
        .require_grad();
    let [w, u] = [[3 * hidden, d_input], [3 * hidden, hidden]]
        .map(|shape| numbers.matrix(shape, 0.5, &device()).require_grad());
    let bias = numbers.matrix([2, 3 * hidden], 0.5, &device());
    let state = numbers.matrix([hidden, batch], 0.5, &device());
    for reset_after in [true, false] {
        let run = |form: Form| {
            let bias = |row: usize| bias.clone().narrow(0, row, 1).squeeze_dim(0);
            let weights = GruWeights {
                input: w.clone().transpose(),
                recurrent: u.clone().transpose(),
                bias: bias(0),
                recurrent_bias: bias(1),
                reset_after,
            };
            // Time first in memory.
            let sequence = x.clone().reshape([time, batch, d_input]).swap_dims(0, 1);
            let output = form(sequence, &weights, state.clone().transpose(), None);
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
}

#[test]
fn constants_need_no_gradient() {
    for reset_after in [true, false] {
        let size = size(reset_after, [6, 3, 5, 8]);
        for constant in 0..6 {
            for plain in [false, true] {
                let mut leaves = leaves(size, 8);
                let value = leaves[constant].clone().inner();
                leaves[constant] = if plain { value } else { value.autodiff() };
                let error = error(KERNEL, size, &leaves, None);
                assert!(error < TOLERANCE, "{constant}: {error}");
            }
        }
    }
}

#[test]
fn plain_tensors_give_the_tracked_values_and_steps_the_sequence() {
    for reset_after in [true, false] {
        let size = size(reset_after, [6, 7, 5, 40]);
        let leaves = leaves(size, 8);
        let plain = leaves.clone().map(Tensor::inner);
        let whole = run(KERNEL, size, &plain, None);
        assert_eq!(
            whole.clone().into_data(),
            run(KERNEL, size, &leaves, None).inner().into_data()
        );
        let [x, input, recurrent, bias, recurrent_bias, h0] = plain;
        let weights = GruWeights {
            input,
            recurrent,
            bias: bias.squeeze_dim(0),
            recurrent_bias: recurrent_bias.squeeze_dim(0),
            reset_after,
        };
        let x = x.reshape([6, 7, 5]);
        let mut state = h0;
        for t in 0..7 {
            let x = x.clone().narrow(1, t, 1).squeeze_dim(1);
            state = gru_step(x, &weights, Some(state));
        }
        let end = whole.narrow(1, 6, 1).squeeze_dim(1);
        assert!(relative_error(&state, &end) < 1e-6);
    }
}

#[test]
fn padding_and_nan_stay_where_they_are() {
    for reset_after in [true, false] {
        let size = size(reset_after, [9, 3, 2, 5]);
        let mut leaves = leaves(size, 11);
        let bad = Tensor::<2>::from_data([[f32::NAN, 0.0]], &Device::flex());
        // Row 4, step 1.
        leaves[0] = leaves[0]
            .clone()
            .inner()
            .slice_assign([13..14, 0..2], bad)
            .autodiff()
            .require_grad();
        let output = run(KERNEL, size, &leaves, None);
        let values = output.inner().into_data().try_to_vec::<f32>().unwrap();
        for (index, value) in values.iter().enumerate() {
            let (row, step) = (index / 15, index / 5 % 3);
            assert_eq!(
                value.is_nan(),
                row == 4 && step >= 1,
                "row {row}, step {step}"
            );
        }
        // Masked, it is not seen, and reaches no other gradient than that of W.
        let real: Vec<bool> = (0..27).map(|index| index != 13).collect();
        let mask = Tensor::from_data(TensorData::new(real, [9, 3]), &device());
        let output = run(KERNEL, size, &leaves, Some(&mask));
        let values = output.clone().inner().into_data();
        let values = values.try_to_vec::<f32>().unwrap();
        assert!(values.iter().all(|x| x.is_finite()));
        assert_eq!(values[13 * 5..14 * 5], values[12 * 5..13 * 5]);
        let mut gradients = output.sum().backward();
        for leaf in &leaves[2..] {
            let gradient = leaf.grad_remove(&mut gradients).unwrap();
            assert!(gradient.abs().max().into_scalar::<f32>().is_finite());
        }
    }
}

#[test]
fn it_is_burns_gru_and_their_records_are_alike() {
    for (reset_after, bias) in [(true, true), (false, true), (true, false), (false, false)] {
        let initializer = Initializer::Uniform {
            min: -0.4,
            max: 0.4,
        };
        let theirs = burn::nn::GruConfig::new(5, 7, bias)
            .with_reset_after(reset_after)
            .with_initializer(initializer.clone())
            .init(&device());
        let ours: Gru = GruConfig {
            reset_after,
            initializer,
            ..GruConfig::new(5, 7, bias)
        }
        .init(&device());
        let x = Numbers(1)
            .matrix([4 * 6, 5], 1.0, &device())
            .reshape([4, 6, 5]);
        let before = ours.forward(x.clone(), None).inner();
        let expected = theirs.forward(x.clone(), None).inner();
        assert!(relative_error(&before, &expected) > 0.01);
        let back = theirs.clone();
        let ours = ours.load_record(theirs.into_record());
        let output = ours.forward(x.clone(), None).inner();
        let error = relative_error(&output, &expected);
        assert!(error < TOLERANCE, "{reset_after} {bias}: {error}");
        // And back.
        let back = back.load_record(ours.into_record());
        assert_eq!(
            back.forward(x, None).inner().into_data(),
            expected.into_data()
        );
    }
}

#[test]
fn mutants_are_caught() {
    let wrong: [(&str, Form); 4] = [
        (
            "the other place of the reset gate",
            |x, weights, state, mask| {
                let weights = GruWeights {
                    reset_after: !weights.reset_after,
                    ..weights.clone()
                };
                gru(x, &weights, Some(state), mask)
            },
        ),
        // The value is right, the gradient 1 % too large.
        ("a gradient too large", |x, weights, state, mask| {
            let u = weights.recurrent.clone();
            let weights = GruWeights {
                recurrent: u.clone() * 1.01 - u.detach() * 0.01,
                ..weights.clone()
            };
            gru(x, &weights, Some(state), mask)
        }),
        // Without the reset gate in front of it, the candidate's second bias is one with the first.
        ("biases added", |x, weights, state, mask| {
            let weights = GruWeights {
                bias: weights.bias.clone() + weights.recurrent_bias.clone(),
                recurrent_bias: weights.recurrent_bias.clone() * 0.0,
                ..weights.clone()
            };
            gru(x, &weights, Some(state), mask)
        }),
        ("the mask is forgotten", |x, weights, state, _| {
            gru(x, weights, Some(state), None)
        }),
    ];
    let size = size(true, [4, 5, 3, 6]);
    let leaves = leaves(size, 12);
    let mask = some_steps(size.batch, size.time, 3);
    for (name, form) in wrong {
        assert!(
            error(form, size, &leaves, Some(&mask)) > TOLERANCE,
            "{name}"
        );
    }
}

#[test]
#[should_panic(expected = "mask must be [batch, time]")]
fn a_mask_of_another_shape_is_refused() {
    let mask = some_steps(3, 2, 1);
    let size = size(true, [2, 3, 4, 5]);
    let _ = run(KERNEL, size, &leaves(size, 1), Some(&mask));
}
