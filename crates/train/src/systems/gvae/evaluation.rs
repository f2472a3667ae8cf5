//! Figures of a trained model. Latents are drawn with unit noise whatever the loss was, and divergences are sums over them.

use std::collections::{BTreeMap, HashSet};

use burn::tensor::Tensor;
use unbiased_estimators::Noise;
use unbiased_models::gvae::{CODE_NOISE, Gvae, Loss, Masks, Pick, write};

use super::GvaeTraining;
use super::filter::sort;
use super::settings::NotationKind;
use crate::data::Split;
use crate::system::Metrics;
use crate::transfer::host;

/// Evaluation draws the same noise in every run, so that runs differ by what they learnt only.
pub(super) const SEED: u64 = 1;
/// Texts of a pass without gradient.
pub(super) const ROWS: usize = 500;
/// A latent is in use if the variance of its posterior mean over texts exceeds this (Burda, Grosse & Salakhutdinov, 2016, section 5.2).
const ACTIVE_VARIANCE: f64 = 0.01;
/// `0..n` in pieces.
fn chunks(n: usize) -> impl Iterator<Item = (u64, Vec<usize>)> {
    let pieces = (0..n).step_by(ROWS).enumerate();
    pieces.map(move |(chunk, start)| (chunk as u64, (start..n.min(start + ROWS)).collect()))
}

fn sum(x: Tensor<1>) -> f64 {
    f64::from(x.sum().into_scalar::<f32>())
}

/// The bound of one sample per text, its two parts, and how many latents are in use.
pub(super) fn bound(run: &GvaeTraining, model: &Gvae, split: Split) -> anyhow::Result<Metrics> {
    let n = match split {
        // As many as there are of the others are enough.
        Split::Train => run.rows(split).len().min(run.rows(Split::Valid).len()),
        Split::Valid | Split::Test => run.rows(split).len(),
    };
    let (mut kl, mut cross_entropy) = (0.0, 0.0);
    let latents = model.config().latents;
    let mut moments = vec![[0.0; 2]; model.config().value_width()];
    for (chunk, indices) in chunks(n) {
        let batch = run.batch(split, &indices)?;
        let params = model.encode(&batch);
        let z = model.draw(params.clone(), &Noise::new(SEED, chunk));
        kl += sum(model.kl(params.clone()));
        cross_entropy -= sum(model.log_lik(z, &batch));
        let means = host(model.law().mean(params))?;
        for row in means.chunks_exact(moments.len()) {
            for (moment, &mean) in moments.iter_mut().zip(row) {
                moment[0] += f64::from(mean);
                moment[1] += f64::from(mean).powi(2);
            }
        }
    }
    let n = n as f64;
    let varies = |m: &[f64; 2]| m[1] / n - (m[0] / n).powi(2) > ACTIVE_VARIANCE;
    let of_each = moments.len() / latents;
    let active = moments
        .chunks(of_each)
        .filter(|m| m.iter().any(varies))
        .count();
    Ok(Metrics::new()
        .loss("neg_elbo_nats", (kl + cross_entropy) / n)
        .figure("kl_nats", kl / n)
        .figure("cross_entropy_nats", cross_entropy / n)
        .figure("active_latents", active as f64))
}

/// Shares of texts that come back from a latent drawn for them.
pub(super) fn reconstruction(
    run: &GvaeTraining,
    model: &Gvae,
    split: Split,
) -> anyhow::Result<Metrics> {
    let n = run
        .rows(split)
        .len()
        .min(run.settings.evaluation.reconstructions);
    let masks = run.settings.notation.masks;
    let texts = run.texts.split(split);
    let code = model.config().loss == Loss::OriginalCode;
    let mut right = [0_usize; 3];
    // Of programs: how many there are of each length, and how many come back.
    let mut by_length: BTreeMap<usize, [usize; 2]> = BTreeMap::new();
    for (chunk, indices) in chunks(n) {
        let params = model.encode(&run.batch(split, &indices)?);
        let z = model.draw(params.clone(), &Noise::new(SEED, chunk));
        let drawn = Pick::Draw {
            seed: (SEED << 32) + chunk,
        };
        let mut ways = vec![(z.clone(), drawn), (z.clone(), Pick::Mode)];
        if code {
            let mean = model.law().mean(params);
            let narrow = mean.clone() + (z - mean) * CODE_NOISE;
            ways.push((narrow, drawn));
        }
        for (way, (right, (z, pick))) in right.iter_mut().zip(ways).enumerate() {
            let written = write(model, z, &*run.notation, masks, pick)?;
            for (&i, written) in indices.iter().zip(&written) {
                let same = written.as_ref() == Some(&texts[i]);
                *right += usize::from(same);
                if way == 0 && run.texts.language.name == "programs" {
                    let counts = by_length.entry(texts[i].split(';').count()).or_default();
                    counts[0] += 1;
                    counts[1] += usize::from(same);
                }
            }
        }
    }
    let [drawn, mode, narrow] = right.map(|right| right as f64 / n as f64);
    let mut metrics = Metrics::new()
        .figure("reconstruction", drawn)
        .figure("reconstruction_mode", mode);
    for (statements, [of_length, right]) in by_length {
        let share = right as f64 / of_length as f64;
        metrics = metrics.figure(format!("reconstruction_{statements}_statements"), share);
    }
    Ok(if code {
        metrics.figure("reconstruction_noise_0.01", narrow)
    } else {
        metrics
    })
}

/// One draw each from latents of the prior: what share is of the language, passes the offline check, is in the data set, and is distinct.
pub(super) fn prior(run: &GvaeTraining, model: &Gvae) -> anyhow::Result<Metrics> {
    let count = run.settings.evaluation.prior_samples;
    let known: HashSet<&str> = run.texts.all().collect();
    let mut metrics = Metrics::new();
    let masks = match run.settings.notation.kind {
        NotationKind::Grammar | NotationKind::Attributes => {
            vec![("", Masks::Plain), ("_budgeted", Masks::Budgeted)]
        }
        NotationKind::Characters => vec![("", Masks::Plain)],
    };
    for (suffix, masks) in masks {
        let written = from_prior(run, model, masks, count)?;
        let sorted = sort(run.texts.language, &written);
        let of_language = sorted.kept.len() + sorted.dropped.len();
        let valid: Vec<&String> = sorted
            .kept
            .iter()
            .chain(sorted.dropped.iter().map(|(text, _)| text))
            .collect();
        let in_data = valid
            .iter()
            .filter(|text| known.contains(text.as_str()))
            .count();
        let distinct: HashSet<&String> = valid.iter().copied().collect();
        for (name, number) in [
            ("prior_valid", of_language),
            ("prior_kept", sorted.kept.len()),
            ("prior_known", in_data),
            ("prior_distinct", distinct.len()),
        ] {
            metrics = metrics.figure(format!("{name}{suffix}"), number as f64 / count as f64);
        }
    }
    Ok(metrics)
}

/// Texts from latents of the prior.
pub(super) fn from_prior(
    run: &GvaeTraining,
    model: &Gvae,
    masks: Masks,
    count: usize,
) -> anyhow::Result<Vec<Option<String>>> {
    let mut written = Vec::with_capacity(count);
    for (chunk, indices) in chunks(count) {
        // Apart from the noise of reconstructions.
        let z = model.draw_prior(indices.len(), &Noise::new(SEED, 1 << 40 | chunk));
        let seed = (SEED << 33) + chunk;
        written.extend(write(model, z, &*run.notation, masks, Pick::Draw { seed })?);
    }
    Ok(written)
}
