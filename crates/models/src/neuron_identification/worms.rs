//! Worms whose neurons have been recorded in an unknown order.

use serde::{Deserialize, Serialize};
use unbiased_kernels::{NoiseLaw, substream, uniforms};

use super::connectome::Connectome;
use crate::jigsaw::shuffle;

/// What is recorded, and what is known besides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordingConfig {
    /// Worms, all with the same weights.
    pub worms: usize,
    /// Times recorded of each.
    pub times: usize,
    /// A neuron may be any whose place is closer than this to its own.
    pub eta: f64,
    /// Neurons of each worm whose names are given.
    pub given: usize,
}

impl Default for RecordingConfig {
    fn default() -> Self {
        Self {
            worms: 4,
            times: 1000,
            eta: 0.0075,
            given: 25,
        }
    }
}

/// How far the dynamics are from instability: the spectral radius of the weights is its inverse.
const MARGIN: f64 = 1.1;

/// Worms with the same connectome and the same unknown weights.
#[derive(Debug, Clone)]
pub struct Population {
    /// What all have in common and is known.
    pub connectome: Connectome,
    /// Standard deviation of the weights; known.
    pub weight_sd: f64,
    /// One recording each.
    pub worms: Vec<Worm>,
}

/// A recording: neurons in an unknown order.
#[derive(Debug, Clone)]
pub struct Worm {
    /// Whether the a-th recorded neuron may have name c, `[a, c]`.
    pub candidates: Vec<bool>,
    /// The name of each recorded neuron, which is to be found: for scoring only.
    pub truth: Vec<usize>,
    /// How many names are given.
    pub given: usize,
    /// What was recorded.
    pub activity: Activity,
}

/// Activity `Y_t` of N recorded neurons at times 0, …, T, as far as a linear model sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    /// T.
    pub steps: usize,
    /// `Σ_t Y_t₋₁ Y_t₋₁ᵀ`, `[N, N]`.
    pub s00: Vec<f64>,
    /// `Σ_t Y_t Y_t₋₁ᵀ`, `[N, N]`.
    pub s10: Vec<f64>,
    /// `Σ_t |Y_t|²`.
    pub s11: f64,
}

/// What is drawn from which stream below a seed.
const WEIGHTS: u64 = 1;
const ORDER: u64 = 2;
const GIVEN: u64 = 3;
const NOISE: u64 = 4;

impl Population {
    /// Antisymmetric weights on the connections, standard normal and scaled to a spectral radius of 1/1.1, and recordings of
    /// `Y_t = W Y_t₋₁ + ε`, ε standard normal, in random order, started from noise.
    ///
    /// # Panics
    /// If more names are given than there are neurons, or there is no connection.
    #[must_use]
    pub fn simulate(connectome: Connectome, config: &RecordingConfig, seed: u64) -> Self {
        let n = connectome.neurons();
        assert!(config.given <= n, "simulate: names given");
        let mut weights = antisymmetric(&connectome, substream(seed, WEIGHTS));
        let weight_sd = 1.0 / (MARGIN * spectral_radius(&connectome, &weights));
        for w in &mut weights {
            *w *= weight_sd;
        }
        let worms = (0..config.worms as u64).map(|worm| {
            let stream = |what| substream(substream(seed, what), worm);
            let truth = shuffle(n, stream(ORDER));
            let given = &shuffle(n, stream(GIVEN))[..config.given];
            let y = simulate(&connectome, &weights, config.times, stream(NOISE));
            Worm {
                candidates: candidates(&connectome.positions, &truth, given, config.eta),
                activity: Activity::of(&y, n).reordered(&truth),
                given: config.given,
                truth,
            }
        });
        Self {
            worms: worms.collect(),
            connectome,
            weight_sd,
        }
    }

    /// The mean number of names that a neuron may have.
    #[must_use]
    pub fn mean_candidates(&self) -> f64 {
        let allowed = |worm: &Worm| worm.candidates.iter().filter(|&&c| c).count();
        let total: usize = self.worms.iter().map(allowed).sum();
        total as f64 / (self.worms.len() * self.connectome.neurons()) as f64
    }
}

impl Worm {
    /// The share of neurons that have their true names.
    #[must_use]
    pub fn accuracy(&self, names: &[usize]) -> f64 {
        let right = names.iter().zip(&self.truth).filter(|(a, b)| a == b);
        right.count() as f64 / names.len() as f64
    }

    /// Names that may be, chosen by scores `[a, c]`: those of the largest sum.
    ///
    /// # Errors
    /// As [`unbiased_permutations::assign`].
    pub fn best_names(
        &self,
        score: impl Fn(usize) -> f64,
    ) -> Result<Vec<usize>, unbiased_permutations::Error> {
        let n = self.truth.len();
        let allowed = self.candidates.iter().enumerate();
        let scores: Vec<f64> = allowed
            .map(|(k, &may)| if may { score(k) } else { f64::NEG_INFINITY })
            .collect();
        Ok(unbiased_permutations::assign(&scores, [n, n])?.list())
    }
}

impl Activity {
    /// Of `y`, `[times, n]`.
    #[must_use]
    pub fn of(y: &[f64], n: usize) -> Self {
        let steps = y.len() / n - 1;
        let mut activity = Self {
            steps,
            s00: vec![0.0; n * n],
            s10: vec![0.0; n * n],
            s11: y[n..].iter().map(|y| y * y).sum(),
        };
        let Self { s00, s10, .. } = &mut activity;
        for t in 1..=steps {
            let (before, now) = (&y[(t - 1) * n..t * n], &y[t * n..][..n]);
            let rows = s00.chunks_exact_mut(n).zip(s10.chunks_exact_mut(n));
            for ((s00, s10), (was, is)) in rows.zip(before.iter().zip(now)) {
                for ((s00, s10), y) in s00.iter_mut().zip(s10).zip(before) {
                    *s00 += was * y;
                    *s10 += is * y;
                }
            }
        }
        activity
    }

    /// The same neurons in another order: the a-th is number `order[a]` of these.
    #[must_use]
    pub fn reordered(&self, order: &[usize]) -> Self {
        let n = order.len();
        let reorder = |s: &[f64]| -> Vec<f64> {
            let rows = order.iter();
            rows.flat_map(|&a| order.iter().map(move |&b| s[a * n + b]))
                .collect()
        };
        Self {
            s00: reorder(&self.s00),
            s10: reorder(&self.s10),
            ..*self
        }
    }
}

/// A standard normal number for every pair of connected neurons, and its negative the other way, `[N, N]`.
fn antisymmetric(connectome: &Connectome, stream: u64) -> Vec<f64> {
    let n = connectome.neurons();
    let pairs: Vec<[usize; 2]> = connectome.connections().filter(|[i, j]| i < j).collect();
    let mut u = vec![0.0; pairs.len()];
    uniforms(stream, &mut u);
    let mut weights = vec![0.0; n * n];
    for ([i, j], u) in pairs.into_iter().zip(u) {
        let w = NoiseLaw::Normal.quantile(u);
        weights[i * n + j] = w;
        weights[j * n + i] = -w;
    }
    weights
}

/// `W x`.
fn product(connectome: &Connectome, weights: &[f64], x: &[f64]) -> Vec<f64> {
    let n = x.len();
    let lists = connectome.neighbours.iter().enumerate();
    lists
        .map(|(i, list)| list.iter().map(|&j| weights[i * n + j] * x[j]).sum())
        .collect()
}

/// The largest |eigenvalue| of an antisymmetric matrix, the root of that of `Wᵀ W = −W²`, by its powers.
fn spectral_radius(connectome: &Connectome, weights: &[f64]) -> f64 {
    const ITERATIONS: usize = 1000;
    let n = connectome.neurons();
    let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let mut x: Vec<f64> = (0..n).map(|i| 1.0 + (i as f64).sin()).collect();
    let mut radius = 0.0;
    for _ in 0..ITERATIONS {
        let length = norm(&x);
        for x in &mut x {
            *x /= length;
        }
        let once = product(connectome, weights, &x);
        radius = norm(&once);
        x = product(connectome, weights, &once);
    }
    assert!(radius > 0.0, "simulate: no connection");
    radius
}

/// `[times, N]` in the order of names.
fn simulate(connectome: &Connectome, weights: &[f64], times: usize, stream: u64) -> Vec<f64> {
    let n = connectome.neurons();
    let mut y = vec![0.0; times * n];
    uniforms(stream, &mut y);
    for u in &mut y {
        *u = NoiseLaw::Normal.quantile(*u);
    }
    for t in 1..times {
        let mean = product(connectome, weights, &y[(t - 1) * n..t * n]);
        for (y, mean) in y[t * n..].iter_mut().zip(mean) {
            *y += mean;
        }
    }
    y
}

/// Which names the recorded neurons may have, given their places and some of the names.
fn candidates(positions: &[f64], truth: &[usize], given: &[usize], eta: f64) -> Vec<bool> {
    let n = truth.len();
    let mut is_given = vec![false; n];
    for &name in given {
        is_given[name] = true;
    }
    let may = |own: usize, name: usize| {
        own == name
            || !(is_given[own] || is_given[name]) && (positions[own] - positions[name]).abs() < eta
    };
    let rows = truth.iter();
    rows.flat_map(|&own| (0..n).map(move |name| (own, name)))
        .map(|(own, name)| may(own, name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn population(config: &RecordingConfig) -> Population {
        Population::simulate(Connectome::surrogate(30, 2), config, 5)
    }

    #[test]
    fn weights_are_antisymmetric_and_of_the_promised_radius() {
        let connectome = Connectome::surrogate(30, 2);
        let mut w = antisymmetric(&connectome, 1);
        for [i, j] in connectome.connections() {
            assert_eq!(w[i * 30 + j], -w[j * 30 + i]);
        }
        let radius = spectral_radius(&connectome, &w);
        // Divided by it, powers neither grow nor vanish.
        for w in &mut w {
            *w /= radius;
        }
        let mut x: Vec<f64> = (0..30).map(|i| f64::from(i).cos()).collect();
        let mut lengths = Vec::new();
        for _ in 0..4000 {
            x = product(&connectome, &w, &x);
            lengths.push(x.iter().map(|x| x * x).sum::<f64>().sqrt());
        }
        assert!((lengths[3999] / lengths[3000] - 1.0).abs() < 1e-6);
        assert!(lengths[3999] > 1e-6 && lengths[0] > lengths[3999]);
    }

    #[test]
    fn given_names_are_known_and_others_are_near() {
        let config = RecordingConfig {
            worms: 2,
            times: 3,
            eta: 0.05,
            given: 4,
        };
        let population = population(&config);
        for worm in &population.worms {
            let single = (0..30).filter(|a| {
                worm.candidates[a * 30..][..30]
                    .iter()
                    .filter(|&&c| c)
                    .count()
                    == 1
            });
            assert!(single.count() >= 4);
            let place = |name: usize| population.connectome.positions[name];
            for (a, &own) in worm.truth.iter().enumerate() {
                assert!(worm.candidates[a * 30 + own]);
                for c in 0..30 {
                    let near = (place(own) - place(c)).abs() < 0.05;
                    assert!(!worm.candidates[a * 30 + c] || near);
                }
            }
        }
        assert_ne!(population.worms[0].truth, population.worms[1].truth);
        assert!(population.mean_candidates() > 2.0);
    }

    #[test]
    fn statistics_are_those_of_the_recording_in_its_order() {
        let y = [1.0, 2.0, 3.0, -1.0, 0.5, 4.0];
        let activity = Activity::of(&y, 2);
        assert_eq!(activity.s00, [10.0, -1.0, -1.0, 5.0]);
        assert_eq!(activity.s10, [4.5, 5.5, 11.0, -6.0]);
        assert_eq!(activity.s11, 10.0 + 16.25);
        let swapped = [2.0, 1.0, -1.0, 3.0, 4.0, 0.5];
        assert_eq!(activity.reordered(&[1, 0]), Activity::of(&swapped, 2));
    }
}
