//! Regression by a Gaussian process that looks at its data through M inducing points.
//!
//! Source: Titsias, "Variational Learning of Inducing Variables in Sparse Gaussian Processes", 2009, equations 9 and 6.
//!
//! With `K` the kernel among the inducing points `z`, `P` that between them and the N data, `β = 1/σ²` and `Σ = K + β P Pᵀ`, the evidence is at least
//!
//! `F = ln N(y; 0, Pᵀ K⁻¹ P + σ² I) - β/2 (N s² - tr K⁻¹ P Pᵀ)`
//! `  = -1/2 [N ln 2π + ln |Σ| - ln |K| - N ln β + β yᵀy - β (P y)ᵀ α + β (N s² - tr K⁻¹ P Pᵀ)]`,  `α = β Σ⁻¹ P y`
//!
//! and the posterior of the function has mean `k(x)ᵀ α` and covariance `k(x, x') - k(x)ᵀ D k(x')`, `D = K⁻¹ - Σ⁻¹`. The kernel is
//!
//! `k(x, x') = s² exp(-1/2 sum_d (x_d - x'_d)² / ℓ_d²)`
//!
//! Its parameters climb `F` by Adam, with the gradients
//!
//! `dF/dP = β [D P + α (y - Pᵀα)ᵀ]`,  `dF/dK = 1/2 [D - α αᵀ - β K⁻¹ P Pᵀ K⁻¹]`.
//!
//! Shapes: `x` `[N, d]`, `y` `[N]`, `z` `[M, d]`; a step costs `O(N M (M + d))`. Numerics: `10⁻⁶ s²` is added to the diagonal of `K`, which is a
//! model whose inducing values are seen with that much noise, so `F` stays a bound. The mean of `y` is taken off and put back.
//!
//! Differences from the search of the Grammar VAE: its sparse process maximises an energy of expectation propagation (Bui et al., 2016) by Adam on
//! minibatches and moves its inducing points; here they stay where they are put, and every step sees all data.

use std::f64::consts::PI;

use super::matrix::{Matrix, dot};

/// What is added to the diagonal of the inducing points' kernel, in units of the signal's variance.
const JITTER: f64 = 1e-6;

/// Logarithms of the parameters of kernel and noise.
#[derive(Debug, Clone, PartialEq)]
pub struct Hyperparameters {
    /// `ln ℓ_d`.
    pub ln_scales: Vec<f64>,
    /// `ln s²`.
    pub ln_signal: f64,
    /// `ln σ²`.
    pub ln_noise: f64,
}

impl Hyperparameters {
    /// Where a fit begins: every length scale the median distance between data, the variance of `y` in equal parts signal and noise.
    ///
    /// # Panics
    /// If there are fewer than two data.
    #[must_use]
    pub fn initial(x: &Matrix, y: &[f64]) -> Self {
        assert!(y.len() > 1, "expected at least two data, got {}", y.len());
        let pairs = (1..x.rows()).map(|n| (x.row(n), x.row(n - 1)));
        let mut squares: Vec<f64> = pairs
            .map(|(a, b)| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum())
            .collect();
        squares.sort_unstable_by(f64::total_cmp);
        let median = squares[squares.len() / 2].max(f64::MIN_POSITIVE);
        let mean = mean(y);
        let variance = y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / y.len() as f64;
        let half = libm::log((0.5 * variance).max(JITTER));
        Self {
            ln_scales: vec![0.5 * libm::log(median); x.columns()],
            ln_signal: half,
            ln_noise: half,
        }
    }

    /// Those that maximise the bound on `y` at `x`, looked for by `steps` steps of Adam from here.
    #[must_use]
    pub fn fitted(&self, x: &Matrix, y: &[f64], z: &Matrix, steps: usize) -> Self {
        const RATE: f64 = 0.05;
        let y = centred(y);
        let mut at = self.values();
        let (mut first, mut second) = (vec![0.0; at.len()], vec![0.0; at.len()]);
        for step in 1..=steps as i32 {
            let Some((_, gradient)) = bound(&Self::from_values(&at), x, &y, z) else {
                break;
            };
            let (bias_1, bias_2) = (1.0 - 0.9_f64.powi(step), 1.0 - 0.999_f64.powi(step));
            for (d, g) in gradient.values().into_iter().enumerate() {
                first[d] = 0.9 * first[d] + 0.1 * g;
                second[d] = 0.999 * second[d] + 0.001 * g * g;
                at[d] += RATE * (first[d] / bias_1) / ((second[d] / bias_2).sqrt() + 1e-8);
            }
        }
        Self::from_values(&at)
    }

    fn values(&self) -> Vec<f64> {
        let mut values = self.ln_scales.clone();
        values.extend([self.ln_signal, self.ln_noise]);
        values
    }

    fn from_values(values: &[f64]) -> Self {
        let d = values.len() - 2;
        Self {
            ln_scales: values[..d].to_vec(),
            ln_signal: values[d],
            ln_noise: values[d + 1],
        }
    }

    /// `s²`.
    #[must_use]
    pub fn signal(&self) -> f64 {
        libm::exp(self.ln_signal)
    }

    /// `σ²`.
    #[must_use]
    pub fn noise(&self) -> f64 {
        libm::exp(self.ln_noise)
    }

    /// `1/ℓ_d²`.
    #[must_use]
    pub(super) fn precisions(&self) -> Vec<f64> {
        self.ln_scales.iter().map(|l| libm::exp(-2.0 * l)).collect()
    }

    /// `k(a_i, b_j)`.
    #[must_use]
    pub fn kernel(&self, a: &Matrix, b: &Matrix) -> Matrix {
        let scales: Vec<f64> = self.ln_scales.iter().map(|l| libm::exp(-l)).collect();
        let scaled =
            |x: &Matrix| Matrix::from_fn(x.rows(), x.columns(), |n, d| x.row(n)[d] * scales[d]);
        let (a, b) = (scaled(a), scaled(b));
        let squares = |x: &Matrix| x.iter_rows().map(|row| dot(row, row)).collect::<Vec<_>>();
        let (of_a, of_b) = (squares(&a), squares(&b));
        let products = a.product(&b.transposed());
        let signal = self.signal();
        Matrix::from_fn(a.rows(), b.rows(), |i, j| {
            let square = of_a[i] + of_b[j] - 2.0 * products.row(i)[j];
            signal * libm::exp(-0.5 * square.max(0.0))
        })
    }

    /// `K`, with its jitter.
    fn among(&self, z: &Matrix) -> Matrix {
        let mut k = self.kernel(z, z);
        k.add_to_diagonal(JITTER * self.signal());
        k
    }
}

fn mean(y: &[f64]) -> f64 {
    y.iter().sum::<f64>() / y.len() as f64
}

fn centred(y: &[f64]) -> Vec<f64> {
    let mean = mean(y);
    y.iter().map(|y| y - mean).collect()
}

/// `sum_nm w_nm (x_nd - z_md)²` for every `d`.
fn spread(w: &Matrix, x: &Matrix, z: &Matrix) -> Vec<f64> {
    let mut of_z = vec![0.0; z.rows()];
    let mut sums = vec![0.0; x.columns()];
    for (w, x) in w.iter_rows().zip(x.iter_rows()) {
        let of_x: f64 = w.iter().sum();
        for (sum, x) in sums.iter_mut().zip(x) {
            *sum += of_x * x * x;
        }
        for (sum, w) in of_z.iter_mut().zip(w) {
            *sum += w;
        }
    }
    let both = w.transposed_product(x);
    for (m, z) in z.iter_rows().enumerate() {
        for (d, z) in z.iter().enumerate() {
            sums[d] += of_z[m] * z * z - 2.0 * z * both.row(m)[d];
        }
    }
    sums
}

/// The bound `F` on the evidence of `y`, whose mean is 0, and its gradient; `None` where a matrix is not positive definite.
///
/// # Panics
/// If sizes do not fit.
#[must_use]
pub fn bound(
    at: &Hyperparameters,
    x: &Matrix,
    y: &[f64],
    z: &Matrix,
) -> Option<(f64, Hyperparameters)> {
    let n = y.len() as f64;
    let (signal, beta) = (at.signal(), 1.0 / at.noise());
    let k = at.among(z);
    // Pᵀ: a row for each datum.
    let p = at.kernel(x, z);
    let pp = p.transposed_product(&p);
    let sigma = k.clone().zip(&pp, |k, pp| k + beta * pp);
    let (of_k, of_sigma) = (k.cholesky()?, sigma.cholesky()?);
    let (k_inverse, sigma_inverse) = (of_k.inverse(), of_sigma.inverse());
    let py = p.transposed().apply(y);
    let alpha: Vec<f64> = sigma_inverse.apply(&py).iter().map(|a| beta * a).collect();
    // What the inducing points do not explain: N s² - tr K⁻¹ P Pᵀ.
    let unexplained = n * signal - dot(k_inverse.values(), pp.values());
    let (yy, fit) = (dot(y, y), dot(&py, &alpha));
    let value = -0.5
        * (n * libm::log(2.0 * PI) + of_sigma.ln_det() - of_k.ln_det() - n * libm::log(beta)
            + beta * (yy - fit + unexplained));

    let d = k_inverse.clone().zip(&sigma_inverse, |a, b| a - b);
    let left: Vec<f64> = p.apply(&alpha).iter().zip(y).map(|(f, y)| y - f).collect();
    // dF/dP and dF/dK, times the entries of P and K: what a change of their logarithms does.
    let dp = p.product(&d);
    let by_p = Matrix::from_fn(p.rows(), p.columns(), |i, m| {
        beta * (dp.row(i)[m] + left[i] * alpha[m]) * p.row(i)[m]
    });
    let explained = k_inverse.product(&pp).product(&k_inverse);
    let by_k = Matrix::from_fn(k.rows(), k.columns(), |i, j| {
        let inner = d.row(i)[j] - alpha[i] * alpha[j] - beta * explained.row(i)[j];
        0.5 * inner * k.row(i)[j]
    });
    let by_scale = spread(&by_p, x, z).into_iter().zip(spread(&by_k, z, z));
    let precisions = at.precisions();
    let by_beta = 0.5
        * (n / beta - dot(sigma_inverse.values(), pp.values()) - yy + 2.0 * fit
            - dot(&alpha, &pp.apply(&alpha))
            - unexplained);
    let sum = |by: &Matrix| by.values().iter().sum::<f64>();
    let gradient = Hyperparameters {
        ln_scales: by_scale
            .zip(&precisions)
            .map(|((by_p, by_k), precision)| (by_p + by_k) * precision)
            .collect(),
        ln_signal: sum(&by_p) + sum(&by_k) - 0.5 * beta * n * signal,
        ln_noise: -beta * by_beta,
    };
    Some((value, gradient))
}

/// The posterior of a function.
#[derive(Debug, Clone)]
pub struct SparseGp {
    /// Parameters of kernel and noise.
    pub hyperparameters: Hyperparameters,
    pub(super) inducing: Matrix,
    pub(super) mean: f64,
    pub(super) alpha: Vec<f64>,
    /// `D = K⁻¹ - Σ⁻¹`.
    pub(super) reduction: Matrix,
}

impl SparseGp {
    /// The posterior given `y` at `x`, through the inducing points `z`; `None` where a matrix is not positive definite.
    ///
    /// # Panics
    /// If sizes do not fit.
    #[must_use]
    pub fn new(hyperparameters: Hyperparameters, x: &Matrix, y: &[f64], z: Matrix) -> Option<Self> {
        let beta = 1.0 / hyperparameters.noise();
        let (k, p) = (hyperparameters.among(&z), hyperparameters.kernel(x, &z));
        let sigma = k
            .clone()
            .zip(&p.transposed_product(&p), |k, pp| k + beta * pp);
        let sigma_inverse = sigma.cholesky()?.inverse();
        let py = p.transposed().apply(&centred(y));
        Some(Self {
            mean: mean(y),
            alpha: sigma_inverse.apply(&py).iter().map(|a| beta * a).collect(),
            reduction: k.cholesky()?.inverse().zip(&sigma_inverse, |a, b| a - b),
            inducing: z,
            hyperparameters,
        })
    }

    /// Mean and variance of the function, without noise, at every row of `x`.
    #[must_use]
    pub fn predict(&self, x: &Matrix) -> Vec<(f64, f64)> {
        self.predict_from(&self.hyperparameters.kernel(x, &self.inducing))
    }

    /// The same, given the kernel between places and inducing points.
    pub(super) fn predict_from(&self, k: &Matrix) -> Vec<(f64, f64)> {
        let signal = self.hyperparameters.signal();
        let reduced = k.product(&self.reduction);
        let rows = k.iter_rows().zip(reduced.iter_rows());
        rows.map(|(k, reduced)| {
            let variance = (signal - dot(k, reduced)).max(JITTER * signal);
            (self.mean + dot(k, &self.alpha), variance)
        })
        .collect()
    }

    /// Mean log density of `y` at `x`, noise included, in nats, and the root of the mean squared error.
    #[must_use]
    pub fn test(&self, x: &Matrix, y: &[f64]) -> (f64, f64) {
        let noise = self.hyperparameters.noise();
        let each = self.predict(x).into_iter().zip(y).map(|((mean, v), y)| {
            let (square, variance) = ((y - mean).powi(2), v + noise);
            let ln_density = -0.5 * (libm::log(2.0 * PI * variance) + square / variance);
            (ln_density, square)
        });
        let (ln_density, square) = each.fold((0.0, 0.0), |(a, b), (c, d)| (a + c, b + d));
        let n = y.len() as f64;
        (ln_density / n, (square / n).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent_search::test_support::{dense, problem};

    /// With the data as inducing points the bound is the evidence, but for the jitter; with fewer it is less, and never more.
    #[test]
    fn the_bound_is_the_evidence_of_the_dense_process_when_all_data_induce() {
        let (at, x, y) = problem(20);
        let y = centred(&y);
        let evidence = dense(&at, &x, &y).evidence;
        let with = |m: usize| {
            let z = x.select(&(0..m).collect::<Vec<_>>());
            bound(&at, &x, &y, &z).expect("positive definite").0
        };
        let all = with(20);
        assert!((all - evidence).abs() < 1e-3, "{all} {evidence}");
        let few: Vec<f64> = [3, 6, 12].into_iter().map(with).collect();
        assert!(few.is_sorted() && few[2] < all, "{few:?} {all}");
        // The test can tell: twice the noise is another model.
        let other = Hyperparameters {
            ln_noise: at.ln_noise + std::f64::consts::LN_2,
            ..at
        };
        assert!((dense(&other, &x, &y).evidence - all).abs() > 0.1);
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let (at, x, y) = problem(20);
        let y = centred(&y);
        let z = problem(27).1.select(&[20, 22, 23, 25, 26]);
        let gradient = bound(&at, &x, &y, &z).expect("positive definite").1;
        let h = 1e-5;
        for (i, exact) in gradient.values().into_iter().enumerate() {
            let beside = |h: f64| {
                let mut values = at.values();
                values[i] += h;
                let at = Hyperparameters::from_values(&values);
                bound(&at, &x, &y, &z).expect("positive definite").0
            };
            let numeric = (beside(h) - beside(-h)) / (2.0 * h);
            assert!(
                (exact - numeric).abs() < 1e-6 * (1.0 + numeric.abs()),
                "{i}: {exact} {numeric}"
            );
            assert!(numeric.abs() > 1e-3, "{i}: nothing to see at {numeric}");
        }
    }

    #[test]
    fn the_posterior_is_that_of_the_dense_process_when_all_data_induce() {
        let (at, x, y) = problem(20);
        let gp = SparseGp::new(at.clone(), &x, &y, x.clone()).expect("positive definite");
        let places = problem(25).1.select(&[20, 21, 22, 23, 24]);
        let dense = dense(&at, &x, &centred(&y));
        for (place, (m, v)) in places.iter_rows().zip(gp.predict(&places)) {
            let (expected, variance) = dense.predict(place);
            assert!((m - mean(&y) - expected).abs() < 1e-4, "{m}");
            assert!((v - variance).abs() < 1e-4, "{v} {variance}");
        }
    }

    #[test]
    fn a_fit_climbs_and_finds_the_dimension_that_matters() {
        let x = Matrix::from_fn(150, 2, |n, d| {
            2.0 * libm::sin((37 * n + 101 * d * n) as f64 + d as f64)
        });
        let y: Vec<f64> = x.iter_rows().map(|x| libm::sin(2.0 * x[0])).collect();
        let z = x.select(&(0..25).collect::<Vec<_>>());
        let start = Hyperparameters::initial(&x, &y);
        let end = start.fitted(&x, &y, &z, 120);
        let value = |at| {
            bound(at, &x, &centred(&y), &z)
                .expect("positive definite")
                .0
        };
        assert!(value(&end) > value(&start) + 50.0);
        assert!(end.ln_scales[1] > end.ln_scales[0] + 1.0, "{end:?}");
        let gp = SparseGp::new(end, &x, &y, z).expect("positive definite");
        let (ln_density, rmse) = gp.test(&x, &y);
        assert!(rmse < 0.1 && ln_density > 0.5, "{rmse} {ln_density}");
    }
}
