//! Fast soft sort and rank.

use crate::support::{Numbers, distance, gradient_error, sorted, tensor, values};
use burn::tensor::Tensor;
use unbiased_permutations::Error;
use unbiased_permutations::sorting::{Regularization, fast_rank, fast_sort};

const BOTH: [Regularization; 2] = [Regularization::L2, Regularization::Kl];

type Function = fn(Tensor<2>, Regularization, f64) -> Result<Tensor<2>, Error>;
const FUNCTIONS: [Function; 2] = [fast_sort, fast_rank];

fn rank(x: &[f64], regularization: Regularization, epsilon: f64) -> Vec<f64> {
    values(fast_rank(tensor(x, [x.len()]), regularization, epsilon).unwrap())
}

fn sort(x: &[f64], regularization: Regularization, epsilon: f64) -> Vec<f64> {
    values(fast_sort(tensor(x, [x.len()]), regularization, epsilon).unwrap())
}

fn hard_ranks(x: &[f64]) -> Vec<f64> {
    let ahead = |x_i: &f64| x.iter().filter(|x_j| *x_j > x_i).count();
    x.iter().map(|x_i| 1.0 + ahead(x_i) as f64).collect()
}

/// All v that are non-increasing: by the largest-lowest-mean formula, `v_i = min_{a ≤ i} max_{b ≥ i} level(a..=b)`, O(n³).
fn min_max(n: usize, level: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let largest = |a: usize, i: usize| {
        (i..n)
            .map(|b| level(a, b))
            .fold(f64::NEG_INFINITY, f64::max)
    };
    (0..n)
        .map(|i| (0..=i).map(|a| largest(a, i)).fold(f64::INFINITY, f64::min))
        .collect()
}

fn level(regularization: Regularization, s: &[f64], w: &[f64]) -> f64 {
    let log_sum = |x: &[f64]| x.iter().map(|x| x.exp()).sum::<f64>().ln();
    match regularization {
        Regularization::L2 => s.iter().zip(w).map(|(s, w)| s - w).sum::<f64>() / s.len() as f64,
        Regularization::Kl => log_sum(s) - log_sum(w),
    }
}

#[test]
fn the_known_ranks() {
    let x = [1.0, -2.0, 2.0, 3.0, 0.5, -1.0];
    let ascending = rank(&x.map(|x| -x), Regularization::L2, 1.0);
    assert_eq!(ascending, [3.875, 1.0, 4.875, 5.875, 3.375, 2.0]);
}

#[test]
fn sorted_values_are_the_projection_by_the_min_max_formula() {
    for seed in 1..20 {
        let theta = Numbers(seed).normals(9);
        let w = sorted(&theta);
        for regularization in BOTH {
            let epsilon = 1.7;
            let z: Vec<f64> = (1..=9).rev().map(|i| f64::from(i) / epsilon).collect();
            let v = min_max(9, |a, b| level(regularization, &z[a..=b], &w[a..=b]));
            let expected: Vec<f64> = z.iter().zip(&v).map(|(z, v)| z - v).collect();
            let ours = sort(&theta, regularization, epsilon);
            assert!(distance(&ours, &expected) < 1e-12);
        }
    }
}

#[test]
fn ranks_are_the_projection_by_the_min_max_formula() {
    for seed in 1..20 {
        // In descending order of −θ, so that no order is to be undone.
        let mut theta = Numbers(seed).normals(9);
        theta.sort_by(f64::total_cmp);
        let epsilon = 0.4;
        let z: Vec<f64> = theta.iter().map(|x| -x / epsilon).collect();
        for regularization in BOTH {
            let w: Vec<f64> = (1..=9)
                .rev()
                .map(|i| match regularization {
                    Regularization::L2 => f64::from(i),
                    Regularization::Kl => f64::from(i).ln(),
                })
                .collect();
            let v = min_max(9, |a, b| level(regularization, &z[a..=b], &w[a..=b]));
            let expected: Vec<f64> = z
                .iter()
                .zip(&v)
                .map(|(z, v)| match regularization {
                    Regularization::L2 => z - v,
                    Regularization::Kl => (z - v).exp(),
                })
                .collect();
            assert!(distance(&rank(&theta, regularization, epsilon), &expected) < 1e-11);
        }
    }
}

#[test]
fn small_epsilon_sorts_and_ranks() {
    let x = Numbers(7).normals(12);
    for regularization in BOTH {
        assert!(distance(&rank(&x, regularization, 1e-3), &hard_ranks(&x)) < 1e-9);
        assert!(distance(&sort(&x, regularization, 1e-3), &sorted(&x)) < 1e-9);
    }
}

#[test]
fn large_epsilon_averages() {
    let x = Numbers(8).normals(5);
    let mean = x.iter().sum::<f64>() / 5.0;
    let log_mean = (x.iter().map(|x| x.exp()).sum::<f64>() / 5.0).ln();
    for (regularization, expected) in [(Regularization::L2, mean), (Regularization::Kl, log_mean)] {
        assert!(distance(&rank(&x, regularization, 1e6), &[3.0; 5]) < 1e-5);
        assert!(distance(&sort(&x, regularization, 1e6), &[expected; 5]) < 1e-5);
    }
}

#[test]
fn projections_stay_in_the_permutahedron() {
    let x = Numbers(9).normals(10);
    for regularization in BOTH {
        let ranks = sorted(&rank(&x, regularization, 0.5));
        let mut sums = [0.0, 0.0];
        for (k, r) in ranks.iter().enumerate() {
            sums[0] += r;
            sums[1] += 10.0 - k as f64;
            assert!(sums[0] <= sums[1] + 1e-9, "no more than the largest ranks");
        }
        assert!((sums[0] - sums[1]).abs() < 1e-9);
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    for seed in 1..6 {
        let x = Numbers(seed).normals(24);
        for regularization in BOTH {
            for f in FUNCTIONS {
                // Blocks of several and of one.
                for epsilon in [0.3, 1.3, 20.0] {
                    let f = |x| f(x, regularization, epsilon).unwrap();
                    let error = gradient_error(f, &x, [3, 8]);
                    assert!(error < 1e-7, "{regularization:?} {epsilon} {error:e}");
                }
            }
        }
    }
}

/// What would be the Jacobian if each block's members shared alike is wrong for the divergence: the test of the gradient sees it.
#[test]
fn the_two_regularizations_have_different_gradients() {
    let x = Numbers(3).normals(6);
    let slope = |regularization| {
        let x = tensor(&x, [6]).autodiff().require_grad();
        let y = fast_sort(x.clone(), regularization, 5.0).unwrap();
        let gradients = y.slice([0..1]).sum().backward();
        values(x.grad(&gradients).unwrap())
    };
    let [l2, kl] = BOTH.map(slope);
    assert!(distance(&l2, &kl) > 1e-2);
    let sums = [&l2, &kl].map(|slope| slope.iter().sum::<f64>());
    assert!(distance(&sums, &[1.0, 1.0]) < 1e-12, "shifts pass through");
}

#[test]
fn a_batch_is_its_lists() {
    let x = Numbers(10).normals(40);
    let batch = values(fast_rank(tensor(&x, [2, 4, 5]), Regularization::Kl, 0.7).unwrap());
    for (list, ranks) in x.chunks(5).zip(batch.chunks(5)) {
        assert_eq!(rank(list, Regularization::Kl, 0.7), ranks);
    }
}

#[test]
fn what_is_refused() {
    for f in FUNCTIONS {
        let refused =
            |x: [f64; 4], epsilon| f(tensor(&x, [2, 2]), Regularization::L2, epsilon).unwrap_err();
        assert!(matches!(
            refused([0.0; 4], 0.0),
            Error::Setting {
                setting: "epsilon",
                ..
            }
        ));
        let nan = refused([0.0, 1.0, 2.0, f64::NAN], 1.0);
        assert!(matches!(
            nan,
            Error::NotANumber {
                matrix: 1,
                column: 1,
                ..
            }
        ));
        let infinite = refused([0.0, f64::NEG_INFINITY, 2.0, 3.0], 1.0);
        assert!(matches!(
            infinite,
            Error::Unbounded {
                matrix: 0,
                column: 1,
                ..
            }
        ));
    }
}
