//! The inner loops of Sinkhorn balancing on slices, in single precision: one matrix, row after row, one thread, the widest vectors that the
//! CPU has.
//!
//! A matrix of scores K is balanced by potentials f of its rows and g of its columns so that `exp(K + f + g)` has the sums a and b. In between,
//! `e = exp(K + f₀ + g₀)` is kept, and only factors u of its rows and v of its columns change: no exponential is taken in the loop. The loop
//! itself, and its gradient, are in the crate `unbiased-permutations`.
//!
//! Vectors of rows have n numbers and those of columns m; matrices `[n, m]` have n·m. A function panics where a slice is too short.

use crate::flex::Isa;
use crate::flex::balance;

/// `out[i, j] = exp(scores[i, j] + f[i] + g[j])`, for exponents up to about 80; 0 below e⁻⁸⁷.
pub fn gibbs(scores: &[f32], f: &[f32], g: &[f32], out: &mut [f32]) {
    balance::gibbs(Isa::best(), scores, f, g, out);
}

/// `u[i] = a[i]/(Σ_j e[i, j]·v[j] + idle[i])`, then `sums[j] = Σ_i u[i]·e[i, j]`, in one pass over e.
pub fn sweep(e: &[f32], v: &[f32], a: &[f32], idle: &[f32], u: &mut [f32], sums: &mut [f32]) {
    balance::sweep(Isa::best(), e, v, a, idle, u, sums);
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
    balance::reverse_sweep(Isa::best(), e, x, [u, slope, a], w, sums);
}

/// `out[i, j] −= e[i, j]·Σ_k left[k, i]·right[k, j]`, for a number of rows.
pub fn subtract_products(e: &[f32], left: &[f32], right: &[f32], rows: usize, out: &mut [f32]) {
    balance::subtract_products(Isa::best(), e, [left, right], rows, out);
}

/// `out[i] = ln Σ_j exp(scores[i, j] + g[j])`.
pub fn log_row_sums(scores: &[f32], g: &[f32], out: &mut [f32]) {
    balance::log_row_sums(Isa::best(), scores, g, out);
}

/// `out[j] = ln Σ_i exp(scores[i, j] + f[i])`.
pub fn log_column_sums(scores: &[f32], f: &[f32], out: &mut [f32]) {
    balance::log_column_sums(Isa::best(), scores, f, out);
}

/// `out[i, j] = u[i]·e[i, j]·v[j]`.
pub fn scale(e: &[f32], u: &[f32], v: &[f32], out: &mut [f32]) {
    balance::scale(Isa::best(), e, u, v, out);
}
