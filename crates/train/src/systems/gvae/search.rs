//! The search for the expression of the paper in the latent space of a trained model: Bayesian optimisation as in its section 4.2, and what finds
//! expressions without it.
//!
//! Every seed draws its own training codes (posterior means) and learns from their scores; of the three methods each scores as many expressions.
//!
//! | prefix of the figures | method |
//! |---|---|
//! | `bo` | points of large expected improvement under a sparse Gaussian process, fitted anew before every batch |
//! | `random` | points uniform in the same box, that of the seed's codes, decoded likewise |
//! | `local` | no latent space: subtrees of the best expression drawn anew, beginning with the best that the process learns from |

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use anyhow::Context;
use burn::tensor::Tensor;
use rayon::prelude::*;
use unbiased_grammar::{Draws, Parser};
use unbiased_kernels::substream;
use unbiased_models::gvae::{Gvae, Pick, score, write};
use unbiased_models::latent_search::{
    Believer, Hyperparameters, Matrix, SparseGp, climb, lowest_mean, uniform,
};

use super::GvaeTraining;
use super::evaluation::{ROWS, SEED};
use crate::data::Split;
use crate::system::Metrics;
use crate::transfer::{host, rows};

/// Scores that differ by less are of the same curve, written in another order.
const SAME: f64 = 1e-9;
/// Expressions of a seed and method that are shown.
const SHOWN: usize = 5;

/// What one method found in one seed.
#[derive(Default)]
struct Found {
    /// Points that were tried, and how many had a text of the language among their draws.
    points: usize,
    /// Single draws, and how many were of the language.
    draws: [usize; 2],
    /// What was scored.
    scored: Vec<(String, f64)>,
}

impl Found {
    fn scores(&self) -> impl Iterator<Item = f64> {
        self.scored.iter().map(|(_, score)| *score)
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        self.scored.iter().map(|(text, _)| text.as_str())
    }
}

/// The expressions of a seed, and what is known of them.
struct Known {
    texts: Vec<String>,
    codes: Matrix,
    scores: Vec<f64>,
}

/// All seeds of all methods: figures, and the best expressions as a text.
pub(super) fn search(run: &GvaeTraining, model: &Gvae) -> anyhow::Result<(Metrics, String)> {
    let settings = &run.settings.search;
    let training = run.texts.split(Split::Train);
    let scores: Vec<f64> = training.par_iter().map(|text| score(text)).collect();
    let best = scores.iter().copied().fold(f64::INFINITY, f64::min);
    let known: HashSet<&str> = training.iter().map(String::as_str).collect();
    let mut found: [Vec<Found>; 3] = Default::default();
    let (mut densities, mut errors) = (Vec::new(), Vec::new());
    for seed in 0..settings.seeds {
        // Seeds of the search have nothing to do with those of other figures.
        let mut draws = Draws::new(substream(substream(SEED, 2), seed as u64));
        let (learnt, held_out) = points(run, model, &scores, &mut draws)?;
        let corners = corners([&learnt.codes, &held_out.codes]);
        let start = (0..learnt.scores.len())
            .min_by(|&a, &b| learnt.scores[a].total_cmp(&learnt.scores[b]))
            .expect("at least one point");
        let start = (learnt.texts[start].clone(), learnt.scores[start]);
        let (by_model, [density, error]) =
            bayesian(run, model, [learnt, held_out], &corners, &mut draws)?;
        densities.push(density);
        errors.push(error);
        found[0].push(by_model);
        found[1].push(random(run, model, &corners, &mut draws)?);
        let scored = settings.iterations * settings.batch;
        let steps = run.settings.notation.steps;
        let grammar = run.texts.language.kept();
        let start = (start.0.as_str(), start.1);
        found[2].push(Found {
            scored: climb(grammar, start, steps, scored, &mut draws, score)?,
            ..Found::default()
        });
    }
    let mut metrics = Metrics::new().figure("best_training_score", best);
    for (name, values) in [("gp_log_lik_nats", densities), ("gp_rmse", errors)] {
        metrics = spread(metrics, name, &values);
    }
    let mut text = format!(
        "The best score among {} training texts is {best:.4}.\n",
        known.len()
    );
    for (method, found) in ["bo", "random", "local"].into_iter().zip(&found) {
        metrics = metrics.with(figures(method, found, best, &known));
        show(&mut text, method, found, &known);
    }
    Ok((metrics, text))
}

/// Training texts of a seed with their codes and scores, and a tenth of them apart.
fn points(
    run: &GvaeTraining,
    model: &Gvae,
    scores: &[f64],
    draws: &mut Draws,
) -> anyhow::Result<(Known, Known)> {
    let settings = &run.settings.search;
    let indices = distinct(settings.points, scores.len(), draws);
    let width = model.config().latents;
    let mut codes = Vec::with_capacity(indices.len() * width);
    for chunk in indices.chunks(ROWS) {
        let means = model
            .law()
            .mean(model.encode(&run.batch(Split::Train, chunk)?));
        codes.extend(host(means)?.into_iter().map(f64::from));
    }
    let codes = Matrix::new(indices.len(), width, codes);
    let part = |from: usize, to: usize| Known {
        texts: indices[from..to]
            .iter()
            .map(|&i| run.texts.train[i].clone())
            .collect(),
        codes: codes.select(&(from..to).collect::<Vec<_>>()),
        scores: indices[from..to].iter().map(|&i| scores[i]).collect(),
    };
    let learnt = settings.learnt();
    Ok((part(0, learnt), part(learnt, indices.len())))
}

/// `count` of `0..n`, all different.
fn distinct(count: usize, n: usize, draws: &mut Draws) -> Vec<usize> {
    let mut all: Vec<usize> = (0..n).collect();
    for i in 0..count {
        let j = i + draws.below(n - i);
        all.swap(i, j);
    }
    all.truncate(count);
    all
}

/// Least and largest coordinates of codes.
fn corners(codes: [&Matrix; 2]) -> [Vec<f64>; 2] {
    let of = |start: f64, choose: fn(f64, f64) -> f64| {
        let mut corner = vec![start; codes[0].columns()];
        for row in codes.iter().flat_map(|codes| codes.iter_rows()) {
            for (c, &x) in corner.iter_mut().zip(row) {
                *c = choose(*c, x);
            }
        }
        corner
    };
    [of(f64::INFINITY, f64::min), of(f64::NEG_INFINITY, f64::max)]
}

/// Bayesian optimisation; also mean log density and error of the first process on what it did not learn from.
fn bayesian(
    run: &GvaeTraining,
    model: &Gvae,
    [mut learnt, held_out]: [Known; 2],
    [lower, upper]: &[Vec<f64>; 2],
    draws: &mut Draws,
) -> anyhow::Result<(Found, [f64; 2])> {
    let settings = &run.settings.search;
    let (mut found, mut quality) = (Found::default(), [0.0; 2]);
    let mut hyperparameters = Hyperparameters::initial(&learnt.codes, &learnt.scores);
    for iteration in 0..settings.iterations {
        let (x, y) = (&learnt.codes, &learnt.scores);
        let inducing = x.select(&distinct(settings.inducing, x.rows(), draws));
        hyperparameters = hyperparameters.fitted(x, y, &inducing, settings.fit_steps);
        let gp = SparseGp::new(hyperparameters.clone(), x, y, inducing)
            .context("the Gaussian process of the search: a matrix is not positive definite")?;
        if iteration == 0 {
            let (density, error) = gp.test(&held_out.codes, &held_out.scores);
            quality = [density, error];
        }
        let drawn = (0..settings.candidates).flat_map(|_| uniform(lower, upper, draws));
        let drawn = Matrix::new(settings.candidates, lower.len(), drawn.collect());
        let lowest = lowest_mean(&gp, &drawn, [lower, upper], settings.ascent);
        let mut believer = Believer::new(&gp, lowest);
        let mut candidates = believer.candidates(drawn);
        let chosen: Vec<Vec<f64>> = (0..settings.batch)
            .map(|_| believer.choose(&mut candidates, [lower, upper], settings.ascent))
            .collect();
        let scores = try_points(run, model, &chosen, draws.bits(), &mut found)?;
        for (point, score) in chosen.iter().zip(scores) {
            learnt.codes.push_row(point);
            learnt.scores.push(score);
        }
    }
    Ok((found, quality))
}

/// As many points, drawn uniformly.
fn random(
    run: &GvaeTraining,
    model: &Gvae,
    [lower, upper]: &[Vec<f64>; 2],
    draws: &mut Draws,
) -> anyhow::Result<Found> {
    let settings = &run.settings.search;
    let mut found = Found::default();
    for _ in 0..settings.iterations {
        let points: Vec<Vec<f64>> = (0..settings.batch)
            .map(|_| uniform(lower, upper, draws))
            .collect();
        try_points(run, model, &points, draws.bits(), &mut found)?;
    }
    Ok(found)
}

/// Decodes every point several times and scores its most frequent text of the language, the first drawn of equals; the worst score where there is none.
fn try_points(
    run: &GvaeTraining,
    model: &Gvae,
    points: &[Vec<f64>],
    seed: u64,
    found: &mut Found,
) -> anyhow::Result<Vec<f64>> {
    let decodes = run.settings.search.decodes;
    let copies = points.iter().flat_map(|p| std::iter::repeat_n(p, decodes));
    let z: Vec<f32> = copies.flatten().map(|&x| x as f32).collect();
    let z: Tensor<2> = rows(z, points.len() * decodes, &run.device);
    let masks = run.settings.notation.masks;
    let written = write(model, z, &*run.notation, masks, Pick::Draw { seed })?;
    let mut parser = Parser::new(run.texts.language.kept());
    let mut scores = Vec::with_capacity(points.len());
    for of_point in written.chunks(decodes) {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for text in of_point.iter().flatten() {
            if counts.contains_key(text.as_str()) || parser.parse(text).is_ok() {
                *counts.entry(text).or_default() += 1;
            }
        }
        found.points += 1;
        found.draws[0] += of_point.len();
        found.draws[1] += counts.values().sum::<usize>();
        // Reversed, since of equals the last is taken.
        let drawn = of_point.iter().flatten().rev();
        let best = drawn
            .filter(|text| counts.contains_key(text.as_str()))
            .max_by_key(|text| counts[text.as_str()]);
        // What is no expression scores worst.
        let value = score(best.map_or("", String::as_str));
        scores.push(value);
        found.scored.extend(best.map(|text| (text.clone(), value)));
    }
    Ok(scores)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    sum / n
}

/// A figure of every seed: mean and standard deviation.
fn spread(metrics: Metrics, name: &str, values: &[f64]) -> Metrics {
    let n = values.len() as f64;
    let mean = mean(values.iter().copied());
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    metrics
        .figure(name, mean)
        .figure(format!("{name}_sd"), (squares / (n - 1.0).max(1.0)).sqrt())
}

fn figures(method: &str, found: &[Found], training: f64, known: &HashSet<&str>) -> Metrics {
    let worst = score("");
    let each = |f: &dyn Fn(&Found) -> f64| found.iter().map(f).collect::<Vec<f64>>();
    let mut all = Vec::new();
    if found.iter().any(|found| found.points > 0) {
        let valid = |found: &Found| found.scored.len() as f64 / found.points as f64;
        all.push(("valid", each(&valid)));
        let draws = |found: &Found| found.draws[1] as f64 / found.draws[0] as f64;
        all.push(("valid_draws", each(&draws)));
    }
    let but_worst = |found: &Found| mean(found.scores().filter(|&score| score < worst));
    let novel = |found: &Found| {
        mean(
            found
                .texts()
                .map(|t| f64::from(u8::from(!known.contains(t)))),
        )
    };
    let distinct = |found: &Found| {
        found.texts().collect::<HashSet<_>>().len() as f64 / found.scored.len() as f64
    };
    let best = each(&|found| found.scores().fold(f64::INFINITY, f64::min));
    let better = best.iter().filter(|&&best| best < training - SAME).count();
    let better = better as f64 / best.len() as f64;
    all.extend([
        ("score", each(&|found| mean(found.scores()))),
        ("score_but_worst", each(&but_worst)),
        ("novel", each(&novel)),
        ("distinct", each(&distinct)),
        ("best_score", best),
    ]);
    all.iter()
        .fold(Metrics::new(), |metrics, (name, values)| {
            spread(metrics, &format!("{method}_{name}"), values)
        })
        .figure(format!("{method}_beats_training"), better)
}

fn show(text: &mut String, method: &str, found: &[Found], known: &HashSet<&str>) {
    for (seed, found) in found.iter().enumerate() {
        let _ = writeln!(text, "\n{method}, seed {seed}:");
        let mut scored: Vec<&(String, f64)> = found.scored.iter().collect();
        scored.sort_by(|(a, x), (b, y)| x.total_cmp(y).then(a.cmp(b)));
        scored.dedup();
        for (expression, score) in scored.into_iter().take(SHOWN) {
            let seen = known.contains(expression.as_str());
            let mark = if seen { "  (a training text)" } else { "" };
            let _ = writeln!(text, "  {score:.4}  {expression}{mark}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_means_over_seeds_and_the_same_curve_beats_nothing() {
        let found = |scores: &[f64]| Found {
            points: 4,
            draws: [8, 6],
            scored: scores.iter().map(|&s| ("x".to_owned(), s)).collect(),
        };
        let known = HashSet::from(["1"]);
        let all = [found(&[2.0, 4.0, score("")]), found(&[3.0 - 1e-12])];
        let figures = figures("bo", &all, 3.0, &known);
        let close = |name: &str, value: f64| {
            let got = figures.get(name).expect("a figure");
            assert!((got - value).abs() < 1e-9, "{name}: {got}");
        };
        close("bo_valid", 0.5 * (0.75 + 0.25));
        close("bo_valid_draws", 0.75);
        close("bo_score_but_worst", 3.0);
        close("bo_best_score", 2.5);
        close("bo_best_score_sd", 0.5_f64.sqrt());
        close("bo_beats_training", 0.5);
        close("bo_novel", 1.0);
        close("bo_distinct", 0.5 * (1.0 / 3.0 + 1.0));
    }

    #[test]
    fn indices_differ() {
        let mut all = distinct(10, 10, &mut Draws::new(1));
        all.sort_unstable();
        assert!(all.into_iter().eq(0..10));
    }
}
