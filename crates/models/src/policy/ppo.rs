//! Proximal policy optimisation: several passes over one rollout, held near the policy that made it.
//!
//! Sources: Schulman, Wolski, Dhariwal, Radford & Klimov, "Proximal Policy Optimization Algorithms", 2017, eq. 7 and 9;
//! generalised advantages as in Schulman, Moritz, Levine, Jordan & Abbeel, 2016.
//!
//! `L = -mean min(r A, clip(r, 1 - eps, 1 + eps) A) + c_v mean (V - G)^2 - c_e mean H`,
//! `r = pi(a | s) / pi_old(a | s)`, `G = A + V_old`,
//! `A_t = sum_l (gamma lambda)^l delta_{t+l}`, `delta_t = r_t + gamma V(s_{t+1}) - V(s_t)`
//!
//! `V(s_{t+1})` is 0 where the state is terminal, and the value of the last state where the time limit cut the episode;
//! the sum ends with the episode in both cases. Advantages are centred and scaled within a minibatch.
//!
//! It is no estimator of one gradient: after the first pass the samples are those of an older policy.
//!
//! Shapes: rollouts `[steps * rows, ..]`, step-major. Rewards, not costs.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use unbiased_estimators::law::Law;

use super::{Environment, Net, Policy, config::PolicyConfig, model::start};
use crate::init::initialise_with;

/// A policy and what it thinks of states.
#[derive(Module, Debug)]
pub struct Agent {
    /// Acts.
    pub policy: Policy,
    /// `V`.
    pub critic: Net,
}

impl Agent {
    /// Both nets with the hidden layers of `config`, their weights a function of `seed`.
    #[must_use]
    pub fn new(
        config: &PolicyConfig,
        environment: &dyn Environment,
        seed: u64,
        device: &Device,
    ) -> Self {
        let features = environment.features();
        let agent = Self {
            policy: Policy::blank(config, environment, device),
            critic: Net::new(features, &config.hidden, 1, config.activation, device),
        };
        let log_std = config.log_std;
        initialise_with(agent, seed, |path, shape| start(path, shape, log_std))
    }

    /// `V`, `[rows, features] -> [rows]`.
    #[must_use]
    pub fn value(&self, seen: Tensor<2>) -> Tensor<1> {
        self.critic.forward(seen).squeeze_dim::<1>(1)
    }
}

/// One step of one row, as advantages need it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transition {
    /// Reward.
    pub reward: f64,
    /// Value of the state that the action was taken in.
    pub value: f64,
    /// Value of the state it led to; 0 if that is terminal.
    pub next_value: f64,
    /// Whether the episode is over after it, ended or cut.
    pub last: bool,
}

/// `A` of every transition of one row, in order.
#[must_use]
pub fn advantages(row: &[Transition], discount: f64, lambda: f64) -> Vec<f64> {
    let mut later = 0.0;
    let mut advantages: Vec<f64> = row
        .iter()
        .rev()
        .map(|step| {
            let delta = step.reward + discount * step.next_value - step.value;
            let ahead = if step.last { 0.0 } else { later };
            later = delta + discount * lambda * ahead;
            later
        })
        .collect();
    advantages.reverse();
    advantages
}

/// Weights of the parts of the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// `eps`.
    pub clip: f64,
    /// `c_v`.
    pub value: f64,
    /// `c_e`.
    pub entropy: f64,
}

/// A minibatch, without gradient.
#[derive(Debug, Clone)]
pub struct Minibatch {
    /// `[n, features]`.
    pub seen: Tensor<2>,
    /// `[n, width]`.
    pub actions: Tensor<2>,
    /// `ln pi_old(a | s)`, `[n]`.
    pub log_probs: Tensor<1>,
    /// `A`, `[n]`.
    pub advantages: Tensor<1>,
    /// `G`, `[n]`.
    pub targets: Tensor<1>,
}

/// The loss, `[1]`.
#[must_use]
pub fn loss(agent: &Agent, batch: Minibatch, weights: Weights) -> Tensor<1> {
    let law = agent.policy.law();
    let params = agent.policy.forward(batch.seen.clone());
    let ratio = (law.log_prob(params.clone(), batch.actions) - batch.log_probs).exp();
    let gain = clipped(ratio, centred(batch.advantages), weights.clip);
    let error = (agent.value(batch.seen) - batch.targets).square().mean();
    let loss = error * weights.value - gain.mean();
    if weights.entropy == 0.0 {
        return loss;
    }
    loss + neg_entropy(&*law, params).mean() * weights.entropy
}

fn neg_entropy(law: &dyn Law, params: Tensor<2>) -> Tensor<1> {
    law.negative_entropy(params)
        .expect("laws of actions have an entropy")
}

/// `min(r A, clip(r, 1 - eps, 1 + eps) A)`, `[n]`.
fn clipped(ratio: Tensor<1>, advantage: Tensor<1>, clip: f64) -> Tensor<1> {
    let bounded = ratio.clone().clamp(1.0 - clip, 1.0 + clip);
    (ratio * advantage.clone()).min_pair(bounded * advantage)
}

/// Mean 0 and standard deviation 1.
fn centred(x: Tensor<1>) -> Tensor<1> {
    let n = x.dims()[0];
    if n < 2 {
        return x;
    }
    let centred = x.clone() - x.mean();
    let variance = centred.clone().square().sum() / (n - 1) as f64;
    centred / (variance.sqrt() + 1e-8)
}
