//! What the program draws itself, as files.
//!
//! An item is a pure function of the generator's name and version, the seed, the split and the index, the same on every
//! platform, so the first items of a longer file are those of a shorter one. Images are written as idx, lists of
//! numbers as npy, everything else as one JSON value a line.

mod images;
mod puzzles;
mod sequences;

use std::fs;
use std::path::{Path, PathBuf};

use super::stream::Stream;
use super::{DataError, Split};

/// What is asked of a generator.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Folder to write to.
    pub out: &'a Path,
    /// Seed of the items.
    pub seed: u64,
    /// Part of the data.
    pub split: Split,
    /// The first so many items.
    pub n: usize,
}

/// What a generator gives.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The files.
    pub files: Vec<PathBuf>,
    /// What the best model could reach on them, or another exact figure to hold results against.
    pub yardstick: String,
}

/// A generator of data.
#[derive(Debug)]
pub struct Generator {
    /// Its name.
    pub name: &'static str,
    /// One line on what it draws.
    pub summary: &'static str,
    /// Any change of any item is a new version.
    pub version: u32,
    draw: fn(&Generator, &Request<'_>) -> Result<Drawn, DataError>,
}

/// Every generator.
pub static GENERATORS: [Generator; 9] = [
    Generator {
        name: "glyphs",
        summary: "digits drawn with splines, 28x28 grey, with labels",
        version: super::glyphs::VERSION,
        draw: images::glyphs,
    },
    Generator {
        name: "scenes",
        summary: "0 to 2 glyphs on a canvas of 32x32, with their boxes",
        version: super::scenes::VERSION,
        draw: images::scenes,
    },
    Generator {
        name: "sorting",
        summary: "lists of 5 to 120 numbers of seven intervals",
        version: 1,
        draw: puzzles::sorting,
    },
    Generator {
        name: "jigsaw",
        summary: "permutations of the pieces of puzzles with 2 to 6 pieces a side",
        version: 1,
        draw: puzzles::jigsaw,
    },
    Generator {
        name: "ntm-copy",
        summary: "1 to 20 vectors of 8 bits, to be put out again",
        version: 1,
        draw: sequences::draw,
    },
    Generator {
        name: "ntm-repeat-copy",
        summary: "1 to 10 vectors of 8 bits, to be put out 1 to 10 times",
        version: 1,
        draw: sequences::draw,
    },
    Generator {
        name: "ntm-associative-recall",
        summary: "2 to 6 items of 3 vectors of 6 bits, and one whose successor is asked for",
        version: 1,
        draw: sequences::draw,
    },
    Generator {
        name: "ntm-ngrams",
        summary: "200 bits of a random source that looks back 5 bits",
        version: 1,
        draw: sequences::draw,
    },
    Generator {
        name: "ntm-priority-sort",
        summary: "20 vectors of 8 bits with priorities; the 16 highest, in order",
        version: 1,
        draw: sequences::draw,
    },
];

impl Generator {
    /// Draws the items and writes them.
    ///
    /// # Errors
    /// [`DataError::Write`] if a file cannot be written.
    pub fn draw(&self, request: &Request<'_>) -> Result<Drawn, DataError> {
        fs::create_dir_all(request.out).map_err(|source| DataError::Write {
            path: request.out.into(),
            source,
        })?;
        (self.draw)(self, request)
    }

    /// The stream of a split.
    fn stream(&self, request: &Request<'_>) -> Stream {
        let Self { name, version, .. } = self;
        Stream::new(&format!("{name}/{version}/{}", request.split), request.seed)
    }
}

impl Request<'_> {
    /// Writes a file of the split: `train-<name>`.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, DataError> {
        let path = self.out.join(format!("{}-{name}", self.split));
        let written = crate::files::replace(&path, bytes);
        written.map_err(|error| DataError::Write {
            path: path.clone(),
            source: std::io::Error::other(format!("{error:#}")),
        })?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::test_support::sha256;

    /// SHA-256 of all files of a split, one after the other, in the order they are given.
    fn hash(generator: &Generator, split: Split, n: usize) -> String {
        let dir = tempfile::tempdir().expect("a folder");
        let request = Request {
            out: dir.path(),
            seed: 0,
            split,
            n,
        };
        let drawn = generator.draw(&request).expect("written");
        assert!(!drawn.yardstick.is_empty());
        let files = drawn
            .files
            .iter()
            .map(|path| fs::read(path).expect("a file"));
        sha256(&files.collect::<Vec<_>>().concat())
    }

    /// The first 1,000 training and test items of every generator, seed 0.
    #[test]
    fn items_are_the_published_ones() {
        let golden = [
            ("glyphs", "", ""),
            ("scenes", "", ""),
            ("sorting", "", ""),
            ("jigsaw", "", ""),
            ("ntm-copy", "", ""),
            ("ntm-repeat-copy", "", ""),
            ("ntm-associative-recall", "", ""),
            ("ntm-ngrams", "", ""),
            ("ntm-priority-sort", "", ""),
        ];
        for (generator, (name, train, test)) in GENERATORS.iter().zip(golden) {
            assert_eq!(generator.name, name);
            assert_eq!(hash(generator, Split::Train, 1000), train, "{name} train");
            assert_eq!(hash(generator, Split::Test, 1000), test, "{name} test");
        }
    }

    #[test]
    fn splits_and_seeds_have_items_of_their_own() {
        for generator in &GENERATORS {
            let dir = tempfile::tempdir().expect("a folder");
            let mut seen = Vec::new();
            for (seed, split) in [
                (0, Split::Train),
                (0, Split::Valid),
                (0, Split::Test),
                (1, Split::Train),
            ] {
                let out = dir.path().join(format!("{seed}"));
                let request = Request {
                    out: &out,
                    seed,
                    split,
                    n: 20,
                };
                let drawn = generator.draw(&request).expect("written");
                let first = fs::read(&drawn.files[0]).expect("a file");
                assert!(!seen.contains(&first), "{} {seed} {split}", generator.name);
                seen.push(first);
            }
        }
    }
}
