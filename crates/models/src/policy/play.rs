//! Acting without learning.

use burn::tensor::{Device, Tensor};
use unbiased_estimators::{Key, Noise, Role};

use super::{Episode, Episodes, Policy, SITE, Status, loss::tensor};

/// How actions are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Drawn from the policy.
    Sampled,
    /// The most probable one; of a continuous action the mean.
    Greedy,
}

/// Actions `[rows, n]` under the parameters of their law, the `occurrence`-th ones under `noise`.
#[must_use]
pub fn act(
    policy: &Policy,
    params: Tensor<2>,
    noise: &Noise,
    occurrence: usize,
    mode: Mode,
) -> Tensor<2> {
    let law = policy.law();
    let [rows, width] = params.dims();
    let width = law.width(width);
    let key = Key::new(SITE, occurrence);
    let device = params.device();
    match mode {
        Mode::Sampled => {
            let noise = noise.draw(law.noise(), &key, Role::Choice, 1, 1, rows, width, &device);
            law.sample(params, noise)
        }
        // Without noise a draw is the most probable value.
        Mode::Greedy => law.sample(params, Tensor::zeros([rows, width], &device)),
    }
}

/// One episode in every row from a start under `noise`; the episodes in the order in which they end. `watch` sees every step: what the
/// agents saw, `[rows, features]`, and which rows were running.
pub fn play(
    policy: &Policy,
    episodes: &mut Episodes,
    noise: &Noise,
    mode: Mode,
    device: &Device,
    mut watch: impl FnMut(&[f64], &[Status]),
) -> Vec<Episode> {
    episodes.start(noise, 0, true, device);
    let features = episodes.environment().features();
    let mut occurrence = 0;
    while episodes.any_running() {
        let seen = episodes.observations();
        watch(&seen, episodes.status());
        let params = policy.forward(tensor(seen, features, device));
        let actions = act(policy, params, noise, occurrence, mode);
        let actions = actions.into_data_as::<f64>().try_to_vec::<f64>();
        episodes.step(&actions.expect("converted to f64"));
        occurrence += 1;
    }
    episodes.take_finished().0
}
