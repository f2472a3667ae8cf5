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

/// From scores and Z = P∘∂l/∂P, which becomes the gradient towards the scores.
pub(super) type PullBack<T> = Box<dyn Fn(&[T], &mut [T]) + Send + Sync>;

/// A balanced batch; vectors of all matrices one after the other.
pub(super) struct Solved<T> {
    pub(super) plan: Vec<T>,
    pub(super) f: Vec<T>,
    pub(super) g: Vec<T>,
    pub(super) iterations: Vec<usize>,
    pub(super) errors: Vec<T>,
    pub(super) pull_back: PullBack<T>,
}

impl<T: Real> Solved<T> {
    /// Places for the results, and no gradient yet.
    pub(super) fn new(batch: usize, [n, m]: [usize; 2]) -> Self {
        Self {
            plan: vec![T::ZERO; batch * n * m],
            f: vec![T::ZERO; batch * n],
            g: vec![T::ZERO; batch * m],
            iterations: Vec::new(),
            errors: Vec::new(),
            pull_back: Box::new(|_, _| unreachable!("nothing was kept for a gradient")),
        }
    }
}

/// How many matrices a task has at least.
pub(super) fn least(batch: usize, [n, m]: [usize; 2], iterations: usize) -> usize {
    let each = n * m * iterations.max(1);
    if batch * each < PARALLEL_FROM {
        batch
    } else {
        (GRAIN / each).max(1)
    }
}

/// Balances `[batch, n, m]` scores from the columns' potentials `[batch, m]` on. Without `keep` nothing is kept for the gradient.
pub(super) fn solve<T: Real>(
    settings: &Sinkhorn,
    scores: &[T],
    dims: [usize; 2],
    start: Option<&[T]>,
    keep: bool,
) -> Solved<T> {
    let [n, m] = dims;
    let batch = scores.len() / (n * m);
    let mut solved = Solved::new(batch, dims);
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
        let (end, record) = balance(settings, &mut factors, keep);
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
    let mut records = Vec::new();
    for (iterations, error, record) in results {
        solved.iterations.push(iterations);
        solved.errors.push(error);
        records.extend(record);
    }
    if keep {
        solved.pull_back = pull_back(records, dims);
    }
    solved
}

fn balance<T: Real>(
    settings: &Sinkhorn,
    factors: &mut Factors<'_, T>,
    keep: bool,
) -> (End, Option<Record<T>>) {
    let mut trace = keep.then(Trace::new);
    let mut end = match (settings.gradient, settings.acceleration) {
        (SinkhornGradient::Truncated, _) => {
            let end = plain::iterate(factors, settings.stop, trace.as_mut());
            return (end, trace.map(Record::Sweeps));
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
        let last = plain::iterate(factors, Stop::After(1), trace.as_mut());
        end.iterations += last.iterations;
        end.error = last.error;
        return (end, trace.map(Record::Sweeps));
    }
    let limit = keep.then(|| Record::Limit {
        f: factors.f(),
        g: factors.g(),
    });
    (end, limit)
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

fn pull_back<T: Real>(records: Vec<Record<T>>, dims: [usize; 2]) -> PullBack<T> {
    let [n, m] = dims;
    let steps = records.iter().map(Record::steps).max().unwrap_or(1);
    Box::new(move |scores, z| {
        scores
            .par_chunks_exact(n * m)
            .zip(z.par_chunks_exact_mut(n * m))
            .zip(&records)
            .with_min_len(least(records.len(), dims, steps))
            .for_each(|((scores, z), record)| {
                let matrix = Matrix::new(scores, dims);
                if n == m {
                    return record.pull_back(&matrix, z);
                }
                let mut full = with_slack(z, dims).into_owned();
                record.pull_back(&matrix, &mut full);
                matrix.block(&full, z);
            });
    })
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
