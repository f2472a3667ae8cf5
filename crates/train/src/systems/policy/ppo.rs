//! Training by proximal policy optimisation; the equations are in [`unbiased_models::policy::ppo`].

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use unbiased_estimators::Noise;
use unbiased_models::policy::ppo::{Agent, Minibatch, Transition, Weights, advantages, loss};
use unbiased_models::policy::{Episodes, Mode, Status, act};

use crate::bundle::Bundle;
use crate::data::{Order, Split};
use crate::optimizer::Optimizer;
use crate::system::{BuildContext, Metrics, StepError, System};
use crate::weights;

use super::actor::{describe, load_episodes, save_episodes};
use super::returns::Returns;
use super::settings::PolicySettings;
use super::watch::{evaluate, picture};

pub(super) struct PpoTraining {
    settings: PolicySettings,
    /// Away only while the optimizer has it.
    agent: Option<Agent>,
    optimizer: Optimizer,
    episodes: Episodes,
    order: Order,
    returns: Returns,
    device: Device,
    seed: u64,
}

const PRESENT: &str = "the agent is away only while the optimizer has it";

impl PpoTraining {
    pub(super) fn new(settings: PolicySettings, context: &BuildContext) -> Self {
        let device = context.device.clone();
        let environment = settings.model.environment();
        let agent = Agent::new(
            &settings.model,
            &*environment,
            context.seed,
            &device.clone().autodiff(),
        );
        let rows = settings.training.rows;
        Self {
            agent: Some(agent),
            optimizer: settings.optimizer.for_model(),
            episodes: Episodes::new(environment, rows),
            order: Order::new(
                context.seed,
                rows * settings.ppo.steps,
                settings.ppo.minibatch,
            ),
            returns: Returns::new(settings.solved_at()),
            settings,
            device,
            seed: context.seed,
        }
    }

    fn agent(&self) -> &Agent {
        self.agent.as_ref().expect(PRESENT)
    }

    /// Acts for `ppo.steps` steps in every row; a row whose episode is over starts anew at once.
    fn rollout(&mut self, noise: &Noise) -> Minibatch {
        let agent = self.agent().valid();
        let law = agent.policy.law();
        let (features, width) = {
            let environment = self.episodes.environment();
            (environment.features(), environment.actions().width())
        };
        let rows = self.episodes.rows();
        let (mut seen, mut next, mut actions) = (Vec::new(), Vec::new(), Vec::new());
        let mut outcomes: Vec<(f64, Status)> = Vec::new();
        for t in 0..self.settings.ppo.steps {
            self.episodes.start(noise, t, false, &self.device);
            let here = self.episodes.observations();
            let params = agent.policy.forward(self.tensor(here.clone(), features));
            let action = act(&agent.policy, params, noise, t, Mode::Sampled);
            let action = numbers(action);
            let rewards = self.episodes.step(&action);
            outcomes.extend(
                rewards
                    .into_iter()
                    .zip(self.episodes.status().iter().copied()),
            );
            seen.extend(here);
            next.extend(self.episodes.observations());
            actions.extend(action);
        }
        let seen = self.tensor(seen, features);
        let actions = self.tensor(actions, width);
        let log_probs = law.log_prob(agent.policy.forward(seen.clone()), actions.clone());
        let values = numbers(agent.value(seen.clone()));
        let next_values = numbers(agent.value(self.tensor(next, features)));

        let n = outcomes.len();
        let (mut gains, mut targets) = (vec![0.0; n], vec![0.0; n]);
        for row in 0..rows {
            let indices = (row..n).step_by(rows);
            let transitions: Vec<Transition> = indices
                .clone()
                .map(|i| {
                    let (reward, status) = outcomes[i];
                    let ended = status == Status::Terminated;
                    Transition {
                        reward,
                        value: values[i],
                        next_value: if ended { 0.0 } else { next_values[i] },
                        last: status != Status::Running,
                    }
                })
                .collect();
            let of_row = advantages(
                &transitions,
                self.settings.model.discount,
                self.settings.ppo.lambda,
            );
            for (i, advantage) in indices.zip(of_row) {
                gains[i] = advantage;
                targets[i] = advantage + values[i];
            }
        }
        Minibatch {
            seen,
            actions,
            log_probs,
            advantages: self.tensor(gains, 1).squeeze_dim::<1>(1),
            targets: self.tensor(targets, 1).squeeze_dim::<1>(1),
        }
    }

    fn tensor(&self, numbers: Vec<f64>, width: usize) -> Tensor<2> {
        let rows = numbers.len() / width;
        Tensor::from_data(TensorData::new(numbers, [rows, width]), &self.device)
    }
}

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    let values = x.into_data_as::<f64>().try_to_vec::<f64>();
    values.expect("converted to f64")
}

/// The transitions `indices` of a rollout.
fn part(rollout: &Minibatch, indices: Vec<usize>, device: &Device) -> Minibatch {
    let n = indices.len();
    let indices: Vec<i64> = indices.into_iter().map(|i| i as i64).collect();
    let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [n]), device);
    let column = |x: &Tensor<1>| x.clone().select(0, indices.clone());
    Minibatch {
        seen: rollout.seen.clone().select(0, indices.clone()),
        actions: rollout.actions.clone().select(0, indices.clone()),
        log_probs: column(&rollout.log_probs),
        advantages: column(&rollout.advantages),
        targets: column(&rollout.targets),
    }
}

impl System for PpoTraining {
    fn step(&mut self, step: u64, wanted: bool) -> Result<Option<Metrics>, StepError> {
        if self.settings.training.stop_when_solved && self.returns.is_solved() {
            return Ok(None);
        }
        let rollout = self.rollout(&Noise::new(self.seed, step));
        let (finished, frames) = self.episodes.take_finished();
        self.returns.take(&finished, frames);

        let ppo = &self.settings.ppo;
        let left = ppo
            .anneal_steps
            .map_or(1.0, |all| (1.0 - (step - 1) as f64 / all as f64).max(0.0));
        self.optimizer.set_lr(self.settings.optimizer.lr * left);
        let weights = Weights {
            clip: ppo.clip * left,
            value: ppo.value,
            entropy: self.settings.model.entropy,
        };
        let updates = ppo.epochs as u64 * self.order.steps_per_epoch();
        let mut last = None;
        for update in (step - 1) * updates..step * updates {
            let batch = part(&rollout, self.order.batch(update), &self.device);
            let agent = self.agent.take().expect(PRESENT);
            let loss = loss(&agent, batch, weights);
            let mut gradients = loss.backward();
            let gradients = GradientsParams::from_module(&mut gradients, &agent);
            self.agent = Some(self.optimizer.step(agent, gradients));
            last = Some(loss.inner());
        }
        if !wanted {
            return Ok(None);
        }
        let loss = last.map_or(f64::NAN, |loss| loss.into_scalar::<f64>());
        Ok(Some(self.returns.metrics().loss("loss_ppo", loss)))
    }

    fn evaluate(&mut self, split: Split, _full: bool) -> anyhow::Result<Metrics> {
        if split == Split::Train {
            return Ok(self.returns.metrics());
        }
        let policy = self.agent().policy.valid();
        let n = self.settings.evaluation.episodes;
        let environment = self.episodes.environment();
        Ok(evaluate(&policy, environment, split, n, &self.device))
    }

    fn samples(&mut self, dir: &Path, step: u64, n: usize) -> anyhow::Result<Vec<PathBuf>> {
        let policy = self.agent().policy.valid();
        let environment = self.episodes.environment();
        picture(&policy, environment, dir, step, n, &self.device)
    }

    fn save(&self, dir: &Path) -> Result<(), StepError> {
        Bundle::of_module(self.agent()).write(&dir.join(weights::MODEL))?;
        self.optimizer
            .to_bundle()
            .write(&dir.join("optimizer.bpk"))?;
        self.returns.save(&dir.join("returns.bpk"))?;
        save_episodes(&self.episodes, None, &dir.join("episodes.bpk"))
    }

    fn load(&mut self, dir: &Path) -> anyhow::Result<()> {
        let read = |name: &str| Bundle::read(&dir.join(name));
        self.agent = Some(read(weights::MODEL)?.into_module(self.agent().clone())?);
        let device = self.device.clone().autodiff();
        self.optimizer.load(read("optimizer.bpk")?, &device)?;
        self.returns.load(&dir.join("returns.bpk"))?;
        load_episodes(&mut self.episodes, &dir.join("episodes.bpk"))?;
        Ok(())
    }

    fn data(&self) -> String {
        describe(&self.settings)
    }
}
