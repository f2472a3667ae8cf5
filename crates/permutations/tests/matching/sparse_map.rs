//! SparseMAP.

use crate::support::{
    Numbers, TYPES, column_sums, differences, distance, leaf, row_sums, tensor, values,
};
use burn::tensor::DType;
use unbiased_permutations::{Error, assign, sparse_map};

#[test]
fn it_is_the_projection() {
    for dtype in TYPES {
        for (n, scale) in [(1, 1.0), (2, 0.3), (4, 0.5), (7, 2.0), (12, 1.0)] {
            let scores: Vec<f64> = Numbers(n as u64)
                .scores(2 * n * n)
                .iter()
                .map(|x| x * scale)
                .collect();
            let x = tensor(&scores, [2, n, n], dtype);
            let got = sparse_map(x.clone()).unwrap();
            let (scores, plans) = (values(&x), values(&got.plan));
            for (k, plan) in plans.chunks(n * n).enumerate() {
                let ones = vec![1.0; n];
                assert!(distance(&row_sums(plan, n), &ones) < 1e-5);
                assert!(distance(&column_sums(plan, n), &ones) < 1e-5);
                assert!(plan.iter().all(|p| *p >= 0.0));
                // Optimal: no matching Q has ⟨Q − P, X − P⟩ > 0.
                let rest: Vec<f64> = plan
                    .iter()
                    .zip(&scores[k * n * n..])
                    .map(|(p, x)| x - p)
                    .collect();
                let own: f64 = plan.iter().zip(&rest).map(|(p, r)| p * r).sum();
                assert!(assign(&rest, [n, n]).unwrap().value < own + 1e-5 * n as f64);
                let mixture = &got.mixtures[k];
                assert!(mixture.len() <= (n - 1) * (n - 1) + 1);
                let mut mixed = vec![0.0; n * n];
                for (weight, list) in mixture {
                    assert!(*weight > 0.0);
                    for (i, j) in list.iter().enumerate() {
                        mixed[i * n + j] += weight;
                    }
                }
                assert!(distance(&mixed, plan) < 1e-6);
            }
        }
    }
}

#[test]
fn gradients_match_central_differences() {
    for seed in 0..6 {
        let n = 5;
        let mut numbers = Numbers(seed);
        let mut scores: Vec<f64> = numbers.scores(n * n).iter().map(|x| 0.6 * x).collect();
        scores[7] = f64::NEG_INFINITY;
        let weights = numbers.scores(n * n);
        let weight = |scores| {
            let plan = sparse_map(scores).unwrap().plan;
            (plan * tensor(&weights, [n, n], DType::F64)).sum()
        };
        let x = leaf(&scores, [n, n], DType::F64);
        let gradients = weight(x.clone()).backward();
        let got = values(&x.grad(&gradients).unwrap());
        let mut expected = differences(
            |x| values(&weight(tensor(x, [n, n], DType::F64)))[0],
            &scores,
        );
        expected[7] = 0.0;
        assert!(
            distance(&got, &expected) < 1e-6,
            "{seed}: {got:?} {expected:?}"
        );
        assert!(got.iter().any(|g| g.abs() > 1e-3));
    }
}

#[test]
fn large_scores_give_the_matching_and_oblong_ones_an_error() {
    let scores: Vec<f64> = Numbers(3).scores(36).iter().map(|x| 1e3 * x).collect();
    let got = sparse_map(tensor(&scores, [6, 6], DType::F64)).unwrap();
    assert_eq!(got.mixtures[0].len(), 1);
    assert_eq!(
        got.mixtures[0][0].1,
        assign(&scores, [6, 6]).unwrap().list()
    );
    let oblong = sparse_map(tensor(&[0.0; 6], [2, 3], DType::F64));
    assert!(matches!(oblong, Err(Error::NotSquare { .. })));
}
