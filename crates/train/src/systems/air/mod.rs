//! Training of attend-infer-repeat; the model and its paper are in [`unbiased_models::air`].

mod evaluation;
mod pictures;

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use unbiased_estimators::{EstimatorConfig, Noise, Objective, Schema};
use unbiased_models::air::{Air, AirConfig, AirProgram, Counting};

use crate::bundle::Bundle;
use crate::config::ConfigError;
use crate::data::scenes::{SceneConfig, SceneSet, Scenes};
use crate::data::{Order, Split};
use crate::error::Failure;
use crate::learner::Learner;
use crate::optimizer::OptimizerConfig;
use crate::system::{BuildContext, Metrics, Settings, StepError, System};
use crate::transfer::{self, Average};

/// The sections of an `air` configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AirSettings {
    data: SceneConfig,
    model: AirConfig,
    estimator: EstimatorConfig,
    optimizer: OptimizerConfig,
    training: Training,
}

/// The `[training]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Training {
    /// Scenes per step.
    batch: usize,
    /// Whether `grad_ln_variance` is kept track of; reads every gradient in every step.
    gradient_variance: bool,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            batch: 64,
            gradient_variance: false,
        }
    }
}

impl Settings for AirSettings {
    fn check(&self) -> Result<(), ConfigError> {
        self.data.check()?;
        self.model
            .check()
            .map_err(|e| ConfigError::value(&format!("model.{}", e.key), e.got, e.expected))?;
        self.estimator.validate().map_err(ConfigError::other)?;
        self.optimizer.check()?;
        if self.training.batch == 0 {
            return Err(ConfigError::value("training.batch", 0, "at least 1"));
        }
        if self.model.canvas != self.data.canvas {
            return Err(ConfigError::value(
                "model.canvas",
                self.model.canvas,
                format!("{}, as data.canvas", self.data.canvas),
            ));
        }
        if self.data.most() > self.model.steps {
            return Err(ConfigError::value(
                "model.steps",
                self.model.steps,
                format!("at least the {} objects of a scene", self.data.most()),
            ));
        }
        Ok(())
    }

    fn build(self, context: &BuildContext) -> Result<Box<dyn System>, Failure> {
        let plain = context.device.clone();
        let device = plain.clone().autodiff();
        let (counting, estimator) = self.counting().map_err(Failure::usage)?;
        let scenes = SceneSet::load(&self.data, context.data_dir.as_deref())?;
        let model = Air::new(&self.model, context.seed, &device);
        let first = upload(&scenes.train, &[0], &plain);
        let schema = Schema::of(&AirProgram::new(&model, first, counting, 0.0));
        let estimator = estimator
            .build(&schema, self.model.objective, &device)
            .map_err(|e| Failure::usage(e.to_string()))?;
        Ok(Box::new(AirTraining {
            order: Order::new(context.seed, scenes.train.len(), self.training.batch),
            learner: Learner::new(
                model,
                estimator,
                &self.optimizer,
                self.training.gradient_variance,
                device,
            ),
            counting,
            recent: Average::new(&plain),
            settings: self,
            scenes,
            device: plain,
            seed: context.seed,
        }))
    }
}

impl AirSettings {
    /// How the count is made, and the estimator for what remains. `exact` sums over the count, which the program does
    /// itself on one path; then only pathwise choices are left. (Enumeration of the presence bits would give the same
    /// gradient from `2^steps` paths.)
    fn counting(&self) -> Result<(Counting, EstimatorConfig), String> {
        if self.estimator.name != "exact" {
            return Ok((Counting::Sampled, self.estimator.clone()));
        }
        if !self.estimator.sites.is_empty() {
            return Err(
                "estimator `exact` sums over the count and is pathwise elsewhere; it takes no `sites`"
                    .into(),
            );
        }
        if matches!(self.model.objective, Objective::LogMeanWeight { k } if k > 1) {
            return Err(
                "estimator `exact` is not defined for a bound of several samples; use `vimco`"
                    .into(),
            );
        }
        let pathwise = EstimatorConfig {
            name: "pathwise".into(),
            ..self.estimator.clone()
        };
        Ok((Counting::Summed, pathwise))
    }

    /// What is minimised, as a figure.
    fn cost(&self) -> &'static str {
        match self.model.objective {
            Objective::Expected { .. } => "neg_elbo_nats",
            Objective::LogMeanWeight { .. } => "neg_bound_nats",
        }
    }
}

struct AirTraining {
    settings: AirSettings,
    scenes: SceneSet,
    order: Order,
    learner: Learner<Air>,
    counting: Counting,
    /// Cost since the figures were last asked for.
    recent: Average,
    /// Without autodiff.
    device: Device,
    seed: u64,
}

impl System for AirTraining {
    fn step(&mut self, step: u64, wanted: bool) -> Result<Option<Metrics>, StepError> {
        let images = upload(
            &self.scenes.train,
            &self.order.batch(step - 1),
            &self.device,
        );
        let ln_odds = self.settings.model.count_prior.ln_odds(step);
        let (model, estimator) = self.learner.parts();
        let program = AirProgram::new(model, images, self.counting, ln_odds);
        let estimate = estimator.estimate(&program, &Noise::new(self.seed, step));
        drop(program);
        self.learner.follow(&estimate);
        self.recent.add(&estimate.cost);
        if !wanted {
            return Ok(None);
        }
        let epochs = step as f64 / self.order.steps_per_epoch() as f64;
        let metrics = Metrics::new()
            .figure("epoch", epochs)
            .loss(self.settings.cost(), self.recent.read());
        self.recent.reset();
        Ok(Some(metrics.with(self.learner.figures(&estimate))))
    }

    fn evaluate(&mut self, split: Split, full: bool) -> anyhow::Result<Metrics> {
        let model = self.learner.model().valid();
        let scenes = self.scenes.split(split);
        let metrics = evaluation::figures(&model, scenes, &self.device)?;
        match self.scenes.extra(split) {
            Some(extra) if full => {
                Ok(metrics.with(evaluation::extra(&model, extra, &self.device)?))
            }
            _ => Ok(metrics),
        }
    }

    fn samples(&mut self, dir: &Path, step: u64, n: usize) -> anyhow::Result<Vec<PathBuf>> {
        let model = self.learner.model().valid();
        pictures::write(&model, &self.scenes, &self.device, dir, step, n)
    }

    fn save(&self, dir: &Path) -> Result<(), StepError> {
        self.learner.save(dir)?;
        let mut averages = Bundle::new();
        self.recent.put("recent", &mut averages);
        averages.write(&dir.join("averages.bpk"))
    }

    fn load(&mut self, dir: &Path) -> anyhow::Result<()> {
        self.learner.load(dir)?;
        Average::load_all(
            Bundle::read(&dir.join("averages.bpk"))?,
            &mut [("recent", &mut self.recent)],
        )
    }

    fn warnings(&self) -> Vec<String> {
        self.learner.warnings()
    }

    fn data(&self) -> String {
        self.scenes.describe()
    }
}

fn upload(scenes: &Scenes, indices: &[usize], device: &Device) -> Tensor<2> {
    transfer::rows(scenes.show(indices), indices.len(), device)
}
