//! Pictures of a machine at work: time runs to the right.
//!
//! One column of panels per sequence, from above: inputs, targets, outputs (as probabilities), then the weighting of every
//! read head and of every write head, row 0 of the memory on top. Grey is a step whose output does not count; an input of -1 is
//! black, 0 dark grey in tasks with negative inputs.

use std::path::Path;

use burn::tensor::Device;
use unbiased_estimators::Noise;
use unbiased_kernels::sigmoid;
use unbiased_models::ntm::{Episodes, Ntm};

use super::evaluation::observe;
use crate::data::png;
use crate::transfer::host;

/// Most sequences in a picture.
pub(super) const MOST: usize = 4;
/// Pixels of a number, along each axis.
const SCALE: usize = 4;
/// Numbers' height of the line between two panels.
const GAP: usize = 1;
/// The line, and outputs that do not count.
const GREY: f32 = 0.375;

/// A picture of every sequence, side by side.
pub(super) fn write(
    path: &Path,
    model: &Ntm,
    episodes: &Episodes,
    noise: &Noise,
    device: &Device,
) -> anyhow::Result<()> {
    let sequences = episodes.upload(device);
    let (steps, _) = observe(model, &sequences, noise);
    let [_, heads, slots] = steps[0].address.dims();
    let (time, outputs) = (episodes.steps(), episodes.outputs_width);
    let mut addresses = Vec::with_capacity(time);
    let mut probabilities = Vec::with_capacity(time);
    for step in steps {
        addresses.push(host(step.address.flatten::<1>(0, 2))?);
        probabilities.push(match step.logits {
            Some(logits) => Some(host(sigmoid(logits).flatten::<1>(0, 1))?),
            None => None,
        });
    }
    let lowest = episodes.inputs.iter().copied().fold(0.0, f32::min);
    let highest = episodes.inputs.iter().copied().fold(1.0, f32::max);
    let mut pixels = Vec::new();
    let mut height = 0;
    for row in 0..episodes.rows {
        let mut canvas = Canvas::new(time);
        canvas.panel(episodes.inputs_width, |t, i| {
            (episodes.input(t, row)[i] - lowest) / (highest - lowest)
        });
        canvas.panel(outputs, |t, i| {
            episodes.target(t, row).map_or(GREY, |target| target[i])
        });
        canvas.panel(outputs, |t, i| {
            probabilities[t]
                .as_ref()
                .map_or(GREY, |p| p[row * outputs + i])
        });
        for head in 0..heads {
            canvas.panel(slots, |t, i| addresses[t][(row * heads + head) * slots + i]);
        }
        height = canvas.lines.len();
        pixels.extend(canvas.scaled());
    }
    png::write_grid(path, &pixels, height * SCALE, time * SCALE, episodes.rows)?;
    Ok(())
}

struct Canvas {
    time: usize,
    lines: Vec<Vec<f32>>,
}

impl Canvas {
    fn new(time: usize) -> Self {
        Self {
            time,
            lines: Vec::new(),
        }
    }

    /// A panel of `height` numbers per step.
    fn panel(&mut self, height: usize, value: impl Fn(usize, usize) -> f32) {
        if !self.lines.is_empty() {
            self.lines.extend(vec![vec![GREY; self.time]; GAP]);
        }
        for i in 0..height {
            self.lines
                .push((0..self.time).map(|t| value(t, i)).collect());
        }
    }

    /// Every number as a square.
    fn scaled(&self) -> Vec<f32> {
        let wide =
            |line: &Vec<f32>| -> Vec<f32> { line.iter().flat_map(|&x| [x; SCALE]).collect() };
        self.lines
            .iter()
            .flat_map(|line| vec![wide(line); SCALE].concat())
            .collect()
    }
}
