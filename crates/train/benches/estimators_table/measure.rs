//! What an estimator does where the gradient is known: bias, variance and time.

use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use unbiased_estimators::{
    Estimator, EstimatorConfig, EstimatorError, Noise, Objective, Program, Schema,
};

use crate::clock::cpu_seconds;

/// Estimates are gathered in so many blocks, whose differences say how sure a figure is.
const BLOCKS: usize = 10;
/// Most steps that tune an estimator that owns parameters, by Adam at rate 0.01, and CPU seconds after which there are no more.
const TUNE_STEPS: u64 = 500;
const TUNE_SECONDS: f64 = 5.0;
const TUNE_RATE: f64 = 0.01;
/// The step whose noise the first call sees; tuning has those before it.
const FIRST: u64 = 1 << 40;
/// CPU seconds that the time of a call is taken over.
const TIMED: f64 = 0.2;

/// A program, and how its gradients come out of a surrogate: independent estimates, one after the other.
pub(crate) struct Task<'a> {
    pub(crate) program: &'a dyn Program,
    pub(crate) gradients: &'a dyn Fn(&Tensor<1>) -> Vec<f32>,
    pub(crate) device: &'a Device,
    /// Calls of an estimator, and CPU seconds after which there are no more.
    pub(crate) calls: usize,
    pub(crate) seconds: f64,
    pub(crate) seed: u64,
}

/// What is estimated, and the squared length that the error of that is expected to have.
pub(crate) struct Truth {
    pub(crate) gradient: Vec<f64>,
    pub(crate) error: f64,
}

/// What there is to say about an estimator.
pub(crate) struct Figures {
    pub(crate) evaluations: f64,
    pub(crate) bias: Bias,
    /// ln of the variance of one estimate, summed over coordinates, and its standard error.
    pub(crate) ln_variance: [f64; 2],
    /// CPU time of an estimate.
    pub(crate) seconds: f64,
}

/// Length of the bias relative to that of the gradient.
#[derive(Clone, Copy)]
pub(crate) enum Bias {
    Seen(f64),
    Below(f64),
}

/// Sums over a block of estimates.
struct Block {
    n: f64,
    sum: Vec<f64>,
    squares: f64,
}

impl Block {
    fn new(width: usize) -> Self {
        Self {
            n: 0.0,
            sum: vec![0.0; width],
            squares: 0.0,
        }
    }

    fn take_in(&mut self, gradient: &[f32]) {
        self.n += 1.0;
        for (sum, &g) in self.sum.iter_mut().zip(gradient) {
            let g = f64::from(g);
            *sum += g;
            self.squares += g * g;
        }
    }

    fn mean(&self) -> Vec<f64> {
        self.sum.iter().map(|s| s / self.n).collect()
    }

    /// Of one estimate, summed over coordinates.
    fn variance(&self) -> f64 {
        let mean: f64 = self.sum.iter().map(|s| s * s / self.n).sum();
        (self.squares - mean) / (self.n - 1.0)
    }
}

/// Builds, tunes and freezes an estimator.
fn build(task: &Task<'_>, config: &EstimatorConfig) -> Result<Box<dyn Estimator>, EstimatorError> {
    let schema = Schema::of(task.program);
    let mut estimator = config.build(&schema, Objective::default(), task.device)?;
    if !estimator.owned().rules.is_empty() {
        let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
        let start = cpu_seconds();
        for step in 0..TUNE_STEPS {
            if cpu_seconds() - start > TUNE_SECONDS {
                break;
            }
            let estimate = estimator.estimate(task.program, &Noise::new(task.seed, step));
            // A tape that nobody follows back is kept, and slows down those after it.
            let Some(tuning) = estimate.tuning else {
                estimate.surrogate.backward();
                continue;
            };
            let owned = estimator.owned();
            let total = estimate.surrogate + tuning;
            let gradients = GradientsParams::from_grads(total.backward(), &owned);
            estimator.set_owned(adam.step(TUNE_RATE, owned, gradients));
        }
    }
    estimator.freeze();
    Ok(estimator)
}

/// Calls the estimator until its calls or its time are used up.
fn gather(task: &Task<'_>, estimator: &mut dyn Estimator, width: usize) -> Vec<Block> {
    let mut blocks: Vec<Block> = (0..BLOCKS).map(|_| Block::new(width)).collect();
    let start = cpu_seconds();
    for call in 0..task.calls {
        // Every block has two calls or more, and all have as many.
        if call >= 2 * BLOCKS && call % BLOCKS == 0 && cpu_seconds() - start > task.seconds {
            break;
        }
        let estimate =
            estimator.estimate(task.program, &Noise::new(task.seed, FIRST + call as u64));
        let gradients = (task.gradients)(&estimate.surrogate);
        for gradient in gradients.chunks(width) {
            blocks[call % BLOCKS].take_in(gradient);
        }
    }
    blocks
}

/// The mean of many estimates of an unbiased estimator.
pub(crate) fn average(task: &Task<'_>, name: &str, width: usize) -> Truth {
    let config = EstimatorConfig::named(name);
    let mut estimator = build(task, &config).expect("defined here");
    let blocks = gather(task, &mut *estimator, width);
    let n: f64 = blocks.iter().map(|block| block.n).sum();
    let mut gradient = vec![0.0; width];
    for block in &blocks {
        for (mean, sum) in gradient.iter_mut().zip(&block.sum) {
            *mean += sum / n;
        }
    }
    let variance: f64 = blocks.iter().map(Block::variance).sum::<f64>() / BLOCKS as f64;
    Truth {
        gradient,
        error: variance / n,
    }
}

/// Measures one estimator.
pub(crate) fn measure(
    task: &Task<'_>,
    config: &EstimatorConfig,
    truth: &Truth,
) -> Result<Figures, EstimatorError> {
    let mut estimator = build(task, config)?;
    let width = truth.gradient.len();
    let (mut calls, mut estimates) = (0, 0.0);
    let start = cpu_seconds();
    let (evaluations, seconds) = loop {
        let estimate = estimator.estimate(task.program, &Noise::new(task.seed, FIRST));
        estimates += ((task.gradients)(&estimate.surrogate).len() / width) as f64;
        calls += 1;
        let spent = cpu_seconds() - start;
        if calls >= 3 && spent > TIMED {
            break (estimate.report.evaluations, spent / estimates);
        }
    };
    let blocks = gather(task, &mut *estimator, width);
    let variances: Vec<f64> = blocks.iter().map(Block::variance).collect();
    let variance = variances.iter().sum::<f64>() / BLOCKS as f64;
    let apart: f64 = variances.iter().map(|v| (v - variance).powi(2)).sum();
    let error = (apart / ((BLOCKS - 1) * BLOCKS) as f64).sqrt();
    Ok(Figures {
        evaluations,
        bias: bias(&blocks, truth),
        ln_variance: [libm::log(variance), error / variance],
        seconds,
    })
}

/// The squared length of the bias is the mean product of the errors of two different blocks, less what the truth itself is off by; leaving out
/// one block after the other tells its standard error.
fn bias(blocks: &[Block], truth: &Truth) -> Bias {
    let errors = blocks.iter().map(|block| {
        let mean = block.mean();
        let pairs = mean.iter().zip(&truth.gradient);
        pairs.map(|(m, g)| m - g).collect::<Vec<f64>>()
    });
    let errors: Vec<Vec<f64>> = errors.collect();
    let square = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
    let mut total = vec![0.0; truth.gradient.len()];
    for error in &errors {
        total.iter_mut().zip(error).for_each(|(t, e)| *t += e);
    }
    let squares: Vec<f64> = errors.iter().map(|error| square(error)).collect();
    let (of_total, sum) = (square(&total), squares.iter().sum::<f64>());
    let b = blocks.len() as f64;
    let found = (of_total - sum) / (b * (b - 1.0)) - truth.error;
    let without = errors.iter().zip(&squares).map(|(error, own)| {
        let along: f64 = total.iter().zip(error).map(|(t, e)| t * e).sum();
        let of_rest = of_total - 2.0 * along + own;
        (of_rest - (sum - own)) / ((b - 1.0) * (b - 2.0))
    });
    let without: Vec<f64> = without.collect();
    let mean = without.iter().sum::<f64>() / b;
    let apart: f64 = without.iter().map(|x| (x - mean).powi(2)).sum();
    let error = (apart * (b - 1.0) / b).sqrt() + truth.error;
    let length = square(&truth.gradient).sqrt();
    // One in f32 is off by 1e-7; the rest of an estimate a few times that.
    if found > 5.0 * error + (1e-5 * length).powi(2) {
        Bias::Seen(found.sqrt() / length)
    } else {
        Bias::Below((found.max(0.0) + 2.0 * error).sqrt() / length)
    }
}
