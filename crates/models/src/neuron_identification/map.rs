//! The most probable names and weights, by turns.
//!
//! Weights given names are a linear regression. Names given weights are a quadratic assignment problem,
//!
//! `min_P −2⟨S₁₀, P W Pᵀ⟩ + ⟨S₀₀, P WᵀW Pᵀ⟩`,
//!
//! of which a stationary point is sought among doubly stochastic matrices by the Frank-Wolfe method from their middle, and rounded (Vogelstein
//! et al., "Fast approximate quadratic programming for graph matching", 2015).

use unbiased_permutations::Error;

use super::energy::Energy;
use super::mcmc::transposed;
use super::regression::{mean_weights, places};
use super::worms::{Population, Worm};

/// Steps of the Frank-Wolfe method at most.
const STEPS: usize = 30;
/// Share of the first decrease below which a step is the last one.
const LEAST: f64 = 1e-4;

/// One turn: weights given `names`, then names of every worm given these.
///
/// # Errors
/// As [`unbiased_permutations::assign`].
pub fn turn(population: &Population, names: &[Vec<usize>]) -> Result<Vec<Vec<usize>>, Error> {
    let n = population.connectome.neurons();
    let energy = Energy::new(mean_weights(population, names), n);
    let worms = population.worms.iter();
    worms.map(|worm| frank_wolfe(&energy, worm)).collect()
}

/// P, its products with the statistics, and the gradient, all linear in P.
struct Point {
    p: Vec<f64>,
    gradient: Vec<f64>,
}

impl Point {
    /// `self + step·(other − self)`.
    fn toward(&mut self, other: &Self, step: f64) {
        for (own, other) in [
            (&mut self.p, &other.p),
            (&mut self.gradient, &other.gradient),
        ] {
            for (own, other) in own.iter_mut().zip(other) {
                *own += step * (other - *own);
            }
        }
    }
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Names that make the energy small.
///
/// # Errors
/// As [`unbiased_permutations::assign`].
pub fn frank_wolfe(energy: &Energy, worm: &Worm) -> Result<Vec<usize>, Error> {
    let n = worm.truth.len();
    let activity = &worm.activity;
    let s01 = transposed(&activity.s10, n);
    // 2 (S₀₀ P Wᵀ W − S₁₀ P Wᵀ − S₁₀ᵀ P W), from the products of P with the statistics.
    let gradient = |[s00_p, s10_p, s01_p]: [Vec<f64>; 3]| -> Vec<f64> {
        let quadratic = energy.times(&energy.times_transposed(&s00_p));
        let linear = energy.times_transposed(&s10_p);
        let other = energy.times(&s01_p);
        let terms = quadratic.iter().zip(linear).zip(other);
        terms.map(|((q, l), o)| 2.0 * (q - l - o)).collect()
    };
    let statistics = [&activity.s00, &activity.s10, &s01];
    // Columns of the statistics, put in the order of names.
    let vertex = |names: &[usize]| {
        let places = places(names);
        let products = statistics.map(|s| {
            let rows = s.chunks_exact(n);
            rows.flat_map(|row| places.iter().map(move |&a| row[a]))
                .collect()
        });
        let mut p = vec![0.0; n * n];
        names
            .iter()
            .enumerate()
            .for_each(|(a, &c)| p[a * n + c] = 1.0);
        Point {
            p,
            gradient: gradient(products),
        }
    };
    let middle = middle(worm);
    let products = statistics.map(|s| dense(s, &middle, n));
    let mut point = Point {
        gradient: gradient(products),
        p: middle,
    };
    let mut first = 0.0;
    for step in 0..STEPS {
        let corner = vertex(&worm.best_names(|k| -point.gradient[k])?);
        let slope = inner(&point.gradient, &corner.p) - inner(&point.gradient, &point.p);
        let curvature =
            inner(&corner.gradient, &corner.p) - inner(&corner.gradient, &point.p) - slope;
        let length = if curvature > -slope {
            -slope / curvature
        } else {
            1.0
        };
        if step == 0 {
            first = slope.abs();
        }
        if slope.abs() <= LEAST * first {
            break;
        }
        point.toward(&corner, length);
    }
    worm.best_names(|k| point.p[k])
}

/// The balanced matrix that prefers no candidate.
fn middle(worm: &Worm) -> Vec<f64> {
    let n = worm.truth.len();
    let mut p: Vec<f64> = worm
        .candidates
        .iter()
        .map(|&c| f64::from(u8::from(c)))
        .collect();
    for _ in 0..100 {
        for row in p.chunks_exact_mut(n) {
            let sum: f64 = row.iter().sum();
            for p in row.iter_mut() {
                *p /= sum;
            }
        }
        for c in 0..n {
            let sum: f64 = p[c..].iter().step_by(n).sum();
            p[c..].iter_mut().step_by(n).for_each(|p| *p /= sum);
        }
    }
    p
}

/// The product of two square matrices.
fn dense(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    for (a, out) in a.chunks_exact(n).zip(out.chunks_exact_mut(n)) {
        for (a, b) in a.iter().zip(b.chunks_exact(n)) {
            out.iter_mut().zip(b).for_each(|(out, b)| *out += a * b);
        }
    }
    out
}
