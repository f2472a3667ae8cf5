//! Sampling names and weights in turn.
//!
//! A sweep draws all weights from their posterior given the names, then tries to swap names, two neurons of a worm at a time, and keeps a
//! swap with probability `min(1, p(Y | swapped, W)/p(Y | W))` (Diaconis, 2009). Pairs are drawn from all whose candidates have a name in
//! common: others could never swap. The prior being uniform on what is allowed, the posterior of both is left as it is.

use unbiased_kernels::{substream, uniforms};
use unbiased_permutations::Error;

use super::energy::Energy;
use super::regression::{draw_weights, places};
use super::worms::{Population, Worm};
use crate::jigsaw::shuffle;

/// Names and how often each was met.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// Of each worm: the name of each recorded neuron.
    pub names: Vec<Vec<usize>>,
    /// Of each worm: in which sweeps the a-th recorded neuron had name c, `[a, c]`. The k-th counts k times, so that the beginning is
    /// soon forgotten.
    pub counts: Vec<Vec<f64>>,
}

/// Pairs of neurons that may swap, for each worm.
#[derive(Debug, Clone)]
pub struct Swaps(Vec<Vec<[usize; 2]>>);

impl Swaps {
    /// The pairs of recorded neurons with a candidate in common.
    #[must_use]
    pub fn new(population: &Population) -> Self {
        let n = population.connectome.neurons();
        let pairs = |worm: &Worm| {
            let lists: Vec<Vec<usize>> = worm
                .candidates
                .chunks_exact(n)
                .map(|row| (0..n).filter(|&c| row[c]).collect())
                .collect();
            let meet = |a: usize, b: usize| {
                let row = &worm.candidates[b * n..][..n];
                lists[a].iter().any(|&c| row[c])
            };
            (0..n)
                .flat_map(|a| (0..a).map(move |b| [a, b]))
                .filter(|&[a, b]| meet(a, b))
                .collect()
        };
        Self(population.worms.iter().map(pairs).collect())
    }
}

/// Names of every worm that are allowed, and otherwise drawn.
///
/// # Errors
/// As [`unbiased_permutations::assign`].
pub fn random_names(population: &Population, stream: u64) -> Result<Vec<Vec<usize>>, Error> {
    let worms = population.worms.iter().zip(0..);
    worms
        .map(|(worm, j)| {
            let order = shuffle(worm.candidates.len(), substream(stream, j));
            worm.best_names(|k| order[k] as f64)
        })
        .collect()
}

impl Chain {
    /// From these names.
    #[must_use]
    pub fn new(names: Vec<Vec<usize>>) -> Self {
        let counts = names.iter().map(|names| vec![0.0; names.len().pow(2)]);
        Self {
            counts: counts.collect(),
            names,
        }
    }

    /// Sweep number `k`, counted from 1, with `proposals` swaps tried in each worm. Returns the share of swaps that were made.
    pub fn sweep(
        &mut self,
        population: &Population,
        swaps: &Swaps,
        proposals: usize,
        k: u64,
        stream: u64,
    ) -> f64 {
        let n = population.connectome.neurons();
        let weights = draw_weights(population, &self.names, substream(stream, 0));
        let energy = Energy::new(weights, n);
        let mut made = 0;
        for (j, worm) in population.worms.iter().enumerate() {
            let names = &mut self.names[j];
            made += swap(
                &energy,
                worm,
                &swaps.0[j],
                names,
                proposals,
                substream(stream, 1 + j as u64),
            );
            let met = names.iter().enumerate();
            met.for_each(|(a, &c)| self.counts[j][a * n + c] += k as f64);
        }
        made as f64 / (proposals * population.worms.len()) as f64
    }
}

/// Tries `proposals` swaps; how many were made.
fn swap(
    energy: &Energy,
    worm: &Worm,
    pairs: &[[usize; 2]],
    names: &mut [usize],
    proposals: usize,
    stream: u64,
) -> usize {
    let n = names.len();
    let mut u = vec![0.0; 2 * proposals];
    uniforms(stream, &mut u);
    let activity = &worm.activity;
    let s01 = transposed(&activity.s10, n);
    let mut places = places(names);
    let mut made = 0;
    for u in u.chunks_exact(2) {
        let Some(&[a, b]) = pairs.get((u[0] * pairs.len() as f64) as usize) else {
            return 0;
        };
        let (c, d) = (names[a], names[b]);
        if !(worm.candidates[a * n + d] && worm.candidates[b * n + c]) {
            continue;
        }
        let change = energy.change(activity, &s01, &places, [c, d]);
        if u[1].ln() < -0.5 * change {
            names.swap(a, b);
            places.swap(c, d);
            made += 1;
        }
    }
    made
}

/// A square matrix, columns for rows.
pub(super) fn transposed(m: &[f64], n: usize) -> Vec<f64> {
    (0..n)
        .flat_map(|i| m[i..].iter().step_by(n).copied())
        .collect()
}
