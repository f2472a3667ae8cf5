//! Dot products of long rows: what the gradient of the weights is made of.

use super::geometry::Tap;
use super::rows::Rows;
use crate::flex::isa::{Vector, VectorTask};
use core::ops::Range;

/// Positions at a time: the rows stay in the first-level cache.
pub(super) const BLOCK: usize = 1024;
/// Feature channels and columns whose sums are held together: multiples of a block's.
pub(super) const CHANNELS: usize = 8;
pub(super) const COLUMNS: usize = 24;

/// Dot products of some feature channels with images at some starts.
pub(super) struct Dots<'a> {
    pub(super) features: &'a Rows<'a>,
    pub(super) channels: Range<usize>,
    pub(super) images: &'a Rows<'a>,
    /// Where in the images each begins.
    pub(super) columns: &'a [(usize, usize, Tap)],
    pub(super) sums: &'a mut [[f32; COLUMNS]; CHANNELS],
}

impl VectorTask for Dots<'_> {
    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(mut self) {
        for at in (0..self.features.positions).step_by(BLOCK) {
            let end = self.features.positions.min(at + BLOCK);
            let mut row = 0;
            while row < self.channels.len() {
                row += match self.channels.len() - row {
                    8.. if V::LANES == 16 => self.rows::<V, 8>(row, at..end),
                    4.. => self.rows::<V, 4>(row, at..end),
                    _ => self.rows::<V, 1>(row, at..end),
                };
            }
        }
    }
}

impl Dots<'_> {
    #[inline(always)]
    fn rows<V: Vector, const R: usize>(&mut self, row: usize, positions: Range<usize>) -> usize {
        let mut column = 0;
        while column < self.columns.len() {
            column += match self.columns.len() - column {
                3.. => self.block::<V, R, 3>(row, column, positions.clone()),
                _ => self.block::<V, R, 1>(row, column, positions.clone()),
            };
        }
        R
    }

    #[inline(always)]
    fn block<V: Vector, const R: usize, const C: usize>(
        &mut self,
        row: usize,
        column: usize,
        positions: Range<usize>,
    ) -> usize {
        // What is behind the last position are zeros.
        let steps = positions.len().div_ceil(V::LANES);
        let long = steps * V::LANES;
        let features: [&[f32]; R] = core::array::from_fn(|i| {
            let start = self.features.start(self.channels.start + row + i, 0);
            &self.features.numbers[start + positions.start..][..long]
        });
        let images: [&[f32]; C] = core::array::from_fn(|j| {
            &self.images.numbers[self.columns[column + j].0 + positions.start..][..long]
        });
        let mut sums = [[V::splat(0.0); C]; R];
        for step in 0..steps {
            let at = step * V::LANES;
            let images: [V; C] = core::array::from_fn(|j| V::load(&images[j][at..]));
            for (sums, features) in sums.iter_mut().zip(&features) {
                let feature = V::load(&features[at..]);
                for (sum, image) in sums.iter_mut().zip(images) {
                    *sum = V::mul_add(feature, image, *sum);
                }
            }
        }
        for (i, sums) in sums.into_iter().enumerate() {
            for (j, sum) in sums.into_iter().enumerate() {
                self.sums[row + i][column + j] += sum.sum();
            }
        }
        C
    }
}
