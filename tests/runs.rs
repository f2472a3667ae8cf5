//! What a run leaves in its folder, and what happens when the folder or the disk will not have it.

mod support;

use std::fs;

use support::Bench;

const TOY: &str = "train toy --quiet";

#[test]
fn a_run_folder_has_what_is_promised() {
    let bench = Bench::new();
    let line = "train sbn --smoke --seed 7 --set optimizer.lr=0.002";
    bench.run(line).succeeds();
    let run = "runs/sbn-glyphs-s7-smoke";
    for file in ["config.toml", "metrics.jsonl", "summary.json"] {
        assert!(bench.path(run).join(file).is_file(), "{file}");
    }
    let pictures = fs::read_dir(bench.path(run).join("samples")).unwrap();
    let pictures: Vec<_> = pictures.map(|entry| entry.unwrap().path()).collect();
    assert!(!pictures.is_empty());
    assert!(
        pictures
            .iter()
            .all(|path| path.extension().unwrap() == "png")
    );

    let config = fs::read_to_string(bench.path(run).join("config.toml")).unwrap();
    let config: toml::Table = config.parse().unwrap();
    assert_eq!(config["run"]["seed"].as_integer(), Some(7));
    assert_eq!(config["optimizer"]["lr"].as_float(), Some(0.002));
    assert_eq!(
        config["run"]["overrides"][0].as_str(),
        Some("optimizer.lr=0.002")
    );

    let summary = bench.summary(run);
    assert_eq!(summary["status"], "done");
    assert_eq!(summary["seed"], 7);
    assert_eq!(
        summary["device"],
        unbiased_train::device::built_in().next().unwrap()
    );
    assert_eq!(summary["smoke"], true);
    assert!(summary["steps_per_second"].as_f64().unwrap() > 0.0);
    assert!(summary["command"].as_str().unwrap().ends_with(line));
    assert!(summary["data"].as_str().unwrap().contains("glyphs"));
    assert!(summary["versions"]["burn"].is_string());
    for split in ["train", "valid", "test"] {
        assert!(summary["final"][split].is_object(), "{split}");
    }
    let steps: Vec<u64> = bench
        .metrics(run)
        .iter()
        .map(|line| line["step"].as_u64().unwrap())
        .collect();
    assert!(steps.is_sorted() && steps.last() == Some(&20));
}

#[test]
fn equal_seeds_give_equal_runs_and_other_seeds_other_runs() {
    let bench = Bench::new();
    for (seed, out) in [(1, "a"), (1, "b"), (2, "c")] {
        let line = format!("train sbn --smoke --quiet --estimator rebar --seed {seed} --out {out}");
        bench.run(&line).succeeds();
    }
    bench.assert_same_end("a", "b");
    assert_ne!(bench.metrics("a"), bench.metrics("c"));
}

#[test]
fn several_seeds_get_a_folder_each() {
    let bench = Bench::new();
    let steps = "--set schedule.steps=20";
    bench
        .run(&format!("{TOY} {steps} --seeds 3..5 --out all"))
        .succeeds();
    bench
        .run(&format!("{TOY} {steps} --seed 4 --out one"))
        .succeeds();
    bench.assert_same_end("all/s4", "one");
    assert_eq!(bench.summary("all/s3")["seed"], 3);
    assert!(!bench.path("all/s5").exists());
    let check = bench.run("check all");
    check.succeeds();
    assert!(check.stdout.contains("s3") && check.stdout.contains("s4"));
    // One of three is there already: the others run, and the whole is no success.
    let again = bench.run(&format!("{TOY} {steps} --seeds 4..7 --out all"));
    again.fails(2, &["seed 4", "--resume"]);
    assert_eq!(bench.summary("all/s6")["status"], "done");
}

#[test]
fn nothing_is_ever_overwritten() {
    let bench = Bench::new();
    let line = format!("{TOY} --set schedule.steps=20");
    bench.run(&line).succeeds();
    let before = bench.metrics("runs/toy-relax_t0.499-s0");
    bench.run(&line).fails(
        2,
        &[
            "runs/toy-relax_t0.499-s0",
            "train --resume runs/toy",
            "--out DIR",
        ],
    );
    assert_eq!(before, bench.metrics("runs/toy-relax_t0.499-s0"));
    fs::create_dir(bench.path("mine")).unwrap();
    bench.run(&format!("{line} --out mine")).succeeds();
    fs::create_dir(bench.path("full")).unwrap();
    bench.write("full/thesis.tex", "");
    bench
        .run(&format!("{line} --out full"))
        .fails(2, &["full", "not empty", "--out DIR"]);
}

#[test]
fn two_processes_cannot_share_a_folder() {
    let bench = Bench::new();
    let mut first = bench.start(&format!("{TOY} --set schedule.steps=100000000 --out r"));
    first.wait_for_bytes(&bench.path("r/metrics.jsonl"), 1);
    bench
        .run("train --resume r")
        .fails(2, &["another process", "r"]);
    #[cfg(unix)]
    first.signal("INT");
    #[cfg(unix)]
    assert_eq!(first.wait().code, Some(130));
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_with_its_path() {
    let bench = Bench::new();
    bench.write("file", "");
    bench
        .run(&format!("{TOY} --out file/run"))
        .fails(1, &["file/run"]);
    bench.run(&format!("{TOY} --out file")).fails(1, &["file"]);
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_is_an_error_with_its_path() {
    use std::os::unix::fs::PermissionsExt;

    let bench = Bench::new();
    let folder = bench.path("sealed");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(folder.join("probe"), "").is_ok() {
        println!("SKIPPED: this user may write anywhere");
        return;
    }
    bench
        .run(&format!("{TOY} --out sealed/run"))
        .fails(1, &["sealed/run", "ermission"]);
}

/// A limit on the size of files stands for a full disk: the write comes back with an error in the middle of a file.
#[cfg(unix)]
#[test]
fn a_full_disk_ends_the_run_and_spares_the_checkpoint_before() {
    let bench = Bench::new();
    let steps = "--set schedule.steps=60 --set schedule.checkpoint_every=20";
    let small = "--set data.train_limit=256 --set data.eval_limit=64 --set schedule.samples=0";
    let line = format!("train sbn --quiet {steps} {small} --out r");
    bench.run(&format!("{line} --until 20")).succeeds();
    let good = bench.checkpoint("r", 20);
    let files = |bench: &Bench| {
        let listing = fs::read_dir(bench.path("r/checkpoint")).unwrap();
        listing
            .map(|entry| entry.unwrap().file_name())
            .collect::<Vec<_>>()
    };
    let before = files(&bench);

    // Blocks of 512 bytes: room for a summary, not for a model.
    let limit = "trap '' XFSZ; ulimit -f 64";
    let full = bench.in_shell(limit, "train --resume r --quiet");
    full.fails(1, &["r/checkpoint", "cannot write", "model.bpk"]);
    assert_eq!(files(&bench), before, "nothing half written is left");
    assert_eq!(bench.checkpoint("r", 20), good);
    assert_eq!(bench.summary("r")["status"], "failed");

    bench.run("train --resume r --quiet").succeeds();
    bench
        .run(&line.replace("--out r", "--out straight"))
        .succeeds();
    bench.assert_same_end("r", "straight");
}

#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_with_figures_costs_the_steps_since_the_checkpoint_and_no_more() {
    let bench = Bench::new();
    let line = |out: &str| {
        format!(
            "{TOY} --set schedule.steps=1000 --set schedule.log_every=1 \
             --set schedule.checkpoint_every=50 --out {out}"
        )
    };
    bench.run(&line("straight")).succeeds();
    let full = bench.in_shell("trap '' XFSZ; ulimit -f 64", &line("r"));
    full.fails(1, &["r/metrics.jsonl", "cannot write"]);
    let step = *bench.checkpoints("r").last().unwrap();
    let resumed = bench.run("train --resume r");
    resumed.succeeds();
    assert!(
        resumed.stderr.contains(&format!("from step {step}")),
        "{}",
        resumed.stderr
    );
    bench.assert_same_end("straight", "r");
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_from_the_start_leaves_no_run() {
    let bench = Bench::new();
    let full = bench.in_shell("trap '' XFSZ; ulimit -f 0", &format!("{TOY} --out r"));
    full.fails(1, &["r/config.toml", "cannot write"]);
    assert!(!bench.path("r/config.toml").exists());
    bench
        .run(&format!("{TOY} --set schedule.steps=20 --out r"))
        .succeeds();
}

#[test]
fn a_run_that_diverges_says_where_and_keeps_its_last_good_checkpoint() {
    let bench = Bench::new();
    let line = "train sbn --smoke --quiet --seed 5 --set optimizer.lr=1e37 --out r";
    bench.run(line).fails(
        3,
        &[
            "diverged at step",
            "seed 5",
            "neg_elbo_nats is NaN",
            "no checkpoint",
        ],
    );
    assert_eq!(bench.summary("r")["status"], "diverged");
    let line = line.replace("--out r", "--out q --set schedule.checkpoint_every=1");
    let last = bench.run(&line);
    last.fails(
        3,
        &["diverged at step", "the last checkpoint is q/checkpoint/"],
    );
    let step = *bench.checkpoints("q").last().unwrap();
    assert!(
        last.stderr.contains(&format!("q/checkpoint/{step}")),
        "{}",
        last.stderr
    );
    assert!(
        last.stderr.contains(&format!("at step {}", step + 1)),
        "{}",
        last.stderr
    );
    // The worst exit code of several seeds counts.
    let line = "train sbn --smoke --quiet --seeds 0..2 --set optimizer.lr=1e37 --out s";
    bench.run(line).fails(3, &["seed 0", "seed 1"]);
}

#[test]
fn figures_are_met_missed_or_not_comparable() {
    let bench = Bench::new();
    let config = |bound: &str| {
        format!(
            "[schedule]\nsteps = 30\nfinal_splits = [\"train\"]\n\
             [[expect]]\nmetric = \"loss_exact\"\n{bound}\norigin = \"0.25 at theta = 0\"\n"
        )
    };
    bench.write("met.toml", &config("at_most = 0.26"));
    bench.write("missed.toml", &config("at_least = 0.3"));
    for name in ["met", "missed"] {
        let line = format!("train toy --quiet --config {name}.toml --out {name}");
        bench.run(&line).succeeds();
    }
    let met = bench.run("check met");
    met.succeeds();
    assert!(met.stdout.starts_with("met: met "), "{}", met.stdout);
    let both = bench.run("check met missed");
    both.fails(1, &["1 figure was missed"]);
    assert!(both.stdout.contains("missed: MISSED"), "{}", both.stdout);

    bench
        .run("train toy --quiet --config missed.toml --set optimizer.lr=0.5 --out other")
        .succeeds();
    let other = bench.run("check other");
    other.succeeds();
    assert!(
        other
            .stdout
            .contains("not comparable (overridden: optimizer.lr=0.5)")
    );
    bench
        .run("train toy --quiet --config missed.toml --until 10 --out part")
        .succeeds();
    let part = bench.run("check part");
    part.succeeds();
    assert!(part.stdout.contains("not finished: step 10 of 30"));
    bench
        .run("check nothing")
        .fails(2, &["nothing", "not a run folder"]);
}

#[test]
fn a_run_is_evaluated_and_sampled_from_its_checkpoint() {
    let bench = Bench::new();
    bench.run("train sbn --smoke --quiet --out r").succeeds();
    let eval = bench.run("eval r");
    eval.succeeds();
    let report: serde_json::Value = serde_json::from_str(&eval.stdout).unwrap();
    assert_eq!(report["split"], "test");
    // The same figures as at the end of training.
    let trained = &bench.summary("r")["final"]["test"];
    for (name, value) in report["metrics"].as_object().unwrap() {
        assert_eq!(*value, trained[name]["value"], "{name}");
    }
    let sample = bench.run("sample r -n 9");
    sample.succeeds();
    for file in sample.stdout.lines() {
        let bytes = fs::read(bench.path(file)).unwrap();
        assert!(bytes.starts_with(b"\x89PNG"), "{file}");
    }
    bench.run("train toy --quiet --smoke --out t").succeeds();
    bench.run("sample t").fails(2, &["toy", "no samples"]);
    bench.run("eval t --split test").fails(2, &["toy", "test"]);
    bench.run("eval nothing").fails(2, &["not a run folder"]);
}

#[test]
fn a_report_holds_everything_in_one_file() {
    let bench = Bench::new();
    bench
        .run("train sbn --smoke --quiet --seeds 0..2 --out seeds")
        .succeeds();
    bench.run("train toy --smoke --quiet --out toy").succeeds();
    bench.run("report seeds toy -o page.html").succeeds();
    let page = fs::read_to_string(bench.path("page.html")).unwrap();
    for text in [
        "seeds/s0",
        "seeds/s1",
        "0, 1",
        " ± ",
        "glyphs",
        "neg_elbo_nats",
        "loss_exact",
        "<polyline",
        "<polygon",
        "Where they differ",
        "data:image/png;base64,iVBORw0KGgo",
        "[optimizer]",
    ] {
        assert!(page.contains(text), "{text}");
    }
    for reference in ["http://", "https://", "<script", "<link"] {
        assert!(!page.contains(reference), "{reference}");
    }
    // Curves of seeds are one line with its spread, not one line each.
    assert!(page.contains("All --smoke, on "));

    let outcome = bench.run("report seeds toy --markdown");
    let markdown = &outcome.succeeds().stdout;
    for text in ["# Results", "## sbn/glyphs", "## toy/", "| 0, 1 |", " ± "] {
        assert!(markdown.contains(text), "{text} in {markdown}");
    }
    bench.run("report nothing").fails(2, &["not a run folder"]);
    bench
        .run("report toy -o none/page.html")
        .fails(1, &["none/page.html"]);
}
