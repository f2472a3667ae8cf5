//! The command line as a user meets it: what it says, what it refuses, and how it ends.

mod support;

use serde_json::Value;
use support::Bench;
use unbiased_train::systems::SYSTEMS;

/// The problem that needs nothing and takes no time.
const TOY: &str = "train toy --quiet --set schedule.steps=20";

#[test]
fn help_lists_every_system_and_every_command() {
    let bench = Bench::new();
    let help = bench.run("--help");
    help.succeeds();
    for command in [
        "list",
        "train",
        "eval",
        "sample",
        "check",
        "report",
        "estimators",
        "grammar",
        "data",
        "completions",
    ] {
        assert!(help.stdout.contains(command), "{command}");
    }
    let train = bench.run("train --help");
    train.succeeds();
    for entry in &SYSTEMS {
        for text in [&help.stdout, &train.stdout] {
            assert!(text.contains(entry.name) && text.contains(entry.summary));
        }
    }
}

#[test]
fn list_names_every_configuration_for_people_and_for_programs() {
    let bench = Bench::new();
    let plain = bench.run("list");
    plain.succeeds();
    let json = bench.run("list --json");
    json.succeeds();
    let items: Vec<Value> = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(items.len(), SYSTEMS.len());
    for (entry, item) in SYSTEMS.iter().zip(&items) {
        assert_eq!(item["name"], entry.name);
        assert_eq!(item["default_config"], entry.default_config);
        for (config, listed) in entry
            .configs
            .iter()
            .zip(item["configs"].as_array().unwrap())
        {
            assert!(
                plain
                    .stdout
                    .contains(&format!("{}/{}", entry.name, config.0))
            );
            assert_eq!(listed["name"], config.0);
            assert!(
                listed["title"]
                    .as_str()
                    .is_some_and(|title| !title.is_empty())
            );
            assert!(listed["steps"].as_u64().is_some_and(|steps| steps > 0));
        }
    }
}

#[test]
fn every_configuration_resolves_and_its_resolution_is_a_configuration() {
    let bench = Bench::new();
    for entry in &SYSTEMS {
        for (config, _) in entry.configs {
            let name = format!("{}/{config}", entry.name);
            let first = bench.run(&format!("train {name} --dry-run"));
            first.succeeds();
            bench.write("again.toml", &first.stdout);
            let line = format!("train {} --config again.toml --dry-run", entry.name);
            let again = bench.run(&line);
            again.succeeds();
            let strip = |text: &str| text.replace("again.toml", config);
            assert_eq!(strip(&again.stdout), first.stdout, "{name}");
        }
    }
    assert!(!bench.path("runs").exists(), "a dry run leaves nothing");
}

/// Under ten seconds each; those that need a real data set are skipped where it is not there.
#[test]
fn every_configuration_passes_its_smoke_run() {
    let bench = Bench::new();
    for entry in &SYSTEMS {
        for (config, _) in entry.configs {
            let name = format!("{}/{config}", entry.name);
            let mut command = bench.command(&format!("train {name} --smoke --quiet"));
            let data = std::env::var_os("UNBIASED_DATA");
            if let Some(data) = &data {
                command.env("UNBIASED_DATA", data);
            }
            let started = std::time::Instant::now();
            let output = command.output().unwrap();
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.code() == Some(2) && data.is_none() && config != &entry.default_config
            {
                println!("SKIPPED {name}: {message}");
                assert!(message.contains("UNBIASED_DATA"), "{message}");
                continue;
            }
            assert!(output.status.success(), "{name}: {message}");
            let seconds = started.elapsed().as_secs_f64();
            assert!(seconds < 10.0, "{name} took {seconds} s");
            let run = format!("runs/{}-{config}-s0-smoke", entry.name);
            assert_eq!(bench.summary(&run)["status"], "done");
            let check = bench.run(&format!("check {run}"));
            check.succeeds();
            assert!(!check.stdout.contains("met"), "{}", check.stdout);
        }
    }
}

#[test]
fn completions_know_commands_and_options() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = bench.run(&format!("completions {shell}"));
        script.succeeds();
        for word in ["unbiased", "estimators", "generate", "data-dir"] {
            assert!(script.stdout.contains(word), "{shell}: {word}");
        }
    }
    bench.run("completions sh").fails(2, &["bash", "fish"]);
}

#[test]
fn unknown_names_are_refused_with_those_that_exist() {
    let bench = Bench::new();
    let refused = |line: &str, said: &[&str]| {
        bench.run(line).fails(2, said);
    };
    refused(
        "train",
        &["SYSTEM[/CONFIG]", "sorting", "train sbn", "list"],
    );
    refused("train tou", &["`tou`", "did you mean `toy`", "sbn", "list"]);
    refused(
        "train toy/figure1",
        &["`figure1`", "relax_t0.499", "--config FILE"],
    );
    refused(
        "train toy --estimator rloop",
        &["`rloop`", "rloo", "reinforce"],
    );
    refused("train toy --estimator bet=rloo", &["`bet`", "bit"]);
    refused("train toy --estimator bit=rloop", &["`rloop`", "rloo"]);
    refused("train toy --device gpu", &["`gpu`", "auto", "flex", "wgpu"]);
    refused(
        "train sbn --set data.name=mnits",
        &["`mnits`", "mnist", "glyphs"],
    );
    refused("tarin toy", &["tarin", "train"]);
    refused("train toy --sed 1", &["--sed", "--seed"]);
    refused("eval runs/none --split tset", &["tset", "test"]);
    assert!(!bench.path("runs").exists(), "nothing was started");
}

#[test]
fn a_device_that_is_not_built_in_names_the_command_that_adds_it() {
    let bench = Bench::new();
    let missing = ["cuda", "metal", "vulkan", "wgpu", "ndarray", "flex"]
        .into_iter()
        .find(|name| !unbiased_train::device::built_in().any(|built| built == *name));
    let Some(missing) = missing else {
        println!("SKIPPED: every device is built in");
        return;
    };
    let command = format!(
        "cargo run --release --no-default-features --features {missing} -- train toy --device {missing}"
    );
    bench
        .run(&format!("train toy --device {missing}"))
        .fails(2, &[&command]);
}

#[test]
fn unknown_keys_are_refused_with_value_neighbours_and_a_guess() {
    let bench = Bench::new();
    let refused = |line: &str, said: &[&str]| {
        bench.run(line).fails(2, said);
    };
    refused(
        "train toy --set schedule.stesp=5",
        &[
            "`schedule.stesp`",
            "given 5",
            "did you mean `steps`",
            "log_every",
        ],
    );
    refused(
        "train toy --set optimiser.lr=0.1",
        &[
            "`optimiser`",
            "did you mean `optimizer`",
            "schedule",
            "model",
        ],
    );
    refused("train toy --set data.name=mnist", &["`data`", "schedule"]);
    refused("train toy --set run.seed=3", &["`run`", "sections"]);
    refused("train toy --set model.target.x=3", &["model.target"]);
    refused("train toy --set steps", &["key=value"]);
    bench.write("bad.toml", "[schedule]\nsteps = 10\nlog_evry = 1\n");
    refused(
        "train toy --config bad.toml",
        &["`schedule.log_evry`", "given 1", "log_every"],
    );
    bench.write("bad.toml", "[schedule]\nsteps = \n");
    refused("train toy --config bad.toml", &["bad.toml", "TOML"]);
    refused("train toy --config none.toml", &["none.toml"]);
}

#[test]
fn values_of_the_wrong_type_or_out_of_range_are_refused() {
    let bench = Bench::new();
    let refused = |set: &str, said: &[&str]| {
        let line = format!("train toy --set {set}");
        bench.run(&line).fails(2, said);
    };
    refused(
        "schedule.steps=many",
        &["`schedule.steps`", "whole number", "\"many\""],
    );
    refused(
        "schedule.steps=-5",
        &["`schedule.steps`", "zero or more", "-5"],
    );
    refused(
        "schedule.steps=2.5",
        &["`schedule.steps`", "whole number", "2.5"],
    );
    refused("schedule.steps=0", &["`schedule.steps`", "at least 1"]);
    refused("schedule.eval_splits=[\"dev\"]", &["\"dev\"", "valid"]);
    refused("optimizer.lr=0", &["`optimizer.lr`", "above 0"]);
    refused("optimizer.lr=nan", &["`optimizer.lr`", "above 0"]);
    refused("optimizer.beta_2=1.0", &["`optimizer.beta_2`", "1"]);
    refused(
        "optimizer.kind=adan",
        &["\"adan\"", "did you mean \"adam\""],
    );
    refused("model.batch=0", &["`model.batch`", "at least 1"]);
    refused("estimator.samples=1", &["samples", "at least 2"]);
    refused("estimator.eta=2.5", &["eta", "2.5", "(0, 2)"]);
    bench
        .run("train toy --seed -1")
        .fails(2, &["--seed", "whole number"]);
    bench
        .run("train toy --seed 1e3")
        .fails(2, &["--seed", "whole number"]);
    bench.run("sample runs/none -n 0").fails(2, &["at least 1"]);
    assert!(!bench.path("runs").exists(), "nothing was started");
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    let bench = Bench::new();
    bench.write("mine.toml", "[schedule]\nsteps = 10\n");
    let refused = |line: &str, said: &[&str]| {
        bench.run(line).fails(2, said);
    };
    refused("train toy --seed 1 --seeds 0..3", &["--seed", "--seeds"]);
    refused("train toy --seeds 3..3", &["no seed"]);
    refused("train toy --seeds 3", &["A..B"]);
    refused(
        "train toy/relax_t0.499 --config mine.toml",
        &["two configurations"],
    );
    refused("train toy --until 20000", &["--until 20000", "10000"]);
    refused("train toy --until 0", &["--until 0"]);
    refused(
        "train toy --estimator rloo --estimator disarm",
        &["rloo, disarm", "SITE=NAME"],
    );
    bench.run(&format!("{TOY} --out r")).succeeds();
    for flag in [
        "--seed 1",
        "--seeds 0..2",
        "--set optimizer.lr=0.1",
        "--estimator rloo",
        "--config mine.toml",
        "--out s",
        "--data-dir d",
        "--smoke",
        "--dry-run",
    ] {
        let name = flag.split(' ').next().unwrap();
        refused(&format!("train --resume r {flag}"), &["--resume", name]);
    }
    refused("train toy --resume r", &["--resume"]);
}

#[test]
fn missing_data_names_the_set_and_the_folders() {
    let bench = Bench::new();
    let line = "train sbn --set data.name=mnist --data-dir nowhere --out r";
    bench
        .run(line)
        .fails(2, &["mnist", "nowhere", "--data-dir", "UNBIASED_DATA"]);
    assert!(!bench.path("r").exists(), "nothing was started");
}

#[test]
fn pictures_of_ones_own_are_trained_on_and_a_bad_one_is_named() {
    let bench = Bench::new();
    let folder = bench.path("pictures");
    std::fs::create_dir(&folder).unwrap();
    for k in 0..60_u8 {
        let file = std::fs::File::create(folder.join(format!("{k}.png"))).unwrap();
        let mut encoder = png::Encoder::new(file, 14, 12);
        encoder.set_color(png::ColorType::Rgb);
        let pixels: Vec<u8> = (0..14 * 12 * 3_u16)
            .map(|i| (i as u8).wrapping_mul(k))
            .collect();
        encoder
            .write_header()
            .unwrap()
            .write_image_data(&pixels)
            .unwrap();
    }
    let train = "train jigsaw/folder --quiet --set data.folder=pictures --set data.pixels=12 --set model.width=8 \
                 --set schedule.steps=2 --set schedule.samples=2 --set training.batch=4";
    bench.run(&format!("{train} --out good")).succeeds();
    let data = bench.summary("good")["data"].to_string();
    assert!(data.contains("folder pictures at 12x12"), "{data}");
    assert!(bench.path("good/samples/00000002-puzzles.png").is_file());
    std::fs::write(folder.join("notes.txt"), "not a picture").unwrap();
    bench
        .run(&format!("{train} --out bad"))
        .fails(2, &["notes.txt: is no PNG picture", "out of the folder"]);
}

#[test]
fn a_configuration_of_another_system_is_refused() {
    let bench = Bench::new();
    let resolved = bench.run("train toy --dry-run");
    bench.write("toy.toml", &resolved.stdout);
    bench
        .run("train sbn --config toy.toml --dry-run")
        .fails(2, &["toy"]);
}

#[test]
fn people_read_stderr_and_programs_read_stdout() {
    let bench = Bench::new();
    let train = bench.run("train toy --set schedule.steps=20 --out r");
    train.succeeds();
    assert_eq!(train.stdout, "");
    assert!(train.stderr.contains("step 20/20"), "{}", train.stderr);
    let eval = bench.run("eval r --split train");
    eval.succeeds();
    let report: Value = serde_json::from_str(&eval.stdout).unwrap();
    assert_eq!(report["step"], 20);
    assert!(report["metrics"]["loss_exact"].is_f64());
    let quiet = bench.run(&format!("{TOY} --out q"));
    quiet.succeeds();
    assert_eq!(quiet.stderr, "");
}
