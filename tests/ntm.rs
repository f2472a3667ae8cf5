//! The neural Turing machine through the real binary.

mod support;

use std::fs;

use support::Bench;

/// A small machine and short sequences: everything that a run has, in a second.
const SMALL: &str = "--set model.hidden=[16] --set model.slots=8 --set model.width=6 --set task.bits=3 \
    --set training.batch=4 --set evaluation.batches=3 --set evaluation.rows=4 \
    --set schedule.log_every=7 --set schedule.eval_every=40 --set schedule.checkpoint_every=30";

#[test]
fn an_interrupted_run_goes_on_to_the_same_end() {
    let bench = Bench::new();
    for (name, line) in [
        // Soft, with every kind of state that training has: a level of its curriculum, figures between two lines.
        (
            "soft",
            "ntm/copy --set training.curriculum=look_back_and_forward --set task.lengths=[1,3]",
        ),
        // What Exp3.S knows, with and without sequences of its own.
        (
            "gain",
            "ntm/repeat_copy --set training.curriculum=prediction_gain --set task.lengths=[1,3] --set task.repeats=[1,2]",
        ),
        (
            "self-gain",
            "ntm/copy_hard_shift --set training.curriculum=self_prediction_gain --set task.lengths=[1,3]",
        ),
        // A baseline, and a control variate with its optimizer.
        (
            "nvil",
            "ntm/copy_hard_shift --estimator nvil --set task.lengths=[1,3]",
        ),
        (
            "rebar",
            "ntm/copy_hard_shift --estimator rebar --set model.address=slot --set task.lengths=[1,2]",
        ),
    ] {
        let line = format!(
            "train {line} {SMALL} --seed 3 --set schedule.steps=120 --set evaluation.lengths=[4]"
        );
        let (straight, parts) = (format!("{name}-straight"), format!("{name}-parts"));
        bench
            .run(&format!("{line} --quiet --out {straight}"))
            .succeeds();
        bench
            .run(&format!("{line} --quiet --out {parts} --until 50"))
            .succeeds();
        bench
            .run(&format!("train --quiet --resume {parts}"))
            .succeeds();
        bench.assert_same_end(&straight, &parts);
    }
}

#[test]
fn a_run_has_its_figures_and_pictures() {
    let bench = Bench::new();
    let line = "train ntm --smoke --quiet --out r --set evaluation.lengths=[12]";
    bench.run(line).succeeds();
    let last = bench.metrics("r").pop().unwrap();
    for figure in [
        "bits_per_sequence",
        "errors_per_sequence",
        "yardstick_bits",
        "coin_bits",
        "errors_len12",
        "bits_len12",
    ] {
        assert!(last[figure].is_f64(), "{figure} in {last}");
    }
    let pictures = fs::read_dir(bench.path("r/samples")).unwrap();
    let mut names: Vec<String> = pictures
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["00000020-len10.png", "00000020-len12.png"]);
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let bench = Bench::new();
    for (set, said) in [
        ("model.slots=1", "model.slots"),
        ("task.lengths=[4,2]", "task.lengths"),
        ("evaluation.lengths=[0]", "evaluation.lengths"),
        ("evaluation.rows=0", "evaluation.rows"),
        ("optimizer.clip_norm=0.0", "optimizer.clip_norm"),
        ("training.curriculum=fast", "training.curriculum"),
    ] {
        bench
            .run(&format!("train ntm --set {set} --dry-run"))
            .fails(2, &[said]);
    }
    bench
        .run("train ntm/copy_hard_shift --estimator exact --dry-run")
        .fails(2, &["estimator.name", "one length"]);
    bench
        .run("train ntm/copy_hard_shift --estimator disarm")
        .fails(2, &["disarm", "read0"]);
    bench
        .run("train ntm/copy_hard_shift --estimator vimco")
        .fails(2, &["vimco", "log_mean_weight"]);
}
