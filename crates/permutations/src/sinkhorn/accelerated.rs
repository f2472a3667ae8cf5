//! Fewer iterations: over-relaxation and Anderson's mixing, on potentials in double precision.
//!
//! One iteration maps the columns' potentials g to `f`, which gives the rows their sums, and on to `g′`. Both methods propose a g of their
//! own for the next one. They end with two plain iterations: the second one only measures what the first one left.

use super::matrix::{Factors, error_of, in_range, larger};
use super::plain::End;
use super::real::Real;
use std::collections::VecDeque;

/// Plain iterations before a method takes over.
const WARM_UP: usize = 3;
/// Plain iterations after which the factor of over-relaxation is chosen.
const UNTIL_RATE: usize = 10;
/// The rate of convergence is not taken to be worse.
const SLOWEST: f64 = 0.99;
/// By how much the error may be above the best one before over-relaxation is given up.
const DIVERGED: f64 = 10.0;
/// Of the Gram matrix's trace, added to its diagonal.
const RIDGE: f64 = 1e-10;

/// Potentials of rows, and of columns afterwards.
pub(super) struct Image<T> {
    f: Vec<T>,
    next: Vec<f64>,
    /// `Σ a·f + Σ b·g`, which is largest at the solution and grows with every plain iteration.
    dual: f64,
    /// The largest deviation of a column's sum between the two half-steps.
    error: f64,
}

impl<T: Real> Factors<'_, T> {
    fn image(&mut self, g: &[f64]) -> Image<T> {
        self.v = factors_of(g, &self.g0);
        let (f, next) = if self.v.iter().all(in_range) && self.sweep() {
            core::mem::swap(&mut self.u, &mut self.next_u);
            self.next_v();
            let g0 = self.g0.iter().zip(&self.v);
            let next = g0.map(|(g0, v)| g0.into_f64() + libm::log(v.into_f64()));
            (self.f(), next.collect())
        } else {
            let g: Vec<T> = g.iter().map(|&g| T::from_f64(g)).collect();
            let f = self.matrix.row_potentials(&g);
            let next = self.matrix.column_potentials(&f);
            self.absorb(f.clone(), next.clone());
            (f, next.into_iter().map(T::into_f64).collect())
        };
        self.judged(f, g, next)
    }

    /// The columns' potentials that belong to these of the rows.
    fn columns(&mut self, f: &[f64]) -> Vec<f64> {
        let u: Vec<T> = factors_of(f, &self.f0);
        if u.iter().all(in_range) && self.column_sums(&u) {
            self.next_v();
            let g0 = self.g0.iter().zip(&self.v);
            return g0
                .map(|(g0, v)| g0.into_f64() + libm::log(v.into_f64()))
                .collect();
        }
        let f: Vec<T> = f.iter().map(|&f| T::from_f64(f)).collect();
        let g = self.matrix.column_potentials(&f);
        g.into_iter().map(T::into_f64).collect()
    }

    fn judged(&self, f: Vec<T>, g: &[f64], next: Vec<f64>) -> Image<T> {
        let b = || self.matrix.b.iter().map(|b| b.into_f64());
        let rows = f.iter().zip(&self.matrix.a);
        let of_rows: f64 = rows.map(|(f, a)| f.into_f64() * a.into_f64()).sum();
        let of_columns: f64 = g.iter().zip(b()).map(|(g, b)| g * b).sum();
        let changes = g.iter().zip(&next).zip(b());
        let errors = changes.map(|((g, next), b)| b * libm::expm1(g - next).abs());
        Image {
            dual: of_rows + of_columns,
            error: errors.fold(0.0, larger),
            f,
            next,
        }
    }

    fn settle(&mut self, f: Vec<T>, g: &[f64], iterations: usize) -> End {
        self.absorb(f, g.iter().map(|&g| T::from_f64(g)).collect());
        End {
            iterations,
            error: self.error(),
        }
    }
}

/// `exp(potentials − start)`.
fn factors_of<T: Real>(potentials: &[f64], start: &[T]) -> Vec<T> {
    let pairs = potentials.iter().zip(start);
    pairs
        .map(|(x, start)| T::from_f64(libm::exp(x - start.into_f64())))
        .collect()
}

/// A choice of the next g, from the present one and its image.
pub(super) trait Method<T: Real> {
    fn propose(&mut self, g: &[f64], image: Image<T>, factors: &mut Factors<'_, T>) -> Vec<f64>;
}

/// Iterates until the rows' sums are within the tolerance, columns being exact.
pub(super) fn iterate<T: Real>(
    factors: &mut Factors<'_, T>,
    tolerance: f64,
    at_most: usize,
    method: &mut dyn Method<T>,
) -> End {
    let mut g: Vec<f64> = factors.g().into_iter().map(T::into_f64).collect();
    let mut from: Option<Vec<T>> = None;
    for iterations in 0..at_most {
        let image = factors.image(&g);
        if let Some(f) = from.take()
            && error_of(&f, &image.f, &factors.matrix.a) <= tolerance
        {
            return factors.settle(f, &g, iterations);
        }
        if image.error <= tolerance || iterations + 2 >= at_most {
            (g, from) = (image.next, Some(image.f));
        } else {
            g = method.propose(&g, image, factors);
        }
    }
    match from {
        Some(f) => factors.settle(f, &g, at_most),
        // Not even one iteration was allowed.
        None => End {
            iterations: 0,
            error: factors.error(),
        },
    }
}

/// Anderson's mixing of the last images (Anderson, 1965, type II): the combination whose residuals cancel best.
pub(super) struct Anderson {
    memory: usize,
    /// Residuals, without their mean (g is defined up to a constant), and images.
    past: VecDeque<(Vec<f64>, Vec<f64>)>,
    iterations: usize,
    /// Dual value, error and image of the best iterate.
    best: Option<(f64, f64, Vec<f64>)>,
}

impl Anderson {
    pub(super) fn new(memory: usize) -> Self {
        Self {
            memory,
            past: VecDeque::new(),
            iterations: 0,
            best: None,
        }
    }
}

impl<T: Real> Method<T> for Anderson {
    fn propose(&mut self, g: &[f64], image: Image<T>, _: &mut Factors<'_, T>) -> Vec<f64> {
        self.iterations += 1;
        if let Some((dual, error, next)) = &self.best
            && image.dual < *dual
            && (image.error.is_nan() || image.error >= 2.0 * error)
        {
            // The mixture led away: on from the best iterate, plainly.
            self.past.clear();
            return next.clone();
        }
        if self.best.as_ref().is_none_or(|best| image.dual >= best.0) {
            self.best = Some((image.dual, image.error, image.next.clone()));
        }
        let mut residual: Vec<f64> = image.next.iter().zip(g).map(|(a, b)| a - b).collect();
        let mean = residual.iter().sum::<f64>() / residual.len() as f64;
        for r in &mut residual {
            *r -= mean;
        }
        self.past.push_back((residual, image.next.clone()));
        if self.past.len() > self.memory {
            self.past.pop_front();
        }
        if self.iterations <= WARM_UP {
            return image.next;
        }
        let weights = weights(&self.past);
        let mut mixture = vec![0.0; g.len()];
        for (weight, (_, next)) in weights.iter().zip(&self.past) {
            for (m, next) in mixture.iter_mut().zip(next) {
                *m += weight * next;
            }
        }
        if mixture.iter().all(|x| x.is_finite()) {
            mixture
        } else {
            image.next
        }
    }
}

/// Weights of sum 1 that minimise the length of the residuals' combination.
fn weights(past: &VecDeque<(Vec<f64>, Vec<f64>)>) -> Vec<f64> {
    let m = past.len();
    let mut gram = vec![vec![0.0; m]; m];
    for (i, row) in gram.iter_mut().enumerate() {
        for (j, entry) in row.iter_mut().enumerate() {
            *entry = past[i].0.iter().zip(&past[j].0).map(|(a, b)| a * b).sum();
        }
    }
    let trace: f64 = (0..m).map(|i| gram[i][i]).sum();
    for (i, row) in gram.iter_mut().enumerate() {
        row[i] += RIDGE * trace;
        row.push(1.0);
    }
    // Gauss's elimination; the matrix is positive definite.
    for i in 0..m {
        let pivot = gram[i].clone();
        for row in gram.iter_mut().skip(i + 1) {
            let factor = row[i] / pivot[i];
            for (x, p) in row.iter_mut().zip(&pivot).skip(i) {
                *x -= factor * p;
            }
        }
    }
    let mut x = vec![0.0; m];
    for i in (0..m).rev() {
        let known: f64 = (i + 1..m).map(|j| gram[i][j] * x[j]).sum();
        x[i] = (gram[i][m] - known) / gram[i][i];
    }
    let sum: f64 = x.iter().sum();
    x.into_iter().map(|x| x / sum).collect()
}

/// Over-relaxation of both half-steps, `f ← f + ω(f̂ − f)`, `g ← g + ω(ĝ − g)`, with the factor that suits the rate seen in the first
/// iterations (Thibault, Chizat, Dossal and Papadakis, "Overrelaxed Sinkhorn-Knopp Algorithm for Regularized Optimal Transport", 2021).
pub(super) struct Relaxation {
    f: Vec<f64>,
    omega: f64,
    iterations: usize,
    last_error: f64,
    best: f64,
}

impl Relaxation {
    pub(super) fn new() -> Self {
        Self {
            f: Vec::new(),
            omega: 1.0,
            iterations: 0,
            last_error: f64::INFINITY,
            best: f64::INFINITY,
        }
    }
}

impl<T: Real> Method<T> for Relaxation {
    fn propose(&mut self, g: &[f64], image: Image<T>, factors: &mut Factors<'_, T>) -> Vec<f64> {
        self.iterations += 1;
        if self.iterations == UNTIL_RATE {
            let rate = (image.error / self.last_error).clamp(0.0, SLOWEST);
            self.omega = 2.0 / (1.0 + (1.0 - rate).sqrt());
        }
        if image.error.is_nan() || image.error >= DIVERGED * self.best {
            self.omega = 1.0;
        }
        self.best = self.best.min(image.error);
        self.last_error = image.error;
        let rows: Vec<f64> = image.f.into_iter().map(T::into_f64).collect();
        if self.omega == 1.0 || self.f.is_empty() {
            self.f = rows;
            return image.next;
        }
        self.f = towards(&self.f, &rows, self.omega);
        towards(g, &factors.columns(&self.f), self.omega)
    }
}

fn towards(from: &[f64], to: &[f64], by: f64) -> Vec<f64> {
    from.iter().zip(to).map(|(x, y)| x + by * (y - x)).collect()
}
