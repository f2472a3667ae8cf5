//! A batch on the host: every matrix by itself, so that none depends on the others or on the number of threads.

use super::matrix::{Factors, Matrix, with_slack};
use super::plain::{self, End, Trace};
use super::real::Real;
use super::{Acceleration, Sinkhorn, SinkhornGradient, Stop};
use super::{accelerated, gradient, implicit};
use rayon::prelude::*;

/// Matrix entries times iterations from which on the batch is split over threads.
const PARALLEL_FROM: usize = 1 << 18;
/// Entries times iterations per task, at least.
const GRAIN: usize = 1 << 16;
/// Scores are scaled down to this range at first, where potentials are searched from high temperatures on.
const FIRST_RANGE: f64 = 10.0;
/// The temperature falls by this factor, and at each is balanced to this error, with so many iterations at most.
const COOLING: f64 = 0.5;
const COOLING_TOLERANCE: f64 = 0.05;
const COOLING_AT_MOST: usize = 100;

/// What the gradient needs of one matrix.
#[derive(Clone, Debug)]
enum Record<T> {
    Sweeps(Trace<T>),
    Limit { f: Vec<T>, g: Vec<T> },
}

/// A balanced batch; vectors of all matrices one after the other.
pub(super) struct Solved<T> {
    pub(super) plan: Vec<T>,
    pub(super) f: Vec<T>,
    pub(super) g: Vec<T>,
    pub(super) iterations: Vec<usize>,
    pub(super) errors: Vec<T>,
    records: Vec<Record<T>>,
}

/// How many matrices a task has at least.
fn least(batch: usize, [n, m]: [usize; 2], iterations: usize) -> usize {
    let each = n * m * iterations.max(1);
    if batch * each < PARALLEL_FROM {
        batch
    } else {
        (GRAIN / each).max(1)
    }
}

/// Balances `[batch, n, m]` scores from the columns' potentials `[batch, m]` on.
pub(super) fn solve<T: Real>(
    settings: &Sinkhorn,
    scores: &[T],
    dims: [usize; 2],
    start: Option<&[T]>,
) -> Solved<T> {
    let [n, m] = dims;
    let batch = scores.len() / (n * m);
    let mut solved = Solved {
        plan: vec![T::ZERO; batch * n * m],
        f: vec![T::ZERO; batch * n],
        g: vec![T::ZERO; batch * m],
        iterations: Vec::new(),
        errors: Vec::new(),
        records: Vec::new(),
    };
    let places = scores
        .par_chunks_exact(n * m)
        .zip(solved.plan.par_chunks_exact_mut(n * m))
        .zip(solved.f.par_chunks_exact_mut(n))
        .zip(solved.g.par_chunks_exact_mut(m))
        .enumerate()
        .with_min_len(least(batch, dims, settings.stop.typical()));
    let results = places.map(|(i, (((scores, plan), f), g))| {
        let matrix = Matrix::new(scores, dims);
        let mut start = start.map_or(vec![T::ZERO; m], |start| start[i * m..][..m].to_vec());
        start.resize(matrix.columns(), T::ZERO);
        let mut spent = 0;
        if settings.epsilon_scaling {
            (start, spent) = cool(settings, &matrix, start);
        }
        let mut factors = Factors::new(&matrix, start);
        let (end, record) = balance(settings, &mut factors);
        if n == m {
            T::scale(&factors.e, &factors.u, &factors.v, plan);
        } else {
            let mut full = vec![T::ZERO; factors.e.len()];
            T::scale(&factors.e, &factors.u, &factors.v, &mut full);
            matrix.block(&full, plan);
        }
        f.copy_from_slice(&factors.f()[..n]);
        g.copy_from_slice(&factors.g()[..m]);
        (spent + end.iterations, T::from_f64(end.error), record)
    });
    let results: Vec<_> = results.collect();
    for (iterations, error, record) in results {
        solved.iterations.push(iterations);
        solved.errors.push(error);
        solved.records.push(record);
    }
    solved
}

fn balance<T: Real>(settings: &Sinkhorn, factors: &mut Factors<'_, T>) -> (End, Record<T>) {
    let mut trace = Trace::new();
    let mut end = match (settings.gradient, settings.acceleration) {
        (SinkhornGradient::Truncated, _) => {
            let end = plain::iterate(factors, settings.stop, Some(&mut trace));
            return (end, Record::Sweeps(trace));
        }
        (SinkhornGradient::LastStep, None) => {
            plain::iterate(factors, settings.stop.but_one(), None)
        }
        (_, method) => search(factors, settings.stop, method),
    };
    if settings.gradient == SinkhornGradient::LastStep {
        // A trace begins where the columns' factors are 1.
        let (f, g) = (factors.f(), factors.g());
        factors.absorb(f, g);
        let last = plain::iterate(factors, Stop::After(1), Some(&mut trace));
        end.iterations += last.iterations;
        end.error = last.error;
        return (end, Record::Sweeps(trace));
    }
    let (f, g) = (factors.f(), factors.g());
    (end, Record::Limit { f, g })
}

fn search<T: Real>(factors: &mut Factors<'_, T>, stop: Stop, method: Option<Acceleration>) -> End {
    let (tolerance, at_most) = match stop {
        Stop::After(iterations) => (0.0, iterations),
        Stop::Within { tolerance, at_most } => (tolerance, at_most),
    };
    match method {
        None => plain::iterate(factors, stop, None),
        Some(Acceleration::OverRelaxation) => {
            let mut method = accelerated::Relaxation::new();
            accelerated::iterate(factors, tolerance, at_most, &mut method)
        }
        Some(Acceleration::Anderson { memory }) => {
            let mut method = accelerated::Anderson::new(memory);
            accelerated::iterate(factors, tolerance, at_most, &mut method)
        }
    }
}

/// Potentials of the columns from solving at higher temperatures first, and the iterations that took.
fn cool<T: Real>(settings: &Sinkhorn, matrix: &Matrix<'_, T>, start: Vec<T>) -> (Vec<T>, usize) {
    let finite = || {
        let scores = matrix.scores.iter().map(|k| k.into_f64());
        scores.filter(|k| k.is_finite())
    };
    let range = finite().fold(f64::NEG_INFINITY, f64::max) - finite().fold(f64::INFINITY, f64::min);
    let mut scale = (FIRST_RANGE / range).min(1.0);
    let mut g: Vec<T> = start;
    for g in &mut g {
        *g = *g * T::from_f64(scale);
    }
    let mut spent = 0;
    while scale < 1.0 {
        let warmer = matrix.scaled(T::from_f64(scale));
        let mut factors = Factors::new(&warmer, g);
        let stop = Stop::Within {
            tolerance: COOLING_TOLERANCE,
            at_most: COOLING_AT_MOST,
        };
        spent += search(&mut factors, stop, settings.acceleration).iterations;
        let next = (scale / COOLING).min(1.0);
        g = factors.g();
        for g in &mut g {
            *g = *g * T::from_f64(next / scale);
        }
        scale = next;
    }
    (g, spent)
}

impl<T: Real> Solved<T> {
    /// A function from Z = P∘∂l/∂P to the gradient towards the scores, which it is given once more.
    pub(super) fn pull_back(
        &mut self,
        dims: [usize; 2],
    ) -> impl Fn(&[T], &mut [T]) + Send + Sync + use<T> {
        let records = core::mem::take(&mut self.records);
        let [n, m] = dims;
        move |scores, z| {
            let batch = records.len();
            let steps = records.iter().map(Record::steps).max().unwrap_or(1);
            scores
                .par_chunks_exact(n * m)
                .zip(z.par_chunks_exact_mut(n * m))
                .zip(&records)
                .with_min_len(least(batch, dims, steps))
                .for_each(|((scores, z), record)| {
                    let matrix = Matrix::new(scores, dims);
                    if n == m {
                        return record.pull_back(&matrix, z);
                    }
                    let mut full = with_slack(z, dims).into_owned();
                    record.pull_back(&matrix, &mut full);
                    matrix.block(&full, z);
                });
        }
    }
}

impl<T: Real> Record<T> {
    fn steps(&self) -> usize {
        match self {
            Self::Sweeps(trace) => trace.len(),
            Self::Limit { .. } => 10,
        }
    }

    fn pull_back(&self, matrix: &Matrix<'_, T>, z: &mut [T]) {
        match self {
            Self::Sweeps(trace) => gradient::pull_back(matrix, trace, z),
            Self::Limit { f, g } => implicit::pull_back(matrix, f, g, z),
        }
    }
}
