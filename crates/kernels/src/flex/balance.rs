//! The inner loops of Sinkhorn balancing, one matrix at a time: see [`crate::balance`] for what they compute.

use super::fold::{dot, max, sum};
use super::isa::{Isa, Task, Vector, VectorTask};
use super::scalar;

/// Rows that are taken together: one pass over the columns' numbers serves all of them.
const TOGETHER: usize = 4;
/// Numbers in the largest register.
const MOST_LANES: usize = 16;

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

struct Sweep<'a, F> {
    e: &'a [f32],
    v: &'a [f32],
    /// The factor of a row, from its number and its product with v.
    f: F,
    u: &'a mut [f32],
    sums: &'a mut [f32],
}

impl<F: Fn(usize, f32) -> f32> VectorTask for Sweep<'_, F> {
    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) {
        let width = self.v.len();
        let Self { e, v, f, u, sums } = self;
        sums.fill(0.0);
        if width < V::LANES {
            for (i, (e, u)) in e.chunks_exact(width).zip(u).enumerate() {
                *u = f(i, dot(e, v));
                for (sum, &e) in sums.iter_mut().zip(e) {
                    *sum += *u * e;
                }
            }
            return;
        }
        let mut columns = Columns::<V>::new(v, sums);
        let whole = u.len() / TOGETHER * TOGETHER;
        for first in (0..whole).step_by(TOGETHER) {
            columns.rows::<TOGETHER>(&e[first * width..], first, &f, u);
        }
        for i in whole..u.len() {
            columns.rows::<1>(&e[i * width..], i, &f, u);
        }
        columns.finish();
    }
}

/// The columns' side of a sweep. Those that fill no register are the end of a last one that overlaps: there v is 0 where it does.
struct Columns<'a, V> {
    v: &'a [f32],
    sums: &'a mut [f32],
    /// Columns in whole registers.
    whole: usize,
    last_v: V,
    last_sums: V,
}

impl<'a, V: Vector> Columns<'a, V> {
    #[inline(always)]
    fn new(v: &'a [f32], sums: &'a mut [f32]) -> Self {
        let whole = v.len() / V::LANES * V::LANES;
        let mut last = [0.0; MOST_LANES];
        last[V::LANES - (v.len() - whole)..V::LANES].copy_from_slice(&v[whole..]);
        Self {
            v,
            sums,
            whole,
            last_v: V::load(&last),
            last_sums: V::splat(0.0),
        }
    }

    /// K rows from the beginning of e on, the first of which has the given number.
    #[inline(always)]
    fn rows<const K: usize>(
        &mut self,
        e: &[f32],
        first: usize,
        f: &impl Fn(usize, f32) -> f32,
        u: &mut [f32],
    ) {
        let width = self.v.len();
        let rows: [&[f32]; K] = core::array::from_fn(|k| &e[k * width..][..width]);
        let mut dots = [V::splat(0.0); K];
        for j in (0..self.whole).step_by(V::LANES) {
            let v = V::load(&self.v[j..]);
            for (dot, row) in dots.iter_mut().zip(rows) {
                *dot = V::mul_add(V::load(&row[j..]), v, *dot);
            }
        }
        let ends = rows.map(|row| V::load(&row[width - V::LANES..]));
        let mut factors = [V::splat(0.0); K];
        for (k, (dot, end)) in dots.into_iter().zip(ends).enumerate() {
            let factor = f(first + k, V::mul_add(end, self.last_v, dot).sum());
            u[first + k] = factor;
            factors[k] = V::splat(factor);
        }
        for j in (0..self.whole).step_by(V::LANES) {
            let mut sums = V::load(&self.sums[j..]);
            for (factor, row) in factors.iter().zip(rows) {
                sums = V::mul_add(V::load(&row[j..]), *factor, sums);
            }
            sums.store(&mut self.sums[j..]);
        }
        for (factor, end) in factors.into_iter().zip(ends) {
            self.last_sums = V::mul_add(end, factor, self.last_sums);
        }
    }

    #[inline(always)]
    fn finish(self) {
        let mut last = [0.0; MOST_LANES];
        self.last_sums.store(&mut last);
        let rest = &mut self.sums[self.whole..];
        rest.copy_from_slice(&last[V::LANES - rest.len()..V::LANES]);
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
