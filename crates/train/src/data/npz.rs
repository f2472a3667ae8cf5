//! Arrays in NumPy's archives: a zip file with one `<name>.npy` each, stored or deflated.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use zip::ZipArchive;

use super::{DataError, npy};

/// The values of the array `name` in the archive at `path`; type and shape as in [`npy::read`].
pub(super) fn read(
    path: &Path,
    name: &str,
    descr: &str,
    shape: &[usize],
) -> Result<Vec<u8>, DataError> {
    let damaged = |problem: String| DataError::Damaged {
        path: path.into(),
        problem,
    };
    let file = File::open(path).map_err(|source| DataError::Read {
        path: path.into(),
        source,
    })?;
    let mut archive = ZipArchive::new(BufReader::new(file))
        .map_err(|error| damaged(format!("is no zip archive ({error})")))?;
    let entry = archive
        .by_name(&format!("{name}.npy"))
        .map_err(|error| damaged(format!("has no array `{name}` ({error})")))?;
    npy::read(entry, descr, shape)
        .map_err(|problem| damaged(format!("the array `{name}` {problem}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::stream::Stream;
    use std::fs;
    use std::io::{Cursor, Write};
    use zip::write::{SimpleFileOptions, ZipWriter};

    fn archive(method: zip::CompressionMethod) -> Vec<u8> {
        let mut array = Vec::new();
        npy::write(&mut array, &[3, 50], &[0.25; 150]).expect("memory");
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        // The wide fields that NumPy writes.
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .large_file(true);
        for name in ["labels.npy", "images.npy"] {
            zip.start_file(name, options).expect("memory");
            zip.write_all(&array).expect("memory");
        }
        zip.finish().expect("memory").into_inner()
    }

    #[test]
    fn arrays_are_read_and_faults_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("x.npz");
        for method in [
            zip::CompressionMethod::Stored,
            zip::CompressionMethod::Deflated,
        ] {
            let bytes = archive(method);
            fs::write(&path, &bytes).expect("written");
            let values = read(&path, "images", "<f8", &[3, 50]).expect("an array");
            assert_eq!(values, 0.25_f64.to_le_bytes().repeat(150));
            let problem = |name, shape: &[usize]| {
                let error = read(&path, name, "<f8", shape).expect_err("a fault");
                assert!(!error.is_usage());
                error.to_string()
            };
            assert!(problem("pictures", &[3, 50]).contains("x.npz: has no array `pictures`"));
            assert!(problem("images", &[50, 3]).contains("`images` has the shape (3, 50)"));
            // A value that changed: the archive's own sum tells.
            let mut bytes = bytes;
            if method == zip::CompressionMethod::Stored {
                let last = bytes.windows(8).rposition(|w| w == 0.25_f64.to_le_bytes());
                bytes[last.expect("a value")] ^= 1;
                fs::write(&path, &bytes).expect("written");
                assert!(problem("images", &[3, 50]).contains("checksum"));
            }
            fs::write(&path, &bytes[..bytes.len() / 2]).expect("written");
            assert!(problem("images", &[3, 50]).contains("no zip archive"));
        }
    }

    /// 3,000 mutated archives: nothing panics, nothing of another length is accepted.
    #[test]
    fn mutated_archives_are_read_or_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("x.npz");
        let whole = archive(zip::CompressionMethod::Deflated);
        let stream = Stream::new("npz mutations", 0);
        let mut accepted = 0;
        for trial in 0..3_000 {
            let mut draws = stream.draws(trial, 0);
            let mut file = whole.clone();
            for _ in 0..=draws.below(3) {
                let at = draws.below(file.len() as u32) as usize;
                match draws.below(8) {
                    0 => file.truncate(at + 1),
                    _ => file[at] = draws.below(256) as u8,
                }
            }
            fs::write(&path, &file).expect("written");
            if let Ok(values) = read(&path, "images", "<f8", &[3, 50]) {
                accepted += 1;
                assert_eq!(values.len(), 1200);
            }
        }
        assert!((1..3_000).contains(&accepted), "{accepted} accepted");
    }
}
