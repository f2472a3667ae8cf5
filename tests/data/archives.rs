//! Archives that want more than to be unpacked.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use unbiased_train::data::fetch::Fetcher;
use unbiased_train::data::{DataError, Manifest};

use crate::server::{Answer, Server};

/// An entry of a tar file: name, kind, target of a link, what it says its length is, and content.
struct Entry<'a> {
    name: &'a str,
    kind: u8,
    link: &'a str,
    length: usize,
    content: &'a [u8],
}

fn file<'a>(name: &'a str, content: &'a [u8]) -> Entry<'a> {
    Entry {
        name,
        kind: b'0',
        link: "",
        length: content.len(),
        content,
    }
}

/// A tar file byte by byte: libraries refuse to write what is tested here.
fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let mut head = [0_u8; 512];
        head[..entry.name.len()].copy_from_slice(entry.name.as_bytes());
        head[100..108].copy_from_slice(b"0000644\0");
        head[108..116].copy_from_slice(b"0000000\0");
        head[116..124].copy_from_slice(b"0000000\0");
        head[124..136].copy_from_slice(format!("{:011o}\0", entry.length).as_bytes());
        head[136..148].copy_from_slice(b"00000000000\0");
        head[156] = entry.kind;
        head[157..157 + entry.link.len()].copy_from_slice(entry.link.as_bytes());
        head[257..265].copy_from_slice(b"ustar\x0000");
        head[148..156].fill(b' ');
        let sum: u32 = head.iter().map(|&b| u32::from(b)).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        bytes.extend(head);
        bytes.extend(entry.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.extend([0; 1024]);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Fetches a set of two files, `a.bin` (10 bytes) and `b.bin` (20 bytes), in the archive.
fn fetch(root: &Path, archive: &[u8]) -> Result<(), DataError> {
    let digest = Sha256::digest(archive);
    let sum = digest
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let server = Server::new(&[("/all.tar.gz", Answer::File(archive.to_vec()))]);
    let text = format!(
        "title = \"t\"\nlicence = \"l\"\nobligation = \"o\"\nused_by = []\nform = \"cifar\"\n\
         items = {{ train = 1, valid = 1, test = 1 }}\nurls = [\"{}/\"]\n\
         [archive]\npath = \"all.tar.gz\"\nbytes = {}\nsha256 = \"{sum}\"\n\
         [[file]]\npath = \"a.bin\"\nmember = \"set/a.bin\"\nbytes = 10\nmd5 = \"e09c80c42fda55f9d992e59ca6b3307d\"\n\
         [[file]]\npath = \"b.bin\"\nmember = \"set/b.bin\"\nbytes = 20\n",
        server.url,
        archive.len()
    );
    let set = Manifest::parse("tested", &text).unwrap();
    Fetcher::default().fetch(&set, root, &mut |_| ())
}

const A: &[u8] = b"aaaaaaaaaa";
const B: &[u8] = b"bbbbbbbbbbbbbbbbbbbb";

#[test]
fn wanted_members_are_taken_and_nothing_else() {
    let root = TempDir::new().unwrap();
    let folder = Entry {
        kind: b'5',
        ..file("set/", b"")
    };
    let entries = [
        folder,
        file("set/readme.html", b"hello"),
        file("set/b.bin", B),
        file("set/a.bin", A),
    ];
    fetch(root.path(), &gzip(&tar(&entries))).unwrap();
    let folder = root.path().join("tested");
    assert_eq!(fs::read(folder.join("a.bin")).unwrap(), A);
    assert_eq!(fs::read(folder.join("b.bin")).unwrap(), B);
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [".lock", "SHA256SUMS", "a.bin", "b.bin"]);
}

#[test]
fn hostile_archives_are_refused_whole() {
    let link = |kind, link| Entry {
        kind,
        link,
        ..file("set/b.bin", b"")
    };
    let good = || file("set/a.bin", A);
    let long = vec![b'b'; 21];
    let cases: Vec<(Vec<Entry<'_>>, &str)> = vec![
        (
            vec![good(), file("../outside", b"x"), file("set/b.bin", B)],
            "leads out of the folder",
        ),
        (
            vec![
                good(),
                file("set/../../outside", b"x"),
                file("set/b.bin", B),
            ],
            "leads out",
        ),
        (
            vec![good(), file("/outside", b"x"), file("set/b.bin", B)],
            "leads out",
        ),
        (
            vec![good(), file("..\\outside", b"x"), file("set/b.bin", B)],
            "leads out",
        ),
        (
            vec![good(), file("C:outside", b"x"), file("set/b.bin", B)],
            "leads out",
        ),
        (
            vec![good(), link(b'2', "/etc/passwd")],
            "holds the link `set/b.bin`",
        ),
        (vec![good(), link(b'1', "set/a.bin")], "holds the link"),
        (vec![good(), link(b'3', "")], "an entry of kind"),
        (
            vec![good(), file("set/b.bin", &long)],
            "is 21 bytes long, expected 20",
        ),
        (vec![good()], "holds no set/b.bin"),
        (
            vec![file("set/a.bin", b"aaaaaaaaab"), file("set/b.bin", B)],
            "md5",
        ),
    ];
    for (entries, said) in cases {
        let root = TempDir::new().unwrap();
        let error = fetch(root.path(), &gzip(&tar(&entries))).expect_err(said);
        let message = error.to_string();
        assert!(message.contains(said), "{said:?} is missing in {message}");
        assert!(!root.path().join("outside").exists());
        assert!(!root.path().parent().unwrap().join("outside").exists());
        for name in ["b.bin", "b.bin.part"] {
            let path = root.path().join("tested").join(name);
            assert!(
                !path.exists() && !path.is_symlink(),
                "{said}: {name} is there"
            );
        }
    }
}

#[test]
fn what_unpacks_without_end_is_cut_off() {
    let root = TempDir::new().unwrap();
    let zeros = vec![0; 80 << 20];
    let bomb = gzip(&tar(&[
        file("set/a.bin", A),
        file("set/bomb", &zeros),
        file("set/b.bin", B),
    ]));
    assert!(bomb.len() < 200_000);
    let error = fetch(root.path(), &bomb).unwrap_err();
    assert!(error.to_string().contains("broken"), "{error}");
    let many: Vec<Entry<'_>> = (0..1100).map(|_| file("set/other", b"")).collect();
    let error = fetch(root.path(), &gzip(&tar(&many))).unwrap_err();
    assert!(
        error.to_string().contains("more than 1000 entries"),
        "{error}"
    );
    let cut = &tar(&[file("set/a.bin", A), file("set/b.bin", B)])[..1030];
    let error = fetch(root.path(), &gzip(cut)).unwrap_err();
    assert!(error.to_string().contains("broken"), "{error}");
    // Not an archive at all.
    let error = fetch(root.path(), b"<!DOCTYPE html> sorry").unwrap_err();
    assert!(!error.is_usage());
}
