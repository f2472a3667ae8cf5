//! The composed forms in double precision against central differences. A binary of its own: the device's default precision is set once per
//! process, before its first tensor. The kernels are single precision, so here the public functions run the composed forms.

mod support;

use burn::tensor::{DType, Device, FloatDType, IntDType, Tensor};
use std::sync::LazyLock;
use support::{Numbers, Pair, relative_error, value_and_gradients};
use unbiased_kernels::{bernoulli_kl, bernoulli_log_lik, sigmoid, softplus, tanh};

static DEVICE: LazyLock<Device> = LazyLock::new(|| {
    let mut device = Device::flex();
    device
        .configure((FloatDType::F64, IntDType::I64))
        .expect("no tensor exists yet");
    device.autodiff()
});

const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 1e-8;

const OPERATIONS: [(&str, Pair); 5] = [
    ("sigmoid", |x, _| sigmoid(x)),
    ("tanh", |x, _| tanh(x)),
    ("softplus", |x, _| softplus(x)),
    ("bernoulli_log_lik", |a, b| {
        bernoulli_log_lik(a, b).unsqueeze_dim(1)
    }),
    ("bernoulli_kl", |a, b| bernoulli_kl(a, b).unsqueeze_dim(1)),
];

/// Central differences of the weighted sum of `f` in one argument.
fn differences(
    f: impl Fn(Tensor<2>) -> Tensor<2>,
    at: &Tensor<2>,
    weights: &Tensor<2>,
) -> Tensor<2> {
    let at = at.clone().inner();
    let [rows, columns] = at.dims();
    let mut gradient = at.zeros_like();
    for i in 0..rows {
        for j in 0..columns {
            let cell = [i..i + 1, j..j + 1];
            let shifted = |by: f64| {
                let moved = at.clone().slice(cell.clone()) + by;
                (f(at.clone().slice_assign(cell.clone(), moved)) * weights.clone()).sum()
            };
            let slope = (shifted(STEP) - shifted(-STEP)) / (2.0 * STEP);
            gradient = gradient.slice_assign(cell.clone(), slope.reshape([1, 1]));
        }
    }
    gradient
}

#[test]
fn gradients_match_central_differences() {
    for (name, f) in OPERATIONS {
        for b_rows in [3, 1] {
            let mut numbers = Numbers(1);
            let a = numbers.matrix([3, 5], 6.0, &DEVICE).require_grad();
            let b = numbers.matrix([b_rows, 5], 2.0, &DEVICE).require_grad();
            assert_eq!(a.dtype(), DType::F64);
            let (plain_a, plain_b) = (a.clone().inner(), b.clone().inner());
            let weights = numbers
                .matrix(f(plain_a.clone(), plain_b.clone()).dims(), 1.0, &DEVICE)
                .inner();
            let (_, [da, db]) = value_and_gradients(f, &a, &b, &weights);
            let da = da.expect("the first argument is tracked");
            let expected = differences(|a| f(a, plain_b.clone()), &a, &weights);
            let error = relative_error(&da, &expected);
            assert!(error < TOLERANCE, "{name}: first gradient {error}");
            // The check sees a gradient that is wrong by one part in ten million.
            assert!(
                relative_error(&(da * (1.0 + 1e-7)), &expected) > TOLERANCE,
                "{name}"
            );
            if let Some(db) = db {
                let expected = differences(|b| f(plain_a.clone(), b), &b, &weights);
                let error = relative_error(&db, &expected);
                assert!(error < TOLERANCE, "{name}: second gradient {error}");
            }
        }
    }
}

#[test]
fn gradients_at_zero_logits_are_exact() {
    // Weights start at zero often enough: σ(0) = ½, and softplus must have slope ½ there, not that of one of its sides.
    let zero = Tensor::<2>::zeros([1, 4], &*DEVICE).require_grad();
    let one = Tensor::<2>::ones([1, 4], &*DEVICE);
    let weights = Tensor::<2>::ones([1, 4], &*DEVICE).inner();
    let (_, [slope, _]) = value_and_gradients(|x, _| softplus(x), &zero, &one, &weights);
    assert_eq!(
        slope.unwrap().into_data().try_to_vec::<f64>().unwrap(),
        [0.5; 4]
    );
    let (_, [slope, _]) =
        value_and_gradients(OPERATIONS[3].1, &zero, &one, &weights.narrow(1, 0, 1));
    assert_eq!(
        slope.unwrap().into_data().try_to_vec::<f64>().unwrap(),
        [0.5; 4]
    );
}
