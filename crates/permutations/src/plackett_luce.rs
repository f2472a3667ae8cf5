//! The Plackett-Luce law of rankings: choices without replacement.
//!
//! Sources: Luce, "Individual Choice Behavior", 1959; Plackett, "The Analysis of Permutations", 1975; Yellott, "The Relationship between Luce's
//! Choice Axiom, Thurstone's Theory of Comparative Judgment, and the Double Exponential Distribution", 1977 (Gumbels); Grathwohl et al.,
//! "Backpropagation through the Void", 2018, and Gadetsky, Struminsky, Robinson, Quadrianto & Vetrov, "Low-variance Black-box Gradient Estimates for
//! the Plackett-Luce Distribution", 2020 (conditional Gumbels).
//!
//! Items with scores s are taken one after the other, each with odds `e^s` among what is left:
//!
//! `ln p(π) = Σ_k s_πk − φ_k`, `φ_k = ln Σ_{j ≥ k} e^{s_πj}`
//!
//! which is the descending order of `z = s + Gumbel`. Scores with a constant added are the same law. Sums of exponentials over the items that are left
//! are scans of `ln(e^x + e^y)`, of log n steps: no exponential over- or underflows.
//!
//! A ranking is given by ranks, `[batch, n]`: the rank of each item, 0 for the first.
//!
//! An item with score −∞ is absent: it comes after all that are present, and the law says nothing of the order among absent ones (samples keep that of
//! their indices).

use burn::tensor::{Bool, Int, Tensor, activation::sigmoid};
use unbiased_kernels::{logsumexp, softplus};

/// The score of what is absent: finite, so that differences of two are 0, and so low that nothing present is ever below it.
const ABSENT: f64 = -1e30;

/// The law of rankings of n items with scores `[batch, n]`.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use unbiased_permutations::PlackettLuce;
///
/// let device = Device::flex();
/// let scores = Tensor::<2>::from_floats([[1.0, 2.0, 3.0]], &device);
/// // The last item first, the first one last.
/// let ranks = Tensor::<2>::from_floats([[2.0, 1.0, 0.0]], &device);
/// let p = PlackettLuce.log_prob(scores.clone(), ranks.clone()).exp();
/// assert!((p.into_scalar::<f32>() - 0.486_330).abs() < 1e-6);
/// assert_eq!(PlackettLuce.mode(scores).into_data(), ranks.into_data());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlackettLuce;

impl PlackettLuce {
    /// The ranking that Gumbel noise `[batch, n]` stands for.
    #[must_use]
    pub fn sample(self, scores: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        ranks(Self::latent(scores, noise))
    }

    /// z, whose descending order is the ranking.
    pub(crate) fn latent(scores: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        present(scores) + noise
    }

    /// The most probable ranking: in descending order of the scores.
    #[must_use]
    pub fn mode(self, scores: Tensor<2>) -> Tensor<2> {
        ranks(scores)
    }

    /// The expected rank of each item, `[batch, n]`: item j comes before i with probability `σ(s_j − s_i)`.
    #[must_use]
    pub fn mean(self, scores: Tensor<2>) -> Tensor<2> {
        others(sigmoid(differences(present(scores))))
    }

    /// `ln p` in nats, `[batch]`, differentiable in the scores.
    #[must_use]
    pub fn log_prob(self, scores: Tensor<2>, ranks: Tensor<2>) -> Tensor<1> {
        let n = scores.dims()[1];
        self.log_prob_top(scores, ranks, n)
    }

    /// `ln p` of ranks that need not be whole, `[batch]`, differentiable in scores and ranks r:
    ///
    /// `−Σ_i ln Σ_j w_ij e^{s_j − s_i}`, `w_ij = min(1, max(0, 1 + r_j − r_i))`
    ///
    /// For whole ranks w says whether j is still there when i is taken, and it is [`log_prob`](Self::log_prob). In between it is continuous, which is
    /// what control variates of relaxed rankings need; an order read off relaxed ranks would jump.
    #[must_use]
    pub fn log_prob_relaxed(self, scores: Tensor<2>, ranks: Tensor<2>) -> Tensor<1> {
        let left = (differences(ranks) + 1.0).clamp(0.0, 1.0);
        let gone = left.clone().inner().equal_scalar(0.0);
        let weights = left.mask_fill(gone.clone(), 1.0).log();
        let scores = present(scores);
        let absent = scores.clone().inner().equal_scalar(ABSENT);
        let terms = (differences(scores) + weights).mask_fill(gone, f64::NEG_INFINITY);
        let [batch, n, _] = terms.dims();
        let terms = logsumexp(terms).reshape([batch, n]);
        let terms = terms.mask_fill(absent, 0.0);
        terms.sum_dim(1).squeeze_dim::<1>(1).neg()
    }

    /// `ln p` of the items with ranks below `k` and their order, `[batch]`: the law of k choices without replacement.
    ///
    /// # Panics
    ///
    /// If there are fewer than k items.
    #[must_use]
    pub fn log_prob_top(self, scores: Tensor<2>, ranks: Tensor<2>, k: usize) -> Tensor<1> {
        let sorted = Ranking::new(ranks).to_ranks(present(scores));
        let left = from_here_on(sorted.clone());
        let terms = (sorted - left).narrow(1, 0, k);
        terms.sum_dim(1).squeeze_dim::<1>(1)
    }

    /// `d ln p / ds`, `[batch, n]`: `1 − Σ_{k ≤ rank} e^{s − φ_k}`.
    #[must_use]
    pub fn score(self, scores: Tensor<2>, ranks: Tensor<2>) -> Tensor<2> {
        let ranking = Ranking::new(ranks);
        let sorted = ranking.to_ranks(present(scores));
        let left = from_here_on(sorted.clone());
        let score = (sorted + up_to_here(left.neg())).exp().neg() + 1.0;
        ranking.to_items(score)
    }

    /// A latent z from `p(z | ranks)`: `z = s + Gumbel` given that its descending order is the ranking. The noise of an item serves at its rank.
    ///
    /// The largest is a Gumbel variable around `φ_0`, each next one a Gumbel variable around `φ_k` cut off at the one before:
    /// `e^{−z_k} = Σ_{j ≤ k} e^{−(φ_j + Gumbel_j)}`.
    #[must_use]
    pub fn conditional(self, scores: Tensor<2>, ranks: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        let ranking = Ranking::new(ranks);
        let left = from_here_on(ranking.to_ranks(present(scores)));
        let free = left + ranking.to_ranks(noise);
        ranking.to_items(up_to_here(free.neg()).neg())
    }

    /// The relaxed ranking of a latent z, `Σ_{j ≠ i} σ((z_j − z_i)/t)`, `t` `[1]`; tends to the exact one as t falls.
    #[must_use]
    pub fn relax(self, z: Tensor<2>, t: Tensor<1>) -> Tensor<2> {
        others(sigmoid(differences(z) / t.unsqueeze::<3>()))
    }

    /// `dz̃/ds` of [`conditional`](Self::conditional) at fixed noise, in two factors in the order of ranks, `[batch, n, n]` each: by φ, and of φ by s.
    #[cfg(feature = "sites")]
    fn slopes(scores: Tensor<2>, ranking: &Ranking, z: Tensor<2>) -> [Tensor<3>; 2] {
        let [batch, n] = z.dims();
        let z = ranking.to_ranks(z);
        let sorted = ranking.to_ranks(present(scores));
        let left = from_here_on(sorted.clone());
        let row = |x: Tensor<2>| x.reshape([batch, 1, n]);
        let column = |x: Tensor<2>| x.reshape([batch, n, 1]);
        // e^{−free_j} = e^{−z_j} − e^{−z_{j−1}}; ranks ahead of the diagonal have exponents above 0 and no part in it.
        let ratio = (column(z.clone()) - row(z)).clamp_max(0.0).exp().tril(0);
        let before = Tensor::cat(
            vec![
                Tensor::zeros([batch, n, 1], (&ratio.device(), ratio.dtype())),
                ratio.clone().narrow(2, 0, n - 1),
            ],
            2,
        );
        let by_left = (ratio - before).tril(0);
        let of_left = (row(sorted) - column(left)).clamp_max(0.0).exp().triu(0);
        [by_left, of_left]
    }

    /// `(dz̃/ds)ᵀ h`, all by item.
    #[cfg(feature = "sites")]
    pub(crate) fn pull(
        scores: Tensor<2>,
        ranks: Tensor<2>,
        z: Tensor<2>,
        h: Tensor<2>,
    ) -> Tensor<2> {
        let ranking = Ranking::new(ranks);
        let [by_left, of_left] = Self::slopes(scores, &ranking, z);
        let h = ranking.to_ranks(h).unsqueeze_dim::<3>(1);
        let g = h.matmul(by_left).matmul(of_left);
        ranking.to_items(g.squeeze_dim::<2>(1))
    }

    /// `(dz̃/ds) g`, all by item.
    #[cfg(feature = "sites")]
    pub(crate) fn push(
        scores: Tensor<2>,
        ranks: Tensor<2>,
        z: Tensor<2>,
        g: Tensor<2>,
    ) -> Tensor<2> {
        let ranking = Ranking::new(ranks);
        let [by_left, of_left] = Self::slopes(scores, &ranking, z);
        let g = ranking.to_ranks(g).unsqueeze_dim::<3>(2);
        let h = by_left.matmul(of_left.matmul(g));
        ranking.to_items(h.squeeze_dim::<2>(2))
    }
}

/// The rank of each entry in descending order, from 0, `[batch, n]`; equal ones keep their order, so that this is a permutation always. No gradient.
#[must_use]
pub fn ranks(x: Tensor<2>) -> Tensor<2> {
    let [batch, n] = x.dims();
    let (x, like, device) = (x.clone().inner(), x.dtype(), x.device());
    let other = x.clone().reshape([batch, 1, n]).expand([batch, n, n]);
    let own = x.reshape([batch, n, 1]).expand([batch, n, n]);
    let earlier = Tensor::<2, Bool>::tril_mask([n, n], -1, &device.without_autodiff()).bool_not();
    let earlier = earlier.unsqueeze::<3>().expand([batch, n, n]);
    let tied = other.clone().equal(own.clone()).bool_and(earlier);
    let ahead = other.greater(own).bool_or(tied).float().cast(like);
    ahead.sum_dim(2).squeeze_dim::<2>(2)
}

/// The matrix of ranks, exact or relaxed, `[batch, n]`: `P_ij = max(0, 1 − |rank_i − j|)`, `[batch, n, n]`. Continuous in the ranks, and exact at integers.
#[must_use]
pub fn rank_matrix(ranks: Tensor<2>) -> Tensor<3> {
    let [batch, n] = ranks.dims();
    let places = Tensor::<1, Int>::arange(0..n as i64, &ranks.device())
        .float()
        .cast(ranks.dtype());
    let off = ranks.reshape([batch, n, 1]) - places.reshape([1, 1, n]);
    (off.abs().neg() + 1.0).clamp_min(0.0)
}

/// Scores without −∞.
fn present(scores: Tensor<2>) -> Tensor<2> {
    scores.clamp_min(ABSENT)
}

/// `d_ij = x_j − x_i`, `[batch, n, n]`.
pub(crate) fn differences(x: Tensor<2>) -> Tensor<3> {
    let [batch, n] = x.dims();
    x.clone().reshape([batch, 1, n]) - x.reshape([batch, n, 1])
}

/// Sums over `j ≠ i`.
fn others(pairs: Tensor<3>) -> Tensor<2> {
    let [_, n, _] = pairs.dims();
    let own = Tensor::<2>::eye(n, &pairs.device()).cast(pairs.dtype());
    let pairs = pairs * (own.neg() + 1.0).unsqueeze::<3>();
    pairs.sum_dim(2).squeeze_dim::<2>(2)
}

/// `ln Σ_{j ≥ k} e^{x_j}`, in log n steps.
fn from_here_on(x: Tensor<2>) -> Tensor<2> {
    let n = x.dims()[1];
    let mut sum = x;
    let mut reach = 1;
    while reach < n {
        let here = sum.clone().narrow(1, 0, n - reach);
        let further = sum.clone().narrow(1, reach, n - reach);
        let last = sum.narrow(1, n - reach, reach);
        sum = Tensor::cat(vec![log_add_exp(here, further), last], 1);
        reach *= 2;
    }
    sum
}

/// `ln Σ_{j ≤ k} e^{x_j}`.
fn up_to_here(x: Tensor<2>) -> Tensor<2> {
    from_here_on(x.flip([1])).flip([1])
}

/// `ln(e^x + e^y)`.
fn log_add_exp(x: Tensor<2>, y: Tensor<2>) -> Tensor<2> {
    x.clone() + softplus(y - x)
}

/// Which item has which rank.
struct Ranking {
    ranks: Tensor<2, Int>,
    items: Tensor<2, Int>,
}

impl Ranking {
    fn new(ranks: Tensor<2>) -> Self {
        let ranks = ranks.inner();
        Self {
            items: ranks.clone().argsort(1),
            ranks: ranks.int(),
        }
    }

    /// From the order of items to that of ranks.
    fn to_ranks(&self, by_item: Tensor<2>) -> Tensor<2> {
        by_item.gather(1, self.items.clone())
    }

    /// And back.
    fn to_items(&self, by_rank: Tensor<2>) -> Tensor<2> {
        by_rank.gather(1, self.ranks.clone())
    }
}
