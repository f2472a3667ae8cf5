//! The matrix product whose second operand is long rows, each column's from its own start.

use super::rows::{Rows, SLACK, first};
use crate::flex::isa::{Isa, Vector, VectorTask};

/// A matrix whose columns are anywhere among the weights.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) weights: &'a [f32],
    /// From one row to the next.
    pub(super) row: usize,
    /// For each column: where the numbers begin that it is multiplied by, and its weight of row 0.
    pub(super) columns: &'a [(usize, usize)],
}

/// A matrix times the numbers of `from` at its positions, plus `bias` by row. Returns as many numbers per row as there are positions, and some
/// more.
pub(super) fn product<'a>(
    isa: Isa,
    matrix: Matrix<'_>,
    from: &Rows<'_>,
    bias: &[f32],
    buffer: &'a mut Vec<f32>,
) -> &'a [f32] {
    let stride = from.positions + SLACK;
    let out = first(buffer, bias.len() * stride);
    isa.run_vectors(Product {
        matrix,
        from,
        bias,
        out,
        stride,
    });
    out
}

struct Product<'a> {
    matrix: Matrix<'a>,
    from: &'a Rows<'a>,
    bias: &'a [f32],
    out: &'a mut [f32],
    stride: usize,
}

impl VectorTask for Product<'_> {
    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(mut self) {
        let mut row = 0;
        while row < self.bias.len() {
            // The accumulators of a block, and one operand of each kind, fit the registers.
            row += match self.bias.len() - row {
                8.. if V::LANES == 16 => self.rows::<V, 8, 3>(row),
                4.. => self.rows::<V, 4, 3>(row),
                2.. => self.rows::<V, 2, 4>(row),
                _ => self.rows::<V, 1, 8>(row),
            };
        }
    }
}

impl Product<'_> {
    /// `R` rows, `W` registers of positions at a time. The sums run over the columns in order, whatever the block.
    #[inline(always)]
    fn rows<V: Vector, const R: usize, const W: usize>(&mut self, row: usize) -> usize {
        let Matrix {
            weights,
            row: from_row,
            columns,
        } = self.matrix;
        // The rows' weights side by side: one stream to read.
        let columns: Vec<(usize, [f32; R])> = columns
            .iter()
            .map(|&(start, weight)| {
                let weight = |i| weights[weight + (row + i) * from_row];
                (start, core::array::from_fn(weight))
            })
            .collect();
        for at in (0..self.from.positions).step_by(W * V::LANES) {
            let mut sums: [[V; W]; R] = core::array::from_fn(|i| [V::splat(self.bias[row + i]); W]);
            for &(start, ref weights) in &columns {
                let from = &self.from.numbers[start + at..][..W * V::LANES];
                let from: [V; W] = core::array::from_fn(|w| V::load(&from[w * V::LANES..]));
                for (sums, &weight) in sums.iter_mut().zip(weights) {
                    let weight = V::splat(weight);
                    for (sum, from) in sums.iter_mut().zip(from) {
                        *sum = V::mul_add(weight, from, *sum);
                    }
                }
            }
            for (i, sums) in sums.into_iter().enumerate() {
                let out = &mut self.out[(row + i) * self.stride + at..][..W * V::LANES];
                for (w, sum) in sums.into_iter().enumerate() {
                    sum.store(&mut out[w * V::LANES..]);
                }
            }
        }
        R
    }
}
