//! What names cost, given weights.

use super::worms::Activity;

/// `|Y_t − P W Pᵀ Y_t₋₁|²` summed over time, as a function of P, and weights with what of them is needed again and again.
#[derive(Debug, Clone)]
pub struct Energy {
    n: usize,
    /// W, `[N, N]`, and its transpose.
    weights: Vec<f64>,
    transposed: Vec<f64>,
    /// `Wᵀ W`.
    gram: Vec<f64>,
}

impl Energy {
    /// Of weights `[n, n]`.
    ///
    /// # Panics
    /// If their number is another.
    #[must_use]
    pub fn new(weights: Vec<f64>, n: usize) -> Self {
        assert_eq!(weights.len(), n * n, "Energy: weights");
        let mut transposed = vec![0.0; n * n];
        let mut gram = vec![0.0; n * n];
        for (i, row) in weights.chunks_exact(n).enumerate() {
            let used: Vec<(usize, f64)> = row
                .iter()
                .enumerate()
                .filter_map(|(j, &w)| (w != 0.0).then_some((j, w)))
                .collect();
            for &(j, w) in &used {
                transposed[j * n + i] = w;
                for &(k, v) in &used {
                    gram[j * n + k] += w * v;
                }
            }
        }
        Self {
            n,
            weights,
            transposed,
            gram,
        }
    }

    /// `tr S₁₁ − 2 tr(Q S₁₀ᵀ) + tr(Q S₀₀ Qᵀ)`, `Q = P W Pᵀ`, where name c was recorded as neuron `places[c]`.
    #[must_use]
    pub fn total(&self, activity: &Activity, places: &[usize]) -> f64 {
        let n = self.n;
        let mut total = activity.s11;
        for (c, &a) in places.iter().enumerate() {
            for (d, &b) in places.iter().enumerate() {
                total += self.gram[c * n + d] * activity.s00[a * n + b]
                    - 2.0 * self.weights[c * n + d] * activity.s10[a * n + b];
            }
        }
        total
    }

    /// How much it grows if two names change places. O(N); `s01` is the transpose of `activity.s10`.
    #[must_use]
    pub fn change(
        &self,
        activity: &Activity,
        s01: &[f64],
        places: &[usize],
        [c, d]: [usize; 2],
    ) -> f64 {
        let n = self.n;
        let (a, b) = (places[c], places[d]);
        // Σ_e (m_ce − m_de)(s_be − s_ae), e recorded elsewhere.
        let apart = |m: &[f64], s: &[f64]| {
            let (of_c, of_d) = (&m[c * n..][..n], &m[d * n..][..n]);
            let (of_a, of_b) = (&s[a * n..][..n], &s[b * n..][..n]);
            let mut sum = 0.0;
            for ((&e, c), d) in places.iter().zip(of_c).zip(of_d) {
                sum += (c - d) * (of_b[e] - of_a[e]);
            }
            for (e, at) in [(c, a), (d, b)] {
                sum -= (of_c[e] - of_d[e]) * (of_b[at] - of_a[at]);
            }
            sum
        };
        let [w, s] = [&self.weights, &activity.s10];
        let own =
            |m: &[f64], s: &[f64]| (m[c * n + c] - m[d * n + d]) * (s[b * n + b] - s[a * n + a]);
        let cross = (w[c * n + d] - w[d * n + c]) * (s[b * n + a] - s[a * n + b]);
        let linear = apart(w, s) + apart(&self.transposed, s01) + own(w, s) + cross;
        let quadratic = 2.0 * apart(&self.gram, &activity.s00) + own(&self.gram, &activity.s00);
        quadratic - 2.0 * linear
    }

    /// `x W`, `x` `[rows, N]`.
    pub(super) fn times(&self, x: &[f64]) -> Vec<f64> {
        product(x, &self.weights, self.n)
    }

    /// `x Wᵀ`.
    pub(super) fn times_transposed(&self, x: &[f64]) -> Vec<f64> {
        product(x, &self.transposed, self.n)
    }
}

/// `x m`, m `[n, n]` with many zeros.
fn product(x: &[f64], m: &[f64], n: usize) -> Vec<f64> {
    let used: Vec<Vec<(usize, f64)>> = m
        .chunks_exact(n)
        .map(|row| {
            let entries = row.iter().copied().enumerate();
            entries.filter(|&(_, w)| w != 0.0).collect()
        })
        .collect();
    let mut out = vec![0.0; x.len()];
    for (x, out) in x.chunks_exact(n).zip(out.chunks_exact_mut(n)) {
        for (x, row) in x.iter().zip(&used) {
            for &(j, w) in row {
                out[j] += x * w;
            }
        }
    }
    out
}
