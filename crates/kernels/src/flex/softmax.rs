//! Softmax, its logarithm and the logarithm of its normaliser over the last axis, and the categorical log-likelihood.
//!
//! Rows are taken in blocks that stay in the cache: the maxima are subtracted row by row, the exponentials of the whole block are one loop
//! (so that rows of ten classes vectorise, too), and the sums are row by row again.

use super::fold::{dot, fold, max, sum};
use super::isa::{Isa, Task};
use super::{GRAIN, PARALLEL_FROM, scalar};
use rayon::prelude::*;

/// Elements per block of rows.
const BLOCK: usize = 2048;

/// Which function of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowMap {
    Softmax,
    LogSoftmax,
}

impl RowMap {
    /// Elements per block of whole rows, and memory for their exponentials where these are not the result.
    #[inline(always)]
    fn block(self, width: usize) -> (usize, Vec<f32>) {
        let block = (BLOCK / width).max(1) * width;
        match self {
            Self::Softmax => (block, Vec::new()),
            Self::LogSoftmax => (block, vec![0.0; block]),
        }
    }
}

/// Rows per parallel task, or none where one thread should do it all (a pool that is asked for one task still wakes a thread). The split
/// depends on the sizes alone.
fn rows_per_task(count: usize, width: usize) -> Option<usize> {
    (count * width >= PARALLEL_FROM).then(|| (GRAIN / width).max(1))
}

/// y ← f(x), row by row.
pub(super) fn apply(isa: Isa, map: RowMap, width: usize, x: &[f32], y: &mut [f32]) {
    let run = |(x, y)| isa.run(Apply { map, width, x, y });
    match rows_per_task(y.len() / width, width) {
        None => run((x, y)),
        Some(rows) => x
            .par_chunks(rows * width)
            .zip(y.par_chunks_mut(rows * width))
            .for_each(run),
    }
}

/// g ← (∂f/∂x)ᵀ·g, row by row, from the output.
pub(super) fn pull_back(isa: Isa, map: RowMap, width: usize, y: &[f32], g: &mut [f32]) {
    let run = |(y, g)| isa.run(PullBack { map, width, y, g });
    match rows_per_task(g.len() / width, width) {
        None => run((y, g)),
        Some(rows) => y
            .par_chunks(rows * width)
            .zip(g.par_chunks_mut(rows * width))
            .for_each(run),
    }
}

/// `out[i] = ln Σ_j exp x[i, j]`.
pub(super) fn log_sums(isa: Isa, width: usize, x: &[f32], out: &mut [f32]) {
    let run = |(x, out)| isa.run(LogSums { width, x, out });
    match rows_per_task(out.len(), width) {
        None => run((x, out)),
        Some(rows) => x
            .par_chunks(rows * width)
            .zip(out.par_chunks_mut(rows))
            .for_each(run),
    }
}

/// `dx[i, j] = g[i]·(t[i, j] − s[i]·exp(x[i, j] − log_sum[i]))`, the gradient of `Σ_j t_j x_j − s·ln Σ_j exp x_j`.
/// Without targets t = 0 and s = −1, the gradient of the log-sum itself.
pub(super) fn gradient(
    isa: Isa,
    width: usize,
    x: &[f32],
    log_sum: &[f32],
    targets: Option<&[f32]>,
    g: &[f32],
    dx: &mut [f32],
) {
    let run = |first: usize, (((x, log_sum), g), dx): (((_, _), _), _)| {
        isa.run(LogSumGradient {
            width,
            x,
            log_sum,
            targets,
            first,
            g,
            dx,
        });
    };
    match rows_per_task(g.len(), width) {
        None => run(0, (((x, log_sum), g), dx)),
        Some(rows) => x
            .par_chunks(rows * width)
            .zip(log_sum.par_chunks(rows))
            .zip(g.par_chunks(rows))
            .zip(dx.par_chunks_mut(rows * width))
            .enumerate()
            .for_each(|(task, parts)| run(task * rows, parts)),
    }
}

/// `out[i] = Σ_j t[i, j]·(x[i, j] − log_sum[i])`.
pub(super) fn weighted(
    isa: Isa,
    width: usize,
    x: &[f32],
    targets: &[f32],
    log_sum: &[f32],
    out: &mut [f32],
) {
    isa.run(Weighted {
        width,
        x,
        targets,
        log_sum,
        out,
    });
}

#[inline(always)]
fn exps<const FMA: bool>(x: &mut [f32]) {
    for x in x {
        *x = scalar::exp_nonpositive::<FMA>(*x);
    }
}

struct Apply<'a> {
    map: RowMap,
    width: usize,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Task for Apply<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let width = self.width;
        let (block, mut scratch) = self.map.block(width);
        for (x, y) in self.x.chunks(block).zip(self.y.chunks_mut(block)) {
            for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
                let max = max(x);
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = x - max;
                }
            }
            match self.map {
                RowMap::Softmax => {
                    exps::<FMA>(y);
                    for y in y.chunks_exact_mut(width) {
                        let scale = 1.0 / sum(y);
                        for y in y {
                            *y *= scale;
                        }
                    }
                }
                RowMap::LogSoftmax => {
                    let e = &mut scratch[..y.len()];
                    e.copy_from_slice(y);
                    exps::<FMA>(e);
                    for (y, e) in y.chunks_exact_mut(width).zip(e.chunks_exact(width)) {
                        let log = scalar::log::<FMA>(sum(e));
                        for y in y {
                            *y -= log;
                        }
                    }
                }
            }
        }
    }
}

struct PullBack<'a> {
    map: RowMap,
    width: usize,
    y: &'a [f32],
    g: &'a mut [f32],
}

impl Task for PullBack<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let width = self.width;
        let (block, mut scratch) = self.map.block(width);
        for (y, g) in self.y.chunks(block).zip(self.g.chunks_mut(block)) {
            match self.map {
                RowMap::Softmax => {
                    for (y, g) in y.chunks_exact(width).zip(g.chunks_exact_mut(width)) {
                        let mean = dot(y, g);
                        for (g, &y) in g.iter_mut().zip(y) {
                            *g = y * (*g - mean);
                        }
                    }
                }
                RowMap::LogSoftmax => {
                    let e = &mut scratch[..y.len()];
                    e.copy_from_slice(y);
                    exps::<FMA>(e);
                    for (e, g) in e.chunks_exact(width).zip(g.chunks_exact_mut(width)) {
                        let sum = sum(g);
                        for (g, &e) in g.iter_mut().zip(e) {
                            *g -= sum * e;
                        }
                    }
                }
            }
        }
    }
}

struct LogSums<'a> {
    width: usize,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl Task for LogSums<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let width = self.width;
        let rows = (BLOCK / width).max(1);
        let mut scratch = vec![0.0; rows * width];
        let mut logs = vec![0.0; rows];
        for (x, out) in self.x.chunks(rows * width).zip(self.out.chunks_mut(rows)) {
            let e = &mut scratch[..x.len()];
            let logs = &mut logs[..out.len()];
            let each = x.chunks_exact(width).zip(e.chunks_exact_mut(width));
            for ((x, e), out) in each.zip(out.iter_mut()) {
                *out = max(x);
                for (e, &x) in e.iter_mut().zip(x) {
                    *e = x - *out;
                }
            }
            exps::<FMA>(e);
            for (e, log) in e.chunks_exact(width).zip(logs.iter_mut()) {
                *log = sum(e);
            }
            for log in logs.iter_mut() {
                *log = scalar::log::<FMA>(*log);
            }
            for ((x, log), out) in x.chunks_exact(width).zip(logs).zip(out) {
                if out.is_finite() {
                    *out += *log;
                } else if x.iter().any(|x| x.is_nan()) {
                    // Else the exponents were ∞ − ∞, and the limit is the maximum.
                    *out = f32::NAN;
                }
            }
        }
    }
}

struct LogSumGradient<'a> {
    width: usize,
    x: &'a [f32],
    log_sum: &'a [f32],
    /// Of all rows, or a single row that serves all.
    targets: Option<&'a [f32]>,
    /// The number of the first row.
    first: usize,
    g: &'a [f32],
    dx: &'a mut [f32],
}

impl Task for LogSumGradient<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let width = self.width;
        let rows = (BLOCK / width).max(1);
        let blocks = self
            .x
            .chunks(rows * width)
            .zip(self.dx.chunks_mut(rows * width))
            .zip(self.log_sum.chunks(rows).zip(self.g.chunks(rows)));
        for (block, ((x, dx), (log_sum, g))) in blocks.enumerate() {
            let each = x.chunks_exact(width).zip(dx.chunks_exact_mut(width));
            for ((x, dx), log_sum) in each.zip(log_sum) {
                for (dx, &x) in dx.iter_mut().zip(x) {
                    *dx = x - log_sum;
                }
            }
            exps::<FMA>(dx);
            for (row, (dx, &g)) in dx.chunks_exact_mut(width).zip(g).enumerate() {
                if let Some(targets) = self.targets {
                    let start = (self.first + block * rows + row) * width;
                    let t = &targets[start % targets.len()..][..width];
                    let total = sum(t);
                    for (dx, &t) in dx.iter_mut().zip(t) {
                        *dx = g * (t - total * *dx);
                    }
                } else {
                    for dx in dx {
                        *dx *= g;
                    }
                }
            }
        }
    }
}

struct Weighted<'a> {
    width: usize,
    x: &'a [f32],
    targets: &'a [f32],
    log_sum: &'a [f32],
    out: &'a mut [f32],
}

impl Task for Weighted<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let rows = self.x.chunks_exact(self.width).zip(self.log_sum);
        for (row, ((x, &log_sum), out)) in rows.zip(self.out).enumerate() {
            let t = &self.targets[(row * self.width) % self.targets.len()..][..self.width];
            // Term by term: large logits cancel here, and not in the sum.
            *out = fold(x, t, 0.0, |x, t| t * (x - log_sum), |a, b| a + b);
        }
    }
}
