//! Convolutions over two axes: loops over slices. The graph side is in `op`.
//!
//! A channel of the images, with its padding, is laid out as **one long row**, image after image. A pixel of the result is then a position p
//! in it and a tap of the kernel a shift s, so that a convolution is a matrix product whose second operand is never built:
//!
//! * [`correlate`]: `y_o(p) = Σ_{c,t} w_oct · x_c(p + s_t)`,
//! * [`spread`], its transpose: `x_c(p) = Σ_{o,t} w_oct · y_o(p − s_t)`,
//! * [`weight_gradient`]: `w_oct = Σ_p y_o(p) · x_c(p + s_t)`.
//!
//! Rows and images are as far apart as their padding needs, which the one before and the one behind share; those positions are computed as
//! well and dropped (7 % for 3×3 on 28×28). With a stride the images are first taken apart into their phases, every stride-th pixel each, in
//! which all shifts are whole again; a transposed convolution multiplies no zeros.

mod dots;
mod geometry;
mod op;
mod product;
mod rows;

pub(crate) use geometry::{Geometry, Side};
pub(crate) use op::{Direction, convolution};

use super::isa::Isa;
use core::cell::RefCell;
use dots::{BLOCK, CHANNELS, COLUMNS, Dots};
use product::{Matrix, product};
use rayon::prelude::*;
use rows::{Rows, scatter};

/// Multiplications from which the work is split over threads: about 100 µs.
const PARALLEL_FROM: usize = 1 << 22;
/// Numbers per task: its rows stay in the second-level cache.
const TASK_NUMBERS: usize = 128 * 1024;
/// The most tasks that the weight gradient is split into, each with its own sums.
const TASKS: usize = 16;

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
                sums: &mut dots,
            });
            for (dots, o) in dots.iter().zip(channels.clone()) {
                for (dot, &(_, c, tap)) in dots.iter().zip(columns) {
                    sums[geometry.weight(o, c, tap)] += dot;
                }
            }
        }
    }
}
