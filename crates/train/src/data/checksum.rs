//! Checksums of files: SHA-256 where it is known, otherwise what the publisher left.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What the bytes of a file must give, in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum<'a> {
    /// SHA-256.
    Sha256(&'a str),
    /// What git stores: SHA-1 of `blob <length>`, a zero byte and the content.
    GitBlob(&'a str),
    /// MD5.
    Md5(&'a str),
}

impl Checksum<'_> {
    /// Its kind, as manifests name it.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::GitBlob(_) => "git blob",
            Self::Md5(_) => "md5",
        }
    }

    /// The digits.
    #[must_use]
    pub fn digits(self) -> String {
        let (Self::Sha256(digits) | Self::GitBlob(digits) | Self::Md5(digits)) = self;
        digits.to_owned()
    }

    /// The same kind of checksum of the content of `from`, which is `length` bytes long.
    pub(super) fn of(self, from: impl Read, length: u64) -> io::Result<String> {
        match self {
            Self::Sha256(_) => digest(Sha256::new(), from),
            Self::Md5(_) => digest(Md5::new(), from),
            Self::GitBlob(_) => {
                let head = Sha1::new().chain_update(format!("blob {length}\0"));
                digest(head, from)
            }
        }
    }

    /// Whether the file at `path` has it; the other one if not.
    pub(super) fn compare(self, path: &Path) -> io::Result<Result<(), String>> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let found = self.of(file, length)?;
        Ok(if found == self.digits() {
            Ok(())
        } else {
            Err(found)
        })
    }
}

impl fmt::Display for Checksum<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.digits())
    }
}

/// SHA-256 of the file at `path`.
pub(super) fn sha256(path: &Path) -> io::Result<String> {
    digest(Sha256::new(), File::open(path)?)
}

fn digest(mut hash: impl Digest, mut from: impl Read) -> io::Result<String> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer)? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    Ok(hex(&hash.finalize()))
}

#[expect(clippy::format_collect, reason = "32 bytes")]
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1321, FIPS 180-4, and `printf abc | git hash-object --stdin`.
    #[test]
    fn known_answers() {
        for (sum, digits) in [
            (Checksum::Md5(""), "900150983cd24fb0d6963f7d28e17f72"),
            (
                Checksum::Sha256(""),
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                Checksum::GitBlob(""),
                "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f",
            ),
        ] {
            assert_eq!(sum.of(&b"abc"[..], 3).expect("memory"), digits, "{sum}");
        }
    }
}
