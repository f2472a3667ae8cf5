//! The inner loops of Sinkhorn balancing on slices, in single precision: one matrix, row after row, one thread, the widest vectors that the
//! CPU has.
//!
//! A matrix of scores K is balanced by potentials f of its rows and g of its columns so that `exp(K + f + g)` has the sums a and b. In between,
//! `e = exp(K + f₀ + g₀)` is kept, and only factors u of its rows and v of its columns change: no exponential is taken in the loop. The loop
//! itself, and its gradient, are in the crate `unbiased-permutations`.
//!
//! Small square matrices are balanced as a whole, many together: [`small_sweeps`], [`small_pull_back`].
//!
//! Vectors of rows have n numbers and those of columns m; matrices `[n, m]` have n·m. A function panics where a slice is too short.

use crate::flex::{Isa, balance, small_balance};

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

/// The most rows of a small matrix.
pub const SMALL: usize = 8;
/// How many small matrices are balanced together.
pub const SMALL_TOGETHER: usize = 32;

/// Where the results for small matrices go, those of one matrix after those of another.
pub struct SmallSolution<'a> {
    /// `exp(K + f + g)`, n·n numbers per matrix; its columns sum to 1.
    pub plan: &'a mut [f32],
    /// n numbers per matrix; 0 for a row without allowed pairs.
    pub f: &'a mut [f32],
    /// n numbers per matrix; 0 for a column without allowed pairs.
    pub g: &'a mut [f32],
    /// The largest deviation of a row sum from 1, of each matrix; at least 1 where a line has no allowed pair.
    pub errors: &'a mut [f32],
}

/// The length of the trace of [`SMALL_TOGETHER`] matrices.
#[must_use]
pub const fn small_trace(n: usize, iterations: usize) -> usize {
    iterations * 2 * n * SMALL_TOGETHER
}

/// Balances rows, then columns, so many times, of up to [`SMALL_TOGETHER`] matrices of n ≤ [`SMALL`] rows and columns, from the columns'
/// potentials `start` on, or from 0. With logarithms throughout; −∞ forbids a pair. The potentials of all iterates are left in the trace, if
/// there is one, for [`small_pull_back`].
pub fn small_sweeps(
    n: usize,
    scores: &[f32],
    start: Option<&[f32]>,
    iterations: usize,
    solution: SmallSolution<'_>,
    trace: Option<&mut [f32]>,
) {
    small_balance::sweeps(Isa::best(), n, scores, start, iterations, solution, trace);
}

/// The exact reverse of [`small_sweeps`]: turns Z = P∘∂l/∂P into the gradient towards the scores.
pub fn small_pull_back(
    n: usize,
    scores: &[f32],
    start: Option<&[f32]>,
    trace: &[f32],
    z: &mut [f32],
) {
    small_balance::pull_back(Isa::best(), n, scores, start, trace, z);
}
