//! Sets of images in three splits.

use super::manifest::Manifest;
use super::{Binarization, DataConfig, DataError, Images, Split, folder, glyphs, locate, source};
use std::path::{Path, PathBuf};

/// A data set in three splits that share no image.
#[derive(Debug)]
pub struct ImageSet {
    /// To learn from.
    pub train: Images,
    /// To choose by.
    pub valid: Images,
    /// To report on.
    pub test: Images,
    name: String,
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
        check_binarization(&config.name, config.binarization)?;
        for (key, limit) in [
            ("train_limit", config.train_limit),
            ("eval_limit", config.eval_limit),
        ] {
            if limit == Some(0) {
                return Err(DataError::EmptyLimit { key });
            }
        }
        let [train, valid, test] = match (config.name.as_str(), &config.folder) {
            ("folder", folder) => folder::read(
                folder.as_deref().ok_or(DataError::UnnamedFolder)?,
                config.pixels,
            )?,
            (name, Some(folder)) => {
                return Err(DataError::Folder {
                    path: folder.clone(),
                    problem: format!(
                        "is not read, since data.name is `{name}`: add --set data.name=folder"
                    ),
                });
            }
            (name, None) => {
                let set = Manifest::named(name).map_err(DataError::or_a_folder)?;
                source::read(set, config, roots)?
            }
        };
        let images = |split, mut raw: source::Raw, limit: Option<usize>| {
            if let Some(n) = limit {
                raw.grey.truncate(n.saturating_mul(raw.side * raw.side));
                if let Some(labels) = &mut raw.labels {
                    labels.truncate(n);
                }
            }
            Images::new(&config.name, config, split, raw)
        };
        Ok(Self {
            train: images(Split::Train, train, config.train_limit),
            valid: images(Split::Valid, valid, config.eval_limit),
            test: images(Split::Test, test, config.eval_limit),
            name: match &config.folder {
                Some(folder) => format!(
                    "folder {} at {pixels}x{pixels}",
                    folder.display(),
                    pixels = config.pixels
                ),
                None => config.name.clone(),
            },
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
        let set = match self.name.as_str() {
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
    /// `[indices, height · width]`, row-major, values in \[0, 1\].
    ///
    /// # Panics
    /// If an index is not below the number of images.
    #[must_use]
    pub fn pixels(&self, split: Split, indices: &[usize], draw: u64) -> Vec<f32> {
        let images = self.split(split);
        let size = images.size();
        let mut pixels = vec![0.0; indices.len() * size];
        for (&i, row) in indices.iter().zip(pixels.chunks_exact_mut(size)) {
            images.show(i, draw, row);
        }
        pixels
    }
}

fn check_binarization(name: &str, binarization: Binarization) -> Result<(), DataError> {
    let reason = match (name, binarization) {
        ("binarized-mnist" | "omniglot28", Binarization::Fixed) => return Ok(()),
        ("binarized-mnist", _) => {
            "its pixels are binary already; use --set data.binarization=fixed"
        }
        ("omniglot", Binarization::Fixed) => {
            "the published binary pixels belong to another set, --set data.name=omniglot28"
        }
        ("mnist", Binarization::Fixed) => {
            "the published binary pixels are a set of their own, --set data.name=binarized-mnist"
        }
        (_, Binarization::Fixed) => "nobody has published binary pixels of it",
        _ => return Ok(()),
    };
    Err(DataError::Binarization {
        name: name.into(),
        binarization,
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::images::PIXELS;
    use crate::data::test_support::{bytes, config, sha256};
    use std::fs;

    fn load(config: &DataConfig) -> ImageSet {
        ImageSet::load_from(config, &[]).expect("generated")
    }

    fn glyphs(binarization: Binarization) -> ImageSet {
        load(&config("glyphs", binarization, Some(200)))
    }

    const ALL: [Binarization; 4] = [
        Binarization::Bernoulli1,
        Binarization::Dynamic,
        Binarization::Threshold,
        Binarization::Grey,
    ];

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
                && unknown.contains("glyphs, mnist, fashion-mnist, binarized-mnist, omniglot")
                && unknown.contains("folder")
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
                .contains("data fetch binarized-mnist")
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
}
