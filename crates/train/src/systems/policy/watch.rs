//! Evaluation and pictures of a policy.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use unbiased_estimators::Noise;
use unbiased_models::policy::{Environment, Episodes, Mode, Policy, Status, play};

use crate::data::{Split, png};
use crate::system::Metrics;

/// Evaluation draws the same noise in every run, so that runs differ by what they learnt only.
const EVALUATION_SEED: u64 = 1;

/// Mean returns over `n` episodes of a policy that records no gradient.
pub(super) fn evaluate(
    policy: &Policy,
    environment: &std::rc::Rc<dyn Environment>,
    split: Split,
    n: usize,
    device: &Device,
) -> Metrics {
    let mut metrics = Metrics::new();
    let modes = [
        ("return_sampled", Mode::Sampled),
        ("return_greedy", Mode::Greedy),
    ];
    for (name, mode) in modes {
        let mut episodes = Episodes::new(environment.clone(), n);
        let noise = Noise::new(EVALUATION_SEED, split as u64);
        let played = play(policy, &mut episodes, &noise, mode, device, |_, _| {});
        let total: f64 = played.iter().map(|episode| episode.total).sum();
        metrics = metrics.loss(name, total / n as f64);
    }
    metrics
}

/// Pixels per feature and step.
const STRIP: usize = 8;

/// Sampled episodes as strips: time from left to right, one strip per feature, its lowest value over all of them black
/// and its highest white, black after the end.
pub(super) fn picture(
    policy: &Policy,
    environment: &std::rc::Rc<dyn Environment>,
    dir: &Path,
    step: u64,
    n: usize,
    device: &Device,
) -> anyhow::Result<Vec<PathBuf>> {
    let mut episodes = Episodes::new(environment.clone(), n);
    let noise = Noise::new(EVALUATION_SEED, 1 << 40);
    let features = environment.features();
    // Per row, its observations one after the other.
    let mut films: Vec<Vec<f64>> = vec![Vec::new(); n];
    play(
        policy,
        &mut episodes,
        &noise,
        Mode::Sampled,
        device,
        |seen, status| {
            for ((film, seen), status) in films
                .iter_mut()
                .zip(seen.chunks_exact(features))
                .zip(status)
            {
                if *status == Status::Running {
                    film.extend_from_slice(seen);
                }
            }
        },
    );
    let range = |feature: usize| {
        let values = films
            .iter()
            .flat_map(|film| film.iter().skip(feature).step_by(features));
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| {
            (low.min(x), high.max(x))
        })
    };
    let ranges: Vec<(f64, f64)> = (0..features).map(range).collect();
    let width = films.iter().map(Vec::len).max().unwrap_or(features) / features;
    let mut pixels = Vec::with_capacity(n * features * STRIP * width);
    for film in &films {
        for (feature, (low, high)) in ranges.iter().enumerate() {
            let line: Vec<f32> = (0..width)
                .map(|t| match film.get(t * features + feature) {
                    Some(x) => ((x - low) / (high - low).max(1e-12)) as f32,
                    None => 0.0,
                })
                .collect();
            for _ in 0..STRIP {
                pixels.extend_from_slice(&line);
            }
        }
    }
    let path = dir.join(format!("{step:08}-episodes.png"));
    png::write_grid(&path, &pixels, features * STRIP, width, 1)?;
    Ok(vec![path])
}
