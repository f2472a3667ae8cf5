//! SparseMAP on the Birkhoff polytope: a relaxation that mixes few matchings.
//!
//! Source: Niculae, Martins, Blondel and Cardie, "SparseMAP: Differentiable Sparse Structured Inference", 2018.
//!
//! `argmax_P ⟨P, X⟩ − ½‖P‖²` over matrices with rows and columns of sum 1, the projection of X onto the polytope. The answer is a mixture of a
//! few permutation matrices, found by the active-set method (Wolfe's, of the nearest point): the best mixture of the matchings at hand, and then
//! the matching that `X − P` scores highest, until that is none better than those at hand.
//!
//! With the active matchings as columns of A, `G = AᵀA` and 1 the vector of ones, the weights solve `G·w + τ1 = AᵀX`, `1ᵀw = 1`; the gradient
//! is `A·(I − …)·G⁻¹·Aᵀ` accordingly, exact wherever the set of active matchings does not change.

use crate::{Error, assign};
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use unbiased_kernels::custom_gradient;

/// Weights below it are none.
const NO_WEIGHT: f64 = 1e-12;
/// By how much a matching must score more than the active ones to join them, relative to the largest score.
const GAIN: f64 = 1e-10;

/// A sparse mixture of matchings for each matrix of a batch.
#[derive(Clone, Debug)]
pub struct SparseMap<const D: usize> {
    /// P, `[.., n, n]`. Differentiable.
    pub plan: Tensor<D>,
    /// The mixture of each matrix: weights, of sum 1, and matchings as lists.
    pub mixtures: Vec<Vec<(f64, Vec<usize>)>>,
}

/// The projection of scores onto the Birkhoff polytope.
///
/// Divide the scores by a temperature to make the mixture larger or smaller. −∞ forbids a pair.
///
/// # Shapes
///
/// `scores`: `[.., n, n]`.
///
/// # Errors
///
/// As [`crate::assign_batch`]; [`Error::NotSquare`]; [`Error::NotConverged`] should rounding keep the active set from settling.
///
/// # Panics
///
/// If `scores` has fewer than two axes.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use unbiased_permutations::sparse_map;
///
/// let scores = Tensor::<2>::from_floats([[1.0, 0.4], [0.3, 0.5]], &Device::flex());
/// let sparse = sparse_map(scores)?;
/// // Of n = 2: p = ½ + (x₁₁ + x₂₂ − x₁₂ − x₂₁)/4, within 0 and 1.
/// assert!((sparse.plan.into_data().try_to_vec::<f32>().unwrap()[0] - 0.7).abs() < 1e-6);
/// # Ok::<(), unbiased_permutations::Error>(())
/// ```
pub fn sparse_map<const D: usize>(scores: Tensor<D>) -> Result<SparseMap<D>, Error> {
    assert!(D >= 2, "sparse_map: scores need two axes, got {D}");
    let shape = scores.dims();
    let [n, columns] = [shape[D - 2], shape[D - 1]];
    if n != columns {
        return Err(Error::NotSquare { rows: n, columns });
    }
    let x = scores.clone().inner();
    let (device, dtype) = (x.device(), x.dtype());
    let values = host(x);
    let active: Result<Vec<_>, Error> = values
        .par_chunks_exact((n * n).max(1))
        .map(|x| ActiveSet::solve(x, n))
        .collect();
    let active = active?;
    let plans: Vec<f64> = active.iter().flat_map(ActiveSet::plan).collect();
    let mixtures = active
        .iter()
        .map(|set| set.weights.iter().copied().zip(set.lists.clone()).collect())
        .collect();
    let upload =
        move |values: Vec<f64>| Tensor::from_data(TensorData::new(values, shape), (&device, dtype));
    let plan = upload(plans);
    let plan = custom_gradient(&scores, plan, move |g| {
        let g = host(g);
        let slopes = active.iter().zip(g.chunks_exact((n * n).max(1)));
        upload(slopes.flat_map(|(set, g)| set.pull_back(g)).collect())
    });
    Ok(SparseMap { plan, mixtures })
}

fn host<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    let data = x.into_data().convert::<f64>();
    data.try_into_vec().expect("converted")
}

/// Matchings with their weights.
struct ActiveSet {
    n: usize,
    lists: Vec<Vec<usize>>,
    weights: Vec<f64>,
}

impl ActiveSet {
    fn solve(x: &[f64], n: usize) -> Result<Self, Error> {
        let mut set = Self {
            n,
            lists: vec![assign(x, [n, n])?.list()],
            weights: vec![1.0],
        };
        let finite = x.iter().filter(|x| x.is_finite());
        let gain = GAIN * finite.fold(1.0, |a: f64, x| a.max(x.abs()));
        // More matchings than dimensions and one are never needed at once; a few times as many come and go.
        let at_most = 10 * (n * n + 1);
        for _ in 0..at_most {
            let level = set.best_weights(x);
            let rest: Vec<f64> = x.iter().zip(set.plan()).map(|(x, p)| x - p).collect();
            let next = assign(&rest, [n, n])?;
            let list = next.list();
            if next.value <= level + gain || set.lists.contains(&list) {
                return Ok(set);
            }
            set.lists.push(list);
            set.weights.push(0.0);
        }
        Err(Error::NotConverged {
            what: "SparseMAP",
            iterations: at_most,
            error: f64::NAN,
        })
    }

    /// Moves to the best mixture of the active matchings, dropping those that get no weight; returns what each of them scores by X − P.
    fn best_weights(&mut self, x: &[f64]) -> f64 {
        loop {
            let (best, level) = self.affine(&self.scores(x), 1.0);
            let blocking = self.weights.iter().zip(&best);
            let step = blocking
                .filter(|(_, best)| **best < NO_WEIGHT)
                .map(|(w, best)| w / (w - best))
                .fold(1.0, f64::min);
            if best.iter().all(|&best| best > NO_WEIGHT) {
                self.weights = best;
                return level;
            }
            let mut kept = Vec::new();
            for ((w, best), list) in self.weights.iter().zip(best).zip(self.lists.drain(..)) {
                let moved = w + step * (best - w);
                if moved > NO_WEIGHT {
                    kept.push((moved, list));
                }
            }
            (self.weights, self.lists) = kept.into_iter().unzip();
        }
    }

    /// `Aᵀ·X`.
    fn scores(&self, x: &[f64]) -> Vec<f64> {
        let score = |list: &Vec<usize>| {
            let pairs = list.iter().enumerate();
            pairs.map(|(i, j)| x[i * self.n + j]).sum()
        };
        self.lists.iter().map(score).collect()
    }

    /// w and τ with `G·w + τ1 = right` and `1ᵀw = sum`.
    fn affine(&self, right: &[f64], sum: f64) -> (Vec<f64>, f64) {
        let overlap = |a: &[usize], b: &[usize]| a.iter().zip(b).filter(|(a, b)| a == b).count();
        let gram: Vec<Vec<f64>> = self
            .lists
            .iter()
            .map(|a| self.lists.iter().map(|b| overlap(a, b) as f64).collect())
            .collect();
        let factor = Cholesky::new(gram);
        let w = factor.solve(right);
        let ones = factor.solve(&vec![1.0; right.len()]);
        let level = (w.iter().sum::<f64>() - sum) / ones.iter().sum::<f64>();
        let weights = w.iter().zip(ones).map(|(w, one)| w - level * one).collect();
        (weights, level)
    }

    /// `Σ w·P`.
    fn plan(&self) -> Vec<f64> {
        self.mix(&self.weights)
    }

    fn mix(&self, weights: &[f64]) -> Vec<f64> {
        let mut plan = vec![0.0; self.n * self.n];
        for (list, w) in self.lists.iter().zip(weights) {
            for (i, j) in list.iter().enumerate() {
                plan[i * self.n + j] += w;
            }
        }
        plan
    }

    fn pull_back(&self, g: &[f64]) -> Vec<f64> {
        let (weights, _) = self.affine(&self.scores(g), 0.0);
        self.mix(&weights)
    }
}

/// `L·Lᵀ`, lower triangle. The active matchings are affinely independent, so that their Gram matrix is positive definite.
struct Cholesky(Vec<Vec<f64>>);

impl Cholesky {
    fn new(mut a: Vec<Vec<f64>>) -> Self {
        for i in 0..a.len() {
            let (above, rest) = a.split_at_mut(i);
            let row = &mut rest[0];
            for (j, other) in above.iter().enumerate() {
                let known: f64 = row[..j].iter().zip(&other[..j]).map(|(a, b)| a * b).sum();
                row[j] = (row[j] - known) / other[j];
            }
            let known: f64 = row[..i].iter().map(|x| x * x).sum();
            row[i] = (row[i] - known).sqrt();
        }
        Self(a)
    }

    fn solve(&self, right: &[f64]) -> Vec<f64> {
        let Self(l) = self;
        let mut x = right.to_vec();
        for i in 0..x.len() {
            let known: f64 = l[i][..i].iter().zip(&x).map(|(l, x)| l * x).sum();
            x[i] = (x[i] - known) / l[i][i];
        }
        for i in (0..x.len()).rev() {
            let known: f64 = (i + 1..x.len()).map(|k| l[k][i] * x[k]).sum();
            x[i] = (x[i] - known) / l[i][i];
        }
        x
    }
}
