//! Every instruction set of this CPU against double precision.

mod balance;
mod conv;
mod linear;
mod noise;
mod recurrent;
mod rows;
mod small_balance;

use super::adam::{self, Step};
use super::isa::Isa;
use super::map::{self, Map};
use super::row_sum::{self, RowSum};
use super::{GRAIN, PARALLEL_FROM};

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

const MAPS: [Map; 7] = [
    Map::Sigmoid,
    Map::Tanh,
    Map::Relu,
    Map::Softplus,
    Map::LogSigmoid,
    Map::Exp,
    Map::Log,
];

fn exact(map: Map, x: f64) -> f64 {
    match map {
        Map::Sigmoid => sigmoid(x),
        Map::Tanh => x.tanh(),
        Map::Relu => x.max(0.0),
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
        core::f32::consts::FRAC_1_SQRT_2,
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
            (Map::Relu, 0.0, f32::INFINITY),
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
                        Map::Relu => before * f64::from(u8::from(x > 0.0)),
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
fn the_best_instruction_set_is_tested() {
    assert!(Isa::all().contains(&Isa::best()));
}
