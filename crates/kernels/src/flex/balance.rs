//! The inner loops of Sinkhorn balancing, one matrix at a time: see [`crate::balance`] for what they compute.

use super::fold::{max, sum};
use super::isa::{Isa, Task, Vector, VectorTask};
use super::scalar;
use super::sweep::Sweep;

/// Rows that are taken together: one pass over the columns' numbers serves all of them.
pub(super) const TOGETHER: usize = 4;
/// Numbers in the largest register.
pub(super) const MOST_LANES: usize = 16;

pub(crate) fn gibbs(isa: Isa, scores: &[f32], f: &[f32], g: &[f32], out: &mut [f32]) {
    isa.run(Gibbs { scores, f, g, out });
}

pub(crate) fn sweep(
    isa: Isa,
    e: &[f32],
    v: &[f32],
    a: &[f32],
    idle: &[f32],
    u: &mut [f32],
    sums: &mut [f32],
) {
    let f = |i: usize, dot: f32| a[i] / (dot + idle[i]);
    isa.run_vectors(Sweep { e, v, f, u, sums });
}

pub(crate) fn reverse_sweep(
    isa: Isa,
    e: &[f32],
    x: &[f32],
    [u, slope, a]: [&[f32]; 3],
    w: &mut [f32],
    sums: &mut [f32],
) {
    let f = |i: usize, dot: f32| u[i] * (slope[i] - u[i] * dot) / a[i];
    isa.run_vectors(Sweep {
        e,
        v: x,
        f,
        u: w,
        sums,
    });
}

pub(crate) fn subtract_products(
    isa: Isa,
    e: &[f32],
    [left, right]: [&[f32]; 2],
    rows: usize,
    out: &mut [f32],
) {
    isa.run_vectors(SubtractProducts {
        e,
        left,
        right,
        rows,
        out,
    });
}

pub(crate) fn log_row_sums(isa: Isa, scores: &[f32], g: &[f32], out: &mut [f32]) {
    isa.run(LogRowSums { scores, g, out });
}

pub(crate) fn log_column_sums(isa: Isa, scores: &[f32], f: &[f32], out: &mut [f32]) {
    isa.run(LogColumnSums { scores, f, out });
}

pub(crate) fn scale(isa: Isa, e: &[f32], u: &[f32], v: &[f32], out: &mut [f32]) {
    isa.run(Scale { e, u, v, out });
}

struct Gibbs<'a> {
    scores: &'a [f32],
    f: &'a [f32],
    g: &'a [f32],
    out: &'a mut [f32],
}

impl Task for Gibbs<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let width = self.g.len();
        let rows = self.scores.chunks_exact(width).zip(self.f);
        for ((k, &f), out) in rows.zip(self.out.chunks_exact_mut(width)) {
            for ((&k, &g), out) in k.iter().zip(self.g).zip(out) {
                *out = scalar::exp_nonpositive::<FMA>(k + f + g);
            }
        }
    }
}

struct SubtractProducts<'a> {
    e: &'a [f32],
    left: &'a [f32],
    right: &'a [f32],
    rows: usize,
    out: &'a mut [f32],
}

impl VectorTask for SubtractProducts<'_> {
    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) {
        let rows = self.rows;
        let width = self.out.len() / rows;
        // Two registers of columns at a time; the right factor is padded to them.
        let panel = 2 * V::LANES;
        let depth = self.left.len() / rows;
        let mut right = vec![0.0; depth * panel];
        for start in (0..width).step_by(panel) {
            let columns = panel.min(width - start);
            let lines = self.right.chunks_exact(width);
            for (line, padded) in lines.zip(right.chunks_exact_mut(panel)) {
                padded[..columns].copy_from_slice(&line[start..start + columns]);
            }
            let mut block = Block::<V> {
                left: self.left,
                right: &right,
                rows,
                products: [0.0; TOGETHER * 2 * MOST_LANES],
                registers: core::marker::PhantomData,
            };
            let whole = rows / TOGETHER * TOGETHER;
            for i in 0..rows {
                if i >= whole {
                    block.multiply::<1>(i);
                } else if i % TOGETHER == 0 {
                    block.multiply::<TOGETHER>(i);
                }
                let place = if i >= whole { 0 } else { i % TOGETHER };
                let products = &block.products[place * panel..][..columns];
                let at = i * width + start..i * width + start + columns;
                let entries = self.out[at.clone()].iter_mut().zip(&self.e[at]);
                for ((out, &e), &p) in entries.zip(products) {
                    *out -= e * p;
                }
            }
        }
    }
}

/// Some rows times one panel of columns.
struct Block<'a, V> {
    left: &'a [f32],
    right: &'a [f32],
    rows: usize,
    products: [f32; TOGETHER * 2 * MOST_LANES],
    registers: core::marker::PhantomData<V>,
}

impl<V: Vector> Block<'_, V> {
    #[inline(always)]
    fn multiply<const K: usize>(&mut self, first: usize) {
        let panel = 2 * V::LANES;
        let mut sums = [[V::splat(0.0); 2]; K];
        let lines = self.left.chunks_exact(self.rows);
        for (left, right) in lines.zip(self.right.chunks_exact(panel)) {
            let right = [V::load(right), V::load(&right[V::LANES..])];
            for (sums, &left) in sums.iter_mut().zip(&left[first..first + K]) {
                let left = V::splat(left);
                sums[0] = V::mul_add(left, right[0], sums[0]);
                sums[1] = V::mul_add(left, right[1], sums[1]);
            }
        }
        for (sums, out) in sums.into_iter().zip(self.products.chunks_exact_mut(panel)) {
            sums[0].store(out);
            sums[1].store(&mut out[V::LANES..]);
        }
    }
}

struct LogRowSums<'a> {
    scores: &'a [f32],
    g: &'a [f32],
    out: &'a mut [f32],
}

impl Task for LogRowSums<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let width = self.g.len();
        let mut line = vec![0.0; width];
        for (k, out) in self.scores.chunks_exact(width).zip(self.out) {
            for ((line, &k), &g) in line.iter_mut().zip(k).zip(self.g) {
                *line = k + g;
            }
            let top = max(&line);
            for x in &mut line {
                *x = scalar::exp_nonpositive::<FMA>(*x - top);
            }
            *out = if top == f32::NEG_INFINITY {
                top
            } else {
                top + scalar::log::<FMA>(sum(&line))
            };
        }
    }
}

struct LogColumnSums<'a> {
    scores: &'a [f32],
    f: &'a [f32],
    out: &'a mut [f32],
}

impl Task for LogColumnSums<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let width = self.out.len();
        let mut top = vec![f32::NEG_INFINITY; width];
        for (k, &f) in self.scores.chunks_exact(width).zip(self.f) {
            for (top, &k) in top.iter_mut().zip(k) {
                let x = k + f;
                *top = if x > *top { x } else { *top };
            }
        }
        let out = self.out;
        out.fill(0.0);
        for (k, &f) in self.scores.chunks_exact(width).zip(self.f) {
            for ((out, &k), &top) in out.iter_mut().zip(k).zip(&top) {
                *out += scalar::exp_nonpositive::<FMA>(k + f - top);
            }
        }
        for (out, top) in out.iter_mut().zip(top) {
            *out = if top == f32::NEG_INFINITY {
                top
            } else {
                top + scalar::log::<FMA>(*out)
            };
        }
    }
}

struct Scale<'a> {
    e: &'a [f32],
    u: &'a [f32],
    v: &'a [f32],
    out: &'a mut [f32],
}

impl Task for Scale<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let width = self.v.len();
        let rows = self.e.chunks_exact(width).zip(self.u);
        for ((e, &u), out) in rows.zip(self.out.chunks_exact_mut(width)) {
            for ((&e, &v), out) in e.iter().zip(self.v).zip(out) {
                *out = u * e * v;
            }
        }
    }
}
