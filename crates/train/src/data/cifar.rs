//! CIFAR-10: records of one label and 32x32 pixels in three colours.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::locate::{self, search_path};
use super::{DataError, Manifest};

/// Numbers of an image: red, green and blue, each 32 rows of 32.
pub const PIXELS: usize = 3 * 32 * 32;

/// What the labels 0 to 9 mean.
pub const CLASSES: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

/// Colour images with labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColourImages {
    /// `[images, 3, 32, 32]`, 0 to 255.
    pub pixels: Vec<u8>,
    /// `[images]`, see [`CLASSES`].
    pub labels: Vec<u8>,
}

/// CIFAR-10 in three splits.
#[derive(Clone, Debug)]
pub struct CifarSet {
    /// To learn from.
    pub train: ColourImages,
    /// To choose by: the last 5,000 of the 50,000 training images.
    pub valid: ColourImages,
    /// To report on.
    pub test: ColourImages,
}

impl CifarSet {
    /// Loads the set, looked for as [`ImageSet::load`](super::ImageSet::load) does.
    ///
    /// # Errors
    /// If the files are not to be found or not what they should be.
    pub fn load(dir: Option<&Path>) -> Result<Self, DataError> {
        let set = Manifest::named("cifar10")?;
        let files = locate::find(set, &search_path(dir))?;
        let (test, train) = files.split_last().expect("the manifest names six files");
        let mut learned = ColourImages::default();
        for file in train {
            let ColourImages { pixels, labels } = read(file, 10_000)?;
            learned.pixels.extend(pixels);
            learned.labels.extend(labels);
        }
        let valid = ColourImages {
            pixels: learned.pixels.split_off(set.items.train * PIXELS),
            labels: learned.labels.split_off(set.items.train),
        };
        Ok(Self {
            train: learned,
            valid,
            test: read(test, set.items.test)?,
        })
    }
}

/// The `n` records of the file at `path`.
///
/// # Errors
/// [`DataError::Damaged`] if it has another length, or a label above 9.
pub fn read(path: &Path, n: usize) -> Result<ColourImages, DataError> {
    let length = n * (1 + PIXELS);
    let mut bytes = Vec::with_capacity(length + 1);
    File::open(path)
        .and_then(|file| file.take(length as u64 + 1).read_to_end(&mut bytes))
        .map_err(|source| DataError::Read {
            path: path.into(),
            source,
        })?;
    decode(&bytes, n).map_err(|problem| DataError::Damaged {
        path: path.into(),
        problem,
    })
}

fn decode(bytes: &[u8], n: usize) -> Result<ColourImages, String> {
    let length = n * (1 + PIXELS);
    if bytes.len() != length {
        let bound = if bytes.len() > length {
            "more than "
        } else {
            ""
        };
        let found = bytes.len().min(length);
        return Err(format!(
            "is {bound}{found} bytes long, expected {length}: {n} records of {}",
            1 + PIXELS
        ));
    }
    let mut images = ColourImages::default();
    for (i, record) in bytes.chunks_exact(1 + PIXELS).enumerate() {
        let label = record[0];
        if usize::from(label) >= CLASSES.len() {
            let at = i * (1 + PIXELS);
            return Err(format!("byte {at}: the label {label}, expected 0 to 9"));
        }
        images.labels.push(label);
        images.pixels.extend(&record[1..]);
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Checksum;
    use crate::data::test_support::real_data;
    use std::fs;
    use std::io::BufReader;

    fn records(labels: &[u8]) -> Vec<u8> {
        labels
            .iter()
            .flat_map(|&label| {
                let pixels = (0..PIXELS).map(move |p| (p / 1024) as u8 * 50 + label);
                [label].into_iter().chain(pixels)
            })
            .collect()
    }

    #[test]
    fn records_are_labels_and_planes() {
        let images = decode(&records(&[3, 9]), 2).expect("two images");
        assert_eq!(images.labels, [3, 9]);
        assert_eq!(images.pixels[PIXELS], 9);
        assert_eq!(images.pixels[PIXELS + 2 * 1024], 109);
    }

    #[test]
    fn each_fault_is_named() {
        let problem = |bytes: &[u8]| decode(bytes, 2).expect_err("a fault");
        assert!(problem(&records(&[1])).contains("is 3073 bytes long, expected 6146"));
        assert!(problem(&records(&[1, 2, 3])).contains("more than 6146 bytes"));
        assert!(problem(&records(&[1, 10])).contains("byte 3073: the label 10"));
    }

    /// A set in loss-free sheets of 100 x 100 images stands in for the published records, which it gives back byte for
    /// byte: the reader sees what it would see there.
    #[test]
    fn real_records_are_what_they_are_known_to_be() {
        let Some(dir) = real_data("cifar10").map(|dir| dir.join("cifar10")) else {
            return;
        };
        if !dir.join("data_batch_1.webp").is_file() {
            return;
        }
        let sheet = fs::File::open(dir.join("data_batch_1.webp")).expect("a sheet");
        let mut decoder = image_webp::WebPDecoder::new(BufReader::new(sheet)).expect("a sheet");
        let channels = if decoder.has_alpha() { 4 } else { 3 };
        let mut picture = vec![0; decoder.output_buffer_size().expect("a size")];
        decoder.read_image(&mut picture).expect("pixels");
        let labels = fs::read(dir.join("labels.u8")).expect("labels");
        let mut bytes = Vec::new();
        for (i, &label) in labels[..10_000].iter().enumerate() {
            bytes.push(label);
            for p in 0..PIXELS {
                let (colour, row, column) = (p / 1024, p / 32 % 32, p % 32);
                let (y, x) = (i / 100 * 32 + row, i % 100 * 32 + column);
                bytes.push(picture[(y * 3200 + x) * channels + colour]);
            }
        }
        let md5 = Checksum::Md5("5dd7e06a14cb22eb9f671a540d1b7c25");
        let found = md5.of(&bytes[..], bytes.len() as u64).expect("memory");
        assert_eq!(found, md5.digits());

        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data_batch_1.bin");
        fs::write(&path, &bytes).expect("written");
        let images = read(&path, 10_000).expect("images");
        assert_eq!(images.labels[..10], [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]);
        let mut counts = [0; 10];
        for &label in &images.labels {
            counts[usize::from(label)] += 1;
        }
        assert_eq!(
            counts,
            [1005, 974, 1032, 1016, 999, 937, 1030, 1001, 1025, 981]
        );
        // The variance of pixels in [0, 1] about their overall mean.
        let n = images.pixels.len() as f64;
        let value = |p: &u8| f64::from(*p) / 255.0;
        let mean = images.pixels.iter().map(value).sum::<f64>() / n;
        let square = images.pixels.iter().map(|p| value(p).powi(2)).sum::<f64>() / n;
        let variance = square - mean * mean;
        assert!((variance - 0.0638).abs() < 1e-4, "{variance}");
    }
}
