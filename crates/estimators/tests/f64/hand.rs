//! Objectives of some of the programs, written out by hand in plain numbers.

use crate::{
    grid::sigma,
    programs::{FIRST_COST, SECOND_COST},
};

/// `p(bit)` under a logit.
fn bit(a: f64, b: f64) -> f64 {
    if b == 1.0 { sigma(a) } else { sigma(-a) }
}

pub fn softmax(a: &[f64]) -> Vec<f64> {
    let total: f64 = a.iter().map(|a| a.exp()).sum();
    a.iter().map(|a| a.exp() / total).collect()
}

const BITS: [f64; 2] = [0.0, 1.0];

/// `-ELBO` of the belief network.
pub fn belief_net(t: &[f64]) -> f64 {
    let mut total = 0.0;
    for (a, b) in pairs() {
        let q1 = bit(t[0], a) * bit(t[1], b);
        for (c, d) in pairs() {
            let q2 = bit(t[2] + a * t[4] + b * t[6], c) * bit(t[3] + a * t[5] + b * t[7], d);
            let prior_2 = bit(t[8], c) * bit(t[9], d);
            let prior_1 =
                bit(t[10] + c * t[12] + d * t[14], a) * bit(t[11] + c * t[13] + d * t[15], b);
            let likelihood = bit(t[16] + a * t[17] + b * t[18] + a * b * t[19], 1.0);
            total += q1 * q2 * (q1.ln() + q2.ln() - (prior_1 * prior_2 * likelihood).ln());
        }
    }
    total
}

fn pairs() -> impl Iterator<Item = (f64, f64)> {
    BITS.into_iter()
        .flat_map(|a| BITS.into_iter().map(move |b| (a, b)))
}

/// Minus the bound of `k` samples of the variational autoencoder.
pub fn vae(t: &[f64], k: usize) -> f64 {
    let (class, class_prior) = (softmax(&t[2..5]), softmax(&t[7..10]));
    let mut states = Vec::new();
    for (a, b) in pairs() {
        for c in 0..3 {
            let q = bit(t[0], a) * bit(t[1], b) * class[c];
            let p = bit(t[5], a) * bit(t[6], b) * class_prior[c];
            let logit = |j: usize| t[10 + j] + a * t[12 + j] + b * t[14 + j] + t[16 + 2 * c + j];
            let likelihood = sigma(logit(0)) * sigma(-logit(1));
            states.push((q, p * likelihood / q));
        }
    }
    let mut tuples = vec![(1.0, 0.0)];
    for _ in 0..k {
        tuples = tuples
            .iter()
            .flat_map(|(q, w)| states.iter().map(move |(q2, w2)| (q * q2, w + w2)))
            .collect();
    }
    tuples.iter().map(|(q, w)| -q * (w / k as f64).ln()).sum()
}

/// Expected misfit over all alignments.
pub fn alignment(t: &[f64]) -> f64 {
    fn from(t: &[f64], step: usize, count: usize) -> f64 {
        if step == 6 {
            assert_eq!(count, 3);
            return 0.0;
        }
        let n = count as f64;
        let emit = (t[7 + step] - t[13] * n).powi(2)
            + if count < 3 {
                from(t, step + 1, count + 1)
            } else {
                0.0
            };
        if count == 3 {
            return from(t, step + 1, 3);
        }
        if 6 - step == 3 - count {
            return emit;
        }
        let p = sigma(t[step] + t[6] * n);
        p * emit + (1.0 - p) * from(t, step + 1, count)
    }
    from(t, 0, 0)
}

/// Expected sum of both costs.
pub fn decision(t: &[f64]) -> f64 {
    let first = softmax(&t[..3]);
    (0..3)
        .map(|a| {
            let second = softmax(&t[3 + 2 * a..5 + 2 * a]);
            let later: f64 = (0..2).map(|b| second[b] * SECOND_COST[a][b]).sum();
            first[a] * (FIRST_COST[a] + later)
        })
        .sum()
}

/// The discounted policy gradient: each action's score times what follows it, discounted from there.
pub fn discounted_policy_gradient(t: &[f64], discount: f64) -> Vec<f64> {
    let first = softmax(&t[..3]);
    let mut gradient = vec![0.0; t.len()];
    for a in 0..3 {
        let second = softmax(&t[3 + 2 * a..5 + 2 * a]);
        for b in 0..2 {
            let p = first[a] * second[b];
            let second_cost = SECOND_COST[a][b];
            let first_return = FIRST_COST[a] + discount * second_cost;
            for i in 0..3 {
                gradient[i] += p * first_return * (f64::from(u8::from(i == a)) - first[i]);
            }
            for i in 0..2 {
                gradient[3 + 2 * a + i] +=
                    p * second_cost * (f64::from(u8::from(i == b)) - second[i]);
            }
        }
    }
    gradient
}

/// Expected cost over the six orders of three items.
pub fn permutation(t: &[f64]) -> f64 {
    let odds: Vec<f64> = t[..3].iter().map(|a| a.exp()).collect();
    let mut total = 0.0;
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let mut left: f64 = odds.iter().sum();
        let mut p = 1.0;
        let mut rank = [0.0; 3];
        for (r, &item) in order.iter().enumerate() {
            p *= odds[item] / left;
            left -= odds[item];
            rank[item] = r as f64;
        }
        let each: f64 = (0..3).map(|i| (rank[i] - t[3 + i]).powi(2)).sum();
        total += p * (each + rank[0] * rank[2] * t[6]);
    }
    total
}
