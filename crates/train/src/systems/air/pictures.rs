//! Pictures: scenes with the inferred boxes, what the model makes of them, and scenes of its own.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use unbiased_estimators::Noise;
use unbiased_models::air::{Air, AirProgram, Counting};

use super::{evaluation, upload};
use crate::data::Split;
use crate::data::png;
use crate::data::scenes::{SceneSet, Scenes};
use crate::transfer::host;

/// The colour of the box of each step; further steps begin anew.
const COLOURS: [[f32; 3]; 4] = [
    [1.0, 0.2, 0.2],
    [0.2, 0.9, 0.2],
    [0.3, 0.5, 1.0],
    [1.0, 0.8, 0.1],
];
/// Side of a pixel of a scene in a picture with boxes, which are drawn finer than the scene.
const ZOOM: usize = 3;

/// Writes all pictures of `n` scenes into `dir`.
pub(super) fn write(
    model: &Air,
    scenes: &SceneSet,
    device: &Device,
    dir: &Path,
    step: u64,
    n: usize,
) -> anyhow::Result<Vec<PathBuf>> {
    let side = model.config().canvas;
    let path = |name: &str| dir.join(format!("{step:08}-{name}.png"));
    let mut files = Vec::new();

    // As many of each count as in the training scenes; the prior of the count itself prefers empty ones.
    let counts = scenes.counts();
    let counts: Vec<usize> = (0..n).map(|i| counts[i % counts.len()]).collect();
    let samples = model.sample(&counts, &Noise::new(evaluation::SEED, 0));
    let columns = (n as f64).sqrt().ceil() as usize;
    png::write_grid(&path("samples"), &host(samples)?, side, side, columns)?;
    files.push(path("samples"));

    let known = ("scenes", Some(scenes.split(Split::Valid)));
    for (name, scenes) in [known, ("scenes-extra", scenes.extra(Split::Valid))] {
        let Some(scenes) = scenes else { continue };
        let pixels = explained(model, scenes, device, n)?;
        // Scene and explanation side by side, eight of these in a row.
        png::write_colour_grid(&path(name), &pixels, side * ZOOM, side * ZOOM, 16)?;
        files.push(path(name));
    }
    Ok(files)
}

/// The first `n` scenes, each with the boxes found in it and followed by what was drawn for it, in colour.
fn explained(model: &Air, scenes: &Scenes, device: &Device, n: usize) -> anyhow::Result<Vec<f32>> {
    let indices: Vec<usize> = (0..n.min(scenes.len())).collect();
    let images = upload(scenes, &indices, device);
    let ln_odds = model.config().count_prior.last_ln_odds();
    let explanation =
        AirProgram::new(model, images.clone(), Counting::Summed, ln_odds).explain(None);
    let counts = evaluation::counts(explanation.log_counts)?;
    let [rows, size] = images.dims();
    let [objects, ..] = explanation.places.dims();
    let canvases = host(Tensor::cat(explanation.canvases, 0))?;
    let places = host(explanation.places.reshape([objects * rows, 3]))?;
    let images = host(images)?;
    let side = model.config().canvas;
    let mut pixels = Vec::with_capacity(2 * rows * size * ZOOM * ZOOM * 3);
    for (row, count) in counts.into_iter().enumerate() {
        let mut picture = Picture::new(&images[row * size..][..size], side);
        for step in 0..count {
            let place = &places[(step * rows + row) * 3..][..3];
            picture.frame(place, COLOURS[step % COLOURS.len()]);
        }
        pixels.extend(picture.pixels);
        let canvas = &canvases[(count * rows + row) * size..][..size];
        pixels.extend(Picture::new(canvas, side).pixels);
    }
    Ok(pixels)
}

/// An enlarged scene in colour.
struct Picture {
    pixels: Vec<f32>,
    side: usize,
}

impl Picture {
    fn new(grey: &[f32], side: usize) -> Self {
        let large = side * ZOOM;
        let at = |i: usize| grey[i / large / ZOOM * side + i % large / ZOOM];
        let pixels = (0..large * large).flat_map(|i| [at(i); 3]);
        Self {
            pixels: pixels.collect(),
            side: large,
        }
    }

    /// The edge of the part of the scene that a window with this place `(ln s, t_x, t_y)` covers.
    fn frame(&mut self, place: &[f32], colour: [f32; 3]) {
        let scale = place[0].exp();
        let last = self.side as f32 - 1.0;
        // [-1, 1] to pixels; what lies outside is drawn at the border.
        let half = self.side as f32 / 2.0;
        let pixel = |x: f32| ((x + 1.0) * half - 0.5).clamp(0.0, last) as usize;
        let span = |centre: f32| pixel(centre - scale)..=pixel(centre + scale);
        let (columns, rows) = (span(place[1]), span(place[2]));
        for column in columns.clone() {
            self.put(*rows.start(), column, colour);
            self.put(*rows.end(), column, colour);
        }
        for row in rows {
            self.put(row, *columns.start(), colour);
            self.put(row, *columns.end(), colour);
        }
    }

    fn put(&mut self, row: usize, column: usize, colour: [f32; 3]) {
        let start = (row * self.side + column) * 3;
        self.pixels[start..start + 3].copy_from_slice(&colour);
    }
}
