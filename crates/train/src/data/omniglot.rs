//! Omniglot as images of 28x28 pixels, in two forms that cannot be compared with each other.
//!
//! `omniglot`: the authors' 105x105 bits, averaged. A pixel is the ink in a square of 3.75 x 3.75 source pixels, parts of
//! which count in part: in quarters of a source pixel along an axis, so k / 225 with a whole number k; stored as
//! floor(255 k / 225 + 1/2). All 32,460 drawings, background before evaluation, character by character, are shuffled
//! (Fisher-Yates downwards, stream `omniglot/split/1`, seed 0) and cut into the three splits; 45 are left over.
//!
//! `omniglot28`: the matrix of the code of Burda, Grosse and Salakhutdinov. An image is stored column by column. Split and
//! `fixed` binarization as in the released code of Tucker et al., "REBAR", 2017: one uniform number per pixel from
//! NumPy's generator with seed 5, training images before test images, 1 where it is below the grey value; then the
//! training images are permuted with seed 123, and the last 1,345 are validation. The other binarizations start from
//! grey values rounded to 1/255, in the same order and split.

use std::path::Path;

use rayon::prelude::*;

use super::images::{PIXELS, SIDE};
use super::manifest::Items;
use super::mt19937::Mt19937;
use super::stream::Stream;
use super::{DataError, mat, npz};

/// Rows and columns of a drawing.
const DRAWN: usize = 105;
/// Drawings of a character.
const DRAWERS: usize = 20;
/// Quarters of a source pixel in a pixel, along one axis: 105 / 28 = 15 / 4.
const QUARTERS: usize = 15;

/// The drawings of `characters` characters as grey images.
pub(super) fn read_npz(path: &Path, characters: usize) -> Result<Vec<u8>, DataError> {
    let paper = npz::read(path, "images", "|b1", &[characters, DRAWERS, DRAWN, DRAWN])?;
    let mut grey = vec![0; characters * DRAWERS * PIXELS];
    grey.par_chunks_exact_mut(PIXELS)
        .zip(paper.par_chunks_exact(DRAWN * DRAWN))
        .for_each(|(grey, paper)| {
            for (grey, k) in grey.iter_mut().zip(ink(paper)) {
                *grey = ((34 * k + 15) / 30) as u8;
            }
        });
    Ok(grey)
}

/// The ink of every pixel, in 1/225 of its area, of a drawing that is false where there is ink.
fn ink(paper: &[u8]) -> [u32; PIXELS] {
    let mut ink = [0; PIXELS];
    for (row, line) in paper.chunks_exact(DRAWN).enumerate() {
        for (column, _) in line.iter().enumerate().filter(|(_, paper)| **paper == 0) {
            // In sixteenths of a source pixel: a pixel has 225 of them.
            for (r, height) in shares(row) {
                for (c, width) in shares(column) {
                    ink[r * SIDE + c] += height * width;
                }
            }
        }
    }
    ink
}

/// The pixels that share a source pixel along one axis, and their quarters of it.
fn shares(source: usize) -> impl Iterator<Item = (usize, u32)> {
    let first = 4 * source;
    let here = first / QUARTERS;
    let cut = ((here + 1) * QUARTERS - first).min(4) as u32;
    [(here, cut), (here + 1, 4 - cut)]
        .into_iter()
        .filter(|&(_, quarters)| quarters > 0)
}

/// Shuffles the images and cuts them into splits.
pub(super) fn split(grey: &[u8], items: Items) -> [Vec<u8>; 3] {
    let n = grey.len() / PIXELS;
    let mut order: Vec<usize> = (0..n).collect();
    let stream = Stream::new("omniglot/split/1", 0);
    let mut draws = stream.draws(0, 0);
    for i in (1..n).rev() {
        order.swap(i, draws.below(i as u32 + 1) as usize);
    }
    let mut order = order.into_iter();
    [items.train, items.valid, items.test].map(|n| {
        let images = order.by_ref().take(n);
        images
            .flat_map(|i| &grey[i * PIXELS..][..PIXELS])
            .copied()
            .collect()
    })
}

/// The splits of the matrix; binary, 0 and 255, by the published draw if `fixed`.
pub(super) fn read_mat(path: &Path, items: Items, fixed: bool) -> Result<[Vec<u8>; 3], DataError> {
    let learned = items.train + items.valid;
    let wanted = [
        ("data", [PIXELS, learned]),
        ("testdata", [PIXELS, items.test]),
    ];
    let matrices = mat::read(path, &wanted)?;
    let mut random = Mt19937::new(5);
    let mut images = Vec::with_capacity(2);
    for (matrix, (name, _)) in matrices.iter().zip(wanted) {
        if let Some(bad) = matrix.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            return Err(DataError::Damaged {
                path: path.into(),
                problem: format!("`{name}` holds the value {bad}, expected 0 to 1"),
            });
        }
        let mut grey = Vec::with_capacity(matrix.len());
        for image in matrix.chunks_exact(PIXELS) {
            for pixel in 0..PIXELS {
                let value = image[pixel % SIDE * SIDE + pixel / SIDE];
                grey.push(if fixed {
                    255 * u8::from(random.uniform() < value)
                } else {
                    (255.0 * value + 0.5) as u8
                });
            }
        }
        images.push(grey);
    }
    let order = Mt19937::new(123).permutation(learned);
    let take = |order: &[usize]| -> Vec<u8> {
        let pixels = order
            .iter()
            .flat_map(|&i| &images[0][i * PIXELS..][..PIXELS]);
        pixels.copied().collect()
    };
    let (train, valid) = order.split_at(items.train);
    let parts = [take(train), take(valid)];
    let [train, valid] = parts;
    Ok([train, valid, images.swap_remove(1)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::test_support::real_data;
    use std::fs;

    #[test]
    fn a_source_pixel_is_shared_out_whole() {
        let mut columns = [0; SIDE];
        for source in 0..DRAWN {
            let shares: Vec<_> = shares(source).collect();
            assert_eq!(shares.iter().map(|(_, quarters)| quarters).sum::<u32>(), 4);
            for (pixel, quarters) in shares {
                // The overlap of two intervals, in quarters.
                let low = (4 * source).max(QUARTERS * pixel);
                let high = (4 * source + 4).min(QUARTERS * (pixel + 1));
                assert_eq!(quarters as usize, high - low);
                columns[pixel] += quarters;
            }
        }
        assert_eq!(columns, [15; SIDE]);
        assert_eq!(ink(&[0; DRAWN * DRAWN]), [225; PIXELS]);
        assert_eq!(ink(&[1; DRAWN * DRAWN]), [0; PIXELS]);
    }

    /// A matrix of few images whose pixel (r, c) of image n is (r + 2 c + n) / 255.
    #[test]
    fn the_matrix_is_transposed_permuted_and_drawn_from() {
        let value = |n: usize, r: usize, c: usize| (r + 2 * c + n) as u8;
        let columns = |n: usize| -> Vec<u8> {
            let pixels = (0..n).flat_map(|n| (0..PIXELS).map(move |d| (n, d % SIDE, d / SIDE)));
            pixels.map(|(n, r, c)| value(n, r, c)).collect()
        };
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("chardata.mat");
        let items = Items {
            train: 7,
            valid: 3,
            test: 2,
        };
        let doubles = |bytes: Vec<u8>| -> Vec<u8> {
            let values = bytes.iter().map(|&b| f64::from(b) / 255.0);
            values.flat_map(f64::to_le_bytes).collect()
        };
        let file = super::super::mat::tests::file_of_doubles(&[
            ("data", [784, 10], &doubles(columns(10))),
            ("testdata", [784, 2], &doubles(columns(2))),
        ]);
        fs::write(&path, file).expect("written");
        let [train, valid, test] = read_mat(&path, items, false).expect("images");
        // numpy.random.seed(123); permutation(10)
        let order = [4, 0, 7, 5, 8, 3, 1, 6, 9, 2];
        let learned = [train, valid].concat();
        for (image, n) in learned
            .chunks(PIXELS)
            .zip(order)
            .chain(test.chunks(PIXELS).zip(0..))
        {
            for (pixel, &grey) in image.iter().enumerate() {
                assert_eq!(grey, value(n, pixel / SIDE, pixel % SIDE));
            }
        }
        // The draw: image 0 is the second of the training images, the test images come after all ten.
        let [train, _, test] = read_mat(&path, items, true).expect("images");
        let mut random = Mt19937::new(5);
        let uniforms: Vec<f64> = (0..12 * PIXELS).map(|_| random.uniform()).collect();
        for pixel in 0..PIXELS {
            let grey = |n| f64::from(value(n, pixel / SIDE, pixel % SIDE)) / 255.0;
            let one = uniforms[pixel] < grey(0);
            assert_eq!(train[PIXELS + pixel], 255 * u8::from(one));
            let one = uniforms[11 * PIXELS + pixel] < grey(1);
            assert_eq!(test[PIXELS + pixel], 255 * u8::from(one));
        }

        let mut wrong = doubles(columns(10));
        wrong[..8].copy_from_slice(&1.5_f64.to_le_bytes());
        let file = super::super::mat::tests::file_of_doubles(&[
            ("data", [784, 10], &wrong),
            ("testdata", [784, 2], &doubles(columns(2))),
        ]);
        fs::write(&path, file).expect("written");
        let error = read_mat(&path, items, false).expect_err("a value above 1");
        assert!(
            error.to_string().contains("`data` holds the value 1.5"),
            "{error}"
        );
    }

    /// Figures computed from the published files by another program.
    #[test]
    fn the_real_drawings_are_what_they_are_known_to_be() {
        let Some(dir) = real_data("omniglot") else {
            return;
        };
        let known = [
            ("images_background.npz", 964, 0.077_939_6),
            ("images_evaluation.npz", 659, 0.084_284_0),
        ];
        for (name, characters, mean) in known {
            let path = dir.join("omniglot").join(name);
            let paper = npz::read(&path, "images", "|b1", &[characters, DRAWERS, DRAWN, DRAWN])
                .expect("drawings");
            let sums: Vec<u32> = paper
                .par_chunks_exact(DRAWN * DRAWN)
                .map(|paper| ink(paper).iter().sum())
                .collect();
            if characters == 964 {
                let exact = |k: u32| f64::from(k) / 225.0;
                assert!((exact(sums[0]) - 65.2089).abs() < 5e-5);
                assert!((exact(sums[1]) - 62.0800).abs() < 5e-5);
            }
            let total: u64 = sums.iter().map(|&sum| u64::from(sum)).sum();
            let pixels = (characters * DRAWERS * PIXELS) as f64;
            assert!((total as f64 / 225.0 / pixels - mean).abs() < 1e-7);
            // What is stored is rounded, to both sides alike.
            let grey = read_npz(&path, characters).expect("images");
            let total: u64 = grey.iter().map(|&g| u64::from(g)).sum();
            assert!((total as f64 / 255.0 / pixels - mean).abs() < 1e-4);
        }
    }
}
