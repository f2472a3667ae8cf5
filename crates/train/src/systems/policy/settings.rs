//! The sections of a `policy` configuration.

use serde::{Deserialize, Serialize};
use unbiased_estimators::EstimatorConfig;
use unbiased_models::policy::{Actions, PolicyConfig, SITE};

use crate::config::ConfigError;
use crate::error::Failure;
use crate::optimizer::OptimizerConfig;
use crate::system::{BuildContext, Settings, System};

use super::{actor::ActorTraining, ppo::PpoTraining};

/// All of them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::systems) struct PolicySettings {
    pub(super) model: PolicyConfig,
    pub(super) estimator: EstimatorConfig,
    pub(super) optimizer: OptimizerConfig,
    pub(super) training: Training,
    pub(super) ppo: Ppo,
    pub(super) evaluation: Evaluation,
}

/// How a policy is improved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Algorithm {
    /// Follow an estimate of the policy gradient, the one of `[estimator]`.
    Estimator,
    /// Proximal policy optimisation, with the settings of `[ppo]`.
    Ppo,
}

/// The `[training]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Training {
    /// How a policy is improved.
    pub(super) algorithm: Algorithm,
    /// Parallel environments.
    pub(super) rows: usize,
    /// Steps of each environment between two updates; whole episodes when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) steps: Option<usize>,
    /// Whether an episode that the time limit cuts counts as going on: `a2c` then adds its critic's value there.
    /// Always so with `steps`.
    pub(super) bootstrap: bool,
    /// The mean of the last 100 returns that counts as solved; that of the environment when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) solved_at: Option<f64>,
    /// Whether nothing more is learned once it is solved; the remaining steps of the schedule do nothing.
    pub(super) stop_when_solved: bool,
    /// Whether `grad_ln_variance` is kept track of; reads every gradient in every step.
    pub(super) gradient_variance: bool,
    /// Steps between two probes of the gradient's variance by repeated episodes at fixed parameters; 0 is never.
    pub(super) probe_every: u64,
    /// Episodes of a probe.
    pub(super) probe_episodes: u64,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::Estimator,
            rows: 1,
            steps: None,
            bootstrap: false,
            solved_at: None,
            stop_when_solved: false,
            gradient_variance: false,
            probe_every: 0,
            probe_episodes: 100,
        }
    }
}

/// The `[ppo]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Ppo {
    /// Steps of each environment in a rollout.
    pub(super) steps: usize,
    /// Passes over a rollout.
    pub(super) epochs: usize,
    /// Transitions per update.
    pub(super) minibatch: usize,
    /// `lambda` of the advantages.
    pub(super) lambda: f64,
    /// Clipping of the ratio.
    pub(super) clip: f64,
    /// Weight of the critic's squared error.
    pub(super) value: f64,
    /// Rollouts over which rate and clipping fall linearly to 0; constant when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) anneal_steps: Option<u64>,
}

impl Default for Ppo {
    fn default() -> Self {
        Self {
            steps: 32,
            epochs: 20,
            minibatch: 256,
            lambda: 0.8,
            clip: 0.2,
            value: 0.5,
            anneal_steps: None,
        }
    }
}

/// The `[evaluation]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Evaluation {
    /// Episodes that a mean return is taken over, from the same starts in every run.
    pub(super) episodes: usize,
}

impl Default for Evaluation {
    fn default() -> Self {
        Self { episodes: 100 }
    }
}

impl PolicySettings {
    /// The mean return that counts as solved.
    pub(super) fn solved_at(&self) -> f64 {
        let usual = || self.model.environment().solved_at();
        self.training.solved_at.unwrap_or_else(usual)
    }

    /// The estimator, which is asked for by its general name even where actions are continuous.
    pub(super) fn estimator(&self) -> EstimatorConfig {
        let mut config = self.estimator.clone();
        let continuous = matches!(self.model.environment().actions(), Actions::Continuous(_));
        if continuous {
            let name = config.name.clone();
            config.sites.entry(SITE.to_owned()).or_insert(name);
        }
        config
    }
}

impl Settings for PolicySettings {
    fn check(&self) -> Result<(), ConfigError> {
        self.model
            .check()
            .map_err(|e| ConfigError::value(&format!("model.{}", e.key), e.got, e.expected))?;
        self.estimator.validate().map_err(ConfigError::other)?;
        self.optimizer.check()?;
        let (training, ppo) = (&self.training, &self.ppo);
        let steps = training.steps.unwrap_or(1);
        for (key, value) in [
            ("training.rows", training.rows),
            ("training.steps", steps),
            ("ppo.steps", ppo.steps),
            ("ppo.epochs", ppo.epochs),
            ("ppo.minibatch", ppo.minibatch),
            ("evaluation.episodes", self.evaluation.episodes),
        ] {
            if value == 0 {
                return Err(ConfigError::value(key, value, "at least 1"));
            }
        }
        if training.probe_every > 0 && training.probe_episodes < 2 {
            return Err(ConfigError::value(
                "training.probe_episodes",
                training.probe_episodes,
                "at least 2",
            ));
        }
        for (key, value) in [("ppo.lambda", ppo.lambda), ("ppo.clip", ppo.clip)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(ConfigError::value(key, value, "in [0, 1]"));
            }
        }
        if !(ppo.value >= 0.0 && ppo.value.is_finite()) {
            return Err(ConfigError::value("ppo.value", ppo.value, "at least 0"));
        }
        if ppo.anneal_steps == Some(0) {
            return Err(ConfigError::value("ppo.anneal_steps", 0, "at least 1"));
        }
        // A row waits for the next rollout when its episode ends; a time limit in the middle of a rollout would make
        // the value of the last state look as old as the wait.
        if !self.model.environment().cap().is_multiple_of(steps) {
            return Err(ConfigError::value(
                "training.steps",
                steps,
                "a divisor of the time limit of the environment",
            ));
        }
        let bootstraps = training.bootstrap || training.steps.is_some();
        if bootstraps && training.algorithm == Algorithm::Estimator && self.estimator.name != "a2c"
        {
            return Err(ConfigError::value(
                "estimator.name",
                &self.estimator.name,
                "`a2c`: only its critic goes on where a rollout is cut (training.bootstrap, training.steps)",
            ));
        }
        let given = self.estimator != EstimatorConfig::default();
        if given && training.algorithm == Algorithm::Ppo {
            return Err(ConfigError::value(
                "estimator.name",
                &self.estimator.name,
                "no [estimator] section: PPO is no estimator of one gradient and has its own advantages; for an estimator set training.algorithm = \"estimator\"",
            ));
        }
        Ok(())
    }

    fn build(self, context: &BuildContext) -> Result<Box<dyn System>, Failure> {
        Ok(match self.training.algorithm {
            Algorithm::Estimator => Box::new(ActorTraining::new(self, context)?),
            Algorithm::Ppo => Box::new(PpoTraining::new(self, context)),
        })
    }
}
