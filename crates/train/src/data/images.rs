//! Sets of grey images in three splits.

use super::binarization::{Binarization, bernoulli, is_ink};
use super::manifest::{Manifest, catalogue};
use super::stream::Stream;
use super::{DataError, amat, glyphs, idx, locate};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

const SIDE: usize = 28;
const PIXELS: usize = SIDE * SIDE;

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// To learn from.
    Train,
    /// To choose by.
    Valid,
    /// To report on.
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        })
    }
}

/// Which data, and how they are shown: the table `[data]` of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// `glyphs`, `mnist`, `fashion-mnist` or `binarized-mnist`.
    pub name: String,
    /// How grey pixels become what a model sees.
    pub binarization: Binarization,
    /// Seed of generated images and of Bernoulli draws; has nothing to do with the run's seed.
    pub seed: u64,
    /// Use only the first so many training images.
    pub train_limit: Option<usize>,
    /// Use only the first so many validation and test images.
    pub eval_limit: Option<usize>,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            name: "glyphs".into(),
            binarization: Binarization::Bernoulli1,
            seed: 0,
            train_limit: None,
            eval_limit: None,
        }
    }
}

/// Grey images of 28x28 pixels, and what a model sees of them.
pub struct Images {
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
    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.grey.len() / PIXELS
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.grey.is_empty()
    }

    /// Rows of an image.
    #[must_use]
    pub fn height(&self) -> usize {
        SIDE
    }

    /// Columns of an image.
    #[must_use]
    pub fn width(&self) -> usize {
        SIDE
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
        &self.grey[i * PIXELS..][..PIXELS]
    }

    /// The mean of each pixel, in \[0, 1\], under the law of what [`ImageSet::pixels`] gives:
    /// of grey / 255 where that is grey or drawn anew each time, of the draw or the threshold
    /// otherwise.
    #[must_use]
    pub fn mean(&self) -> Vec<f32> {
        let sum = |values: &[u8], value: fn(u8) -> u64, unit: u64| -> Vec<f32> {
            let mut sums = [0_u64; PIXELS];
            for image in values.chunks_exact(PIXELS) {
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
    fn show(&self, i: usize, draw: u64, to: &mut [f32]) {
        let grey = self.grey(i);
        let mut set = |source: &[u8], value: fn(u8) -> f32| {
            for (to, &from) in to.iter_mut().zip(source) {
                *to = value(from);
            }
        };
        match &self.view {
            View::Grey => set(grey, |g| f32::from(g) / 255.0),
            View::Threshold => set(grey, |g| f32::from(u8::from(is_ink(g)))),
            View::Drawn(bits) => set(&bits[i * PIXELS..][..PIXELS], f32::from),
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
fn item(i: usize) -> u32 {
    u32::try_from(i).expect("a split has less than 2^32 images")
}

/// A data set in three splits that share no image.
#[derive(Debug)]
pub struct ImageSet {
    /// To learn from.
    pub train: Images,
    /// To choose by.
    pub valid: Images,
    /// To report on.
    pub test: Images,
    name: &'static str,
    binarization: Binarization,
    seed: u64,
}

impl ImageSet {
    /// Loads or generates the set. Files are looked for in `dir`, then in the folder
    /// `$UNBIASED_DATA`, then in the user's cache folder, each time in a folder named after the
    /// set. Validation images are the last 10,000 training images of sets that have no
    /// validation part of their own.
    ///
    /// # Errors
    /// If there is no such set, its files are not to be found or not what they should be, the
    /// binarization is not defined for it, or a limit is 0.
    pub fn load(config: &DataConfig, dir: Option<&Path>) -> Result<Self, DataError> {
        Self::load_from(config, &locate::search_path(dir))
    }

    fn load_from(config: &DataConfig, roots: &[PathBuf]) -> Result<Self, DataError> {
        let set = catalogue()
            .iter()
            .find(|set| set.name == config.name)
            .ok_or_else(|| DataError::UnknownSet {
                name: config.name.clone(),
                known: catalogue()
                    .iter()
                    .map(|set| set.name)
                    .collect::<Vec<_>>()
                    .join(", "),
            })?;
        check_binarization(set.name, config.binarization)?;
        for (key, limit) in [
            ("train_limit", config.train_limit),
            ("eval_limit", config.eval_limit),
        ] {
            if limit == Some(0) {
                return Err(DataError::EmptyLimit { key });
            }
        }
        let raw = match set.name {
            "glyphs" => generate_glyphs(set, config),
            "binarized-mnist" => read_amat(set, &locate::find(set, roots)?)?,
            _ => read_idx(set, &locate::find(set, roots)?)?,
        };
        let [train, valid, test] = raw;
        let images = |split, mut raw: Raw, limit: Option<usize>| {
            let n = limit.unwrap_or(usize::MAX).min(raw.grey.len() / PIXELS);
            raw.grey.truncate(n * PIXELS);
            if let Some(labels) = &mut raw.labels {
                labels.truncate(n);
            }
            let view = view(set.name, config, split, &raw.grey);
            Images {
                grey: raw.grey,
                labels: raw.labels,
                view,
            }
        };
        Ok(Self {
            train: images(Split::Train, train, config.train_limit),
            valid: images(Split::Valid, valid, config.eval_limit),
            test: images(Split::Test, test, config.eval_limit),
            name: set.name,
            binarization: config.binarization,
            seed: config.seed,
        })
    }

    /// The images of a split.
    #[must_use]
    pub fn split(&self, split: Split) -> &Images {
        match split {
            Split::Train => &self.train,
            Split::Valid => &self.valid,
            Split::Test => &self.test,
        }
    }

    /// What the data are, in one line to go with every result:
    /// `mnist, bernoulli1 (seed 0), 50000/10000/10000` (training, validation, test images).
    #[must_use]
    pub fn describe(&self) -> String {
        let Self { seed, .. } = self;
        let set = match self.name {
            "glyphs" => format!("glyphs v{} (seed {seed})", glyphs::VERSION),
            name => name.to_owned(),
        };
        let binarization = match self.binarization {
            Binarization::Bernoulli1 => format!("bernoulli1 (seed {seed})"),
            Binarization::Dynamic => format!("dynamic (seed {seed}; valid and test bernoulli1)"),
            Binarization::Grey => "grey (not a likelihood)".to_owned(),
            other => other.to_string(),
        };
        let (train, valid, test) = (self.train.len(), self.valid.len(), self.test.len());
        format!("{set}, {binarization}, {train}/{valid}/{test}")
    }

    /// The pixels of some images as a model sees them. `draw` (a step or an epoch) numbers the
    /// draws of [`Binarization::Dynamic`] on training images; everything else does not depend on
    /// it.
    ///
    /// # Shapes
    /// `[indices, 784]`, row-major, values in \[0, 1\].
    ///
    /// # Panics
    /// If an index is not below the number of images.
    #[must_use]
    pub fn pixels(&self, split: Split, indices: &[usize], draw: u64) -> Vec<f32> {
        let images = self.split(split);
        let mut pixels = vec![0.0; indices.len() * PIXELS];
        for (&i, row) in indices.iter().zip(pixels.chunks_exact_mut(PIXELS)) {
            images.show(i, draw, row);
        }
        pixels
    }
}

/// The images of one split as they come from their source.
struct Raw {
    grey: Vec<u8>,
    labels: Option<Vec<u8>>,
}

fn check_binarization(name: &str, binarization: Binarization) -> Result<(), DataError> {
    let reason = match (name, binarization) {
        ("binarized-mnist", Binarization::Fixed) => return Ok(()),
        ("binarized-mnist", _) => {
            "its pixels are binary already; use --set data.binarization=fixed"
        }
        (_, Binarization::Fixed) => {
            "the published binary pixels are a set of their own, --set data.name=binarized-mnist"
        }
        _ => return Ok(()),
    };
    Err(DataError::Binarization {
        name: name.into(),
        binarization,
        reason,
    })
}

/// The view of a split that `config` asks for.
fn view(name: &str, config: &DataConfig, split: Split, grey: &[u8]) -> View {
    let stream = |kind: &str| Stream::new(&format!("{name}/{kind}/1/{split}"), config.seed);
    match config.binarization {
        Binarization::Grey => View::Grey,
        // The pixels of a published binary set are 0 and 255.
        Binarization::Threshold | Binarization::Fixed => View::Threshold,
        Binarization::Dynamic if split == Split::Train => View::Dynamic(stream("dynamic")),
        Binarization::Dynamic | Binarization::Bernoulli1 => {
            View::Drawn(draw_all(&stream("bernoulli1"), grey))
        }
    }
}

/// One Bernoulli draw of every image.
fn draw_all(stream: &Stream, grey: &[u8]) -> Vec<u8> {
    let mut bits = vec![0; grey.len()];
    bits.par_chunks_exact_mut(PIXELS)
        .zip(grey.par_chunks_exact(PIXELS))
        .enumerate()
        .for_each(|(i, (bits, grey))| bernoulli(stream, item(i), 0, grey, bits));
    bits
}

fn generate_glyphs(set: &Manifest, config: &DataConfig) -> [Raw; 3] {
    let generate = |split, n: usize, limit: Option<usize>| {
        let (grey, labels) = glyphs::generate(config.seed, split, n.min(limit.unwrap_or(n)));
        Raw {
            grey,
            labels: Some(labels),
        }
    };
    [
        generate(Split::Train, set.items.train, config.train_limit),
        generate(Split::Valid, set.items.valid, config.eval_limit),
        generate(Split::Test, set.items.test, config.eval_limit),
    ]
}

/// The four files of MNIST and its likes. Validation: the end of the training file.
fn read_idx(set: &Manifest, files: &[PathBuf]) -> Result<[Raw; 3], DataError> {
    let [train_images, train_labels, test_images, test_labels] = files else {
        unreachable!(
            "a set in idx form has four files, {} has {}",
            set.name,
            files.len()
        );
    };
    let read = |images: &Path, labels: &Path, n: usize| -> Result<Raw, DataError> {
        let side = SIDE as u32;
        let grey = idx::read(images, &[item(n), side, side])?;
        let labels = idx::read(labels, &[item(n)])?;
        Ok(Raw {
            grey,
            labels: Some(labels),
        })
    };
    let (train, test) = rayon::join(
        || {
            read(
                train_images,
                train_labels,
                set.items.train + set.items.valid,
            )
        },
        || read(test_images, test_labels, set.items.test),
    );
    let mut train = train?;
    let valid = Raw {
        grey: train.grey.split_off(set.items.train * PIXELS),
        labels: train
            .labels
            .as_mut()
            .map(|labels| labels.split_off(set.items.train)),
    };
    Ok([train, valid, test?])
}

fn read_amat(set: &Manifest, files: &[PathBuf]) -> Result<[Raw; 3], DataError> {
    let [train, valid, test] = files else {
        unreachable!(
            "a set in amat form has three files, {} has {}",
            set.name,
            files.len()
        );
    };
    let read = |path: &Path, rows| -> Result<Raw, DataError> {
        Ok(Raw {
            grey: amat::read(path, rows, PIXELS)?,
            labels: None,
        })
    };
    Ok([
        read(train, set.items.train)?,
        read(valid, set.items.valid)?,
        read(test, set.items.test)?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::test_support::{real_data, sha256};
    use std::fs;

    fn config(name: &str, binarization: Binarization, limit: Option<usize>) -> DataConfig {
        DataConfig {
            name: name.into(),
            binarization,
            seed: 0,
            train_limit: limit,
            eval_limit: limit,
        }
    }

    fn load(config: &DataConfig) -> ImageSet {
        ImageSet::load_from(config, &[]).expect("generated")
    }

    fn glyphs(binarization: Binarization) -> ImageSet {
        load(&config("glyphs", binarization, Some(200)))
    }

    fn bytes(pixels: &[f32]) -> Vec<u8> {
        pixels.iter().map(|&p| (255.0 * p) as u8).collect()
    }

    const ALL: [Binarization; 4] = [
        Binarization::Bernoulli1,
        Binarization::Dynamic,
        Binarization::Threshold,
        Binarization::Grey,
    ];

    #[test]
    fn names_are_those_of_configurations() {
        for binarization in ALL.into_iter().chain([Binarization::Fixed]) {
            let text = toml::to_string(&config("mnist", binarization, None)).expect("text");
            assert!(
                text.contains(&format!("binarization = \"{binarization}\"")),
                "{text}"
            );
            let back: DataConfig = toml::from_str(&text).expect("a configuration");
            assert_eq!(back, config("mnist", binarization, None));
        }
        assert_eq!(
            toml::from_str::<DataConfig>("").expect("defaults"),
            DataConfig::default()
        );
        assert!(toml::from_str::<DataConfig>("nmae = \"mnist\"").is_err());
        for split in [Split::Train, Split::Valid, Split::Test] {
            let name = clap::ValueEnum::to_possible_value(&split).expect("a name");
            assert_eq!(name.get_name(), split.to_string());
        }
    }

    #[test]
    fn every_result_can_name_its_data() {
        let line = |binarization| glyphs(binarization).describe();
        assert_eq!(
            line(Binarization::Bernoulli1),
            "glyphs v1 (seed 0), bernoulli1 (seed 0), 200/200/200"
        );
        assert_eq!(
            line(Binarization::Dynamic),
            "glyphs v1 (seed 0), dynamic (seed 0; valid and test bernoulli1), 200/200/200"
        );
        assert_eq!(
            line(Binarization::Threshold),
            "glyphs v1 (seed 0), threshold, 200/200/200"
        );
        assert_eq!(
            line(Binarization::Grey),
            "glyphs v1 (seed 0), grey (not a likelihood), 200/200/200"
        );
        assert_eq!(
            load(&DataConfig::default()).describe(),
            "glyphs v1 (seed 0), bernoulli1 (seed 0), 50000/10000/10000"
        );
    }

    #[test]
    fn bad_requests_are_refused_with_the_way_out() {
        let refuse = |config: &DataConfig| {
            let error = ImageSet::load_from(config, &[]).expect_err("a refusal");
            assert!(error.is_usage());
            error.to_string()
        };
        let unknown = refuse(&config("mnits", Binarization::Grey, None));
        assert!(
            unknown.contains("`mnits`")
                && unknown.contains("glyphs, mnist, fashion-mnist, binarized-mnist")
        );
        assert!(
            refuse(&config("mnist", Binarization::Fixed, None))
                .contains("data.name=binarized-mnist")
        );
        assert!(
            refuse(&config("binarized-mnist", Binarization::Dynamic, None))
                .contains("data.binarization=fixed")
        );
        assert!(
            refuse(&config("glyphs", Binarization::Grey, Some(0)))
                .contains("data.train_limit is 0")
        );
        assert!(
            refuse(&config("binarized-mnist", Binarization::Fixed, None))
                .contains("binarized_mnist_train.amat")
        );
    }

    #[test]
    fn views_follow_their_definitions() {
        for binarization in ALL {
            let set = glyphs(binarization);
            let indices = [7, 0, 199, 7];
            let pixels = set.pixels(Split::Train, &indices, 3);
            assert_eq!(pixels.len(), 4 * PIXELS);
            assert_eq!(
                pixels[..PIXELS],
                pixels[3 * PIXELS..],
                "one image, one draw, two results"
            );
            for (&i, row) in indices.iter().zip(pixels.chunks(PIXELS)) {
                for (&grey, &pixel) in set.train.grey(i).iter().zip(row) {
                    match binarization {
                        Binarization::Grey => assert_eq!(pixel, f32::from(grey) / 255.0),
                        Binarization::Threshold => assert_eq!(pixel == 1.0, grey > 127),
                        _ => assert!((grey > 0 || pixel == 0.0) && (grey < 255 || pixel == 1.0)),
                    }
                    assert!(binarization == Binarization::Grey || pixel == 0.0 || pixel == 1.0);
                }
            }
        }
    }

    /// A draw of its own for each step, image and seed in training; one draw, that of
    /// `bernoulli1`, in evaluation.
    #[test]
    fn dynamic_pixels_change_in_training_only() {
        let dynamic = glyphs(Binarization::Dynamic);
        let fixed = glyphs(Binarization::Bernoulli1);
        let all: Vec<usize> = (0..200).collect();
        assert_ne!(
            dynamic.pixels(Split::Train, &all, 0),
            dynamic.pixels(Split::Train, &all, 1)
        );
        assert_eq!(
            dynamic.pixels(Split::Train, &all, 1),
            dynamic.pixels(Split::Train, &all, 1)
        );
        assert_ne!(
            dynamic.pixels(Split::Train, &all, 0),
            fixed.pixels(Split::Train, &all, 0)
        );
        for split in [Split::Valid, Split::Test] {
            assert_eq!(dynamic.pixels(split, &all, 0), fixed.pixels(split, &all, 0));
            assert_eq!(
                dynamic.pixels(split, &all, 0),
                dynamic.pixels(split, &all, 1)
            );
        }
    }

    /// The mean over 200 draws of 200 images against `mean()`: a pixel's standard error is at
    /// most .5 / 200 = .0025; six are allowed (784 pixels, false alarm 2e-6).
    #[test]
    fn means_are_those_of_the_law() {
        let all: Vec<usize> = (0..200).collect();
        for binarization in ALL {
            let set = glyphs(binarization);
            let draws = if binarization == Binarization::Dynamic {
                200
            } else {
                1
            };
            let mut mean = vec![0.0_f64; PIXELS];
            for draw in 0..draws {
                for row in set.pixels(Split::Train, &all, draw).chunks(PIXELS) {
                    for (m, &pixel) in mean.iter_mut().zip(row) {
                        *m += f64::from(pixel) / (200 * draws) as f64;
                    }
                }
            }
            let tolerance = if draws > 1 { 0.015 } else { 1e-6 };
            for (m, law) in mean.iter().zip(set.train.mean()) {
                assert!(
                    (m - f64::from(law)).abs() < tolerance,
                    "{binarization}: {m} and {law}"
                );
            }
        }
    }

    /// The published draw: pixels of the first 1,000 items of each split as bytes 0 and 255, and
    /// the first training draw of `dynamic`.
    #[test]
    fn bernoulli_draws_are_the_published_ones() {
        let set = load(&config("glyphs", Binarization::Bernoulli1, Some(1000)));
        let all: Vec<usize> = (0..1000).collect();
        let hash = |set: &ImageSet, split| sha256(&bytes(&set.pixels(split, &all, 0)));
        assert_eq!(
            hash(&set, Split::Train),
            "97dbe9263e0271ccb5e93563ddaf9d08fdcab085ea7039ff4966d3eaa1b9ce1f"
        );
        assert_eq!(
            hash(&set, Split::Valid),
            "b9e9f93e2da7da1ae427a5d328cd8519251e57c46f2a371d00cf101ad7065161"
        );
        assert_eq!(
            hash(&set, Split::Test),
            "8ea7c99e2ac5a849ca4a7a4976596421c61696404d3acdc6add1340ad201fa44"
        );
        let set = load(&config("glyphs", Binarization::Dynamic, Some(1000)));
        assert_eq!(
            hash(&set, Split::Train),
            "af43e35491de534b64f962f1dab7e8683fe5d9dc0d8bba31f6a8f717d065ce27"
        );
    }

    #[test]
    fn limits_take_the_first_images() {
        let few = glyphs(Binarization::Grey);
        let fewer = load(&DataConfig {
            train_limit: Some(3),
            eval_limit: Some(2),
            ..config("glyphs", Binarization::Grey, None)
        });
        assert_eq!(
            (fewer.train.len(), fewer.valid.len(), fewer.test.len()),
            (3, 2, 2)
        );
        assert_eq!(fewer.train.grey(2), few.train.grey(2));
        assert_eq!(fewer.test.label(1), few.test.label(1));
    }

    /// Files of the right kind in the right folder, through the whole loader.
    #[test]
    fn amat_files_are_a_set_without_labels() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("binarized-mnist");
        fs::create_dir(&folder).expect("a folder");
        let row = |i: usize| {
            let values: Vec<&str> = (0..PIXELS)
                .map(|p| if p % 10 == i % 10 { "1" } else { "0" })
                .collect();
            values.join(" ") + "\n"
        };
        let rows: Vec<String> = (0..10).map(row).collect();
        for (name, n) in [("train", 50_000), ("valid", 10_000), ("test", 10_000)] {
            let text: String = rows.iter().cycle().take(n).map(String::as_str).collect();
            assert_eq!(text.len(), n * 1568);
            fs::write(folder.join(format!("binarized_mnist_{name}.amat")), text).expect("a file");
        }
        let roots = [root.path().to_owned()];
        let config = config("binarized-mnist", Binarization::Fixed, None);
        let set = ImageSet::load_from(&config, &roots).expect("a set");
        assert_eq!(set.describe(), "binarized-mnist, fixed, 50000/10000/10000");
        assert_eq!(set.valid.label(0), None);
        let pixels = set.pixels(Split::Test, &[13], 0);
        assert!(
            pixels
                .iter()
                .enumerate()
                .all(|(p, &pixel)| (pixel == 1.0) == (p % 10 == 3))
        );

        let test = folder.join("binarized_mnist_test.amat");
        fs::write(&test, &rows[0]).expect("a file");
        let error = ImageSet::load_from(&config, &roots).expect_err("too short");
        assert!(!error.is_usage());
        assert!(
            error
                .to_string()
                .contains("binarized_mnist_test.amat: holds 1 rows, expected 10000"),
            "{error}"
        );
    }

    /// What independent pixels with the training means (kept within .001 and .999) cost, in nats
    /// per image, on freshly drawn pixels and on thresholded ones.
    fn bias_only_nats(train: &Images, test: &Images) -> (f64, f64) {
        let mean = |images: &Images, value: fn(u8) -> f64| -> Vec<f64> {
            let mut mean = vec![0.0; PIXELS];
            for i in 0..images.len() {
                for (m, &grey) in mean.iter_mut().zip(images.grey(i)) {
                    *m += value(grey) / images.len() as f64;
                }
            }
            mean
        };
        let cost = |value: fn(u8) -> f64| -> f64 {
            let pairs = mean(train, value).into_iter().zip(mean(test, value));
            pairs
                .map(|(p, q)| {
                    let p = p.clamp(0.001, 0.999);
                    -q * p.ln() - (1.0 - q) * (1.0 - p).ln()
                })
                .sum()
        };
        (
            cost(|grey| f64::from(grey) / 255.0),
            cost(|grey| f64::from(u8::from(grey > 127))),
        )
    }

    struct Known {
        name: &'static str,
        train_labels: [u8; 10],
        test_labels: [u8; 10],
        /// Sum of the grey values of the first training and the first test image.
        sums: [u64; 2],
        /// Pixel mean, share of pixels above 127, noise floor, bias-only cost (dynamic,
        /// threshold) of the splits that are known.
        figures: &'static [(Split, [f64; 5])],
    }

    /// Figures computed from the published files by another program.
    fn check_real_set(known: &Known) {
        let Some(dir) = real_data(known.name) else {
            return;
        };
        let set = ImageSet::load(
            &config(known.name, Binarization::Threshold, None),
            Some(&dir),
        )
        .expect("a set");
        assert_eq!(
            set.describe(),
            format!("{}, threshold, 50000/10000/10000", known.name)
        );
        let labels =
            |images: &Images| -> Vec<u8> { (0..10).filter_map(|i| images.label(i)).collect() };
        assert_eq!(labels(&set.train), known.train_labels);
        assert_eq!(labels(&set.test), known.test_labels);
        let sum = |images: &Images| images.grey(0).iter().map(|&g| u64::from(g)).sum::<u64>();
        assert_eq!([sum(&set.train), sum(&set.test)], known.sums);
        for &(split, [mean, ink, floor, dynamic, threshold]) in known.figures {
            let images = set.split(split);
            let pixels = images.grey.len() as f64;
            let total: u64 = images.grey.iter().map(|&g| u64::from(g)).sum();
            let close = |found: f64, expected: f64, tolerance| {
                assert!(
                    (found - expected).abs() < tolerance,
                    "{split}: {found}, expected {expected}"
                );
            };
            close(total as f64 / 255.0 / pixels, mean, 1e-6);
            close(
                images.mean().iter().map(|&m| f64::from(m)).sum::<f64>() / PIXELS as f64,
                ink,
                1e-6,
            );
            close(images.noise_floor_nats(), floor, 1e-3);
            let bias_only = bias_only_nats(&set.train, images);
            close(bias_only.0, dynamic, 1e-3);
            close(bias_only.1, threshold, 1e-3);
        }
    }

    #[test]
    fn mnist_is_what_it_is_known_to_be() {
        check_real_set(&Known {
            name: "mnist",
            train_labels: [5, 0, 4, 1, 9, 2, 1, 3, 1, 4],
            test_labels: [7, 2, 1, 0, 4, 1, 4, 9, 5, 9],
            sums: [27_525, 18_454],
            figures: &[
                (
                    Split::Train,
                    [0.130_961, 0.132_562, 45.723, 206.447, 206.468],
                ),
                (
                    Split::Valid,
                    [0.129_156, 0.130_739, 45.926, 204.915, 204.942],
                ),
                (
                    Split::Test,
                    [0.132_515, 0.134_229, 45.534, 205.969, 206.012],
                ),
            ],
        });
    }

    #[test]
    fn fashion_mnist_is_what_it_is_known_to_be() {
        check_real_set(&Known {
            name: "fashion-mnist",
            train_labels: [9, 0, 0, 3, 0, 2, 7, 2, 5, 5],
            test_labels: [9, 2, 1, 1, 6, 1, 4, 6, 5, 7],
            sums: [76_247, 33_456],
            figures: &[
                (
                    Split::Train,
                    [0.285_499, 0.313_948, 188.127, 384.149, 382.394],
                ),
                (
                    Split::Test,
                    [0.286_849, 0.315_302, 189.858, 385.029, 383.142],
                ),
            ],
        });
    }

    /// Class counts of the 60,000; and the published draw of the real digits, whose cost above
    /// the law's mean is within what one draw can give.
    #[test]
    fn mnist_classes_and_draw_are_the_known_ones() {
        let Some(dir) = real_data("mnist") else {
            return;
        };
        let set = ImageSet::load(&config("mnist", Binarization::Bernoulli1, None), Some(&dir))
            .expect("a set");
        let mut counts = [0; 10];
        for images in [&set.train, &set.valid] {
            for label in (0..images.len()).filter_map(|i| images.label(i)) {
                counts[usize::from(label)] += 1;
            }
        }
        assert_eq!(
            counts,
            [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
        );
        let all: Vec<usize> = (0..50_000).collect();
        let drawn = bytes(&set.pixels(Split::Train, &all, 0));
        assert_eq!(
            sha256(&drawn),
            "9c998d07e73172fccd50e36e176c254621e21400c168f36cf15fe4c0e69f0398"
        );
        // Mean of the drawn pixels: the standard error over 39.2 million is below 8e-5.
        let mean = drawn.iter().map(|&p| f64::from(p)).sum::<f64>() / 255.0 / drawn.len() as f64;
        assert!((mean - 0.130_961).abs() < 4e-4, "{mean}");
    }

    /// The yardsticks of the generated set that its page states, on 6,000 and 1,500 items.
    #[test]
    fn glyphs_have_the_yardsticks_of_the_recipe() {
        let set = load(&DataConfig {
            train_limit: Some(6000),
            eval_limit: Some(1500),
            ..DataConfig::default()
        });
        let floor = set.train.noise_floor_nats();
        let (bias_only, _) = bias_only_nats(&set.train, &set.test);
        println!("glyphs: noise floor {floor:.2} nats, independent pixels {bias_only:.2} nats");
        assert!((floor - 41.7).abs() < 0.7, "noise floor {floor}");
        assert!((bias_only - 187.4).abs() < 3.0, "bias-only {bias_only}");
    }
}
