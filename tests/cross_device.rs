//! The same run on a GPU device and on flex: same noise, so the same figures up to rounding.
//!
//! Needs a Vulkan, Metal or DirectX driver; a software one will do (Debian: `mesa-vulkan-drivers`).
//! `cargo test --release -p unbiased-train --features wgpu --test cross_device`

use std::path::Path;
use std::process::Command;

/// Largest relative difference of a loss at any step.
const TOLERANCE: f64 = 1e-3;
const STEPS: usize = 20;

/// The loss of every step of a short run.
fn losses(device: &str, config: &str, metric: &str, estimator: &str, folder: &Path) -> Vec<f64> {
    let out = folder.join(format!("{device}-{estimator}"));
    let output = Command::new(env!("CARGO_BIN_EXE_unbiased"))
        .args(["train", config, "--smoke", "--quiet", "--device", device])
        .args(["--estimator", estimator])
        .args([
            "--set",
            "schedule.log_every=1",
            "--set",
            "schedule.steps=20",
        ])
        .arg("--out")
        .arg(&out)
        .env("CUBECL_AUTOTUNE_LEVEL", "minimal")
        .output()
        .expect("the program starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{config} on {device}: {error}");
    let metrics = std::fs::read_to_string(out.join("metrics.jsonl")).expect("the run has metrics");
    metrics
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line of JSON"))
        .filter(|line| line["split"] == "train" && line["full"] != true)
        .map(|line| line[metric].as_f64().expect("every step has the loss"))
        .collect()
}

/// Largest relative difference over the steps.
fn difference(a: &[f64], b: &[f64]) -> f64 {
    let relative = |(a, b): (&f64, &f64)| (a - b).abs() / a.abs().max(1e-12);
    a.iter().zip(b).map(relative).fold(0.0, f64::max)
}

fn agree(config: &str, metric: &str, estimator: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |device| losses(device, config, metric, estimator, folder.path());
    let (flex, wgpu) = (run("flex"), run("wgpu"));
    assert_eq!(
        (flex.len(), wgpu.len()),
        (STEPS, STEPS),
        "{config} {estimator}"
    );
    let largest = difference(&flex, &wgpu);
    println!("{config} {estimator}: largest relative difference {largest:.1e} over {STEPS} steps");
    assert!(
        largest < TOLERANCE,
        "{config} {estimator}: {largest}\n{flex:?}\n{wgpu:?}"
    );
    // The check can fail: one step later is another figure.
    assert!(difference(&flex[1..], &wgpu[..STEPS - 1]) > TOLERANCE);
}

#[test]
fn toy_agrees_with_flex() {
    agree("toy", "loss_sampled", "rebar");
}

#[test]
fn sbn_agrees_with_flex_under_rloo() {
    agree("sbn", "neg_elbo_nats", "rloo");
}

#[test]
fn sbn_agrees_with_flex_under_rebar() {
    agree("sbn", "neg_elbo_nats", "rebar");
}

#[test]
fn air_agrees_with_flex() {
    agree("air", "neg_elbo_nats", "relax");
}

#[test]
fn a_soft_turing_machine_agrees_with_flex() {
    agree("ntm", "bits_per_sequence", "rloo");
}

#[test]
fn a_hard_turing_machine_agrees_with_flex() {
    agree("ntm/copy_hard_shift", "bits_per_sequence", "relax");
}

/// Its loss is a count of steps, so one different action would show.
#[test]
fn policies_agree_with_flex() {
    agree("policy", "return_mean_100", "relax");
}
