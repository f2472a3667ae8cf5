//! Training of networks that sort; models and their paper are in [`unbiased_models::sorting`].

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use unbiased_estimators::{EstimatorConfig, Noise, NoiseLaw, Objective, Schema};
use unbiased_kernels::{substream, uniforms};
use unbiased_models::sorting::{
    HostSorter, Interval, Sorter, SortingConfig, SortingProgram, lists,
};
use unbiased_permutations::{metrics::kendall_tau, permutation::ranks};

use super::matching::{self, Training};
use crate::config::ConfigError;
use crate::data::Split;
use crate::error::Failure;
use crate::learner::Learner;
use crate::optimizer::OptimizerConfig;
use crate::system::{BuildContext, Metrics, Settings, StepError, System};
use crate::transfer::rows;

/// The sections of a `sorting` configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SortingSettings {
    data: DataSettings,
    model: SortingConfig,
    estimator: EstimatorConfig,
    optimizer: OptimizerConfig,
    training: Training,
}

/// The `[data]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DataSettings {
    /// Numbers of the lists to learn from.
    interval: Interval,
    /// Numbers of the lists of the test, one set for each interval.
    test_intervals: Vec<Interval>,
    /// Lists in a test set.
    test_lists: usize,
}

impl Default for DataSettings {
    fn default() -> Self {
        Self {
            interval: Interval(0.0, 1.0),
            test_intervals: vec![
                Interval(0.0, 1.0),
                Interval(0.0, 10.0),
                Interval(0.0, 1000.0),
                Interval(1.0, 2.0),
                Interval(10.0, 11.0),
                Interval(100.0, 101.0),
                Interval(1000.0, 1001.0),
            ],
            test_lists: 1000,
        }
    }
}

impl Settings for SortingSettings {
    fn check(&self) -> Result<(), ConfigError> {
        let (data, model) = (&self.data, &self.model);
        let intervals = data.test_intervals.iter().chain([&data.interval]);
        let rising = |i: &Interval| i.0 < i.1 && i.0.is_finite() && i.1.is_finite();
        matching::at_least_1([("data.test_lists", data.test_lists)])?;
        for interval in intervals {
            if !rising(interval) {
                return Err(ConfigError::value(
                    "data.interval",
                    format!("[{}, {}]", interval.0, interval.1),
                    "two finite ends, the lower one first",
                ));
            }
        }
        model
            .check()
            .map_err(|e| ConfigError::value(&format!("model.{}", e.key), e.got, e.expected))?;
        matching::check(&model.matching, &self.training)?;
        self.estimator.validate().map_err(ConfigError::other)?;
        self.optimizer.check()
    }

    fn build(self, context: &BuildContext) -> Result<Box<dyn System>, Failure> {
        let device = context.device.clone().autodiff();
        let model = Sorter::new(&self.model, context.seed, &device);
        let schema = {
            let x = Tensor::zeros([1, self.model.n], &context.device);
            Schema::of(&SortingProgram::new(&model, &self.model, x))
        };
        let estimator = self
            .estimator
            .build(&schema, self.model.objective, &device)
            .map_err(|e| Failure::usage(e.to_string()))?;
        Ok(Box::new(SortingTraining {
            learner: Learner::new(model, estimator, &self.optimizer, false, device),
            settings: self,
            device: context.device.clone(),
            seed: context.seed,
        }))
    }
}

/// Streams of lists: validation and test sets are the same in every run.
const TRAIN: u64 = 1;
const VALID: u64 = 2;
const TEST: u64 = 3;
/// Orders drawn around scores, a stream below that of the lists.
const ORDERS: u64 = 1 << 32;

struct SortingTraining {
    learner: Learner<Sorter>,
    settings: SortingSettings,
    device: Device,
    seed: u64,
}

impl System for SortingTraining {
    fn step(&mut self, step: u64, wanted: bool) -> Result<Option<Metrics>, StepError> {
        let SortingSettings {
            data,
            model: config,
            training,
            ..
        } = &self.settings;
        let stream = substream(substream(self.seed, TRAIN), step);
        let drawn = lists(data.interval, config.n, training.batch, stream);
        let x = rows(
            drawn.iter().map(|&x| x as f32).collect(),
            training.batch,
            &self.device,
        );
        let (model, estimator) = self.learner.parts();
        let program = SortingProgram::new(model, config, x.repeat_dim(0, training.samples));
        let estimate = estimator.estimate(&program, &Noise::new(self.seed, step));
        drop(program);
        let name = match config.objective {
            Objective::Expected { .. } => "distance",
            Objective::LogMeanWeight { .. } => "neg_bound_nats",
        };
        Ok(self.learner.learn(&estimate, name, wanted))
    }

    fn evaluate(&mut self, split: Split, full: bool) -> anyhow::Result<Metrics> {
        let sorter = self.learner.model().on_host();
        let data = &self.settings.data;
        let count = data.test_lists;
        match split {
            Split::Train => Ok(Metrics::new()),
            Split::Valid => {
                let count = if full { count } else { count.min(100) };
                self.errors(&sorter, data.interval, count, VALID)
            }
            Split::Test => {
                let mut metrics = Metrics::new();
                for &interval in &data.test_intervals {
                    let Interval(low, high) = interval;
                    for (name, value) in self.errors(&sorter, interval, count, TEST)?.iter() {
                        metrics = metrics.figure(format!("{name}_{low}_{high}"), value);
                    }
                }
                Ok(metrics)
            }
        }
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
        let Interval(low, high) = self.settings.data.interval;
        format!(
            "lists of {} numbers in ({low}, {high}), drawn",
            self.settings.model.n
        )
    }
}

impl SortingTraining {
    /// How wrong the best orders are, without noise and in double precision; and how far off a drawn one is.
    fn errors(
        &self,
        sorter: &HostSorter,
        interval: Interval,
        count: usize,
        stream: u64,
    ) -> anyhow::Result<Metrics> {
        let config = &self.settings.model;
        let n = config.n;
        let all = lists(interval, n, count, stream);
        let [
            mut any_wrong,
            mut any_wrong_index,
            mut wrong,
            mut tau,
            mut l1,
            mut drawn_tau,
            mut drawn_distance,
        ] = [0.0; 7];
        let mut noise = Vec::new();
        for (k, x) in all.chunks_exact(n).enumerate() {
            let scores = sorter.scores(x);
            noise.resize(scores.len(), 0.0);
            uniforms(substream(substream(stream, ORDERS), k as u64), &mut noise);
            for noise in &mut noise {
                *noise = NoiseLaw::Gumbel.quantile(*noise);
            }
            let place = config.places(&scores, None)?;
            let drawn = config.places(&scores, Some(&noise))?;
            let true_place = ranks(x)?;
            let mut sorted = x.to_vec();
            sorted.sort_by(f64::total_cmp);
            let off = place
                .iter()
                .zip(x)
                .map(|(&place, x)| (sorted[place] - x).abs());
            let misplaced = off.clone().filter(|&off| off > 0.0).count();
            any_wrong += f64::from(u8::from(misplaced > 0));
            any_wrong_index += f64::from(u8::from(place != true_place));
            wrong += misplaced as f64 / n as f64;
            tau += kendall_tau(&place, &true_place);
            l1 += off.sum::<f64>() / n as f64;
            drawn_tau += kendall_tau(&drawn, &true_place);
            let squares = drawn.iter().zip(x).map(|(&p, x)| (sorted[p] - x).powi(2));
            drawn_distance += squares.sum::<f64>() / n as f64;
        }
        let count = count as f64;
        Ok(Metrics::new()
            .figure("any_wrong", any_wrong / count)
            .figure("any_wrong_index", any_wrong_index / count)
            .figure("wrong", wrong / count)
            .figure("kendall_tau", tau / count)
            .figure("l1", l1 / count)
            .figure("drawn_kendall_tau", drawn_tau / count)
            .figure("drawn_distance", drawn_distance / count))
    }
}
