//! NumPy's form of one array.
//!
//! The bytes 93 `NUMPY`, two bytes of version, the length of the header (u16 in version 1, u32 in 2 and 3), the header, a Python
//! dictionary padded with blanks, and the values, all little-endian.

use std::io::{self, Read, Write};

/// The longest header that is read.
const LONGEST: usize = 10_000;
const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads an array whose values have the type `descr` (`|b1`, `|u1`, `<i4`, `<i8`, `<f4`, `<f8`) and whose shape is
/// `shape`: its values as they are stored, row-major.
pub(super) fn read(mut from: impl Read, descr: &str, shape: &[usize]) -> Result<Vec<u8>, String> {
    let early = |at: &'static str| {
        move |error: io::Error| format!("cannot be read to the end of its {at} ({error})")
    };
    let mut start = [0; 8];
    from.read_exact(&mut start).map_err(early("first bytes"))?;
    if !start.starts_with(MAGIC) {
        return Err("does not begin with 93 NUMPY".into());
    }
    let mut length = [0; 4];
    let digits = if start[6] == 1 { 2 } else { 4 };
    from.read_exact(&mut length[..digits])
        .map_err(early("first bytes"))?;
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST {
        return Err(format!("announces a header of {length} bytes"));
    }
    let mut header = vec![0; length];
    from.read_exact(&mut header).map_err(early("header"))?;
    let header = String::from_utf8_lossy(&header).into_owned();
    check(&header, descr, shape)?;
    let size = descr[2..].parse().unwrap_or(1);
    let bytes = shape.iter().product::<usize>() * size;
    let mut values = Vec::with_capacity(bytes + 1);
    // One more than expected tells an array that goes on, and makes an archive check its sums.
    from.take(bytes as u64 + 1)
        .read_to_end(&mut values)
        .map_err(early("values"))?;
    if values.len() != bytes {
        let bound = if values.len() > bytes {
            "more than "
        } else {
            ""
        };
        let found = values.len().min(bytes);
        return Err(format!(
            "holds {bound}{found} bytes of values, expected {bytes}"
        ));
    }
    Ok(values)
}

fn check(header: &str, descr: &str, shape: &[usize]) -> Result<(), String> {
    let field = |key: &str| {
        let (_, rest) = header.split_once(&format!("'{key}':"))?;
        Some(rest.trim_start())
    };
    let missing = |key: &str| format!("has a header without `{key}`");
    let found = field("descr").ok_or_else(|| missing("descr"))?;
    let found = found
        .trim_start_matches('\'')
        .split('\'')
        .next()
        .unwrap_or("");
    if found != descr {
        let found: String = found.chars().take(20).collect();
        return Err(format!("has values of type `{found}`, expected `{descr}`"));
    }
    let order = field("fortran_order").ok_or_else(|| missing("fortran_order"))?;
    if !order.starts_with("False") {
        return Err("is stored column by column, expected row by row".into());
    }
    let list = field("shape").ok_or_else(|| missing("shape"))?;
    let list = list.trim_start_matches('(').split(')').next().unwrap_or("");
    let lengths = list.split(',').map(str::trim).filter(|n| !n.is_empty());
    let found: Option<Vec<usize>> = lengths.map(|n| n.parse().ok()).collect();
    if found.as_deref() != Some(shape) {
        let list: String = list.chars().take(60).collect();
        return Err(format!("has the shape ({list}), expected {shape:?}"));
    }
    Ok(())
}

/// Writes an array of 64-bit floats.
///
/// # Panics
/// If there are more or fewer values than `shape` says.
pub(super) fn write(mut to: impl Write, shape: &[usize], values: &[f64]) -> io::Result<()> {
    assert_eq!(shape.iter().product::<usize>(), values.len(), "{shape:?}");
    let lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
    // Python's form of a tuple: a comma after a single length.
    let comma = if shape.len() == 1 { "," } else { "" };
    let lengths = lengths.join(", ");
    let mut header =
        format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({lengths}{comma}), }}");
    // The values begin at a multiple of 64 bytes.
    while !(MAGIC.len() + 4 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    to.write_all(MAGIC)?;
    to.write_all(&[1, 0])?;
    to.write_all(&(header.len() as u16).to_le_bytes())?;
    to.write_all(header.as_bytes())?;
    values
        .iter()
        .try_for_each(|x| to.write_all(&x.to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, values: &[u8]) -> Vec<u8> {
        let length = (header.len() as u16).to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), values].concat()
    }

    const HEADER: &str = "{'descr': '|b1', 'fortran_order': False, 'shape': (2, 3), }  \n";

    #[test]
    fn an_array_is_read_in_every_version() {
        let values = [1, 0, 1, 1, 0, 0];
        assert_eq!(
            read(&file(HEADER, &values)[..], "|b1", &[2, 3]),
            Ok(values.to_vec())
        );
        let length = (HEADER.len() as u32).to_le_bytes();
        let second = [MAGIC, &[2, 0], &length, HEADER.as_bytes(), &values].concat();
        assert_eq!(read(&second[..], "|b1", &[2, 3]), Ok(values.to_vec()));
    }

    #[test]
    fn what_is_written_is_read() {
        for shape in [&[5][..], &[1, 5], &[5, 1, 1]] {
            let values = [0.5, -1.0, f64::INFINITY, 1e-300, 7.0];
            let mut bytes = Vec::new();
            write(&mut bytes, shape, &values).expect("memory");
            assert_eq!((bytes.len() - 40) % 64, 0);
            let raw = read(&bytes[..], "<f8", shape).expect("an array");
            let back: Vec<f64> = raw
                .chunks_exact(8)
                .map(|x| f64::from_le_bytes(x.try_into().expect("eight bytes")))
                .collect();
            assert_eq!(back, values);
        }
    }

    #[test]
    fn each_fault_is_named() {
        let problem = |bytes: &[u8]| read(bytes, "|b1", &[2, 3]).expect_err("a fault");
        for (header, said) in [
            (HEADER.replace("|b1", "|O"), "type `|O`, expected `|b1`"),
            (HEADER.replace("|b1", ">f8"), "type `>f8`"),
            (HEADER.replace("False", "True"), "column by column"),
            (
                HEADER.replace("(2, 3)", "(3, 2)"),
                "shape (3, 2), expected [2, 3]",
            ),
            (HEADER.replace("(2, 3)", "(-1, 3)"), "shape (-1, 3)"),
            (HEADER.replace("shape", "ship"), "without `shape`"),
        ] {
            let problem = problem(&file(&header, &[0; 6]));
            assert!(problem.contains(said), "{problem}");
        }
        assert!(problem(&file(HEADER, &[0; 5])).contains("holds 5 bytes of values, expected 6"));
        assert!(problem(&file(HEADER, &[0; 7])).contains("holds more than 6 bytes"));
        assert!(problem(b"<!DOCTYPE html>").contains("93 NUMPY"));
        assert!(problem(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").contains("header of 4294967295"));
        assert!(problem(&file(HEADER, &[])[..30]).contains("header"));
    }
}
