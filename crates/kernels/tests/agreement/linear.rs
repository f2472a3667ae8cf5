//! The affine map: kernel against composed form in single precision, value and every gradient, over activations, shapes, views and extremes;
//! the module against burn's.

use crate::support::{Numbers, relative_error};
use crate::{TOLERANCE, device};
use burn::module::{Initializer, Module};
use burn::nn::LinearConfig;
use burn::tensor::{Device, Tensor};
use unbiased_kernels::{Activation, Linear, composed, linear};

const ACTIVATIONS: [Activation; 5] = [
    Activation::Identity,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Relu,
    Activation::Softplus,
];

/// x, W and b as matrices.
type Leaves = [Tensor<2>; 3];
type Form = fn(Leaves, Activation) -> Tensor<2>;

const KERNEL: Form = |[x, weight, bias], f| linear(x, weight, Some(bias.squeeze_dim(0)), f);
const COMPOSED: Form =
    |[x, weight, bias], f| composed::linear(x, weight, Some(bias.squeeze_dim(0)), f);

fn leaves([rows, d_in, d_out]: [usize; 3]) -> Leaves {
    let mut numbers = Numbers(1);
    let weight = 3.0 / (d_in as f32).sqrt();
    [
        ([rows, d_in], 1.0),
        ([d_in, d_out], weight),
        ([1, d_out], 0.5),
    ]
    .map(|(shape, scale)| numbers.matrix(shape, scale, &device()).require_grad())
}

/// The value and the gradients of its sum weighted by seeded numbers (a plain sum would hide errors).
fn value_and_gradients(
    form: Form,
    leaves: &Leaves,
    activation: Activation,
) -> (Tensor<2>, [Option<Tensor<2>>; 3]) {
    let y = form(leaves.clone(), activation);
    let value = y.clone().inner();
    let weights = Numbers(9).matrix(y.dims(), 1.0, &Device::flex());
    let mut gradients = (y * weights).sum().backward();
    let gradients = leaves
        .each_ref()
        .map(|leaf| leaf.grad_remove(&mut gradients));
    (value, gradients)
}

/// The largest relative error of the value and of every gradient.
fn error(form: Form, leaves: &Leaves, activation: Activation) -> f64 {
    let (value, gradients) = value_and_gradients(form, leaves, activation);
    let (expected, expected_gradients) = value_and_gradients(COMPOSED, leaves, activation);
    let mut worst = relative_error(&value, &expected);
    for (got, expected) in gradients.iter().zip(&expected_gradients) {
        assert_eq!(got.is_some(), expected.is_some());
        if let (Some(got), Some(expected)) = (got, expected) {
            worst = worst.max(relative_error(got, expected));
        }
    }
    worst
}

#[test]
fn values_and_gradients_agree_over_shapes() {
    // One thread and several, with columns that no number of threads divides; wider than high, and the other way round.
    let shapes = [
        [1, 1, 1],
        [1, 7, 3],
        [3, 5, 2],
        [1, 300, 129],
        [100, 784, 200],
        [67, 200, 785],
        [24, 513, 333],
        [2000, 33, 131],
    ];
    for shape in shapes {
        for activation in ACTIVATIONS {
            let error = error(KERNEL, &leaves(shape), activation);
            assert!(error < TOLERANCE, "{activation:?} {shape:?}: {error}");
        }
    }
}

#[test]
fn values_and_gradients_agree_on_views() {
    let views: [(&str, Form); 3] = [
        ("transposed", |[x, weight, bias], f| {
            KERNEL([x.transpose(), weight.transpose(), bias], f)
        }),
        ("sliced", |[x, weight, bias], f| {
            let weight = weight.slice([3..80, 2..150]);
            KERNEL(
                [x.slice([1..90, 7..84]), weight, bias.slice([0..1, 1..149])],
                f,
            )
        }),
        ("one row for all", |[x, weight, bias], f| {
            let rows = x.dims()[1];
            let x = x.slice([0..1]).expand([80, rows]);
            KERNEL([x, weight, bias], f)
        }),
    ];
    let composed: [Form; 3] = [
        |[x, weight, bias], f| COMPOSED([x.transpose(), weight.transpose(), bias], f),
        |[x, weight, bias], f| {
            let weight = weight.slice([3..80, 2..150]);
            COMPOSED(
                [x.slice([1..90, 7..84]), weight, bias.slice([0..1, 1..149])],
                f,
            )
        },
        |[x, weight, bias], f| {
            let rows = x.dims()[1];
            COMPOSED([x.slice([0..1]).expand([80, rows]), weight, bias], f)
        },
    ];
    for ((name, kernel), composed) in views.into_iter().zip(composed) {
        for activation in ACTIVATIONS {
            let leaves = leaves([210, 210, 210]);
            let (value, gradients) = value_and_gradients(kernel, &leaves, activation);
            let (expected, expected_gradients) = value_and_gradients(composed, &leaves, activation);
            let mut worst = relative_error(&value, &expected);
            for (got, expected) in gradients.into_iter().zip(expected_gradients) {
                worst = worst.max(relative_error(&got.unwrap(), &expected.unwrap()));
            }
            assert!(worst < TOLERANCE, "{name} {activation:?}: {worst}");
        }
    }
}

#[test]
fn inputs_are_left_as_they_were() {
    for activation in ACTIVATIONS {
        let leaves = leaves([9, 8, 7]);
        let before = leaves.each_ref().map(Tensor::to_data);
        let _ = value_and_gradients(KERNEL, &leaves, activation);
        let _ = KERNEL(leaves.clone().map(Tensor::inner), activation);
        assert_eq!(before, leaves.each_ref().map(Tensor::to_data));
    }
}

#[test]
fn what_is_not_tracked_is_a_constant() {
    let tracked = leaves([80, 300, 400]);
    for constant in 0..3 {
        let mut leaves = tracked.clone();
        leaves[constant] = leaves[constant].clone().inner();
        let (_, gradients) = value_and_gradients(KERNEL, &leaves, Activation::Tanh);
        for (index, gradient) in gradients.iter().enumerate() {
            assert_eq!(gradient.is_some(), index != constant);
        }
        assert!(error(KERNEL, &leaves, Activation::Tanh) < TOLERANCE);
    }
}

#[test]
fn a_result_used_twice_collects_both_gradients() {
    for activation in ACTIVATIONS {
        let twice = |form: Form| {
            let leaves = leaves([4, 5, 6]);
            let y = form(leaves.clone(), activation);
            let mut gradients = (y.clone() * y.clone() + y).sum().backward();
            leaves[1].grad_remove(&mut gradients).unwrap()
        };
        assert!(relative_error(&twice(KERNEL), &twice(COMPOSED)) < TOLERANCE);
    }
}

#[test]
fn any_rank_and_no_bias_will_do() {
    let [x, weight, _] = leaves([24, 31, 17]);
    let f = Activation::Tanh;
    let flat = linear(x.clone(), weight.clone(), None, f);
    let expected = composed::linear(x.clone(), weight.clone(), None, f);
    assert!(relative_error(&flat, &expected) < TOLERANCE);
    let cube = linear(x.clone().reshape([2, 12, 31]), weight.clone(), None, f);
    assert_eq!(cube.dims(), [2, 12, 17]);
    assert_eq!(cube.reshape([24, 17]).to_data(), flat.to_data());
    let row = linear::<1>(x.slice([5..6]).squeeze_dim(0), weight, None, f);
    let row = relative_error(&row.unsqueeze::<2>(), &flat.slice([5..6]));
    assert!(row < TOLERANCE);
    // No row at all: the composed form.
    let none = Tensor::<2>::zeros([0, 31], &Device::flex());
    let weight = Tensor::<2>::zeros([31, 17], &Device::flex());
    assert_eq!(linear(none, weight, None, f).dims(), [0, 17]);
}

#[test]
fn infinities_and_nan_pass_through_as_in_the_composed_form() {
    // Not a number, infinite, and a large number that stays finite, in rows of their own.
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, 0.5];
    let x = Tensor::<1>::from_data(odd, &device()).unsqueeze_dim::<2>(1);
    let weight = Tensor::<2>::from_data([[1.0_f32, -2.0]], &device());
    let bias = Tensor::<2>::from_data([[0.25_f32, -0.5]], &device());
    let kinds = |t: Tensor<2>| -> Vec<f32> {
        let values = t.into_data().try_to_vec::<f32>().unwrap();
        values
            .into_iter()
            .map(|x| if x.is_nan() { 7.5 } else { x })
            .collect()
    };
    let close = |got: Tensor<2>, expected: Tensor<2>, name: String| {
        let (got, expected) = (kinds(got), kinds(expected));
        for (g, e) in got.iter().zip(&expected) {
            let same = g == e || (g - e).abs() <= 1e-5 * e.abs();
            assert!(same, "{name}: {got:?}, expected {expected:?}");
        }
    };
    for activation in ACTIVATIONS {
        let leaves = [x.clone(), weight.clone(), bias.clone()]
            .map(|leaf| leaf.inner().autodiff().require_grad());
        let (y, [dx, ..]) = value_and_gradients(KERNEL, &leaves, activation);
        let (expected, [expected_dx, ..]) = value_and_gradients(COMPOSED, &leaves, activation);
        close(y, expected, format!("{activation:?}"));
        close(
            dx.unwrap(),
            expected_dx.unwrap(),
            format!("{activation:?} dx"),
        );
    }
    // An infinite gradient does not pass a unit that is off.
    let blocked = |form: Form| {
        let leaves = leaves([1, 1, 1]).map(|leaf| leaf.inner().abs().autodiff());
        let x = leaves[0].clone().neg().require_grad();
        let bias = leaves[2].zeros_like();
        let y = form([x.clone(), leaves[1].clone(), bias], Activation::Relu);
        let mut gradients = (y * f32::INFINITY).sum().backward();
        kinds(x.grad_remove(&mut gradients).unwrap())
    };
    assert_eq!(blocked(COMPOSED), [0.0]);
    assert_eq!(blocked(KERNEL), [0.0]);
}

#[test]
fn records_pass_to_and_from_burns_layer() {
    for bias in [true, false] {
        let config =
            LinearConfig::new(6, 4)
                .with_bias(bias)
                .with_initializer(Initializer::Uniform {
                    min: -1.0,
                    max: 1.0,
                });
        let device = device();
        let theirs = config.init(&device);
        let ours = Linear::new(&config, &device)
            .load_record(theirs.clone().into_record())
            .with(Activation::Identity);
        let x = Numbers(2).matrix([5, 6], 1.0, &device);
        let expected = theirs.forward(x.clone());
        assert!(relative_error(&ours.forward(x.clone()), &expected) < TOLERANCE);
        let back = config.init(&device).load_record(ours.into_record());
        assert_eq!(back.forward(x.clone()).to_data(), expected.to_data());
        // Another draw gives another layer.
        let other = Linear::new(&config, &device).forward(x);
        assert!(relative_error(&other, &expected) > 0.01);
    }
}

#[test]
fn initial_weights_are_those_of_the_configuration() {
    let config = LinearConfig::new(400, 300);
    let layer = Linear::new(&config, &device());
    assert_eq!(layer.weight.val().dims(), [400, 300]);
    // Uniform on ±1/√400, biases included.
    let weight = layer.weight.val().abs().max().into_scalar::<f64>();
    let bias = layer.bias.unwrap().val().abs().max().into_scalar::<f64>();
    assert!(weight <= 0.05 && weight > 0.0499 && bias <= 0.05 && bias > 0.045);
    let plain = Linear::new(&config.with_bias(false), &device());
    assert!(plain.bias.is_none());
}

#[test]
fn a_module_applies_its_activation() {
    let layer = Linear::new(&LinearConfig::new(5, 3), &device());
    let x = Numbers(3).matrix([4, 5], 2.0, &device());
    let plain = layer.forward(x.clone()).tanh();
    let both = layer.with(Activation::Tanh).forward(x);
    assert!(relative_error(&both, &plain) < TOLERANCE);
}

/// Each is wrong in the way a hand-written gradient usually is; the check that the tests above use must see it.
#[test]
fn wrong_values_and_gradients_are_caught() {
    let wrong: [(&str, Form); 4] = [
        ("the slope is forgotten", |[x, weight, bias], f| {
            let y = KERNEL([x.clone(), weight.clone(), bias.clone()], f).detach();
            let z = KERNEL([x, weight, bias], Activation::Identity);
            z.clone() - z.detach() + y
        }),
        ("the bias has no gradient", |[x, weight, bias], f| {
            KERNEL([x, weight, bias.clone().detach()], f) + (bias.clone() - bias.detach())
        }),
        ("one column is left out", |[x, weight, bias], f| {
            let y = KERNEL([x, weight, bias], f);
            let [rows, width] = y.dims();
            y.clone()
                .slice_assign([0..rows, width - 1..width], y.slice([0..rows, 0..1]))
        }),
        ("a value is off by 1e-4", |leaves, f| {
            KERNEL(leaves, f) * 1.0001
        }),
    ];
    for (name, form) in wrong {
        let leaves = leaves([80, 300, 400]);
        assert!(error(form, &leaves, Activation::Tanh) > TOLERANCE, "{name}");
    }
}

#[test]
#[should_panic(expected = "the last axis of x must be that of the weight [4, 5]")]
fn shapes_that_do_not_match_are_refused() {
    let zeros = |shape: [usize; 2]| Tensor::<2>::zeros(shape, &Device::flex());
    let _ = linear(zeros([2, 3]), zeros([4, 5]), None, Activation::Identity);
}
