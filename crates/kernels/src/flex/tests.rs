//! Every instruction set of this CPU against double precision.

use super::adam::{self, Step};
use super::isa::Isa;
use super::logistic::{self, Inputs};
use super::lstm;
use super::map::{self, Map};
use super::panels::Packed;
use super::row_sum::{self, RowSum};
use super::softmax::{self, RowMap};
use super::{GRAIN, PARALLEL_FROM};

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

const MAPS: [Map; 6] = [
    Map::Sigmoid,
    Map::Tanh,
    Map::Softplus,
    Map::LogSigmoid,
    Map::Exp,
    Map::Log,
];

fn exact(map: Map, x: f64) -> f64 {
    match map {
        Map::Sigmoid => sigmoid(x),
        Map::Tanh => x.tanh(),
        Map::Softplus => softplus(x),
        Map::LogSigmoid => -softplus(-x),
        Map::Exp => x.exp(),
        Map::Log => x.ln(),
    }
}

/// Value and both slopes of the summed function.
fn exact_pair(row_sum: RowSum, a: f64, b: f64) -> [f64; 3] {
    match row_sum {
        RowSum::BernoulliLogLik => [b * a - softplus(a), b - sigmoid(a), a],
        RowSum::BernoulliKl => [
            sigmoid(a) * (a - b) + softplus(b) - softplus(a),
            sigmoid(a) * sigmoid(-a) * (a - b),
            sigmoid(b) - sigmoid(a),
        ],
    }
}

/// Evenly spaced numbers that fill no vector exactly and cross every branch: both ends of exp, zero, tiny numbers.
fn grid() -> Vec<f32> {
    let spaced = (-5003..=5003).map(|i| i as f32 * 0.0213);
    let special = [
        0.0,
        -0.0,
        1e-30,
        -1e-30,
        1e-7,
        -1e-7,
        87.33,
        -87.33,
        43.6,
        -43.7,
        1e4,
        -1e4,
        f32::MAX,
        f32::MIN,
    ];
    spaced.chain(special).collect()
}

/// Numbers of every size, and many about 1, where the logarithm vanishes.
fn positive_grid() -> Vec<f32> {
    let sizes = (-1490..=1270).map(|i| 2_f64.powf(f64::from(i) * 0.1) as f32);
    let about_one = (-500..=500).map(|i| 1.0 + i as f32 * 1e-3 / 1.1);
    let tiny = [
        1e-45,
        1e-40,
        f32::MIN_POSITIVE,
        f32::MAX,
        0.5,
        2.0,
        0.707_106_8,
    ];
    sizes.chain(about_one).chain(tiny).collect()
}

fn pseudo_random(count: usize, seed: u32, scale: f32) -> Vec<f32> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        scale * ((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
    };
    (0..count).map(next).collect()
}

/// The largest difference over the largest exact value.
fn relative_error(got: &[f32], exact: &[f64]) -> f64 {
    assert_eq!(got.len(), exact.len());
    let difference = got
        .iter()
        .zip(exact)
        .map(|(&g, e)| (f64::from(g) - e).abs())
        .fold(0.0, f64::max);
    difference
        / exact
            .iter()
            .fold(f64::MIN_POSITIVE, |largest, e| largest.max(e.abs()))
}

#[test]
fn maps_have_single_precision_everywhere() {
    for isa in Isa::all() {
        for map in MAPS {
            let mut x = grid();
            if map == Map::Log {
                x = positive_grid();
            }
            let mut y = x.clone();
            map::apply(isa, map, &mut y);
            for (&x, &y) in x.iter().zip(&y) {
                let exact = exact(map, f64::from(x));
                // Relative at every point; results below the normal numbers may be 0.
                let error = (f64::from(y) - exact).abs();
                let overflow = exact > f64::from(f32::MAX) && y == f32::INFINITY;
                assert!(
                    overflow || error <= 4e-7 * exact.abs() + 1.3e-38,
                    "{isa:?} {map:?}({x}) = {y}, exact {exact}"
                );
            }
        }
    }
}

#[test]
fn maps_pass_infinities_and_nan_through() {
    for isa in Isa::all() {
        for (map, low, high) in [
            (Map::Sigmoid, 0.0, 1.0),
            (Map::Tanh, -1.0, 1.0),
            (Map::Softplus, 0.0, f32::INFINITY),
            (Map::LogSigmoid, f32::NEG_INFINITY, 0.0),
            (Map::Exp, 0.0, f32::INFINITY),
        ] {
            let mut y = [f32::NEG_INFINITY, f32::INFINITY, f32::NAN, -f32::NAN, 0.5];
            map::apply(isa, map, &mut y);
            assert_eq!(y[..2], [low, high], "{isa:?} {map:?}");
            assert!(
                y[2].is_nan() && y[3].is_nan() && y[4].is_finite(),
                "{isa:?} {map:?} {y:?}"
            );
        }
        let mut y = [
            f32::INFINITY,
            0.0,
            -0.0,
            f32::NAN,
            -f32::NAN,
            -1.0,
            f32::NEG_INFINITY,
        ];
        map::apply(isa, Map::Log, &mut y);
        assert_eq!(
            y[..3],
            [f32::INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY]
        );
        assert!(y[3..].iter().all(|y| y.is_nan()), "{isa:?} {y:?}");
    }
}

#[test]
fn slopes_of_maps_match() {
    for isa in Isa::all() {
        for map in MAPS {
            for count in [1, 7, 16, 33, 1001] {
                let mut x = pseudo_random(count, 1, 6.0);
                if map == Map::Log {
                    x = x.iter().map(|x| x.abs() + 0.5).collect();
                }
                let mut saved = x.clone();
                if map.slope_from_output() {
                    map::apply(isa, map, &mut saved);
                }
                let mut g = pseudo_random(count, 2, 1.0);
                let before = g.clone();
                map::scale_by_slope(isa, map, &saved, &mut g);
                for ((&x, &before), &after) in x.iter().zip(&before).zip(&g) {
                    let (x, before) = (f64::from(x), f64::from(before));
                    let exact = match map {
                        Map::Sigmoid => before * sigmoid(x) * sigmoid(-x),
                        Map::Tanh => before * (1.0 - x.tanh() * x.tanh()),
                        Map::Softplus => before * sigmoid(x),
                        Map::LogSigmoid => before * sigmoid(-x),
                        Map::Exp => before * x.exp(),
                        Map::Log => before / x,
                    };
                    // The slope from the output is 1 − y² or y(1 − y): as exact as the output, absolutely and not relatively.
                    let error = (f64::from(after) - exact).abs();
                    assert!(
                        error <= 5e-7 * before.abs().max(exact.abs()),
                        "{isa:?} {map:?} {count}: slope at {x} is off by {error}"
                    );
                }
            }
        }
    }
}

/// Sums and both gradients, in double precision.
fn exact_row_sums(row_sum: RowSum, a: &[f32], b: &[f32], g: &[f32]) -> [Vec<f64>; 3] {
    let width = a.len() / g.len();
    let (mut out, mut da, mut db) = (vec![0.0; g.len()], vec![0.0; a.len()], vec![0.0; b.len()]);
    for (i, &a) in a.iter().enumerate() {
        let [value, slope_a, slope_b] =
            exact_pair(row_sum, f64::from(a), f64::from(b[i % b.len()]));
        let g = f64::from(g[i / width]);
        out[i / width] += value;
        da[i] = g * slope_a;
        db[i % b.len()] += g * slope_b;
    }
    [out, da, db]
}

#[test]
fn row_sums_and_gradients_match() {
    // The last two are above the threshold of the parallel path, and their last task is shorter than the others.
    let tall = (PARALLEL_FROM + 3 * GRAIN) / 784 + 1;
    let sizes = [
        (1, 1),
        (1, 63),
        (1, 64),
        (1, 65),
        (3, 5),
        (24, 784),
        (17, 200),
        (tall, 784),
        (3, PARALLEL_FROM / 2),
    ];
    for isa in Isa::all() {
        for row_sum in [RowSum::BernoulliLogLik, RowSum::BernoulliKl] {
            for (rows, width) in sizes {
                for b_rows in [rows, 1] {
                    let (a, b) = (
                        pseudo_random(rows * width, 1, 8.0),
                        pseudo_random(b_rows * width, 2, 3.0),
                    );
                    let g = pseudo_random(rows, 3, 1.0);
                    let (mut out, mut da, mut db) =
                        (vec![0.0; rows], vec![0.0; a.len()], vec![0.0; b.len()]);
                    row_sum::sums(isa, row_sum, &a, &b, &mut out);
                    row_sum::gradient_a(isa, row_sum, &a, &b, &g, &mut da);
                    row_sum::gradient_b(isa, row_sum, &a, &b, &g, &mut db);
                    let exact = exact_row_sums(row_sum, &a, &b, &g);
                    let errors = [(&out, &exact[0]), (&da, &exact[1]), (&db, &exact[2])]
                        .map(|(x, e)| relative_error(x, e));
                    assert!(
                        errors.iter().all(|&e| e < 3e-6),
                        "{isa:?} {row_sum:?} [{rows}, {width}], b with {b_rows} rows: {errors:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_small_divergence_is_not_lost_between_extreme_logits() {
    for isa in Isa::all() {
        // By hand: equal laws have no divergence; q certain of 1, p of 0 and the reverse: 1e4 nats; q certain, p undecided: ln 2.
        let (a, b) = ([1e4, -1e4, 1e4, -1e4, 1e4], [1e4, -1e4, -1e4, 1e4, 0.0]);
        let mut out = [f32::NAN; 5];
        row_sum::sums(isa, RowSum::BernoulliKl, &a, &b, &mut out);
        assert_eq!(
            out,
            [0.0, 0.0, 1e4, 1e4, core::f32::consts::LN_2],
            "{isa:?}"
        );
    }
}

#[test]
fn adam_matches_double_precision() {
    let step = Step {
        beta_1: 0.9,
        one_minus_beta_1: 0.1,
        beta_2: 0.999_99,
        one_minus_beta_2: 1e-5,
        size: 0.02,
        root_correction: 30.0,
        epsilon: 1e-3,
    };
    for isa in Isa::all() {
        for count in [1, 5, 16, 31, 1000, PARALLEL_FROM + GRAIN / 2 + 3] {
            let [mut p, g, mut m, mut v] = [1, 2, 3, 4].map(|seed| pseudo_random(count, seed, 1.0));
            for v in &mut v {
                *v = v.abs();
            }
            let s = [
                step.beta_1,
                step.one_minus_beta_1,
                step.beta_2,
                step.one_minus_beta_2,
            ]
            .map(f64::from);
            let [size, correction, epsilon] =
                [step.size, step.root_correction, step.epsilon].map(f64::from);
            let (mut exact_p, mut exact_m, mut exact_v) = (Vec::new(), Vec::new(), Vec::new());
            for i in 0..count {
                let [p, g, m, v] = [p[i], g[i], m[i], v[i]].map(f64::from);
                let (m, v) = (s[0] * m + s[1] * g, s[2] * v + s[3] * g * g);
                exact_p.push(p - size * m / (v.sqrt() * correction + epsilon));
                exact_m.push(m);
                exact_v.push(v);
            }
            adam::step(isa, step, &mut p, &g, &mut m, &mut v);
            let errors =
                [(&p, &exact_p), (&m, &exact_m), (&v, &exact_v)].map(|(x, e)| relative_error(x, e));
            assert!(
                errors.iter().all(|&e| e < 3e-7),
                "{isa:?} {count}: {errors:?}"
            );
        }
    }
}

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
                let lowest = i as u32 % levels == 0;
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

#[test]
fn packed_products_match_double_precision() {
    for isa in Isa::all() {
        for (rows, depth, width) in [
            (1, 1, 1),
            (3, 7, 31),
            (8, 32, 32),
            (21, 65, 100),
            (17, 9, 33),
        ] {
            let (a_stride, c_stride) = (depth + 3, width + 5);
            let a = pseudo_random(rows * a_stride, 1, 1.0);
            let b = pseudo_random(depth * width, 2, 1.0);
            let c = pseudo_random(rows * c_stride, 3, 1.0);
            let mut exact: Vec<f64> = c.iter().map(|&c| f64::from(c)).collect();
            let mut turned = vec![0.0; b.len()];
            for j in 0..width {
                for k in 0..depth {
                    turned[j * depth + k] = b[k * width + j];
                    for i in 0..rows {
                        exact[i * c_stride + j] +=
                            f64::from(a[i * a_stride + k]) * f64::from(b[k * width + j]);
                    }
                }
            }
            for packed in [
                Packed::new(&b, depth, width),
                Packed::transposed(&turned, depth, width),
            ] {
                let mut got = c.clone();
                packed.add_product(isa, rows, (&a, a_stride), (&mut got, c_stride));
                let error = relative_error(&got, &exact);
                assert!(error < 2e-6, "{isa:?} [{rows}, {depth}, {width}]: {error}");
                // A row does not depend on those beside it.
                let mut alone = c.clone();
                for i in 0..rows {
                    let a = (&a[i * a_stride..], a_stride);
                    packed.add_product(isa, 1, a, (&mut alone[i * c_stride..], c_stride));
                }
                assert_eq!(got, alone, "{isa:?}");
            }
        }
    }
}

#[test]
fn every_instruction_set_runs_the_same_lstm() {
    // The best one is held against the composed form in `tests/lstm.rs`.
    let sizes = lstm::Sizes {
        batch: 11,
        steps: 4,
        hidden: 19,
    };
    let states = sizes.batch * sizes.hidden;
    let all = states * sizes.steps;
    let u = pseudo_random(4 * sizes.hidden * sizes.hidden, 1, 0.4);
    let bias = pseudo_random(4 * sizes.hidden, 2, 1.0);
    let [h0, c0] = [3, 4].map(|seed| pseudo_random(states, seed, 1.0));
    let g = pseudo_random(all, 5, 1.0);
    let mask: Vec<bool> = (0..sizes.batch * sizes.steps).map(|i| i % 5 != 3).collect();
    let run = |isa: Isa| {
        let mut gates = pseudo_random(4 * all, 6, 1.0);
        let [mut output, mut cells] = [0; 2].map(|_| vec![f32::NAN; all]);
        let packed = Packed::new(&u, sizes.hidden, 4 * sizes.hidden);
        let mask = lstm::Steps(Some(&mask));
        let inputs = lstm::Inputs {
            sizes,
            recurrent: Some(&packed),
            bias: &bias,
            h0: &h0,
            c0: &c0,
            mask,
        };
        lstm::forward(isa, inputs, &mut gates, &mut output, &mut cells);
        let packed = Packed::transposed(&u, 4 * sizes.hidden, sizes.hidden);
        let [mut dh, mut dc] = [7, 8].map(|seed| pseudo_random(states, seed, 1.0));
        let saved = lstm::Saved {
            sizes,
            recurrent: Some(&packed),
            c0: &c0,
            cells: &cells,
            mask,
            g: &g,
        };
        lstm::backward(isa, saved, &mut gates, &mut dh, &mut dc);
        [output, cells, gates, dh, dc]
    };
    let best = run(Isa::best()).map(|v| v.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
    for isa in Isa::all() {
        for (got, best) in run(isa).iter().zip(&best) {
            let error = relative_error(got, best);
            assert!(error < 5e-6, "{isa:?}: {error}");
        }
    }
}

#[test]
fn the_best_instruction_set_is_tested() {
    assert!(Isa::all().contains(&Isa::best()));
}
