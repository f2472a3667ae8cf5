//! Training by an estimate of the policy gradient.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, TensorData};
use unbiased_estimators::{Noise, Objective, Schema};
use unbiased_models::policy::{Episodes, Extent, Policy, PolicyProgram};

use crate::bundle::Bundle;
use crate::data::Split;
use crate::error::Failure;
use crate::learner::Learner;
use crate::system::{BuildContext, Metrics, StepError, System};

use super::probe::ln_variance;
use super::returns::{Returns, take_numbers};
use super::settings::PolicySettings;
use super::watch::{evaluate, picture};

pub(super) struct ActorTraining {
    settings: PolicySettings,
    learner: Learner<Policy>,
    episodes: RefCell<Episodes>,
    extent: Extent,
    returns: Returns,
    /// What the last probe found.
    probe: Option<f64>,
    /// Without autodiff.
    device: Device,
    seed: u64,
}

impl ActorTraining {
    pub(super) fn new(settings: PolicySettings, context: &BuildContext) -> Result<Self, Failure> {
        let plain = context.device.clone();
        let device = plain.clone().autodiff();
        let environment = settings.model.environment();
        let policy = Policy::new(&settings.model, &*environment, context.seed, &device);
        // The sites are looked up in episodes of their own.
        let trial = RefCell::new(Episodes::new(environment.clone(), 1));
        let noise = Noise::new(context.seed, 0);
        let schema = Schema::of(&PolicyProgram::new(
            &policy,
            &trial,
            noise,
            Extent::Episode,
            false,
            0.0,
            &plain,
        ));
        let objective = Objective::Expected {
            discount: settings.model.discount,
        };
        let estimator = settings
            .estimator()
            .build(&schema, objective, &device)
            .map_err(|e| Failure::usage(e.to_string()))?;
        Ok(Self {
            learner: Learner::new(
                policy,
                estimator,
                &settings.optimizer,
                settings.training.gradient_variance,
                device,
            ),
            episodes: RefCell::new(Episodes::new(environment, settings.training.rows)),
            extent: settings
                .training
                .steps
                .map_or(Extent::Episode, Extent::Steps),
            returns: Returns::new(settings.solved_at()),
            probe: None,
            settings,
            device: plain,
            seed: context.seed,
        })
    }

    /// ln variance of the gradient of one update by whole episodes, at the present parameters.
    fn probe(&mut self, step: u64) -> f64 {
        let training = &self.settings.training;
        let environment = self.settings.model.environment();
        let episodes = RefCell::new(Episodes::new(environment, training.rows));
        let (policy, estimator) = self.learner.parts();
        let owned = estimator.owned();
        let n = training.probe_episodes;
        ln_variance(policy, n, |repeat| {
            // Apart from the seeds of training.
            let noise = Noise::new(!self.seed, step * n + repeat);
            let program = PolicyProgram::new(
                policy,
                &episodes,
                noise.clone(),
                Extent::Episode,
                training.bootstrap,
                self.settings.model.entropy,
                &self.device,
            );
            let surrogate = estimator.estimate(&program, &noise).surrogate;
            // Running means are as if there had been no probe.
            estimator.set_owned(owned.clone());
            surrogate
        })
    }
}

impl System for ActorTraining {
    fn step(&mut self, step: u64, wanted: bool) -> Result<Option<Metrics>, StepError> {
        let training = &self.settings.training;
        if training.stop_when_solved && self.returns.is_solved() {
            return Ok(None);
        }
        let (every, bootstrap) = (
            training.probe_every,
            training.bootstrap || training.steps.is_some(),
        );
        if every > 0 && step.is_multiple_of(every) {
            self.probe = Some(self.probe(step));
        }
        let noise = Noise::new(self.seed, step);
        let (policy, estimator) = self.learner.parts();
        let program = PolicyProgram::new(
            policy,
            &self.episodes,
            noise.clone(),
            self.extent,
            bootstrap,
            self.settings.model.entropy,
            &self.device,
        );
        let estimate = estimator.estimate(&program, &noise);
        drop(program);
        self.learner.follow(&estimate);
        let (finished, frames) = self.episodes.borrow_mut().take_finished();
        self.returns.take(&finished, frames);
        if !wanted {
            return Ok(None);
        }
        let mut metrics = self.returns.metrics().with(self.learner.figures(&estimate));
        if let Some(probe) = self.probe {
            metrics = metrics.figure("grad_ln_variance_probe", probe);
        }
        Ok(Some(metrics))
    }

    fn evaluate(&mut self, split: Split, _full: bool) -> anyhow::Result<Metrics> {
        if split == Split::Train {
            return Ok(self.returns.metrics());
        }
        let policy = self.learner.model().valid();
        let n = self.settings.evaluation.episodes;
        let environment = self.settings.model.environment();
        Ok(evaluate(&policy, &environment, split, n, &self.device))
    }

    fn samples(&mut self, dir: &Path, step: u64, n: usize) -> anyhow::Result<Vec<PathBuf>> {
        let policy = self.learner.model().valid();
        let environment = self.settings.model.environment();
        picture(&policy, &environment, dir, step, n, &self.device)
    }

    fn save(&self, dir: &Path) -> Result<(), StepError> {
        self.learner.save(dir)?;
        self.returns.save(&dir.join("returns.bpk"))?;
        save_episodes(
            &self.episodes.borrow(),
            self.probe,
            &dir.join("episodes.bpk"),
        )
    }

    fn load(&mut self, dir: &Path) -> anyhow::Result<()> {
        self.learner.load(dir)?;
        self.returns.load(&dir.join("returns.bpk"))?;
        self.probe = load_episodes(self.episodes.get_mut(), &dir.join("episodes.bpk"))?;
        Ok(())
    }

    fn warnings(&self) -> Vec<String> {
        self.learner.warnings()
    }

    fn data(&self) -> String {
        describe(&self.settings)
    }
}

/// Where it acts.
pub(super) fn describe(settings: &PolicySettings) -> String {
    format!(
        "{:?}, at most {} steps",
        settings.model.environment(),
        settings.model.environment().cap()
    )
}

/// Writes the states that the next update starts from, and the last probe.
pub(super) fn save_episodes(
    episodes: &Episodes,
    probe: Option<f64>,
    path: &Path,
) -> Result<(), StepError> {
    let mut bundle = Bundle::new();
    let numbers = episodes.to_numbers();
    let shape = [numbers.len()];
    bundle.put_tensor("episodes", TensorData::new(numbers, shape));
    bundle.put_number("probed", u64::from(probe.is_some()));
    bundle.put_number("probe", probe.unwrap_or(0.0));
    bundle.write(path)
}

/// Takes them up; returns the last probe.
pub(super) fn load_episodes(episodes: &mut Episodes, path: &Path) -> anyhow::Result<Option<f64>> {
    let bundle = Bundle::read(path)?;
    let probed: u64 = bundle.number("probed")?;
    let probe: f64 = bundle.number("probe")?;
    let fits = episodes.restore(&take_numbers(bundle, "episodes")?);
    anyhow::ensure!(fits, "it holds other environments");
    Ok((probed == 1).then_some(probe))
}
