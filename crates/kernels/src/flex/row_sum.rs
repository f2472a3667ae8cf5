//! Sums over the columns of an element-wise function of two matrices, and their gradients:
//! `out[i] = Σ_j f(a[i, j], b[i, j])`, where `b` may have a single row that serves every `i`.

use super::isa::{Isa, Task};
use super::{GRAIN, PARALLEL_FROM, scalar};
use core::marker::PhantomData;
use rayon::prelude::*;

/// Which function is summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowSum {
    /// `a` are logits, `b` targets.
    BernoulliLogLik,
    /// `a` are the logits of q, `b` those of p.
    BernoulliKl,
}

/// `out[i] = Σ_j f(a[i, j], b[i, j])`.
pub(super) fn sums(isa: Isa, row_sum: RowSum, a: &[f32], b: &[f32], out: &mut [f32]) {
    match row_sum {
        RowSum::BernoulliLogLik => sums_of::<LogLik>(isa, a, b, out),
        RowSum::BernoulliKl => sums_of::<Kl>(isa, a, b, out),
    }
}

/// `da[i, j] = g[i]·∂f/∂a`; `da` holds zeros on entry.
pub(super) fn gradient_a(
    isa: Isa,
    row_sum: RowSum,
    a: &[f32],
    b: &[f32],
    g: &[f32],
    da: &mut [f32],
) {
    match row_sum {
        RowSum::BernoulliLogLik => gradient_a_of::<LogLik>(isa, a, b, g, da),
        RowSum::BernoulliKl => gradient_a_of::<Kl>(isa, a, b, g, da),
    }
}

/// `db[i, j] = g[i]·∂f/∂b`, summed over `i` where `b` has a single row; `db` holds zeros on entry.
pub(super) fn gradient_b(
    isa: Isa,
    row_sum: RowSum,
    a: &[f32],
    b: &[f32],
    g: &[f32],
    db: &mut [f32],
) {
    match row_sum {
        RowSum::BernoulliLogLik => gradient_b_of::<LogLik>(isa, a, b, g, db),
        RowSum::BernoulliKl => gradient_b_of::<Kl>(isa, a, b, g, db),
    }
}

trait Function: Send + Sync {
    fn value<const FMA: bool>(a: f32, b: f32) -> f32;
    fn slope_a<const FMA: bool>(a: f32, b: f32) -> f32;
    fn slope_b<const FMA: bool>(a: f32, b: f32) -> f32;
}

struct LogLik;
impl Function for LogLik {
    #[inline(always)]
    fn value<const FMA: bool>(logit: f32, target: f32) -> f32 {
        target * logit - scalar::softplus::<FMA>(logit)
    }
    #[inline(always)]
    fn slope_a<const FMA: bool>(logit: f32, target: f32) -> f32 {
        target - scalar::sigmoid::<FMA>(logit)
    }
    #[inline(always)]
    fn slope_b<const FMA: bool>(logit: f32, _target: f32) -> f32 {
        logit
    }
}

struct Kl;
impl Function for Kl {
    #[inline(always)]
    fn value<const FMA: bool>(q: f32, p: f32) -> f32 {
        scalar::bernoulli_kl::<FMA>(q, p)
    }
    #[inline(always)]
    fn slope_a<const FMA: bool>(q: f32, p: f32) -> f32 {
        scalar::bernoulli_kl_slope_q::<FMA>(q, p)
    }
    #[inline(always)]
    fn slope_b<const FMA: bool>(q: f32, p: f32) -> f32 {
        scalar::bernoulli_kl_slope_p::<FMA>(q, p)
    }
}

/// Rows per parallel task. It depends on the sizes alone, so that results do not depend on the number of threads.
fn rows_per_task(width: usize) -> usize {
    (GRAIN / width).max(1)
}

/// The rows of `b` that belong to the rows of `a` from `start`: all of `b` where it is a single row.
fn rows_of(b: &[f32], width: usize, start: usize, rows: usize) -> &[f32] {
    if b.len() == width {
        b
    } else {
        &b[start * width..(start + rows) * width]
    }
}

fn sums_of<F: Function>(isa: Isa, a: &[f32], b: &[f32], out: &mut [f32]) {
    let width = a.len() / out.len();
    if a.len() < PARALLEL_FROM {
        return isa.run(Sums::<F> {
            a,
            b,
            out,
            f: PhantomData,
        });
    }
    let rows = rows_per_task(width);
    out.par_chunks_mut(rows)
        .zip(a.par_chunks(rows * width))
        .enumerate()
        .for_each(|(task, (out, a))| {
            let b = rows_of(b, width, task * rows, out.len());
            isa.run(Sums::<F> {
                a,
                b,
                out,
                f: PhantomData,
            });
        });
}

fn gradient_a_of<F: Function>(isa: Isa, a: &[f32], b: &[f32], g: &[f32], da: &mut [f32]) {
    let width = a.len() / g.len();
    if a.len() < PARALLEL_FROM {
        return isa.run(GradientA::<F> {
            a,
            b,
            g,
            da,
            f: PhantomData,
        });
    }
    let rows = rows_per_task(width);
    da.par_chunks_mut(rows * width)
        .zip(a.par_chunks(rows * width))
        .zip(g.par_chunks(rows))
        .enumerate()
        .for_each(|(task, ((da, a), g))| {
            let b = rows_of(b, width, task * rows, g.len());
            isa.run(GradientA::<F> {
                a,
                b,
                g,
                da,
                f: PhantomData,
            });
        });
}

fn gradient_b_of<F: Function>(isa: Isa, a: &[f32], b: &[f32], g: &[f32], db: &mut [f32]) {
    let width = a.len() / g.len();
    if a.len() < PARALLEL_FROM {
        return isa.run(GradientB::<F> {
            a,
            b,
            g,
            db,
            f: PhantomData,
        });
    }
    let rows = rows_per_task(width);
    let tasks = a
        .par_chunks(rows * width)
        .zip(g.par_chunks(rows))
        .enumerate();
    if b.len() == width {
        // Every task writes to the same row: one partial row each, added in order.
        let partial: Vec<Vec<f32>> = tasks
            .map(|(_, (a, g))| {
                let mut db = vec![0.0; width];
                isa.run(GradientB::<F> {
                    a,
                    b,
                    g,
                    db: &mut db,
                    f: PhantomData,
                });
                db
            })
            .collect();
        for row in partial {
            for (sum, part) in db.iter_mut().zip(row) {
                *sum += part;
            }
        }
    } else {
        tasks
            .zip(db.par_chunks_mut(rows * width))
            .for_each(|((task, (a, g)), db)| {
                let b = rows_of(b, width, task * rows, g.len());
                isa.run(GradientB::<F> {
                    a,
                    b,
                    g,
                    db,
                    f: PhantomData,
                });
            });
    }
}

struct Sums<'a, F> {
    a: &'a [f32],
    b: &'a [f32],
    out: &'a mut [f32],
    f: PhantomData<F>,
}

impl<F: Function> Task for Sums<'_, F> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let width = self.a.len() / self.out.len();
        for (row, (a, out)) in self.a.chunks_exact(width).zip(self.out).enumerate() {
            let b = &self.b[(row * width) % self.b.len()..][..width];
            *out = row_sum::<F, FMA>(a, b);
        }
    }
}

/// `Σ_j f(a[j], b[j])`, in `LANES` interleaved sums that are then added pairwise. A reduction into one number would not vectorise.
#[inline(always)]
fn row_sum<F: Function, const FMA: bool>(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 64;
    let mut sums = [0.0; LANES];
    for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum += F::value::<FMA>(a, b);
        }
    }
    let mut half = LANES / 2;
    while half > 0 {
        let (low, high) = sums.split_at_mut(half);
        for (low, high) in low.iter_mut().zip(high) {
            *low += *high;
        }
        half /= 2;
    }
    sums[0]
}

struct GradientA<'a, F> {
    a: &'a [f32],
    b: &'a [f32],
    g: &'a [f32],
    da: &'a mut [f32],
    f: PhantomData<F>,
}

impl<F: Function> Task for GradientA<'_, F> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let width = self.a.len() / self.g.len();
        let rows = self
            .a
            .chunks_exact(width)
            .zip(self.g)
            .zip(self.da.chunks_exact_mut(width));
        for (row, ((a, &g), da)) in rows.enumerate() {
            let b = &self.b[(row * width) % self.b.len()..][..width];
            for ((da, &a), &b) in da.iter_mut().zip(a).zip(b) {
                *da = g * F::slope_a::<FMA>(a, b);
            }
        }
    }
}

struct GradientB<'a, F> {
    a: &'a [f32],
    b: &'a [f32],
    g: &'a [f32],
    db: &'a mut [f32],
    f: PhantomData<F>,
}

impl<F: Function> Task for GradientB<'_, F> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let width = self.a.len() / self.g.len();
        for (row, (a, &g)) in self.a.chunks_exact(width).zip(self.g).enumerate() {
            let start = (row * width) % self.b.len();
            let b = &self.b[start..][..width];
            let db = &mut self.db[start..][..width];
            for ((db, &a), &b) in db.iter_mut().zip(a).zip(b) {
                *db += g * F::slope_b::<FMA>(a, b);
            }
        }
    }
}
