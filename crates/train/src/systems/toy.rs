//! Training of the one-bit problem; the model and its papers are in [`unbiased_models::toy`].
//!
//! Everything is known exactly: the loss is `p (1 - t)^2 + (1 - p) t^2` with `p = sigma(a)`.

use std::path::{Path, PathBuf};

use burn::tensor::FloatDType;
use serde::{Deserialize, Serialize};
use unbiased_estimators::{EstimatorConfig, Noise, Objective, Schema};
use unbiased_models::toy::{Toy, ToyProgram};

use crate::config::ConfigError;
use crate::data::Split;
use crate::error::Failure;
use crate::learner::Learner;
use crate::optimizer::OptimizerConfig;
use crate::system::{BuildContext, Metrics, Settings, StepError, System};

/// The sections of a toy configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ToySettings {
    model: ToyModel,
    estimator: EstimatorConfig,
    optimizer: OptimizerConfig,
}

/// The `[model]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ToyModel {
    /// The target t.
    target: f64,
    /// Independent bits per step.
    batch: usize,
}

impl Default for ToyModel {
    fn default() -> Self {
        Self {
            target: 0.499,
            batch: 1,
        }
    }
}

impl Settings for ToySettings {
    fn check(&self) -> Result<(), ConfigError> {
        if !self.model.target.is_finite() {
            return Err(ConfigError::value(
                "model.target",
                self.model.target,
                "a finite number",
            ));
        }
        if self.model.batch == 0 {
            return Err(ConfigError::value("model.batch", 0, "at least 1"));
        }
        self.estimator.validate().map_err(ConfigError::other)?;
        self.optimizer.check()
    }

    fn build(self, context: &BuildContext) -> Result<Box<dyn System>, Failure> {
        let device = context.device.clone().autodiff();
        let model = Toy::new(self.model.target, &device);
        let batch = self.model.batch;
        let schema = Schema::of(&ToyProgram::new(&model, batch));
        let estimator = self
            .estimator
            .build(&schema, Objective::default(), &device)
            .map_err(|e| Failure::usage(e.to_string()))?;
        Ok(Box::new(ToyTraining {
            learner: Learner::new(model, estimator, &self.optimizer, true, device),
            target: self.model.target,
            batch,
            seed: context.seed,
        }))
    }
}

/// Draws of `fresh_ln_variance`.
const FRESH_DRAWS: usize = 1000;

struct ToyTraining {
    learner: Learner<Toy>,
    target: f64,
    batch: usize,
    seed: u64,
}

impl ToyTraining {
    fn logit(&self) -> f64 {
        self.learner.model().logit.val().into_scalar::<f64>()
    }

    /// ln of the variance of the estimate over fresh draws with everything held still, as in the paper's figure; none
    /// where the gradient comes from the tape.
    fn fresh_ln_variance(&mut self, step: u64) -> Metrics {
        let (model, estimator) = self.learner.parts();
        let program = ToyProgram::new(model, FRESH_DRAWS);
        let owned = estimator.owned();
        let estimate = estimator.estimate(&program, &Noise::new(!self.seed, step));
        estimator.set_owned(owned);
        let Some((_, g)) = estimate.logit_gradients.first() else {
            return Metrics::new();
        };
        let g = g.clone().cast(FloatDType::F64);
        let samples = g.dims()[0] / FRESH_DRAWS;
        let g = g.reshape([samples, FRESH_DRAWS]).mean_dim(0);
        let variance = (g.clone() - g.mean_dim(1)).square().sum();
        let variance = variance.into_scalar::<f64>() / (FRESH_DRAWS - 1) as f64;
        Metrics::new().figure("fresh_ln_variance", libm::log(variance))
    }

    fn exact_loss(&self) -> f64 {
        let p = 1.0 / (1.0 + libm::exp(-self.logit()));
        p * (1.0 - self.target).powi(2) + (1.0 - p) * self.target.powi(2)
    }
}

impl System for ToyTraining {
    fn step(&mut self, step: u64, wanted: bool) -> Result<Option<Metrics>, StepError> {
        let (model, estimator) = self.learner.parts();
        let program = ToyProgram::new(model, self.batch);
        let estimate = estimator.estimate(&program, &Noise::new(self.seed, step));
        drop(program);
        self.learner.follow(&estimate);
        Ok(wanted.then(|| {
            let variance = self.fresh_ln_variance(step);
            Metrics::new()
                .loss("loss_exact", self.exact_loss())
                .loss(
                    "loss_sampled",
                    estimate.cost.clone().mean().into_scalar::<f64>(),
                )
                .figure("theta", self.logit())
                .with(self.learner.figures(&estimate))
                .with(variance)
        }))
    }

    fn evaluate(&mut self, split: Split, _full: bool) -> anyhow::Result<Metrics> {
        if split != Split::Train {
            return Ok(Metrics::new());
        }
        Ok(Metrics::new()
            .loss("loss_exact", self.exact_loss())
            .figure("theta", self.logit()))
    }

    fn samples(&mut self, _dir: &Path, _step: u64, _n: usize) -> anyhow::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    fn save(&self, dir: &Path) -> Result<(), StepError> {
        self.learner.save(dir)
    }

    fn load(&mut self, dir: &Path) -> anyhow::Result<()> {
        self.learner.load(dir)
    }

    fn warnings(&self) -> Vec<String> {
        self.learner.warnings()
    }

    fn data(&self) -> String {
        "none: the problem is given in full".to_owned()
    }
}
