//! Convolutions over two axes: loops over slices. The graph side is in `conv_op`.
//!
//! A channel of the images, with its padding, is laid out as **one long row**, image after image. A pixel of the result is then a position p
//! in it and a tap of the kernel a shift s, so that a convolution is a matrix product whose second operand is never built:
//!
//! * [`correlate`]: y_o(p) = Σ_{c,t} w_oct · x_c(p + s_t),
//! * [`spread`], its transpose: x_c(p) = Σ_{o,t} w_oct · y_o(p − s_t),
//! * [`weight_gradient`]: w_oct = Σ_p y_o(p) · x_c(p + s_t).
//!
//! The positions of the padding are computed as well and dropped (7 % for 3×3 on 28×28). With a stride the images are first taken apart into
//! their phases, every stride-th pixel each, in which all shifts are whole again; a transposed convolution multiplies no zeros.

use super::isa::{Isa, Vector, VectorTask};
use core::ops::Range;
use rayon::prelude::*;

/// Multiplications from which the work is split over threads: about 100 µs.
const PARALLEL_FROM: usize = 1 << 22;
/// Numbers per task: its rows stay in the second-level cache.
const TASK_NUMBERS: usize = 128 * 1024;
/// Positions that [`Dots`] runs over at a time: its rows stay in the first-level cache.
const BLOCK: usize = 1024;
/// Columns of the weight gradient per task: a multiple of the taps of a block, so that none is cut.
const COLUMNS: usize = 24;
/// Zeros behind each long row, for vectors that begin in it and end behind it.
const SLACK: usize = 128;

/// The sizes of a convolution from images to features, and the taps of its kernel.
#[derive(Debug)]
pub(crate) struct Geometry {
    image: Side,
    feature: Side,
    /// Rows and columns of padding before the first pixel.
    padding: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    /// Rows and columns of a plane: the features and what the kernel reaches beyond them.
    plane: [usize; 2],
    /// The phases, [0, stride) along each axis, that have taps.
    phases: Vec<[usize; 2]>,
    taps: Vec<Tap>,
}

/// Channels and size, `[n, channels, height, width]` for n images.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    pub(crate) channels: usize,
    pub(crate) size: [usize; 2],
}

#[derive(Clone, Copy, Debug)]
struct Tap {
    /// Its place in the kernel, row by row.
    index: usize,
    /// The number of its phase.
    phase: usize,
    /// By how many positions it shifts that phase.
    shift: usize,
}

impl Geometry {
    /// `used` says which places of the kernel, row by row, have weights; the others' are taken as 0 and have no gradient.
    pub(crate) fn new(
        image: Side,
        feature: Side,
        padding: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        used: impl Fn(usize) -> bool,
    ) -> Self {
        let reach = [0, 1].map(|axis| (kernel[axis] - 1) / stride[axis]);
        let plane = [0, 1].map(|axis| feature.size[axis] + reach[axis]);
        let mut phases = Vec::new();
        let mut taps = Vec::new();
        for index in (0..kernel[0] * kernel[1]).filter(|&index| used(index)) {
            let place = [index / kernel[1], index % kernel[1]];
            let phase = [0, 1].map(|axis| place[axis] % stride[axis]);
            let number = phases.iter().position(|&other| other == phase);
            taps.push(Tap {
                index,
                phase: number.unwrap_or(phases.len()),
                shift: place[0] / stride[0] * plane[1] + place[1] / stride[1],
            });
            if number.is_none() {
                phases.push(phase);
            }
        }
        Self {
            image,
            feature,
            padding,
            kernel,
            stride,
            plane,
            phases,
            taps,
        }
    }

    pub(crate) fn images(&self, count: usize) -> [usize; 4] {
        let [height, width] = self.image.size;
        [count, self.image.channels, height, width]
    }

    pub(crate) fn features(&self, count: usize) -> [usize; 4] {
        let [height, width] = self.feature.size;
        [count, self.feature.channels, height, width]
    }

    /// `[features, images, kernel height, kernel width]`.
    pub(crate) fn weights(&self) -> [usize; 4] {
        let [height, width] = self.kernel;
        [self.feature.channels, self.image.channels, height, width]
    }

    /// Where the weight of a feature channel, an image channel and a tap is.
    fn weight(&self, feature: usize, image: usize, tap: Tap) -> usize {
        let taps = self.kernel[0] * self.kernel[1];
        (feature * self.image.channels + image) * taps + tap.index
    }

    /// Positions of one image.
    fn positions(&self) -> usize {
        self.plane[0] * self.plane[1]
    }

    /// The largest shift.
    fn reach(&self) -> usize {
        self.taps.iter().map(|tap| tap.shift).max().unwrap_or(0)
    }

    fn multiplications(&self, count: usize) -> usize {
        count * self.positions() * self.feature.channels * self.image.channels * self.taps.len()
    }

    /// The long rows of images, `channels · phases` of them.
    fn image_rows(&self, images: &[f32], threads: bool) -> Rows {
        let count = images.len() / self.image.len();
        let mut rows = Rows::new(self.image.channels * self.phases.len(), count, self);
        rows.fill(threads, |row, positions| {
            let (channel, phase) = (row / self.phases.len(), row % self.phases.len());
            for (image, plane) in positions.chunks_exact_mut(self.positions()).enumerate() {
                let pixels = self.image.plane(images, image, channel);
                for (line, row) in plane.chunks_exact_mut(self.plane[1]).enumerate() {
                    let Some(y) = self.pixel(0, line, self.phases[phase][0]) else {
                        continue;
                    };
                    let pixels = &pixels[y * self.image.size[1]..][..self.image.size[1]];
                    let (columns, first) = self.columns(self.phases[phase][1]);
                    let row = &mut row[columns];
                    match self.stride[1] {
                        1 => row.copy_from_slice(&pixels[first..][..row.len()]),
                        stride => {
                            let pixels = pixels[first..].iter().step_by(stride);
                            for (to, &from) in row.iter_mut().zip(pixels) {
                                *to = from;
                            }
                        }
                    }
                }
            }
        });
        rows
    }

    /// The long rows of features, with zeros where the plane is larger.
    fn feature_rows(&self, features: &[f32], threads: bool) -> Rows {
        let count = features.len() / self.feature.len();
        let mut rows = Rows::new(self.feature.channels, count, self);
        let width = self.feature.size[1];
        rows.fill(threads, |channel, positions| {
            for (image, plane) in positions.chunks_exact_mut(self.positions()).enumerate() {
                let pixels = self.feature.plane(features, image, channel);
                let lines = plane.chunks_exact_mut(self.plane[1]);
                for (line, pixels) in lines.zip(pixels.chunks_exact(width)) {
                    line[..width].copy_from_slice(pixels);
                }
            }
        });
        rows
    }

    /// The line of the image at a line of a phase's plane; none if it belongs to the padding.
    fn pixel(&self, axis: usize, at: usize, phase: usize) -> Option<usize> {
        (at * self.stride[axis] + phase)
            .checked_sub(self.padding[axis])
            .filter(|&pixel| pixel < self.image.size[axis])
    }

    /// The columns of a phase's plane that are not padding, and the first one's column in the image.
    fn columns(&self, phase: usize) -> (Range<usize>, usize) {
        let (stride, padding) = (self.stride[1], self.padding[1]);
        let start = padding.saturating_sub(phase).div_ceil(stride);
        let first = start * stride + phase - padding;
        let pixels = self.image.size[1].saturating_sub(first).div_ceil(stride);
        let end = (start + pixels).min(self.plane[1]);
        (start.min(end)..end, first.min(self.image.size[1]))
    }
}

impl Side {
    /// Numbers per image.
    fn len(self) -> usize {
        self.channels * self.size[0] * self.size[1]
    }

    fn plane(self, all: &[f32], image: usize, channel: usize) -> &[f32] {
        let pixels = self.size[0] * self.size[1];
        &all[(image * self.channels + channel) * pixels..][..pixels]
    }
}

/// Long rows, with zeros before and behind each.
struct Rows {
    numbers: Vec<f32>,
    stride: usize,
    /// Zeros before the first position.
    front: usize,
    positions: usize,
}

impl Rows {
    fn new(rows: usize, count: usize, geometry: &Geometry) -> Self {
        let front = geometry.reach();
        let positions = count * geometry.positions();
        let stride = front + positions + front + SLACK;
        Self {
            numbers: vec![0.0; rows * stride],
            stride,
            front,
            positions,
        }
    }

    fn fill(&mut self, threads: bool, fill: impl Fn(usize, &mut [f32]) + Sync) {
        let fill = |(index, row): (usize, &mut [f32])| {
            fill(index, &mut row[self.front..][..self.positions]);
        };
        if threads {
            let rows = self.numbers.par_chunks_exact_mut(self.stride);
            rows.enumerate().for_each(fill);
        } else {
            let rows = self.numbers.chunks_exact_mut(self.stride);
            rows.enumerate().for_each(fill);
        }
    }

    /// Where position 0 of a row is.
    fn start(&self, row: usize) -> usize {
        row * self.stride + self.front
    }
}

/// Features of images: `features`, as long as [`Geometry::features`] says, is overwritten.
pub(super) fn correlate(
    isa: Isa,
    geometry: &Geometry,
    images: &[f32],
    weights: &[f32],
    bias: &[f32],
    features: &mut [f32],
) {
    let Geometry { image, feature, .. } = geometry;
    let columns = || (0..image.channels).flat_map(|c| geometry.taps.iter().map(move |&t| (c, t)));
    let matrix: Vec<f32> = (0..feature.channels)
        .flat_map(|o| columns().map(move |(c, t)| weights[geometry.weight(o, c, t)]))
        .collect();
    geometry.in_tasks(images, image, features, feature, |images, features| {
        let rows = geometry.image_rows(images, false);
        let starts: Vec<usize> = columns()
            .map(|(c, tap)| rows.start(c * geometry.phases.len() + tap.phase) + tap.shift)
            .collect();
        let out = product(isa, &matrix, &starts, &rows, bias);
        let stride = out.len() / feature.channels;
        let width = feature.size[1];
        for (index, plane) in features
            .chunks_exact_mut(feature.size[0] * width)
            .enumerate()
        {
            let (n, channel) = (index / feature.channels, index % feature.channels);
            let positions = &out[channel * stride + n * geometry.positions()..];
            let lines = positions.chunks(geometry.plane[1]);
            for (pixels, line) in plane.chunks_exact_mut(width).zip(lines) {
                pixels.copy_from_slice(&line[..width]);
            }
        }
    });
}

/// Images of features, the transpose of [`correlate`]: `images`, as long as [`Geometry::images`] says, is overwritten.
pub(super) fn spread(
    isa: Isa,
    geometry: &Geometry,
    features: &[f32],
    weights: &[f32],
    bias: &[f32],
    images: &mut [f32],
) {
    let Geometry { image, feature, .. } = geometry;
    let columns = |phase: usize| {
        let taps = geometry.taps.iter().filter(move |tap| tap.phase == phase);
        (0..feature.channels).flat_map(move |o| taps.clone().map(move |&t| (o, t)))
    };
    let matrices: Vec<Vec<f32>> = (0..geometry.phases.len())
        .map(|phase| {
            (0..image.channels)
                .flat_map(|c| columns(phase).map(move |(o, t)| weights[geometry.weight(o, c, t)]))
                .collect()
        })
        .collect();
    geometry.in_tasks(features, feature, images, image, |features, images| {
        let rows = geometry.feature_rows(features, false);
        let [height, width] = image.size;
        // Pixels that no tap reaches.
        for (index, plane) in images.chunks_exact_mut(height * width).enumerate() {
            plane.fill(bias[index % image.channels]);
        }
        for (phase, matrix) in matrices.iter().enumerate() {
            let starts: Vec<usize> = columns(phase)
                .map(|(o, tap)| rows.start(o) - tap.shift)
                .collect();
            let out = product(isa, matrix, &starts, &rows, bias);
            let stride = out.len() / image.channels;
            let [phase_y, phase_x] = geometry.phases[phase];
            let (columns, first) = geometry.columns(phase_x);
            for (index, plane) in images.chunks_exact_mut(height * width).enumerate() {
                let (n, channel) = (index / image.channels, index % image.channels);
                let positions = &out[channel * stride + n * geometry.positions()..];
                let lines = positions.chunks(geometry.plane[1]).take(geometry.plane[0]);
                for (line, positions) in lines.enumerate() {
                    let Some(y) = geometry.pixel(0, line, phase_y) else {
                        continue;
                    };
                    let pixels = &mut plane[y * width..][first..width];
                    let positions = &positions[columns.clone()];
                    match geometry.stride[1] {
                        1 => pixels[..positions.len()].copy_from_slice(positions),
                        stride => {
                            for (to, &from) in pixels.iter_mut().step_by(stride).zip(positions) {
                                *to = from;
                            }
                        }
                    }
                }
            }
        }
    });
}

impl Geometry {
    /// Runs `task` on groups of images, on several threads where it pays. Every image is computed alone, so results do not depend on the groups.
    fn in_tasks(
        &self,
        from: &[f32],
        from_side: &Side,
        to: &mut [f32],
        to_side: &Side,
        task: impl Fn(&[f32], &mut [f32]) + Sync,
    ) {
        let count = from.len() / from_side.len();
        let per_image =
            self.positions() * (self.image.channels * self.phases.len() + self.feature.channels);
        let fit = (TASK_NUMBERS / per_image).max(1);
        let (from_len, to_len) = (from_side.len(), to_side.len());
        if self.multiplications(count) < PARALLEL_FROM {
            let parts = from.chunks(fit * from_len).zip(to.chunks_mut(fit * to_len));
            parts.for_each(|(from, to)| task(from, to));
        } else {
            let fit = fit.min(count.div_ceil(rayon::current_num_threads()));
            let parts = from.par_chunks(fit * from_len);
            let parts = parts.zip(to.par_chunks_mut(fit * to_len));
            parts.for_each(|(from, to)| task(from, to));
        }
    }
}

/// Σ over images and positions of features times shifted images, shaped as [`Geometry::weights`] says.
pub(super) fn weight_gradient(
    isa: Isa,
    geometry: &Geometry,
    images: &[f32],
    features: &[f32],
) -> Vec<f32> {
    let Geometry { image, feature, .. } = geometry;
    let count = images.len() / image.len();
    let threads = geometry.multiplications(count) >= PARALLEL_FROM;
    let images = geometry.image_rows(images, threads);
    let features = geometry.feature_rows(features, threads);
    let columns: Vec<(usize, Tap)> = (0..image.channels)
        .flat_map(|c| geometry.taps.iter().map(move |&tap| (c, tap)))
        .collect();
    let starts: Vec<usize> = columns
        .iter()
        .map(|(c, tap)| images.start(c * geometry.phases.len() + tap.phase) + tap.shift)
        .collect();
    let channels = |block: usize| block * 8..feature.channels.min(block * 8 + 8);
    let groups = starts.len().div_ceil(COLUMNS);
    let dots = |task: usize| {
        let columns = task % groups * COLUMNS..starts.len().min((task % groups + 1) * COLUMNS);
        let mut sums = vec![0.0; 8 * COLUMNS];
        isa.run_vectors(Dots {
            features: &features,
            channels: channels(task / groups),
            images: &images,
            starts: &starts[columns],
            sums: &mut sums,
        });
        sums
    };
    let tasks = feature.channels.div_ceil(8) * groups;
    let sums: Vec<Vec<f32>> = if threads {
        (0..tasks).into_par_iter().map(dots).collect()
    } else {
        (0..tasks).map(dots).collect()
    };
    let mut gradient = vec![0.0; geometry.weights().iter().product()];
    for (task, sums) in sums.iter().enumerate() {
        let columns = columns[task % groups * COLUMNS..].iter().take(COLUMNS);
        for (sums, o) in sums.chunks_exact(COLUMNS).zip(channels(task / groups)) {
            for (&sum, &(c, tap)) in sums.iter().zip(columns.clone()) {
                gradient[geometry.weight(o, c, tap)] = sum;
            }
        }
    }
    gradient
}

/// `matrix`, [rows, columns], times the numbers of `from` at its positions, each column's from its own start, plus `bias` by row; as long rows
/// without zeros in front.
fn product(isa: Isa, matrix: &[f32], starts: &[usize], from: &Rows, bias: &[f32]) -> Vec<f32> {
    let stride = from.positions + SLACK;
    let mut out = vec![0.0; bias.len() * stride];
    isa.run_vectors(Product {
        matrix,
        starts,
        from,
        bias,
        out: &mut out,
        stride,
    });
    out
}

struct Product<'a> {
    matrix: &'a [f32],
    starts: &'a [usize],
    from: &'a Rows,
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
        let depth = self.starts.len();
        let weights: [&[f32]; R] =
            core::array::from_fn(|i| &self.matrix[(row + i) * depth..][..depth]);
        for at in (0..self.from.positions).step_by(W * V::LANES) {
            let mut sums: [[V; W]; R] = core::array::from_fn(|i| [V::splat(self.bias[row + i]); W]);
            for (k, &start) in self.starts.iter().enumerate() {
                let from = &self.from.numbers[start + at..][..W * V::LANES];
                let from: [V; W] = core::array::from_fn(|w| V::load(&from[w * V::LANES..]));
                for (sums, weights) in sums.iter_mut().zip(&weights) {
                    let weight = V::splat(weights[k]);
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

/// Dot products of some feature channels with images at some starts, into `sums`, [8, `COLUMNS`].
struct Dots<'a> {
    features: &'a Rows,
    channels: Range<usize>,
    images: &'a Rows,
    starts: &'a [usize],
    sums: &'a mut [f32],
}

impl VectorTask for Dots<'_> {
    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(mut self) {
        // Each sum by lanes: they are added up once, at the end.
        let mut lanes = vec![0.0; self.sums.len() * V::LANES];
        for at in (0..self.features.positions).step_by(BLOCK) {
            let end = self.features.positions.min(at + BLOCK);
            let mut row = 0;
            while row < self.channels.len() {
                row += match self.channels.len() - row {
                    8.. if V::LANES == 16 => self.rows::<V, 8>(row, at..end, &mut lanes),
                    4.. => self.rows::<V, 4>(row, at..end, &mut lanes),
                    _ => self.rows::<V, 1>(row, at..end, &mut lanes),
                };
            }
        }
        for (sum, lanes) in self.sums.iter_mut().zip(lanes.chunks_exact(V::LANES)) {
            *sum = lanes.iter().sum();
        }
    }
}

impl Dots<'_> {
    #[inline(always)]
    fn rows<V: Vector, const R: usize>(
        &mut self,
        row: usize,
        positions: Range<usize>,
        lanes: &mut [f32],
    ) -> usize {
        let mut column = 0;
        while column < self.starts.len() {
            column += match self.starts.len() - column {
                3.. => self.block::<V, R, 3>(row, column, positions.clone(), lanes),
                _ => self.block::<V, R, 1>(row, column, positions.clone(), lanes),
            };
        }
        R
    }

    #[inline(always)]
    fn block<V: Vector, const R: usize, const C: usize>(
        &self,
        row: usize,
        column: usize,
        positions: Range<usize>,
        lanes: &mut [f32],
    ) -> usize {
        let steps = positions.len().div_ceil(V::LANES);
        let long = steps * V::LANES;
        let features: [&[f32]; R] = core::array::from_fn(|i| {
            let start = self.features.start(self.channels.start + row + i);
            &self.features.numbers[start + positions.start..][..long]
        });
        let images: [&[f32]; C] = core::array::from_fn(|j| {
            &self.images.numbers[self.starts[column + j] + positions.start..][..long]
        });
        let place = |i: usize, j: usize| ((row + i) * COLUMNS + column + j) * V::LANES;
        let mut sums: [[V; C]; R] =
            core::array::from_fn(|i| core::array::from_fn(|j| V::load(&lanes[place(i, j)..])));
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
                sum.store(&mut lanes[place(i, j)..]);
            }
        }
        C
    }
}
