//! Reader of idx files, plain or gzip (any number of members).
//!
//! Form, big-endian: bytes 0, 0, type (8 = u8), number of dimensions; one u32 per dimension; then
//! the values. A file is taken whole or refused: another type, another shape, too few and too
//! many bytes are errors. No header is believed: memory is reserved for what the caller expects
//! or what is there, never for what a file claims.

use super::DataError;
use flate2::bufread::MultiGzDecoder;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

/// The values of the idx file at `path`, whose dimensions must be `shape`.
pub(super) fn read(path: &Path, shape: &[u32]) -> Result<Vec<u8>, DataError> {
    let values = File::open(path)
        .map_err(Fault::Machine)
        .and_then(|file| decode(BufReader::new(file), shape));
    values.map_err(|fault| match fault {
        Fault::Machine(source) => DataError::Read {
            path: path.into(),
            source,
        },
        Fault::Content(problem) => DataError::Damaged {
            path: path.into(),
            problem,
        },
    })
}

/// Why there are no values: the machine did not deliver, or what it delivered is wrong.
#[derive(Debug)]
enum Fault {
    Machine(io::Error),
    Content(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof => Self::Content("the file ends too early".into()),
            // What the decoder reports on broken streams and wrong sums.
            ErrorKind::InvalidInput | ErrorKind::InvalidData => {
                Self::Content(format!("the compressed data are broken ({error})"))
            }
            _ => Self::Machine(error),
        }
    }
}

fn decode(mut from: impl BufRead, shape: &[u32]) -> Result<Vec<u8>, Fault> {
    if from.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        values(MultiGzDecoder::new(from), shape)
    } else {
        values(from, shape)
    }
}

fn values(mut from: impl Read, shape: &[u32]) -> Result<Vec<u8>, Fault> {
    let mut expected = vec![0, 0, 8, shape.len() as u8];
    expected.extend(shape.iter().flat_map(|n| n.to_be_bytes()));
    let mut header = vec![0; expected.len()];
    from.read_exact(&mut header[..4])?;
    if header[..4] != expected[..4] {
        let (found, expected) = (hex(&header[..4]), hex(&expected[..4]));
        return Err(Fault::Content(format!(
            "begins with {found}, expected {expected}"
        )));
    }
    from.read_exact(&mut header[4..])?;
    if header != expected {
        let found: Vec<u32> = header[4..]
            .chunks_exact(4)
            .map(|n| u32::from_be_bytes([n[0], n[1], n[2], n[3]]))
            .collect();
        return Err(Fault::Content(format!(
            "has the shape {found:?}, expected {shape:?}"
        )));
    }
    let length: usize = shape.iter().map(|&n| n as usize).product();
    let mut values = Vec::with_capacity(length + 1);
    // One more than expected: tells a file that goes on, and makes gzip check its sums at the end.
    from.take(length as u64 + 1).read_to_end(&mut values)?;
    if values.len() < length {
        return Err(Fault::Content(format!(
            "holds {} values, expected {length}",
            values.len()
        )));
    }
    if values.len() > length {
        return Err(Fault::Content(format!(
            "goes on after the {length} values that were expected"
        )));
    }
    Ok(values)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let gap = if text.is_empty() { "" } else { " " };
        write!(text, "{gap}{byte:02x}").expect("a string takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::stream::Stream;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    const SHAPE: [u32; 3] = [5, 4, 3];

    fn payload() -> Vec<u8> {
        (0..60).map(|i| if i % 3 == 0 { 0 } else { i }).collect()
    }

    fn plain() -> Vec<u8> {
        let mut file = vec![0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 4, 0, 0, 0, 3];
        file.extend(payload());
        file
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn problem(file: &[u8]) -> String {
        match decode(file, &SHAPE) {
            Err(Fault::Content(problem)) => problem,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn plain_gzip_and_concatenated_gzip_are_read() {
        let file = plain();
        assert_eq!(decode(&file[..], &SHAPE).expect("plain"), payload());
        assert_eq!(decode(&gzip(&file)[..], &SHAPE).expect("gzip"), payload());
        let members = [gzip(&file[..9]), gzip(&[]), gzip(&file[9..])].concat();
        assert_eq!(decode(&members[..], &SHAPE).expect("members"), payload());
    }

    #[test]
    fn each_fault_is_named() {
        let mut file = plain();
        file[2] = 0x0d;
        assert_eq!(
            problem(&file),
            "begins with 00 00 0d 03, expected 00 00 08 03"
        );
        assert!(problem(b"<!DOCTYPE html><html>").contains("3c 21 44 4f"));
        let mut file = plain();
        file[7] = 6;
        assert_eq!(
            problem(&file),
            "has the shape [6, 4, 3], expected [5, 4, 3]"
        );
        assert_eq!(problem(&plain()[..75]), "holds 59 values, expected 60");
        assert_eq!(problem(&plain()[..7]), "the file ends too early");
        assert_eq!(problem(&[]), "the file ends too early");
        let more = [plain(), vec![0]].concat();
        assert_eq!(
            problem(&more),
            "goes on after the 60 values that were expected"
        );
        assert_eq!(
            problem(&gzip(&more)),
            "goes on after the 60 values that were expected"
        );
        let packed = gzip(&plain());
        assert_eq!(
            problem(&packed[..packed.len() - 1]),
            "the file ends too early"
        );
        assert!(problem(&[packed, vec![7; 30]].concat()).contains("compressed data"));
    }

    #[test]
    fn a_header_that_lies_reserves_nothing() {
        let lie = [vec![0, 0, 8, 3], vec![0xff; 12], vec![1; 10]].concat();
        assert_eq!(
            problem(&lie),
            "has the shape [4294967295, 4294967295, 4294967295], expected [5, 4, 3]"
        );
    }

    /// A file that unpacks without end costs the expected length and no more.
    #[test]
    fn a_gzip_bomb_is_cut_off() {
        let header = &plain()[..16];
        let bomb = gzip(&[header, &vec![0; 50 << 20]].concat());
        assert!(bomb.len() < 100_000);
        assert_eq!(
            problem(&bomb),
            "goes on after the 60 values that were expected"
        );
    }

    /// 20,000 mutated files: a byte changed, cut off, put in or doubled at seeded places. Nothing
    /// panics; what is accepted has the right length; a plain file whose values alone were
    /// touched is accepted with them, and a gzip file never gives other values than it was made of.
    #[test]
    fn mutated_files_are_read_or_refused() {
        let stream = Stream::new("idx mutations", 0);
        let files = [
            plain(),
            gzip(&plain()),
            [gzip(&plain()[..20]), gzip(&plain()[20..])].concat(),
        ];
        let mut accepted = 0;
        for trial in 0..20_000 {
            let mut draws = stream.draws(trial, 0);
            let which = draws.below(3) as usize;
            let mut file = files[which].clone();
            for _ in 0..=draws.below(3) {
                let at = draws.below(file.len() as u32 + 1) as usize;
                match draws.below(4) {
                    0 if at < file.len() => file[at] = draws.below(256) as u8,
                    1 => file.truncate(at),
                    2 => file.insert(at, draws.below(256) as u8),
                    _ => file.extend_from_within(at..),
                }
                if file.is_empty() {
                    break;
                }
            }
            if let Ok(values) = decode(&file[..], &SHAPE) {
                accepted += 1;
                assert_eq!(values.len(), 60);
                if which == 0 {
                    assert_eq!((file.len(), &file[..16]), (76, &plain()[..16]));
                } else {
                    assert_eq!(values, payload());
                }
            }
        }
        // Both outcomes happen: the test looks at something.
        assert!((1..20_000).contains(&accepted), "{accepted} accepted");
    }
}
