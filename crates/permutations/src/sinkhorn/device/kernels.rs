//! The kernels. Everything is done with logarithms, so that the temperature does not matter, and without infinities, which shading languages
//! do not promise: a forbidden score is [`FORBIDDEN`].
//!
//! Arrays are as in [`super::fused`]. A unit works on a line: a row, then a column.

#![allow(
    clippy::too_many_arguments,
    reason = "a kernel takes its arrays one by one"
)]

use burn_cubecl::cubecl;
use cubecl::prelude::*;

/// Far below every score, and far above what overflows when potentials are added to it.
const FORBIDDEN: f32 = -1e30;
/// Between it and scores.
const NOTHING: f32 = -1e29;

/// NaN stays.
#[cube]
fn allowed(score: f32) -> f32 {
    select(score < FORBIDDEN, FORBIDDEN, score)
}

/// `ln Σ_j exp(k[start + j·step] + other[first + j])`, 0 where every term is forbidden.
#[cube]
fn log_sum(
    k: &[f32],
    start: usize,
    step: usize,
    other: &[f32],
    first: usize,
    #[comptime] terms: usize,
) -> f32 {
    let mut top = f32::new(FORBIDDEN);
    for j in 0..terms {
        let x = allowed(k[start + j * step]) + other[first + j];
        top = select(x > top, x, top);
    }
    let mut sum = 0.0f32;
    for j in 0..terms {
        let x = allowed(k[start + j * step]) + other[first + j];
        sum += (x - top).exp();
    }
    select(top < NOTHING, 0.0f32, top + sum.ln())
}

/// `Σ_j exp(k[start + j·step] + own + other[first + j])·weights[first_weight + j]`.
#[cube]
fn weighted_sum(
    k: &[f32],
    start: usize,
    step: usize,
    own: f32,
    other: &[f32],
    first: usize,
    weights: &[f32],
    first_weight: usize,
    #[comptime] terms: usize,
) -> f32 {
    let mut sum = 0.0f32;
    for j in 0..terms {
        let x = allowed(k[start + j * step]) + own + other[first + j];
        sum += x.exp() * weights[first_weight + j];
    }
    sum
}

/// `Σ_j x[start + j·step]`.
#[cube]
fn plain_sum(x: &[f32], start: usize, step: usize, #[comptime] terms: usize) -> f32 {
    let mut sum = 0.0f32;
    for j in 0..terms {
        sum += x[start + j * step];
    }
    sum
}

/// The sum that a line shall have.
#[cube]
fn sum_of(line: usize, last_sum: f32, #[comptime] lines: usize) -> f32 {
    select(line == lines - 1, last_sum, 1.0f32)
}

/// The sizes of a kernel that has a whole matrix in a cube, which is compiled for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cubes {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Matrices in a cube, one after the other along y.
    pub(super) matrices: usize,
    /// Whether their scores are kept in the cube's own memory.
    pub(super) kept: bool,
}

impl Cubes {
    /// Of a kept matrix; odd, so that a column is spread over the banks of the memory.
    pub(super) fn pitch(&self) -> usize {
        self.columns | 1
    }

    pub(super) fn kept_scores(&self) -> usize {
        if self.kept {
            self.matrices * self.rows * self.pitch()
        } else {
            1
        }
    }
}

/// Which matrix this unit works on. The units after the last matrix do its work once more.
#[cube]
fn matrix(batch: u32, #[comptime] cubes: Cubes) -> usize {
    min(
        CUBE_POS * cubes.matrices + UNIT_POS_Y as usize,
        batch as usize - 1,
    )
}

/// Copies the scores of a matrix into the cube's memory, all its units together.
#[cube]
fn keep(scores: &[f32], kept: &mut Shared<[f32]>, matrix: usize, #[comptime] cubes: Cubes) {
    let first = UNIT_POS_Y as usize * cubes.rows;
    let mut at = UNIT_POS_X as usize;
    while at < cubes.rows * cubes.columns {
        let row = at / cubes.columns;
        let column = at % cubes.columns;
        kept[(first + row) * cubes.pitch() + column] =
            scores[matrix * cubes.rows * cubes.columns + at];
        at += CUBE_DIM_X as usize;
    }
}

/// All iterations, a cube for one or more whole matrices.
#[cube(launch)]
pub(super) fn sweeps(
    scores: &[f32],
    first: &[f32],
    f_all: &mut [f32],
    g_all: &mut [f32],
    batch: u32,
    iterations: u32,
    last_row_sum: f32,
    last_column_sum: f32,
    #[comptime] cubes: Cubes,
) {
    let matrix = matrix(batch, cubes);
    let mut kept = Shared::<[f32]>::new_slice(cubes.kept_scores());
    if cubes.kept {
        keep(scores, &mut kept, matrix, cubes);
        let start = UNIT_POS_Y as usize * cubes.rows * cubes.pitch();
        sweep_all(
            &kept,
            start,
            cubes.pitch(),
            matrix,
            first,
            f_all,
            g_all,
            batch,
            iterations,
            last_row_sum,
            last_column_sum,
            cubes,
        );
    } else {
        sweep_all(
            scores,
            matrix * cubes.rows * cubes.columns,
            cubes.columns,
            matrix,
            first,
            f_all,
            g_all,
            batch,
            iterations,
            last_row_sum,
            last_column_sum,
            cubes,
        );
    }
}

#[cube]
fn sweep_all(
    k: &[f32],
    start: usize,
    #[comptime] pitch: usize,
    matrix: usize,
    first: &[f32],
    f_all: &mut [f32],
    g_all: &mut [f32],
    batch: u32,
    iterations: u32,
    last_row_sum: f32,
    last_column_sum: f32,
    #[comptime] cubes: Cubes,
) {
    let line = UNIT_POS_X as usize;
    let row_at = UNIT_POS_Y as usize * cubes.rows;
    let column_at = UNIT_POS_Y as usize * cubes.columns;
    let mut f = Shared::<[f32]>::new_slice(cubes.matrices * cubes.rows);
    let mut g = Shared::<[f32]>::new_slice(cubes.matrices * cubes.columns);
    if line < cubes.columns {
        g[column_at + line] = first[matrix * cubes.columns + line];
    }
    sync_cube();
    for t in 0..iterations as usize {
        let iterate = t * batch as usize + matrix;
        if line < cubes.rows {
            let sum = log_sum(k, start + line * pitch, 1, &g, column_at, cubes.columns);
            let potential = sum_of(line, last_row_sum, cubes.rows).ln() - sum;
            f[row_at + line] = potential;
            f_all[iterate * cubes.rows + line] = potential;
        }
        sync_cube();
        if line < cubes.columns {
            let sum = log_sum(k, start + line, pitch, &f, row_at, cubes.rows);
            let potential = sum_of(line, last_column_sum, cubes.columns).ln() - sum;
            g[column_at + line] = potential;
            g_all[iterate * cubes.columns + line] = potential;
        }
        sync_cube();
    }
}

/// The reverse of all iterations: the slopes x of the columns and w of the rows, up to their sums.
#[cube(launch)]
pub(super) fn reverse_sweeps(
    scores: &[f32],
    first: &[f32],
    f_all: &[f32],
    g_all: &[f32],
    z: &[f32],
    w_all: &mut [f32],
    x_all: &mut [f32],
    batch: u32,
    iterations: u32,
    last_row_sum: f32,
    last_column_sum: f32,
    #[comptime] cubes: Cubes,
) {
    let matrix = matrix(batch, cubes);
    let mut kept = Shared::<[f32]>::new_slice(cubes.kept_scores());
    if cubes.kept {
        keep(scores, &mut kept, matrix, cubes);
        let start = UNIT_POS_Y as usize * cubes.rows * cubes.pitch();
        reverse_all(
            &kept,
            start,
            cubes.pitch(),
            matrix,
            first,
            f_all,
            g_all,
            z,
            w_all,
            x_all,
            batch,
            iterations,
            last_row_sum,
            last_column_sum,
            cubes,
        );
    } else {
        reverse_all(
            scores,
            matrix * cubes.rows * cubes.columns,
            cubes.columns,
            matrix,
            first,
            f_all,
            g_all,
            z,
            w_all,
            x_all,
            batch,
            iterations,
            last_row_sum,
            last_column_sum,
            cubes,
        );
    }
}

#[cube]
fn reverse_all(
    k: &[f32],
    start: usize,
    #[comptime] pitch: usize,
    matrix: usize,
    first: &[f32],
    f_all: &[f32],
    g_all: &[f32],
    z: &[f32],
    w_all: &mut [f32],
    x_all: &mut [f32],
    batch: u32,
    iterations: u32,
    last_row_sum: f32,
    last_column_sum: f32,
    #[comptime] cubes: Cubes,
) {
    let line = UNIT_POS_X as usize;
    let row_at = UNIT_POS_Y as usize * cubes.rows;
    let column_at = UNIT_POS_Y as usize * cubes.columns;
    let mut f = Shared::<[f32]>::new_slice(cubes.matrices * cubes.rows);
    let mut w = Shared::<[f32]>::new_slice(cubes.matrices * cubes.rows);
    let mut g = Shared::<[f32]>::new_slice(cubes.matrices * cubes.columns);
    let mut x = Shared::<[f32]>::new_slice(cubes.matrices * cubes.columns);
    let mut slope_f = 0.0f32;
    let mut slope_g = 0.0f32;
    let z_at = matrix * cubes.rows * cubes.columns;
    if line < cubes.rows {
        slope_f = plain_sum(z, z_at + line * cubes.columns, 1, cubes.columns);
    }
    if line < cubes.columns {
        slope_g = plain_sum(z, z_at + line, cubes.columns, cubes.rows);
        g[column_at + line] =
            g_all[((iterations as usize - 1) * batch as usize + matrix) * cubes.columns + line];
    }
    for back in 0..iterations as usize {
        let t = iterations as usize - 1 - back;
        let iterate = t * batch as usize + matrix;
        if line < cubes.columns {
            let slope = slope_g / sum_of(line, last_column_sum, cubes.columns);
            x[column_at + line] = slope;
            x_all[iterate * cubes.columns + line] = slope;
        }
        if line < cubes.rows {
            f[row_at + line] = f_all[iterate * cubes.rows + line];
        }
        sync_cube();
        if line < cubes.rows {
            let own = f[row_at + line];
            let taken = weighted_sum(
                k,
                start + line * pitch,
                1,
                own,
                &g,
                column_at,
                &x,
                column_at,
                cubes.columns,
            );
            let slope = (slope_f - taken) / sum_of(line, last_row_sum, cubes.rows);
            slope_f = 0.0;
            w[row_at + line] = slope;
            w_all[iterate * cubes.rows + line] = slope;
        }
        sync_cube();
        if line < cubes.columns {
            let own = potential_before(
                first,
                g_all,
                t,
                batch as usize,
                matrix * cubes.columns + line,
                cubes.columns,
            );
            slope_g = -weighted_sum(
                k,
                start + line,
                pitch,
                own,
                &f,
                row_at,
                &w,
                row_at,
                cubes.rows,
            );
            g[column_at + line] = own;
        }
        sync_cube();
    }
}

/// The potential of a column from which iteration t began; `at` is its place in the batch.
#[cube]
fn potential_before(
    first: &[f32],
    g_all: &[f32],
    t: usize,
    batch: usize,
    at: usize,
    #[comptime] columns: usize,
) -> f32 {
    if t == 0 {
        first[at]
    } else {
        g_all[(t - 1) * batch * columns + at]
    }
}

/// The gradient towards every score, a unit for each: `z − Σ_t A_t·x_t + C_t·w_t` with `A = exp(K + f + g)` and `C = exp(K + f + g′)`, g′ being
/// the potentials before the iteration.
#[cube(launch)]
pub(super) fn gradient(
    scores: &[f32],
    first: &[f32],
    f_all: &[f32],
    g_all: &[f32],
    w_all: &[f32],
    x_all: &[f32],
    z: &[f32],
    out: &mut [f32],
    batch: u32,
    iterations: u32,
    #[comptime] rows: usize,
    #[comptime] columns: usize,
) {
    let at = ABSOLUTE_POS;
    if at < out.len() {
        let row = at / columns;
        let column = row / rows * columns + at % columns;
        let k = allowed(scores[at]);
        let mut slope = z[at];
        let mut before = first[column];
        for t in 0..iterations as usize {
            let row = t * batch as usize * rows + row;
            let column = t * batch as usize * columns + column;
            let own = k + f_all[row];
            let after = g_all[column];
            slope -= (own + after).exp() * x_all[column] + (own + before).exp() * w_all[row];
            before = after;
        }
        out[at] = slope;
    }
}

/// The rows or the columns of matrices that are too large for a cube.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lines {
    pub(super) count: usize,
    pub(super) terms: usize,
    /// From a line to the next.
    pub(super) stride: usize,
    /// From a number of a line to the next.
    pub(super) step: usize,
}

/// Half an iteration, a unit for each line: its potentials from the others'.
#[cube(launch)]
pub(super) fn half_sweep(
    scores: &[f32],
    others: &[f32],
    potentials: &mut [f32],
    others_at: u32,
    potentials_at: u32,
    batch: u32,
    last_sum: f32,
    #[comptime] lines: Lines,
) {
    let at = ABSOLUTE_POS;
    if at < batch as usize * lines.count {
        let matrix = at / lines.count;
        let line = at % lines.count;
        let sum = log_sum(
            scores,
            matrix * lines.count * lines.terms + line * lines.stride,
            lines.step,
            others,
            others_at as usize + matrix * lines.terms,
            lines.terms,
        );
        potentials[potentials_at as usize + at] = sum_of(line, last_sum, lines.count).ln() - sum;
    }
}

/// Half an iteration in reverse: the slopes of lines, `−Σ_j exp(K + own + other)·weight`, up to their sums.
#[cube(launch)]
pub(super) fn reverse_half_sweep(
    scores: &[f32],
    own: &[f32],
    others: &[f32],
    weights: &[f32],
    slopes: &mut [f32],
    own_at: u32,
    others_at: u32,
    weights_at: u32,
    slopes_at: u32,
    batch: u32,
    last_sum: f32,
    #[comptime] lines: Lines,
    #[comptime] added: bool,
) {
    let at = ABSOLUTE_POS;
    if at < batch as usize * lines.count {
        let matrix = at / lines.count;
        let line = at % lines.count;
        let taken = weighted_sum(
            scores,
            matrix * lines.count * lines.terms + line * lines.stride,
            lines.step,
            own[own_at as usize + at],
            others,
            others_at as usize + matrix * lines.terms,
            weights,
            weights_at as usize + matrix * lines.terms,
            lines.terms,
        );
        let slope = taken / sum_of(line, last_sum, lines.count);
        if added {
            slopes[slopes_at as usize + at] -= slope;
        } else {
            slopes[slopes_at as usize + at] = -slope;
        }
    }
}

/// The slopes with which the reverse begins: the sums of the lines of Z, up to their own sums.
#[cube(launch)]
pub(super) fn line_sums(
    z: &[f32],
    slopes: &mut [f32],
    slopes_at: u32,
    batch: u32,
    last_sum: f32,
    #[comptime] lines: Lines,
) {
    let at = ABSOLUTE_POS;
    if at < batch as usize * lines.count {
        let matrix = at / lines.count;
        let line = at % lines.count;
        let start = matrix * lines.count * lines.terms + line * lines.stride;
        let sum = plain_sum(z, start, lines.step, lines.terms);
        slopes[slopes_at as usize + at] = sum / sum_of(line, last_sum, lines.count);
    }
}
