//! `glyphs`: digits drawn with splines, 28x28 grey. Needs no files.
//!
//! An item is a pure function of (version, seed, split, index). Its numbers come from the stream
//! `glyphs/<version>/<split>`, in this order:
//!
//! 1. class, uniform below 10;
//! 2. for each stroke and control point of the class: N(0, .045^2) added to x, then to y;
//! 3. theta ~ N(0, .1^2) rad, k ~ N(.15, .18^2), sx ~ 20 U(.72, 1.05), sy ~ 20 U(.88, 1.05),
//!    centre = (14, 14) + N(0, .8^2) each (x first), pen width w = exp N(ln 2.1, .25^2).
//!
//! A control point p of the unit square (x right, y down) lands at
//! R(theta) Sh(k) diag(sx, sy) (p - 1/2) + centre, Sh(k) = [[1, -k], [0, 1]]. A stroke is the
//! uniform Catmull-Rom spline through its points, 8 points a span, joined by straight lines; open
//! ends are extended by reflection. A pixel is clamp(w/2 + 1/2 - d, 0, 1), where d is the
//! distance of its centre (column + .5, row + .5) from the nearest line, stored as
//! floor(255 v + 1/2).
//!
//! The three splits have streams of their own; 50,000 training and 10,000 validation items take the
//! place of the 60,000 training images of MNIST.
//!
//! Yardsticks (seed 0, first 6,000 training and 1,500 test items): pixel mean .114, noise floor
//! 41.6 nats, independent pixels 186.5 nats; softmax regression errs on 2.9 % of the test items.

use super::Split;
use super::stream::Stream;
use rayon::prelude::*;

/// Any change of any pixel is a new version.
pub const VERSION: u32 = 1;

const SIDE: usize = 28;
const PIXELS: usize = SIDE * SIDE;
const POINTS_PER_SPAN: usize = 8;

type Point = (f64, f64);

struct Stroke {
    closed: bool,
    points: &'static [Point],
}

const fn open(points: &'static [Point]) -> Stroke {
    Stroke {
        closed: false,
        points,
    }
}

const fn closed(points: &'static [Point]) -> Stroke {
    Stroke {
        closed: true,
        points,
    }
}

/// The strokes of each digit, in the unit square.
#[rustfmt::skip]
const DIGITS: [&[Stroke]; 10] = [
    &[closed(&[(0.50, 0.06), (0.24, 0.22), (0.20, 0.55), (0.34, 0.90), (0.58, 0.94), (0.78, 0.72), (0.80, 0.38), (0.68, 0.10)])],
    &[open(&[(0.34, 0.24), (0.54, 0.06), (0.53, 0.50), (0.52, 0.94)])],
    &[open(&[(0.22, 0.28), (0.34, 0.09), (0.60, 0.06), (0.76, 0.26), (0.62, 0.52), (0.36, 0.74), (0.20, 0.92), (0.50, 0.89), (0.82, 0.92)])],
    &[open(&[(0.22, 0.16), (0.46, 0.05), (0.72, 0.16), (0.68, 0.38), (0.42, 0.47), (0.70, 0.54), (0.78, 0.76), (0.54, 0.95), (0.20, 0.84)])],
    &[
        open(&[(0.36, 0.06), (0.22, 0.34), (0.20, 0.58), (0.50, 0.58), (0.82, 0.55)]),
        open(&[(0.68, 0.10), (0.66, 0.50), (0.64, 0.95)]),
    ],
    &[open(&[(0.76, 0.07), (0.50, 0.08), (0.30, 0.09), (0.27, 0.28), (0.24, 0.46), (0.52, 0.40), (0.78, 0.58), (0.72, 0.84), (0.46, 0.95), (0.18, 0.86)])],
    &[open(&[(0.64, 0.05), (0.40, 0.22), (0.24, 0.50), (0.24, 0.78), (0.46, 0.95), (0.72, 0.84), (0.74, 0.62), (0.52, 0.52), (0.28, 0.68)])],
    &[open(&[(0.18, 0.12), (0.50, 0.10), (0.80, 0.09), (0.66, 0.38), (0.52, 0.66), (0.44, 0.95)])],
    &[closed(&[(0.70, 0.20), (0.50, 0.05), (0.28, 0.20), (0.44, 0.44), (0.68, 0.62), (0.68, 0.88), (0.46, 0.95), (0.26, 0.80), (0.36, 0.58), (0.60, 0.42)])],
    &[open(&[(0.74, 0.26), (0.52, 0.06), (0.27, 0.20), (0.30, 0.44), (0.54, 0.48), (0.74, 0.26), (0.72, 0.56), (0.64, 0.95)])],
];

/// The first `n` items of a split: `n` x 784 grey values and `n` classes.
pub(super) fn generate(seed: u64, split: Split, n: usize) -> (Vec<u8>, Vec<u8>) {
    let stream = stream(seed, split);
    let mut grey = vec![0; n * PIXELS];
    let mut labels = vec![0; n];
    grey.par_chunks_exact_mut(PIXELS)
        .zip(&mut labels)
        .enumerate()
        .for_each(|(index, (pixels, label))| {
            let glyph = Glyph::draw(&stream, index);
            glyph.render(pixels);
            *label = glyph.class;
        });
    (grey, labels)
}

fn stream(seed: u64, split: Split) -> Stream {
    Stream::new(&format!("glyphs/{VERSION}/{split}"), seed)
}

/// One item before it is put on pixels.
struct Glyph {
    class: u8,
    /// The ends of the straight pieces of all strokes.
    segments: Vec<(Point, Point)>,
    pen_width: f64,
}

impl Glyph {
    fn draw(stream: &Stream, index: usize) -> Self {
        let index = u32::try_from(index).expect("a split has less than 2^32 items");
        let mut draws = stream.draws(index, 0);
        let class = draws.below(10);
        let strokes = DIGITS[class as usize];
        let mut controls: Vec<Vec<Point>> = Vec::with_capacity(strokes.len());
        for stroke in strokes {
            let mut jitter = |(x, y): Point| {
                let x = x + 0.045 * draws.normal();
                let y = y + 0.045 * draws.normal();
                (x, y)
            };
            controls.push(stroke.points.iter().map(|&p| jitter(p)).collect());
        }
        let theta = 0.1 * draws.normal();
        let k = 0.15 + 0.18 * draws.normal();
        let sx = 20.0 * draws.uniform(0.72, 1.05);
        let sy = 20.0 * draws.uniform(0.88, 1.05);
        let centre_x = 14.0 + 0.8 * draws.normal();
        let centre_y = 14.0 + 0.8 * draws.normal();
        let pen_width = libm::exp(libm::log(2.1) + 0.25 * draws.normal());

        let (cos, sin) = (libm::cos(theta), libm::sin(theta));
        let place = |(x, y): Point| {
            let (x, y) = (sx * (x - 0.5), sy * (y - 0.5));
            let x = x - k * y;
            (cos * x - sin * y + centre_x, sin * x + cos * y + centre_y)
        };
        let mut segments = Vec::with_capacity(96);
        for (stroke, control) in strokes.iter().zip(controls) {
            let control: Vec<Point> = control.into_iter().map(place).collect();
            push_spline(&mut segments, &control, stroke.closed);
        }
        Self {
            class: class as u8,
            segments,
            pen_width,
        }
    }

    fn render(&self, pixels: &mut [u8]) {
        // No ink further from the line than this.
        let reach = self.pen_width / 2.0 + 0.5;
        let mut nearest = [f64::INFINITY; PIXELS];
        for &(a, b) in &self.segments {
            // The pixels whose centres are within reach of the segment lie in this box.
            let columns = touched(a.0, b.0, reach);
            let rows = touched(a.1, b.1, reach);
            let (ux, uy) = (b.0 - a.0, b.1 - a.1);
            let length2 = ux * ux + uy * uy;
            let inverse = if length2 > 0.0 { 1.0 / length2 } else { 0.0 };
            for row in rows {
                let dy = row as f64 + 0.5 - a.1;
                for column in columns.clone() {
                    let dx = column as f64 + 0.5 - a.0;
                    // The foot of the perpendicular, kept between the ends.
                    let t = ((dx * ux + dy * uy) * inverse).clamp(0.0, 1.0);
                    let (ex, ey) = (dx - t * ux, dy - t * uy);
                    let distance2 = ex * ex + ey * ey;
                    let cell = &mut nearest[row * SIDE + column];
                    if distance2 < *cell {
                        *cell = distance2;
                    }
                }
            }
        }
        for (pixel, distance2) in pixels.iter_mut().zip(nearest) {
            let ink = (reach - distance2.sqrt()).clamp(0.0, 1.0);
            *pixel = (255.0 * ink + 0.5) as u8;
        }
    }
}

/// The pixel positions along one axis whose centres can be within `reach` of a segment between
/// `a` and `b`. The cast saturates, so what lies outside the picture gives an empty range.
fn touched(a: f64, b: f64, reach: f64) -> std::ops::Range<usize> {
    let low = a.min(b) - reach - 0.5;
    let high = a.max(b) + reach - 0.5;
    let start = (low.max(0.0) as usize).min(SIDE);
    let end = if high < 0.0 {
        0
    } else {
        (high as usize + 1).min(SIDE)
    };
    start..end.max(start)
}

/// Adds the straight pieces of the uniform Catmull-Rom spline through `control`.
fn push_spline(segments: &mut Vec<(Point, Point)>, control: &[Point], closed: bool) {
    let n = control.len();
    // The ends of an open spline are extended by reflection.
    let reflect = |end: Point, inner: Point| (2.0 * end.0 - inner.0, 2.0 * end.1 - inner.1);
    let (before, after) = if closed {
        (control[n - 1], control[1])
    } else {
        (
            reflect(control[0], control[1]),
            reflect(control[n - 1], control[n - 2]),
        )
    };
    let at = |i: usize| match i {
        0 => before,
        i if i <= n => control[i - 1],
        i if closed && i == n + 1 => control[0],
        _ => after,
    };
    let spans = if closed { n } else { n - 1 };
    let mut previous = control[0];
    for span in 0..spans {
        let (p0, p1, p2, p3) = (at(span), at(span + 1), at(span + 2), at(span + 3));
        for step in 1..=POINTS_PER_SPAN {
            let t = step as f64 / POINTS_PER_SPAN as f64;
            let next = (
                catmull_rom(t, p0.0, p1.0, p2.0, p3.0),
                catmull_rom(t, p0.1, p1.1, p2.1, p3.1),
            );
            segments.push((previous, next));
            previous = next;
        }
    }
}

/// The point at `t` in \[0, 1\] between `p1` and `p2`.
fn catmull_rom(t: f64, p0: f64, p1: f64, p2: f64, p3: f64) -> f64 {
    let cubic = 3.0 * (p1 - p2) + p3 - p0;
    let square = 2.0 * p0 - 5.0 * p1 + 4.0 * p2 - p3;
    let linear = p2 - p0;
    0.5 * (((cubic * t + square) * t + linear) * t + 2.0 * p1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::test_support::sha256;

    /// The golden hashes of version 1: grey values of the first 1,000 items, then their classes.
    /// A second implementation, which shares nothing with this one, gives the same.
    #[test]
    fn the_first_thousand_items_are_those_of_version_1() {
        let golden = [
            (
                Split::Train,
                "af4c233f60b6bbec71f5e9f85dc9d042eef3ebfc99805ca41b4945b3cc854887",
                "4f4abdc14e630854146ccf9b087c6d4e2cae8c850e01f2d70863af12cb952235",
            ),
            (
                Split::Valid,
                "c9b743536f63fe3857739ac6f4b2fa7854ffb900138f1ea19a6862626bf17932",
                "f9505f66947e9f8de105c175077dc1d926e7c9d84c78252c4b78d1da054f375a",
            ),
            (
                Split::Test,
                "59df8f724deb54fbceeed4d63810a01f725f8f1dfb52a4a9057902348d89c483",
                "049a5de33555ecf7254204930b074d737e41da11f2afd52f4b4f3fcb3ec2fe16",
            ),
        ];
        for (split, grey, labels) in golden {
            let items = generate(0, split, 1000);
            assert_eq!(
                (sha256(&items.0).as_str(), sha256(&items.1).as_str()),
                (grey, labels),
                "{split}"
            );
        }
    }

    #[test]
    fn a_spline_goes_through_its_points_and_a_closed_one_comes_back() {
        let control = [(0.0, 0.0), (1.0, 2.0), (3.0, 1.0), (2.0, -1.0)];
        for closed in [false, true] {
            let mut segments = Vec::new();
            push_spline(&mut segments, &control, closed);
            assert_eq!(segments.len(), if closed { 32 } else { 24 });
            for pair in segments.windows(2) {
                assert_eq!(pair[0].1, pair[1].0, "the line is broken");
            }
            for (i, &p) in control.iter().enumerate().skip(1) {
                assert_eq!(segments[8 * i - 1].1, p);
            }
            assert_eq!(
                segments[segments.len() - 1].1,
                if closed { control[0] } else { control[3] }
            );
        }
    }

    /// Reflection of the ends makes the second derivative vanish there, and equidistant points on
    /// a line stay on it with equal steps: point 3 of the first span is at 3/8.
    #[test]
    fn a_spline_through_a_straight_line_is_that_line() {
        let mut segments = Vec::new();
        push_spline(
            &mut segments,
            &[(0.0, 0.0), (1.0, -2.0), (2.0, -4.0)],
            false,
        );
        for (i, &(_, (x, y))) in segments.iter().enumerate() {
            let t = (i + 1) as f64 / 8.0;
            assert_eq!((x, y), (t, -2.0 * t));
        }
    }

    /// The distance to every segment from every pixel, without boxes.
    fn render_slowly(glyph: &Glyph) -> Vec<u8> {
        let distance = |x: f64, y: f64, (a, b): (Point, Point)| {
            let (ux, uy) = (b.0 - a.0, b.1 - a.1);
            let t = (((x - a.0) * ux + (y - a.1) * uy) / (ux * ux + uy * uy)).clamp(0.0, 1.0);
            (x - a.0 - t * ux).hypot(y - a.1 - t * uy)
        };
        (0..PIXELS)
            .map(|i| {
                let (x, y) = ((i % SIDE) as f64 + 0.5, (i / SIDE) as f64 + 0.5);
                let d = glyph
                    .segments
                    .iter()
                    .map(|&s| distance(x, y, s))
                    .fold(f64::INFINITY, f64::min);
                (255.0 * (glyph.pen_width / 2.0 + 0.5 - d).clamp(0.0, 1.0) + 0.5) as u8
            })
            .collect()
    }

    /// One grey level is allowed for another order of rounding.
    #[test]
    fn boxes_lose_no_ink() {
        let stream = stream(3, Split::Test);
        let mut off_canvas = Glyph::draw(&stream, 0);
        for (a, b) in &mut off_canvas.segments {
            (a.0, b.0) = (a.0 - 20.0, b.0 - 20.0);
            (a.1, b.1) = (a.1 + 15.0, b.1 + 15.0);
        }
        let glyphs = (0..300)
            .map(|i| Glyph::draw(&stream, i))
            .chain([off_canvas]);
        for glyph in glyphs {
            let mut fast = [0; PIXELS];
            glyph.render(&mut fast);
            for (a, b) in fast.iter().zip(render_slowly(&glyph)) {
                assert!(a.abs_diff(b) <= 1, "{a} and {b}");
            }
        }
    }

    #[test]
    fn items_depend_neither_on_their_neighbours_nor_on_threads() {
        let pool = |threads| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("a pool")
        };
        let one = pool(1).install(|| generate(7, Split::Train, 300));
        let three = pool(3).install(|| generate(7, Split::Train, 300));
        assert_eq!(one, three);
        let stream = stream(7, Split::Train);
        for index in [299, 0, 150] {
            let glyph = Glyph::draw(&stream, index);
            let mut pixels = [0; PIXELS];
            glyph.render(&mut pixels);
            assert_eq!(pixels[..], one.0[index * PIXELS..][..PIXELS]);
            assert_eq!(glyph.class, one.1[index]);
        }
    }

    #[test]
    fn seeds_and_splits_share_no_item() {
        let sets = [
            (0, Split::Train),
            (0, Split::Valid),
            (0, Split::Test),
            (1, Split::Train),
        ];
        let mut items: Vec<Vec<u8>> = sets
            .iter()
            .flat_map(|&(seed, split)| {
                let grey = generate(seed, split, 500).0;
                grey.chunks(PIXELS).map(<[u8]>::to_vec).collect::<Vec<_>>()
            })
            .collect();
        items.sort();
        items.dedup();
        assert_eq!(items.len(), 2000);
    }

    #[test]
    fn pixel_mean_is_that_of_the_recipe() {
        let (grey, labels) = generate(0, Split::Train, 6000);
        let mean = grey.iter().map(|&g| f64::from(g)).sum::<f64>() / 255.0 / grey.len() as f64;
        println!("glyphs: pixel mean {mean:.4}");
        assert!((mean - 0.114).abs() <= 0.004, "pixel mean {mean}");
        for class in 0..10 {
            let count: i64 = labels.iter().map(|&label| i64::from(label == class)).sum();
            // Binomial(6000, .1): standard deviation 23.2, five of them.
            assert!((count - 600).abs() < 116, "{count} items of class {class}");
        }
    }

    /// Softmax regression, one example at a time, rate .02 falling to 0 over 12 passes.
    /// As hard as stated: neither trivial nor illegible.
    #[test]
    fn softmax_regression_errs_on_two_to_six_per_cent() {
        let (train, labels) = generate(0, Split::Train, 6000);
        let (test, truth) = generate(0, Split::Test, 1500);
        let mut weights = vec![[0.0_f32; 10]; PIXELS + 1];
        let score = |weights: &[[f32; 10]], pixels: &[u8]| {
            let mut logits = weights[PIXELS];
            for (&grey, row) in pixels.iter().zip(weights).filter(|(grey, _)| **grey > 0) {
                let x = f32::from(grey) / 255.0;
                for (logit, w) in logits.iter_mut().zip(row) {
                    *logit += x * w;
                }
            }
            logits
        };
        let passes = 12;
        let steps = (passes * 6000) as f32;
        for step in 0..passes * 6000 {
            let i = (step * 7919) % 6000;
            let rate = 0.02 * (1.0 - step as f32 / steps);
            let pixels = &train[i * PIXELS..][..PIXELS];
            let logits = score(&weights, pixels);
            let top = logits.iter().copied().fold(f32::MIN, f32::max);
            let exps = logits.map(|l| (l - top).exp());
            let total: f32 = exps.iter().sum();
            let mut slope = exps.map(|e| -rate * e / total);
            slope[labels[i] as usize] += rate;
            for (row, x) in weights
                .iter_mut()
                .zip(pixels.iter().map(|&g| f32::from(g) / 255.0).chain([1.0]))
            {
                if x > 0.0 {
                    for (w, s) in row.iter_mut().zip(slope) {
                        *w += s * x;
                    }
                }
            }
        }
        let wrong = test.chunks(PIXELS).zip(truth).filter(|(pixels, class)| {
            let logits = score(&weights, pixels);
            logits.iter().any(|&l| l > logits[*class as usize])
        });
        let error = wrong.count() as f64 / 1500.0;
        println!(
            "softmax regression: {:.2} % of test items wrong",
            100.0 * error
        );
        assert!((0.02..=0.06).contains(&error), "error {error}");
    }
}
