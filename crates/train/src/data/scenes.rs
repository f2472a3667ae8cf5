//! `scenes`: several digits on a square canvas, with their number known.
//!
//! A scene is a pure function of (version, digit set and its seed, settings, split, index): its numbers come from the
//! stream `scenes/<version>/<set>/<split>`, and its digits from the same split of the digit set, so that no digit of a
//! test scene was seen in training. For each scene, in this order:
//!
//! 1. the number of objects, uniform over `counts`;
//! 2. for each object: the digit, uniform over the split; the length of its longer side, uniform over
//!    `smallest..=largest` pixels. The digit is cropped to its ink and resized to that length (the shorter side in
//!    proportion, rounded to pixels) with a triangle filter as wide as the larger of the two pixel sizes;
//! 3. the top-left corner of each object, uniform over the places where its box lies on the canvas. While two boxes
//!    overlap, all corners are drawn anew, 1,000 times at most; then object `i` goes to corner `i` of the canvas.
//!
//! Pixels are `floor(v + 1/2)` of 0 to 255. Only additions, products, quotients and floors of f64 are used, so every
//! platform gives the same bits.

use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::stream::{Draws, Stream};
use super::{Binarization, DataConfig, DataError, ImageSet, Images, Split};
use crate::config::ConfigError;

/// Any change of any pixel is a new version.
pub const VERSION: u32 = 1;

/// Attempts to place the objects of a scene before they go to the corners.
const ATTEMPTS: u64 = 1000;
/// Ink: a pixel that belongs to a digit.
const INK: u8 = 25;

/// Which scenes: the table `[data]` of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SceneConfig {
    /// Where the digits come from: `glyphs` or `mnist`.
    pub name: String,
    /// Rows and columns of the canvas.
    pub canvas: usize,
    /// Least length of the longer side of an object, in pixels.
    pub smallest: usize,
    /// Largest length.
    pub largest: usize,
    /// Numbers of objects to train on, each as often as the others.
    pub counts: Vec<usize>,
    /// Numbers of objects that are only tested, on scenes of their own.
    pub extra_counts: Vec<usize>,
    /// Training scenes.
    pub train: usize,
    /// Validation scenes, test scenes, and scenes with `extra_counts` of either.
    pub eval: usize,
    /// Seed of the digits and of the scenes; has nothing to do with the run's seed.
    pub seed: u64,
}

impl Default for SceneConfig {
    fn default() -> Self {
        Self {
            name: "glyphs".into(),
            canvas: 32,
            smallest: 12,
            largest: 14,
            counts: vec![0, 1, 2],
            extra_counts: vec![3],
            train: 60_000,
            eval: 5_000,
            seed: 0,
        }
    }
}

impl SceneConfig {
    /// Refuses sizes and counts that no scene can have.
    ///
    /// # Errors
    /// The first such value.
    pub fn check(&self) -> Result<(), ConfigError> {
        let sizes = format!("{} to {}", self.smallest, self.largest);
        if self.smallest < 2 || self.largest < self.smallest {
            return Err(ConfigError::value(
                "data.smallest",
                sizes,
                "2 pixels or more, at most data.largest",
            ));
        }
        if 2 * self.largest > self.canvas {
            return Err(ConfigError::value(
                "data.largest",
                sizes,
                "at most half of data.canvas, so that objects find room",
            ));
        }
        for (key, counts, least) in [
            ("data.counts", &self.counts, 1),
            ("data.extra_counts", &self.extra_counts, 0),
        ] {
            if counts.len() < least || counts.iter().any(|&n| n > 4) {
                return Err(ConfigError::value(
                    key,
                    format!("{counts:?}"),
                    "numbers of objects, at most 4",
                ));
            }
        }
        for (key, n) in [("data.train", self.train), ("data.eval", self.eval)] {
            if n == 0 {
                return Err(ConfigError::value(key, n, "at least 1 scene"));
            }
        }
        Ok(())
    }

    /// The largest number of objects of any scene.
    #[must_use]
    pub fn most(&self) -> usize {
        let counts = self.counts.iter().chain(&self.extra_counts);
        counts.copied().max().unwrap_or(0)
    }
}

/// Scenes of one split.
pub struct Scenes {
    pixels: Vec<u8>,
    counts: Vec<u8>,
    boxes: Vec<Vec<Bounds>>,
    side: usize,
}

/// Where an object lies: pixels from the left and the top, and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Bounds {
    fn overlaps(&self, other: &Self) -> bool {
        self.left < other.left + other.width
            && other.left < self.left + self.width
            && self.top < other.top + other.height
            && other.top < self.top + self.height
    }
}

impl Scenes {
    /// The first `n` scenes of a split, with the counts that are trained on; `dir` is where digits are looked for first.
    ///
    /// # Errors
    /// If the digits cannot be had.
    pub fn draw(
        config: &SceneConfig,
        split: Split,
        n: usize,
        dir: Option<&Path>,
    ) -> Result<Self, DataError> {
        let digits = digits(config, dir)?;
        let stream = stream(config, split, "");
        Ok(generate(
            config,
            &config.counts,
            digits.split(split),
            &stream,
            n,
        ))
    }

    /// `[scenes, canvas, canvas]`, 0 to 255.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.pixels
    }

    /// Number of scenes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Objects of scene `i`.
    #[must_use]
    pub fn count(&self, i: usize) -> usize {
        usize::from(self.counts[i])
    }

    /// Where the objects of scene `i` are.
    #[must_use]
    pub fn boxes(&self, i: usize) -> &[Bounds] {
        &self.boxes[i]
    }

    /// The scenes `indices`, 0 to 1, `[indices, canvas * canvas]`.
    #[must_use]
    pub fn show(&self, indices: &[usize]) -> Vec<f32> {
        let size = self.side * self.side;
        let scenes = indices.iter().map(|&i| &self.pixels[i * size..][..size]);
        scenes.flatten().map(|&p| f32::from(p) / 255.0).collect()
    }
}

/// Scenes in three splits that share no digit.
pub struct SceneSet {
    /// To learn from.
    pub train: Scenes,
    /// To choose by, and the same with counts that are not trained on.
    pub valid: [Scenes; 2],
    /// To report on, likewise.
    pub test: [Scenes; 2],
    config: SceneConfig,
}

impl SceneSet {
    /// Generates the scenes; `dir` is where digits are looked for first.
    ///
    /// # Errors
    /// If the digits cannot be had.
    pub fn load(config: &SceneConfig, dir: Option<&Path>) -> Result<Self, DataError> {
        let digits = digits(config, dir)?;
        let scenes = |split, counts: &[usize], kind: &str, n| {
            let stream = stream(config, split, kind);
            let n = if counts.is_empty() { 0 } else { n };
            generate(config, counts, digits.split(split), &stream, n)
        };
        let eval = |split| {
            [
                scenes(split, &config.counts, "", config.eval),
                scenes(split, &config.extra_counts, "/extra", config.eval),
            ]
        };
        Ok(Self {
            train: scenes(Split::Train, &config.counts, "", config.train),
            valid: eval(Split::Valid),
            test: eval(Split::Test),
            config: config.clone(),
        })
    }

    /// The scenes of a split with the counts that are trained on.
    #[must_use]
    pub fn split(&self, split: Split) -> &Scenes {
        match split {
            Split::Train => &self.train,
            Split::Valid => &self.valid[0],
            Split::Test => &self.test[0],
        }
    }

    /// The scenes of a split with counts that are not trained on; there are none of the training split.
    #[must_use]
    pub fn extra(&self, split: Split) -> Option<&Scenes> {
        let scenes = match split {
            Split::Train => return None,
            Split::Valid => &self.valid[1],
            Split::Test => &self.test[1],
        };
        (!scenes.is_empty()).then_some(scenes)
    }

    /// The numbers of objects that are trained on.
    #[must_use]
    pub fn counts(&self) -> &[usize] {
        &self.config.counts
    }

    /// What the scenes are, in one line.
    #[must_use]
    pub fn describe(&self) -> String {
        let c = &self.config;
        format!(
            "scenes of {}, {2}x{2}, {3:?} objects, {4}/{5}/{5}, seed {1}",
            c.name, c.seed, c.canvas, c.counts, c.train, c.eval
        )
    }
}

fn digits(config: &SceneConfig, dir: Option<&Path>) -> Result<ImageSet, DataError> {
    let digits = DataConfig {
        name: config.name.clone(),
        binarization: Binarization::Grey,
        seed: config.seed,
        // All of them: a scene would be another one with fewer.
        train_limit: None,
        eval_limit: None,
        ..DataConfig::default()
    };
    ImageSet::load(&digits, dir)
}

fn stream(config: &SceneConfig, split: Split, kind: &str) -> Stream {
    let name = format!("scenes/{VERSION}/{}/{split}{kind}", config.name);
    Stream::new(&name, config.seed)
}

fn generate(
    config: &SceneConfig,
    counts: &[usize],
    digits: &Images,
    stream: &Stream,
    n: usize,
) -> Scenes {
    let size = config.canvas * config.canvas;
    let mut pixels = vec![0; n * size];
    let scenes = pixels.par_chunks_exact_mut(size).enumerate();
    let boxes: Vec<Vec<Bounds>> = scenes
        .map(|(index, canvas)| compose(config, counts, digits, stream, index, canvas))
        .collect();
    Scenes {
        counts: boxes.iter().map(|boxes| boxes.len() as u8).collect(),
        boxes,
        pixels,
        side: config.canvas,
    }
}

/// Draws one scene onto the empty `canvas`.
fn compose(
    config: &SceneConfig,
    counts: &[usize],
    digits: &Images,
    stream: &Stream,
    index: usize,
    canvas: &mut [u8],
) -> Vec<Bounds> {
    let index = u32::try_from(index).expect("a split has less than 2^32 scenes");
    let mut draws = stream.draws(index, 0);
    let count = counts[draws.below(counts.len() as u32) as usize];
    let objects: Vec<Object> = (0..count)
        .map(|_| {
            let digit = draws.below(digits.len() as u32) as usize;
            let spread = config.largest - config.smallest + 1;
            let longer = config.smallest + draws.below(spread as u32) as usize;
            Object::resized(digits.grey(digit), digits.width(), longer)
        })
        .collect();
    let boxes = (1..=ATTEMPTS)
        .map(|round| place(&objects, config.canvas, &mut stream.draws(index, round)))
        .find(|boxes| is_disjoint(boxes))
        .unwrap_or_else(|| in_corners(&objects, config.canvas));
    for (object, place) in objects.iter().zip(&boxes) {
        for (row, line) in object.pixels.chunks_exact(object.width).enumerate() {
            let start = (place.top + row) * config.canvas + place.left;
            canvas[start..start + object.width].copy_from_slice(line);
        }
    }
    boxes
}

fn is_disjoint(boxes: &[Bounds]) -> bool {
    let pairs = boxes.iter().enumerate();
    pairs
        .flat_map(|(i, a)| boxes[..i].iter().map(move |b| (a, b)))
        .all(|(a, b)| !a.overlaps(b))
}

fn place(objects: &[Object], canvas: usize, draws: &mut Draws<'_>) -> Vec<Bounds> {
    let mut within = |length: usize| draws.below((canvas - length + 1) as u32) as usize;
    objects
        .iter()
        .map(|o| o.at(within(o.width), within(o.height)))
        .collect()
}

fn in_corners(objects: &[Object], canvas: usize) -> Vec<Bounds> {
    let corner = |(i, o): (usize, &Object)| {
        let left = if i % 2 == 0 { 0 } else { canvas - o.width };
        let top = if i / 2 == 0 { 0 } else { canvas - o.height };
        o.at(left, top)
    };
    objects.iter().enumerate().map(corner).collect()
}

/// A digit cropped to its ink and resized.
struct Object {
    pixels: Vec<u8>,
    width: usize,
    height: usize,
}

impl Object {
    fn resized(grey: &[u8], side: usize, longer: usize) -> Self {
        let ink = |row: usize, column: usize| grey[row * side + column] >= INK;
        let rows = extent(side, |row| (0..side).any(|column| ink(row, column)));
        let columns = extent(side, |column| (0..side).any(|row| ink(row, column)));
        let (from_height, from_width) = (rows.len(), columns.len());
        let most = from_height.max(from_width);
        // Rounded to the nearest, half up.
        let scaled = |length: usize| ((2 * length * longer + most) / (2 * most)).max(1);
        let (height, width) = (scaled(from_height), scaled(from_width));

        let across = Filter::new(from_width, width);
        let mut narrowed = vec![0.0; from_height * width];
        for (line, row) in narrowed.chunks_exact_mut(width).zip(rows) {
            let source = &grey[row * side + columns.start..row * side + columns.end];
            for (to, taps) in line.iter_mut().zip(&across.taps) {
                *to = taps.iter().map(|&(i, w)| w * f64::from(source[i])).sum();
            }
        }
        let down = Filter::new(from_height, height);
        let mut pixels = Vec::with_capacity(height * width);
        for taps in &down.taps {
            for column in 0..width {
                let taps = taps.iter();
                let value: f64 = taps.map(|&(i, w)| w * narrowed[i * width + column]).sum();
                pixels.push((value + 0.5).clamp(0.0, 255.0) as u8);
            }
        }
        Self {
            pixels,
            width,
            height,
        }
    }

    fn at(&self, left: usize, top: usize) -> Bounds {
        Bounds {
            left,
            top,
            width: self.width,
            height: self.height,
        }
    }
}

/// First to last of the lines that have ink; all of them where none has.
fn extent(side: usize, has_ink: impl Fn(usize) -> bool) -> std::ops::Range<usize> {
    let first = (0..side).find(|&line| has_ink(line));
    let last = (0..side).rfind(|&line| has_ink(line));
    match (first, last) {
        (Some(first), Some(last)) => first..last + 1,
        _ => 0..side,
    }
}

/// Weights of the source pixels of every pixel along one axis.
struct Filter {
    taps: Vec<Vec<(usize, f64)>>,
}

impl Filter {
    fn new(from: usize, to: usize) -> Self {
        let ratio = from as f64 / to as f64;
        let reach = ratio.max(1.0);
        let taps = (0..to).map(|pixel| {
            let centre = (pixel as f64 + 0.5) * ratio;
            let weigh = |i: usize| {
                let distance = (i as f64 + 0.5 - centre).abs() / reach;
                (i, (1.0 - distance).max(0.0))
            };
            let near: Vec<_> = (0..from).map(weigh).filter(|&(_, w)| w > 0.0).collect();
            let total: f64 = near.iter().map(|&(_, w)| w).sum();
            near.into_iter().map(|(i, w)| (i, w / total)).collect()
        });
        Self {
            taps: taps.collect(),
        }
    }
}

#[cfg(test)]
mod tests;
