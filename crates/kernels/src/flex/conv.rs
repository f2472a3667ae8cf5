//! Convolutions over two axes: loops over slices. The graph side is in `conv_op`.
//!
//! A channel of the images, with its padding, is laid out as **one long row**, image after image. A pixel of the result is then a position p
//! in it and a tap of the kernel a shift s, so that a convolution is a matrix product whose second operand is never built:
//!
//! * [`correlate`]: y_o(p) = Σ_{c,t} w_oct · x_c(p + s_t),
//! * [`spread`], its transpose: x_c(p) = Σ_{o,t} w_oct · y_o(p − s_t),
//! * [`weight_gradient`]: w_oct = Σ_p y_o(p) · x_c(p + s_t).
//!
//! Rows and images are as far apart as their padding needs, which the one before and the one behind share; those positions are computed as
//! well and dropped (7 % for 3×3 on 28×28). With a stride the images are first taken apart into their phases, every stride-th pixel each, in
//! which all shifts are whole again; a transposed convolution multiplies no zeros.

use super::isa::{Isa, Vector, VectorTask};
use core::cell::RefCell;
use core::ops::Range;
use rayon::prelude::*;

/// Multiplications from which the work is split over threads: about 100 µs.
const PARALLEL_FROM: usize = 1 << 22;
/// Numbers per task: its rows stay in the second-level cache.
const TASK_NUMBERS: usize = 128 * 1024;
/// Positions that [`Dots`] runs over at a time: its rows stay in the first-level cache.
const BLOCK: usize = 1024;
/// Feature channels and columns of the weight gradient whose sums are held together: multiples of a block's.
const CHANNELS: usize = 8;
const COLUMNS: usize = 24;
/// The most tasks that the weight gradient is split into, each with its own sums.
const TASKS: usize = 16;
/// Numbers per line of the cache.
const ALIGNED: usize = 16;
/// Zeros behind each long row, for vectors that begin in it and end behind it.
const SLACK: usize = 128;

/// The sizes of a convolution from images to features, and the taps of its kernel.
#[derive(Debug)]
pub(crate) struct Geometry {
    image: Side,
    feature: Side,
    kernel: [usize; 2],
    stride: [usize; 2],
    /// Lines and columns of an image in its long row.
    plane: [usize; 2],
    /// Those that have taps.
    phases: Vec<Phase>,
    taps: Vec<Tap>,
}

/// Channels and size, `[n, channels, height, width]` for n images.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    pub(crate) channels: usize,
    pub(crate) size: [usize; 2],
}

/// Every stride-th line and column of an image.
#[derive(Clone, Copy, Debug)]
struct Phase {
    /// Where the padded image's phase begins, [0, stride).
    offset: [usize; 2],
    /// Lines and columns of padding before the first pixel.
    lead: [usize; 2],
    /// The first line and column of the image.
    first: [usize; 2],
    /// Lines and columns that the kernel reaches.
    pixels: [usize; 2],
}

#[derive(Clone, Copy, Debug)]
struct Tap {
    /// Its place in the kernel, row by row.
    index: usize,
    /// The number of its phase.
    phase: usize,
    /// By how many positions it shifts that phase.
    shift: isize,
}

impl Geometry {
    /// `padding` counts lines and columns before the first pixel; what is behind follows from the sizes. `used` says which places of the
    /// kernel, row by row, have weights; the others' are taken as 0 and have no gradient.
    pub(crate) fn new(
        image: Side,
        feature: Side,
        padding: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        used: impl Fn(usize) -> bool,
    ) -> Self {
        let reach = [0, 1].map(|axis| (kernel[axis] - 1) / stride[axis]);
        let mut plane = feature.size;
        let mut phases: Vec<Phase> = Vec::new();
        let mut taps = Vec::new();
        for index in (0..kernel[0] * kernel[1]).filter(|&index| used(index)) {
            let place = [index / kernel[1], index % kernel[1]];
            let offset = [0, 1].map(|axis| place[axis] % stride[axis]);
            let known = phases.iter().position(|phase| phase.offset == offset);
            let phase = known.unwrap_or_else(|| {
                let lead = [0, 1].map(|axis| {
                    padding[axis]
                        .saturating_sub(offset[axis])
                        .div_ceil(stride[axis])
                });
                let first =
                    [0, 1].map(|axis| lead[axis] * stride[axis] + offset[axis] - padding[axis]);
                let pixels = [0, 1].map(|axis| {
                    let all = image.size[axis].saturating_sub(first[axis]);
                    let reached = (feature.size[axis] + reach[axis]).saturating_sub(lead[axis]);
                    all.div_ceil(stride[axis]).min(reached)
                });
                for axis in [0, 1] {
                    // Zeros for what the kernel reaches before the first pixel, then for what it reaches behind the last.
                    plane[axis] = plane[axis]
                        .max(pixels[axis] + lead[axis])
                        .max((feature.size[axis] + reach[axis]).saturating_sub(lead[axis]));
                }
                phases.push(Phase {
                    offset,
                    lead,
                    first,
                    pixels,
                });
                phases.len() - 1
            });
            taps.push((index, place, phase));
        }
        let taps = taps.into_iter().map(|(index, place, phase)| {
            let by = |axis: usize| {
                (place[axis] / stride[axis]) as isize - phases[phase].lead[axis] as isize
            };
            Tap {
                index,
                phase,
                shift: by(0) * plane[1] as isize + by(1),
            }
        });
        Self {
            image,
            feature,
            kernel,
            stride,
            plane,
            taps: taps.collect(),
            phases,
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

    fn multiplications(&self, count: usize) -> usize {
        count * self.positions() * self.feature.channels * self.image.channels * self.taps.len()
    }

    /// The long rows of images: the phases of a channel, channel after channel.
    fn image_rows<'a>(&self, images: &[f32], buffer: &'a mut Vec<f32>) -> Rows<'a> {
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
    fn image_columns(&self, rows: &Rows<'_>) -> Vec<(usize, usize, Tap)> {
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
    fn feature_rows<'a>(&self, features: &[f32], buffer: &'a mut Vec<f32>) -> Rows<'a> {
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
fn scatter(to: &mut [f32], from: &[f32], stride: usize) {
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

/// Long rows, with zeros before and behind each.
struct Rows<'a> {
    numbers: &'a [f32],
    stride: usize,
    /// Where position 0 of the first row is.
    front: usize,
    positions: usize,
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
    fn start(&self, row: usize, shift: isize) -> usize {
        (row * self.stride + self.front)
            .checked_add_signed(shift)
            .expect("the zeros in front are as many as the largest shift")
    }
}

/// The first `count` numbers of a buffer that grows as needed; they hold whatever was there.
fn first(buffer: &mut Vec<f32>, count: usize) -> &mut [f32] {
    if buffer.len() < count {
        buffer.resize(count, 0.0);
    }
    &mut buffer[..count]
}

/// What a task needs beside its inputs and results; kept by its thread, since fresh memory costs as much as a small convolution.
#[derive(Default)]
struct Scratch {
    rows: Vec<f32>,
    other: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
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
    let [height, width] = feature.size;
    geometry.in_tasks(
        (images, image),
        (features, feature),
        |images, features, scratch| {
            let rows = geometry.image_rows(images, &mut scratch.rows);
            let columns = geometry.image_columns(&rows).into_iter();
            let columns = columns.map(|(start, c, tap)| (start, geometry.weight(0, c, tap)));
            let matrix = Matrix {
                weights,
                row: image.channels * geometry.kernel[0] * geometry.kernel[1],
                columns: &columns.collect::<Vec<_>>(),
            };
            let out = product(isa, matrix, &rows, bias, &mut scratch.other);
            let planes = features.chunks_exact_mut(height * width);
            for (plane, lines) in planes.zip(geometry.lines(out, feature.channels)) {
                for (pixels, line) in plane.chunks_exact_mut(width).zip(lines) {
                    pixels.copy_from_slice(&line[..width]);
                }
            }
        },
    );
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
    let [height, width] = image.size;
    let all = geometry
        .phases
        .iter()
        .map(|phase| phase.pixels[0] * phase.pixels[1]);
    let reaches_all = all.sum::<usize>() == height * width;
    geometry.in_tasks(
        (features, feature),
        (images, image),
        |features, images, scratch| {
            if !reaches_all {
                for (index, plane) in images.chunks_exact_mut(height * width).enumerate() {
                    plane.fill(bias[index % image.channels]);
                }
            }
            let rows = geometry.feature_rows(features, &mut scratch.rows);
            for (number, phase) in geometry.phases.iter().enumerate() {
                let mut columns = Vec::new();
                for o in 0..feature.channels {
                    for &tap in geometry.taps.iter().filter(|tap| tap.phase == number) {
                        columns.push((rows.start(o, -tap.shift), geometry.weight(o, 0, tap)));
                    }
                }
                let matrix = Matrix {
                    weights,
                    row: geometry.kernel[0] * geometry.kernel[1],
                    columns: &columns,
                };
                let out = product(isa, matrix, &rows, bias, &mut scratch.other);
                let planes = images.chunks_exact_mut(height * width);
                for (plane, lines) in planes.zip(geometry.lines(out, image.channels)) {
                    let pixels = plane.chunks_exact_mut(width).skip(phase.first[0]);
                    let pixels = pixels.step_by(geometry.stride[0]);
                    for (pixels, line) in pixels.zip(lines.take(phase.pixels[0])) {
                        let line = &line[..phase.pixels[1]];
                        if !line.is_empty() {
                            scatter(&mut pixels[phase.first[1]..], line, geometry.stride[1]);
                        }
                    }
                }
            }
        },
    );
}

impl Geometry {
    /// Runs `task` on groups of images, on several threads where it pays. Every image is computed alone, so results do not depend on the groups.
    fn in_tasks(
        &self,
        (from, from_side): (&[f32], &Side),
        (to, to_side): (&mut [f32], &Side),
        task: impl Fn(&[f32], &mut [f32], &mut Scratch) + Sync,
    ) {
        let task = |(from, to): (&[f32], &mut [f32])| {
            SCRATCH.with_borrow_mut(|scratch| task(from, to, scratch));
        };
        let (from_len, to_len) = (from_side.len(), to_side.len());
        let count = from.len() / from_len;
        let fit = self.images_per_task();
        if self.multiplications(count) < PARALLEL_FROM {
            let parts = from.chunks(fit * from_len);
            parts.zip(to.chunks_mut(fit * to_len)).for_each(task);
        } else {
            let fit = fit.min(count.div_ceil(rayon::current_num_threads()));
            let parts = from.par_chunks(fit * from_len);
            parts.zip(to.par_chunks_mut(fit * to_len)).for_each(task);
        }
    }

    /// As many images as fit the cache with their features.
    fn images_per_task(&self) -> usize {
        let channels = self.image.channels * self.phases.len() + self.feature.channels;
        (TASK_NUMBERS / (self.positions() * channels)).max(1)
    }

    /// The lines of a product's images, channel by channel.
    fn lines<'a>(
        &self,
        product: &'a [f32],
        channels: usize,
    ) -> impl Iterator<Item = core::slice::Chunks<'a, f32>> {
        let (row, positions, columns) = (product.len() / channels, self.positions(), self.plane[1]);
        (0..).map(move |index| {
            let (image, channel) = (index / channels, index % channels);
            product[channel * row + image * positions..][..positions].chunks(columns)
        })
    }
}

/// Σ over images and positions of features times shifted images, shaped as [`Geometry::weights`] says.
pub(super) fn weight_gradient(
    isa: Isa,
    geometry: &Geometry,
    images: &[f32],
    features: &[f32],
) -> Vec<f32> {
    let (image_len, feature_len) = (geometry.image.len(), geometry.feature.len());
    let count = images.len() / image_len;
    // Enough of them that their sums are worth adding up.
    let fit = geometry
        .images_per_task()
        .max(BLOCK.div_ceil(geometry.positions()));
    let groups = |(images, features): (&[f32], &[f32])| {
        let mut sums = vec![0.0; geometry.weights().iter().product()];
        let groups = images.chunks(fit * image_len);
        for (images, features) in groups.zip(features.chunks(fit * feature_len)) {
            SCRATCH.with_borrow_mut(|scratch| {
                let Scratch { rows, other } = scratch;
                let images = geometry.image_rows(images, rows);
                let features = geometry.feature_rows(features, other);
                add_weight_gradient(isa, geometry, &images, &features, &mut sums);
            });
        }
        sums
    };
    if geometry.multiplications(count) < PARALLEL_FROM {
        return groups((images, features));
    }
    // By the sizes alone, so that the result does not depend on the number of threads.
    let per_task = count.div_ceil(fit).div_ceil(TASKS) * fit;
    let parts = images.par_chunks(per_task * image_len);
    let parts = parts.zip(features.par_chunks(per_task * feature_len));
    let parts: Vec<Vec<f32>> = parts.map(groups).collect();
    let mut parts = parts.into_iter();
    let mut total = parts.next().unwrap_or_default();
    for part in parts {
        for (total, part) in total.iter_mut().zip(part) {
            *total += part;
        }
    }
    total
}

fn add_weight_gradient(
    isa: Isa,
    geometry: &Geometry,
    images: &Rows<'_>,
    features: &Rows<'_>,
    sums: &mut [f32],
) {
    let columns = geometry.image_columns(images);
    for channel in (0..geometry.feature.channels).step_by(CHANNELS) {
        let channels = channel..geometry.feature.channels.min(channel + CHANNELS);
        for columns in columns.chunks(COLUMNS) {
            let mut dots = [[0.0; COLUMNS]; CHANNELS];
            isa.run_vectors(Dots {
                features,
                channels: channels.clone(),
                images,
                columns,
                dots: &mut dots,
            });
            for (dots, o) in dots.iter().zip(channels.clone()) {
                for (dot, &(_, c, tap)) in dots.iter().zip(columns) {
                    sums[geometry.weight(o, c, tap)] += dot;
                }
            }
        }
    }
}

/// A matrix whose columns are anywhere among the weights.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    weights: &'a [f32],
    /// From one row to the next.
    row: usize,
    /// For each column: where the numbers begin that it is multiplied by, and its weight of row 0.
    columns: &'a [(usize, usize)],
}

/// A matrix times the numbers of `from` at its positions, plus `bias` by row. Returns as many numbers per row as there are positions, and some
/// more.
fn product<'a>(
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

/// Dot products of some feature channels with images at some starts.
struct Dots<'a> {
    features: &'a Rows<'a>,
    channels: Range<usize>,
    images: &'a Rows<'a>,
    /// Where in the images each begins.
    columns: &'a [(usize, usize, Tap)],
    dots: &'a mut [[f32; COLUMNS]; CHANNELS],
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
                self.dots[row + i][column + j] += sum.sum();
            }
        }
        C
    }
}
