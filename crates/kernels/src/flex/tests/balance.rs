//! The loops of balancing on every instruction set, over sizes that fill no register, one, and several.

use super::{pseudo_random, relative_error};
use crate::flex::balance::{
    gibbs, log_column_sums, log_row_sums, reverse_sweep, scale, subtract_products, sweep,
};
use crate::flex::isa::Isa;

const SIZES: [[usize; 2]; 7] = [[1, 1], [3, 2], [4, 4], [5, 15], [16, 16], [9, 33], [7, 100]];

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().copied().map(f64::from).collect()
}

/// Positive numbers of size 1.
fn positive(count: usize, seed: u32) -> Vec<f32> {
    let numbers = pseudo_random(count, seed, 1.0);
    numbers.iter().map(|x| x.abs() + 0.1).collect()
}

#[track_caller]
fn close(got: &[f32], exact: &[f64]) {
    let error = relative_error(got, exact);
    assert!(error < 2e-6, "{error}");
    // The comparison sees one wrong number.
    let mut wrong = got.to_vec();
    let largest = exact.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    wrong[got.len() - 1] += 1e-4 * largest as f32;
    assert!(relative_error(&wrong, exact) > 2e-6);
}

#[test]
fn sweeps_match_double_precision() {
    for [n, m] in SIZES {
        let (e, v) = (positive(n * m, 1), positive(m, 2));
        let (a, mut idle, slope) = (positive(n, 3), vec![0.0; n], pseudo_random(n, 4, 1.0));
        idle[0] = 1.0;
        let factors = positive(n, 5);
        let [wide_e, wide_v] = [&e, &v].map(|x| wide(x));
        let dots: Vec<f64> = wide_e
            .chunks(m)
            .map(|row| row.iter().zip(&wide_v).map(|(e, v)| e * v).sum())
            .collect();
        let column_sums = |u: &[f64]| -> Vec<f64> {
            let of_column = |j: usize| (0..n).map(|i| u[i] * wide_e[i * m + j]).sum();
            (0..m).map(of_column).collect()
        };
        let exact_u: Vec<f64> = (0..n)
            .map(|i| f64::from(a[i]) / (dots[i] + f64::from(idle[i])))
            .collect();
        let exact_w: Vec<f64> = (0..n)
            .map(|i| {
                let [u, slope, a] = [factors[i], slope[i], a[i]].map(f64::from);
                u * (slope - u * dots[i]) / a
            })
            .collect();
        for isa in Isa::all() {
            let (mut u, mut sums) = (vec![0.0; n], vec![9.0; m]);
            sweep(isa, &e, &v, &a, &idle, &mut u, &mut sums);
            close(&u, &exact_u);
            close(&sums, &column_sums(&exact_u));
            reverse_sweep(isa, &e, &v, [&factors, &slope, &a], &mut u, &mut sums);
            close(&u, &exact_w);
            close(&sums, &column_sums(&exact_w));
        }
    }
}

#[test]
fn products_match_double_precision() {
    for [n, m] in SIZES {
        for depth in [1, 2, 7, 40] {
            let (e, start) = (positive(n * m, 1), pseudo_random(n * m, 2, 1.0));
            let left = pseudo_random(depth * n, 3, 1.0);
            let right = pseudo_random(depth * m, 4, 1.0);
            let exact: Vec<f64> = (0..n * m)
                .map(|at| {
                    let (i, j) = (at / m, at % m);
                    let terms = (0..depth)
                        .map(|k| f64::from(left[k * n + i]) * f64::from(right[k * m + j]));
                    f64::from(start[at]) - f64::from(e[at]) * terms.sum::<f64>()
                })
                .collect();
            for isa in Isa::all() {
                let mut out = start.clone();
                subtract_products(isa, &e, [&left, &right], n, &mut out);
                close(&out, &exact);
            }
        }
    }
}

#[test]
fn exponentials_and_their_sums_match_double_precision() {
    for [n, m] in SIZES {
        let mut scores = pseudo_random(n * m, 1, 30.0);
        if m > 1 {
            scores[0] = f32::NEG_INFINITY;
        }
        let (f, g) = (pseudo_random(n, 2, 5.0), pseudo_random(m, 3, 5.0));
        let term = |i: usize, j: usize| f64::from(scores[i * m + j]);
        let exact: Vec<f64> = (0..n * m)
            .map(|at| (term(at / m, at % m) + f64::from(f[at / m]) + f64::from(g[at % m])).exp())
            .collect();
        let rows: Vec<f64> = (0..n)
            .map(|i| {
                (0..m)
                    .map(|j| (term(i, j) + f64::from(g[j])).exp())
                    .sum::<f64>()
                    .ln()
            })
            .collect();
        let columns: Vec<f64> = (0..m)
            .map(|j| {
                (0..n)
                    .map(|i| (term(i, j) + f64::from(f[i])).exp())
                    .sum::<f64>()
                    .ln()
            })
            .collect();
        for isa in Isa::all() {
            let mut out = vec![0.0; n * m];
            gibbs(isa, &scores, &f, &g, &mut out);
            for (got, exact) in out.iter().zip(&exact) {
                // Exponents have an error of half a unit of 40.
                assert!((f64::from(*got) - exact).abs() <= 1e-5 * exact);
            }
            let mut sums = vec![0.0; n];
            log_row_sums(isa, &scores, &g, &mut sums);
            close(&sums, &rows);
            let mut sums = vec![0.0; m];
            log_column_sums(isa, &scores, &f, &mut sums);
            if n > 1 {
                close(&sums, &columns);
            }
            let (u, v) = (positive(n, 4), positive(m, 5));
            let mut plan = vec![0.0; n * m];
            scale(isa, &out, &u, &v, &mut plan);
            let expected: Vec<f64> = (0..n * m)
                .map(|at| f64::from(u[at / m]) * f64::from(out[at]) * f64::from(v[at % m]))
                .collect();
            close(&plan, &expected);
        }
    }
}
