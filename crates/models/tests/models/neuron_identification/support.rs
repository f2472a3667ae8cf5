//! Small worms, and matrices by hand.

use unbiased_kernels::{NoiseLaw, uniforms};
use unbiased_models::neuron_identification::{Connectome, Population, RecordingConfig};

/// Some connections among `n` neurons side by side.
pub fn connectome(n: usize) -> Connectome {
    let pairs = (0..n).flat_map(|i| (0..i).map(move |j| [i, j]));
    let some = pairs.filter(|&[i, j]| (i * 3 + j * 5) % 4 != 0);
    Connectome::new((0..n).map(|i| i as f64 / n as f64).collect(), some)
}

/// Four neurons, a triangle and one more: unlike four that are all connected, they can be told apart.
pub fn triangle_and_one() -> Connectome {
    let positions = vec![0.0, 0.25, 0.5, 0.75];
    Connectome::new(positions, [[0, 1], [1, 2], [1, 3], [2, 3]])
}

pub fn population(n: usize, config: &RecordingConfig, seed: u64) -> Population {
    Population::simulate(connectome(n), config, seed)
}

pub fn normals(count: usize, stream: u64) -> Vec<f64> {
    let mut u = vec![0.0; count];
    uniforms(stream, &mut u);
    u.into_iter()
        .map(|u| NoiseLaw::Normal.quantile(u))
        .collect()
}

/// `Σ_t |y_t − Q y_t₋₁|²`, `y` `[times, n]`.
pub fn squares(y: &[f64], q: &[f64], n: usize) -> f64 {
    let mut total = 0.0;
    for (before, now) in y.chunks_exact(n).zip(y[n..].chunks_exact(n)) {
        for (row, now) in q.chunks_exact(n).zip(now) {
            let mean: f64 = row.iter().zip(before).map(|(q, y)| q * y).sum();
            total += (now - mean).powi(2);
        }
    }
    total
}

/// `P W Pᵀ`.
pub fn conjugate(p: &[f64], w: &[f64], n: usize) -> Vec<f64> {
    let mut q = vec![0.0; n * n];
    for (i, q) in q.iter_mut().enumerate() {
        let (a, b) = (i / n, i % n);
        for c in 0..n {
            for d in 0..n {
                *q += p[a * n + c] * w[c * n + d] * p[b * n + d];
            }
        }
    }
    q
}

pub fn matrix(names: &[usize]) -> Vec<f64> {
    let n = names.len();
    let mut p = vec![0.0; n * n];
    names
        .iter()
        .enumerate()
        .for_each(|(a, &c)| p[a * n + c] = 1.0);
    p
}
