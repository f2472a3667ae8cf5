//! What several tests of this module need.

use super::{Binarization, DataConfig};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::PathBuf;

/// SHA-256 in hexadecimal.
#[expect(clippy::format_collect, reason = "32 bytes")]
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The folder of real data sets, if it has this one; says so if not, past the test harness, which
/// would swallow what a passing test prints.
pub(super) fn real_data(set: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("UNBIASED_DATA").map(PathBuf::from);
    let folder = folder.filter(|folder| folder.join(set).is_dir());
    if folder.is_none() {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: needs the data set `{set}`; set UNBIASED_DATA to the folder that holds it"
        );
    }
    folder
}

/// The configuration of a set with the same limit for all splits.
pub(super) fn config(name: &str, binarization: Binarization, limit: Option<usize>) -> DataConfig {
    DataConfig {
        name: name.into(),
        binarization,
        seed: 0,
        train_limit: limit,
        eval_limit: limit,
        ..DataConfig::default()
    }
}

/// Pixels as bytes, 1 as 255.
pub(super) fn bytes(pixels: &[f32]) -> Vec<u8> {
    pixels.iter().map(|&p| (255.0 * p) as u8).collect()
}
