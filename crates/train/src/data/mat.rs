//! Matrices in MATLAB's files of version 5.
//!
//! A header of 128 bytes (text, version 0x0100, `IM` for little-endian), then elements: a tag (u32 type, u32 size) and the data,
//! padded to 8 bytes unless compressed. A tag whose upper half of the first word is not 0 is a *small* element: type and size in two
//! u16, up to 4 bytes of data in the second word. A compressed element is a zlib stream with one element in it. A matrix is an element
//! that holds flags, dimensions, name and values; the values may be stored in a narrower type than that of the matrix.

use std::io::Read;
use std::path::Path;

use flate2::read::ZlibDecoder;

use super::{DataError, text};

const INT8: u32 = 1;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

/// Room for tags, names and other matrices.
const OTHERS: usize = 16 << 20;

/// The matrices of the given names and shapes (rows, columns) in the file at `path`, column by column.
pub(super) fn read(path: &Path, wanted: &[(&str, [usize; 2])]) -> Result<Vec<Vec<f64>>, DataError> {
    let values: usize = wanted
        .iter()
        .map(|(_, [rows, columns])| rows * columns)
        .sum();
    let bytes = text::read(path, (8 * values + OTHERS) as u64)?;
    decode(&bytes, wanted).map_err(|problem| DataError::Damaged {
        path: path.into(),
        problem,
    })
}

fn decode(bytes: &[u8], wanted: &[(&str, [usize; 2])]) -> Result<Vec<Vec<f64>>, String> {
    let header = bytes.get(..128).ok_or("is too short for a MATLAB file")?;
    if header.starts_with(b"MATLAB 7.3") {
        return Err(
            "is a MATLAB file of version 7.3 (HDF5), expected version 5; save it with -v7".into(),
        );
    }
    if header[124..] != [0, 1, b'I', b'M'] {
        let found = &header[124..];
        return Err(format!(
            "is no little-endian MATLAB file of version 5 (bytes 124 to 127: {found:02x?})"
        ));
    }
    let mut found: Vec<Option<Vec<f64>>> = vec![None; wanted.len()];
    let mut at = 128;
    while at < bytes.len() {
        let place = |problem: String| format!("element at byte {at}: {problem}");
        let element = Element::read(&bytes[at..]).map_err(place)?;
        let unpacked;
        let matrix = if element.kind == COMPRESSED {
            unpacked = unpack(element.data, wanted).map_err(place)?;
            Element::read(&unpacked).map_err(place)?
        } else {
            element.clone()
        };
        if matrix.kind == MATRIX {
            let matrix = Matrix::read(matrix.data).map_err(place)?;
            if let Some(i) = wanted.iter().position(|(name, _)| *name == matrix.name) {
                found[i] = Some(matrix.values(wanted[i].1).map_err(place)?);
            }
        }
        // A compressed element is not padded.
        let length = if element.kind == COMPRESSED {
            element.length
        } else {
            element.length.next_multiple_of(8)
        };
        at += length;
    }
    let pairs = wanted.iter().zip(found);
    pairs
        .map(|((name, _), values)| values.ok_or_else(|| format!("has no matrix `{name}`")))
        .collect()
}

/// The element in a zlib stream: no more of it than the largest matrix that is wanted takes.
fn unpack(stream: &[u8], wanted: &[(&str, [usize; 2])]) -> Result<Vec<u8>, String> {
    let largest = wanted
        .iter()
        .map(|(_, [rows, columns])| 8 * rows * columns)
        .max();
    let most = (largest.unwrap_or(0) + OTHERS) as u64;
    let mut bytes = Vec::new();
    ZlibDecoder::new(stream)
        .take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("the compressed data are broken ({error})"))?;
    if bytes.len() as u64 > most {
        return Err(format!("unpacks to more than {most} bytes"));
    }
    Ok(bytes)
}

#[derive(Clone)]
struct Element<'a> {
    kind: u32,
    data: &'a [u8],
    /// With its tag.
    length: usize,
}

impl<'a> Element<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let tag = bytes.get(..8).ok_or("the file ends in its tag")?;
        let (first, second) = (word(tag, 0), word(tag, 1));
        let size = (first >> 16) as usize;
        if size > 0 {
            let data = tag[4..]
                .get(..size)
                .ok_or_else(|| format!("a small element of {size} bytes"))?;
            return Ok(Self {
                kind: first & 0xffff,
                data,
                length: 8,
            });
        }
        let there = bytes.len() - 8;
        let data = bytes[8..]
            .get(..second as usize)
            .ok_or_else(|| format!("announces {second} bytes, {there} are there"))?;
        Ok(Self {
            kind: first,
            data,
            length: 8 + data.len(),
        })
    }

    /// The element at the beginning of `bytes`, which are cut to what follows it.
    fn next(bytes: &mut &'a [u8]) -> Result<Self, String> {
        let element = Self::read(bytes)?;
        *bytes = bytes
            .get(element.length.next_multiple_of(8)..)
            .unwrap_or(&[]);
        Ok(element)
    }
}

fn word(bytes: &[u8], i: usize) -> u32 {
    u32::from_le_bytes([
        bytes[4 * i],
        bytes[4 * i + 1],
        bytes[4 * i + 2],
        bytes[4 * i + 3],
    ])
}

struct Matrix<'a> {
    name: String,
    dimensions: Vec<u32>,
    is_real: bool,
    rest: &'a [u8],
}

impl<'a> Matrix<'a> {
    fn read(mut bytes: &'a [u8]) -> Result<Self, String> {
        let mut part = |what: &str, kind: u32| {
            let element =
                Element::next(&mut bytes).map_err(|problem| format!("{what}: {problem}"))?;
            if element.kind != kind {
                return Err(format!("{what} of type {}, expected {kind}", element.kind));
            }
            Ok(element.data)
        };
        let flags = part("flags", UINT32)?;
        let dimensions = part("dimensions", INT32)?;
        let name = part("name", INT8)?;
        let class = flags.first().copied().unwrap_or(0);
        let is_complex = flags.get(1).is_some_and(|flags| flags & 0x08 != 0);
        Ok(Self {
            name: String::from_utf8_lossy(name).into_owned(),
            dimensions: dimensions.chunks_exact(4).map(|n| word(n, 0)).collect(),
            // The classes of numbers: double, single, and integers of 8 to 64 bits.
            is_real: (6..=15).contains(&class) && !is_complex,
            rest: bytes,
        })
    }

    fn values(self, shape: [usize; 2]) -> Result<Vec<f64>, String> {
        let Self {
            name, dimensions, ..
        } = &self;
        if dimensions.iter().map(|&n| n as usize).ne(shape) {
            return Err(format!(
                "`{name}` has the shape {dimensions:?}, expected {shape:?}"
            ));
        }
        if !self.is_real {
            return Err(format!("`{name}` is no matrix of real numbers"));
        }
        let data = Element::read(self.rest).map_err(|problem| format!("`{name}`: {problem}"))?;
        let values = numbers(data.kind, data.data)
            .ok_or_else(|| format!("`{name}` has values of the unknown type {}", data.kind))?;
        let expected = shape[0] * shape[1];
        if values.len() != expected {
            return Err(format!(
                "`{name}` holds {} values, expected {expected}",
                values.len()
            ));
        }
        Ok(values)
    }
}

/// Values by the type in their tag.
fn numbers(kind: u32, data: &[u8]) -> Option<Vec<f64>> {
    Some(match kind {
        INT8 => convert(data, |x| i8::from_le_bytes(x).into()),
        2 => convert(data, |x| u8::from_le_bytes(x).into()),
        3 => convert(data, |x| i16::from_le_bytes(x).into()),
        4 => convert(data, |x| u16::from_le_bytes(x).into()),
        INT32 => convert(data, |x| i32::from_le_bytes(x).into()),
        UINT32 => convert(data, |x| u32::from_le_bytes(x).into()),
        7 => convert(data, |x| f32::from_le_bytes(x).into()),
        9 => convert(data, f64::from_le_bytes),
        12 => convert(data, |x| i64::from_le_bytes(x) as f64),
        13 => convert(data, |x| u64::from_le_bytes(x) as f64),
        _ => return None,
    })
}

fn convert<const SIZE: usize>(data: &[u8], number: fn([u8; SIZE]) -> f64) -> Vec<f64> {
    data.as_chunks().0.iter().copied().map(number).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::data::stream::Stream;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use std::io::Write;

    fn element(kind: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = [kind.to_le_bytes(), (data.len() as u32).to_le_bytes()].concat();
        bytes.extend(data);
        if kind != COMPRESSED {
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        bytes
    }

    fn small(kind: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = [kind.to_le_bytes(), (data.len() as u16).to_le_bytes()].concat();
        bytes.extend(data);
        bytes.resize(8, 0);
        bytes
    }

    /// A matrix of class double whose values are stored as the type `kind`.
    fn matrix(name: &str, shape: [u32; 2], kind: u32, data: &[u8]) -> Vec<u8> {
        let name = if name.len() <= 4 {
            small(INT8 as u16, name.as_bytes())
        } else {
            element(INT8, name.as_bytes())
        };
        let parts = [
            element(UINT32, &[6, 0, 0, 0, 0, 0, 0, 0]),
            element(INT32, &shape.map(u32::to_le_bytes).concat()),
            name,
            element(kind, data),
        ];
        element(MATRIX, &parts.concat())
    }

    fn compressed(element_: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(element_).expect("memory");
        element(COMPRESSED, &encoder.finish().expect("memory"))
    }

    fn file(elements: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = b"MATLAB 5.0 MAT-file".to_vec();
        bytes.resize(124, b' ');
        bytes.extend([0, 1, b'I', b'M']);
        bytes.extend(elements.concat());
        bytes
    }

    /// A file with matrices of doubles, compressed as MATLAB does it.
    pub(in crate::data) fn file_of_doubles(matrices: &[(&str, [u32; 2], &[u8])]) -> Vec<u8> {
        let elements: Vec<Vec<u8>> = matrices
            .iter()
            .map(|(name, shape, data)| compressed(&matrix(name, *shape, 9, data)))
            .collect();
        file(&elements)
    }

    const WANTED: [(&str, [usize; 2]); 2] = [("data", [2, 3]), ("testdata", [1, 2])];

    fn whole() -> Vec<u8> {
        let doubles: Vec<u8> = [0.5_f64, -2.0]
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        file(&[
            compressed(&matrix("target", [1, 1], 9, &1.0_f64.to_le_bytes())),
            compressed(&matrix("data", [2, 3], 2, &[0, 1, 2, 3, 4, 255])),
            element(UINT32, &[9; 5]),
            matrix("testdata", [1, 2], 9, &doubles),
        ])
    }

    #[test]
    fn matrices_are_found_whatever_their_values_are_stored_as() {
        let found = decode(&whole(), &WANTED).expect("two matrices");
        assert_eq!(
            found,
            [vec![0.0, 1.0, 2.0, 3.0, 4.0, 255.0], vec![0.5, -2.0]]
        );
        let stored: [(u32, Vec<u8>); 10] = [
            (1, (-3_i8).to_le_bytes().into()),
            (2, 3_u8.to_le_bytes().into()),
            (3, (-3_i16).to_le_bytes().into()),
            (4, 3_u16.to_le_bytes().into()),
            (5, (-3_i32).to_le_bytes().into()),
            (6, 3_u32.to_le_bytes().into()),
            (7, 3_f32.to_le_bytes().into()),
            (9, 3_f64.to_le_bytes().into()),
            (12, (-3_i64).to_le_bytes().into()),
            (13, 3_u64.to_le_bytes().into()),
        ];
        for (kind, data) in stored {
            let found = decode(&file(&[matrix("x", [1, 1], kind, &data)]), &[("x", [1, 1])]);
            assert_eq!(found.expect("a matrix")[0][0].abs(), 3.0, "type {kind}");
        }
    }

    #[test]
    fn each_fault_is_named() {
        let problem = |bytes: &[u8]| decode(bytes, &WANTED).expect_err("a fault");
        assert!(problem(&whole()[..100]).contains("too short"));
        let mut other = whole();
        other[126..128].copy_from_slice(b"MI");
        assert!(problem(&other).contains("little-endian"));
        let mut new = whole();
        new[..10].copy_from_slice(b"MATLAB 7.3");
        assert!(problem(&new).contains("-v7"));
        let end = whole().len();
        assert!(problem(&whole()[..end - 1]).contains("announces"));
        let one = |element: Vec<u8>| problem(&file(&[element]));
        assert!(
            one(matrix("data", [3, 2], 2, &[0; 6]))
                .contains("element at byte 128: `data` has the shape [3, 2]")
        );
        assert!(one(matrix("data", [2, 3], 2, &[0; 5])).contains("holds 5 values, expected 6"));
        assert!(one(matrix("data", [2, 3], 16, &[0; 6])).contains("unknown type 16"));
        assert!(one(matrix("dota", [2, 3], 2, &[0; 6])).contains("no matrix `data`"));
        // A stream that unpacks without end.
        let bomb = compressed(&vec![0; OTHERS + 100]);
        assert!(bomb.len() < 100_000);
        assert!(one(bomb).contains("unpacks to more than"));
        assert!(one(element(COMPRESSED, &[1, 2, 3])).contains("broken"));
    }

    #[test]
    fn mutated_files_are_read_or_refused() {
        let stream = Stream::new("mat mutations", 0);
        let whole = whole();
        let mut accepted = 0;
        for trial in 0..20_000 {
            let mut draws = stream.draws(trial, 0);
            let mut file = whole.clone();
            for _ in 0..=draws.below(3) {
                let at = draws.below(file.len() as u32) as usize;
                match draws.below(8) {
                    0 => file.truncate(at + 1),
                    _ => file[at] = draws.below(256) as u8,
                }
            }
            if let Ok(found) = decode(&file, &WANTED) {
                accepted += 1;
                assert_eq!((found[0].len(), found[1].len()), (6, 2));
            }
        }
        assert!((1..20_000).contains(&accepted), "{accepted} accepted");
    }
}
