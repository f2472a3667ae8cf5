//! The assignment problem.

use crate::support::{Numbers, TYPES, distance, tensor, transpose, values};
use burn::tensor::DType;
use unbiased_permutations::{
    Assignment, Error, Sinkhorn, assign, assign_batch, assign_batch_from, assign_from,
};

const NEVER: f64 = f64::NEG_INFINITY;

/// The best score of rows `i..` with the columns that are left; −∞ if there is no complete matching. For n ≤ m.
fn brute_force(scores: &[f64], m: usize, i: usize, used: u32) -> f64 {
    if i * m == scores.len() {
        return 0.0;
    }
    let free = (0..m).filter(|j| used & (1 << j) == 0);
    let each = free.map(|j| scores[i * m + j] + brute_force(scores, m, i + 1, used | (1 << j)));
    each.fold(NEVER, f64::max)
}

/// Complete, feasible, and certified by its duals.
fn certify(got: &Assignment, scores: &[f64], [n, m]: [usize; 2]) {
    let tolerance = 1e-9
        * scores
            .iter()
            .filter(|x| x.is_finite())
            .fold(1.0, |a: f64, x| a.max(x.abs()));
    let mut used = vec![false; m];
    let mut value = 0.0;
    for (i, column) in got.columns.iter().enumerate() {
        let Some(j) = *column else { continue };
        assert!(!core::mem::replace(&mut used[j], true));
        value += scores[i * m + j];
        let gap = got.row_duals[i] + got.column_duals[j] - scores[i * m + j];
        assert!(gap.abs() < tolerance, "pair ({i}, {j}) has slack {gap}");
    }
    assert_eq!(used.iter().filter(|&&u| u).count(), n.min(m));
    assert!((value - got.value).abs() < tolerance);
    let duals: f64 = got.row_duals.iter().chain(&got.column_duals).sum();
    assert!((duals - value).abs() < tolerance * (n + m) as f64);
    for (i, u) in got.row_duals.iter().enumerate() {
        for (j, v) in got.column_duals.iter().enumerate() {
            assert!(u + v >= scores[i * m + j] - tolerance, "({i}, {j})");
        }
    }
    if n < m {
        assert!(
            got.column_duals
                .iter()
                .zip(&used)
                .all(|(v, used)| *v >= -tolerance && (*used || *v == 0.0))
        );
    }
    if m < n {
        let lines = got.row_duals.iter().zip(&got.columns);
        assert!(
            lines
                .into_iter()
                .all(|(u, c)| *u >= -tolerance && (c.is_some() || *u == 0.0))
        );
    }
}

#[test]
fn small_ones_match_brute_force() {
    let mut numbers = Numbers(1);
    for round in 0..3000 {
        let n = 1 + round % 7;
        let m = n + round % 3;
        let mut scores: Vec<f64> = match round % 4 {
            0 => numbers.scores(n * m),
            // Ties, also between all of them.
            1 => (0..n * m)
                .map(|_| (numbers.uniform() * 4.0).floor())
                .collect(),
            2 => (0..n * m)
                .map(|_| (numbers.uniform() * 2.0).floor() * 1e6)
                .collect(),
            _ => vec![1.0; n * m],
        };
        if round % 5 == 0 {
            for score in &mut scores {
                if numbers.uniform() < 0.4 {
                    *score = NEVER;
                }
            }
        }
        let best = brute_force(&scores, m, 0, 0);
        let upright = assign(&scores, [n, m]);
        let lying = assign(&transpose(&scores, m), [m, n]);
        let duals: Vec<f64> = (0..m).map(|_| 10.0 * numbers.score()).collect();
        let warm = assign_from(&scores, [n, m], &duals);
        if best == NEVER {
            for got in [upright, lying, warm] {
                assert!(matches!(got, Err(Error::Infeasible { .. })), "{scores:?}");
            }
            continue;
        }
        for (got, scores, dims) in [
            (upright, scores.clone(), [n, m]),
            (lying, transpose(&scores, m), [m, n]),
            (warm, scores.clone(), [n, m]),
        ] {
            let got = got.unwrap();
            assert!(
                (got.value - best).abs() < 1e-9 * best.abs().max(1.0),
                "{scores:?}"
            );
            certify(&got, &scores, dims);
        }
    }
}

#[test]
fn large_ones_are_certified() {
    let mut numbers = Numbers(2);
    for (round, [n, m]) in [[50, 50], [500, 500], [300, 300], [100, 400], [400, 120]]
        .into_iter()
        .enumerate()
    {
        let continuous = numbers.scores(n * m);
        certify(&assign(&continuous, [n, m]).unwrap(), &continuous, [n, m]);
        let ties: Vec<f64> = continuous.iter().map(|x| (x * 3.0).round()).collect();
        certify(&assign(&ties, [n, m]).unwrap(), &ties, [n, m]);
        // The classic hard case.
        let products: Vec<f64> = (0..n * m)
            .map(|at| -(((at / m + 1) * (at % m + 1)) as f64))
            .collect();
        certify(&assign(&products, [n, m]).unwrap(), &products, [n, m]);
        let mut sparse = continuous;
        for (at, score) in sparse.iter_mut().enumerate() {
            if at / m != at % m && numbers.uniform() < 0.9 {
                *score = NEVER;
            }
        }
        if n == m || round == 3 {
            certify(&assign(&sparse, [n, m]).unwrap(), &sparse, [n, m]);
        }
    }
}

#[test]
fn uniform_costs_tend_to_the_known_optimum() {
    // E → π²/6 (Aldous, 2001); at n = 300 the standard deviation is about 0.04.
    let n = 300;
    let mut numbers = Numbers(3);
    let scores: Vec<f64> = (0..n * n).map(|_| -numbers.uniform()).collect();
    let value = -assign(&scores, [n, n]).unwrap().value;
    assert!((value - 1.645).abs() < 0.2, "{value}");
}

#[test]
fn batches_are_matrices() {
    for dtype in TYPES {
        let (n, m) = (6, 6);
        let values_in = Numbers(4).scores(12 * n * m);
        let scores = tensor(&values_in, [3, 4, n, m], dtype);
        let got = assign_batch(scores.clone()).unwrap();
        let plan = values(&got.plan);
        for (k, one) in got.matrices.iter().enumerate() {
            let scores: Vec<f64> = values(&scores)[k * n * m..][..n * m].to_vec();
            assert_eq!(*one, assign(&scores, [n, m]).unwrap());
            for (i, j) in one.list().into_iter().enumerate() {
                assert_eq!(plan[k * n * m + i * m + j], 1.0);
            }
        }
        assert_eq!(plan.iter().sum::<f64>(), 12.0 * n as f64);
    }
}

#[test]
fn sinkhorn_at_low_temperature_finds_it_and_is_a_warm_start() {
    for dtype in TYPES {
        let n = 12;
        let scores = tensor(&Numbers(14).scores(5 * n * n), [5, n, n], dtype);
        let best = assign_batch(scores.clone()).unwrap();
        let settings = Sinkhorn {
            epsilon_scaling: true,
            ..Sinkhorn::within(1e-3).at(0.002)
        };
        let balanced = settings.balance(scores.clone()).unwrap();
        assert!(
            distance(&values(&balanced.plan), &values(&best.plan)) < 0.05,
            "{balanced:?}"
        );
        let warm = assign_batch_from(scores, balanced.column_duals()).unwrap();
        assert_eq!(values(&warm.plan), values(&best.plan));
        // The potentials are a certificate: feasible, and hardly above the best value.
        let (u, v) = (
            values(&balanced.row_duals()),
            values(&balanced.column_duals()),
        );
        let bound: f64 = u.iter().chain(&v).sum();
        let value: f64 = best.matrices.iter().map(|m| m.value).sum();
        let slack = 5.0 * 0.002 * n as f64 * (n as f64).ln();
        assert!(
            bound > value - 1e-2 && bound < value + slack,
            "{bound} {value}"
        );
    }
}

#[test]
fn what_cannot_be_matched_is_an_error() {
    let place = |bad: f64| {
        let mut scores = vec![0.0; 18];
        scores[9 + 5] = bad;
        assign_batch(tensor(&scores, [2, 3, 3], DType::F64)).unwrap_err()
    };
    let not_a_number = place(f64::NAN);
    assert!(matches!(
        not_a_number,
        Error::NotANumber {
            matrix: 1,
            row: 1,
            column: 2,
            ..
        }
    ));
    assert!(matches!(
        place(f64::INFINITY),
        Error::Unbounded { matrix: 1, .. }
    ));
    let blocked = [NEVER, 0.0, NEVER, NEVER, 1.0, NEVER, 0.0, 0.0, 0.0];
    assert!(matches!(
        assign(&blocked, [3, 3]),
        Err(Error::Infeasible { .. })
    ));
    assert!(matches!(
        assign(&[NEVER], [1, 1]),
        Err(Error::Infeasible { .. })
    ));
    assert!(matches!(
        assign_from(&[1.0], [1, 1], &[]),
        Err(Error::Length { .. })
    ));
    assert_eq!(assign(&[], [0, 3]).unwrap().value, 0.0);
}
