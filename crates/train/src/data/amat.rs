//! Reader of the text form of binarized MNIST: rows of values `0` and `1` between blanks.

use super::{DataError, text};
use std::path::Path;

/// `rows` x `width` grey values, 0 for `0` and 255 for `1`.
pub(super) fn read(path: &Path, rows: usize, width: usize) -> Result<Vec<u8>, DataError> {
    // A digit and a blank a value, and room for other ends of lines: more is another file, and
    // is not taken into memory.
    let bytes = text::read(path, 3 * (rows * width) as u64)?;
    decode(&bytes, rows, width).map_err(|problem| DataError::Damaged {
        path: path.into(),
        problem,
    })
}

fn decode(bytes: &[u8], rows: usize, width: usize) -> Result<Vec<u8>, String> {
    let mut values = Vec::with_capacity(rows * width);
    let mut lines = bytes.split(|&b| b == b'\n');
    // What follows the last newline is a line of its own, empty in a complete file.
    if bytes.ends_with(b"\n") {
        lines.next_back();
    }
    for (i, line) in lines.enumerate() {
        if i == rows {
            return Err(format!("goes on after the {rows} rows that were expected"));
        }
        for token in line
            .split(u8::is_ascii_whitespace)
            .filter(|token| !token.is_empty())
        {
            values.push(match token {
                b"0" => 0,
                b"1" => 255,
                _ => {
                    let token: String = String::from_utf8_lossy(token).chars().take(20).collect();
                    return Err(format!("row {} holds `{token}`, expected 0 or 1", i + 1));
                }
            });
            if values.len() > (i + 1) * width {
                break;
            }
        }
        if values.len() != (i + 1) * width {
            let found = values.len() - i * width;
            let bound = if found > width { "more than " } else { "" };
            return Err(format!(
                "row {} holds {bound}{} values, expected {width}",
                i + 1,
                found.min(width)
            ));
        }
    }
    if values.len() < rows * width {
        return Err(format!(
            "holds {} rows, expected {rows}",
            values.len() / width
        ));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::stream::Stream;

    #[test]
    fn rows_are_read_whatever_ends_them() {
        let expected = Ok(vec![0, 255, 255, 0, 0, 0]);
        for file in [
            "0 1 1\n0 0 0\n",
            "0 1 1\r\n0 0 0\r\n",
            "0 1 1 \n0 0 0 \n",
            "0 1 1\n0 0 0",
        ] {
            assert_eq!(decode(file.as_bytes(), 2, 3), expected, "{file:?}");
        }
    }

    #[test]
    fn each_fault_is_named() {
        for (file, problem) in [
            ("", "row 1 holds 0 values, expected 3"),
            ("0 1 1\n", "holds 1 rows, expected 2"),
            ("0 1 1\n0 0\n", "row 2 holds 2 values, expected 3"),
            (
                "0 1 1 0\n0 0 0\n",
                "row 1 holds more than 3 values, expected 3",
            ),
            (
                "0 1 1\n0 0 0\n0 0 0\n",
                "goes on after the 2 rows that were expected",
            ),
            ("0 1 1\n0 2 0\n", "row 2 holds `2`, expected 0 or 1"),
            ("<html>\n", "row 1 holds `<html>`, expected 0 or 1"),
        ] {
            assert_eq!(
                decode(file.as_bytes(), 2, 3),
                Err(problem.to_owned()),
                "{file:?}"
            );
        }
    }

    #[test]
    fn random_bytes_never_panic() {
        let stream = Stream::new("amat mutations", 0);
        for trial in 0..20_000 {
            let mut draws = stream.draws(trial, 0);
            let length = draws.below(16);
            let file: Vec<u8> = (0..length)
                .map(|_| b"01 \n\r\xff.x"[draws.below(8) as usize])
                .collect();
            if let Ok(values) = decode(&file, 2, 3) {
                assert_eq!(values.len(), 6);
            }
        }
    }
}
