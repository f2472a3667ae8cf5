//! Weights out of a run and into another one.

mod support;

use std::fs;

use safetensors::SafeTensors;
use support::Bench;

#[test]
fn weights_leave_a_run_and_start_another() {
    let bench = Bench::new();
    bench.run("train toy --quiet --out a").succeeds();
    bench.run("export a -o toy.safetensors").succeeds();
    let bytes = fs::read(bench.path("toy.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert!(!file.is_empty());
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let origin = &header.metadata().as_ref().unwrap()["unbiased"];
    let origin: serde_json::Value = serde_json::from_str(origin).unwrap();
    assert_eq!(
        (origin["system"].as_str(), origin["seed"].as_u64()),
        (Some("toy"), Some(0))
    );
    assert_eq!(origin["step"], bench.summary("a")["steps"]);

    // A step that is too short for single precision leaves the weights where they came from.
    let still = "--set schedule.steps=1 --set optimizer.lr=1e-30 --quiet";
    bench
        .run(&format!(
            "train toy {still} --weights toy.safetensors --out b"
        ))
        .succeeds();
    bench.run("export b -o again.safetensors").succeeds();
    let again = fs::read(bench.path("again.safetensors")).unwrap();
    let again = SafeTensors::deserialize(&again).unwrap();
    for (name, tensor) in file.iter() {
        assert_eq!(again.tensor(name).unwrap(), tensor, "{name}");
    }
    bench.run(&format!("train toy {still} --out c")).succeeds();
    bench.run("export c -o fresh.safetensors").succeeds();
    let fresh = fs::read(bench.path("fresh.safetensors")).unwrap();
    let fresh = SafeTensors::deserialize(&fresh).unwrap();
    assert!(
        file.iter()
            .any(|(name, tensor)| fresh.tensor(name).unwrap() != tensor)
    );
}

#[test]
fn a_run_goes_on_without_the_file_that_it_started_from() {
    let bench = Bench::new();
    bench.run("train toy --smoke --quiet --out a").succeeds();
    bench.run("export a -o w.safetensors").succeeds();
    let line = "train toy --quiet --set schedule.checkpoint_every=10 --set schedule.steps=20 --weights w.safetensors";
    bench.run(&format!("{line} --out whole")).succeeds();
    bench
        .run(&format!("{line} --out parts --until 10"))
        .succeeds();
    fs::remove_file(bench.path("w.safetensors")).unwrap();
    bench.run("train --resume parts --quiet").succeeds();
    bench.assert_same_end("whole", "parts");
}

#[test]
fn a_file_that_does_not_fit_is_refused_by_name() {
    let bench = Bench::new();
    bench.run("train toy --smoke --quiet --out a").succeeds();
    bench.run("export a -o toy.safetensors").succeeds();
    fs::write(bench.path("broken.safetensors"), [255; 40]).unwrap();
    for (file, reasons) in [
        (
            "missing.safetensors",
            ["missing.safetensors", "cannot read"],
        ),
        (
            "broken.safetensors",
            ["broken.safetensors", "not a safetensors file"],
        ),
        (
            "toy.safetensors",
            ["toy.safetensors", "does not fit this model"],
        ),
    ] {
        let line = format!("train sbn --smoke --quiet --weights {file} --out b");
        bench.run(&line).fails(2, &reasons);
        assert!(!bench.path("b").exists(), "{file}");
    }
    bench.run("export nowhere").fails(2, &["nowhere"]);
    bench
        .run("export a -o no/such/folder.safetensors")
        .fails(1, &["cannot write", "no/such"]);
}
