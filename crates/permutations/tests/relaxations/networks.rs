//! Differentiable sorting networks.

use crate::support::{
    Numbers, column_sums, distance, gradient_error, row_sums, sorted, tensor, values,
};
use unbiased_permutations::Error;
use unbiased_permutations::sorting::{Sorted, SortingNetwork, Swap};

const SWAPS: [Swap; 4] = [
    Swap::Logistic,
    Swap::Cauchy,
    Swap::Reciprocal,
    Swap::Optimal,
];

fn networks(n: usize, swap: Swap, steepness: f64) -> [SortingNetwork; 2] {
    [
        SortingNetwork::odd_even(n, swap, steepness).unwrap(),
        SortingNetwork::bitonic(n, swap, steepness).unwrap(),
    ]
}

/// F as it is printed.
fn share(swap: Swap, v: f64) -> f64 {
    match swap {
        Swap::Logistic => 1.0 / (1.0 + (-v).exp()),
        Swap::Cauchy => v.atan() / core::f64::consts::PI + 0.5,
        Swap::Reciprocal => 0.5 * (v / (2.0 + v.abs()) + 1.0),
        Swap::Optimal if v > 0.25 => 1.0 - 1.0 / (16.0 * v),
        Swap::Optimal if v < -0.25 => -1.0 / (16.0 * v),
        Swap::Optimal => v + 0.5,
    }
}

/// Odd-even by dense products of matrices of swaps, as the authors' code does it.
fn dense(x: &[f64], swap: Swap, steepness: f64) -> (Vec<f64>, Vec<f64>) {
    let n = x.len();
    let eye = |n: usize| -> Vec<f64> {
        (0..n * n)
            .map(|k| f64::from(u8::from(k / n == k % n)))
            .collect()
    };
    let (mut x, mut p) = (x.to_vec(), eye(n));
    for layer in 0..n {
        let mut s = eye(n);
        for a in (layer % 2..n - 1).step_by(2) {
            let alpha = share(swap, steepness * (x[a] - x[a + 1]));
            s[a * n + a] = alpha;
            s[a * n + a + 1] = 1.0 - alpha;
            s[(a + 1) * n + a] = 1.0 - alpha;
            s[(a + 1) * n + a + 1] = alpha;
        }
        let product = |right: &[f64], m: usize| -> Vec<f64> {
            (0..n * m)
                .map(|k| {
                    (0..n)
                        .map(|l| s[k / m * n + l] * right[l * m + k % m])
                        .sum()
                })
                .collect()
        };
        (x, p) = (product(&x, 1), product(&p, n));
    }
    (x, p)
}

#[test]
fn one_comparison_is_the_printed_formula() {
    for swap in SWAPS {
        for v in [-3.0, -0.3, -0.2, 0.0, 0.1, 0.26, 1.0, 40.0] {
            for network in networks(2, swap, 2.0) {
                let x = [v / 2.0 + 1.0, 1.0];
                let Sorted { matrix, .. } = network.sort_with_matrix::<1, 2>(tensor(&x, [2]));
                let alpha = share(swap, v);
                let expected = [alpha, 1.0 - alpha, 1.0 - alpha, alpha];
                assert!(distance(&values(matrix), &expected) < 1e-12, "{swap:?} {v}");
            }
        }
    }
}

#[test]
fn indices_do_what_dense_matrices_do() {
    let x = Numbers(1).normals(6);
    for swap in SWAPS {
        let network = SortingNetwork::odd_even(6, swap, 3.0).unwrap();
        let Sorted {
            values: ours,
            matrix,
        } = network.sort_with_matrix::<1, 2>(tensor(&x, [6]));
        let (sorted, p) = dense(&x, swap, 3.0);
        assert!(distance(&values(ours), &sorted) < 1e-12);
        assert!(distance(&values(matrix), &p) < 1e-12);
    }
}

#[test]
fn matrices_are_doubly_stochastic_and_sort() {
    for n in [1, 2, 3, 5, 8, 11, 16] {
        let x = Numbers(n as u64).normals(2 * n);
        for swap in SWAPS {
            for network in networks(n, swap, 4.0) {
                let list = tensor(&x, [2, n]);
                let Sorted {
                    values: soft,
                    matrix,
                } = network.sort_with_matrix::<2, 3>(list.clone());
                let product = matrix.clone().matmul(list.clone().unsqueeze_dim(2));
                let (p, soft) = (values(matrix), values(soft));
                assert!(p.iter().all(|&p| (-1e-15..=1.0 + 1e-12).contains(&p)));
                assert!(distance(&row_sums(&p, n), &vec![1.0; 2 * n]) < 1e-12);
                assert!(distance(&column_sums(&p, n), &vec![1.0; 2 * n]) < 1e-12);
                assert!(distance(&values(product), &soft) < 1e-12);
                assert!(distance(&values(network.sort(list)), &soft) < 1e-12);
            }
        }
    }
}

/// By the zero-one principle a network that sorts all lists of zeros and ones sorts every list.
#[test]
fn steep_they_sort_whatever_the_length() {
    for n in [1, 2, 3, 4, 5, 6, 7, 8, 9] {
        let lists: Vec<f64> = (0..1_usize << n)
            .flat_map(|bits| (0..n).map(move |i| (bits >> i & 1) as f64))
            .collect();
        for network in networks(n, Swap::Logistic, 1e4) {
            let ours = values(network.sort(tensor(&lists, [1 << n, n])));
            for (list, ours) in lists.chunks(n).zip(ours.chunks(n)) {
                assert!(distance(ours, &sorted(list)) < 1e-9, "{list:?} {ours:?}");
            }
        }
    }
}

#[test]
fn every_swap_becomes_hard() {
    let x = Numbers(3).normals(13);
    for swap in SWAPS {
        for network in networks(13, swap, 1e9) {
            let ours = values(network.sort(tensor(&x, [13])));
            assert!(distance(&ours, &sorted(&x)) < 1e-6, "{swap:?}");
        }
    }
}

#[test]
fn depths() {
    let depths = |n| networks(n, Swap::Cauchy, 1.0).map(|network| network.depth());
    assert_eq!(depths(8), [8, 6]);
    assert_eq!(depths(9), [9, 10]);
    assert_eq!(depths(16), [16, 10]);
    assert_eq!(depths(1), [1, 0]);
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let x = Numbers(4).normals(14);
    for swap in SWAPS {
        for network in networks(7, swap, 2.0) {
            let of_values = gradient_error(|x| network.sort(x), &x, [2, 7]);
            let of_matrix =
                gradient_error(|x| network.sort_with_matrix::<2, 3>(x).matrix, &x, [2, 7]);
            assert!(
                of_values < 1e-7 && of_matrix < 1e-7,
                "{swap:?} {of_values:e} {of_matrix:e}"
            );
        }
    }
}

/// With tails of order 1/x a larger score never lowers a sorted value; the logistic F does that.
#[test]
fn all_but_the_logistic_network_are_monotonic() {
    let least_slope = |swap: Swap| {
        let mut least = f64::INFINITY;
        for gap in 1..40 {
            let network = SortingNetwork::odd_even(2, swap, 1.0).unwrap();
            let at = |x: f64| values(network.sort(tensor(&[x, 0.0], [2])))[1];
            let x = -0.25 * f64::from(gap);
            least = least
                .min(at(x + 1e-5) - at(x - 1e-5))
                .min(at(1e-5 - x) - at(-x - 1e-5));
        }
        least
    };
    assert!(least_slope(Swap::Logistic) < -1e-7);
    for swap in &SWAPS[1..] {
        let slope = least_slope(*swap);
        assert!(slope > -1e-12, "{swap:?} {slope:e}");
    }
}

#[test]
fn the_steepness_must_be_positive() {
    let refused = SortingNetwork::bitonic(4, Swap::Cauchy, 0.0);
    assert!(matches!(
        refused,
        Err(Error::Setting {
            setting: "steepness",
            ..
        })
    ));
}
