//! Where the images of each set come from.

use super::images::{PIXELS, SIDE, item};
use super::manifest::{Form, Manifest};
use super::{Binarization, DataConfig, DataError, Split, amat, glyphs, idx, locate, omniglot};
use std::path::{Path, PathBuf};

/// The images of one split as they come from their source, `side x side` pixels each.
pub(super) struct Raw {
    pub(super) side: usize,
    pub(super) grey: Vec<u8>,
    pub(super) labels: Option<Vec<u8>>,
}

/// The splits of a set, training, validation, test. Those of generated sets have their limits
/// already.
pub(super) fn read(
    set: &Manifest,
    config: &DataConfig,
    roots: &[PathBuf],
) -> Result<[Raw; 3], DataError> {
    let files = || locate::find(set, roots);
    let unlabelled = |splits: [Vec<u8>; 3]| {
        splits.map(|grey| Raw {
            side: SIDE,
            grey,
            labels: None,
        })
    };
    match set.form {
        Form::Generated => Ok(generate_glyphs(set, config)),
        Form::Idx => read_idx(set, &files()?),
        Form::Amat => read_amat(set, &files()?),
        Form::OmniglotNpz => {
            let files = files()?;
            let background = omniglot::read_npz(&files[0], 964)?;
            let all = [background, omniglot::read_npz(&files[1], 659)?].concat();
            Ok(unlabelled(omniglot::split(&all, set.items)))
        }
        Form::OmniglotMat => {
            let fixed = config.binarization == Binarization::Fixed;
            omniglot::read_mat(&files()?[0], set.items, fixed).map(unlabelled)
        }
        Form::Cifar | Form::Smiles | Form::Connectome => {
            Err(DataError::NoImages { name: set.name })
        }
    }
}

fn generate_glyphs(set: &Manifest, config: &DataConfig) -> [Raw; 3] {
    let generate = |split, n: usize, limit: Option<usize>| {
        let (grey, labels) = glyphs::generate(config.seed, split, n.min(limit.unwrap_or(n)));
        Raw {
            side: SIDE,
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
        let classes = idx::read(labels, &[item(n)])?;
        if let Some(class) = classes.iter().find(|&&class| class > 9) {
            return Err(DataError::Damaged {
                path: labels.into(),
                problem: format!("holds the class {class}, expected 0 to 9"),
            });
        }
        Ok(Raw {
            side: SIDE,
            grey,
            labels: Some(classes),
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
        side: SIDE,
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
            side: SIDE,
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
    use crate::data::test_support::config;
    use crate::data::{Binarization, DataError, ImageSet, Split};
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::fs::{self, File};
    use std::io::Write;
    use std::path::Path;

    /// An idx file whose values are `value(position)`, compressed if its name says so.
    fn write_idx(path: &Path, shape: &[u32], value: impl Fn(usize) -> u8) {
        let mut bytes = vec![0, 0, 8, shape.len() as u8];
        bytes.extend(shape.iter().flat_map(|n| n.to_be_bytes()));
        bytes.extend((0..shape.iter().product::<u32>() as usize).map(value));
        let mut file = File::create(path).expect("a file");
        if path.extension().is_some_and(|extension| extension == "gz") {
            let mut encoder = GzEncoder::new(file, Compression::fast());
            encoder.write_all(&bytes).expect("written");
            encoder.finish().expect("written");
        } else {
            file.write_all(&bytes).expect("written");
        }
    }

    /// Through the whole loader, one file unpacked. Image i has the grey value i / 250 in every
    /// pixel and the class i % 10.
    #[test]
    fn idx_files_are_a_set_whose_last_training_images_are_validation() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("mnist");
        fs::create_dir(&folder).expect("a folder");
        let file = |name: &str| folder.join(name);
        let grey = |p: usize| (p / 784 / 250) as u8;
        let class = |i: usize| (i % 10) as u8;
        write_idx(&file("train-images-idx3-ubyte.gz"), &[60_000, 28, 28], grey);
        write_idx(&file("train-labels-idx1-ubyte"), &[60_000], class);
        write_idx(&file("t10k-images-idx3-ubyte.gz"), &[10_000, 28, 28], grey);
        write_idx(&file("t10k-labels-idx1-ubyte.gz"), &[10_000], class);
        let load = || {
            let config = config("mnist", Binarization::Grey, None);
            ImageSet::load(&config, Some(root.path()))
        };

        let set = load().expect("a set");
        for (split, i, source) in [
            (Split::Train, 49_999, 49_999),
            (Split::Valid, 0, 50_000),
            (Split::Valid, 9_999, 59_999),
            (Split::Test, 9_999, 9_999),
        ] {
            let images = set.split(split);
            assert_eq!(images.grey(i), [(source / 250) as u8; 784], "{split} {i}");
            assert_eq!(images.label(i), Some(class(source)), "{split} {i}");
        }

        let damaged = |path: &Path, problem: &str| match load() {
            Err(error @ DataError::Damaged { .. }) => {
                assert!(!error.is_usage());
                let start = format!("{}: {problem}", path.display());
                assert!(error.to_string().starts_with(&start), "{error}");
            }
            other => panic!("{other:?}"),
        };
        let labels = file("t10k-labels-idx1-ubyte.gz");
        write_idx(&labels, &[10_000], |i| class(i) + u8::from(i == 9_999));
        damaged(&labels, "holds the class 10, expected 0 to 9");
        // The labels of the wrong part.
        write_idx(&labels, &[60_000], class);
        damaged(&labels, "has the shape [60000], expected [10000]");
    }
}
