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
            (
                "glyphs",
                "05ca63f5ce8a8b59f888ef02c1fa25467d0d49c68e939fd43c4d7f65dd40a9a4",
                "5c6b293d898498b41415af2746473f690736dfe15738761353dac21cf1283e23",
            ),
            (
                "scenes",
                "83b3dfb7cae53c238168fd6e04b08876fe21f5265c936550ceee47970d0d08cc",
                "d2e4687e080dc88ba73d7471ecf2b6c22622910f89eec25ef89e903e47c41960",
            ),
            (
                "sorting",
                "4064077358f37c06660f265d62efc7b2be077aaefac07bec8575b3228ce3b81c",
                "6bd0967dc7f9cc6b466b60558e63d20b1044ce31556435d29722d8f22d00da6e",
            ),
            (
                "jigsaw",
                "ed4daf3df1afbc0e5301337438edbea596c45ec0e9baff43dc48a273a8082652",
                "5c3528208db8f2707042ba8e35ee0864dc2ad1499e3e275bc16001c13fb3e873",
            ),
            (
                "ntm-copy",
                "76fc51682a75ed785b399bdd664f947f6c1a9ad9f12a7bbff06eeb2ec9260191",
                "88e5215ff5c5c5a4d157dce5ba3db48ad49fe366df734d368be7af1767df6174",
            ),
            (
                "ntm-repeat-copy",
                "de671768e19574fe3cedd0554077618c1708fb61d48d86bdd010db9e082fde75",
                "69622c50131f4552c93397c06a8f52f28d0ff7c6269ee34414d9125d53dc79a5",
            ),
            (
                "ntm-associative-recall",
                "93a44e7421382242ca5fa77ce82291e3100b25d6d904103033d66517ac5b5253",
                "9d68910add18631806ef29f3ed60857a395a705a4fed5bfa09db517fc3d89357",
            ),
            (
                "ntm-ngrams",
                "d308831234c036ef22c7ae3e03c3b7920d25e39cf391994d6f8508adf8cd2013",
                "009d504a07f02737737ef7527f2d67630a13cbd3bf7a6f301c009ee6b2328c9f",
            ),
            (
                "ntm-priority-sort",
                "2b385257501135db3d2b54b6b9d1f01b8ea463afc3cc80759578bb7fa90c058d",
                "c264412ece37a1f29a243562361b851005078859ecbdb6bd01e21f0ba80668d6",
            ),
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
