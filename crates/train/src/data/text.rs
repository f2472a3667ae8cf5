//! Text files, plain or gzip, of bounded length.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::DataError;
use super::verify::is_content;

/// The content of the file at `path`, at most `most` bytes of it.
pub(super) fn read(path: &Path, most: u64) -> Result<Vec<u8>, DataError> {
    let read = || {
        let mut from = BufReader::new(File::open(path)?);
        let mut bytes = Vec::new();
        if from.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
            let content = MultiGzDecoder::new(from);
            content.take(most + 1).read_to_end(&mut bytes)?;
        } else {
            from.take(most + 1).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    };
    let damaged = |problem| DataError::Damaged {
        path: path.into(),
        problem,
    };
    let bytes = read().map_err(|source| {
        if is_content(&source) {
            return damaged(format!("the compressed data are broken ({source})"));
        }
        DataError::Read {
            path: path.into(),
            source,
        }
    })?;
    if bytes.len() as u64 > most {
        return Err(damaged(format!("holds more than {most} bytes")));
    }
    Ok(bytes)
}
