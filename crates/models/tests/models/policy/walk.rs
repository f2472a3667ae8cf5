//! An environment small enough to enumerate, and its enumeration in plain numbers.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use unbiased_estimators::{Address, Role, Source};
use unbiased_models::policy::{Actions, Activation, Environment, Outcome, Policy, PolicyConfig};

use crate::support::{device, numbers, stirred};

/// A walk on a line, at most three steps: action 1 goes on for a reward that falls, action 0 leaves for what the place is
/// worth, once the walker has left the start.
#[derive(Debug, Clone, Copy)]
pub struct Walk {
    pub cap: usize,
}

impl Environment for Walk {
    fn actions(&self) -> Actions {
        Actions::Discrete(2)
    }

    fn state(&self) -> usize {
        1
    }

    fn features(&self) -> usize {
        2
    }

    fn cap(&self) -> usize {
        self.cap
    }

    fn solved_at(&self) -> f64 {
        0.0
    }

    fn reset(&self, state: &mut [f64]) {
        state[0] = 0.0;
    }

    fn step(&self, state: &mut [f64], action: &[f64]) -> Outcome {
        let place = state[0];
        if action[1] == 1.0 {
            state[0] += 1.0;
            return Outcome {
                reward: 0.7 - place,
                terminated: false,
            };
        }
        Outcome {
            reward: 0.4 * place * place - 0.3,
            terminated: place > 0.0,
        }
    }

    fn observe(&self, state: &[f64], features: &mut [f64]) {
        features.copy_from_slice(&[state[0] - 0.5, 0.3]);
    }
}

/// Makes row `r` take the actions in the bits of `paths[r]`, first action lowest.
#[derive(Clone)]
pub struct Forced {
    pub paths: Vec<usize>,
}

impl Source for Forced {
    fn fill(&self, at: Address<'_>, out: &mut [f64]) {
        if at.role != Role::Choice {
            out.fill(0.5);
            return;
        }
        let action = self.paths[at.row] >> at.key.occurrence & 1;
        // A Gumbel of 21 against one of -3.
        for (class, u) in out.iter_mut().enumerate() {
            *u = if class == action { 1.0 - 1e-9 } else { 1e-9 };
        }
    }
}

pub fn config() -> PolicyConfig {
    PolicyConfig {
        hidden: vec![3],
        activation: Activation::Tanh,
        ..PolicyConfig::default()
    }
}

/// A path through the walk in plain numbers: per step what is seen, the action, and the reward.
pub struct Path {
    pub steps: Vec<([f64; 2], usize, f64)>,
}

/// All of at most `cap` steps, each once, with the bits that lead to them.
pub fn paths(cap: usize) -> Vec<(usize, Path)> {
    let mut found: Vec<(usize, Path)> = Vec::new();
    for bits in 0..1_usize << cap {
        let walk = Walk { cap };
        let (mut state, mut steps) = ([0.0], Vec::new());
        for t in 0..cap {
            let mut seen = [0.0; 2];
            walk.observe(&state, &mut seen);
            let action = bits >> t & 1;
            let one_hot = [f64::from(action == 0), f64::from(action == 1)];
            let outcome = walk.step(&mut state, &one_hot);
            steps.push((seen, action, outcome.reward));
            if outcome.terminated {
                break;
            }
        }
        // Bits after the end do not tell paths apart.
        if bits >> steps.len() == 0 {
            found.push((bits, Path { steps }));
        }
    }
    found
}

/// `ln pi(. | seen)`.
pub fn log_probs(policy: &Policy, seen: [f64; 2]) -> Vec<f64> {
    let seen = Tensor::from_data(TensorData::new(seen.to_vec(), [1, 2]), &device());
    let logits = numbers(policy.clone().valid().forward(seen));
    let total = logits.iter().map(|l| l.exp()).sum::<f64>().ln();
    logits.into_iter().map(|l| l - total).collect()
}

impl Path {
    pub fn probability(&self, policy: &Policy) -> f64 {
        let steps = self.steps.iter();
        steps
            .map(|&(seen, action, _)| log_probs(policy, seen)[action])
            .sum::<f64>()
            .exp()
    }

    pub fn cost_to_go(&self, t: usize, discount: f64) -> f64 {
        let later = self.steps[t..].iter().enumerate();
        later
            .map(|(delay, step)| -discount.powi(delay as i32) * step.2)
            .sum()
    }

    pub fn entropies(&self, policy: &Policy) -> f64 {
        let entropy = |seen| -> f64 {
            let log_probs = log_probs(policy, seen);
            log_probs.iter().map(|l| -l * l.exp()).sum()
        };
        self.steps.iter().map(|step| entropy(step.0)).sum()
    }
}

pub fn policy() -> Policy {
    let policy = Policy::new(&config(), &Walk { cap: 3 }, 5, &device().autodiff());
    stirred(policy, 1.0, 0.4)
}
