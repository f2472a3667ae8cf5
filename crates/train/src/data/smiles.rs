//! Molecules as SMILES, one a line, and the splits of ZINC 250k.

use std::path::Path;

use super::locate::{self, search_path};
use super::{DataError, Manifest, text};

/// The longest file that is read.
const MOST: u64 = 1 << 30;
/// The longest line; that of ZINC 250k has 120 characters.
const LONGEST: usize = 10_000;

/// Molecules in three splits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmilesSet {
    /// To learn from.
    pub train: Vec<String>,
    /// To choose by.
    pub valid: Vec<String>,
    /// To report on.
    pub test: Vec<String>,
}

/// Who cut the molecules into splits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmilesSplit {
    /// The first 5,000 are the test part (Kusner, Paige, Hernandez-Lobato, "Grammar variational autoencoder", 2017); validation
    /// is the last tenth of the others.
    Grammar,
    /// The parts of Jin, Barzilay, Jaakkola, "Junction tree variational autoencoder", 2018; the test part is the same.
    JunctionTree,
}

impl SmilesSet {
    /// ZINC 250k, looked for as [`ImageSet::load`](super::ImageSet::load) does.
    ///
    /// # Errors
    /// If the files are not to be found or not what they should be.
    pub fn load(split: SmilesSplit, dir: Option<&Path>) -> Result<Self, DataError> {
        let set = Manifest::named("zinc250k")?;
        let files = locate::find(set, &search_path(dir))?;
        let items = set.items;
        let parts = [items.train, items.valid, items.test];
        let read = |i: usize, n: usize| -> Result<Vec<String>, DataError> {
            let lines = read(&files[i])?;
            if lines.len() == n {
                return Ok(lines);
            }
            Err(DataError::Damaged {
                path: files[i].clone(),
                problem: format!("holds {} molecules, expected {n}", lines.len()),
            })
        };
        match split {
            SmilesSplit::Grammar => {
                let mut test = read(0, parts.iter().sum())?;
                let mut train = test.split_off(items.test);
                let valid = train.split_off(items.train);
                Ok(Self { train, valid, test })
            }
            SmilesSplit::JunctionTree => Ok(Self {
                train: read(1, items.train)?,
                valid: read(2, items.valid)?,
                test: read(3, items.test)?,
            }),
        }
    }
}

/// The molecules of the file at `path`, plain or gzip, in its order. A tab or blank and whatever follows it (a name) are left out.
///
/// # Errors
/// [`DataError::Damaged`] with line and byte if a line is empty, too long or not printable ASCII.
pub fn read(path: &Path) -> Result<Vec<String>, DataError> {
    decode(&text::read(path, MOST)?).map_err(|problem| DataError::Damaged {
        path: path.into(),
        problem,
    })
}

fn decode(bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut molecules = Vec::new();
    let mut at = 0;
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if body.is_empty() {
        return Err("holds no molecule".into());
    }
    for line in body.split(|&b| b == b'\n') {
        let wrong = |offset: usize, problem: &str| {
            format!(
                "line {}, byte {}: {problem}",
                molecules.len() + 1,
                at + offset
            )
        };
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        let end = text.iter().position(|&b| b == b'\t' || b == b' ');
        let text = &text[..end.unwrap_or(text.len())];
        if text.is_empty() {
            return Err(wrong(0, "no molecule"));
        }
        if text.len() > LONGEST {
            return Err(wrong(LONGEST, "a molecule of more than 10000 characters"));
        }
        if let Some(offset) = text.iter().position(|b| !b.is_ascii_graphic()) {
            let problem = format!("the byte {:02x}, expected printable ASCII", text[offset]);
            return Err(wrong(offset, &problem));
        }
        molecules.push(text.iter().map(|&b| char::from(b)).collect());
        at += line.len() + 1;
    }
    Ok(molecules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::test_support::real_data;
    use std::collections::BTreeSet;

    #[test]
    fn lines_are_molecules() {
        let expected = Ok(vec!["CC(=O)O".to_owned(), "c1ccccc1".to_owned()]);
        for file in [
            "CC(=O)O\nc1ccccc1\n",
            "CC(=O)O\nc1ccccc1",
            "CC(=O)O\r\nc1ccccc1\r\n",
            "CC(=O)O\tacetic acid\nc1ccccc1 benzene\n",
        ] {
            assert_eq!(decode(file.as_bytes()), expected, "{file:?}");
        }
    }

    #[test]
    fn each_fault_is_named_with_its_place() {
        for (file, problem) in [
            (&b""[..], "holds no molecule"),
            (b"CC\n\nC\n", "line 2, byte 3: no molecule"),
            (
                b"CC\nC\xffC\n",
                "line 2, byte 4: the byte ff, expected printable ASCII",
            ),
            (b"CC\n\tC\n", "line 2, byte 3: no molecule"),
        ] {
            assert_eq!(decode(file), Err(problem.to_owned()));
        }
        assert!(decode(&[b'C'; 10_001]).is_err());
    }

    #[test]
    fn zinc_is_what_it_is_known_to_be() {
        let Some(dir) = real_data("zinc250k") else {
            return;
        };
        let set = SmilesSet::load(SmilesSplit::Grammar, Some(&dir)).expect("a set");
        let jtvae = SmilesSet::load(SmilesSplit::JunctionTree, Some(&dir)).expect("a set");
        assert_eq!(set.test, jtvae.test);
        let sizes = |set: &SmilesSet| [set.train.len(), set.valid.len(), set.test.len()];
        assert_eq!(sizes(&set), [220_011, 24_445, 5_000]);
        assert_eq!(sizes(&jtvae), sizes(&set));
        let all: BTreeSet<&String> = [&set.train, &set.valid, &set.test]
            .into_iter()
            .flatten()
            .collect();
        let same: BTreeSet<&String> = [&jtvae.train, &jtvae.valid, &jtvae.test]
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(all.len(), 249_456);
        assert!(all == same);
        let mut lengths: Vec<usize> = all.iter().map(|s| s.len()).collect();
        lengths.sort_unstable();
        let n = lengths.len();
        assert_eq!((lengths[0], lengths[n / 2], lengths[n - 1]), (9, 44, 120));
        assert_eq!((lengths[n * 95 / 100], lengths[n * 99 / 100]), (60, 68));
        let mean = lengths.iter().sum::<usize>() as f64 / n as f64;
        assert!((mean - 44.31).abs() < 0.005, "{mean}");
        let with = |text: &str| all.iter().filter(|s| s.contains(text)).count();
        assert_eq!(
            [with("Cl"), with("Br"), with("@")],
            [36_348, 12_375, 145_751]
        );
        assert_eq!([with("%"), with("."), with("9")], [0, 0, 0]);
        assert_eq!(
            all.iter().filter(|s| s.contains(['/', '\\'])).count(),
            16_580
        );
        let letters: BTreeSet<char> = all.iter().flat_map(|s| s.chars()).collect();
        assert_eq!(letters.len(), 34);
    }
}
