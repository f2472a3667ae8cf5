//! The latents behind choices: they harden to the choice, conditional ones have its law, and their Jacobians are slopes.

use burn::tensor::Tensor;
use unbiased_estimators::{
    Role,
    law::{Bernoulli, Categorical, Law},
};

use super::{discrete, draws, noise_of, scalar, tensor};
use crate::{
    estimate::{check, compare, numbers},
    grid::{Cover, interval, sigma},
    hand::softmax,
};

const EULER: f64 = 0.577_215_664_901_532_9;

#[test]
fn latents_harden_to_the_draw_of_the_same_noise_and_relax_to_it_when_cold() {
    let rows = 10_000;
    for (law, params) in discrete() {
        let width = params.len();
        let params = tensor(&params.repeat(rows), rows);
        let noise = noise_of(&*law, Role::Choice, rows, width);
        let relaxation = law.relaxation().expect("a relaxation");
        let hard = law.sample(params.clone(), noise.clone());
        let latent = relaxation.latent(params, noise);
        assert_eq!(
            numbers(relaxation.harden(latent.clone())),
            numbers(hard.clone()),
            "{law:?}"
        );
        let cold = relaxation.relax(latent, scalar(1e-4));
        // Within 0.01 of a tie nothing is said; that is one row in a hundred.
        let apart = numbers((cold - hard).abs().max_dim(1));
        let ties = apart.iter().filter(|&&d| d > 1e-6).count();
        assert!(ties < rows / 50, "{law:?}: {ties}");
    }
}

#[test]
fn conditional_latents_always_harden_to_their_choice() {
    for (law, params) in discrete() {
        let d = draws(&*law, &params, 100_000);
        let back = law.relaxation().expect("a relaxation").harden(d.latent);
        assert_eq!(numbers(back), numbers(d.hard), "{law:?}");
    }
}

#[test]
fn conditional_latents_of_a_bit_have_the_known_means() {
    // E[z~ | 1] = softplus(a) / sigma(a), E[z~ | 0] = -softplus(-a) / sigma(-a).
    let nodes = interval(0.0, 1.0, Cover::Quadrature(0.05));
    let noise: Vec<f64> = nodes
        .iter()
        .map(|(u, _)| (u[0] / (1.0 - u[0])).ln())
        .collect();
    let n = nodes.len();
    let relaxation = Bernoulli.relaxation().expect("a relaxation");
    for a in [-3.0_f64, -0.4, 0.0, 1.7] {
        for (bit, want) in [
            (1.0, a.exp().ln_1p() / sigma(a)),
            (0.0, -(-a).exp().ln_1p() / sigma(-a)),
        ] {
            let (a, bit) = (tensor(&vec![a; n], n), tensor(&vec![bit; n], n));
            let z = numbers(relaxation.conditional(a, bit, tensor(&noise, n)));
            let mean: f64 = z
                .iter()
                .zip(&nodes)
                .map(|(z, (_, weight))| z * weight)
                .sum();
            check(compare("E z~", &[mean], &[want], 1e-10));
        }
    }
}

#[test]
fn conditional_latents_of_a_choice_have_the_known_means() {
    // E[z~_b] = gamma, E[z~_i | i != b] = gamma + l_i / (1 - p_i): an average over the b that differ from i, so each
    // term is weighted by p_b / (1 - p_i).
    let law = Categorical { classes: 3 };
    let relaxation = law.relaxation().expect("a relaxation");
    let params = [0.3, -0.4, 1.1];
    let p = softmax(&params);
    let axis = interval(0.0, 1.0, Cover::Quadrature(0.1));
    let gumbel = |u: f64| -(-u.ln()).ln();
    let mut mean_of = [[0.0; 3]; 3];
    for b in 0..3 {
        for i in 0..3 {
            // z~_i depends on the noise of i and of b only.
            let (mut noise, mut weights) = (Vec::new(), Vec::new());
            for (u, weight) in &axis {
                for (v, weight_2) in &axis {
                    let mut row = [0.0; 3];
                    row[i] = gumbel(v[0]);
                    row[b] = gumbel(u[0]);
                    noise.extend(row);
                    weights.push(weight * weight_2);
                }
            }
            let n = weights.len();
            let mut hard = [0.0; 3];
            hard[b] = 1.0;
            let z = relaxation.conditional(
                tensor(&params.repeat(n), n),
                tensor(&hard.repeat(n), n),
                tensor(&noise, n),
            );
            let z = numbers(z);
            mean_of[b][i] = weights
                .iter()
                .enumerate()
                .map(|(r, w)| w * z[3 * r + i])
                .sum();
        }
        check(compare("E z~_b", &[mean_of[b][b]], &[EULER], 1e-9));
    }
    for i in 0..3 {
        let others: f64 = (0..3)
            .filter(|&b| b != i)
            .map(|b| p[b] * mean_of[b][i])
            .sum();
        let want = EULER + p[i].ln() / (1.0 - p[i]);
        check(compare("E z~_i", &[others / (1.0 - p[i])], &[want], 1e-9));
    }
}

/// Kolmogorov and Smirnov's distance of 100,000 draws exceeds 0.0105 with probability 2 exp(-2 n d^2) = 5e-10 each.
#[test]
fn conditional_latents_mixed_over_the_choice_follow_the_law_of_the_latent() {
    let rows = 100_000;
    for (law, params) in discrete() {
        let n = params.len();
        let latent = numbers(draws(&*law, &params, rows).latent);
        let log_mean: Vec<f64> = numbers(law.mean(tensor(&params, 1)).log());
        for i in 0..n {
            let distribution = |z: f64| match law.name() {
                "bernoulli" => sigma(z - params[i]),
                "plackett-luce" => (-(params[i] - z).exp()).exp(),
                // z~ has normalised logits.
                _ => (-(log_mean[i] - z).exp()).exp(),
            };
            let mut column: Vec<f64> = latent.chunks(n).map(|row| row[i]).collect();
            column.sort_by(f64::total_cmp);
            let distance = column
                .iter()
                .enumerate()
                .map(|(k, &z)| (distribution(z) - (k as f64 + 0.5) / rows as f64).abs())
                .fold(0.0, f64::max);
            assert!(distance < 0.0105, "{law:?} column {i}: {distance}");
        }
    }
}

#[test]
fn pulls_are_the_slopes_of_latents_at_fixed_noise() {
    for (law, params) in discrete() {
        let relaxation = law.relaxation().expect("a relaxation");
        let n = params.len();
        let rows = 200;
        let d = draws(&*law, &params, rows);
        let h: Vec<f64> = (0..rows * n).map(|i| (1.7 * i as f64).sin()).collect();
        let h = tensor(&h, rows);
        let along = |z: Tensor<2>| numbers((z * h.clone()).sum_dim(1));

        let free = numbers(relaxation.pull(d.params.clone(), h.clone()));
        let conditional = numbers(relaxation.pull_conditional(
            d.params.clone(),
            d.hard.clone(),
            d.latent.clone(),
            h.clone(),
        ));
        for i in 0..n {
            let step = 1e-5;
            let moved = |sign: f64| {
                let mut shifted = params.clone();
                shifted[i] += sign * step;
                tensor(&shifted.repeat(rows), rows)
            };
            let slope = |z: &dyn Fn(Tensor<2>) -> Tensor<2>| -> Vec<f64> {
                let (up, down) = (along(z(moved(1.0))), along(z(moved(-1.0))));
                up.iter()
                    .zip(&down)
                    .map(|(u, d)| (u - d) / (2.0 * step))
                    .collect()
            };
            let column = |all: &[f64]| all.chunks(n).map(|row| row[i]).collect::<Vec<_>>();
            let want = slope(&|p| relaxation.latent(p, d.noise.clone()));
            check(compare(
                &format!("pull of {law:?}"),
                &column(&free),
                &want,
                1e-8,
            ));
            let want = slope(&|p| relaxation.conditional(p, d.hard.clone(), d.noise.clone()));
            check(compare(
                &format!("z~ pull of {law:?}"),
                &column(&conditional),
                &want,
                1e-8,
            ));
        }
    }
}

#[test]
fn pushes_are_the_transposes_of_pulls() {
    for (law, params) in discrete() {
        let relaxation = law.relaxation().expect("a relaxation");
        let (n, rows) = (params.len(), 200);
        let d = draws(&*law, &params, rows);
        let wave = |k: f64| {
            tensor(
                &(0..rows * n)
                    .map(|i| (k * i as f64).sin())
                    .collect::<Vec<_>>(),
                rows,
            )
        };
        let (g, h) = (wave(0.9), wave(2.3));
        let dot = |a: Tensor<2>, b: Tensor<2>| numbers((a * b).sum_dim(1));
        let (p, b, z) = (d.params, d.hard, d.latent);
        let pulled = dot(g.clone(), relaxation.pull(p.clone(), h.clone()));
        let pushed = dot(h.clone(), relaxation.push(p.clone(), g.clone()));
        check(compare("free", &pulled, &pushed, 1e-12));
        let pulled = relaxation.pull_conditional(p.clone(), b.clone(), z.clone(), h.clone());
        let pushed = relaxation.push_conditional(p, b, z, g.clone());
        check(compare(
            "conditional",
            &dot(g, pulled),
            &dot(h, pushed),
            1e-12,
        ));
    }
}
