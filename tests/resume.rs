//! However a run is stopped, it can go on, and then it ends as if it had never stopped.

#![cfg(unix)]

mod support;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use support::Bench;

/// A few seconds of toy with every kind of state: parameters, moments, and what an estimator owns.
fn toy(estimator: &str, out: &str) -> String {
    format!(
        "train toy --estimator {estimator} --seed 3 --out {out} --set schedule.steps=12000 \
         --set schedule.log_every=50 --set schedule.checkpoint_every=1000 --set model.batch=2"
    )
}

fn sbn(estimator: &str, out: &str) -> String {
    format!(
        "train sbn --estimator {estimator} --seed 3 --out {out} --set schedule.steps=120 \
         --set schedule.log_every=7 --set schedule.checkpoint_every=30 --set schedule.eval_every=40 \
         --set data.train_limit=256 --set data.eval_limit=64 --set evaluation.bounds=[10]"
    )
}

fn air(estimator: &str, out: &str) -> String {
    format!(
        "train air --estimator {estimator} --seed 3 --out {out} --set schedule.steps=80 \
         --set schedule.log_every=4 --set schedule.checkpoint_every=15 --set schedule.eval_every=40 \
         --set schedule.sample_every=0 --set data.train=256 --set data.eval=32 --set training.batch=8"
    )
}

type Line = fn(&str, &str) -> String;

#[test]
fn an_interrupted_run_goes_on_to_the_same_end() {
    let bench = Bench::new();
    for (system, line, estimators) in [
        ("toy", toy as Line, ["moving-average", "rebar"]),
        ("sbn", sbn as Line, ["nvil", "rebar"]),
        ("air", air as Line, ["exact", "nvil"]),
    ] {
        for estimator in estimators {
            let name = |part: &str| format!("{system}-{estimator}-{part}");
            let (straight, broken) = (name("straight"), name("broken"));
            bench
                .run(&format!("{} --quiet", line(estimator, &straight)))
                .succeeds();

            let mut running = bench.start(&line(estimator, &broken));
            let mut interruptions = 0;
            for part in 1..=4 {
                let metrics = bench.path(&broken).join("metrics.jsonl");
                let size = fs::metadata(&metrics).map_or(0, |file| file.len());
                running.wait_for_bytes(&metrics, size + 300 * part);
                running.signal(if part == 2 { "TERM" } else { "INT" });
                let outcome = running.wait();
                match outcome.code {
                    Some(0) => break,
                    _ => outcome.fails(
                        130,
                        &["interrupted at step", &format!("train --resume {broken}")],
                    ),
                };
                assert_eq!(bench.summary(&broken)["status"], "interrupted");
                interruptions += 1;
                running = bench.start(&format!("train --resume {broken}"));
                // The last one may run to its end.
                if part == 4 {
                    break;
                }
            }
            assert!(interruptions > 0, "{broken} was never interrupted");
            bench.run(&format!("train --resume {broken} --quiet"));
            while bench.summary(&broken)["status"] != "done" {
                std::thread::sleep(Duration::from_millis(20));
            }
            bench.assert_same_end(&straight, &broken);
        }
    }
}

#[test]
fn until_stops_early_with_the_schedule_unchanged() {
    let bench = Bench::new();
    bench
        .run(&format!("{} --quiet", sbn("rloo", "straight")))
        .succeeds();
    let part = bench.run(&format!("{} --until 50", sbn("rloo", "parts")));
    part.succeeds();
    assert!(
        part.stderr.contains("train --resume parts"),
        "{}",
        part.stderr
    );
    assert_eq!(bench.checkpoints("parts"), [30, 50]);
    bench
        .run("train --resume parts --until 50")
        .fails(2, &["--until 50", "50 steps are done"]);
    bench.run("train --resume parts --until 51").succeeds();
    bench.run("train --resume parts").succeeds();
    bench.assert_same_end("straight", "parts");
    let again = bench.run("train --resume parts");
    again.succeeds();
    assert!(again.stderr.contains("complete"), "{}", again.stderr);
    bench.assert_same_end("straight", "parts");
}

/// Ten times, at moments spread over a run's life, its beginning and its checkpoints included.
#[test]
fn a_killed_run_can_always_be_resumed() {
    let bench = Bench::new();
    bench
        .run(&format!("{} --quiet", toy("rebar", "straight")))
        .succeeds();
    let line = toy("rebar", "killed");
    // Multiples of a number that has no common measure with anything the program does.
    let delays = (1..=10).map(|n| Duration::from_micros(n * 61_803 % 97_000));
    let mut started = false;
    for delay in delays {
        let command = if started {
            "train --resume killed"
        } else {
            &line
        };
        let running = bench.start(command);
        std::thread::sleep(delay);
        running.signal("KILL");
        let outcome = running.wait();
        // Killed by the signal, or done before it came; anything else is a run that could not go on.
        assert!(matches!(outcome.code, None | Some(0)), "{outcome:#?}");
        started = bench.path("killed/config.toml").exists();
    }
    let command = if started {
        "train --resume killed"
    } else {
        &line
    };
    bench.run(command).succeeds();
    bench.assert_same_end("straight", "killed");
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let bench = Bench::new();
    // A final evaluation that would take hours: the first signal waits for it, the second does not.
    let line =
        "train sbn --smoke --out r --set schedule.steps=1 --set evaluation.bounds=[100000000]";
    let mut running = bench.start(line);
    let one_line = 20;
    running.wait_for_bytes(&bench.path("r/metrics.jsonl"), one_line);
    std::thread::sleep(Duration::from_millis(500));
    running.signal("INT");
    std::thread::sleep(Duration::from_millis(100));
    running.signal("INT");
    let outcome = running.wait();
    outcome.fails(130, &["once more to stop at once"]);
    assert!(
        !outcome.stderr.contains("interrupted at step"),
        "{}",
        outcome.stderr
    );
}

/// A run with checkpoints at 60 and 90 whose newest one can be spoiled.
fn two_checkpoints() -> (Bench, PathBuf) {
    let bench = Bench::new();
    bench
        .run(&format!("{} --quiet", sbn("rebar", "straight")))
        .succeeds();
    bench
        .run(&format!("{} --quiet --until 90", sbn("rebar", "r")))
        .succeeds();
    assert_eq!(bench.checkpoints("r"), [60, 90]);
    let newest = bench.path("r/checkpoint/90");
    (bench, newest)
}

fn expect_recovery(spoil: impl Fn(&Bench, &PathBuf), said: &str) {
    let (bench, newest) = two_checkpoints();
    spoil(&bench, &newest);
    let resumed = bench.run("train --resume r");
    resumed.succeeds();
    for text in ["checkpoint", "90", "not usable", said, "from step 60"] {
        assert!(resumed.stderr.contains(text), "{text}: {}", resumed.stderr);
    }
    bench.assert_same_end("straight", "r");
}

#[test]
fn a_truncated_checkpoint_is_passed_over() {
    expect_recovery(
        |_, newest| {
            let file = newest.join("model.bpk");
            let bytes = fs::read(&file).unwrap();
            fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        },
        "model.bpk has",
    );
}

#[test]
fn a_flipped_bit_is_found() {
    expect_recovery(
        |_, newest| {
            let file = newest.join("optimizer.bpk");
            let mut bytes = fs::read(&file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            fs::write(&file, &bytes).unwrap();
        },
        "optimizer.bpk is damaged",
    );
}

#[test]
fn a_damaged_manifest_is_found() {
    expect_recovery(
        |_, newest| {
            let file = newest.join("manifest.json");
            let text = fs::read_to_string(&file).unwrap();
            fs::write(&file, text.replacen("\"step\": 90", "\"step\": 91", 1)).unwrap();
        },
        "its manifest is damaged",
    );
}

#[test]
fn a_missing_file_is_found() {
    expect_recovery(
        |_, newest| fs::remove_file(newest.join("model.bpk")).unwrap(),
        "model.bpk is missing",
    );
}

#[test]
fn a_checkpoint_of_another_run_is_passed_over() {
    expect_recovery(
        |bench, newest| {
            let other = sbn("rebar", "other").replace("--seed 3", "--seed 4");
            bench.run(&format!("{other} --quiet --until 90")).succeeds();
            fs::remove_dir_all(newest).unwrap();
            fs::rename(bench.path("other/checkpoint/90"), newest).unwrap();
        },
        "other settings",
    );
}

#[test]
fn a_run_without_any_usable_checkpoint_says_what_to_do() {
    let (bench, newest) = two_checkpoints();
    for step in ["60", "90"] {
        fs::write(newest.with_file_name(step).join("model.bpk"), "").unwrap();
    }
    for command in ["train --resume r", "eval r", "sample r"] {
        bench.run(command).fails(
            1,
            &["60", "90", "no usable checkpoint", "remove that folder"],
        );
    }
    fs::remove_dir_all(bench.path("r/checkpoint")).unwrap();
    bench.run("eval r").fails(2, &["no checkpoint yet"]);
    bench.run("train --resume r").succeeds();
    bench.assert_same_end("straight", "r");
}

#[test]
fn half_a_line_of_figures_is_cut_off() {
    let (bench, _) = two_checkpoints();
    let metrics = bench.path("r/metrics.jsonl");
    let mut text = fs::read_to_string(&metrics).unwrap();
    text.push_str(
        "{\"step\":91,\"wall_s\":1.0,\"split\":\"train\",\"neg_elbo_nats\":1.0}\n{\"step\":98,\"wa",
    );
    fs::write(&metrics, text).unwrap();
    bench.run("train --resume r").succeeds();
    bench.assert_same_end("straight", "r");
}

#[test]
fn a_damaged_configuration_is_refused() {
    let (bench, _) = two_checkpoints();
    let config = bench.path("r/config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("log_every", "log_evry")).unwrap();
    bench
        .run("train --resume r")
        .fails(2, &["r/config.toml", "schedule.log_evry"]);
    fs::write(&config, &text[..text.len() / 2]).unwrap();
    bench.run("train --resume r").fails(2, &["r/config.toml"]);
    fs::remove_file(&config).unwrap();
    bench
        .run("train --resume r")
        .fails(2, &["not a run folder"]);
    bench
        .run("train --resume nothing")
        .fails(2, &["nothing", "not a run folder"]);
}
