//! Bias, variance and cost of estimators on one problem, against the exact gradient.
//!
//! One estimate is one row of a batch whose rows have logits of their own, so that a single call gives as many independent
//! estimates as it has rows. Moments are gathered in f64 chunk by chunk and merged (Chan et al., "Updating Formulae
//! and a Pairwise Algorithm for Computing Sample Variances", 1979).

use std::time::Instant;

use burn::{
    optim::{AdamConfig, GradientsParams},
    tensor::{DType, Device, Tensor},
};
use serde::Serialize;

use crate::{
    config::EstimatorConfig,
    error::EstimatorError,
    estimator::{Estimator, Objective},
    exact::Exact,
    names::ESTIMATORS,
    noise::Noise,
    problem::{Problem, ProblemBatch},
    trace::Schema,
};

/// Rows measured in one call: large enough to drown the price of a call, small enough for the caches.
const CHUNK: usize = 1 << 13;
/// Rows in a step of tuning.
const TUNE_ROWS: usize = 128;
/// Learning rate of tuning, with Adam.
const TUNE_RATE: f64 = 0.01;
/// Hidden units of a baseline network: a handful of parents has few states.
const HIDDEN: usize = 16;
/// The step whose noise the first chunk sees; tuning has those before it.
const FIRST_CHUNK: u64 = 1 << 40;

/// What a few operations in f32 may be off by.
const ROUNDING: f64 = 1e-6;

/// How estimators are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ComparisonSettings {
    /// Independent estimates per estimator, at least 2.
    pub draws: usize,
    /// Steps that tune the estimators which own parameters, by Adam at rate 0.01 on 128 estimates each.
    pub tune_steps: usize,
    /// Seed of the noise. All estimators see the same.
    pub seed: u64,
}

impl Default for ComparisonSettings {
    fn default() -> Self {
        Self {
            draws: 100_000,
            tune_steps: 500,
            seed: 0,
        }
    }
}

/// Every estimator on one problem.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Name of each coordinate of the vectors below.
    pub coordinates: Vec<String>,
    /// How it was measured.
    #[serde(flatten)]
    pub settings: ComparisonSettings,
    /// The truth.
    pub exact: Reference,
    /// One entry per estimator that is defined for the problem.
    pub estimators: Vec<Measurement>,
    /// The others.
    pub refused: Vec<Refusal>,
}

/// The exact objective and its gradient.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reference {
    /// The objective.
    pub value: f64,
    /// Its derivative by each logit.
    pub gradient: Vec<f64>,
}

/// What an estimator does on the problem. Vectors have one entry per coordinate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measurement {
    /// Name of the estimator.
    pub name: String,
    /// Independent samples in one estimate.
    pub k: usize,
    /// Whether its expectation differs from the gradient.
    pub biased: bool,
    /// Mean of the estimates.
    pub mean: Vec<f64>,
    /// Standard error of the mean.
    pub std_error: Vec<f64>,
    /// Variance of a single estimate.
    pub variance: Vec<f64>,
    /// Evaluations of the cost per estimate, exact or relaxed.
    pub evaluations: f64,
    /// Wall time of all estimates, without tuning.
    pub seconds: f64,
    /// Wall time of tuning.
    pub tune_seconds: f64,
}

/// An estimator that is not defined for the problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Name of the estimator.
    pub name: String,
    /// Why.
    pub reason: String,
}

impl Reference {
    /// Enumerates `problem`, in f64 where `device` has it.
    ///
    /// # Errors
    /// The reason why it cannot be enumerated.
    pub fn of(problem: &Problem, device: &Device) -> Result<Self, EstimatorError> {
        let dtype = if device.supports_dtype(DType::F64) {
            DType::F64
        } else {
            DType::F32
        };
        let mut exact = Exact::new(&schema(problem, device), problem.objective())?;
        let batch = problem.batch(1, device, dtype);
        let estimate = exact.estimate(&batch, &Noise::new(0, 0));
        let gradient = gradients(&batch, &estimate.surrogate);
        Ok(Self {
            value: numbers(estimate.cost)[0],
            gradient: gradient.concat(),
        })
    }
}

impl Measurement {
    /// Tunes, freezes and measures the estimator `config` on `problem`.
    ///
    /// # Errors
    /// The reason why the estimator is not defined there, or that an estimate was not finite.
    ///
    /// # Panics
    /// With fewer than 2 draws.
    pub fn of(
        problem: &Problem,
        config: &EstimatorConfig,
        settings: ComparisonSettings,
        device: &Device,
    ) -> Result<Self, EstimatorError> {
        assert!(
            settings.draws >= 2,
            "a variance needs at least 2 draws, got {}",
            settings.draws
        );
        let dtype = native(device);
        let schema = schema(problem, device);
        let device = device.clone().autodiff();
        let mut estimator = config.build(&schema, problem.objective(), &device)?;
        let start = Instant::now();
        tune(
            &mut *estimator,
            &problem.batch(TUNE_ROWS, &device, dtype),
            settings,
        );
        estimator.freeze();
        let tune_seconds = start.elapsed().as_secs_f64();

        let start = Instant::now();
        let mut moments = vec![Moments::default(); problem.coordinates().len()];
        let mut evaluations = 0.0;
        let mut batch = problem.batch(CHUNK.min(settings.draws), &device, dtype);
        let mut done = 0;
        for step in FIRST_CHUNK.. {
            let rows = CHUNK.min(settings.draws - done);
            if rows == 0 {
                break;
            }
            if rows < batch.logits()[0].dims()[0] {
                batch = problem.batch(rows, &device, dtype);
            }
            let estimate = estimator.estimate(&batch, &Noise::new(settings.seed, step));
            evaluations = estimate.report.evaluations;
            let mut coordinates = moments.iter_mut();
            for site in gradients(&batch, &estimate.surrogate) {
                let width = site.len() / rows;
                for (column, moments) in coordinates.by_ref().take(width).enumerate() {
                    let estimates = site.iter().skip(column).step_by(width);
                    // The surrogate is a mean over rows.
                    moments.merge(Moments::of(estimates.map(|g| g * rows as f64)));
                }
            }
            done += rows;
        }
        if moments
            .iter()
            .any(|m| !(m.mean.is_finite() && m.squares.is_finite()))
        {
            return Err(EstimatorError::NotFinite {
                estimator: config.name.clone(),
            });
        }
        let n = settings.draws as f64;
        let variance: Vec<f64> = moments.iter().map(|m| m.squares / (n - 1.0)).collect();
        Ok(Self {
            name: config.name.clone(),
            k: match problem.objective() {
                Objective::LogMeanWeight { k } => k,
                Objective::Expected { .. }
                    if ["rloo", "double-cv"].contains(&config.name.as_str()) =>
                {
                    config.samples
                }
                Objective::Expected { .. } => 1,
            },
            biased: estimator.is_biased(),
            mean: moments.iter().map(|m| m.mean).collect(),
            std_error: variance.iter().map(|v| (v / n).sqrt()).collect(),
            variance,
            evaluations,
            seconds: start.elapsed().as_secs_f64(),
            tune_seconds,
        })
    }
}

impl Measurement {
    /// The variance of a single estimate, summed over the coordinates.
    #[must_use]
    pub fn total_variance(&self) -> f64 {
        self.variance.iter().sum()
    }

    /// Mean minus exact gradient in standard errors, per coordinate. An error below the rounding of f32 counts as that.
    #[must_use]
    pub fn bias_in_errors(&self, exact: &Reference) -> Vec<f64> {
        let coordinates = self.mean.iter().zip(&self.std_error).zip(&exact.gradient);
        coordinates
            .map(|((mean, error), truth)| {
                (mean - truth) / error.max(ROUNDING * (1.0 + truth.abs()))
            })
            .collect()
    }
}

/// Compares the estimators `names` on `problem`, or all if there are none; `before` hears of each before its turn.
///
/// # Errors
/// An unknown name, a problem that cannot be enumerated, or an estimate that was not finite. An estimator that is not
/// defined for the problem is no error but a [`Refusal`].
pub fn compare(
    problem: &Problem,
    names: &[String],
    settings: ComparisonSettings,
    device: &Device,
    mut before: impl FnMut(&str),
) -> Result<Comparison, EstimatorError> {
    let all = || {
        ESTIMATORS
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .filter(|name| name != "exact")
    };
    let names = if names.is_empty() {
        all().collect()
    } else {
        names.to_vec()
    };
    for name in &names {
        EstimatorConfig::named(name).validate()?;
    }
    let mut comparison = Comparison {
        coordinates: problem.coordinates(),
        settings,
        exact: Reference::of(problem, device)?,
        estimators: Vec::new(),
        refused: Vec::new(),
    };
    for name in names {
        before(&name);
        if name == "exact" {
            comparison.refused.push(Refusal {
                name,
                reason: "it is what the others are compared with".into(),
            });
            continue;
        }
        let config = EstimatorConfig {
            hidden: HIDDEN,
            ..EstimatorConfig::named(&name)
        };
        match Measurement::of(problem, &config, settings, device) {
            Ok(measurement) => comparison.estimators.push(measurement),
            Err(EstimatorError::Undefined { what, reason, .. }) => {
                comparison.refused.push(Refusal {
                    name,
                    reason: format!("{what}: {reason}"),
                });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(comparison)
}

/// The precision in which models are trained on `device`.
fn native(device: &Device) -> DType {
    device.settings().float_dtype.into()
}

fn schema(problem: &Problem, device: &Device) -> Schema {
    Schema::of(&problem.batch(1, device, native(device)))
}

/// Trains what the estimator owns, at fixed logits.
fn tune(estimator: &mut dyn Estimator, batch: &ProblemBatch<'_>, settings: ComparisonSettings) {
    if estimator.owned().rules.is_empty() {
        return;
    }
    let batch = batch.without_gradients();
    let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
    for step in 0..settings.tune_steps {
        let estimate = estimator.estimate(&batch, &Noise::new(settings.seed, step as u64));
        if let Some(tuning) = estimate.tuning {
            let owned = estimator.owned();
            let gradients = GradientsParams::from_grads(tuning.backward(), &owned);
            estimator.set_owned(adam.step(TUNE_RATE, owned, gradients));
        }
    }
}

/// The gradient of `surrogate` at the logits of each site, row-major.
fn gradients(batch: &ProblemBatch<'_>, surrogate: &Tensor<1>) -> Vec<Vec<f64>> {
    let gradients = surrogate.backward();
    let of_site = |logits: &Tensor<2>| match logits.grad(&gradients) {
        Some(gradient) => numbers(gradient),
        None => vec![0.0; logits.dims().iter().product()],
    };
    batch.logits().iter().map(of_site).collect()
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// Mean and sum of squared deviations of a stream of numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Moments {
    n: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// In two passes.
    fn of(x: impl Iterator<Item = f64> + Clone) -> Self {
        let (n, sum) = x.clone().fold((0.0, 0.0), |(n, sum), x| (n + 1.0, sum + x));
        let mean = sum / n;
        Self {
            n,
            mean,
            squares: x.map(|x| (x - mean) * (x - mean)).sum(),
        }
    }

    fn merge(&mut self, other: Self) {
        let n = self.n + other.n;
        let apart = other.mean - self.mean;
        self.mean += apart * other.n / n;
        self.squares += other.squares + apart * apart * self.n * other.n / n;
        self.n = n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_moments_equal_those_of_the_whole() {
        // 1, 3, 2, 6: mean 3, squares 4 + 0 + 1 + 9 = 14.
        let x = [1.0, 3.0, 2.0, 6.0];
        let mut moments = Moments::default();
        moments.merge(Moments::of(x[..2].iter().copied()));
        moments.merge(Moments::of(x[2..].iter().copied()));
        assert_eq!(
            moments,
            Moments {
                n: 4.0,
                mean: 3.0,
                squares: 14.0
            }
        );
    }
}
