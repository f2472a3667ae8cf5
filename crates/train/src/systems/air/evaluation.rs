//! Figures of a trained model. The count is summed over exactly, whatever estimator the model was trained with, so that
//! the figures of all of them can be compared.

use burn::tensor::{Device, Tensor};
use unbiased_estimators::Noise;
use unbiased_models::air::{Air, AirProgram, Counting, Explanation};

use super::upload;
use crate::data::scenes::Scenes;
use crate::system::Metrics;

/// Evaluation draws the same noise in every run, so that runs differ by what they learnt only.
pub(super) const SEED: u64 = 1;
/// Scenes of a pass without gradient.
const ROWS: usize = 500;

/// What `model` makes of `scenes`, `ROWS` at a time: with latents drawn where `noise` says so, else at their means.
fn explain(
    model: &Air,
    scenes: &Scenes,
    device: &Device,
    drawn: bool,
    mut take: impl FnMut(&[usize], Explanation) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let ln_odds = model.config().count_prior.last_ln_odds();
    for (chunk, start) in (0..scenes.len()).step_by(ROWS).enumerate() {
        let indices: Vec<usize> = (start..scenes.len().min(start + ROWS)).collect();
        let images = upload(scenes, &indices, device);
        let program = AirProgram::new(model, images, Counting::Summed, ln_odds);
        let noise = drawn.then(|| Noise::new(SEED, chunk as u64));
        take(&indices, program.explain(noise.as_ref()))?;
    }
    Ok(())
}

/// The inferred numbers of objects: the mode of `q(n)`, continuous latents at their means.
pub(super) fn counts(log_counts: Tensor<2>) -> anyhow::Result<Vec<usize>> {
    let outcomes = log_counts.dims()[1];
    let values = log_counts.into_data_as::<f32>().try_to_vec::<f32>()?;
    let mode = |row: &[f32]| {
        let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        best.map_or(0, |(n, _)| n)
    };
    Ok(values.chunks_exact(outcomes).map(mode).collect())
}

/// Bound, its parts, and the counts.
pub(super) fn figures(model: &Air, scenes: &Scenes, device: &Device) -> anyhow::Result<Metrics> {
    let n = scenes.len() as f64;
    let mut parts: Vec<(&str, f64)> = Vec::new();
    explain(model, scenes, device, true, |_, explanation| {
        for (i, (name, cost)) in explanation.costs().into_iter().enumerate() {
            let sum = f64::from(cost.sum().into_scalar::<f32>());
            match parts.get_mut(i) {
                Some((_, total)) => *total += sum,
                None => parts.push((name, sum)),
            }
        }
        Ok(())
    })?;
    let (found, right) = count_all(model, scenes, device)?;
    let total: f64 = parts.iter().map(|(_, sum)| sum).sum();
    let mut metrics = Metrics::new()
        .loss("neg_elbo_nats", total / n)
        .figure("count_accuracy", right as f64 / n);
    for (name, sum) in parts {
        metrics = metrics.figure(format!("{name}_nats"), sum / n);
    }
    for (count, scenes) in found.into_iter().enumerate() {
        metrics = metrics.figure(format!("share_{count}_objects"), scenes as f64 / n);
    }
    Ok(metrics)
}

/// Counts on scenes with numbers of objects that were not trained on.
pub(super) fn extra(model: &Air, scenes: &Scenes, device: &Device) -> anyhow::Result<Metrics> {
    let (found, right) = count_all(model, scenes, device)?;
    let n = scenes.len() as f64;
    let mut metrics = Metrics::new().figure("count_accuracy_extra", right as f64 / n);
    for (count, scenes) in found.into_iter().enumerate() {
        metrics = metrics.figure(format!("extra_share_{count}_objects"), scenes as f64 / n);
    }
    Ok(metrics)
}

/// How many scenes are found to have each number of objects, and how many of them rightly.
fn count_all(model: &Air, scenes: &Scenes, device: &Device) -> anyhow::Result<(Vec<usize>, usize)> {
    let mut found = vec![0; model.config().steps + 1];
    let mut right = 0;
    explain(model, scenes, device, false, |indices, explanation| {
        for (&scene, count) in indices.iter().zip(counts(explanation.log_counts)?) {
            found[count] += 1;
            right += usize::from(count == scenes.count(scene));
        }
        Ok(())
    })?;
    Ok((found, right))
}
