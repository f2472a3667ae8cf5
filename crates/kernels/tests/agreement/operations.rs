//! Functions of one or two matrices: element by element, row by row, and sums of rows.

use crate::support::{Numbers, Pair, relative_error, value_and_gradients};
use crate::{TOLERANCE, device};
use burn::tensor::{DType, Device, Tensor, TensorData};
use unbiased_kernels::{
    bernoulli_kl, bernoulli_log_lik, categorical_log_lik, composed, discretised_logistic, exp, log,
    log_sigmoid, log_softmax, logsumexp, sigmoid, softmax, softplus, tanh,
};

/// Name, kernel, composed form. A map ignores its second argument; a row sum is turned into a column.
const OPERATIONS: [(&str, Pair, Pair); 14] = [
    ("sigmoid", |x, _| sigmoid(x), |x, _| composed::sigmoid(x)),
    ("tanh", |x, _| tanh(x), |x, _| composed::tanh(x)),
    ("softplus", |x, _| softplus(x), |x, _| composed::softplus(x)),
    (
        "bernoulli_log_lik",
        |a, b| bernoulli_log_lik(a, b).unsqueeze_dim(1),
        |a, b| composed::bernoulli_log_lik(a, b).unsqueeze_dim(1),
    ),
    (
        "bernoulli_kl",
        |a, b| bernoulli_kl(a, b).unsqueeze_dim(1),
        |a, b| composed::bernoulli_kl(a, b).unsqueeze_dim(1),
    ),
    (
        "categorical_log_lik",
        |a, b| categorical_log_lik(a, b).unsqueeze_dim(1),
        |a, b| composed::categorical_log_lik(a, b).unsqueeze_dim(1),
    ),
    (
        "discretised_logistic, mean and scale",
        |a, b| discretised_logistic(levels(&a), a.clone(), scales(&a, b), 9),
        |a, b| composed::discretised_logistic(levels(&a), a.clone(), scales(&a, b), 9),
    ),
    (
        "discretised_logistic, value and mean",
        |a, b| discretised_logistic(a.clone() * 0.01, scales(&a, b), levels(&a), 9),
        |a, b| composed::discretised_logistic(a.clone() * 0.01, scales(&a, b), levels(&a), 9),
    ),
    ("softmax", |x, _| softmax(x), |x, _| composed::softmax(x)),
    (
        "log_softmax",
        |x, _| log_softmax(x),
        |x, _| composed::log_softmax(x),
    ),
    (
        "logsumexp",
        |x, _| logsumexp(x),
        |x, _| composed::logsumexp(x),
    ),
    (
        "log_sigmoid",
        |x, _| log_sigmoid(x),
        |x, _| composed::log_sigmoid(x),
    ),
    (
        "exp",
        |x, _| exp(x.clamp_max(4.0)),
        |x, _| composed::exp(x.clamp_max(4.0)),
    ),
    (
        "log",
        |x, _| log(x.abs() + 0.1),
        |x, _| composed::log(x.abs() + 0.1),
    ),
];

/// One of the values −1, −¾, …, 1 in each cell.
fn levels(like: &Tensor<2>) -> Tensor<2> {
    let [rows, columns] = like.dims();
    let values: Vec<f32> = (0..rows * columns)
        .map(|i| (i * 7 % 9) as f32 / 4.0 - 1.0)
        .collect();
    Tensor::<2>::from_data(TensorData::new(values, [rows, columns]), &Device::flex())
        .cast(like.dtype())
}

/// Log scales about −1, one for every cell.
fn scales(like: &Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    b.expand(like.dims()) * 0.3 - 1.0
}

/// The largest relative error over value and gradients; every gradient that one side has the other must have.
fn error(
    kernel: Pair,
    reference: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<2>,
    a: &Tensor<2>,
    b: &Tensor<2>,
) -> f64 {
    let shape = kernel(a.clone(), b.clone()).dims();
    let weights = Numbers(99).matrix(shape, 1.0, &Device::flex());
    let (value, gradients) = value_and_gradients(kernel, a, b, &weights);
    let (reference_value, reference_gradients) = value_and_gradients(reference, a, b, &weights);
    let mut worst = relative_error(&value, &reference_value);
    for pair in gradients.into_iter().zip(reference_gradients) {
        match pair {
            (Some(got), Some(reference)) => worst = worst.max(relative_error(&got, &reference)),
            (None, None) => {}
            (got, reference) => panic!(
                "gradient: kernel {}, composed {}",
                got.is_some(),
                reference.is_some()
            ),
        }
    }
    worst
}

fn leaves(shape: [usize; 2], b_rows: usize, scale: f32, seed: u32) -> (Tensor<2>, Tensor<2>) {
    let mut numbers = Numbers(seed);
    let a = numbers.matrix(shape, scale, &device());
    let b = numbers.matrix([b_rows, shape[1]], scale, &device());
    (a.require_grad(), b.require_grad())
}

#[test]
fn values_and_gradients_agree_over_shapes() {
    let mut numbers = Numbers(7);
    let random = (0..20).map(|_| {
        [
            1 + (numbers.next().abs() * 40.0) as usize,
            1 + (numbers.next().abs() * 300.0) as usize,
        ]
    });
    let chosen = [
        [1, 1],
        [1, 17],
        [1, 784],
        [33, 1],
        [24, 784],
        [7, 65],
        [401, 784],
    ];
    for shape in chosen.into_iter().chain(random.collect::<Vec<_>>()) {
        for (name, kernel, reference) in OPERATIONS {
            for b_rows in [shape[0], 1] {
                let (a, b) = leaves(shape, b_rows, 5.0, 1);
                let error = error(kernel, reference, &a, &b);
                assert!(
                    error < TOLERANCE,
                    "{name} {shape:?}, b with {b_rows} rows: {error}"
                );
            }
        }
    }
}

#[test]
fn values_and_gradients_agree_on_views() {
    let views: [(&str, Pair); 4] = [
        ("transposed", |x, _| x.transpose()),
        ("sliced rows", |x, _| x.slice([1..4, 0..12])),
        ("sliced columns", |x, _| x.slice([0..12, 3..10])),
        ("flipped", |x, _| x.flip([1])),
    ];
    for (name, kernel, reference) in OPERATIONS {
        for (view_name, view) in views {
            let (a, b) = leaves([12, 12], 12, 4.0, 2);
            let weights = Numbers(99).matrix(
                kernel(view(a.clone(), b.clone()), view(b.clone(), a.clone())).dims(),
                1.0,
                &Device::flex(),
            );
            let run = |f: Pair| {
                let y = f(view(a.clone(), b.clone()), view(b.clone(), a.clone()));
                let value = y.clone().inner();
                let mut gradients = (y * weights.clone()).sum().backward();
                (
                    value,
                    a.grad_remove(&mut gradients),
                    b.grad_remove(&mut gradients),
                )
            };
            let ((y, da, db), (y_reference, da_reference, db_reference)) =
                (run(kernel), run(reference));
            assert!(
                relative_error(&y, &y_reference) < TOLERANCE,
                "{name} {view_name}"
            );
            assert!(
                relative_error(&da.unwrap(), &da_reference.unwrap()) < TOLERANCE,
                "{name} {view_name}: first gradient"
            );
            assert_eq!(db.is_some(), db_reference.is_some(), "{name} {view_name}");
            if let (Some(db), Some(reference)) = (db, db_reference) {
                assert!(
                    relative_error(&db, &reference) < TOLERANCE,
                    "{name} {view_name}: second gradient"
                );
            }
        }
    }
}

#[test]
fn views_and_inputs_are_left_as_they_were() {
    for (name, kernel, _) in OPERATIONS {
        let (a, b) = leaves([5, 6], 5, 2.0, 3);
        for (a, b) in [(a.clone(), b.clone()), (a.inner(), b.inner())] {
            let before = (a.to_data(), b.to_data());
            // A narrowed view shares its buffer with the whole.
            let _ = kernel(a.clone().narrow(0, 0, 3), b.clone().narrow(0, 0, 3));
            let _ = kernel(a.clone(), b.clone());
            assert_eq!(
                before,
                (a.to_data(), b.to_data()),
                "{name} wrote into its input"
            );
        }
    }
}

#[test]
fn an_untracked_side_is_a_constant() {
    for (name, kernel, reference) in &OPERATIONS[3..6] {
        let (a, b) = leaves([6, 31], 6, 3.0, 4);
        let untracked = Numbers(5).matrix([6, 31], 1.0, &device());
        let plain = untracked.clone().inner();
        for constant in [untracked, plain] {
            let first = error(*kernel, *reference, &a, &constant);
            let second = error(*kernel, *reference, &constant, &b);
            assert!(
                first < TOLERANCE && second < TOLERANCE,
                "{name}: {first} {second}"
            );
        }
    }
}

#[test]
fn plain_tensors_give_the_tracked_values() {
    for (name, kernel, _) in OPERATIONS {
        let (a, b) = leaves([9, 50], 9, 5.0, 6);
        let tracked = kernel(a.clone(), b.clone()).inner().to_data();
        assert_eq!(kernel(a.inner(), b.inner()).to_data(), tracked, "{name}");
    }
}

#[test]
fn a_result_used_twice_collects_both_gradients() {
    for (name, kernel, reference) in OPERATIONS {
        let (a, b) = leaves([4, 7], 4, 2.0, 8);
        let run = |f: Pair| {
            let y = f(a.clone(), b.clone());
            let mut gradients = (y.clone() * y.clone() + y).sum().backward();
            a.grad_remove(&mut gradients).unwrap()
        };
        assert!(
            relative_error(&run(kernel), &run(reference)) < TOLERANCE,
            "{name}"
        );
    }
}

#[test]
fn gradient_checkpointing_devices_work() {
    for (name, kernel, reference) in OPERATIONS {
        let device = device().gradient_checkpointing();
        let a = Numbers(1).matrix([3, 20], 2.0, &device).require_grad();
        let b = Numbers(2).matrix([3, 20], 2.0, &device).require_grad();
        let error = error(kernel, reference, &a, &b);
        assert!(error < TOLERANCE, "{name}: {error}");
    }
}

#[test]
fn extreme_logits_keep_their_precision() {
    let extremes = [
        1e4, -1e4, 88.0, -88.0, 104.0, -104.0, 20.0, -20.0, 0.0, 1e-20,
    ];
    let targets: [f32; 10] = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.25, 0.0, 1.0, 0.5];
    let a = Tensor::<2>::from_data([extremes], &device()).require_grad();
    let b = Tensor::<2>::from_data([targets], &device()).require_grad();
    for (name, kernel, reference) in OPERATIONS {
        // In single precision the large terms of the composed divergence leave nothing to compare with.
        let reference = |a: Tensor<2>, b: Tensor<2>| {
            reference(a.cast(DType::F64), b.cast(DType::F64)).cast(DType::F32)
        };
        let error = error(kernel, reference, &a, &b);
        assert!(error < TOLERANCE, "{name}: {error}");
    }
}

/// Bit for bit would be too much; the same kind of number is not.
fn kind(x: f32) -> &'static str {
    match x {
        x if x.is_nan() => "nan",
        f32::INFINITY => "+inf",
        f32::NEG_INFINITY => "-inf",
        _ => "finite",
    }
}

fn kinds<const D: usize>(t: Tensor<D>) -> Vec<&'static str> {
    t.into_data()
        .try_to_vec::<f32>()
        .unwrap()
        .into_iter()
        .map(kind)
        .collect()
}

#[test]
fn infinities_and_nan_pass_through_as_in_the_composed_form() {
    let odd = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 0.5];
    let a = Tensor::<2>::from_data([odd; 3], &device())
        .transpose()
        .require_grad();
    let a = a.inner().autodiff().require_grad();
    // Rows: +inf, -inf, NaN, finite; targets 0, 1, ½ would poison each other in a sum, so one per call.
    for target in [0.0_f32, 1.0, 0.5] {
        let b = Tensor::<2>::full([4, 3], target, &device());
        for (name, kernel, reference) in &OPERATIONS[..4] {
            let weights = Tensor::ones(kernel(a.clone(), b.clone()).dims(), &Device::flex());
            let (value, [gradient, _]) = value_and_gradients(*kernel, &a, &b, &weights);
            let (reference_value, [reference_gradient, _]) =
                value_and_gradients(*reference, &a, &b, &weights);
            assert_eq!(
                kinds(value),
                kinds(reference_value),
                "{name}, target {target}"
            );
            if *name == "bernoulli_log_lik" {
                // The composed gradient is the sum of two; x − σ(l) is finite at both ends, as it should be.
                let expected = ["finite", "finite", "nan", "finite"]
                    .map(|k| [k; 3])
                    .concat();
                assert_eq!(
                    kinds(gradient.unwrap()),
                    expected,
                    "{name}, target {target}"
                );
            } else {
                assert_eq!(
                    kinds(gradient.unwrap()),
                    kinds(reference_gradient.unwrap()),
                    "{name}, target {target}"
                );
            }
        }
    }
    // The divergence: NaN in either argument, and no leak into other rows.
    let (q, p) = leaves([3, 4], 3, 1.0, 1);
    let nan = Tensor::<2>::from_data([[f32::NAN, 0.0, 0.0, 0.0]], &Device::flex());
    let q_bad = q.clone().inner().slice_assign([1..2, 0..4], nan.clone());
    let p_bad = p.clone().inner().slice_assign([1..2, 0..4], nan);
    assert_eq!(
        kinds(bernoulli_kl(q_bad, p.inner())),
        ["finite", "nan", "finite"]
    );
    assert_eq!(
        kinds(bernoulli_kl(q.inner(), p_bad)),
        ["finite", "nan", "finite"]
    );
}

#[test]
fn empty_tensors_are_allowed() {
    let empty =
        || Tensor::<2>::from_data(TensorData::new(Vec::<f32>::new(), [0, 5]), &Device::flex());
    assert_eq!(bernoulli_log_lik(empty(), empty()).dims(), [0]);
    assert_eq!(bernoulli_kl(empty(), empty()).dims(), [0]);
    assert_eq!(tanh(empty()).dims(), [0, 5]);
}

#[test]
#[should_panic(expected = "targets must be [2, 3] or [1, 3], got [3, 2]")]
fn shapes_that_do_not_match_are_refused() {
    let x = Tensor::<2>::zeros([2, 3], &Device::flex());
    let _ = bernoulli_log_lik(x.clone(), x.transpose());
}

/// Each is wrong in the way a hand-written gradient usually is; the check that all tests above use must see it.
#[test]
fn wrong_values_and_gradients_are_caught() {
    let wrong: [(&str, Pair, Pair); 8] = [
        // The value is right, the gradient 5 % too large.
        (
            "scaled",
            |x, _| {
                let y = sigmoid(x);
                y.clone() * 1.05 - y.detach() * 0.05
            },
            OPERATIONS[0].2,
        ),
        // The derivative of the target is forgotten.
        (
            "forgotten",
            |a, b| {
                bernoulli_log_lik(a, b.clone()).unsqueeze_dim(1)
                    + (b.clone() - b.detach()).sum_dim(1)
            },
            OPERATIONS[3].2,
        ),
        // The gradient reaches the wrong row.
        (
            "shifted",
            |a, b| bernoulli_log_lik(a.flip([0]), b.flip([0])).unsqueeze_dim(1),
            OPERATIONS[3].2,
        ),
        // One column is left out.
        (
            "tail",
            |a, b| bernoulli_kl(a.narrow(1, 0, 16), b.narrow(1, 0, 16)).unsqueeze_dim(1),
            OPERATIONS[4].2,
        ),
        // A value off by 1e-4.
        ("value", |x, _| tanh(x) * 1.0001, OPERATIONS[1].2),
        // Targets that do not add up to 1, treated as if they did.
        (
            "targets",
            |a, b| (a.clone() * b).sum_dim(1) - logsumexp(a),
            OPERATIONS[5].2,
        ),
        // The ends are not open.
        (
            "ends",
            |a, b| discretised_logistic(levels(&a) * 0.999, a.clone(), scales(&a, b), 9),
            OPERATIONS[6].2,
        ),
        // The mean over the row is forgotten in the gradient.
        (
            "softmax",
            |x, _| {
                let max = x.clone().detach().max_dim(1);
                let e = (x - max).exp();
                e.clone() / e.detach().sum_dim(1)
            },
            OPERATIONS[8].2,
        ),
    ];
    let (a, b) = leaves([5, 17], 5, 2.0, 9);
    for (name, kernel, reference) in wrong {
        assert!(
            error(kernel, reference, &a, &b) > TOLERANCE,
            "the check missed: {name}"
        );
    }
}
