//! Downloads and imports through the library, from servers and folders that are at their worst.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use unbiased_train::data::fetch::{Event, Fetcher, Policy};
use unbiased_train::data::{DataError, Manifest, State, Verdict, state, verify};

use crate::server::{Answer, Server};

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// 300,000 bytes that do not compress and hold no long run.
fn content() -> Vec<u8> {
    let mut x = 1_u32;
    let next = |_| {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (x >> 24) as u8
    };
    (0..300_000).map(next).collect()
}

const HEAD: &str = "title = \"t\"\nlicence = \"l\"\nobligation = \"o\"\nused_by = []\nform = \"smiles\"\n\
                    items = { train = 1, valid = 1, test = 1 }\n";

/// A set of one file, `x.bin`, at these addresses.
fn set_of(bytes: &[u8], urls: &[String]) -> Manifest {
    let text = format!(
        "{HEAD}urls = {urls:?}\n[[file]]\npath = \"x.bin\"\nbytes = {}\nsha256 = \"{}\"\n",
        bytes.len(),
        sha256(bytes)
    );
    Manifest::parse("tested", &text).unwrap()
}

fn fetcher() -> Fetcher {
    Fetcher {
        policy: Policy {
            tries: 3,
            pause: Duration::from_millis(1),
            connect: Duration::from_secs(5),
            idle: Duration::from_millis(300),
        },
        ..Fetcher::default()
    }
}

/// Fetches a set from folders of a server, each of which has `x.bin`.
fn fetch_from(root: &Path, folders: &[String]) -> Result<Vec<String>, DataError> {
    let set = set_of(&content(), folders);
    let mut troubles = Vec::new();
    fetcher().fetch(&set, root, &mut |event| {
        if let Event::Trouble { problem, .. } = event {
            troubles.push(problem.to_owned());
        }
    })?;
    assert_eq!(fs::read(root.join("tested/x.bin")).unwrap(), content());
    assert!(!root.join("tested/x.bin.part").exists());
    assert!(matches!(state(&set, &[root.to_owned()]), State::Ready(_)));
    assert_eq!(
        verify(&root.join("tested"), &set.files[0]).unwrap(),
        Verdict::Good("sha256")
    );
    Ok(troubles)
}

/// Fetches from one bad address and then a good one: what went wrong at the first.
fn trouble_with(answer: Answer) -> Vec<String> {
    let root = TempDir::new().unwrap();
    let server = Server::new(&[
        ("/bad/x.bin", answer),
        ("/good/x.bin", Answer::File(content())),
    ]);
    let folders = ["bad", "good"].map(|folder| format!("{}/{folder}/", server.url));
    let troubles = fetch_from(root.path(), &folders).unwrap();
    // The same from nowhere else: nothing is left under the name of the file.
    let root = TempDir::new().unwrap();
    let error = fetch_from(root.path(), &folders[..1]).unwrap_err();
    assert!(!error.is_usage());
    let message = error.to_string();
    let address = format!("{}x.bin", folders[0]);
    for said in [
        "x.bin",
        &address,
        "data fetch tested",
        "--from",
        troubles.last().unwrap(),
    ] {
        assert!(message.contains(said), "{said:?} is missing in\n{message}");
    }
    assert!(!root.path().join("tested/x.bin").exists());
    troubles
}

#[test]
fn a_file_is_fetched_once() {
    let root = TempDir::new().unwrap();
    let server = Server::new(&[("/x.bin", Answer::File(content()))]);
    let folders = [server.url.clone() + "/"];
    assert_eq!(fetch_from(root.path(), &folders).unwrap(), [""; 0]);
    assert_eq!(fetch_from(root.path(), &folders).unwrap(), [""; 0]);
    assert_eq!(server.ranges(), [None]);
    // A file that has been damaged since is replaced.
    fs::write(root.path().join("tested/x.bin"), vec![0; 300_000]).unwrap();
    fetch_from(root.path(), &folders).unwrap();
    assert_eq!(server.ranges().len(), 2);
}

#[test]
fn a_broken_connection_is_gone_on_with() {
    let root = TempDir::new().unwrap();
    let server = Server::new(&[("/x.bin", Answer::BreaksOff(content(), 123_456))]);
    let troubles = fetch_from(root.path(), &[server.url.clone() + "/"]).unwrap();
    assert_eq!(troubles.len(), 1, "{troubles:?}");
    assert_eq!(server.ranges(), [None, Some("bytes=123456-".to_owned())]);
}

#[test]
fn a_server_without_ranges_starts_over() {
    let root = TempDir::new().unwrap();
    let server = Server::new(&[("/x.bin", Answer::Whole(content()))]);
    fs::create_dir(root.path().join("tested")).unwrap();
    fs::write(root.path().join("tested/x.bin.part"), &content()[..1000]).unwrap();
    fetch_from(root.path(), &[server.url.clone() + "/"]).unwrap();
    assert_eq!(server.ranges(), [Some("bytes=1000-".to_owned())]);
}

#[test]
fn the_beginning_of_another_file_is_thrown_away() {
    let root = TempDir::new().unwrap();
    fs::create_dir(root.path().join("tested")).unwrap();
    let part = root.path().join("tested/x.bin.part");
    for left in [vec![7; 1000], vec![7; 300_000], vec![7; 300_001]] {
        let server = Server::new(&[("/x.bin", Answer::File(content()))]);
        fs::write(&part, left).unwrap();
        fetch_from(root.path(), &[server.url.clone() + "/"]).unwrap();
        assert_eq!(server.ranges().last(), Some(&None));
        fs::remove_file(root.path().join("tested/x.bin")).unwrap();
    }
}

#[test]
fn wrong_bytes_are_never_taken() {
    let mut wrong = content();
    wrong[299_999] ^= 1;
    let troubles = trouble_with(Answer::File(wrong.clone()));
    assert_eq!(troubles.len(), 1);
    for sum in [sha256(&wrong), sha256(&content())] {
        assert!(troubles[0].contains(&sum), "{troubles:?}");
    }
}

#[test]
fn lengths_are_compared_before_and_while_bytes_arrive() {
    let said = |answer, text: &str| {
        let troubles = trouble_with(answer);
        assert!(
            troubles.iter().all(|trouble| trouble.contains(text)),
            "{troubles:?}"
        );
        troubles.len()
    };
    let short = content()[..1000].to_vec();
    let long = [content(), content()].concat();
    assert_eq!(
        said(
            Answer::File(short.clone()),
            "announces 1000 bytes, expected 300000"
        ),
        1
    );
    assert_eq!(
        said(Answer::File(long.clone()), "announces 600000 bytes"),
        1
    );
    assert_eq!(
        said(Answer::Unmeasured(long), "more than the 300000 bytes"),
        1
    );
    assert_eq!(said(Answer::Lies(short, 300_000), "1000"), 3);
}

#[test]
fn a_server_that_stops_talking_is_left() {
    let started = Instant::now();
    let troubles = trouble_with(Answer::Stalls(content(), 5000));
    assert_eq!(troubles.len(), 3, "{troubles:?}");
    assert!(troubles[0].contains("timeout"), "{troubles:?}");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn pages_statuses_and_redirects_without_end_are_named() {
    let one = |answer| {
        let troubles = trouble_with(answer);
        assert_eq!(troubles.len(), 1, "{troubles:?}");
        troubles[0].clone()
    };
    let page = one(Answer::Page);
    assert!(
        page.contains("a page") && page.contains("text/html") && page.contains("<!DOCTYPE html>")
    );
    assert!(one(Answer::Status(404)).contains("404"));
    assert!(one(Answer::Status(403)).contains("403"));
    assert!(one(Answer::Redirect("/bad/x.bin".into())).contains("redirects more than 5 times"));
    let troubles = trouble_with(Answer::Status(503));
    assert_eq!(troubles.len(), 3);
}

#[test]
fn a_redirect_is_followed() {
    let root = TempDir::new().unwrap();
    let server = Server::new(&[
        ("/x.bin", Answer::Redirect("/elsewhere".into())),
        ("/elsewhere", Answer::File(content())),
    ]);
    fetch_from(root.path(), &[server.url.clone() + "/"]).unwrap();
}

#[test]
fn nothing_without_a_checksum_comes_over_an_open_line() {
    let root = TempDir::new().unwrap();
    let server = Server::new(&[("/x.bin", Answer::File(content()))]);
    let text = format!(
        "{HEAD}urls = [\"{}/\"]\n[[file]]\npath = \"x.bin\"\nbytes = 300000\n",
        server.url
    );
    let set = Manifest::parse("tested", &text).unwrap();
    let error = fetcher().fetch(&set, root.path(), &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("https"), "{error}");
    assert_eq!(server.ranges(), []);
}

#[test]
fn mirrors_take_the_place_of_published_addresses() {
    let root = TempDir::new().unwrap();
    let server = Server::new(&[("/mine/x.bin", Answer::File(content()))]);
    let set = set_of(&content(), &["http://127.0.0.1:9/".to_owned()]);
    let fetcher = Fetcher {
        mirrors: vec![format!("{}/mine", server.url)],
        ..fetcher()
    };
    fetcher.fetch(&set, root.path(), &mut |_| ()).unwrap();
}

#[test]
fn a_user_who_has_enough_is_heard_and_can_go_on() {
    static STOP: AtomicBool = AtomicBool::new(false);
    let root = TempDir::new().unwrap();
    let server = Server::new(&[("/x.bin", Answer::File(content()))]);
    let set = set_of(&content(), &[server.url.clone() + "/"]);
    let fetcher = Fetcher {
        stop: || STOP.load(Ordering::SeqCst),
        ..fetcher()
    };
    let stop_early = &mut |event: Event<'_>| {
        if let Event::Arrived(_) = event {
            STOP.store(true, Ordering::SeqCst);
        }
    };
    let error = fetcher.fetch(&set, root.path(), stop_early).unwrap_err();
    assert!(matches!(error, DataError::Stopped));
    let there = fs::metadata(root.path().join("tested/x.bin.part"))
        .unwrap()
        .len();
    assert!(there > 0 && there < 300_000);
    STOP.store(false, Ordering::SeqCst);
    fetch_from(root.path(), &[server.url.clone() + "/"]).unwrap();
    assert_eq!(server.ranges(), [None, Some(format!("bytes={there}-"))]);
}

#[test]
fn one_process_writes_at_a_time() {
    let root = TempDir::new().unwrap();
    fs::create_dir(root.path().join("tested")).unwrap();
    let lock = fs::File::create(root.path().join("tested/.lock")).unwrap();
    lock.lock().unwrap();
    let server = Server::new(&[("/x.bin", Answer::File(content()))]);
    let error = fetch_from(root.path(), &[server.url.clone() + "/"]).unwrap_err();
    assert!(matches!(error, DataError::Busy { .. }));
    drop(lock);
    fetch_from(root.path(), &[server.url.clone() + "/"]).unwrap();
}

#[test]
fn a_disk_that_is_too_full_is_noticed_first() {
    let root = TempDir::new().unwrap();
    let server = Server::new(&[]);
    let sum = "0".repeat(64);
    let text = format!(
        "{HEAD}urls = [\"{}/\"]\n[[file]]\npath = \"x.bin\"\nbytes = {}\nsha256 = \"{sum}\"\n",
        server.url,
        1_u64 << 60
    );
    let set = Manifest::parse("tested", &text).unwrap();
    let error = fetcher().fetch(&set, root.path(), &mut |_| ()).unwrap_err();
    assert!(matches!(error, DataError::NoRoom { .. }), "{error}");
    assert_eq!(server.ranges(), []);
}

#[test]
fn an_import_is_checked_like_a_download() {
    let (root, from) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let set = set_of(&content(), &["http://127.0.0.1:9/".to_owned()]);
    let import = |path: &Path| fetcher().import(&set, root.path(), path, &mut |_| ());
    let error = import(from.path()).unwrap_err();
    assert!(
        error.is_usage() && error.to_string().contains("x.bin"),
        "{error}"
    );

    let file = from.path().join("x.bin");
    fs::write(&file, &content()[1..]).unwrap();
    let error = import(from.path()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("has 299999 bytes, expected 300000"),
        "{error}"
    );
    let mut wrong = content();
    wrong[5] ^= 1;
    fs::write(&file, wrong).unwrap();
    let error = import(from.path()).unwrap_err();
    assert!(error.to_string().contains(&sha256(&content())), "{error}");
    assert!(
        error.to_string().contains(&file.display().to_string()),
        "{error}"
    );
    assert!(!root.path().join("tested/x.bin").exists());

    fs::write(&file, content()).unwrap();
    import(&file).unwrap();
    fs::remove_file(root.path().join("tested/x.bin")).unwrap();
    import(from.path()).unwrap();
    fs::remove_file(root.path().join("tested/x.bin")).unwrap();
    fs::create_dir(from.path().join("tested")).unwrap();
    fs::rename(&file, from.path().join("tested/x.bin")).unwrap();
    import(from.path()).unwrap();
    assert_eq!(
        fs::read(root.path().join("tested/x.bin")).unwrap(),
        content()
    );
}

#[test]
fn a_checksum_that_nobody_published_is_kept() {
    let (root, from) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let text = format!(
        "{HEAD}urls = [\"https://127.0.0.1:9/\"]\n[[file]]\npath = \"x.bin\"\nbytes = 300000\n"
    );
    let set = Manifest::parse("tested", &text).unwrap();
    fs::write(from.path().join("x.bin"), content()).unwrap();
    fetcher()
        .import(&set, root.path(), from.path(), &mut |_| ())
        .unwrap();
    let folder = root.path().join("tested");
    let verdict = || verify(&folder, &set.files[0]).unwrap();
    assert_eq!(verdict(), Verdict::Good("sha256 of its download"));
    let mut wrong = content();
    wrong[5] ^= 1;
    fs::write(folder.join("x.bin"), wrong).unwrap();
    assert!(matches!(verdict(), Verdict::Wrong { .. }));
    fs::remove_file(folder.join("SHA256SUMS")).unwrap();
    assert_eq!(verdict(), Verdict::LengthOnly);
}
