//! Functions of one or two matrices.

use crate::support::{Numbers, Pair, relative_error, value_and_gradients};
use crate::{DEVICE, TOLERANCE, differences};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{DType, Tensor, TensorData};
use unbiased_kernels::{
    KernelMask, bernoulli_kl, bernoulli_log_lik, categorical_log_lik, conv_transpose2d, conv2d,
    discretised_logistic, exp, log, log_sigmoid, log_softmax, logsumexp, sigmoid, softmax,
    softplus, tanh,
};

const OPERATIONS: [(&str, Pair); 17] = [
    ("sigmoid", |x, _| sigmoid(x)),
    ("tanh", |x, _| tanh(x)),
    ("softplus", |x, _| softplus(x)),
    ("bernoulli_log_lik", |a, b| {
        bernoulli_log_lik(a, b).unsqueeze_dim(1)
    }),
    ("bernoulli_kl", |a, b| bernoulli_kl(a, b).unsqueeze_dim(1)),
    ("categorical_log_lik", |a, b| {
        categorical_log_lik(a, b).unsqueeze_dim(1)
    }),
    ("discretised_logistic, mean and scale", |a, b| {
        discretised_logistic(levels(&a), a.clone(), b.expand(a.dims()) - 1.0, 9)
    }),
    ("discretised_logistic, value and mean", |a, b| {
        discretised_logistic(a.clone() * 0.1, b.expand(a.dims()), levels(&a), 9)
    }),
    ("softmax", |x, _| softmax(x)),
    ("log_softmax", |x, _| log_softmax(x)),
    ("logsumexp", |x, _| logsumexp(x)),
    ("log_sigmoid", |x, _| log_sigmoid(x)),
    ("exp", |x, _| exp(x)),
    ("log", |x, _| log(x.square() + 0.5)),
    ("conv2d", |a, b| {
        let options = ConvOptions::new_with_padding([2, 1], [(0, 1), (2, 0)], [1, 1], 1);
        let bias = b.clone().narrow(1, 0, 2).sum_dim(0).squeeze_dim(0);
        let y = conv2d(image(a), kernel(b), Some(bias), None, options);
        y.flatten(1, 3)
    }),
    ("conv2d with a mask", |a, b| {
        let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
        let mask = KernelMask::causal([2, 1, 2, 2], true, &a.device().inner());
        conv2d(image(a), kernel(b), None, Some(&mask), options).flatten(1, 3)
    }),
    ("conv_transpose2d", |a, b| {
        let options = ConvTransposeOptions::new([2, 3], [1, 0], [1, 2], [1, 1], 1);
        let bias = b.clone().narrow(1, 0, 1).sum_dim(0).squeeze_dim(0);
        let x = image(a);
        let x = Tensor::cat(vec![x.clone(), x * 0.5], 1);
        conv_transpose2d(x, kernel(b), Some(bias), options).flatten(1, 3)
    }),
];

/// `[rows, 1, 2, 2]`, of the first four columns.
fn image(x: Tensor<2>) -> Tensor<4> {
    let [rows, _] = x.dims();
    x.narrow(1, 0, 4).reshape([rows, 1, 2, 2])
}

/// `[2, 1, 2, 2]`, of the first four columns, added up over the rows and in two versions.
fn kernel(x: Tensor<2>) -> Tensor<4> {
    let x = x.narrow(1, 0, 4).sum_dim(0).reshape([1, 1, 2, 2]);
    Tensor::cat(vec![x.clone().square(), x], 0)
}

/// One of the values −1, −¾, …, 1 in each cell.
fn levels(like: &Tensor<2>) -> Tensor<2> {
    let [rows, columns] = like.dims();
    let values: Vec<f64> = (0..rows * columns)
        .map(|i| (i * 7 % 9) as f64 / 4.0 - 1.0)
        .collect();
    Tensor::from_data(TensorData::new(values, [rows, columns]), &*DEVICE)
}

#[test]
fn the_probabilities_of_all_levels_add_up_to_one() {
    // Against the formula, too: at a scale of 1 the differences of sigmoids keep their digits.
    for (mean, log_scale) in [(0.3, 0.0), (-2.0, -3.0), (0.9, -6.0)] {
        let x = Tensor::<2>::from_data(
            TensorData::new(
                (0..9).map(|i| f64::from(i) / 4.0 - 1.0).collect::<Vec<_>>(),
                [1, 9],
            ),
            &*DEVICE,
        );
        let full = |value: f64| Tensor::<2>::full([1, 9], value, &*DEVICE);
        let log_p = discretised_logistic(x, full(mean), full(log_scale), 9);
        let total = log_p.clone().exp().sum().into_scalar::<f64>();
        assert!((total - 1.0).abs() < 1e-12, "{mean} {log_scale}: {total}");
        if log_scale == 0.0 {
            let sigma = |x: f64| 1.0 / (1.0 + (-x).exp());
            let log_p = log_p.into_data().try_to_vec::<f64>().unwrap();
            let by_hand = (sigma(0.5 + 0.125 - mean) - sigma(0.5 - 0.125 - mean)).ln();
            assert!((log_p[6] - by_hand).abs() < 1e-12);
            assert!((log_p[0] - sigma(-1.0 + 0.125 - mean).ln()).abs() < 1e-12);
        }
    }
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
            let sum = |y: Tensor<2>| (y * weights.clone()).sum();
            let expected = differences(|a| sum(f(a, plain_b.clone())), &a);
            let error = relative_error(&da, &expected);
            assert!(error < TOLERANCE, "{name}: first gradient {error}");
            // The check sees a gradient that is wrong by one part in ten million.
            assert!(
                relative_error(&(da * (1.0 + 1e-7)), &expected) > TOLERANCE,
                "{name}"
            );
            if let Some(db) = db {
                let expected = differences(|b| sum(f(plain_a.clone(), b)), &b);
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
