//! Training of belief networks and discrete autoencoders; the model and its papers are in [`unbiased_models::sbn`].

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use unbiased_estimators::{
    Draw, EstimatorConfig, Noise, Objective, Schema, Trace, Weighing, execute,
};
use unbiased_models::sbn::{Sbn, SbnConfig, SbnProgram, Task};

use crate::bundle::Bundle;
use crate::config::ConfigError;
use crate::data::{DataConfig, ImageSet, Order, Split, png};
use crate::error::Failure;
use crate::learner::Learner;
use crate::optimizer::OptimizerConfig;
use crate::system::{BuildContext, Metrics, Settings, StepError, System};
use crate::transfer::{self, Average, host};

/// The sections of an `sbn` configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SbnSettings {
    data: DataConfig,
    model: SbnConfig,
    estimator: EstimatorConfig,
    optimizer: OptimizerConfig,
    training: Training,
    evaluation: Evaluation,
}

/// The `[training]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Training {
    /// Images per step.
    batch: usize,
    /// Whether `grad_ln_variance` is kept track of; reads every gradient in every step.
    gradient_variance: bool,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            batch: 24,
            gradient_variance: false,
        }
    }
}

/// The `[evaluation]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Evaluation {
    /// Samples of the importance-weighted bounds in a full evaluation of validation and test images.
    bounds: Vec<usize>,
    /// Images that these bounds are taken over, the first ones of the split; all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    bound_images: Option<usize>,
}

impl Default for Evaluation {
    fn default() -> Self {
        Self {
            bounds: vec![100],
            bound_images: None,
        }
    }
}

impl Settings for SbnSettings {
    fn check(&self) -> Result<(), ConfigError> {
        self.model
            .check()
            .map_err(|e| ConfigError::value(&format!("model.{}", e.key), e.got, e.expected))?;
        self.estimator.validate().map_err(ConfigError::other)?;
        self.optimizer.check()?;
        if self.training.batch == 0 {
            return Err(ConfigError::value("training.batch", 0, "at least 1"));
        }
        if self.evaluation.bounds.contains(&0) {
            return Err(ConfigError::value(
                "evaluation.bounds",
                0,
                "at least 1 sample",
            ));
        }
        if self.evaluation.bound_images == Some(0) {
            return Err(ConfigError::value(
                "evaluation.bound_images",
                0,
                "at least 1",
            ));
        }
        Ok(())
    }

    fn build(self, context: &BuildContext) -> Result<Box<dyn System>, Failure> {
        let plain = context.device.clone();
        let device = plain.clone().autodiff();
        let images = ImageSet::load(&self.data, context.data_dir.as_deref())?;
        let model = Sbn::new(&self.model, &images.train.mean(), context.seed, &device);
        let schema = Schema::of(&SbnProgram::new(
            &model,
            upload(&images, Split::Train, &[0], 0, &plain),
        ));
        let estimator = self
            .estimator
            .build(&schema, self.model.objective, &device)
            .map_err(|e| Failure::usage(e.to_string()))?;
        let order = Order::new(context.seed, images.train.len(), self.training.batch);
        Ok(Box::new(SbnTraining {
            learner: Learner::new(
                model,
                estimator,
                &self.optimizer,
                self.training.gradient_variance,
                device,
            ),
            cost: cost_name(self.model.objective),
            epoch: Average::new(&plain),
            recent: Average::new(&plain),
            settings: self,
            images,
            order,
            device: plain,
            seed: context.seed,
        }))
    }
}

/// What is minimised, as a figure.
fn cost_name(objective: Objective) -> &'static str {
    match objective {
        Objective::Expected { .. } => "neg_elbo_nats",
        Objective::LogMeanWeight { .. } => "neg_bound_nats",
    }
}

struct SbnTraining {
    settings: SbnSettings,
    images: ImageSet,
    order: Order,
    learner: Learner<Sbn>,
    cost: &'static str,
    /// Over the current epoch.
    epoch: Average,
    /// Since the figures were last asked for.
    recent: Average,
    /// Without autodiff.
    device: Device,
    seed: u64,
}

/// Evaluation draws the same noise in every run, so that runs differ by what they learnt only.
const EVALUATION_SEED: u64 = 1;
/// Rows of a pass without gradient.
const EVALUATION_ROWS: usize = 2_000;
/// A latent is in use if the variance of its posterior mean over images exceeds this (Burda, Grosse & Salakhutdinov,
/// "Importance Weighted Autoencoders", 2016, section 5.2).
const ACTIVE_VARIANCE: f64 = 0.01;

impl System for SbnTraining {
    fn step(&mut self, step: u64, wanted: bool) -> Result<Option<Metrics>, StepError> {
        let per_epoch = self.order.steps_per_epoch();
        let index = step - 1;
        let batch = self.order.batch(index);
        let images = upload(
            &self.images,
            Split::Train,
            &batch,
            index / per_epoch,
            &self.device,
        );
        let (model, estimator) = self.learner.parts();
        let program = SbnProgram::new(model, images);
        let estimate = estimator.estimate(&program, &Noise::new(self.seed, step));
        drop(program);
        self.learner.follow(&estimate);

        if index.is_multiple_of(per_epoch) {
            self.epoch.reset();
        }
        self.epoch.add(&estimate.cost);
        self.recent.add(&estimate.cost);
        if !wanted {
            return Ok(None);
        }
        let epochs = step as f64 / per_epoch as f64;
        let metrics = Metrics::new()
            .figure("epoch", epochs)
            .loss(self.cost, self.recent.read())
            .loss(format!("epoch_{}", self.cost), self.epoch.read());
        self.recent.reset();
        Ok(Some(metrics.with(self.learner.figures(&estimate))))
    }

    fn evaluate(&mut self, split: Split, full: bool) -> anyhow::Result<Metrics> {
        let model = self.learner.model().valid();
        let n = self.images.split(split).len();
        let mut figures = self.single_sample(&model, split, n);
        if full && split != Split::Train {
            let limit = self.settings.evaluation.bound_images.unwrap_or(n).min(n);
            for &samples in &self.settings.evaluation.bounds {
                let bound = self.bound(&model, split, limit, samples)?;
                figures = figures.loss(format!("neg_bound_{samples}_nats"), bound);
            }
        }
        Ok(figures)
    }

    fn samples(&mut self, dir: &Path, step: u64, n: usize) -> anyhow::Result<Vec<PathBuf>> {
        let model = self.learner.model().valid();
        let noise = Noise::new(EVALUATION_SEED, 0);
        let (height, width) = (self.images.valid.height(), self.images.valid.width());
        let mut files = Vec::new();
        let mut write = |name: &str, pixels: &[f32], columns| -> anyhow::Result<()> {
            let path = dir.join(format!("{step:08}-{name}.png"));
            png::write_grid(&path, pixels, height, width, columns)?;
            files.push(path);
            Ok(())
        };
        if self.settings.model.task == Task::Density {
            let samples = model.sample(n, &noise);
            write(
                "samples",
                &host(samples)?,
                (n as f64).sqrt().ceil() as usize,
            )?;
        }
        // Each image beside what the model makes of one draw of its latents.
        let shown = n.min(self.images.valid.len());
        let indices: Vec<usize> = (0..shown).collect();
        let images = upload(&self.images, Split::Valid, &indices, 0, &self.device);
        let program = SbnProgram::new(&model, images.clone());
        let trace = execute(&program, 1, 1, Weighing::Analytic, &exact_draw, &noise);
        let layer = match self.settings.model.task {
            Task::Density => 0,
            Task::LowerHalf => trace.sites.len() - 1,
        };
        let guess = model.pixels(trace.sites[layer].value.clone());
        let (inputs, _) = model.parts(images.clone());
        let guess = match self.settings.model.task {
            Task::Density => guess,
            Task::LowerHalf => Tensor::cat(vec![inputs, guess], 1),
        };
        let pairs = Tensor::stack::<3>(vec![images, guess], 1).flatten::<2>(0, 1);
        write("reconstructions", &host(pairs)?, 16)?;
        Ok(files)
    }

    fn save(&self, dir: &Path) -> Result<(), StepError> {
        self.learner.save(dir)?;
        let mut averages = Bundle::new();
        self.epoch.put("epoch", &mut averages);
        self.recent.put("recent", &mut averages);
        averages.write(&dir.join("averages.bpk"))
    }

    fn load(&mut self, dir: &Path) -> anyhow::Result<()> {
        self.learner.load(dir)?;
        Average::load_all(
            Bundle::read(&dir.join("averages.bpk"))?,
            &mut [("epoch", &mut self.epoch), ("recent", &mut self.recent)],
        )
    }

    fn warnings(&self) -> Vec<String> {
        self.learner.warnings()
    }

    fn data(&self) -> String {
        self.images.describe()
    }
}

impl SbnTraining {
    /// Bound of one sample per image, and how many latents are in use.
    fn single_sample(&self, model: &Sbn, split: Split, n: usize) -> Metrics {
        let mut total = 0.0;
        let mut moments: Vec<[Vec<f64>; 2]> = Vec::new();
        for (chunk, indices) in chunks(n, EVALUATION_ROWS).enumerate() {
            let images = upload(&self.images, split, &indices, 0, &self.device);
            let program = SbnProgram::new(model, images);
            let noise = Noise::new(EVALUATION_SEED, chunk as u64);
            let trace = execute(&program, 1, 1, Weighing::Analytic, &exact_draw, &noise);
            total += f64::from(trace.cost().sum().into_scalar::<f32>());
            add_moments(&mut moments, &trace);
        }
        let mut metrics = Metrics::new().loss("neg_elbo_nats", total / n as f64);
        let count = n as f64;
        for (layer, [first, second]) in moments.iter().enumerate() {
            let active = first
                .iter()
                .zip(second)
                .filter(|(m, s)| *s / count - (*m / count).powi(2) > ACTIVE_VARIANCE)
                .count();
            metrics = metrics.figure(format!("active_layer{}", layer + 1), active as f64);
        }
        metrics
    }

    /// The importance-weighted bound `-E[ln 1/K sum_k w_k]` of the first `n` images.
    fn bound(&self, model: &Sbn, split: Split, n: usize, samples: usize) -> anyhow::Result<f64> {
        let copies = samples.min(EVALUATION_ROWS);
        let mut total = 0.0;
        for (chunk, indices) in chunks(n, EVALUATION_ROWS / copies).enumerate() {
            let images = upload(&self.images, split, &indices, 0, &self.device);
            let program = SbnProgram::new(model, images);
            let mut log_weights: Vec<Vec<f64>> = vec![Vec::with_capacity(samples); indices.len()];
            for start in (0..samples).step_by(copies) {
                let copies = copies.min(samples - start);
                let noise = Noise::new(EVALUATION_SEED, bound_step(chunk, start));
                let trace = execute(
                    &program,
                    copies,
                    copies,
                    Weighing::Sampled,
                    &exact_draw,
                    &noise,
                );
                let costs = trace.cost().into_data_as::<f32>().try_to_vec::<f32>()?;
                for (row, cost) in costs.into_iter().enumerate() {
                    log_weights[row % indices.len()].push(-f64::from(cost));
                }
            }
            total -= log_weights.iter().map(|w| log_mean_exp(w)).sum::<f64>();
        }
        Ok(total / n as f64)
    }
}

/// Apart from the steps of the single-sample pass.
fn bound_step(chunk: usize, start: usize) -> u64 {
    1 << 40 | (chunk as u64) << 20 | start as u64
}

/// `ln mean exp x`.
fn log_mean_exp(x: &[f64]) -> f64 {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = x.iter().map(|x| libm::exp(x - max)).sum();
    max + libm::log(sum / x.len() as f64)
}

/// Sums of the posterior means of every latent and of their squares.
fn add_moments(moments: &mut Vec<[Vec<f64>; 2]>, trace: &Trace) {
    for (layer, site) in trace.sites.iter().enumerate() {
        let mean = site.law.mean(site.params.clone());
        let sums = [mean.clone(), mean.square()].map(|x| {
            let sum = x.sum_dim(0).into_data_as::<f32>().try_to_vec::<f32>();
            sum.expect("converted to f32")
        });
        if moments.len() == layer {
            moments.push([vec![0.0; sums[0].len()], vec![0.0; sums[1].len()]]);
        }
        for (total, sum) in moments[layer].iter_mut().zip(sums) {
            for (total, sum) in total.iter_mut().zip(sum) {
                *total += f64::from(sum);
            }
        }
    }
}

/// Every choice drawn exactly, as evaluation has it.
fn exact_draw(_: usize, _: &unbiased_estimators::Key) -> Draw {
    Draw::Hard
}

/// `0..n` in pieces of at most `size`.
fn chunks(n: usize, size: usize) -> impl Iterator<Item = Vec<usize>> {
    let size = size.max(1);
    (0..n)
        .step_by(size)
        .map(move |start| (start..n.min(start + size)).collect())
}

fn upload(
    images: &ImageSet,
    split: Split,
    indices: &[usize],
    draw: u64,
    device: &Device,
) -> Tensor<2> {
    transfer::rows(images.pixels(split, indices, draw), indices.len(), device)
}
