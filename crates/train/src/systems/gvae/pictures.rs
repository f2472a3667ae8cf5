//! What a model writes: texts from the prior and what the offline check says of them, texts beside their reconstructions, the way from one
//! text to another; of equations also the curves on that way, and a map of the two latents in most use, coloured by score.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use burn::tensor::Tensor;
use unbiased_estimators::Noise;
use unbiased_models::gvae::{Expression, Gvae, Pick, score, target, write as write_texts};
use unbiased_models::sbn::Latent;

use super::GvaeTraining;
use super::evaluation::{SEED, from_prior};
use super::filter::sort;
use crate::data::{Split, png};
use crate::transfer::{host, rows};

/// Latents on the way from one text to another.
const WAY: usize = 12;
/// Points along a side of the map.
const SIDE: usize = 61;
/// Pixels of a point.
const POINT: usize = 5;
/// The map goes from minus this to this.
const REACH: f32 = 3.0;

pub(super) fn write(
    run: &GvaeTraining,
    model: &Gvae,
    dir: &Path,
    step: u64,
    n: usize,
) -> anyhow::Result<Vec<PathBuf>> {
    let file = |name: &str| dir.join(format!("{step:08}-{name}"));
    let shown = n
        .min(run.rows(Split::Valid).len())
        .max(2.min(run.rows(Split::Valid).len()));
    let indices: Vec<usize> = (0..shown).collect();
    let params = model.encode(&run.batch(Split::Valid, &indices)?);
    let way = way(run, model, &params)?;
    let mut text = from_the_prior(run, model, n)?;
    text += &reconstructions(run, model, params.clone())?;
    text += "\nOn the way from the first of them to the second, most probable choices:\n";
    for text_on_the_way in &way {
        let _ = writeln!(text, "  {}", line(text_on_the_way.as_deref()));
    }
    let path = file("samples.txt");
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    let mut files = vec![path];
    if run.texts.language.name == "equations" {
        let path = file("curves.png");
        let curves: Vec<f32> = way.iter().flat_map(|text| curve(text.as_deref())).collect();
        png::write_grid(&path, &curves, HEIGHT, WIDTH, 4)?;
        files.push(path);
        if model.config().latent == Latent::Gaussian && model.config().latents > 1 {
            let path = file("map.png");
            let pixels = map(run, model, params)?;
            png::write_colour_grid(&path, &pixels, SIDE * POINT, SIDE * POINT, 1)?;
            files.push(path);
        }
    }
    Ok(files)
}

fn line(text: Option<&str>) -> &str {
    text.unwrap_or("(unfinished)")
}

fn from_the_prior(run: &GvaeTraining, model: &Gvae, n: usize) -> anyhow::Result<String> {
    let written = from_prior(run, model, run.settings.notation.masks, n)?;
    let sorted = sort(run.texts.language, &written);
    let mut text = format!("{n} from the prior, one draw each:\n");
    for sample in &written {
        let _ = writeln!(text, "  {}", line(sample.as_deref()));
    }
    let _ = writeln!(
        text,
        "\nOf these {} are kept, {} are unfinished, {} are not of the language, and the offline check drops {}:",
        sorted.kept.len(),
        sorted.unfinished,
        sorted.invalid.len(),
        sorted.dropped.len()
    );
    for (sample, reason) in sorted.invalid.iter().chain(&sorted.dropped) {
        let _ = writeln!(text, "  {sample}: {reason}");
    }
    Ok(text)
}

fn reconstructions(run: &GvaeTraining, model: &Gvae, params: Tensor<2>) -> anyhow::Result<String> {
    let z = model.draw(params, &Noise::new(SEED, 0));
    let masks = run.settings.notation.masks;
    let back = write_texts(model, z, &*run.notation, masks, Pick::Draw { seed: SEED })?;
    let mut text =
        String::from("\nValidation texts and what comes back from a latent drawn for each:\n");
    for (original, back) in run.texts.valid.iter().zip(&back) {
        let back = line(back.as_deref());
        let mark = if original == back { "=" } else { " " };
        let _ = writeln!(text, "{mark} {original} -> {back}");
    }
    Ok(text)
}

/// Texts at latents in a line from the mean of the first text to that of the second.
fn way(
    run: &GvaeTraining,
    model: &Gvae,
    params: &Tensor<2>,
) -> anyhow::Result<Vec<Option<String>>> {
    let means = model.law().mean(params.clone());
    let last = means.dims()[0] - 1;
    let ends = [0, last.min(1)].map(|row| means.clone().narrow(0, row, 1));
    let places = (0..WAY).map(|i| {
        let share = i as f64 / (WAY - 1) as f64;
        ends[0].clone() * (1.0 - share) + ends[1].clone() * share
    });
    let z = Tensor::cat(places.collect(), 0);
    Ok(write_texts(
        model,
        z,
        &*run.notation,
        run.settings.notation.masks,
        Pick::Mode,
    )?)
}

/// Rows and columns of the picture of a curve.
const HEIGHT: usize = 120;
const WIDTH: usize = 160;

/// The curve of an expression in white on that of the target in grey, both axes from -10 to 10.
fn curve(text: Option<&str>) -> Vec<f32> {
    let mut pixels = vec![0.0; HEIGHT * WIDTH];
    let mut draw = |value: &dyn Fn(f64) -> f64, shade: f32| {
        let place = |column: usize| {
            let x = -10.0 + 20.0 * (column as f64 + 0.5) / WIDTH as f64;
            let row = (10.0 - value(x)) / 20.0 * HEIGHT as f64;
            row.is_finite().then(|| row.clamp(-1.0, HEIGHT as f64))
        };
        for column in 1..WIDTH {
            let (Some(from), Some(to)) = (place(column - 1), place(column)) else {
                continue;
            };
            for row in from.min(to).round() as i64..=from.max(to).round() as i64 {
                if (0..HEIGHT as i64).contains(&row) {
                    pixels[row as usize * WIDTH + column] = shade;
                }
            }
        }
    };
    draw(&target, 0.4);
    if let Some(expression) = text.and_then(Expression::read) {
        draw(&|x| expression.value(x), 1.0);
    }
    pixels
}

/// The scores of the most probable texts over the two latents whose posterior means vary most, all others at 0: yellow where the score is
/// good, through green to dark blue where it is worst.
fn map(run: &GvaeTraining, model: &Gvae, params: Tensor<2>) -> anyhow::Result<Vec<f32>> {
    let latents = model.config().latents;
    let means = host(model.law().mean(params))?;
    let n = means.len() as f32 / latents as f32;
    let variance = |latent: usize| {
        let column = means.iter().skip(latent).step_by(latents);
        let mean = column.clone().sum::<f32>() / n;
        column.map(|m| (m - mean).powi(2)).sum::<f32>() / n
    };
    let mut order: Vec<usize> = (0..latents).collect();
    order.sort_by(|&a, &b| variance(b).total_cmp(&variance(a)));
    let at = |i: usize| REACH * (2.0 * i as f32 / (SIDE - 1) as f32 - 1.0);
    let mut pixels = vec![0.0; SIDE * POINT * SIDE * POINT * 3];
    for row in 0..SIDE {
        let mut z = vec![0.0; SIDE * latents];
        for column in 0..SIDE {
            z[column * latents + order[0]] = at(column);
            z[column * latents + order[1]] = -at(row);
        }
        let z = rows(z, SIDE, &run.device);
        let masks = run.settings.notation.masks;
        let texts = write_texts(model, z, &*run.notation, masks, Pick::Mode)?;
        for (column, text) in texts.iter().enumerate() {
            let shade = text.as_deref().map_or([0.0; 3], |text| colour(score(text)));
            for y in row * POINT..(row + 1) * POINT {
                for x in column * POINT..(column + 1) * POINT {
                    pixels[(y * SIDE * POINT + x) * 3..][..3].copy_from_slice(&shade);
                }
            }
        }
    }
    Ok(pixels)
}

/// From yellow (a score of 0) to dark blue (ln 1001).
fn colour(score: f64) -> [f32; 3] {
    const ENDS: [[f32; 3]; 3] = [[0.99, 0.91, 0.14], [0.13, 0.57, 0.55], [0.27, 0.0, 0.33]];
    let at = (score / libm::log(1001.0)).clamp(0.0, 1.0) as f32 * 2.0;
    let (from, share) = if at < 1.0 { (0, at) } else { (1, at - 1.0) };
    std::array::from_fn(|i| ENDS[from][i] * (1.0 - share) + ENDS[from + 1][i] * share)
}
