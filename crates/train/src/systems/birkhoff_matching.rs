//! Relaxed posteriors of matchings; problems, posteriors and their paper are in [`unbiased_models::birkhoff_matching`].

use std::cell::OnceCell;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use unbiased_estimators::{EstimatorConfig, Noise, Objective, Schema};
use unbiased_kernels::substream;
use unbiased_models::birkhoff_matching::{
    Evidence, MatchingConfig, MatchingProgram, Posterior, Problem, Relaxation, Rival,
};
use unbiased_permutations::{Error, exact};

use super::matching;
use crate::config::ConfigError;
use crate::data::Split;
use crate::error::Failure;
use crate::learner::Learner;
use crate::optimizer::OptimizerConfig;
use crate::system::{BuildContext, Metrics, Settings, StepError, System};

/// The sections of a `birkhoff_matching` configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct BirkhoffMatchingSettings {
    data: DataSettings,
    model: MatchingConfig,
    estimator: EstimatorConfig,
    optimizer: OptimizerConfig,
    training: TrainingSettings,
}

/// The `[data]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DataSettings {
    /// Problems for each noise; the same centres for all.
    problems: usize,
    /// Standard deviations of the observations.
    noises: Vec<f64>,
    /// Samples of each posterior in a figure.
    samples: usize,
}

impl Default for DataSettings {
    fn default() -> Self {
        Self {
            problems: 200,
            noises: vec![0.1, 0.25, 0.5, 0.75],
            samples: 1000,
        }
    }
}

/// The `[training]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TrainingSettings {
    /// Matrices drawn for each problem in a step.
    samples: usize,
}

impl Default for TrainingSettings {
    fn default() -> Self {
        Self { samples: 1 }
    }
}

impl Settings for BirkhoffMatchingSettings {
    fn check(&self) -> Result<(), ConfigError> {
        let (data, model) = (&self.data, &self.model);
        let most = exact::MOST_ENUMERATED;
        let positive = |x: f64| x > 0.0 && x.is_finite();
        let warmest = match model.law {
            Relaxation::Rounding => 1.0,
            _ => f64::MAX,
        };
        let [least, largest] = model.deviation;
        for (key, value, good, expected) in [
            (
                "model.n",
                model.n as f64,
                (2..=most).contains(&model.n),
                "2 to 10, whose permutations are enumerated",
            ),
            (
                "model.temperature",
                model.temperature,
                positive(model.temperature) && model.temperature <= warmest,
                "above 0, and at most 1 for rounding",
            ),
            (
                "model.deviation",
                least,
                positive(least) && positive(largest) && least < largest,
                "two positive bounds, the lower one first",
            ),
            (
                "model.prior_deviation",
                model.prior_deviation,
                positive(model.prior_deviation),
                "above 0",
            ),
            (
                "model.prior_temperature",
                model.prior_temperature,
                positive(model.prior_temperature),
                "above 0",
            ),
            (
                "data.problems",
                data.problems as f64,
                data.problems > 0,
                "at least 1",
            ),
            (
                "data.noises",
                data.noises.len() as f64,
                !data.noises.is_empty() && data.noises.iter().all(|&sd| positive(sd)),
                "one or more, all above 0",
            ),
            (
                "data.samples",
                data.samples as f64,
                data.samples > 0,
                "at least 1",
            ),
            (
                "training.samples",
                self.training.samples as f64,
                self.training.samples > 0,
                "at least 1",
            ),
        ] {
            if !good {
                return Err(ConfigError::value(key, value, expected));
            }
        }
        matching::check_law(&model.matching)?;
        if model.law == Relaxation::GumbelSinkhorn {
            matching::check_divergence(&model.matching)?;
        }
        self.estimator.validate().map_err(ConfigError::other)?;
        self.optimizer.check()
    }

    fn build(self, context: &BuildContext) -> Result<Box<dyn System>, Failure> {
        let device = context.device.clone().autodiff();
        let problems = self
            .data
            .problems(self.model.n)
            .map_err(|e| Failure::usage(e.to_string()))?;
        let posterior = Posterior::new(&self.model, problems.len(), &device);
        let evidence = Evidence::new(&problems, &context.device);
        let schema = Schema::of(&MatchingProgram::new(&posterior, &self.model, &evidence));
        let estimator = self
            .estimator
            .build(&schema, Objective::default(), &device)
            .map_err(|e| Failure::usage(e.to_string()))?;
        Ok(Box::new(BirkhoffMatchingTraining {
            learner: Learner::new(posterior, estimator, &self.optimizer, false, device),
            settings: self,
            problems,
            evidence,
            seed: context.seed,
            measured: None,
            rivals: OnceCell::new(),
        }))
    }
}

/// Streams: problems are the same in every run.
const PROBLEMS: u64 = 1;
const SAMPLES: u64 = 2;

impl DataSettings {
    /// All problems of the first noise, then those of the next.
    fn problems(&self, n: usize) -> Result<Vec<Problem>, Error> {
        let of_noise =
            |&sd: &f64| (0..self.problems as u64).map(move |k| Problem::random(n, sd, PROBLEMS, k));
        self.noises.iter().flat_map(of_noise).collect()
    }

    /// What the posteriors are compared with.
    fn rivals(&self) -> [(&'static str, Rival); 12] {
        let samples = self.samples;
        let mallows = |theta| Rival::Mallows { theta };
        let gumbel_matching = |scale| Rival::GumbelMatching { scale, samples };
        [
            ("exact_samples", Rival::Exact { samples }),
            ("chain", Rival::Chain { samples }),
            ("map", Rival::Map),
            ("mallows_0.1", mallows(0.1)),
            ("mallows_1", mallows(1.0)),
            ("mallows_2", mallows(2.0)),
            ("mallows_5", mallows(5.0)),
            ("mallows_10", mallows(10.0)),
            ("gumbel_matching_1", gumbel_matching(1.0)),
            ("gumbel_matching_1.25", gumbel_matching(1.25)),
            ("gumbel_matching_1.5", gumbel_matching(1.5)),
            ("gumbel_matching_2", gumbel_matching(2.0)),
        ]
    }
}

/// Rows of the paper's table, for standard deviations .1, .25, .5 and .75; the row it labels Mallows 0.5 is that of θ = 1.
const PAPER: [(&str, [f64; 4]); 7] = [
    ("stick_breaking", [0.09, 0.23, 0.41, 0.55]),
    ("rounding", [0.06, 0.21, 0.32, 0.38]),
    ("mallows_0.1", [0.93, 0.92, 0.89, 0.85]),
    ("mallows_1", [0.51, 0.53, 0.61, 0.71]),
    ("mallows_2", [0.23, 0.33, 0.53, 0.69]),
    ("mallows_5", [0.08, 0.27, 0.54, 0.72]),
    ("mallows_10", [0.08, 0.27, 0.54, 0.72]),
];
const PAPER_NOISES: [f64; 4] = [0.1, 0.25, 0.5, 0.75];

/// The mean distance of a kind of law at each noise, and its standard error over problems.
#[derive(Debug, Clone)]
struct Row {
    name: &'static str,
    means: Vec<[f64; 2]>,
}

struct BirkhoffMatchingTraining {
    learner: Learner<Posterior>,
    settings: BirkhoffMatchingSettings,
    problems: Vec<Problem>,
    evidence: Evidence,
    seed: u64,
    /// The row of the posteriors as they are, if it is known.
    measured: Option<Vec<[f64; 2]>>,
    /// What needs no training.
    rivals: OnceCell<Vec<Row>>,
}

impl System for BirkhoffMatchingTraining {
    fn step(&mut self, step: u64, wanted: bool) -> Result<Option<Metrics>, StepError> {
        self.measured = None;
        let copies = self.settings.training.samples;
        let (posterior, estimator) = self.learner.parts();
        let program =
            MatchingProgram::new(posterior, &self.settings.model, &self.evidence).repeated(copies);
        let estimate = estimator.estimate(&program, &Noise::new(self.seed, step));
        drop(program);
        self.learner.follow(&estimate);
        Ok(wanted.then(|| {
            let bound = -estimate.cost.clone().mean().into_scalar::<f64>();
            Metrics::new()
                .loss("elbo_nats", bound)
                .with(self.learner.figures(&estimate))
        }))
    }

    fn evaluate(&mut self, split: Split, full: bool) -> anyhow::Result<Metrics> {
        let mut metrics = Metrics::new();
        if split != Split::Train {
            return Ok(metrics);
        }
        let own = Row {
            name: "bd",
            means: self.measure()?,
        };
        let mut rows = vec![own];
        if full {
            rows.extend(self.rivals()?);
        }
        for Row { name, means } in rows {
            for (sd, [mean, error]) in self.settings.data.noises.iter().zip(means) {
                metrics = metrics.figure(format!("{name}_at_{sd}"), mean);
                if name == "bd" {
                    metrics = metrics.figure(format!("{name}_error_at_{sd}"), error);
                }
            }
        }
        Ok(metrics)
    }

    /// The table of distances beside the paper's.
    fn samples(&mut self, dir: &Path, step: u64, _n: usize) -> anyhow::Result<Vec<PathBuf>> {
        let own = Row {
            name: match self.settings.model.law {
                Relaxation::StickBreaking => "stick_breaking",
                Relaxation::Rounding => "rounding",
                Relaxation::GumbelSinkhorn => "gumbel_sinkhorn",
            },
            means: self.measure()?,
        };
        let mut rows = vec![own];
        rows.extend(self.rivals()?);
        let path = dir.join(format!("{step:08}-distances.md"));
        std::fs::write(&path, self.table(&rows))?;
        Ok(vec![path])
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
        format!(
            "{} problems of {} points for each noise, drawn",
            self.settings.data.problems, self.settings.model.n
        )
    }
}

impl BirkhoffMatchingTraining {
    /// The posteriors' row: frequencies of rounded samples.
    fn measure(&mut self) -> anyhow::Result<Vec<[f64; 2]>> {
        if let Some(measured) = &self.measured {
            return Ok(measured.clone());
        }
        let samples = self.settings.data.samples;
        let values = self.problems[0].posterior().len();
        let mut laws = vec![vec![0.0; values]; self.problems.len()];
        let stream = substream(self.seed, SAMPLES);
        for sample in 0..samples {
            let stream = substream(stream, sample as u64);
            let streams: Vec<u64> = (0..laws.len() as u64)
                .map(|row| substream(stream, row))
                .collect();
            let drawn = self
                .learner
                .model()
                .sample(&self.settings.model, &streams)?;
            for (law, list) in laws.iter_mut().zip(drawn) {
                law[exact::index(&list)?] += 1.0 / samples as f64;
            }
        }
        let measured = self.means(|k, problem| problem.distance(&laws[k]))?;
        self.measured = Some(measured.clone());
        Ok(measured)
    }

    fn rivals(&self) -> anyhow::Result<Vec<Row>> {
        if let Some(rows) = self.rivals.get() {
            return Ok(rows.clone());
        }
        let stream = substream(!self.seed, SAMPLES);
        let row = |(name, rival): (&'static str, Rival)| {
            let distance = |k: usize, problem: &Problem| {
                problem.distance(&rival.law(problem, substream(stream, k as u64))?)
            };
            let means = self.means(distance)?;
            Ok(Row { name, means })
        };
        let rows: Vec<Row> = self
            .settings
            .data
            .rivals()
            .into_iter()
            .map(row)
            .collect::<anyhow::Result<_>>()?;
        Ok(self.rivals.get_or_init(|| rows).clone())
    }

    /// Mean and standard error over the problems of each noise.
    fn means(
        &self,
        distance: impl Fn(usize, &Problem) -> Result<f64, Error>,
    ) -> Result<Vec<[f64; 2]>, Error> {
        let each = self.problems.iter().enumerate();
        let all = each.map(|(k, problem)| distance(k, problem));
        let all: Vec<f64> = all.collect::<Result<_, _>>()?;
        let count = self.settings.data.problems;
        let of_noise = all.chunks_exact(count).map(|all| {
            let mean = all.iter().sum::<f64>() / count as f64;
            let square: f64 = all.iter().map(|d| (d - mean).powi(2)).sum();
            [mean, square.sqrt() / count as f64]
        });
        Ok(of_noise.collect())
    }

    fn table(&self, rows: &[Row]) -> String {
        let noises = &self.settings.data.noises;
        let mut table = String::from("| law |");
        let mut rule = String::from("\n|---|");
        for sd in noises {
            let _ = write!(table, " {sd}² |");
            rule.push_str("---|");
        }
        table.push_str(&rule);
        for Row { name, means } in rows {
            let _ = write!(table, "\n| {name} |");
            let paper = PAPER.iter().find(|(paper, _)| paper == name);
            for (sd, [mean, error]) in noises.iter().zip(means) {
                let _ = write!(table, " {mean:.3} ± {error:.3}");
                let column = PAPER_NOISES.iter().position(|paper| paper == sd);
                if let (Some((_, row)), Some(column)) = (paper, column) {
                    let _ = write!(table, " (paper {:.2})", row[column]);
                }
                table.push_str(" |");
            }
        }
        let samples = self.settings.data.samples;
        let _ = writeln!(
            table,
            "\n\nMean distances, ± standard error over {} problems; {samples} samples where a law is known by samples.",
            self.settings.data.problems
        );
        table
    }
}
