//! Softmax and its relatives, and the rounded logistic law.

use super::{pseudo_random, relative_error, sigmoid, softplus};
use crate::flex::PARALLEL_FROM;
use crate::flex::isa::Isa;
use crate::flex::logistic::{self, Inputs};
use crate::flex::softmax::{self, RowMap};

#[test]
fn rows_match_double_precision() {
    let sizes = [
        (1, 1),
        (3, 2),
        (700, 10),
        (5, 17),
        (2, 5000),
        (PARALLEL_FROM / 100 + 700, 101),
    ];
    for isa in Isa::all() {
        for (rows, width) in sizes {
            let x = pseudo_random(rows * width, 1, 9.0);
            let (t, g_full) = (
                pseudo_random(rows * width, 2, 1.0),
                pseudo_random(rows * width, 3, 1.0),
            );
            let g = &g_full[..rows];
            let each = |f: &dyn Fn(usize, usize, f64) -> f64| -> Vec<f64> {
                let rows = x.chunks(width).enumerate();
                rows.flat_map(|(i, row)| {
                    let lse = row.iter().map(|&x| f64::from(x).exp()).sum::<f64>().ln();
                    (0..width)
                        .map(|j| f(i, i * width + j, lse))
                        .collect::<Vec<_>>()
                })
                .collect()
            };
            let at = |v: &[f32], i: usize| f64::from(v[i]);
            let row_sum = |f: &dyn Fn(usize) -> f64, i: usize| -> f64 {
                (i * width..(i + 1) * width).map(f).sum()
            };
            let probability = each(&|_, k, lse| (at(&x, k) - lse).exp());
            let log_probability = each(&|_, k, lse| at(&x, k) - lse);
            let check = |name: &str, got: &[f32], exact: &[f64]| {
                let error = relative_error(got, exact);
                assert!(error < 2e-6, "{isa:?} {name} [{rows}, {width}]: {error}");
            };
            for (map, exact) in [
                (RowMap::Softmax, &probability),
                (RowMap::LogSoftmax, &log_probability),
            ] {
                let mut y = vec![f32::NAN; x.len()];
                softmax::apply(isa, map, width, &x, &mut y);
                check("value", &y, exact);
                let mut dx = g_full.clone();
                softmax::pull_back(isa, map, width, &y, &mut dx);
                let exact = each(&|i, k, _| {
                    if map == RowMap::Softmax {
                        let mean = row_sum(&|k| probability[k] * at(&g_full, k), i);
                        probability[k] * (at(&g_full, k) - mean)
                    } else {
                        at(&g_full, k) - probability[k] * row_sum(&|k| at(&g_full, k), i)
                    }
                });
                // The gradient of one probability of 1 is 0.
                if width > 1 {
                    check("gradient", &dx, &exact);
                }
            }
            let mut lse = vec![f32::NAN; rows];
            softmax::log_sums(isa, width, &x, &mut lse);
            let all = each(&|_, _, lse| lse);
            let exact_lse: Vec<f64> = all.chunks(width).map(|row| row[0]).collect();
            check("logsumexp", &lse, &exact_lse);
            let mut dx = vec![f32::NAN; x.len()];
            softmax::gradient(isa, width, &x, &lse, None, g, &mut dx);
            check(
                "its gradient",
                &dx,
                &each(&|i, k, _| at(g, i) * probability[k]),
            );
            let mut out = vec![f32::NAN; rows];
            softmax::weighted(isa, width, &x, &t, &lse, &mut out);
            let exact: Vec<f64> = (0..rows)
                .map(|i| row_sum(&|k| at(&t, k) * log_probability[k], i))
                .collect();
            if width > 1 {
                check("categorical", &out, &exact);
            }
            softmax::gradient(isa, width, &x, &lse, Some(&t), g, &mut dx);
            let exact = each(&|i, k, _| {
                let total = row_sum(&|k| at(&t, k), i);
                at(g, i) * (at(&t, k) - total * probability[k])
            });
            if width > 1 {
                check("its gradient", &dx, &exact);
            }
        }
    }
}

#[test]
fn rows_with_infinities_and_nan() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    let rows = [
        [inf, 0.0, -inf],
        [-inf, -inf, -inf],
        [nan, 0.0, inf],
        [nan, -inf, -inf],
        [-inf, 0.0, 0.0],
    ];
    for isa in Isa::all() {
        let mut out = [0.0; 5];
        softmax::log_sums(isa, 3, rows.as_flattened(), &mut out);
        assert_eq!(out[..2], [inf, -inf], "{isa:?}");
        assert!(out[2].is_nan() && out[3].is_nan());
        assert_eq!(out[4], core::f32::consts::LN_2);
        for map in [RowMap::Softmax, RowMap::LogSoftmax] {
            let mut y = [0.0; 15];
            softmax::apply(isa, map, 3, rows.as_flattened(), &mut y);
            assert!(y[..12].iter().all(|y| y.is_nan()), "{isa:?} {map:?} {y:?}");
            let low = if map == RowMap::Softmax { 0.0 } else { -inf };
            assert_eq!(y[12], low);
        }
    }
}

#[test]
fn rounded_logistic_matches_double_precision() {
    for isa in Isa::all() {
        for levels in [2_u32, 4, 256] {
            let h = 1.0 / f64::from(levels - 1);
            let count = PARALLEL_FROM * usize::from(levels == 256) + 1003;
            let level = |i: usize| 2.0 * h * f64::from(i as u32 % levels) - 1.0;
            let x: Vec<f32> = (0..count).map(|i| level(i) as f32).collect();
            let mean = pseudo_random(count, 1, 1.5);
            let log_scale: Vec<f32> = pseudo_random(count, 2, 5.0)
                .iter()
                .map(|s| s - 2.0)
                .collect();
            let g = pseudo_random(count, 3, 1.0);
            let inputs = Inputs {
                x: &x,
                mean: &mean,
                log_scale: &log_scale,
                half_width: h as f32,
            };
            let [mut out, mut dx, mut ds] = [0; 3].map(|_| vec![f32::NAN; count]);
            logistic::values(isa, inputs, &mut out);
            logistic::gradients(isa, inputs, &g, &mut dx, &mut ds);
            for i in 0..count {
                let (c, k) = (
                    f64::from(x[i]) - f64::from(mean[i]),
                    (-f64::from(log_scale[i])).exp(),
                );
                let (p, m, d) = ((c + h) * k, (c - h) * k, 2.0 * h * k);
                let lowest = (i as u32).is_multiple_of(levels);
                let highest = i as u32 % levels == levels - 1;
                let (mut value, mut by_x, mut by_s) = (0.0, 0.0, 0.0);
                if !highest {
                    value -= softplus(-p);
                    by_x += k * sigmoid(-p);
                    by_s -= p * sigmoid(-p);
                }
                if !lowest {
                    value -= softplus(m);
                    by_x -= k * sigmoid(m);
                    by_s += m * sigmoid(m);
                }
                if !lowest && !highest {
                    value += (-(-d).exp_m1()).ln();
                    by_s -= d / d.exp_m1();
                }
                let g = f64::from(g[i]);
                // The arguments p and m carry the rounding of c ± h, enlarged by k; the slope by x, k times a sigmoid, enlarges it again.
                let scale = 1.0 + value.abs() + k;
                for (name, got, exact, scale) in [
                    ("value", out[i], value, scale),
                    ("by x", dx[i], g * by_x, scale * k.max(1.0)),
                    ("by log scale", ds[i], g * by_s, scale),
                ] {
                    let error = (f64::from(got) - exact).abs();
                    assert!(
                        error < 1e-6 * scale,
                        "{isa:?} {levels} levels, {i}, {name}: {got} for {exact}, k = {k}"
                    );
                }
            }
        }
    }
}
