//! `unbiased data` as a user meets it.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use unbiased_train::data::catalogue;
use unbiased_train::data::generate::GENERATORS;

use crate::server::{Answer, Server};
use crate::support::{Bench, Outcome};

/// The folder of real data sets, if it has this one; says so if not.
fn real_data(set: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("UNBIASED_DATA").map(PathBuf::from);
    let folder = folder.filter(|folder| folder.join(set).is_dir());
    if folder.is_none() {
        println!("SKIPPED: needs the data set `{set}`");
    }
    folder
}

fn json(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.succeeds().stdout).unwrap()
}

#[test]
fn list_says_what_is_there() {
    let bench = Bench::new();
    let plain = bench.run("data list");
    plain.succeeds();
    let items = json(&bench.run("data list --json"));
    for (set, item) in catalogue().iter().zip(items.as_array().unwrap()) {
        assert!(plain.stdout.contains(set.name) && plain.stdout.contains(&set.licence));
        assert_eq!(item["name"], set.name);
        assert_eq!(item["bytes"], set.bytes());
        let expected = if set.is_generated() {
            "generated"
        } else {
            "absent"
        };
        assert_eq!(item["state"], expected, "{}", set.name);
    }
    let folder = bench.path("sets/zinc250k");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("jtvae_test.smi.gz"), "").unwrap();
    let state = || {
        let items = json(&bench.run("data list --json --data-dir sets"));
        let zinc = items
            .as_array()
            .unwrap()
            .iter()
            .find(|i| i["name"] == "zinc250k");
        zinc.unwrap()["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(), "partial");
    fs::write(folder.join("jtvae_train.smi"), "C\n").unwrap();
    assert_eq!(state(), "damaged");
}

#[test]
fn a_set_that_is_not_there_is_named_with_the_way_to_get_it() {
    let bench = Bench::new();
    let ways = [
        "fashion-mnist",
        "data fetch fashion-mnist",
        "data import fashion-mnist",
    ];
    bench.run("data path fashion-mnist").fails(2, &ways);
    bench.run("data verify fashion-mnist").fails(2, &ways);
    bench.run("train sbn/fashion_linear1").fails(2, &ways);
    bench
        .run("train sbn --set data.name=omniglot")
        .fails(2, &["data fetch omniglot"]);
    bench
        .run("train sbn/omniglot_linear1")
        .fails(2, &["data fetch omniglot28"]);
    bench
        .run("train sbn --set data.name=zinc250k")
        .fails(2, &["zinc250k", "28x28"]);
    let line = "train sbn --set data.name=omniglot --set data.binarization=fixed";
    bench.run(line).fails(2, &["data.name=omniglot28"]);
    bench.run("data path glyphs").fails(2, &["glyphs"]);
    for command in ["fetch", "path", "verify"] {
        let line = format!("data {command} fashon-mnist");
        bench.run(&line).fails(
            2,
            &["`fashon-mnist`", "did you mean `fashion-mnist`", "cifar10"],
        );
    }
    bench.run("data").fails(2, &["fetch", "list"]);
    bench.run("data verify").succeeds();
}

#[test]
fn a_download_that_fails_says_where_and_what_then() {
    let bench = Bench::new();
    let server = Server::new(&[("/page/images_background.npz", Answer::Page)]);
    let url = &server.url;
    let line =
        format!("data fetch omniglot --mirror {url}/none/ --mirror {url}/page --data-dir sets");
    let failed = bench.run(&line);
    failed.fails(
        1,
        &[
            "MIT (copyright 2015 Brenden Lake)",
            "5.8 MB",
            "sets/omniglot",
            "cannot fetch images_background.npz of omniglot",
            &format!("{url}/none/images_background.npz: HTTP status 404"),
            &format!("{url}/page/images_background.npz: answers with a page"),
            "--from",
        ],
    );
    assert!(!bench.path("sets/omniglot/images_background.npz").exists());
    // One try: another would give the same.
    let nowhere = "data fetch omniglot --mirror http://no-such-host.invalid/ --data-dir sets";
    let failed = bench.run(nowhere);
    failed.fails(1, &["no-such-host.invalid", "--from"]);
    bench.run("data fetch glyphs").succeeds();
    bench
        .run("data fetch mnist --from nowhere")
        .fails(2, &["nowhere"]);
}

#[test]
fn real_files_are_imported_verified_and_found() {
    let Some(data) = real_data("mnist") else {
        return;
    };
    let bench = Bench::new();
    let from = data.join("mnist");
    bench
        .run(&format!(
            "data fetch mnist --data-dir sets --from {}",
            from.display()
        ))
        .succeeds();
    let path = bench.run("data path mnist --data-dir sets");
    assert_eq!(path.succeeds().stdout.trim(), "sets/mnist");
    let verified = json(&bench.run("data verify mnist --data-dir sets --json"));
    let files = verified[0]["files"].as_array().unwrap();
    assert_eq!(files.len(), 4);
    assert!(
        files
            .iter()
            .all(|file| file["state"] == "right" && file["by"] == "sha256")
    );
    let line = "train sbn --smoke --quiet --set data.name=mnist --data-dir sets";
    bench.run(line).succeeds();

    let damaged = bench.path("sets/mnist/t10k-labels-idx1-ubyte.gz");
    let mut bytes = fs::read(&damaged).unwrap();
    bytes[1000] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    let verified = bench.run("data verify mnist --data-dir sets");
    verified.fails(1, &["data fetch mnist"]);
    assert!(
        verified
            .stdout
            .contains("t10k-labels-idx1-ubyte.gz: WRONG: sha256")
    );
    // The other three are left as they are.
    let again = bench.run(&format!(
        "data import mnist {} --data-dir sets",
        from.display()
    ));
    again.succeeds();
    assert_eq!(again.stderr.matches("is there already").count(), 3);
    bench.run("data verify mnist --data-dir sets").succeeds();
}

/// The same files through a server, one of them unpacked before.
#[test]
fn real_files_are_downloaded() {
    let Some(data) = real_data("omniglot") else {
        return;
    };
    let bench = Bench::new();
    let names = ["images_background.npz", "images_evaluation.npz"];
    let answers = names.map(|name| {
        let bytes = fs::read(data.join("omniglot").join(name)).unwrap();
        (format!("/{name}"), Answer::BreaksOff(bytes, 100_000))
    });
    let answers: Vec<(&str, Answer)> = answers
        .iter()
        .map(|(path, a)| (&**path, a.clone()))
        .collect();
    let server = Server::new(&answers);
    let fetched = bench.run(&format!("data fetch omniglot --mirror {}", server.url));
    fetched.succeeds();
    assert!(
        fetched
            .stderr
            .contains("train sbn --set data.name=omniglot")
    );
    assert_eq!(server.ranges().len(), 4);
    // In the user's cache, where training finds it.
    bench
        .run("train sbn --smoke --quiet --set data.name=omniglot")
        .succeeds();
    let path = bench.run("data path omniglot");
    assert!(
        path.succeeds()
            .stdout
            .trim()
            .ends_with(".cache/unbiased/omniglot")
    );
}

#[test]
fn every_generator_writes_what_it_says() {
    let bench = Bench::new();
    let help = bench.run("data generate --help");
    help.succeeds();
    for generator in &GENERATORS {
        assert!(help.stdout.contains(generator.name), "{}", generator.name);
        let line = format!("data generate {0} --out {0} -n 3 --seed 7", generator.name);
        let drawn = bench.run(&line);
        drawn.succeeds();
        assert_eq!(drawn.stderr.matches("yardstick: ").count(), 3);
        for file in drawn.stdout.lines() {
            assert!(fs::metadata(bench.path(file)).unwrap().len() > 0, "{file}");
        }
    }
    let few = bench.run("data generate glyphs --out few -n 3 --split test");
    assert_eq!(few.succeeds().stdout.lines().count(), 2);
    bench
        .run("data generate glyph --out x")
        .fails(2, &["`glyph`", "glyphs", "ntm-copy"]);
    bench.run("data generate glyphs").fails(2, &["--out"]);
    bench.write("taken", "");
    bench
        .run("data generate glyphs --out taken -n 1")
        .fails(1, &["taken"]);
}
