//! Fast soft sorting and ranking: projections onto the permutahedron.
//!
//! Source: Blondel, Teboul, Berthet and Djolonga, "Fast Differentiable Sorting and Ranking", 2020, sections 4 and 5.
//!
//! The permutahedron of w is the hull of its permutations. With ρ = (n, n − 1, …, 1),
//!
//! * sorting projects ρ/ε onto that of the scores θ, ranking projects −θ/ε onto that of ρ;
//! * a projection of z, sorted to s, onto that of w, sorted as well, is `z − v`, `v = argmin_{v₁ ≥ … ≥ v_n}` of ½·|v − (s − w)|², or of
//!   `Σ e^(s − v) + e^w·v` for the Kullback-Leibler divergence between exponentials;
//! * v is constant on blocks, which pooling adjacent violators finds in one pass: their mean of s − w, or `ln Σ e^s − ln Σ e^w`.
//!
//! The Jacobian follows from the blocks: `∂v/∂s` has rows `1/|B|`, or the softmax of s within the block, `−∂v/∂w` the same of w. So a
//! vector-Jacobian product is exact and O(n). Lists go through the host, in double precision, in parallel.
//!
//! Ranks with [`Regularization::Kl`] are the projection of `e^(−θ/ε)` onto the permutahedron of ρ itself, as in the authors' code
//! (w = ln ρ, and the exponential of the result), sorted values that of `e^(ρ/ε)` onto that of `e^θ`, as logarithms.

use super::positive;
use crate::Error;
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use std::sync::Arc;
use unbiased_kernels::custom_gradient;

/// The distance by which is projected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Regularization {
    /// Euclidean: piecewise linear in the scores; sorts exactly once ε is small enough.
    #[default]
    L2,
    /// Kullback-Leibler: smooth within blocks.
    Kl,
}

/// Soft sorted values, the largest first.
///
/// As ε → 0 the sorted values; as ε → ∞ all equal their mean (of exponentials for [`Regularization::Kl`]).
///
/// # Shapes
///
/// `[.., n]` to `[.., n]`.
///
/// # Errors
///
/// [`Error::Setting`] for an ε that is not positive, [`Error::NotANumber`] and [`Error::Unbounded`] for scores that are not finite.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use unbiased_permutations::sorting::{Regularization, fast_sort};
///
/// let scores = Tensor::<1>::from_floats([2.0, 5.0, 4.0, 1.0], &Device::flex());
/// let sorted = fast_sort(scores, Regularization::L2, 0.1)?;
/// assert_eq!(sorted.into_data().try_to_vec::<f32>().unwrap(), [5.0, 4.0, 2.0, 1.0]);
/// # Ok::<(), unbiased_permutations::Error>(())
/// ```
pub fn fast_sort<const D: usize>(
    scores: Tensor<D>,
    regularization: Regularization,
    epsilon: f64,
) -> Result<Tensor<D>, Error> {
    let epsilon = positive("epsilon", epsilon)?;
    by_list(scores, |theta| {
        let order = descending(&theta);
        let w: Vec<f64> = order.iter().map(|&i| theta[i]).collect();
        let z: Vec<f64> = (1..=w.len())
            .rev()
            .map(|rank| rank as f64 / epsilon)
            .collect();
        let blocks = regularization.pool(&z, &w);
        let mut values = z;
        for block in &blocks {
            values[block.range()]
                .iter_mut()
                .for_each(|z| *z -= block.level);
        }
        let pull_back = move |g: &[f64], out: &mut [f64]| {
            for block in &blocks {
                let total: f64 = g[block.range()].iter().sum();
                let shares = regularization.shares(&w[block.range()]);
                for (&i, share) in order[block.range()].iter().zip(shares) {
                    out[i] = share * total;
                }
            }
        };
        (values, Box::new(pull_back))
    })
}

/// Soft ranks, 1 for the largest.
///
/// As ε → 0 the ranks; as ε → ∞ all equal (n + 1)/2.
///
/// # Shapes
///
/// `[.., n]` to `[.., n]`.
///
/// # Errors
///
/// As [`fast_sort`].
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use unbiased_permutations::sorting::{Regularization, fast_rank};
///
/// let scores = Tensor::<1>::from_floats([1.0, -2.0, 2.0, 3.0, 0.5, -1.0], &Device::flex());
/// // Of the negated scores, so that the smallest has rank 1.
/// let ranks = fast_rank(scores.neg(), Regularization::L2, 1.0)?;
/// assert_eq!(ranks.into_data().try_to_vec::<f32>().unwrap(), [3.875, 1.0, 4.875, 5.875, 3.375, 2.0]);
/// # Ok::<(), unbiased_permutations::Error>(())
/// ```
pub fn fast_rank<const D: usize>(
    scores: Tensor<D>,
    regularization: Regularization,
    epsilon: f64,
) -> Result<Tensor<D>, Error> {
    let epsilon = positive("epsilon", epsilon)?;
    by_list(scores, |theta| {
        let z: Vec<f64> = theta.iter().map(|x| -x / epsilon).collect();
        let order = descending(&z);
        let s: Vec<f64> = order.iter().map(|&i| z[i]).collect();
        let rho = (1..=s.len()).rev().map(|rank| rank as f64);
        let w: Vec<f64> = match regularization {
            Regularization::L2 => rho.collect(),
            Regularization::Kl => rho.map(libm::log).collect(),
        };
        let blocks = regularization.pool(&s, &w);
        let mut ranks = vec![0.0; s.len()];
        for block in &blocks {
            for &i in &order[block.range()] {
                let projected = z[i] - block.level;
                ranks[i] = match regularization {
                    Regularization::L2 => projected,
                    Regularization::Kl => libm::exp(projected),
                };
            }
        }
        let of_ranks = ranks.clone();
        let pull_back = move |g: &[f64], out: &mut [f64]| {
            // Towards the projection, before the exponential.
            let slope = |i: usize| match regularization {
                Regularization::L2 => g[i],
                Regularization::Kl => g[i] * of_ranks[i],
            };
            for block in &blocks {
                let members = &order[block.range()];
                let total: f64 = members.iter().map(|&i| slope(i)).sum();
                let shares = regularization.shares(&s[block.range()]);
                for (&i, share) in members.iter().zip(shares) {
                    out[i] = (share * total - slope(i)) / epsilon;
                }
            }
        };
        (ranks, Box::new(pull_back))
    })
}

/// Neighbours with one value of v.
#[derive(Clone, Copy, Debug)]
struct Block {
    start: usize,
    end: usize,
    /// Σ (s − w) and |B|, or ln Σ e^s and ln Σ e^w.
    sums: [f64; 2],
    level: f64,
}

impl Block {
    fn range(&self) -> core::ops::Range<usize> {
        self.start..self.end
    }
}

impl Regularization {
    /// The blocks of v, by pooling adjacent violators.
    fn pool(self, s: &[f64], w: &[f64]) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::with_capacity(s.len());
        for (i, (&s, &w)) in s.iter().zip(w).enumerate() {
            let sums = match self {
                Self::L2 => [s - w, 1.0],
                Self::Kl => [s, w],
            };
            let mut last = self.block(i, i + 1, sums);
            while let Some(before) = blocks.pop_if(|before| before.level < last.level) {
                let [a, b] = [0, 1].map(|k| self.add(before.sums[k], last.sums[k]));
                last = self.block(before.start, last.end, [a, b]);
            }
            blocks.push(last);
        }
        blocks
    }

    fn block(self, start: usize, end: usize, sums: [f64; 2]) -> Block {
        let level = match self {
            Self::L2 => sums[0] / sums[1],
            Self::Kl => sums[0] - sums[1],
        };
        Block {
            start,
            end,
            sums,
            level,
        }
    }

    fn add(self, a: f64, b: f64) -> f64 {
        match self {
            Self::L2 => a + b,
            Self::Kl => a.max(b) + libm::log1p(libm::exp(-(a - b).abs())),
        }
    }

    /// The derivative of a block's level by its members.
    fn shares(self, members: &[f64]) -> Vec<f64> {
        match self {
            Self::L2 => vec![1.0 / members.len() as f64; members.len()],
            Self::Kl => {
                let top = members.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = members.iter().map(|x| libm::exp(x - top)).collect();
                let sum: f64 = weights.iter().sum();
                weights.iter().map(|weight| weight / sum).collect()
            }
        }
    }
}

/// Places from the largest value to the smallest.
fn descending(x: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|&i, &j| x[j].total_cmp(&x[i]));
    order
}

/// From the gradient of a list's result to that of the list, which is written over.
type PullBack = Box<dyn Fn(&[f64], &mut [f64]) + Send + Sync>;

/// A function of lists with its gradient, over all lists of a tensor.
fn by_list<const D: usize>(
    scores: Tensor<D>,
    f: impl Fn(Vec<f64>) -> (Vec<f64>, PullBack) + Sync,
) -> Result<Tensor<D>, Error> {
    let shape = scores.dims();
    let n = shape[D - 1].max(1);
    let (device, dtype) = (scores.clone().inner().device(), scores.dtype());
    let values = host(scores.clone().inner());
    check(&values, n)?;
    // Short lists are not worth a task each.
    let least = (1024 / n).max(1);
    let lists = values.par_chunks_exact(n).with_min_len(least);
    let (results, pull_backs): (Vec<_>, Vec<_>) = lists.map(|list| f(list.to_vec())).unzip();
    let upload = move |values: Vec<f64>| {
        Tensor::<D>::from_data(TensorData::new(values, shape), (&device, dtype))
    };
    let y = upload(results.concat());
    let pull_backs = Arc::new(pull_backs);
    Ok(custom_gradient(&scores, y, move |g| {
        let g = host(g);
        let mut out = vec![0.0; g.len()];
        let lists = out.par_chunks_exact_mut(n).zip(g.par_chunks_exact(n));
        let lists = lists.zip(pull_backs.par_iter()).with_min_len(least);
        lists.for_each(|((out, g), pull_back)| pull_back(g, out));
        upload(out)
    }))
}

fn host<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    let data = x.into_data().convert::<f64>();
    data.try_into_vec().expect("converted")
}

fn check(values: &[f64], n: usize) -> Result<(), Error> {
    let Some(at) = values.iter().position(|x| !x.is_finite()) else {
        return Ok(());
    };
    let place = [at / n, 0, at % n];
    Err(Error::not_finite("list of scores", place, values[at]))
}
