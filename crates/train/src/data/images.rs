//! Grey images of one split, and what a model sees of them.

use super::binarization::{Binarization, bernoulli, is_ink};
use super::source::Raw;
use super::stream::Stream;
use super::{DataConfig, Split};
use rayon::prelude::*;
use std::fmt;

/// Rows and columns of an image of the sets in the catalogue.
pub(super) const SIDE: usize = 28;
/// Pixels of such an image.
pub(super) const PIXELS: usize = SIDE * SIDE;

/// Square grey images of one size, and what a model sees of them.
pub struct Images {
    side: usize,
    grey: Vec<u8>,
    labels: Option<Vec<u8>>,
    view: View,
}

/// What a model sees of grey images.
enum View {
    Grey,
    Threshold,
    /// The pixels 0 and 1 of a draw made once.
    Drawn(Vec<u8>),
    /// A draw for each time an image is seen.
    Dynamic(Stream),
}

impl Images {
    /// The images of a split of the set `name`, under the view that `config` asks for.
    pub(super) fn new(name: &str, config: &DataConfig, split: Split, raw: Raw) -> Self {
        let Raw { side, grey, labels } = raw;
        let stream = |kind: &str| Stream::new(&format!("{name}/{kind}/1/{split}"), config.seed);
        let view = match config.binarization {
            Binarization::Grey => View::Grey,
            // The pixels of a published binary set are 0 and 255.
            Binarization::Threshold | Binarization::Fixed => View::Threshold,
            Binarization::Dynamic if split == Split::Train => View::Dynamic(stream("dynamic")),
            Binarization::Dynamic | Binarization::Bernoulli1 => {
                View::Drawn(draw_all(&stream("bernoulli1"), &grey, side * side))
            }
        };
        Self {
            side,
            grey,
            labels,
            view,
        }
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.grey.len() / self.size()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.grey.is_empty()
    }

    /// Rows of an image.
    #[must_use]
    pub fn height(&self) -> usize {
        self.side
    }

    /// Columns of an image.
    #[must_use]
    pub fn width(&self) -> usize {
        self.side
    }

    /// Pixels of an image.
    #[must_use]
    pub fn size(&self) -> usize {
        self.side * self.side
    }

    /// The class of image `i`, if the set has classes.
    ///
    /// # Panics
    /// If there is no image `i`.
    #[must_use]
    pub fn label(&self, i: usize) -> Option<u8> {
        self.labels.as_ref().map(|labels| labels[i])
    }

    /// The grey pixels of image `i`, row by row, 255 = ink.
    ///
    /// # Panics
    /// If there is no image `i`.
    #[must_use]
    pub fn grey(&self, i: usize) -> &[u8] {
        &self.grey[i * self.size()..][..self.size()]
    }

    /// The mean of each pixel, in \[0, 1\], under the law of what [`ImageSet::pixels`](super::ImageSet::pixels) gives:
    /// of grey / 255 where that is grey or drawn anew each time, of the draw or the threshold
    /// otherwise.
    #[must_use]
    pub fn mean(&self) -> Vec<f32> {
        let sum = |values: &[u8], value: fn(u8) -> u64, unit: u64| -> Vec<f32> {
            let mut sums = vec![0_u64; self.size()];
            for image in values.chunks_exact(self.size()) {
                for (sum, &v) in sums.iter_mut().zip(image) {
                    *sum += value(v);
                }
            }
            let scale = (unit * self.len() as u64) as f64;
            sums.iter()
                .map(|&sum| (sum as f64 / scale) as f32)
                .collect()
        };
        match &self.view {
            View::Grey | View::Dynamic(_) => sum(&self.grey, u64::from, 255),
            View::Threshold => sum(&self.grey, |g| is_ink(g).into(), 1),
            View::Drawn(bits) => sum(bits, u64::from, 1),
        }
    }

    /// Mean over images of the entropy of their Bernoulli pixels, in nats: a negative
    /// log-likelihood of freshly drawn pixels cannot be below this in expectation, whatever the
    /// model.
    #[must_use]
    pub fn noise_floor_nats(&self) -> f64 {
        let entropy = |grey: u8| {
            let p = f64::from(grey) / 255.0;
            let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
            term(p) + term(1.0 - p)
        };
        let mut counts = [0_u64; 256];
        for &grey in &self.grey {
            counts[usize::from(grey)] += 1;
        }
        let total: f64 = (0..=255)
            .zip(counts)
            .map(|(grey, n)| n as f64 * entropy(grey))
            .sum();
        total / self.len() as f64
    }

    /// What a model sees of image `i` in draw `draw`.
    pub(super) fn show(&self, i: usize, draw: u64, to: &mut [f32]) {
        let grey = self.grey(i);
        let mut set = |source: &[u8], value: fn(u8) -> f32| {
            for (to, &from) in to.iter_mut().zip(source) {
                *to = value(from);
            }
        };
        match &self.view {
            View::Grey => set(grey, |g| f32::from(g) / 255.0),
            View::Threshold => set(grey, |g| f32::from(u8::from(is_ink(g)))),
            View::Drawn(bits) => set(&bits[i * self.size()..][..self.size()], f32::from),
            View::Dynamic(stream) => bernoulli(stream, item(i), draw, grey, to),
        }
    }
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Images({})", self.len())
    }
}

/// The address of image `i` in a stream.
pub(super) fn item(i: usize) -> u32 {
    u32::try_from(i).expect("a split has less than 2^32 images")
}

/// One Bernoulli draw of every image of `size` pixels.
fn draw_all(stream: &Stream, grey: &[u8], size: usize) -> Vec<u8> {
    let mut bits = vec![0; grey.len()];
    bits.par_chunks_exact_mut(size)
        .zip(grey.par_chunks_exact(size))
        .enumerate()
        .for_each(|(i, (bits, grey))| bernoulli(stream, item(i), 0, grey, bits));
    bits
}
