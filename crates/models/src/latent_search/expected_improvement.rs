//! Points from which an improvement is expected, many of them before any is tried.
//!
//! Source: Jones, Schonlau & Welch, "Efficient Global Optimization of Expensive Black-Box Functions", 1998, equation 15; the batch: Ginsbourger, Le Riche
//! & Carraro, "Kriging Is Well-Suited to Parallelize Optimization", 2010, the kriging believer.
//!
//! With posterior mean `μ` and standard deviation `s` of the function at `x`, and `f*` the value to improve on,
//!
//! `EI(x) = E[max(f* - f(x), 0)] = s [u Φ(u) + φ(u)]`,  `u = (f* - μ) / s`,  `∇EI = φ(u) ∇s - Φ(u) ∇μ`
//!
//! What is observed is noisy, so `f*` is no observation but the smallest `μ` in the box, as in the code of the Grammar VAE (from memory): where the mean alone already
//! promises more than all data, many points would be drawn to one place otherwise.
//!
//! The believer takes a chosen point `x_j` for observed, with the posterior mean as its value. So `μ` stays what it is everywhere, and with
//! `c(x, x')` the covariance before any point was chosen, the variance becomes
//!
//! `v(x) = c(x, x) - sum_j r_j(x)²`,  `r_j(x) = (c(x, x_j) - sum_{i<j} l_ji r_i(x)) / l_jj`
//!
//! with `l` the Cholesky factor of the covariance of the chosen points' observations, noise included. This conditions the posterior itself, not the
//! data of the sparse process: a point far from all inducing points is believed too.
//!
//! A point is the best of a set of candidates, uniform in a box, and from there uphill inside the box.

use unbiased_grammar::Draws;

use super::ascent::{Slope, uphill};
use super::matrix::{Matrix, dot};
use super::sparse_gp::SparseGp;

/// `Φ(u)` and `φ(u)`.
fn normal(u: f64) -> (f64, f64) {
    use std::f64::consts::{FRAC_1_SQRT_2, PI};
    let density = libm::exp(-0.5 * u * u) / (2.0 * PI).sqrt();
    (0.5 * libm::erfc(-u * FRAC_1_SQRT_2), density)
}

/// `E[max(best - f, 0)]` of a normal `f`.
#[must_use]
pub fn expected_improvement(best: f64, mean: f64, variance: f64) -> f64 {
    let s = variance.sqrt();
    let u = (best - mean) / s;
    let (below, density) = normal(u);
    // Far below, rounding may leave less than nothing.
    (s * (u * below + density)).max(0.0)
}

/// A point drawn uniformly between the corners of a box.
pub fn uniform(lower: &[f64], upper: &[f64], draws: &mut Draws) -> Vec<f64> {
    let sides = lower.iter().zip(upper);
    sides.map(|(l, u)| l + (u - l) * draws.uniform()).collect()
}

/// A point taken for observed.
#[derive(Debug, Clone)]
struct Believed {
    x: Vec<f64>,
    /// `D k(x)`.
    reduced: Vec<f64>,
    /// `l_j1 .. l_jj`.
    factor: Vec<f64>,
}

/// `sum_m weights[m] rows[m]`.
fn combined(weights: &[f64], rows: &Matrix) -> Vec<f64> {
    let mut sum = vec![0.0; rows.columns()];
    for (w, row) in weights.iter().zip(rows.iter_rows()) {
        for (sum, x) in sum.iter_mut().zip(row) {
            *sum += w * x;
        }
    }
    sum
}

/// The smallest posterior mean in a box: the least among so many points, and from there downhill for at most `steps` evaluations.
#[must_use]
pub fn lowest_mean(gp: &SparseGp, among: &Matrix, corners: [&[f64]; 2], steps: usize) -> f64 {
    let at = Believer::new(gp, 0.0);
    let means = gp.predict(among).into_iter().map(|(mean, _)| mean);
    let least = means.enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b));
    let (least, _) = least.expect("at least one point");
    let downhill = |x: &[f64]| {
        let (k, dk) = at.kernel(x);
        Slope {
            value: -gp.mean - dot(&k, &gp.alpha),
            gradient: combined(&gp.alpha, &dk).iter().map(|d| -d).collect(),
        }
    };
    -uphill(among.row(least), corners, steps, downhill).1.value
}

/// A posterior, and the points that are taken for observed.
#[derive(Debug, Clone)]
pub struct Believer<'g> {
    gp: &'g SparseGp,
    best: f64,
    /// `1/ℓ_d²`.
    precisions: Vec<f64>,
    believed: Vec<Believed>,
}

/// Places among which the best is looked for, with what is known of each.
#[derive(Debug, Clone)]
pub struct Candidates {
    x: Matrix,
    /// Kernel between them and the inducing points.
    k: Matrix,
    /// Mean and variance.
    beliefs: Vec<(f64, f64)>,
    /// `r_j(x)`, one list for each believed point.
    factors: Vec<Vec<f64>>,
}

impl<'g> Believer<'g> {
    /// Nothing is believed yet; improvements are over `best`.
    #[must_use]
    pub fn new(gp: &'g SparseGp, best: f64) -> Self {
        Self {
            gp,
            best,
            precisions: gp.hyperparameters.precisions(),
            believed: Vec::new(),
        }
    }

    /// What is known of places, of which one after the other can be [chosen](Self::choose).
    ///
    /// # Panics
    /// If some point is believed already.
    #[must_use]
    pub fn candidates(&self, x: Matrix) -> Candidates {
        assert!(self.believed.is_empty(), "candidates before any belief");
        let k = self.gp.hyperparameters.kernel(&x, &self.gp.inducing);
        Candidates {
            beliefs: self.gp.predict_from(&k),
            x,
            k,
            factors: Vec::new(),
        }
    }

    /// The best of the candidates, taken uphill within the box for at most `steps` evaluations, and believed from now on.
    ///
    /// # Panics
    /// If there is no candidate.
    pub fn choose(
        &mut self,
        among: &mut Candidates,
        corners: [&[f64]; 2],
        steps: usize,
    ) -> Vec<f64> {
        let value = |i: usize| {
            let (mean, variance) = among.beliefs[i];
            expected_improvement(self.best, mean, variance)
        };
        let best = (0..among.beliefs.len()).max_by(|&a, &b| value(a).total_cmp(&value(b)));
        let best = best.expect("at least one candidate");
        let (x, _) = uphill(among.x.row(best), corners, steps, |x| self.at(x));
        self.believe(&x);
        among.follow(self);
        x
    }

    /// Takes the function at `x` to be its mean.
    pub fn believe(&mut self, x: &[f64]) {
        let (k, _) = self.kernel(x);
        let before = self.factors(x, &k);
        let reduced = self.gp.reduction.apply(&k);
        let hyper = &self.gp.hyperparameters;
        let variance = hyper.signal() + hyper.noise() - dot(&k, &reduced) - dot(&before, &before);
        let mut factor = before;
        // Noise alone keeps it positive; rounding must not.
        factor.push(variance.max(1e-3 * hyper.noise()).sqrt());
        self.believed.push(Believed {
            x: x.to_vec(),
            reduced,
            factor,
        });
    }

    /// `k(x)` and, for every inducing point, its gradient `[M, d]`.
    fn kernel(&self, x: &[f64]) -> (Vec<f64>, Matrix) {
        let inducing = &self.gp.inducing;
        let k: Vec<f64> = inducing.iter_rows().map(|z| self.one(x, z)).collect();
        let slope = |m: usize, d: usize| k[m] * self.precisions[d] * (inducing.row(m)[d] - x[d]);
        let gradient = Matrix::from_fn(inducing.rows(), x.len(), slope);
        (k, gradient)
    }

    /// `k(a, b)`.
    fn one(&self, a: &[f64], b: &[f64]) -> f64 {
        let each = a.iter().zip(b).zip(&self.precisions);
        let square: f64 = each.map(|((a, b), p)| p * (a - b) * (a - b)).sum();
        self.gp.hyperparameters.signal() * libm::exp(-0.5 * square)
    }

    /// `r_j(x)` of all believed points.
    fn factors(&self, x: &[f64], k: &[f64]) -> Vec<f64> {
        let mut r: Vec<f64> = Vec::with_capacity(self.believed.len() + 1);
        for believed in &self.believed {
            let j = r.len();
            let covariance = self.one(x, &believed.x) - dot(k, &believed.reduced);
            r.push((covariance - dot(&r, &believed.factor[..j])) / believed.factor[j]);
        }
        r
    }

    /// Mean and variance of the function, given what is believed.
    #[must_use]
    pub fn belief(&self, x: &[f64]) -> (f64, f64) {
        let (k, _) = self.kernel(x);
        let r = self.factors(x, &k);
        let variance =
            self.gp.hyperparameters.signal() - dot(&k, &self.gp.reduction.apply(&k)) - dot(&r, &r);
        (self.gp.mean + dot(&k, &self.gp.alpha), variance)
    }

    /// The expected improvement at `x`.
    #[must_use]
    pub fn at(&self, x: &[f64]) -> Slope {
        let (k, dk) = self.kernel(x);
        let reduced = self.gp.reduction.apply(&k);
        let mean = self.gp.mean + dot(&k, &self.gp.alpha);
        let d_mean = combined(&self.gp.alpha, &dk);
        let mut variance = self.gp.hyperparameters.signal() - dot(&k, &reduced);
        let mut d_variance: Vec<f64> = combined(&reduced, &dk).iter().map(|d| -2.0 * d).collect();
        let r = self.factors(x, &k);
        let mut d_r: Vec<Vec<f64>> = Vec::with_capacity(r.len());
        for (j, believed) in self.believed.iter().enumerate() {
            let direct = self.one(x, &believed.x);
            let mut d = combined(&believed.reduced, &dk);
            for (axis, d) in d.iter_mut().enumerate() {
                let slope = direct * self.precisions[axis] * (believed.x[axis] - x[axis]);
                let before: f64 = (0..j).map(|i| believed.factor[i] * d_r[i][axis]).sum();
                *d = (slope - *d - before) / believed.factor[j];
                d_variance[axis] -= 2.0 * r[j] * *d;
            }
            variance -= r[j] * r[j];
            d_r.push(d);
        }
        let variance = variance.max(f64::MIN_POSITIVE);
        let s = variance.sqrt();
        let (below, density) = normal((self.best - mean) / s);
        let slopes = d_mean.iter().zip(&d_variance);
        Slope {
            value: expected_improvement(self.best, mean, variance),
            gradient: slopes
                .map(|(m, v)| density * v / (2.0 * s) - below * m)
                .collect(),
        }
    }
}

impl Candidates {
    /// Takes in the last point that is believed.
    fn follow(&mut self, believer: &Believer<'_>) {
        let Some(last) = believer.believed.last() else {
            return;
        };
        let (before, own) = last.factor.split_at(last.factor.len() - 1);
        let mut factors = Vec::with_capacity(self.x.rows());
        for (i, (x, k)) in self.x.iter_rows().zip(self.k.iter_rows()).enumerate() {
            let covariance = believer.one(x, &last.x) - dot(k, &last.reduced);
            let known = self.factors.iter().zip(before);
            let known: f64 = known.map(|(factors, l)| l * factors[i]).sum();
            let r = (covariance - known) / own[0];
            self.beliefs[i].1 = (self.beliefs[i].1 - r * r).max(f64::MIN_POSITIVE);
            factors.push(r);
        }
        self.factors.push(factors);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent_search::test_support::{dense, problem};

    #[test]
    fn the_expected_improvement_is_the_integral() {
        for (best, mean, variance) in [(0.0, 0.3, 0.5), (1.0, -2.0, 0.1), (0.0, 2.0, 0.25)] {
            let s = f64::sqrt(variance);
            let n = 200_000;
            let integral: f64 = (0..n)
                .map(|i| -9.0 + 18.0 * (f64::from(i) + 0.5) / f64::from(n))
                .map(|e| (best - mean - s * e).max(0.0) * normal(e).1)
                .sum::<f64>()
                * 18.0
                / f64::from(n);
            let ours = expected_improvement(best, mean, variance);
            assert!((ours - integral).abs() < 1e-8, "{ours} {integral}");
        }
        assert_eq!(expected_improvement(0.0, 1e3, 1.0), 0.0);
    }

    /// A process that knows the data alone, through inducing points of its own.
    fn sparse() -> (SparseGp, Matrix, Vec<f64>) {
        let (at, x, y) = problem(20);
        let gp = SparseGp::new(at, &x, &y, x.clone()).expect("positive definite");
        (gp, x, y)
    }

    #[test]
    fn a_believed_point_is_an_observation_of_the_mean() {
        let (gp, x, y) = sparse();
        let more = problem(40).1;
        let (mut believer, mut all) = (Believer::new(&gp, 0.0), (x, y));
        for i in [30, 33, 35] {
            let (mean, _) = believer.belief(more.row(i));
            believer.believe(more.row(i));
            all.0.push_row(more.row(i));
            all.1.push(mean);
        }
        let values: Vec<f64> = all.1.iter().map(|y| y - gp.mean).collect();
        let dense = dense(&gp.hyperparameters, &all.0, &values);
        let mut told_apart = false;
        for i in [31, 33, 36, 39] {
            let (mean, variance) = believer.belief(more.row(i));
            let (expected, of_dense) = dense.predict(more.row(i));
            assert!((mean - gp.mean - expected).abs() < 1e-4, "{mean}");
            assert!((variance - of_dense).abs() < 1e-4, "{variance} {of_dense}");
            let (_, without) = Believer::new(&gp, 0.0).belief(more.row(i));
            told_apart |= (without - of_dense).abs() > 1e-2;
        }
        assert!(told_apart);
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let (gp, ..) = sparse();
        let more = problem(40).1;
        let mut believer = Believer::new(&gp, 2.0);
        believer.believe(more.row(30));
        believer.believe(more.row(33));
        let (x, h) = (more.row(36), 1e-5);
        let exact = believer.at(x);
        let (mean, variance) = believer.belief(x);
        assert!((exact.value - expected_improvement(2.0, mean, variance)).abs() < 1e-12);
        for d in 0..3 {
            let beside = |h: f64| {
                let mut x = x.to_vec();
                x[d] += h;
                believer.at(&x).value
            };
            let numeric = (beside(h) - beside(-h)) / (2.0 * h);
            let error = (exact.gradient[d] - numeric).abs();
            assert!(error < 1e-7, "{d}: {} {numeric}", exact.gradient[d]);
            assert!(numeric.abs() > 1e-4, "{d}: nothing to see");
        }
    }

    /// A batch climbs from its candidates, stays in the box, and does not come back to where it was; candidates know what a point by itself knows.
    #[test]
    fn a_batch_spreads_out_and_the_candidates_follow() {
        let (gp, ..) = sparse();
        let (lower, upper) = ([-1.5; 3], [1.5; 3]);
        let mut draws = Draws::new(3);
        let rows = (0..300).flat_map(|_| uniform(&lower, &upper, &mut draws));
        let x = Matrix::new(300, 3, rows.collect());
        let mut believer = Believer::new(&gp, 1.0);
        let mut candidates = believer.candidates(x.clone());
        let fresh = believer.clone();
        let best = (0..300)
            .map(|i| fresh.at(x.row(i)).value)
            .fold(0.0, f64::max);
        let chosen: Vec<Vec<f64>> = (0..6)
            .map(|_| believer.choose(&mut candidates, [&lower, &upper], 30))
            .collect();
        assert!(fresh.at(&chosen[0]).value > best);
        let lowest = lowest_mean(&gp, &x, [&lower, &upper], 30);
        let drawn = gp.predict(&x).into_iter().map(|(mean, _)| mean);
        let fine = Matrix::from_fn(9261, 3, |i, d| {
            f64::from((i / [1, 21, 441][d] % 21) as u32) * 0.15 - 1.5
        });
        let fine = gp.predict(&fine).into_iter().map(|(mean, _)| mean);
        assert!(lowest < drawn.fold(f64::INFINITY, f64::min));
        assert!(lowest < fine.fold(f64::INFINITY, f64::min) + 0.01);
        for (i, point) in chosen.iter().enumerate() {
            assert!(point.iter().all(|x| x.abs() <= 1.5));
            for other in &chosen[..i] {
                let square: f64 = point.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum();
                assert!(square > 1e-3, "{chosen:?}");
            }
        }
        for i in 0..300 {
            let (mean, variance) = candidates.beliefs[i];
            let (m, v) = believer.belief(x.row(i));
            assert!((mean - m).abs() < 1e-9 && (variance - v).abs() < 1e-9);
        }
    }
}
