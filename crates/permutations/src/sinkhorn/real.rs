//! The inner loops over one matrix: by the kernels in single precision, plain in double precision.

use core::ops::{Add, Div, Mul, Neg, Sub};

/// A float type in which matrices are balanced. For what the loops compute see [`unbiased_kernels::balance`].
pub(super) trait Real:
    Copy
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + burn::tensor::Element
    + 'static
{
    const ZERO: Self;
    const ONE: Self;
    /// How far the factors of rows and columns may be from 1 before they are absorbed into the potentials: what underflowed in the matrix
    /// must not matter.
    const RANGE: Self;

    fn from_f64(x: f64) -> Self;
    fn into_f64(self) -> f64;
    fn ln(self) -> Self;

    fn gibbs(scores: &[Self], f: &[Self], g: &[Self], out: &mut [Self]);
    fn sweep(e: &[Self], v: &[Self], a: &[Self], idle: &[Self], u: &mut [Self], sums: &mut [Self]);
    fn reverse_sweep(
        e: &[Self],
        x: &[Self],
        u: &[Self],
        slope: &[Self],
        a: &[Self],
        w: &mut [Self],
        sums: &mut [Self],
    );
    fn subtract_products(e: &[Self], left: &[Self], right: &[Self], rows: usize, out: &mut [Self]);
    fn log_row_sums(scores: &[Self], g: &[Self], out: &mut [Self]);
    fn log_column_sums(scores: &[Self], f: &[Self], out: &mut [Self]);
    fn scale(e: &[Self], u: &[Self], v: &[Self], out: &mut [Self]);
}

#[cfg(feature = "flex")]
impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const RANGE: Self = 1e10;

    fn from_f64(x: f64) -> Self {
        x as Self
    }
    fn into_f64(self) -> f64 {
        self.into()
    }
    fn ln(self) -> Self {
        libm::logf(self)
    }

    fn gibbs(scores: &[Self], f: &[Self], g: &[Self], out: &mut [Self]) {
        unbiased_kernels::balance::gibbs(scores, f, g, out);
    }
    fn sweep(e: &[Self], v: &[Self], a: &[Self], idle: &[Self], u: &mut [Self], sums: &mut [Self]) {
        unbiased_kernels::balance::sweep(e, v, a, idle, u, sums);
    }
    fn reverse_sweep(
        e: &[Self],
        x: &[Self],
        u: &[Self],
        slope: &[Self],
        a: &[Self],
        w: &mut [Self],
        sums: &mut [Self],
    ) {
        unbiased_kernels::balance::reverse_sweep(e, x, u, slope, a, w, sums);
    }
    fn subtract_products(e: &[Self], left: &[Self], right: &[Self], rows: usize, out: &mut [Self]) {
        unbiased_kernels::balance::subtract_products(e, left, right, rows, out);
    }
    fn log_row_sums(scores: &[Self], g: &[Self], out: &mut [Self]) {
        unbiased_kernels::balance::log_row_sums(scores, g, out);
    }
    fn log_column_sums(scores: &[Self], f: &[Self], out: &mut [Self]) {
        unbiased_kernels::balance::log_column_sums(scores, f, out);
    }
    fn scale(e: &[Self], u: &[Self], v: &[Self], out: &mut [Self]) {
        unbiased_kernels::balance::scale(e, u, v, out);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `sums[j] += factor·row[j]`.
fn add_scaled(factor: f64, row: &[f64], sums: &mut [f64]) {
    for (sum, x) in sums.iter_mut().zip(row) {
        *sum += factor * x;
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const RANGE: Self = 1e100;

    fn from_f64(x: f64) -> Self {
        x
    }
    fn into_f64(self) -> f64 {
        self
    }
    fn ln(self) -> Self {
        libm::log(self)
    }

    fn gibbs(scores: &[Self], f: &[Self], g: &[Self], out: &mut [Self]) {
        let rows = scores.chunks_exact(g.len()).zip(f);
        for ((k, f), out) in rows.zip(out.chunks_exact_mut(g.len())) {
            for ((k, g), out) in k.iter().zip(g).zip(out) {
                *out = libm::exp(k + f + g);
            }
        }
    }
    fn sweep(e: &[Self], v: &[Self], a: &[Self], idle: &[Self], u: &mut [Self], sums: &mut [Self]) {
        sums.fill(0.0);
        for (i, row) in e.chunks_exact(v.len()).enumerate() {
            u[i] = a[i] / (dot(row, v) + idle[i]);
            add_scaled(u[i], row, sums);
        }
    }
    fn reverse_sweep(
        e: &[Self],
        x: &[Self],
        u: &[Self],
        slope: &[Self],
        a: &[Self],
        w: &mut [Self],
        sums: &mut [Self],
    ) {
        sums.fill(0.0);
        for (i, row) in e.chunks_exact(x.len()).enumerate() {
            w[i] = u[i] * (slope[i] - u[i] * dot(row, x)) / a[i];
            add_scaled(w[i], row, sums);
        }
    }
    fn subtract_products(e: &[Self], left: &[Self], right: &[Self], rows: usize, out: &mut [Self]) {
        let columns = out.len() / rows;
        let mut products = vec![0.0; columns];
        let lines = e.chunks_exact(columns).zip(out.chunks_exact_mut(columns));
        for (i, (e, out)) in lines.enumerate() {
            products.fill(0.0);
            for (l, r) in left.chunks_exact(rows).zip(right.chunks_exact(columns)) {
                add_scaled(l[i], r, &mut products);
            }
            for ((out, e), p) in out.iter_mut().zip(e).zip(&products) {
                *out -= e * p;
            }
        }
    }
    fn log_row_sums(scores: &[Self], g: &[Self], out: &mut [Self]) {
        for (k, out) in scores.chunks_exact(g.len()).zip(out) {
            let terms = || k.iter().zip(g).map(|(k, g)| k + g);
            *out = log_sum(terms);
        }
    }
    fn log_column_sums(scores: &[Self], f: &[Self], out: &mut [Self]) {
        let columns = out.len();
        for (j, out) in out.iter_mut().enumerate() {
            let terms = || {
                let column = scores[j..].iter().step_by(columns);
                column.zip(f).map(|(k, f)| k + f)
            };
            *out = log_sum(terms);
        }
    }
    fn scale(e: &[Self], u: &[Self], v: &[Self], out: &mut [Self]) {
        let rows = e.chunks_exact(v.len()).zip(u);
        for ((e, u), out) in rows.zip(out.chunks_exact_mut(v.len())) {
            for ((e, v), out) in e.iter().zip(v).zip(out) {
                *out = u * e * v;
            }
        }
    }
}

/// `ln Σ exp`, −∞ where every term is −∞.
fn log_sum<I: Iterator<Item = f64>>(terms: impl Fn() -> I) -> f64 {
    let top = terms().fold(f64::NEG_INFINITY, |a, b| if b > a { b } else { a });
    if top == f64::NEG_INFINITY {
        // NaN, should there be one.
        return terms().fold(top, |a, b| if b.is_nan() { b } else { a });
    }
    top + libm::log(terms().map(|x| libm::exp(x - top)).sum())
}
