//! Products of matrices, [`PANEL`] columns of the second one at a time.
//!
//! A general matrix product packs both operands at every call, which in a recurrence costs more than the product itself: here a [`Factor`] is
//! packed once for all steps or not at all, and the first operand is read where it lies. Unlike the other kernels this one names its
//! vector registers: accumulators in a local array of floats would be spilled. Every sum runs over the depth in order, so that no number
//! depends on the rows beside its own or on the threads.

use super::isa::{Isa, Vector, VectorTask};
use core::ops::Range;
use rayon::prelude::*;

/// Columns per panel: four registers of AVX-512.
const PANEL: usize = 64;

/// A row of a panel, aligned so that no register is loaded from two lines of the cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line([f32; PANEL]);

/// From how many products of two numbers on the work is split over threads.
pub(super) const PARALLEL_PRODUCTS: usize = 1 << 20;
/// The same for numbers that are copied.
const PARALLEL_COPY: usize = 1 << 17;

const ZEROS: Line = Line([0.0; PANEL]);

/// A matrix `[depth, width]` that others are multiplied with from the left.
pub(super) struct Factor<'a> {
    lines: Lines<'a>,
    depth: usize,
    width: usize,
}

enum Lines<'a> {
    /// Row by row, as it lies in memory: the matrix, the width of its rows, and the first column.
    Flat(&'a [f32], usize, usize),
    /// In panels, the last one filled up with zeros.
    Packed(Vec<Line>),
}

impl<'a> Factor<'a> {
    /// Some columns of a matrix whose rows have `width` numbers, as they lie in memory.
    pub(super) fn flat(matrix: &'a [f32], width: usize, columns: Range<usize>) -> Self {
        Self {
            lines: Lines::Flat(matrix, width, columns.start),
            depth: matrix.len() / width,
            width: columns.len(),
        }
    }

    /// The same, packed.
    pub(super) fn packed(matrix: &[f32], width: usize, columns: Range<usize>) -> Self {
        Self::pack(matrix.len() / width, columns.len(), |panel, lines| {
            let start = columns.start + panel * PANEL;
            let end = columns.end.min(start + PANEL);
            for (line, row) in lines.iter_mut().zip(matrix.chunks_exact(width)) {
                line.0[..end - start].copy_from_slice(&row[start..end]);
            }
        })
    }

    /// Packs the transpose of some columns of a matrix whose rows have `width` numbers.
    pub(super) fn transposed(matrix: &[f32], width: usize, columns: Range<usize>) -> Self {
        Self::pack(columns.len(), matrix.len() / width, |panel, lines| {
            let rows = &matrix[panel * PANEL * width..];
            // In tiles, which stay in the cache while their lines are filled column by column.
            for (tile, lines) in lines.chunks_mut(16).enumerate() {
                for (column, row) in rows.chunks_exact(width).take(PANEL).enumerate() {
                    let entries = &row[columns.start + 16 * tile..];
                    for (line, &entry) in lines.iter_mut().zip(entries) {
                        line.0[column] = entry;
                    }
                }
            }
        })
    }

    fn pack(depth: usize, width: usize, fill: impl Fn(usize, &mut [Line]) + Sync) -> Self {
        let mut panels = vec![ZEROS; width.div_ceil(PANEL) * depth];
        if depth * width < PARALLEL_COPY {
            panels
                .chunks_exact_mut(depth)
                .enumerate()
                .for_each(|(panel, lines)| fill(panel, lines));
        } else {
            panels
                .par_chunks_exact_mut(depth)
                .enumerate()
                .for_each(|(panel, lines)| fill(panel, lines));
        }
        Self {
            lines: Lines::Packed(panels),
            depth,
            width,
        }
    }

    /// `c[i, ..] += a[i, ..]·B` for `rows` rows; row i of `a` begins at `i·a_stride`, that of `c` at `i·c_stride`.
    pub(super) fn add_product(
        &self,
        isa: Isa,
        rows: usize,
        (a, a_stride): (&[f32], usize),
        (c, c_stride): (&mut [f32], usize),
    ) {
        isa.run_vectors(AddProduct {
            factor: self,
            rows,
            a,
            a_stride,
            c,
            c_stride,
        });
    }
}

struct AddProduct<'a> {
    factor: &'a Factor<'a>,
    rows: usize,
    a: &'a [f32],
    a_stride: usize,
    c: &'a mut [f32],
    c_stride: usize,
}

impl VectorTask for AddProduct<'_> {
    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(mut self) {
        let Factor {
            lines,
            depth,
            width,
        } = self.factor;
        for column in (0..*width).step_by(PANEL) {
            let columns = PANEL.min(width - column);
            match lines {
                Lines::Packed(panels) => {
                    let panel = &panels[column / PANEL * depth..][..*depth];
                    self.panel::<V, ROWS>(column, columns, |k| &panel[k].0);
                }
                Lines::Flat(matrix, stride, first) => {
                    let matrix = &matrix[first + column..];
                    if columns == PANEL {
                        let line = |k| matrix[k * stride..].first_chunk().expect("whole");
                        self.panel::<V, ROWS>(column, columns, line);
                    } else {
                        let mut panel = vec![ZEROS; *depth];
                        for (line, row) in panel.iter_mut().zip(matrix.chunks(*stride)) {
                            line.0[..columns].copy_from_slice(&row[..columns]);
                        }
                        self.panel::<V, ROWS>(column, columns, |k| &panel[k].0);
                    }
                }
            }
        }
    }
}

impl AddProduct<'_> {
    /// All rows of one panel.
    #[inline(always)]
    fn panel<'b, V: Vector, const ROWS: usize>(
        &mut self,
        column: usize,
        columns: usize,
        line: impl Fn(usize) -> &'b [f32; PANEL],
    ) {
        let depth = self.factor.depth;
        for row in (0..self.rows).step_by(TALL) {
            let a = &self.a[row * self.a_stride..];
            let a_row = |i: usize| &a[i * self.a_stride..][..depth];
            let c = (&mut self.c[row * self.c_stride + column..], self.c_stride);
            match self.rows - row {
                1 => wide::<V, ROWS, 1>(depth, by_rows(a_row), &line, columns, c),
                2 => wide::<V, ROWS, 2>(depth, by_rows(a_row), &line, columns, c),
                3 => wide::<V, ROWS, 3>(depth, by_rows(a_row), &line, columns, c),
                _ => wide::<V, ROWS, TALL>(depth, by_rows(a_row), &line, columns, c),
            }
        }
    }
}

/// `Σ_r aᵣᵀ·bᵣ` for rows `aᵣ` of one matrix and `bᵣ` of another, what weights get as their gradient; in panels of columns.
pub(super) struct OuterProducts {
    /// `[height, PANEL]` each, the height filled up to whole tiles.
    panels: Vec<Vec<f32>>,
    height: usize,
    width: usize,
}

impl OuterProducts {
    /// One result for each of several left operands. All have as many rows as the right one.
    pub(super) fn new<const N: usize>(
        isa: Isa,
        left: [&[&[f32]]; N],
        right: &[&[f32]],
    ) -> [Self; N] {
        let width = right[0].len();
        let heights = left.map(|rows| rows[0].len());
        let work = right.len() * width * heights.iter().sum::<usize>();
        let panels: Vec<usize> = (0..width.div_ceil(PANEL)).collect();
        let group = |panels: &[usize]| {
            let mut sums = heights.map(|height| {
                panels
                    .iter()
                    .map(|_| vec![0.0; height.next_multiple_of(TALL) * PANEL])
                    .collect()
            });
            isa.run_vectors(AddOuterProducts {
                left,
                right,
                first: panels[0] * PANEL,
                sums: &mut sums,
            });
            sums
        };
        let groups: Vec<[Vec<Vec<f32>>; N]> = if work < PARALLEL_PRODUCTS {
            vec![group(&panels)]
        } else {
            let per_thread = panels.len().div_ceil(rayon::current_num_threads());
            panels.par_chunks(per_thread).map(group).collect()
        };
        let mut results = heights.map(|height| Self {
            panels: Vec::new(),
            height,
            width,
        });
        for sums in groups {
            for (result, sums) in results.iter_mut().zip(sums) {
                result.panels.extend(sums);
            }
        }
        results
    }

    /// Several results side by side as one matrix, row by row.
    pub(super) fn side_by_side(parts: &[&Self]) -> Vec<f32> {
        let height = parts[0].height;
        let mut matrix =
            Vec::with_capacity(height * parts.iter().map(|part| part.width).sum::<usize>());
        for row in 0..height {
            for part in parts {
                for (index, panel) in part.panels.iter().enumerate() {
                    let columns = PANEL.min(part.width - index * PANEL);
                    matrix.extend_from_slice(&panel[row * PANEL..][..columns]);
                }
            }
        }
        matrix
    }
}

/// Rows of both operands that are packed at a time: a panel of the right one then fills half of the L1 cache.
const DEPTH: usize = 96;

struct AddOuterProducts<'a, const N: usize> {
    left: [&'a [&'a [f32]]; N],
    right: &'a [&'a [f32]],
    /// The first column.
    first: usize,
    /// Panels for each left operand.
    sums: &'a mut [Vec<Vec<f32>>; N],
}

impl<const N: usize> VectorTask for AddOuterProducts<'_, N> {
    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) {
        let mut panel = vec![ZEROS; DEPTH];
        let mut tiles = self
            .left
            .map(|left| vec![[0.0; TALL]; left[0].len().div_ceil(TALL) * DEPTH]);
        for (part, right) in self.right.chunks(DEPTH).enumerate() {
            for (left, tiles) in self.left.iter().zip(&mut tiles) {
                for (k, row) in left[part * DEPTH..].iter().take(DEPTH).enumerate() {
                    let (whole, rest) = row.as_chunks();
                    for (tile, &entries) in whole.iter().enumerate() {
                        tiles[tile * DEPTH + k] = entries;
                    }
                    if !rest.is_empty() {
                        tiles[whole.len() * DEPTH + k][..rest.len()].copy_from_slice(rest);
                    }
                }
            }
            let panel = &mut panel[..right.len()];
            for index in 0..self.sums[0].len() {
                let column = self.first + index * PANEL;
                let columns = PANEL.min(right[0].len() - column);
                for (line, row) in panel.iter_mut().zip(right) {
                    line.0[..columns].copy_from_slice(&row[column..][..columns]);
                }
                let columns = columns.next_multiple_of(V::LANES);
                for (tiles, sums) in tiles.iter().zip(&mut *self.sums) {
                    let sums = sums[index].chunks_exact_mut(TALL * PANEL);
                    for (tile, sums) in tiles.chunks_exact(DEPTH).zip(sums) {
                        let tile = &tile[..right.len()];
                        let c = (sums, PANEL);
                        wide::<V, ROWS, TALL>(tile.len(), |k| tile[k], |k| &panel[k].0, columns, c);
                    }
                }
            }
        }
    }
}

/// Rows per tile.
const TALL: usize = 4;

/// A few rows as a function that gives their k-th entries.
#[inline(always)]
fn by_rows<'a, const R: usize>(row: impl Fn(usize) -> &'a [f32]) -> impl Fn(usize) -> [f32; R] {
    let rows: [&[f32]; R] = core::array::from_fn(row);
    move |k| rows.map(|row| row[k])
}

/// One panel times `R` rows, tile by tile: on AVX-512, whose `ROWS` are eight, a tile is four registers wide, elsewhere two.
#[inline(always)]
fn wide<'b, V: Vector, const ROWS: usize, const R: usize>(
    depth: usize,
    a: impl Fn(usize) -> [f32; R],
    b: impl Fn(usize) -> &'b [f32; PANEL],
    columns: usize,
    (c, c_stride): (&mut [f32], usize),
) {
    let most = ROWS / 2;
    for first in (0..PANEL).step_by(most * V::LANES) {
        if first >= columns {
            break;
        }
        let left = columns - first;
        let c = (&mut c[first..], c_stride);
        let b = |k: usize| &b(k)[first..];
        match left.div_ceil(V::LANES).min(most) {
            1 => tile::<V, R, 1>(depth, &a, b, left, c),
            2 => tile::<V, R, 2>(depth, &a, b, left, c),
            3 => tile::<V, R, 3>(depth, &a, b, left, c),
            _ => tile::<V, R, 4>(depth, &a, b, left, c),
        }
    }
}

/// `R` rows and `C` registers of columns, of which `columns` are in the matrix.
#[inline(always)]
fn tile<'b, V: Vector, const R: usize, const C: usize>(
    depth: usize,
    a: impl Fn(usize) -> [f32; R],
    b: impl Fn(usize) -> &'b [f32],
    columns: usize,
    (c, c_stride): (&mut [f32], usize),
) {
    if columns < C * V::LANES {
        let mut whole = [0.0; TALL * PANEL];
        for (row, whole) in whole.chunks_exact_mut(PANEL).take(R).enumerate() {
            whole[..columns].copy_from_slice(&c[row * c_stride..][..columns]);
        }
        add_sums::<V, R, C>(depth, a, b, (&mut whole, PANEL));
        for (row, whole) in whole.chunks_exact(PANEL).take(R).enumerate() {
            c[row * c_stride..][..columns].copy_from_slice(&whole[..columns]);
        }
    } else {
        add_sums::<V, R, C>(depth, a, b, (c, c_stride));
    }
}

#[inline(always)]
fn add_sums<'b, V: Vector, const R: usize, const C: usize>(
    depth: usize,
    a: impl Fn(usize) -> [f32; R],
    b: impl Fn(usize) -> &'b [f32],
    (c, c_stride): (&mut [f32], usize),
) {
    // Loops over indices: iterators over arrays by value would put the sums into memory.
    let mut sums = [[V::splat(0.0); C]; R];
    for (i, sums) in sums.iter_mut().enumerate() {
        for (j, sum) in sums.iter_mut().enumerate() {
            *sum = V::load(&c[i * c_stride + j * V::LANES..]);
        }
    }
    for k in 0..depth {
        let (a, line) = (a(k), b(k));
        let mut b = [V::splat(0.0); C];
        for (j, b) in b.iter_mut().enumerate() {
            *b = V::load(&line[j * V::LANES..]);
        }
        for i in 0..R {
            let a = V::splat(a[i]);
            for j in 0..C {
                sums[i][j] = V::mul_add(a, b[j], sums[i][j]);
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        for (j, sum) in sums.iter().enumerate() {
            sum.store(&mut c[i * c_stride + j * V::LANES..]);
        }
    }
}
