//! Training of neural Turing machines; the model, its tasks and its papers are in [`unbiased_models::ntm`].

mod evaluation;
mod pictures;

use std::path::{Path, PathBuf};

use anyhow::Context;
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use unbiased_estimators::{EstimatorConfig, Noise, Schema};
use unbiased_models::ntm::{
    Address, Bandit, Curriculum, CurriculumName, Ntm, NtmConfig, NtmProgram, Sequences, Size,
    Stream, TaskConfig,
};

use self::evaluation::Evaluation;
use crate::bundle::Bundle;
use crate::config::ConfigError;
use crate::data::Split;
use crate::error::Failure;
use crate::learner::Learner;
use crate::optimizer::OptimizerConfig;
use crate::system::{BuildContext, Metrics, Settings, StepError, System};

/// The sections of an `ntm` configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct NtmSettings {
    task: TaskConfig,
    model: NtmConfig,
    estimator: EstimatorConfig,
    optimizer: OptimizerConfig,
    training: Training,
    evaluation: Evaluation,
}

/// The `[training]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Training {
    /// Sequences per step, all of one length.
    batch: usize,
    /// How lengths are chosen.
    curriculum: CurriculumName,
    /// Whether `grad_ln_variance` is kept track of; reads every gradient in every step.
    gradient_variance: bool,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            batch: 32,
            curriculum: CurriculumName::Uniform,
            gradient_variance: false,
        }
    }
}

impl Settings for NtmSettings {
    fn check(&self) -> Result<(), ConfigError> {
        let task = |e: unbiased_models::ntm::TaskConfigError| {
            ConfigError::value(&format!("task.{}", e.key), e.got, e.expected)
        };
        self.task.check().map_err(task)?;
        self.model
            .check()
            .map_err(|e| ConfigError::value(&format!("model.{}", e.key), e.got, e.expected))?;
        self.estimator.validate().map_err(ConfigError::other)?;
        self.optimizer.check()?;
        if self.training.batch == 0 {
            return Err(ConfigError::value("training.batch", 0, "at least 1"));
        }
        let largest = self.task.largest();
        let one_size = self.task.lengths[0] == largest.length
            && self.task.repeats[0] == largest.repeats
            || self.training.curriculum == CurriculumName::None;
        if self.estimator.name == "exact" && self.model.address != Address::Soft && !one_size {
            return Err(ConfigError::value(
                "estimator.name",
                "exact",
                "another estimator, or sequences of one length: enumeration needs the same choices in every step",
            ));
        }
        self.evaluation.check(&self.task, &self.model)
    }

    fn build(self, context: &BuildContext) -> Result<Box<dyn System>, Failure> {
        let plain = context.device.clone();
        let device = plain.clone().autodiff();
        let (inputs, outputs) = (self.task.inputs(), self.task.outputs());
        let model = Ntm::new(&self.model, inputs, outputs, context.seed, &device);
        let first = Stream {
            seed: context.seed,
            batch: 0,
        };
        let longest = self.task.generate(self.task.largest(), 1, first);
        let longest = longest.upload(&plain);
        let schema = Schema::of(&NtmProgram::new(&model, &longest));
        let estimator = self
            .estimator
            .build(&schema, self.model.objective, &device)
            .map_err(|e| Failure::usage(e.to_string()))?;
        Ok(Box::new(NtmTraining {
            learner: Learner::new(
                model,
                estimator,
                &self.optimizer,
                self.training.gradient_variance,
                device,
            ),
            curriculum: Curriculum::new(self.training.curriculum, &self.task),
            recent: Recent::new(&plain),
            settings: self,
            device: plain,
            seed: context.seed,
        }))
    }
}

struct NtmTraining {
    settings: NtmSettings,
    learner: Learner<Ntm>,
    curriculum: Curriculum,
    /// Since the figures were last asked for.
    recent: Recent,
    /// Without autodiff.
    device: Device,
    seed: u64,
}

/// Keeps what a curriculum by gain is judged by apart from what is trained on.
const JUDGED: u64 = 0x6761_696e_6564_206f;

/// What a curriculum by gain is judged by.
struct Judged {
    sequences: Sequences,
    /// Draws hard addresses, the same before and after an update.
    noise: Noise,
}

impl NtmTraining {
    /// What the gain of this step is measured on, if the curriculum wants to know it.
    fn judged(&self, size: Size, trained: &Sequences, step: u64) -> Option<Judged> {
        let sequences = match self.curriculum.name {
            CurriculumName::PredictionGain => trained.clone(),
            CurriculumName::SelfPredictionGain => {
                let stream = Stream {
                    seed: self.seed ^ JUDGED,
                    batch: step,
                };
                let NtmSettings { task, training, .. } = &self.settings;
                let episodes = task.generate(size, training.batch, stream);
                episodes.upload(&self.device)
            }
            _ => return None,
        };
        let noise = Noise::new(self.seed ^ JUDGED, step);
        Some(Judged { sequences, noise })
    }

    /// The cost before an update, unless the estimate has it: that of soft addresses on the batch that is trained on.
    fn before(&self, judged: &Judged) -> Option<f64> {
        let estimated = self.settings.model.address == Address::Soft
            && self.curriculum.name == CurriculumName::PredictionGain;
        (!estimated).then(|| self.cost(judged))
    }

    /// Mean cost in nats, without a tape.
    fn cost(&self, judged: &Judged) -> f64 {
        let model = self.learner.model().valid();
        let (_, costs) = evaluation::observe(&model, &judged.sequences, &judged.noise);
        costs.mean().into_scalar::<f64>()
    }
}

impl System for NtmTraining {
    fn step(&mut self, step: u64, wanted: bool) -> Result<Option<Metrics>, StepError> {
        let task = &self.settings.task;
        let size = self.curriculum.size(task, self.seed, step);
        let stream = Stream {
            seed: self.seed,
            batch: step,
        };
        let episodes = task.generate(size, self.settings.training.batch, stream);
        let sequences = episodes.upload(&self.device);
        let judged = self.judged(size, &sequences, step);
        let before = judged.as_ref().and_then(|judged| self.before(judged));

        let (model, estimator) = self.learner.parts();
        let program = NtmProgram::new(model, &sequences);
        let estimate = estimator.estimate(&program, &Noise::new(self.seed, step));
        drop(program);
        self.learner.follow(&estimate);

        let task = &self.settings.task;
        let counted = (episodes.rows * episodes.counted_bits()) as u64;
        self.recent.add(&estimate.cost, counted);
        if self.curriculum.has_levels() {
            let nats = estimate.cost.clone().sum().into_scalar::<f64>();
            let bits_per_bit = bits(nats) / counted as f64;
            self.curriculum.observe(task, step, size, bits_per_bit);
        }
        if let Some(judged) = judged {
            let mean = || estimate.cost.clone().mean().into_scalar::<f64>();
            let gain = before.unwrap_or_else(mean) - self.cost(&judged);
            self.curriculum.gained(task, self.seed, size, gain);
        }
        if !wanted {
            return Ok(None);
        }
        let mut metrics = self.recent.figures();
        self.recent = Recent::new(&self.device);
        if self.curriculum.has_levels() {
            metrics = metrics.figure("level", self.curriculum.level as f64);
        }
        if let Some(steps) = self.curriculum.mean_steps(&self.settings.task) {
            metrics = metrics.figure("mean_steps", steps);
        }
        Ok(Some(metrics.with(self.learner.figures(&estimate))))
    }

    fn evaluate(&mut self, split: Split, full: bool) -> anyhow::Result<Metrics> {
        if split == Split::Train {
            return Ok(Metrics::new());
        }
        let model = self.learner.model().valid();
        let NtmSettings {
            task, evaluation, ..
        } = &self.settings;
        evaluation.figures(&model, task, split, full, &self.device)
    }

    fn samples(&mut self, dir: &Path, step: u64, n: usize) -> anyhow::Result<Vec<PathBuf>> {
        let model = self.learner.model().valid();
        let NtmSettings {
            task, evaluation, ..
        } = &self.settings;
        let larger = evaluation.enlarged(&model);
        let mut files = Vec::new();
        for (name, size) in evaluation.pictured(task) {
            let model = if size == task.largest() {
                &model
            } else {
                &larger
            };
            let path = dir.join(format!("{step:08}-{name}.png"));
            let stream = Stream {
                seed: evaluation::seed(Split::Valid),
                batch: u64::MAX,
            };
            let episodes = task.generate(size, n.clamp(1, pictures::MOST), stream);
            pictures::write(&path, model, &episodes, &evaluation.noise(0), &self.device)?;
            files.push(path);
        }
        Ok(files)
    }

    fn save(&self, dir: &Path) -> Result<(), StepError> {
        self.learner.save(dir)?;
        let mut bundle = Bundle::new();
        bundle.put_number("level", self.curriculum.level as u64);
        bundle.put_number("risen", self.curriculum.risen);
        bundle.put_tensor("nats", self.recent.nats.to_data());
        bundle.put_number("sequences", self.recent.sequences);
        bundle.put_number("counted", self.recent.counted);
        if let Some(bandit) = &self.curriculum.bandit {
            let (log_weights, gains, pulls) = bandit.parts();
            for (name, values) in [("log_weights", log_weights), ("gains", gains)] {
                bundle.put_tensor(name, TensorData::new(values.to_vec(), [values.len()]));
            }
            bundle.put_number("pulls", pulls);
        }
        bundle.write(&dir.join("progress.bpk"))
    }

    fn load(&mut self, dir: &Path) -> anyhow::Result<()> {
        self.learner.load(dir)?;
        let bundle = Bundle::read(&dir.join("progress.bpk"))?;
        self.curriculum.level = usize::try_from(bundle.number::<u64>("level")?)?;
        self.curriculum.risen = bundle.number("risen")?;
        self.recent.sequences = bundle.number("sequences")?;
        self.recent.counted = bundle.number("counted")?;
        let pulls = match self.curriculum.bandit {
            Some(_) => bundle.number("pulls")?,
            None => 0,
        };
        let (mut tensors, _) = bundle.into_parts();
        let mut take = |name: &str| {
            let tensor = tensors.remove(name);
            tensor.with_context(|| format!("it holds no tensor `{name}`"))
        };
        self.recent.nats = Tensor::from_data(take("nats")?, &self.device);
        if let Some(bandit) = &mut self.curriculum.bandit {
            let mut numbers = |name: &str| -> anyhow::Result<Vec<f64>> {
                let values = take(name)?.try_to_vec::<f64>();
                values.map_err(|error| anyhow::anyhow!("`{name}`: {error:?}"))
            };
            *bandit = Bandit::from_parts(numbers("log_weights")?, numbers("gains")?, pulls);
        }
        Ok(())
    }

    fn warnings(&self) -> Vec<String> {
        self.learner.warnings()
    }

    fn data(&self) -> String {
        let TaskConfig {
            name,
            lengths: [low, high],
            ..
        } = self.settings.task;
        format!("generated: {name:?}, lengths {low} to {high}")
    }
}

/// Costs of the last steps; they stay on the device until they are read.
struct Recent {
    nats: Tensor<1>,
    sequences: u64,
    counted: u64,
}

impl Recent {
    fn new(device: &Device) -> Self {
        Self {
            nats: Tensor::zeros([1], device),
            sequences: 0,
            counted: 0,
        }
    }

    /// Takes in the cost of every sequence of a batch with so many counted bits in all.
    fn add(&mut self, costs: &Tensor<1>, counted: u64) {
        self.nats = self.nats.clone() + costs.clone().sum();
        self.sequences += costs.dims()[0] as u64;
        self.counted += counted;
    }

    fn figures(&self) -> Metrics {
        let total = bits(self.nats.clone().into_scalar::<f64>());
        Metrics::new()
            .loss("bits_per_sequence", total / self.sequences as f64)
            .loss("bits_per_bit", total / self.counted as f64)
    }
}

fn bits(nats: f64) -> f64 {
    nats / std::f64::consts::LN_2
}

/// The name of a size in a figure.
fn label(Size { length, repeats }: Size, with_repeats: bool) -> String {
    if with_repeats {
        format!("len{length}_rep{repeats}")
    } else {
        format!("len{length}")
    }
}
