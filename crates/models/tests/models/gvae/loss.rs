//! The loss against the definition, computed by hand in double precision: convolutions, GRU, masks and divergence with loops over numbers.

use burn::module::Module;
use unbiased_estimators::{Draw, Key, Noise, Weighing, execute};
use unbiased_kernels::Linear;
use unbiased_models::gvae::{
    DecoderKind, Derivations, Encoder, EncoderKind, Gvae, GvaeConfig, GvaeProgram, Loss, Masks,
    Notation,
};

use super::support::{STEPS, batch, grammar, network, rows, small};
use crate::support::{numbers, tensor};

/// The first one uses all steps, so that a budget forbids something on its way.
const TEXTS: [&str; 2] = ["(x)+1", "1"];

fn affine(layer: &Linear, x: &[f64]) -> Vec<f64> {
    let weight = numbers(layer.weight.val());
    let bias = numbers(layer.bias.as_ref().expect("a bias").val());
    let n = bias.len();
    let out = |j: usize| {
        bias[j]
            + x.iter()
                .enumerate()
                .map(|(i, x)| x * weight[i * n + j])
                .sum::<f64>()
    };
    (0..n).map(out).collect()
}

fn relu(x: Vec<f64>) -> Vec<f64> {
    x.into_iter().map(|x| x.max(0.0)).collect()
}

fn one_hot(choice: usize, width: usize) -> Vec<f64> {
    (0..width)
        .map(|i| f64::from(u8::from(i == choice)))
        .collect()
}

/// `channels` signals, each over the steps.
fn features(net: &Gvae, row: &[u16], width: usize) -> Vec<f64> {
    let Encoder::Convolutional(convolutions) = &net.encoder else {
        panic!("convolutions were asked for");
    };
    let mut signals: Vec<Vec<f64>> = (0..width)
        .map(|c| {
            row.iter()
                .map(|&r| f64::from(u8::from(usize::from(r) == c)))
                .collect()
        })
        .collect();
    for layer in &convolutions.layers {
        let [filters, channels, _, taps] = layer.weight.val().dims();
        let weight = numbers(layer.weight.val());
        let bias = numbers(layer.bias.as_ref().expect("a bias").val());
        let length = signals[0].len() - taps + 1;
        let at = |f: usize, t: usize| {
            let mut sum = bias[f];
            for c in 0..channels {
                for k in 0..taps {
                    sum += weight[(f * channels + c) * taps + k] * signals[c][t + k];
                }
            }
            sum.max(0.0)
        };
        signals = (0..filters)
            .map(|f| (0..length).map(|t| at(f, t)).collect())
            .collect();
    }
    relu(affine(&convolutions.features, &signals.concat()))
}

/// Logits of every step.
fn logits(
    net: &Gvae,
    z: &[f64],
    row: &[u16],
    abouts: &[usize],
    width: usize,
    contexts: usize,
) -> Vec<Vec<f64>> {
    let seen = relu(affine(&net.decoder.embed, z));
    let mut inputs: Vec<Vec<f64>> = (0..STEPS)
        .map(|t| match net.config().decoder {
            DecoderKind::Parallel => seen.clone(),
            DecoderKind::Autoregressive => {
                let before = if t == 0 {
                    vec![0.0; width]
                } else {
                    one_hot(usize::from(row[t - 1]), width)
                };
                [seen.clone(), before, one_hot(abouts[t], contexts)].concat()
            }
        })
        .collect();
    for layer in &net.decoder.layers {
        let weights = layer.weights();
        let h = layer.d_hidden;
        let (w, u) = (numbers(weights.input), numbers(weights.recurrent));
        let (b, c) = (numbers(weights.bias), numbers(weights.recurrent_bias));
        let product = |x: &[f64], m: &[f64], bias: &[f64], j: usize| {
            bias[j]
                + x.iter()
                    .enumerate()
                    .map(|(i, x)| x * m[i * 3 * h + j])
                    .sum::<f64>()
        };
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let mut state = vec![0.0; h];
        for input in &mut inputs {
            let x = |j| product(input, &w, &b, j);
            let s = |j| product(&state, &u, &c, j);
            let next: Vec<f64> = (0..h)
                .map(|j| {
                    let reset = sigmoid(x(j) + s(j));
                    let update = sigmoid(x(h + j) + s(h + j));
                    let candidate = (x(2 * h + j) + reset * s(2 * h + j)).tanh();
                    (1.0 - update) * candidate + update * state[j]
                })
                .collect();
            state.clone_from(&next);
            *input = next;
        }
    }
    inputs
        .iter()
        .map(|x| affine(&net.decoder.output, x))
        .collect()
}

/// What the grammar allows at every step of a row: of the nonterminals S (productions 0, 1) and T (2, 3, 4), of padding (5); within the budget
/// only what can be finished. And which of the three the step is about.
fn allowed(row: &[u16], masks: Masks) -> Vec<(usize, Vec<usize>)> {
    // Nonterminals that each production opens, rightmost first, and the fewest steps that finish a nonterminal.
    let opens: [&[usize]; 5] = [&[1, 0], &[1], &[0], &[], &[]];
    let fewest = [2, 1];
    let mut open = vec![0];
    let mut found = Vec::new();
    for (t, &choice) in row.iter().enumerate() {
        let Some(top) = open.pop() else {
            found.push((2, vec![5]));
            continue;
        };
        let left = STEPS - t - 1;
        let below: usize = open.iter().map(|&n: &usize| fewest[n]).sum();
        let candidates = if top == 0 { 0..2 } else { 2..5 };
        let fits = |r: &usize| {
            let needs: usize = opens[*r].iter().map(|&n| fewest[n]).sum();
            masks == Masks::Plain || below + needs <= left
        };
        found.push((top, candidates.filter(fits).collect()));
        open.extend(opens[usize::from(choice)]);
    }
    found
}

/// The cost of every text with latents at `z`, by hand.
fn by_hand(net: &Gvae, z: &[f64], masks: Masks, weight: f64) -> Vec<f64> {
    let grammar = grammar();
    let notation = Derivations::new(&grammar);
    let (width, contexts) = (notation.width(), notation.contexts());
    let latents = net.config().latents;
    let cost = |(at, row): (usize, &Vec<u16>)| {
        let z = &z[at * latents..][..latents];
        let params = affine(&net.posterior, &features(net, row, width));
        let (mean, log_std) = params.split_at(latents);
        let kl = mean
            .iter()
            .zip(log_std)
            .map(|(m, s)| 0.5 * ((2.0 * s).exp() + m * m - 1.0) - s);
        let kl: f64 = kl.sum();
        let steps = allowed(row, masks);
        let abouts: Vec<usize> = steps.iter().map(|(about, _)| *about).collect();
        let logits = logits(net, z, row, &abouts, width, contexts);
        let mut cross_entropy = 0.0;
        let mut binary = 0.0;
        for ((logits, (_, allowed)), &choice) in logits.iter().zip(&steps).zip(row) {
            let total: f64 = allowed.iter().map(|&r| logits[r].exp()).sum();
            cross_entropy -= logits[usize::from(choice)] - total.ln();
            for (r, logit) in logits.iter().enumerate() {
                let p = if allowed.contains(&r) {
                    logit.exp() / total
                } else {
                    0.0
                };
                let p = p.clamp(1e-7, 1.0 - 1e-7);
                binary -= if r == usize::from(choice) {
                    p.ln()
                } else {
                    (1.0 - p).ln()
                };
            }
        }
        match net.config().loss {
            Loss::Paper => cross_entropy + weight * kl,
            Loss::OriginalCode => binary / width as f64 + kl / latents as f64,
        }
    };
    rows(&notation, &TEXTS)
        .iter()
        .enumerate()
        .map(cost)
        .collect()
}

fn check(config: &GvaeConfig, masks: Masks, weight: f64) {
    let grammar = grammar();
    let notation = Derivations::new(&grammar);
    let net = network(config, &notation).valid();
    let z = [0.3, -0.8, 1.1, 0.4];
    let batch = batch(&notation, masks, &TEXTS);
    let program = GvaeProgram::new(&net, &batch, weight);
    let draw = |_: usize, _: &Key| Draw::Given(tensor(&z, [2, 2]));
    let trace = execute(&program, 1, 1, Weighing::Analytic, &draw, &Noise::new(0, 0));
    let got = numbers(trace.cost());
    let wanted = by_hand(&net, &z, masks, weight);
    for (got, wanted) in got.iter().zip(&wanted) {
        assert!(
            (got - wanted).abs() < 1e-10,
            "{config:?} {masks:?}: {got} {wanted}"
        );
    }
    // The check can fail: the masks of the other kind give another loss.
    let other = match masks {
        Masks::Plain => Masks::Budgeted,
        Masks::Budgeted => Masks::Plain,
    };
    assert!((got[0] - by_hand(&net, &z, other, weight)[0]).abs() > 1e-4);
}

#[test]
fn losses_are_those_of_their_definitions() {
    for decoder in [DecoderKind::Parallel, DecoderKind::Autoregressive] {
        let config = small(EncoderKind::Convolutional, decoder);
        check(&config, Masks::Plain, 1.0);
        check(&config, Masks::Budgeted, 0.25);
        let original = GvaeConfig {
            loss: Loss::OriginalCode,
            ..config
        };
        check(&original, Masks::Plain, 1.0);
    }
}
