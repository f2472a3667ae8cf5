//! Search in the latent space of an autoencoder for what scores best, and what it has to be compared with.
//!
//! Source: Kusner, Paige & Hernández-Lobato, "Grammar Variational Autoencoder", 2017, section 4.2: a Gaussian process learns scores from latent codes,
//! points of large expected improvement are decoded, and what comes out is scored and learnt from in turn.
//!
//! | part | what | paper |
//! |---|---|---|
//! | [`SparseGp`], [`bound`] | regression through inducing points, its bound on the evidence and the gradient of that | Titsias 2009 |
//! | [`Believer`], [`expected_improvement`] | how much smaller than the best a point may turn out, and many such points at once | Jones, Schonlau & Welch 1998; Ginsbourger, Le Riche & Carraro 2010 |
//! | [`neighbour`], [`climb`] | the same search without a latent space: change a subtree of the best derivation, keep what is no worse | |
//!
//! Smaller is better throughout. Everything is double precision on the host.

mod ascent;
mod expected_improvement;
mod matrix;
mod program_search;
mod sparse_gp;

pub use ascent::{Slope, uphill};
pub use expected_improvement::{Believer, Candidates, expected_improvement, lowest_mean, uniform};
pub use matrix::{Cholesky, Matrix};
pub use program_search::{climb, neighbour};
pub use sparse_gp::{Hyperparameters, SparseGp, bound};

#[cfg(test)]
mod test_support {
    use std::f64::consts::PI;

    use super::matrix::dot;
    use super::{Hyperparameters, Matrix};

    /// Places in three dimensions, values there, and parameters that explain them somewhat.
    pub(super) fn problem(n: usize) -> (Hyperparameters, Matrix, Vec<f64>) {
        let x = Matrix::from_fn(n, 3, |n, d| {
            1.5 * libm::sin((n * (3 + 5 * d) + d) as f64 * 0.7)
        });
        let y = x
            .iter_rows()
            .map(|x| libm::sin(x[0]) + 0.5 * x[1] * x[1] - 0.3 * x[2] + 2.0);
        let at = Hyperparameters {
            ln_scales: vec![0.1, -0.2, 0.6],
            ln_signal: 0.3,
            ln_noise: -1.5,
        };
        (at, x.clone(), y.collect())
    }

    /// A Gaussian process without inducing points, by Gauss-Jordan elimination: shares nothing with what it checks but the parameters.
    pub(super) struct Dense {
        at: Hyperparameters,
        x: Matrix,
        y: Vec<f64>,
        inverse: Vec<Vec<f64>>,
        pub(super) evidence: f64,
    }

    fn kernel(at: &Hyperparameters, a: &[f64], b: &[f64]) -> f64 {
        let each = a.iter().zip(b).zip(&at.ln_scales);
        let square: f64 = each.map(|((a, b), l)| ((a - b) / l.exp()).powi(2)).sum();
        at.ln_signal.exp() * (-0.5 * square).exp()
    }

    pub(super) fn dense(at: &Hyperparameters, x: &Matrix, y: &[f64]) -> Dense {
        let n = y.len();
        let entry = |i: usize, j: usize| {
            let noise = if i == j { at.ln_noise.exp() } else { 0.0 };
            kernel(at, x.row(i), x.row(j)) + noise
        };
        let mut left: Vec<Vec<f64>> = (0..n)
            .map(|i| (0..n).map(|j| entry(i, j)).collect())
            .collect();
        let unit = |i: usize| (0..n).map(|j| f64::from(u8::from(i == j))).collect();
        let mut inverse: Vec<Vec<f64>> = (0..n).map(unit).collect();
        let mut ln_det = 0.0;
        for i in 0..n {
            let pivot = left[i][i];
            ln_det += pivot.ln();
            for rows in [&mut left, &mut inverse] {
                for v in &mut rows[i] {
                    *v /= pivot;
                }
            }
            for k in (0..n).filter(|&k| k != i) {
                let factor = left[k][i];
                for rows in [&mut left, &mut inverse] {
                    let row = rows[i].clone();
                    for (v, r) in rows[k].iter_mut().zip(row) {
                        *v -= factor * r;
                    }
                }
            }
        }
        let solved: Vec<f64> = inverse.iter().map(|row| dot(row, y)).collect();
        let evidence = -0.5 * (dot(&solved, y) + ln_det + n as f64 * (2.0 * PI).ln());
        Dense {
            at: at.clone(),
            x: x.clone(),
            y: y.to_vec(),
            inverse,
            evidence,
        }
    }

    impl Dense {
        /// Mean and variance of the function.
        pub(super) fn predict(&self, place: &[f64]) -> (f64, f64) {
            let k: Vec<f64> = self
                .x
                .iter_rows()
                .map(|x| kernel(&self.at, x, place))
                .collect();
            let weights: Vec<f64> = self.inverse.iter().map(|row| dot(row, &k)).collect();
            let variance = kernel(&self.at, place, place) - dot(&weights, &k);
            (dot(&weights, &self.y), variance)
        }
    }
}
