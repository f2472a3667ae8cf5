//! Values of Sinkhorn balancing.

use crate::support::{
    Numbers, TYPES, by_the_book, column_sums, distance, row_sums, tensor, transpose, values,
};
use burn::tensor::DType;
use unbiased_permutations::{Acceleration, Error, Sinkhorn, SinkhornGradient, Stop};

/// Of the largest entry, 1.
fn precision(dtype: DType) -> f64 {
    if dtype == DType::F32 { 5e-6 } else { 1e-12 }
}

const METHODS: [Option<Acceleration>; 3] = [
    None,
    Some(Acceleration::OverRelaxation),
    Some(Acceleration::Anderson { memory: 6 }),
];

fn within(tolerance: f64, acceleration: Option<Acceleration>) -> Sinkhorn {
    Sinkhorn {
        acceleration,
        stop: Stop::Within {
            tolerance,
            at_most: 20_000,
        },
        ..Sinkhorn::within(tolerance)
    }
}

#[test]
fn iterations_are_those_of_the_papers() {
    for dtype in TYPES {
        for (n, iterations) in [(1, 1), (2, 3), (4, 20), (17, 5), (33, 20)] {
            let scores = Numbers(n as u64).scores(3 * n * n);
            let settings = Sinkhorn::after(iterations);
            let got = settings.balance(tensor(&scores, [3, n, n], dtype)).unwrap();
            let expected: Vec<f64> = scores
                .chunks(n * n)
                .flat_map(|scores| by_the_book(scores, n, iterations))
                .collect();
            let error = distance(&values(&got.plan), &expected);
            assert!(error < precision(dtype), "{dtype:?}, n = {n}: {error}");
            assert_eq!(got.iterations, [iterations; 3]);
            for (error, plan) in got.errors.iter().zip(expected.chunks(n * n)) {
                let expected = distance(&row_sums(plan, n), &vec![1.0; n]);
                assert!((error - expected).abs() < 10.0 * precision(dtype));
            }
            // Columns first would be something else.
            let other = transpose(
                &by_the_book(&transpose(&scores[..n * n], n), n, iterations),
                n,
            );
            let apart = distance(&values(&got.plan)[..n * n], &other);
            assert!(n < 3 || iterations > 5 || apart > 1e-3);
        }
    }
}

#[test]
fn the_device_form_agrees() {
    for dtype in TYPES {
        for shape in [[2, 7, 7], [3, 9, 9], [3, 4, 6], [2, 6, 3], [1, 1, 4]] {
            let [batch, n, m] = shape;
            let mut scores = Numbers(5).scores(batch * n * m);
            scores[1] = f64::NEG_INFINITY;
            if batch > 2 {
                // A row without allowed pairs.
                scores[n * m..(n + 1) * m].fill(f64::NEG_INFINITY);
            }
            let scores = tensor(&scores, shape, dtype);
            let settings = Sinkhorn::after(6).at(0.3);
            let got = settings.balance(scores.clone()).unwrap();
            let expected = settings.balance_on_device(scores).unwrap();
            let pairs = [
                (&got.plan, &expected.plan),
                (&got.row_potentials, &expected.row_potentials),
                (&got.column_potentials, &expected.column_potentials),
                (&got.log_plan(), &expected.log_plan()),
            ];
            for (got, expected) in pairs {
                let error = distance(&values(got), &values(expected));
                assert!(
                    error < 10.0 * precision(dtype),
                    "{dtype:?} {shape:?}: {error}"
                );
            }
            let error = distance(&got.errors, &expected.errors);
            assert!(
                error < 10.0 * precision(dtype),
                "{dtype:?} {shape:?}: errors {error}"
            );
        }
    }
}

#[test]
fn sums_are_one_however_it_is_accelerated() {
    for dtype in TYPES {
        let (batch, n) = (4, 30);
        let scores = tensor(&Numbers(3).scores(batch * n * n), [batch, n, n], dtype);
        for tau in [1.0, 0.3] {
            let mut plans = Vec::new();
            for (method, scaling) in METHODS.into_iter().zip([false, false, true]) {
                let settings = Sinkhorn {
                    epsilon_scaling: scaling,
                    ..within(1e-5, method).at(tau)
                };
                let got = settings.balance(scores.clone()).unwrap();
                assert!(
                    got.converged(1e-5).iter().all(|&yes| yes),
                    "{method:?} {got:?}"
                );
                let plan = values(&got.plan);
                for plan in plan.chunks(n * n) {
                    let ones = vec![1.0; n];
                    assert!(distance(&row_sums(plan, n), &ones) < 1.5e-5);
                    assert!(distance(&column_sums(plan, n), &ones) < 5e-6);
                }
                let log_plan = values(&got.log_plan());
                let logs = plan.iter().zip(log_plan);
                assert!(logs.into_iter().all(|(p, l)| (p - l.exp()).abs() < 1e-5));
                plans.push(plan);
            }
            for plan in &plans[1..] {
                assert!(distance(plan, &plans[0]) < 1e-3);
            }
        }
    }
}

#[test]
fn acceleration_needs_fewer_iterations() {
    // Recomputed medians of the literature at n = 100 and 1e-3: plain 24, 304 and 1386 at τ = 1, 0.5 and 0.1.
    let n = 100;
    let scores = tensor(&Numbers(8).scores(10 * n * n), [10, n, n], DType::F64);
    let mut medians = Vec::new();
    for tau in [1.0, 0.5, 0.1] {
        let counts = METHODS.map(|method| {
            let settings = within(1e-3, method).at(tau);
            let mut counts = settings.balance(scores.clone()).unwrap().iterations;
            counts.sort_unstable();
            counts
        });
        println!("{tau}: {counts:?}");
        medians.push(counts.map(|counts| counts[5]));
    }
    for [plain, relaxed, anderson] in medians {
        assert!(relaxed <= plain && anderson <= plain);
    }
}

#[test]
fn two_by_two_is_a_sigmoid() {
    for dtype in TYPES {
        for (tau, d) in [(1.0, 0.7), (0.2, -1.3), (0.05, 0.9)] {
            let scores = tensor(&[d + 1.0, 2.0, 1.0, 2.0], [2, 2], dtype);
            for method in METHODS {
                let plan = within(1e-6, method)
                    .at(tau)
                    .balance(scores.clone())
                    .unwrap();
                let p = 1.0 / (1.0 + (-d / (2.0 * tau)).exp());
                let error = distance(&values(&plan.plan), &[p, 1.0 - p, 1.0 - p, p]);
                assert!(error < 5e-6, "{dtype:?} τ = {tau} {method:?}: {error}");
            }
        }
    }
}

#[test]
fn shifts_of_lines_do_not_matter_and_permutations_carry_over() {
    for dtype in TYPES {
        let n = 9;
        let scores = Numbers(4).scores(n * n);
        let settings = within(1e-6, METHODS[2]);
        let plan = |scores: &[f64]| {
            let balanced = settings.balance(tensor(scores, [n, n], dtype)).unwrap();
            values(&balanced.plan)
        };
        let reference = plan(&scores);
        let shifted: Vec<f64> = (0..n * n)
            .map(|at| scores[at] + (at / n) as f64 - 0.7 * (at % n) as f64)
            .collect();
        assert!(distance(&plan(&shifted), &reference) < 1e-5);
        let rotated: Vec<f64> = (0..n * n)
            .map(|at| scores[(at + 2 * n) % (n * n)])
            .collect();
        let expected: Vec<f64> = (0..n * n)
            .map(|at| reference[(at + 2 * n) % (n * n)])
            .collect();
        assert!(distance(&plan(&rotated), &expected) < 1e-5);
    }
}

#[test]
fn hot_is_uniform() {
    for dtype in TYPES {
        let scores = tensor(&Numbers(4).scores(25), [5, 5], dtype);
        let plan = Sinkhorn::after(3).at(1e6).balance(scores).unwrap().plan;
        assert!(distance(&values(&plan), &[0.2; 25]) < 1e-5);
    }
}

#[test]
fn single_precision_is_safe_at_low_temperatures() {
    for (n, scale) in [(10, 1.0), (100, 1.0), (40, 100.0)] {
        let scores: Vec<f64> = Numbers(6)
            .scores(4 * n * n)
            .iter()
            .map(|x| x * scale)
            .collect();
        for tau in [0.15, 0.05, 0.01] {
            let plan = |dtype| {
                let scores = tensor(&scores, [4, n, n], dtype);
                let got = Sinkhorn::after(50).at(tau).balance(scores).unwrap();
                assert!(got.errors.iter().all(|e| e.is_finite()));
                values(&got.plan)
            };
            let (single, double) = (plan(DType::F32), plan(DType::F64));
            // Scores/τ themselves have this error in single precision.
            let allowed = 3e-6 * scale * 10.0 / tau;
            let error = distance(&single, &double);
            assert!(error < allowed, "n = {n}, τ = {tau}: {error}");
            for plan in single.chunks(n * n) {
                assert!(distance(&column_sums(plan, n), &vec![1.0; n]) < 1e-4);
            }
        }
    }
}

#[test]
fn forbidden_pairs_stay_empty() {
    for dtype in TYPES {
        let n = 6;
        let mut scores = Numbers(4).scores(n * n);
        for (at, score) in scores.iter_mut().enumerate() {
            if at / n > at % n + 2 {
                *score = f64::NEG_INFINITY;
            }
        }
        let balanced = within(1e-5, METHODS[2])
            .balance(tensor(&scores, [n, n], dtype))
            .unwrap();
        assert_eq!(balanced.converged(1e-5), [true]);
        let plan = values(&balanced.plan);
        for (p, score) in plan.iter().zip(&scores) {
            assert_eq!(*p == 0.0, score.is_infinite());
        }
        // Two rows that allow the same single column: no balance, an error, no NaN.
        let impossible = [0.0, f64::NEG_INFINITY, 0.0, f64::NEG_INFINITY];
        for method in METHODS {
            let settings = Sinkhorn {
                stop: Stop::Within {
                    tolerance: 1e-3,
                    at_most: 100,
                },
                ..within(1e-3, method)
            };
            let got = settings
                .balance(tensor(&impossible, [2, 2], dtype))
                .unwrap();
            assert_eq!(got.converged(1e-3), [false]);
            assert!(values(&got.plan).iter().all(|p| p.is_finite()));
        }
    }
}

#[test]
fn rectangles_are_matched_partially() {
    for dtype in TYPES {
        let (n, m) = (3, 5);
        let scores = Numbers(9).scores(n * m);
        // The slack line stands for m − n lines of its own.
        let mut square = scores.clone();
        square.extend(vec![0.0; (m - n) * m]);
        let settings = Sinkhorn::after(7);
        let got = settings.balance(tensor(&scores, [n, m], dtype)).unwrap();
        let whole = by_the_book(&square, m, 7);
        assert!(distance(&values(&got.plan), &whole[..n * m]) < precision(dtype));
        // The other way round the order of rows and columns matters until it has converged.
        let settings = within(1e-6, METHODS[0]);
        let plan = |scores: &[f64], shape| {
            values(&settings.balance(tensor(scores, shape, dtype)).unwrap().plan)
        };
        let upright = plan(&transpose(&scores, m), [m, n]);
        assert!(distance(&transpose(&upright, n), &plan(&scores, [n, m])) < 1e-5);
        assert!(
            column_sums(&upright, n)
                .iter()
                .all(|s| (s - 1.0).abs() < 1e-5)
        );
        assert!(row_sums(&upright, n).iter().all(|s| *s < 1.0));
    }
}

#[test]
fn a_matrix_does_not_depend_on_its_batch() {
    for dtype in TYPES {
        let n = 20;
        let mut scores = Numbers(2).scores(40 * n * n);
        for score in &mut scores[n * n..2 * n * n] {
            *score *= 8.0;
        }
        for method in METHODS {
            let settings = within(1e-4, method);
            let all = settings
                .balance(tensor(&scores, [5, 8, n, n], dtype))
                .unwrap();
            let plans = values(&all.plan);
            for i in [0, 1, 39] {
                let part = i * n * n..(i + 1) * n * n;
                let one = settings
                    .balance(tensor(&scores[part.clone()], [n, n], dtype))
                    .unwrap();
                assert_eq!(values(&one.plan), plans[part]);
                assert_eq!(one.iterations[0], all.iterations[i]);
            }
            assert!(all.iterations[1] > all.iterations[0]);
        }
        // Small ones share registers.
        let n = 5;
        let scores = &scores[..40 * n * n];
        let settings = Sinkhorn::after(20).at(0.3);
        let plans = values(
            &settings
                .balance(tensor(scores, [40, n, n], dtype))
                .unwrap()
                .plan,
        );
        for i in [0, 31, 39] {
            let part = i * n * n..(i + 1) * n * n;
            let one = tensor(&scores[part.clone()], [n, n], dtype);
            assert_eq!(values(&settings.balance(one).unwrap().plan), plans[part]);
        }
    }
}

#[test]
fn potentials_are_a_warm_start() {
    let n = 30;
    let scores = tensor(&Numbers(2).scores(n * n), [n, n], DType::F32);
    let settings = within(1e-4, METHODS[0]).at(0.5);
    let cold = settings.balance(scores.clone()).unwrap();
    let warm = settings
        .balance_from(scores, cold.column_potentials.clone())
        .unwrap();
    assert!(warm.iterations[0] <= 2 && cold.iterations[0] > 10);
}

#[test]
fn settings_are_checked() {
    let scores = || tensor(&[0.0; 4], [2, 2], DType::F32);
    let bad = [
        Sinkhorn::after(0),
        Sinkhorn::after(5).at(0.0),
        Sinkhorn::after(5).at(f64::NAN),
        Sinkhorn::within(0.0),
        within(1e-3, Some(Acceleration::Anderson { memory: 0 })),
        Sinkhorn {
            gradient: SinkhornGradient::Truncated,
            ..Sinkhorn::within(1e-3)
        },
    ];
    for settings in bad {
        let error = settings.balance(scores()).unwrap_err();
        assert!(matches!(error, Error::Setting { .. }), "{settings:?}");
    }
}
