//! Weights given names: a linear regression for every neuron, on those it is connected with.
//!
//! With names known, row n of the weights has the posterior `N(J⁻¹h, J⁻¹)`, `J = Σ_j X_jᵀX_j + I/s²`, `h = Σ_j X_jᵀ y_j`: X are the
//! activities of its neighbours one step before, summed over worms.

use unbiased_kernels::{NoiseLaw, substream, uniforms};

use super::worms::Population;

/// Where each name was recorded, the inverse of names of recorded neurons.
#[must_use]
pub fn places(names: &[usize]) -> Vec<usize> {
    let mut places = vec![0; names.len()];
    for (a, &name) in names.iter().enumerate() {
        places[name] = a;
    }
    places
}

/// The posterior of one row of the weights.
struct Row<'a> {
    neighbours: &'a [usize],
    /// L with `J = L Lᵀ`, lower triangle, `[d, d]`.
    factor: Vec<f64>,
    /// `L⁻¹ h`.
    whitened: Vec<f64>,
}

/// The posterior means of all weights, `[N, N]`, given names of each worm.
#[must_use]
pub fn mean_weights(population: &Population, names: &[Vec<usize>]) -> Vec<f64> {
    weights(population, names, |_, _| 0.0)
}

/// A draw of all weights from their posterior.
#[must_use]
pub fn draw_weights(population: &Population, names: &[Vec<usize>], stream: u64) -> Vec<f64> {
    weights(population, names, |row, z| {
        uniforms(substream(stream, row as u64), z);
        for z in z.iter_mut() {
            *z = NoiseLaw::Normal.quantile(*z);
        }
        1.0
    })
}

/// `J⁻¹ h + scale·L⁻ᵀ z` in every row, `scale` and z from `noise`.
fn weights(
    population: &Population,
    names: &[Vec<usize>],
    noise: impl Fn(usize, &mut [f64]) -> f64,
) -> Vec<f64> {
    let n = population.connectome.neurons();
    let mut weights = vec![0.0; n * n];
    for (i, row) in rows(population, names).enumerate() {
        let mut x = vec![0.0; row.neighbours.len()];
        let scale = noise(i, &mut x);
        for (x, w) in x.iter_mut().zip(&row.whitened) {
            *x = scale * *x + w;
        }
        solve_transposed(&row.factor, &mut x);
        for (&j, x) in row.neighbours.iter().zip(x) {
            weights[i * n + j] = x;
        }
    }
    weights
}

/// `ln p(Y | names)` in nats, the weights integrated out.
#[must_use]
pub fn log_evidence(population: &Population, names: &[Vec<usize>]) -> f64 {
    let ln_sd = population.weight_sd.ln();
    let gain: f64 = rows(population, names)
        .map(|row| {
            let d = row.neighbours.len();
            let fit: f64 = row.whitened.iter().map(|x| x * x).sum();
            let ln_det: f64 = (0..d).map(|k| row.factor[k * d + k].ln()).sum();
            0.5 * fit - ln_det - d as f64 * ln_sd
        })
        .sum();
    let n = population.connectome.neurons() as f64;
    let null = population.worms.iter().map(|worm| {
        let numbers = worm.activity.steps as f64 * n;
        0.5 * (numbers * std::f64::consts::TAU.ln() + worm.activity.s11)
    });
    gain - null.sum::<f64>()
}

fn rows<'a>(population: &'a Population, names: &[Vec<usize>]) -> impl Iterator<Item = Row<'a>> {
    let n = population.connectome.neurons();
    let places: Vec<Vec<usize>> = names.iter().map(|names| places(names)).collect();
    let ridge = population.weight_sd.powi(-2);
    let lists = population.connectome.neighbours.iter().enumerate();
    lists.map(move |(i, neighbours)| {
        let d = neighbours.len();
        let mut j = vec![0.0; d * d];
        let mut h = vec![0.0; d];
        (0..d).for_each(|k| j[k * (d + 1)] = ridge);
        for (worm, at) in population.worms.iter().zip(&places) {
            let activity = &worm.activity;
            for (k, &from) in neighbours.iter().enumerate() {
                h[k] += activity.s10[at[i] * n + at[from]];
                let s00 = &activity.s00[at[from] * n..][..n];
                for (j, &other) in j[k * d..].iter_mut().zip(&neighbours[..=k]) {
                    *j += s00[at[other]];
                }
            }
        }
        factorise(&mut j, d);
        solve(&j, &mut h);
        Row {
            neighbours,
            factor: j,
            whitened: h,
        }
    })
}

/// Replaces the lower triangle of a positive definite matrix by that of its Cholesky factor.
fn factorise(j: &mut [f64], d: usize) {
    for k in 0..d {
        for l in 0..=k {
            let inner: f64 = (0..l).map(|m| j[k * d + m] * j[l * d + m]).sum();
            let rest = j[k * d + l] - inner;
            j[k * d + l] = if k == l {
                rest.sqrt()
            } else {
                rest / j[l * d + l]
            };
        }
    }
}

/// `x ← L⁻¹ x`.
fn solve(factor: &[f64], x: &mut [f64]) {
    let d = x.len();
    for k in 0..d {
        let inner: f64 = (0..k).map(|m| factor[k * d + m] * x[m]).sum();
        x[k] = (x[k] - inner) / factor[k * d + k];
    }
}

/// `x ← L⁻ᵀ x`.
fn solve_transposed(factor: &[f64], x: &mut [f64]) {
    let d = x.len();
    for k in (0..d).rev() {
        let inner: f64 = (k + 1..d).map(|m| factor[m * d + k] * x[m]).sum();
        x[k] = (x[k] - inner) / factor[k * d + k];
    }
}
