//! Long rows, and how images and features get into and out of them.

use super::geometry::{Geometry, Phase, Tap};

/// Numbers per line of the cache.
const ALIGNED: usize = 16;
/// Zeros behind each long row, for vectors that begin in it and end behind it.
pub(super) const SLACK: usize = 128;

/// Long rows, with zeros before and behind each.
pub(super) struct Rows<'a> {
    pub(super) numbers: &'a [f32],
    stride: usize,
    /// Where position 0 of the first row is.
    front: usize,
    pub(super) positions: usize,
}

impl<'a> Rows<'a> {
    /// `fill` writes one image of one row.
    fn new(
        rows: usize,
        count: usize,
        geometry: &Geometry,
        buffer: &'a mut Vec<f32>,
        fill: impl Fn(usize, &mut [f32], usize),
    ) -> Self {
        let shifts = geometry.taps.iter().map(|tap| tap.shift.unsigned_abs());
        let reach = shifts.max().unwrap_or(0).next_multiple_of(ALIGNED);
        let positions = count * geometry.positions();
        let stride = (reach + positions + reach + SLACK).next_multiple_of(ALIGNED);
        let numbers = first(buffer, rows * stride + ALIGNED);
        // Vectors that begin at position 0 should not lie across two lines of the cache.
        let offset = numbers.as_ptr().align_offset(4 * ALIGNED).min(ALIGNED);
        for (index, row) in numbers[offset..]
            .chunks_exact_mut(stride)
            .take(rows)
            .enumerate()
        {
            let (before, row) = row.split_at_mut(reach);
            before.fill(0.0);
            let (images, behind) = row.split_at_mut(positions);
            behind.fill(0.0);
            let images = images.chunks_exact_mut(geometry.positions());
            images
                .enumerate()
                .for_each(|(image, plane)| fill(index, plane, image));
        }
        Self {
            numbers,
            stride,
            front: offset + reach,
            positions,
        }
    }

    /// Where position 0 of a row is once it is shifted.
    pub(super) fn start(&self, row: usize, shift: isize) -> usize {
        (row * self.stride + self.front)
            .checked_add_signed(shift)
            .expect("the zeros in front are as many as the largest shift")
    }
}

impl Geometry {
    /// The long rows of images: the phases of a channel, channel after channel.
    pub(super) fn image_rows<'a>(&self, images: &[f32], buffer: &'a mut Vec<f32>) -> Rows<'a> {
        let count = images.len() / self.image.len();
        let rows = self.image.channels * self.phases.len();
        Rows::new(rows, count, self, buffer, |row, plane, image| {
            let channel = self.image.plane(images, image, row / self.phases.len());
            let Phase { first, pixels, .. } = self.phases[row % self.phases.len()];
            let lines = channel.chunks_exact(self.image.size[1]);
            let lines = lines.skip(first[0]).step_by(self.stride[0]);
            let (used, rest) = plane.split_at_mut(pixels[0] * self.plane[1]);
            for (to, from) in used.chunks_exact_mut(self.plane[1]).zip(lines) {
                let (to, gap) = to.split_at_mut(pixels[1]);
                if !to.is_empty() {
                    gather(to, &from[first[1]..], self.stride[1]);
                }
                zeros(gap);
            }
            rest.fill(0.0);
        })
    }

    /// Where each image channel and tap begins in the rows.
    pub(super) fn image_columns(&self, rows: &Rows<'_>) -> Vec<(usize, usize, Tap)> {
        let mut columns = Vec::with_capacity(self.image.channels * self.taps.len());
        for channel in 0..self.image.channels {
            for &tap in &self.taps {
                let row = channel * self.phases.len() + tap.phase;
                columns.push((rows.start(row, tap.shift), channel, tap));
            }
        }
        columns
    }

    /// The long rows of features.
    pub(super) fn feature_rows<'a>(&self, features: &[f32], buffer: &'a mut Vec<f32>) -> Rows<'a> {
        let count = features.len() / self.feature.len();
        let rows = self.feature.channels;
        let [height, width] = self.feature.size;
        Rows::new(rows, count, self, buffer, |row, plane, image| {
            let lines = self.feature.plane(features, image, row).chunks_exact(width);
            let (used, rest) = plane.split_at_mut(height * self.plane[1]);
            for (to, from) in used.chunks_exact_mut(self.plane[1]).zip(lines) {
                let (to, gap) = to.split_at_mut(width);
                to.copy_from_slice(from);
                zeros(gap);
            }
            rest.fill(0.0);
        })
    }
}

/// Of most kernels it is a single number, for which a call would cost more than the line.
fn zeros(gap: &mut [f32]) {
    match gap {
        [one] => *one = 0.0,
        gap => gap.fill(0.0),
    }
}

/// Every `stride`-th number of `from`.
fn gather(to: &mut [f32], from: &[f32], stride: usize) {
    match stride {
        1 => to.copy_from_slice(&from[..to.len()]),
        2 => {
            let (pairs, last) = from.as_chunks::<2>();
            let single = [[last.first().copied().unwrap_or(0.0); 2]];
            for (to, from) in to.iter_mut().zip(pairs.iter().chain(&single)) {
                *to = from[0];
            }
        }
        _ => {
            for (to, &from) in to.iter_mut().zip(from.iter().step_by(stride)) {
                *to = from;
            }
        }
    }
}

/// To every `stride`-th number of `to`.
pub(super) fn scatter(to: &mut [f32], from: &[f32], stride: usize) {
    match stride {
        1 => to[..from.len()].copy_from_slice(from),
        2 => {
            let (pairs, last) = to.as_chunks_mut::<2>();
            if let (Some(to), Some(from)) = (last.first_mut(), from.get(pairs.len())) {
                *to = *from;
            }
            for (to, &from) in pairs.iter_mut().zip(from) {
                to[0] = from;
            }
        }
        _ => {
            for (to, &from) in to.iter_mut().step_by(stride).zip(from) {
                *to = from;
            }
        }
    }
}

/// The first `count` numbers of a buffer that grows as needed; they hold whatever was there.
pub(super) fn first(buffer: &mut Vec<f32>, count: usize) -> &mut [f32] {
    if buffer.len() < count {
        buffer.resize(count, 0.0);
    }
    &mut buffer[..count]
}
