//! The inner loops of Sinkhorn balancing, one matrix at a time: see [`crate::balance`] for what they compute.

use super::fold::{dot, max, sum};
use super::isa::{Isa, Task};
use super::scalar;

/// Rows that are added to the column sums together: one pass over the sums serves all of them.
const TOGETHER: usize = 4;

/// `out[i, j] = exp(scores[i, j] + f[i] + g[j])`, for exponents up to about 80; 0 below e⁻⁸⁷.
pub fn gibbs(scores: &[f32], f: &[f32], g: &[f32], out: &mut [f32]) {
    Isa::best().run(Gibbs { scores, f, g, out });
}

/// `u[i] = a[i]/(Σ_j e[i, j]·v[j] + idle[i])`, then `sums[j] = Σ_i u[i]·e[i, j]`, in one pass over e.
pub fn sweep(e: &[f32], v: &[f32], a: &[f32], idle: &[f32], u: &mut [f32], sums: &mut [f32]) {
    let f = |i: usize, dot: f32| a[i] / (dot + idle[i]);
    Isa::best().run(Sweep { e, v, f, u, sums });
}

/// The reverse of [`sweep`]: `w[i] = u[i]·(slope[i] − u[i]·Σ_j e[i, j]·x[j])/a[i]`, then `sums[j] = Σ_i w[i]·e[i, j]`.
pub fn reverse_sweep(
    e: &[f32],
    x: &[f32],
    u: &[f32],
    slope: &[f32],
    a: &[f32],
    w: &mut [f32],
    sums: &mut [f32],
) {
    let f = |i: usize, dot: f32| u[i] * (slope[i] - u[i] * dot) / a[i];
    Isa::best().run(Sweep {
        e,
        v: x,
        f,
        u: w,
        sums,
    });
}

/// `out[i, j] −= e[i, j]·Σ_k left[k, i]·right[k, j]`.
pub fn subtract_products(e: &[f32], left: &[f32], right: &[f32], rows: usize, out: &mut [f32]) {
    Isa::best().run(SubtractProducts {
        e,
        left,
        right,
        rows,
        out,
    });
}

/// `out[i] = ln Σ_j exp(scores[i, j] + g[j])`.
pub fn log_row_sums(scores: &[f32], g: &[f32], out: &mut [f32]) {
    Isa::best().run(LogRowSums { scores, g, out });
}

/// `out[j] = ln Σ_i exp(scores[i, j] + f[i])`.
pub fn log_column_sums(scores: &[f32], f: &[f32], out: &mut [f32]) {
    Isa::best().run(LogColumnSums { scores, f, out });
}

/// `out[i, j] = u[i]·e[i, j]·v[j]`.
pub fn scale(e: &[f32], u: &[f32], v: &[f32], out: &mut [f32]) {
    Isa::best().run(Scale { e, u, v, out });
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

impl<F: Fn(usize, f32) -> f32> Task for Sweep<'_, F> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let width = self.v.len();
        let Self { e, v, f, u, sums } = self;
        sums.fill(0.0);
        let blocks = e
            .chunks(TOGETHER * width)
            .zip(u.chunks_mut(TOGETHER))
            .enumerate();
        for (block, (e, u)) in blocks {
            for (i, (e, u)) in e.chunks_exact(width).zip(u.iter_mut()).enumerate() {
                *u = f(TOGETHER * block + i, dot(e, v));
            }
            if let &mut [u0, u1, u2, u3] = u {
                let (e0, e) = e.split_at(width);
                let (e1, e) = e.split_at(width);
                let (e2, e3) = e.split_at(width);
                let rows = e0.iter().zip(e1).zip(e2.iter().zip(e3));
                for (sum, ((&e0, &e1), (&e2, &e3))) in sums.iter_mut().zip(rows) {
                    let low = scalar::fma::<FMA>(u0, e0, *sum);
                    let high = scalar::fma::<FMA>(u2, e2, u3 * e3);
                    *sum = scalar::fma::<FMA>(u1, e1, low) + high;
                }
            } else {
                for (e, &mut u) in e.chunks_exact(width).zip(u) {
                    for (sum, &e) in sums.iter_mut().zip(e) {
                        *sum = scalar::fma::<FMA>(u, e, *sum);
                    }
                }
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

impl Task for SubtractProducts<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self {
            left, right, rows, ..
        } = self;
        let width = self.out.len() / rows;
        let mut products = vec![0.0; width];
        let lines = self
            .e
            .chunks_exact(width)
            .zip(self.out.chunks_exact_mut(width));
        for (i, (e, out)) in lines.enumerate() {
            products.fill(0.0);
            let mut fours = left.chunks_exact(4 * rows);
            let mut right_fours = right.chunks_exact(4 * width);
            for (l, r) in (&mut fours).zip(&mut right_fours) {
                let [l0, l1, l2, l3] = [0, 1, 2, 3].map(|k| l[k * rows + i]);
                let (r0, r) = r.split_at(width);
                let (r1, r) = r.split_at(width);
                let (r2, r3) = r.split_at(width);
                let terms = r0.iter().zip(r1).zip(r2.iter().zip(r3));
                for (p, ((&r0, &r1), (&r2, &r3))) in products.iter_mut().zip(terms) {
                    let low = scalar::fma::<FMA>(l0, r0, *p);
                    let high = scalar::fma::<FMA>(l2, r2, l3 * r3);
                    *p = scalar::fma::<FMA>(l1, r1, low) + high;
                }
            }
            let rest = fours.remainder().chunks_exact(rows);
            for (l, r) in rest.zip(right_fours.remainder().chunks_exact(width)) {
                let l = l[i];
                for (p, &r) in products.iter_mut().zip(r) {
                    *p = scalar::fma::<FMA>(l, r, *p);
                }
            }
            for ((out, &e), &p) in out.iter_mut().zip(e).zip(&products) {
                *out -= e * p;
            }
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
