//! Gradients of Sinkhorn balancing.

use crate::support::{
    Numbers, TYPES, column_sums, differences, distance, leaf, row_sums, tensor, values,
};
use burn::tensor::{DType, Tensor};
use unbiased_permutations::{Balanced, Error, Sinkhorn, SinkhornGradient, Stop};

const NEVER: f64 = f64::NEG_INFINITY;

/// A weighted sum of the plan and of its logarithms.
fn loss(balanced: &Balanced<3>, weights: &[f64], logs: bool) -> Tensor<1> {
    let weights = tensor(weights, balanced.plan.dims(), balanced.plan.dtype());
    let x = if logs {
        let log_plan = balanced.log_plan();
        let finite = log_plan.clone().inner().is_inf().autodiff();
        log_plan.mask_fill(finite, 0.0)
    } else {
        balanced.plan.clone()
    };
    (x * weights).sum()
}

fn gradient(
    settings: Sinkhorn,
    scores: &[f64],
    shape: [usize; 3],
    weights: &[f64],
    dtype: DType,
    logs: bool,
) -> Vec<f64> {
    let scores = leaf(scores, shape, dtype);
    let balanced = settings.balance(scores.clone()).unwrap();
    let gradients = loss(&balanced, weights, logs).backward();
    values(&scores.grad(&gradients).unwrap())
}

/// Settings whose gradient is that of what they compute.
fn exact() -> [Sinkhorn; 4] {
    [
        Sinkhorn::after(1),
        Sinkhorn::after(5).at(0.5),
        Sinkhorn::after(60).at(0.3),
        Sinkhorn::within(1e-10).at(0.5),
    ]
}

#[test]
fn gradients_match_central_differences() {
    for settings in exact() {
        for (shape, logs) in [([2, 4, 4], false), ([1, 3, 5], false), ([1, 4, 2], true)] {
            let [batch, n, m] = shape;
            let mut numbers = Numbers(11);
            let mut scores = numbers.scores(batch * n * m);
            scores[1] = NEVER;
            let weights = numbers.scores(batch * n * m);
            let got = gradient(settings, &scores, shape, &weights, DType::F64, logs);
            let value = |scores: &[f64]| {
                let balanced = settings.balance(tensor(scores, shape, DType::F64)).unwrap();
                values(&loss(&balanced, &weights, logs))[0]
            };
            let mut expected = differences(value, &scores);
            expected[1] = 0.0;
            let error = distance(&got, &expected);
            assert!(
                error < 2e-7,
                "{settings:?}, {shape:?}, logs {logs}: {error}"
            );
        }
    }
}

#[test]
fn gradients_match_in_single_precision_and_on_devices() {
    for settings in &exact()[..3] {
        for shape in [[3, 4, 4], [70, 5, 5], [2, 33, 33], [1, 20, 35], [2, 40, 17]] {
            for scale in [1.0, 30.0] {
                let [batch, n, m] = shape;
                let mut numbers = Numbers(12);
                let scores = numbers.scores(batch * n * m);
                let scores: Vec<f64> = scores.iter().map(|x| x * scale).collect();
                let weights = numbers.scores(batch * n * m);
                let run = |dtype| gradient(*settings, &scores, shape, &weights, dtype, false);
                let reference = run(DType::F64);
                // A hard plan has hardly a gradient.
                let size = reference.iter().fold(1.0, |a: f64, b| a.max(b.abs()));
                let error = distance(&run(DType::F32), &reference) / size;
                assert!(
                    error < 2e-5 * scale,
                    "{settings:?} {shape:?} {scale}: {error}"
                );
                let leaf = leaf(&scores, shape, DType::F64);
                let balanced = settings.balance_on_device(leaf.clone()).unwrap();
                let gradients = loss(&balanced, &weights, false).backward();
                let on_device = values(&leaf.grad(&gradients).unwrap());
                let error = distance(&on_device, &reference) / size;
                assert!(error < 1e-9, "{settings:?} {shape:?} {scale}: {error}");
            }
        }
    }
}

#[test]
fn gradients_of_the_limit_have_zero_sums() {
    for dtype in TYPES {
        let n = 8;
        let mut numbers = Numbers(5);
        let (scores, weights) = (numbers.scores(n * n), numbers.scores(n * n));
        let settings = Sinkhorn::within(1e-5);
        let g = gradient(settings, &scores, [1, n, n], &weights, dtype, false);
        let zeros = vec![0.0; n];
        assert!(distance(&row_sums(&g, n), &zeros) < 2e-5);
        assert!(distance(&column_sums(&g, n), &zeros) < 2e-5);
        // Many iterations have the same gradient.
        let many = gradient(
            Sinkhorn::after(200),
            &scores,
            [1, n, n],
            &weights,
            dtype,
            false,
        );
        assert!(distance(&g, &many) < 1e-4);
        // The last step alone has another one.
        let last = Sinkhorn {
            gradient: SinkhornGradient::LastStep,
            ..Sinkhorn::after(200)
        };
        let last = gradient(last, &scores, [1, n, n], &weights, dtype, false);
        assert!(distance(&g, &last) > 1e-2);
    }
}

#[test]
fn the_last_step_is_one_iteration_from_constants() {
    for dtype in TYPES {
        let n = 5;
        let mut numbers = Numbers(6);
        let (scores, weights) = (numbers.scores(n * n), numbers.scores(n * n));
        let last = Sinkhorn {
            gradient: SinkhornGradient::LastStep,
            ..Sinkhorn::after(6)
        };
        let got = gradient(last, &scores, [1, n, n], &weights, dtype, false);
        let plain = tensor(&scores, [1, n, n], dtype);
        let before = Sinkhorn::after(5).balance(plain).unwrap();
        let scores = leaf(&scores, [1, n, n], dtype);
        let step = Sinkhorn::after(1)
            .balance_from(scores.clone(), before.column_potentials)
            .unwrap();
        let gradients = loss(&step, &weights, false).backward();
        let expected = values(&scores.grad(&gradients).unwrap());
        assert!(distance(&got, &expected) < 1e-5);
    }
}

#[test]
fn gradients_survive_low_temperatures_in_single_precision() {
    let (n, shape) = (40, [2, 40, 40]);
    let mut numbers = Numbers(13);
    let (scores, weights) = (numbers.scores(2 * n * n), numbers.scores(2 * n * n));
    for tau in [0.1, 0.05, 0.02] {
        let settings = Sinkhorn::after(30).at(tau);
        let run = |dtype| gradient(settings, &scores, shape, &weights, dtype, false);
        let (single, double) = (run(DType::F32), run(DType::F64));
        assert!(single.iter().all(|g| g.is_finite()));
        let size = double.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
        let error = distance(&single, &double) / size;
        assert!(error < 1e-4 / tau, "τ = {tau}: {error}");
    }
}

#[test]
fn the_implicit_gradient_refuses_what_has_not_converged() {
    let scores = Numbers(3).scores(400);
    let settings = Sinkhorn {
        stop: Stop::After(5),
        acceleration: None,
        ..Sinkhorn::within(1e-3).at(0.1)
    };
    let error = settings.balance(leaf(&scores, [1, 20, 20], DType::F32));
    assert!(matches!(error, Err(Error::NotConverged { .. })));
    // Without a gradient the plan is to be had.
    let plain = settings
        .balance(tensor(&scores, [1, 20, 20], DType::F32))
        .unwrap();
    assert_eq!(plain.converged(1e-3), [false]);
}
