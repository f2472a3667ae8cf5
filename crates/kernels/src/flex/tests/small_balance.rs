//! Small matrices on every instruction set, at every size, alone and in full and part-filled registers.

use super::{pseudo_random, relative_error};
use crate::balance::{SMALL, SMALL_TOGETHER, SmallSolution, small_trace};
use crate::flex::isa::Isa;
use crate::flex::small_balance::{pull_back, sweeps};

/// `−ln Σ exp`, 0 for a line without allowed pairs.
fn potential(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let top = terms.clone().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return 0.0;
    }
    -(top + terms.map(|x| (x - top).exp()).sum::<f64>().ln())
}

/// Plan and potentials of one matrix.
fn reference(k: &[f64], start: &[f64], iterations: usize) -> [Vec<f64>; 3] {
    let n = start.len();
    let (mut f, mut g) = (vec![0.0; n], start.to_vec());
    for _ in 0..iterations {
        let row = |i: usize| potential((0..n).map(|j| k[i * n + j] + g[j]));
        f = (0..n).map(row).collect();
        let column = |j: usize| potential((0..n).map(|i| k[i * n + j] + f[i]));
        g = (0..n).map(column).collect();
    }
    let plan = (0..n * n).map(|at| (k[at] + f[at / n] + g[at % n]).exp());
    [plan.collect(), f, g]
}

fn slopes(k: &[f64], start: &[f64], iterations: usize, weights: &[f64]) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let value = |at: usize, by: f64| -> f64 {
        let mut k = k.to_vec();
        k[at] += by;
        let [plan, ..] = reference(&k, start, iterations);
        plan.iter().zip(weights).map(|(p, w)| p * w).sum()
    };
    let slope = |at: usize| (value(at, STEP) - value(at, -STEP)) / (2.0 * STEP);
    (0..k.len())
        .map(|at| if k[at].is_finite() { slope(at) } else { 0.0 })
        .collect()
}

/// Scores, of which some may be forbidden, and in the first matrix a whole row.
fn scores(n: usize, count: usize, scale: f32, forbid: bool) -> Vec<f32> {
    let mut scores = pseudo_random(count * n * n, n as u32, scale);
    if !forbid {
        return scores;
    }
    // Every third matrix is left as it is.
    let forbidden = scores
        .iter_mut()
        .enumerate()
        .filter(|(at, _)| at / (n * n) % 3 < 2);
    for (at, score) in forbidden {
        let (i, j) = (at / n % n, at % n);
        if (at % 7 == 3 && i != j) || (n > 1 && at / (n * n) == 0 && i == 1) {
            *score = f32::NEG_INFINITY;
        }
    }
    scores
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().copied().map(f64::from).collect()
}

fn agrees(n: usize, count: usize, scale: f32, iterations: usize, forbid: bool) {
    let scores = scores(n, count, scale, forbid);
    let start = pseudo_random(count * n, 2, 1.0);
    let weights = pseudo_random(count * n * n, 3, 1.0);
    let [wide_scores, wide_start, wide_weights] = [&scores, &start, &weights].map(|x| wide(x));
    let mut exact = [const { Vec::new() }; 5];
    for i in 0..count {
        let entries = i * n * n..(i + 1) * n * n;
        let (k, g) = (&wide_scores[entries.clone()], &wide_start[i * n..][..n]);
        let [plan, f, g_end] = reference(k, g, iterations);
        let off = plan
            .chunks(n)
            .map(|row| (row.iter().sum::<f64>() - 1.0).abs());
        let off = off.fold(0.0, f64::max);
        let slopes = slopes(k, g, iterations, &wide_weights[entries]);
        for (all, one) in exact.iter_mut().zip([plan, f, g_end, vec![off], slopes]) {
            all.extend(one);
        }
    }
    for isa in Isa::all() {
        let mut got = [n * n, n, n, 1].map(|size| vec![9.0; count * size]);
        let [plan, f, g, errors] = &mut got;
        let solution = SmallSolution { plan, f, g, errors };
        let mut trace = vec![0.0; small_trace(n, iterations)];
        let kept = Some(&mut trace[..]);
        sweeps(isa, n, &scores, Some(&start), iterations, solution, kept);
        let mut z: Vec<f32> = got[0].iter().zip(&weights).map(|(p, w)| p * w).collect();
        pull_back(isa, n, &scores, Some(&start), &trace, &mut z);
        for (name, (got, exact)) in ["plan", "f", "g", "errors", "slopes"]
            .iter()
            .zip(got.iter().chain([&z]).zip(&exact))
        {
            // Errors and slopes vanish where balancing has succeeded.
            let largest = exact.iter().fold(1.0_f64, |a, b| a.max(b.abs()));
            let worst = got.iter().zip(exact);
            let worst = worst
                .map(|(a, b)| (f64::from(*a) - b).abs())
                .fold(0.0, f64::max);
            let tolerance = 2e-6 * f64::from(scale.max(1.0)).sqrt();
            assert!(
                worst / largest < tolerance,
                "{name}, n = {n}, {count} of scale {scale}, {isa:?}: {worst}"
            );
        }
        // No iteration is something else.
        if n > 1 && iterations == 1 {
            let [plan, ..] = reference(&wide_scores[..n * n], &wide_start[..n], 0);
            assert!(relative_error(&got[0][..n * n], &plan) > 1e-4);
        }
    }
}

#[test]
fn small_matrices_match_double_precision() {
    for n in 1..=SMALL {
        for forbid in [false, true] {
            agrees(n, SMALL_TOGETHER, 3.0, 6, forbid);
            agrees(n, 1, 3.0, 1, forbid);
            agrees(n, 19, 60.0, 20, forbid);
        }
        // As far apart as factors are used for.
        agrees(n, 19, 12.4, 20, false);
    }
}
