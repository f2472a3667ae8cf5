//! Products with one matrix that stays the same over many calls: it is packed once into panels of [`PANEL`] columns.
//!
//! A general matrix product packs its operands at every call, which in a recurrence costs more than the product itself. Unlike the other
//! kernels this one names its vector registers: accumulators in a local array of floats would be spilled.

use super::isa::{Isa, Vector, VectorTask};

/// Columns per panel: two registers of AVX-512.
const PANEL: usize = 32;

/// A matrix `[depth, width]` in panels, the last one filled up with zeros.
#[derive(Debug)]
pub(super) struct Packed {
    panels: Vec<[f32; PANEL]>,
    depth: usize,
    width: usize,
}

impl Packed {
    /// Packs `matrix`, `[depth, width]` row by row.
    pub(super) fn new(matrix: &[f32], depth: usize, width: usize) -> Self {
        assert_eq!(matrix.len(), depth * width);
        let mut panels = vec![[0.0; PANEL]; width.div_ceil(PANEL) * depth];
        for (k, row) in matrix.chunks_exact(width).enumerate() {
            for (panel, part) in row.chunks(PANEL).enumerate() {
                panels[panel * depth + k][..part.len()].copy_from_slice(part);
            }
        }
        Self {
            panels,
            depth,
            width,
        }
    }

    /// Packs the transpose of `matrix`, which is `[width, depth]` row by row.
    pub(super) fn transposed(matrix: &[f32], depth: usize, width: usize) -> Self {
        assert_eq!(matrix.len(), depth * width);
        let mut panels = vec![[0.0; PANEL]; width.div_ceil(PANEL) * depth];
        for (column, entries) in matrix.chunks_exact(depth).enumerate() {
            let panel = &mut panels[column / PANEL * depth..][..depth];
            for (row, &entry) in panel.iter_mut().zip(entries) {
                row[column % PANEL] = entry;
            }
        }
        Self {
            panels,
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
        if rows > 0 {
            isa.run_vectors(AddProduct {
                packed: self,
                rows,
                a,
                a_stride,
                c,
                c_stride,
            });
        }
    }
}

struct AddProduct<'a> {
    packed: &'a Packed,
    rows: usize,
    a: &'a [f32],
    a_stride: usize,
    c: &'a mut [f32],
    c_stride: usize,
}

impl VectorTask for AddProduct<'_> {
    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(mut self) {
        let (depth, width) = (self.packed.depth, self.packed.width);
        for (index, panel) in self.packed.panels.chunks_exact(depth).enumerate() {
            let column = index * PANEL;
            let columns = PANEL.min(width - column);
            let mut row = 0;
            while row + ROWS <= self.rows {
                self.block::<V, ROWS>(panel, row, column, columns);
                row += ROWS;
            }
            while row < self.rows {
                self.block::<V, 1>(panel, row, column, columns);
                row += 1;
            }
        }
    }
}

impl AddProduct<'_> {
    /// `ROWS` rows of one panel, two registers of columns at a time. The sums run over the depth in order, whatever the block, so that a
    /// row's result does not depend on its neighbours.
    #[inline(always)]
    fn block<V: Vector, const ROWS: usize>(
        &mut self,
        panel: &[[f32; PANEL]],
        row: usize,
        column: usize,
        columns: usize,
    ) {
        let depth = panel.len();
        let a: [&[f32]; ROWS] =
            core::array::from_fn(|i| &self.a[(row + i) * self.a_stride..][..depth]);
        let mut first = 0;
        while first < columns {
            let mut sums = [[V::splat(0.0); 2]; ROWS];
            for (k, b) in panel.iter().enumerate() {
                let b = [V::load(&b[first..]), V::load(&b[first + V::LANES..])];
                for (sums, a) in sums.iter_mut().zip(&a) {
                    let a = V::splat(a[k]);
                    sums[0] = V::mul_add(a, b[0], sums[0]);
                    sums[1] = V::mul_add(a, b[1], sums[1]);
                }
            }
            for (i, sums) in sums.iter().enumerate() {
                let mut spill = [0.0; PANEL];
                sums[0].store(&mut spill);
                sums[1].store(&mut spill[V::LANES..]);
                let end = columns.min(first + 2 * V::LANES);
                let c = &mut self.c[(row + i) * self.c_stride + column..][first..end];
                for (c, sum) in c.iter_mut().zip(spill) {
                    *c += sum;
                }
            }
            first += 2 * V::LANES;
        }
    }
}
