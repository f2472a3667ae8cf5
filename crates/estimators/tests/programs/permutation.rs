//! A Plackett-Luce choice among the orders of three items, by a law that the library does not know.

use burn::tensor::{Bool, Tensor, TensorData, activation::sigmoid};
use unbiased_estimators::{
    NoiseLaw, Run, Site,
    law::{Law, Relaxation},
};

use super::{Model, Theta, sum};

pub struct Permutation;

impl Model for Permutation {
    fn name(&self) -> &'static str {
        "permutation"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![
            0.5, -0.3, 0.2, // order
            0.8, -0.5, 0.3, // cost of each item's rank
            0.6, // cost of two together
        ]
    }

    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let site = Site::new(theta.take(3)).context(theta.constant(&[1.0]));
        let ranks = run.law("order", PlackettLuce, site).value;
        let each = sum((ranks.clone() - theta.take(3)).square());
        let two = ranks.clone().narrow(1, 0, 1) * ranks.narrow(1, 2, 1);
        run.cost("order", each + sum(two * theta.take(1)), run.mark());
    }
}

/// An order of `n` items drawn without replacement with odds `e^a`: value `[rows, n]` is the rank of each item, 0 for
/// the first. It is the descending order of `z = a + Gumbel`; relaxed, `rank_i = sum_j sigma((z_j - z_i) / t)`.
#[derive(Debug, Clone, Copy)]
pub struct PlackettLuce;

impl PlackettLuce {
    /// `d_ij = x_j - x_i`, `[rows, n, n]`.
    fn differences(x: Tensor<2>) -> Tensor<3> {
        let [rows, n] = x.dims();
        x.clone().reshape([rows, 1, n]) - x.reshape([rows, n, 1])
    }

    /// Sums over `j != i`.
    fn without_self(pairs: Tensor<3>) -> Tensor<2> {
        let [_, n, _] = pairs.dims();
        let others = Tensor::<2>::eye(n, &pairs.device()).neg() + 1.0;
        (pairs * others.unsqueeze::<3>())
            .sum_dim(2)
            .squeeze_dim::<2>(2)
    }

    /// One-hot of the rank's item, `[rows, rank, item]`.
    fn matrix(ranks: Tensor<2>) -> Tensor<3> {
        let [rows, n] = ranks.dims();
        let device = ranks.device();
        let positions = Tensor::<1, burn::tensor::Int>::arange(0..n as i64, &device).float();
        let equal: Tensor<3, Bool> = ranks
            .reshape([rows, 1, n])
            .expand([rows, n, n])
            .equal(positions.reshape([1, n, 1]).expand([rows, n, n]));
        equal.float()
    }

    /// 1 where the item is not yet taken at that rank, `[rows, rank, item]`.
    fn remaining(ranks: Tensor<2>) -> Tensor<3> {
        // Item taken at rank r remains at ranks 0..=r: a sum over the ranks from here on.
        let matrix = Self::matrix(ranks);
        let n = matrix.dims()[1];
        let device = matrix.device();
        let upper: Vec<f64> = (0..n * n)
            .map(|i| f64::from(u8::from(i % n >= i / n)))
            .collect();
        let upper = Tensor::<2>::from_data(TensorData::new(upper, [n, n]), &device);
        let [rows, ..] = matrix.dims();
        (upper.reshape([1, n, n, 1]) * matrix.reshape([rows, 1, n, n]))
            .sum_dim(2)
            .squeeze_dim::<3>(2)
    }

    /// `ln sum e^a` over what remains at each rank, and the odds of each item there.
    fn stages(params: Tensor<2>, ranks: Tensor<2>) -> (Tensor<2>, Tensor<3>) {
        let [rows, n] = params.dims();
        let max = params.clone().inner().max_dim(1);
        let odds = (params - max.clone()).exp().reshape([rows, 1, n]) * Self::remaining(ranks);
        let total = odds.clone().sum_dim(2);
        let log_total = total.clone().log().squeeze_dim::<2>(2) + max;
        (log_total, odds / total)
    }

    /// `[rows, rank] -> [rows, item]` and back by the transpose.
    fn to_items(by_rank: Tensor<2>, matrix: Tensor<3>) -> Tensor<2> {
        let [rows, n] = by_rank.dims();
        (by_rank.reshape([rows, n, 1]) * matrix)
            .sum_dim(1)
            .squeeze_dim::<2>(1)
    }

    fn to_ranks(by_item: Tensor<2>, matrix: Tensor<3>) -> Tensor<2> {
        let [rows, n] = by_item.dims();
        (by_item.reshape([rows, 1, n]) * matrix)
            .sum_dim(2)
            .squeeze_dim::<2>(2)
    }

    /// `dz~/dparams` at fixed noise, `[rows, item, item]`.
    fn jacobian(params: Tensor<2>, hard: Tensor<2>, latent: Tensor<2>) -> Tensor<3> {
        let [rows, n] = params.dims();
        let matrix = Self::matrix(hard.clone());
        let (_, odds) = Self::stages(params, hard);
        let sorted = Self::to_ranks(latent, matrix.clone());
        let mut by_rank: Vec<Tensor<3>> = Vec::new();
        for rank in 0..n {
            let own = odds.clone().narrow(1, rank, 1);
            let row = match by_rank.last() {
                None => own,
                Some(before) => {
                    // z_k = -ln(e^-z_(k-1) + e^-(phi_k + G)): weight of z_(k-1) is e^(z_k - z_(k-1)).
                    let gap =
                        sorted.clone().narrow(1, rank, 1) - sorted.clone().narrow(1, rank - 1, 1);
                    let weight = gap.exp().reshape([rows, 1, 1]);
                    weight.clone() * before.clone() + (weight.neg() + 1.0) * own
                }
            };
            by_rank.push(row);
        }
        // [item, param] = sum over ranks of matrix[rank, item] * by_rank[rank, param].
        let by_rank = Tensor::cat(by_rank, 1);
        (matrix.reshape([rows, n, n, 1]) * by_rank.reshape([rows, n, 1, n]))
            .sum_dim(1)
            .squeeze_dim::<3>(1)
    }
}

impl Law for PlackettLuce {
    fn name(&self) -> &'static str {
        "plackett-luce"
    }

    fn noise(&self) -> NoiseLaw {
        NoiseLaw::Gumbel
    }

    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        self.harden(self.latent(params, noise))
    }

    fn mean(&self, params: Tensor<2>) -> Tensor<2> {
        // P(j before i) = sigma(a_j - a_i).
        Self::without_self(sigmoid(Self::differences(params)))
    }

    fn log_prob(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<1> {
        sum(params.clone() - Self::stages(params, value).0)
    }

    fn score(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
        let (_, odds) = Self::stages(params, value);
        odds.sum_dim(1).squeeze_dim::<2>(1).neg() + 1.0
    }

    fn negative_entropy(&self, _params: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn kl(&self, _params: Tensor<2>, _prior: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn support(&self, params: usize, limit: usize) -> Option<Vec<Vec<f64>>> {
        let mut orders: Vec<Vec<f64>> = vec![Vec::new()];
        for item in 0..params {
            // The new item takes any rank; those from there on move up.
            orders = orders
                .iter()
                .flat_map(|ranks| {
                    (0..=item).map(move |rank| {
                        let shifted = ranks
                            .iter()
                            .map(|&r| r + f64::from(u8::from(r >= rank as f64)));
                        shifted.chain([rank as f64]).collect()
                    })
                })
                .collect();
            if orders.len() > limit {
                return None;
            }
        }
        Some(orders)
    }

    fn relaxation(&self) -> Option<&dyn Relaxation> {
        Some(self)
    }
}

impl Relaxation for PlackettLuce {
    fn latent(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        params + noise
    }

    fn harden(&self, latent: Tensor<2>) -> Tensor<2> {
        Self::without_self(Self::differences(latent).greater_scalar(0.0).float())
    }

    fn relax(&self, latent: Tensor<2>, temperature: Tensor<1>) -> Tensor<2> {
        Self::without_self(sigmoid(
            Self::differences(latent) / temperature.unsqueeze::<3>(),
        ))
    }

    fn conditional(&self, params: Tensor<2>, hard: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        // The largest is Gumbel(phi_0), each next one Gumbel(phi_k) cut off at the one before, phi_k = ln sum e^a over
        // what remains; the noise of an item serves at its rank.
        let n = params.dims()[1];
        let matrix = Self::matrix(hard.clone());
        let (phi, _) = Self::stages(params, hard);
        let free = phi + Self::to_ranks(noise, matrix.clone());
        let mut sorted = vec![free.clone().narrow(1, 0, 1)];
        for rank in 1..n {
            let before = sorted[rank - 1].clone();
            let rate = before.neg().exp() + free.clone().narrow(1, rank, 1).neg().exp();
            sorted.push(rate.log().neg());
        }
        Self::to_items(Tensor::cat(sorted, 1), matrix)
    }

    fn pull(&self, _params: Tensor<2>, h: Tensor<2>) -> Tensor<2> {
        h
    }

    fn pull_conditional(
        &self,
        params: Tensor<2>,
        hard: Tensor<2>,
        latent: Tensor<2>,
        h: Tensor<2>,
    ) -> Tensor<2> {
        let [rows, n] = h.dims();
        (Self::jacobian(params, hard, latent) * h.reshape([rows, n, 1]))
            .sum_dim(1)
            .squeeze_dim::<2>(1)
    }

    fn push(&self, _params: Tensor<2>, g: Tensor<2>) -> Tensor<2> {
        g
    }

    fn push_conditional(
        &self,
        params: Tensor<2>,
        hard: Tensor<2>,
        latent: Tensor<2>,
        g: Tensor<2>,
    ) -> Tensor<2> {
        let [rows, n] = g.dims();
        (Self::jacobian(params, hard, latent) * g.reshape([rows, 1, n]))
            .sum_dim(2)
            .squeeze_dim::<2>(2)
    }

    fn log_density(&self, params: Tensor<2>, temperature: Tensor<1>, y: Tensor<2>) -> Tensor<1> {
        // y = (a + G) / t, entry by entry.
        let t = temperature.unsqueeze::<2>();
        let residual = params - t.clone() * y;
        sum(t.log() + residual.clone() - residual.exp())
    }

    fn coordinates(&self, latent: Tensor<2>, temperature: Tensor<1>) -> Tensor<2> {
        latent / temperature.unsqueeze::<2>()
    }
}
