//! The inner loop of Sinkhorn balancing: rows, then columns, in one pass over the matrix.

use super::balance::{MOST_LANES, TOGETHER};
use super::fold::dot;
use super::isa::{Vector, VectorTask};

/// Rows, then columns, in one pass over e: a factor for each row from its product with v, and the sums of the columns with these factors.
pub(super) struct Sweep<'a, F> {
    pub(super) e: &'a [f32],
    pub(super) v: &'a [f32],
    /// The factor of a row, from its number and its product with v.
    pub(super) f: F,
    pub(super) u: &'a mut [f32],
    pub(super) sums: &'a mut [f32],
}

impl<F: Fn(usize, f32) -> f32> VectorTask for Sweep<'_, F> {
    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) {
        let width = self.v.len();
        if width >= V::LANES {
            match width.div_ceil(V::LANES) {
                1 => return self.in_registers::<V, 1>(),
                2 => return self.in_registers::<V, 2>(),
                3 => return self.in_registers::<V, 3>(),
                4 => return self.in_registers::<V, 4>(),
                5 => return self.in_registers::<V, 5>(),
                6 => return self.in_registers::<V, 6>(),
                7 => return self.in_registers::<V, 7>(),
                8 => return self.in_registers::<V, 8>(),
                _ => {}
            }
        }
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

impl<F: Fn(usize, f32) -> f32> Sweep<'_, F> {
    /// With v and the sums in C registers each, of which the last one overlaps as in [`Columns`].
    #[inline(always)]
    fn in_registers<V: Vector, const C: usize>(self) {
        let Self { e, v, f, u, sums } = self;
        let width = v.len();
        let whole = (C - 1) * V::LANES;
        let rest = V::LANES - (width - whole)..V::LANES;
        let places: [usize; C] = core::array::from_fn(|c| (c * V::LANES).min(width - V::LANES));
        let mut last = [0.0; MOST_LANES];
        last[rest.clone()].copy_from_slice(&v[whole..]);
        let mut columns = Registers {
            places,
            v: places.map(|at| V::load(&v[at..])),
            sums: [V::splat(0.0); C],
        };
        columns.v[C - 1] = V::load(&last);
        let together = u.len() / TOGETHER * TOGETHER;
        for first in (0..together).step_by(TOGETHER) {
            columns.rows::<TOGETHER>(&e[first * width..], width, first, &f, u);
        }
        for i in together..u.len() {
            columns.rows::<1>(&e[i * width..], width, i, &f, u);
        }
        for (sum, at) in columns.sums[..C - 1].iter().zip(places) {
            sum.store(&mut sums[at..]);
        }
        columns.sums[C - 1].store(&mut last);
        sums[whole..width].copy_from_slice(&last[rest]);
    }
}

/// The columns' side of a sweep over a matrix that is narrow enough for it to stay in registers.
struct Registers<V, const C: usize> {
    places: [usize; C],
    v: [V; C],
    sums: [V; C],
}

impl<V: Vector, const C: usize> Registers<V, C> {
    /// K rows from the beginning of e on, the first of which has the given number.
    #[inline(always)]
    fn rows<const K: usize>(
        &mut self,
        e: &[f32],
        width: usize,
        first: usize,
        f: &impl Fn(usize, f32) -> f32,
        u: &mut [f32],
    ) {
        let rows: [&[f32]; K] = core::array::from_fn(|k| &e[k * width..][..width]);
        let mut dots = [V::splat(0.0); K];
        for (&at, &v) in self.places.iter().zip(&self.v) {
            for (dot, row) in dots.iter_mut().zip(rows) {
                *dot = V::mul_add(V::load(&row[at..]), v, *dot);
            }
        }
        let mut factors = [V::splat(0.0); K];
        let numbered = u[first..first + K].iter_mut().enumerate();
        for ((k, u), (factor, dot)) in numbered.zip(factors.iter_mut().zip(dots)) {
            *u = f(first + k, dot.sum());
            *factor = V::splat(*u);
        }
        for (&at, sum) in self.places.iter().zip(&mut self.sums) {
            for (factor, row) in factors.iter().zip(rows) {
                *sum = V::mul_add(V::load(&row[at..]), *factor, *sum);
            }
        }
    }
}

/// The columns' side of a sweep over a wide matrix. Those that fill no register are the end of a last one that overlaps: there v is 0 where it does.
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
