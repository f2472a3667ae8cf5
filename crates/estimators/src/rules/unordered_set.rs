//! Unordered set: several classes drawn without replacement, their order integrated out.
//!
//! Source: Kool, van Hoof & Welling, "Estimating Gradients for Discrete Random Variables by Sampling without Replacement", 2020
//! (with the built-in baseline).
//!
//! `S`: the `k` classes with the largest `ln pi + Gumbel`. With `P^D(S)` the probability of drawing `S` from the classes `D`, in
//! any order, and `R^D(S, s) = P^(D - s)(S - s) / P^D(S)`,
//!
//! `g = sum_s pi_s R(S, s) (e_s - pi) (f(s) - sum_s' pi_s' R^(D - s)(S, s') f(s'))`, `R^(D - s)(S, s) = 1`
//!
//! | unbiased | f differentiable | calls of f                                 | extra parameters |
//! |----------|------------------|--------------------------------------------|------------------|
//! | yes      | not needed       | 1 + `(k - 1)` times the choices            | none             |
//!
//! The class drawn first is the choice of the main run. Of several one-hot choices side by side each has a set of its own, tried
//! while the others keep their values; what comes after the choice is drawn anew from the same noise. With `k` equal to the
//! number of classes nothing is left to chance but what comes after. Shapes: `[rows, choices * classes]`; sets of at most
//! [`MOST`] classes, whose `2^k` subsets are listed. Numerics: with `rest` the probability outside of `S`, what is needed is the
//! recursion `Q(B) = sum_{s in B} pi_s / (rest + pi(B)) Q(B - s)`, `Q({}) = 1`, in logarithms: `R(S, s) = Q(S - s) / Q(S)`, and
//! `R^(D - s)(S, s') = Q(S - s - s') / Q(S - s)`, sums of positive terms throughout.
//! Differences from the paper: each choice of a site by itself, not sequences of choices by a beam search.

use burn::tensor::Tensor;

use super::{At, Gradient, Rule, classes::Choices, expected_only, needs_classes, needs_replay};
use crate::{
    estimator::Objective,
    trace::{Schema, SiteSchema},
};

/// Most classes of a set.
pub const MOST: usize = 8;

/// Sets of `k` classes.
#[derive(Debug, Clone, Copy)]
pub struct UnorderedSet {
    /// Classes in a set, at least 2; all of them where there are fewer.
    pub k: usize,
}

/// `ln sum exp` of tensors of one shape.
fn log_sum_exp(terms: &[Tensor<2>]) -> Tensor<2> {
    let stacked = Tensor::stack::<3>(terms.to_vec(), 0);
    let max = stacked.clone().max_dim(0);
    let sum = (stacked - max.clone()).exp().sum_dim(0);
    (sum.log() + max).squeeze_dim::<2>(0)
}

/// `ln Q` of every subset of the set, its members being the bits of the index, from `ln pi` of the members and of the rest.
#[must_use]
fn log_subsets(members: &[Tensor<2>], log_rest: &Tensor<2>) -> Vec<Tensor<2>> {
    let mut log_q = vec![log_rest.zeros_like()];
    for subset in 1..1usize << members.len() {
        let inside: Vec<usize> = (0..members.len())
            .filter(|s| subset >> s & 1 == 1)
            .collect();
        let mut pool = vec![log_rest.clone()];
        pool.extend(inside.iter().map(|&s| members[s].clone()));
        let orders: Vec<_> = inside
            .iter()
            .map(|&s| members[s].clone() + log_q[subset & !(1 << s)].clone())
            .collect();
        log_q.push(log_sum_exp(&orders) - log_sum_exp(&pool));
    }
    log_q
}

/// `pi_s R(S, s) (f_s - baseline_s)` of every member, from their costs.
fn weights(members: &[Tensor<2>], log_rest: &Tensor<2>, costs: &[Tensor<2>]) -> Vec<Tensor<2>> {
    let log_q = log_subsets(members, log_rest);
    let all = log_q.len() - 1;
    let ratio = |s: usize, of: usize| {
        (members[s].clone() + log_q[of & !(1 << s)].clone() - log_q[of].clone()).exp()
    };
    (0..members.len())
        .map(|s| {
            let others = all & !(1 << s);
            let own = members[s].clone().exp() * costs[s].clone();
            let baseline = (0..members.len())
                .filter(|&other| other != s)
                .map(|other| ratio(other, others) * costs[other].clone())
                .fold(own, |sum, term| sum + term);
            ratio(s, all) * (costs[s].clone() - baseline)
        })
        .collect()
}

impl Rule for UnorderedSet {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        needs_replay(schema)?;
        expected_only(objective)?;
        needs_classes(site, "measure-valued")?;
        if self.k > MOST {
            return Err(format!(
                "it lists the subsets of a set, of {MOST} classes at most; set `samples` to that, or use `sum-and-sample`"
            ));
        }
        Ok(())
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let choices = Choices::of(at);
        let k = self.k.min(choices.made.dims()[2]);
        let mut set = vec![choices.made.clone()];
        let mut taken = choices.made.clone();
        while set.len() < k {
            let next = choices.first(choices.latent.clone(), &taken);
            taken = taken + next.clone();
            set.push(next);
        }
        let mut costs = vec![
            at.cost_to_go()
                .unsqueeze_dim::<2>(1)
                .expand(choices.sides()),
        ];
        costs.extend(choices.costs(at, &set[1..]));
        let members: Vec<_> = set
            .iter()
            .map(|class| Choices::pick(&choices.log_probs, class))
            .collect();
        let outside = taken.neg() + 1.0;
        let rest = Choices::pick(&choices.log_probs.clone().exp(), &outside);
        let weights = weights(&members, &rest.clamp_min(1e-37).log(), &costs);
        Some(Gradient {
            logits: at.mask(choices.gradient(&set, weights)),
            tuning: None,
            evaluations: ((k - 1) * choices.sides()[1] * at.samples()) as f64,
        })
    }
}
