//! The parts of PPO against their definitions.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use unbiased_models::policy::ppo::{Agent, Minibatch, Transition, Weights, advantages, loss};

use super::walk::{Walk, config, log_probs};
use crate::support::{device, differences, gradient, numbers, stirred, worst};

/// A minibatch of four transitions of an older policy, and an agent.
fn ppo_case() -> (Agent, Minibatch) {
    let agent = Agent::new(&config(), &Walk { cap: 3 }, 7, &device().autodiff());
    let agent = stirred(agent, 1.0, 0.4);
    let column = |x: &[f64]| -> Tensor<1> {
        Tensor::from_data(TensorData::new(x.to_vec(), [x.len()]), &device())
    };
    let rows = |x: &[f64]| column(x).reshape([4, 2]);
    let seen = rows(&[-0.5, 0.3, 0.5, 0.3, 1.5, 0.3, 0.5, 0.3]);
    let actions = rows(&[0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
    let law = agent.policy.law();
    let now = law.log_prob(
        agent.policy.clone().valid().forward(seen.clone()),
        actions.clone(),
    );
    // Ratios 1.05, 0.6, 1.5, 0.9.
    let shift = column(&[1.05_f64.ln(), 0.6_f64.ln(), 1.5_f64.ln(), 0.9_f64.ln()]);
    let batch = Minibatch {
        seen,
        actions,
        log_probs: now - shift,
        advantages: column(&[0.4, -1.2, 2.0, 0.3]),
        targets: column(&[0.2, -0.5, 1.0, 0.1]),
    };
    (agent, batch)
}

const WEIGHTS: Weights = Weights {
    clip: 0.2,
    value: 0.5,
    entropy: 0.1,
};

#[test]
fn the_loss_of_ppo_is_its_equation_and_its_gradient_the_slope() {
    let (agent, batch) = ppo_case();
    let got = numbers(loss(&agent, batch.clone(), WEIGHTS))[0];
    let (ratios, gains) = ([1.05, 0.6, 1.5, 0.9], [0.4, -1.2, 2.0, 0.3]);
    let mean = gains.iter().sum::<f64>() / 4.0;
    let std = (gains.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / 3.0).sqrt();
    let by_hand = |clip: f64| {
        let gain: f64 = (0..4)
            .map(|i| {
                let a = (gains[i] - mean) / (std + 1e-8);
                (ratios[i] * a).min(f64::clamp(ratios[i], 1.0 - clip, 1.0 + clip) * a)
            })
            .sum();
        let values = numbers(agent.valid().value(batch.seen.clone()));
        let targets = [0.2, -0.5, 1.0, 0.1];
        let error: f64 = values
            .iter()
            .zip(targets)
            .map(|(v, g)| (v - g).powi(2))
            .sum();
        let seen = [[-0.5, 0.3], [0.5, 0.3], [1.5, 0.3], [0.5, 0.3]];
        let neg_entropy: f64 = seen
            .iter()
            .flat_map(|&seen| log_probs(&agent.policy, seen))
            .map(|l| l * l.exp())
            .sum();
        (0.5 * error - gain + 0.1 * neg_entropy) / 4.0
    };
    assert!((got - by_hand(0.2)).abs() < 1e-12, "{got}");
    assert!((got - by_hand(0.9)).abs() > 1e-3, "clipping does nothing");
    let tape = gradient(&agent, loss(&agent, batch.clone(), WEIGHTS));
    let slopes = differences(&agent, |agent| {
        numbers(loss(agent, batch.clone(), WEIGHTS))[0]
    });
    assert!(
        worst(&tape, &slopes) < 1e-7,
        "{:.1e}",
        worst(&tape, &slopes)
    );
    let unclipped = Weights {
        clip: 0.9,
        ..WEIGHTS
    };
    let other = gradient(&agent, loss(&agent, batch, unclipped));
    assert!(worst(&other, &slopes) > 1e-3, "clipping has no gradient");
}

#[test]
fn advantages_end_with_their_episode() {
    let step = |reward, value, next_value, last| Transition {
        reward,
        value,
        next_value,
        last,
    };
    // An end, then a cut.
    let row = [
        step(1.0, 0.5, 0.2, false),
        step(2.0, 0.2, 0.0, true),
        step(-1.0, 0.7, 0.4, true),
    ];
    let (discount, lambda) = (0.9, 0.8);
    let deltas = [1.0 + 0.9 * 0.2 - 0.5, 2.0 - 0.2, -1.0 + 0.9 * 0.4 - 0.7];
    let want = [deltas[0] + 0.72 * deltas[1], deltas[1], deltas[2]];
    let got = advantages(&row, discount, lambda);
    assert!(worst(&got, &want) < 1e-12, "{got:?}");
    let mut joined = row;
    joined[1].last = false;
    assert!(worst(&advantages(&joined, discount, lambda), &want) > 0.1);
}
