//! Laws: densities, scores, conditional latents and their Jacobians, Concrete densities, divergences. Plackett-Luce, which
//! the library does not know, goes through the same checks.

use burn::tensor::{Tensor, TensorData};
use unbiased_estimators::{
    Key, Noise, Role,
    law::{Bernoulli, Categorical, Gaussian, Law, RelaxationKind, Relaxing},
};

use crate::{
    estimate::{check, compare, device, differences, must_fail, numbers},
    grid::{Cover, interval, sigma},
    hand::softmax,
    programs::PlackettLuce,
};

const EULER: f64 = 0.577_215_664_901_532_9;

fn tensor(values: &[f64], rows: usize) -> Tensor<2> {
    let data = TensorData::new(values.to_vec(), [rows, values.len() / rows]);
    Tensor::from_data(data, &device().without_autodiff())
}

fn scalar(value: f64) -> Tensor<1> {
    Tensor::from_data([value], &device().without_autodiff())
}

/// Discrete laws at parameters.
fn discrete() -> Vec<(Box<dyn Law>, Vec<f64>)> {
    vec![
        (Box::new(Bernoulli), vec![0.4, -1.2, 2.5]),
        (
            Box::new(Categorical { classes: 3 }),
            vec![0.3, -0.4, 1.1, 0.2, -2.0, 0.5],
        ),
        (
            Box::new(Categorical { classes: 4 }),
            vec![1.3, -0.4, 0.1, 0.2],
        ),
        (Box::new(PlackettLuce), vec![0.5, -0.3, 0.2, 1.4]),
    ]
}

fn noise_of(law: &dyn Law, role: Role, rows: usize, width: usize) -> Tensor<2> {
    let plain = device().without_autodiff();
    Noise::new(3, 0).draw(
        law.noise(),
        &Key::new("x", 0),
        role,
        1,
        1,
        rows,
        width,
        &plain,
    )
}

/// `params` in every row, a draw of each, and a conditional latent from further noise.
struct Draws {
    params: Tensor<2>,
    hard: Tensor<2>,
    noise: Tensor<2>,
    latent: Tensor<2>,
}

fn draws(law: &dyn Law, params: &[f64], rows: usize) -> Draws {
    let params = tensor(&params.repeat(rows), rows);
    let width = params.dims()[1];
    let hard = law.sample(params.clone(), noise_of(law, Role::Choice, rows, width));
    let noise = noise_of(law, Role::Conditional, rows, width);
    let relaxation = law.relaxation().expect("a relaxation");
    let latent = relaxation.conditional(params.clone(), hard.clone(), noise.clone());
    Draws {
        params,
        hard,
        noise,
        latent,
    }
}

#[test]
fn probabilities_of_the_support_sum_to_one() {
    let sizes = [8, 9, 4, 24];
    for ((law, params), size) in discrete().into_iter().zip(sizes) {
        let support = law.support(params.len(), 100).expect("finite");
        assert_eq!(support.len(), size, "{law:?}");
        let log_probs = law.log_prob(
            tensor(&params.repeat(size), size),
            tensor(&support.concat(), size),
        );
        let total: f64 = numbers(log_probs.exp()).iter().sum();
        assert!((total - 1.0).abs() < 1e-12, "{law:?}: {total}");
        assert!(law.support(params.len(), size - 1).is_none());
        let distinct = (0..size).all(|i| !support[..i].contains(&support[i]));
        assert!(distinct, "{law:?}");
    }
}

#[test]
fn scores_and_tapes_are_the_slopes_of_log_probabilities() {
    let mut laws = discrete();
    laws.push((Box::new(Gaussian), vec![0.3, -0.8, -0.4, 0.6]));
    for (law, params) in laws {
        let values = law
            .support(params.len(), 100)
            .unwrap_or_else(|| vec![vec![0.7, -1.1], vec![-2.0, 0.1], vec![0.3, -0.8]]);
        for value in values {
            let value = tensor(&value, 1);
            let slopes = differences(&params, 1e-5, |p| {
                numbers(law.log_prob(tensor(p, 1), value.clone()))[0]
            });
            let score = numbers(law.score(tensor(&params, 1), value.clone()));
            check(compare(&format!("score of {law:?}"), &score, &slopes, 1e-9));
            let leaf = tensor(&params, 1).autodiff().require_grad();
            let tape = law.log_prob(leaf.clone(), value).backward();
            let tape = numbers(leaf.grad(&tape).expect("a gradient"));
            check(compare(&format!("tape of {law:?}"), &tape, &slopes, 1e-9));
        }
    }
}

/// 24 probabilities compared at 4e-8 each: |z| < 5.5, one false alarm in a million.
#[test]
fn draws_have_the_frequencies_of_the_law() {
    let rows = 200_000;
    for (law, params) in discrete() {
        let drawn = numbers(draws(&*law, &params, rows).hard);
        let support = law.support(params.len(), 100).expect("finite");
        let log_probs = law.log_prob(
            tensor(&params.repeat(support.len()), support.len()),
            tensor(&support.concat(), support.len()),
        );
        for (state, p) in support.iter().zip(numbers(log_probs.exp())) {
            let count = drawn
                .chunks(params.len())
                .filter(|draw| draw == state)
                .count() as f64;
            let n = rows as f64;
            let z = (count - n * p) / (n * p * (1.0 - p)).sqrt();
            assert!(z.abs() < 5.5, "{law:?} {state:?}: {count} of {n}, p = {p}");
        }
    }
}

#[test]
fn means_are_expected_values() {
    for (law, params) in discrete() {
        let support = law.support(params.len(), 100).expect("finite");
        let n = support.len();
        let probs = law
            .log_prob(tensor(&params.repeat(n), n), tensor(&support.concat(), n))
            .exp()
            .unsqueeze_dim::<2>(1);
        let want = numbers((tensor(&support.concat(), n) * probs).sum_dim(0));
        check(compare(
            "mean",
            &numbers(law.mean(tensor(&params, 1))),
            &want,
            1e-12,
        ));
    }
}

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

/// Without noise the relaxed value of `MuProp` tends to the mean when hot, that of Concrete to equal probabilities; both to
/// the choice when cold.
#[test]
fn relaxed_values_have_their_limits() {
    for (law, params) in discrete().into_iter().take(3) {
        let width = params.len();
        let relaxation = law.relaxation().expect("a relaxation");
        let params = tensor(&params, 1);
        let noise = noise_of(&*law, Role::Choice, 1, width);
        let latent = relaxation.latent(params.clone(), noise);
        let at = |t: f64, kind| {
            let relaxing = Relaxing {
                temperature: scalar(t),
                kind,
            };
            numbers(relaxing.relax(relaxation, &params, latent.clone()))
        };
        let mean = numbers(law.mean(params.clone()));
        let hot = |kind| compare("hot", &at(1e9, kind), &mean, 1e-7);
        check(hot(RelaxationKind::Muprop));
        must_fail("Concrete as the mean", hot(RelaxationKind::Concrete));
        let hard = numbers(relaxation.harden(latent.clone()));
        for kind in [RelaxationKind::Concrete, RelaxationKind::Muprop] {
            check(compare("cold", &at(1e-5, kind), &hard, 1e-6));
        }
        // z / t + a t / (t + 1), by hand.
        let t = 0.7;
        let inside = latent.clone() / t + params.clone() * (t / (t + 1.0));
        let by_hand = numbers(relaxation.relax(inside, scalar(1.0)));
        check(compare(
            "formula",
            &at(t, RelaxationKind::Muprop),
            &by_hand,
            1e-12,
        ));
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

#[test]
fn the_concrete_density_of_a_bit_integrates_to_one_and_is_the_published_one() {
    let relaxation = Bernoulli.relaxation().expect("a relaxation");
    let density = |a: f64, t: f64, y: f64| {
        let log = relaxation.log_density(tensor(&[a], 1), scalar(t), tensor(&[y], 1));
        numbers(log)[0].exp()
    };
    for (a, t) in [(0.4, 0.5), (-1.2, 2.0 / 3.0), (2.0, 1.3)] {
        // The trapezoidal rule on the whole line converges geometrically.
        let step = 0.1;
        let total: f64 = (-1200..=1200)
            .map(|i| density(a, t, f64::from(i) * step) * step)
            .sum();
        assert!((total - 1.0).abs() < 1e-10, "{total}");
        for y in [-2.0, 0.1, 1.5] {
            // Maddison et al., eq. 24, times dx/dy = x (1 - x).
            let x = sigma(y);
            let alpha = f64::exp(a);
            let published = t * alpha * (x * (1.0 - x)).powf(-t - 1.0)
                / (alpha * x.powf(-t) + (1.0 - x).powf(-t)).powi(2);
            check(compare(
                "density",
                &[density(a, t, y)],
                &[published * x * (1.0 - x)],
                1e-12,
            ));
        }
    }
}

#[test]
fn the_concrete_density_of_a_choice_integrates_to_one_and_is_the_published_one() {
    let law = Categorical { classes: 3 };
    let relaxation = law.relaxation().expect("a relaxation");
    let a = [0.3, -0.4, 0.6];
    let t = 0.7;
    let log_simplex = |r: [f64; 2]| {
        let total = (r[0].exp() + r[1].exp() + 1.0).ln();
        [r[0] - total, r[1] - total, -total]
    };
    // In log-ratios to the last class, dx = x_1 x_2 x_3 dr.
    let axis: Vec<f64> = (-150..=150).map(|i| f64::from(i) * 0.4).collect();
    let ys: Vec<f64> = axis
        .iter()
        .flat_map(|&r| axis.iter().flat_map(move |&s| log_simplex([r, s])))
        .collect();
    let n = ys.len() / 3;
    let log_density = relaxation.log_density(tensor(&a.repeat(n), n), scalar(t), tensor(&ys, n));
    let total: f64 = numbers(log_density.exp())
        .iter()
        .map(|d| d * 0.4 * 0.4)
        .sum();
    assert!((total - 1.0).abs() < 1e-9, "{total}");

    for r in [[0.2, -0.5], [1.4, 0.3], [-2.0, 0.8]] {
        let y = log_simplex(r);
        let x = y.map(f64::exp);
        // Maddison et al., eq. 10, K = 3.
        let power = |i: usize, e: f64| a[i].exp() * x[i].powf(e);
        let product: f64 = (0..3).map(|i| power(i, -t - 1.0)).product();
        let sum: f64 = (0..3).map(|i| power(i, -t)).sum();
        let published = 2.0 * t * t * product / sum.powi(3);
        let got = numbers(relaxation.log_density(tensor(&a, 1), scalar(t), tensor(&y, 1)))[0];
        check(compare(
            "density",
            &[got.exp()],
            &[published * x[0] * x[1] * x[2]],
            1e-12,
        ));
    }
    // Two choices side by side are independent.
    let (y, z) = (log_simplex([0.2, -0.5]), log_simplex([1.4, 0.3]));
    let both = relaxation.log_density(
        tensor(&a.repeat(2), 1),
        scalar(t),
        tensor(&[y, z].concat(), 1),
    );
    let each: f64 = [y, z]
        .iter()
        .map(|y| numbers(relaxation.log_density(tensor(&a, 1), scalar(t), tensor(y, 1)))[0])
        .sum();
    check(compare("two", &numbers(both), &[each], 1e-12));
}

#[test]
fn relaxed_values_are_where_their_coordinates_say() {
    let t = 0.6;
    for (law, params) in discrete().into_iter().take(3) {
        let relaxation = law.relaxation().expect("a relaxation");
        let d = draws(&*law, &params, 100);
        let relaxed = relaxation.relax(d.latent.clone(), scalar(t));
        let y = relaxation.coordinates(d.latent, scalar(t));
        let back = if law.name() == "bernoulli" {
            numbers(y).into_iter().map(sigma).collect()
        } else {
            numbers(y.exp())
        };
        check(compare("coordinates", &back, &numbers(relaxed), 1e-12));
    }
}

#[test]
fn divergences_and_entropies_are_sums_over_the_support() {
    for (law, params) in discrete().into_iter().take(3) {
        let prior: Vec<f64> = params.iter().map(|a| 0.3 - 0.6 * a * a).collect();
        let support = law.support(params.len(), 100).expect("finite");
        let n = support.len();
        let log_probs = |p: &[f64]| {
            numbers(law.log_prob(tensor(&p.repeat(n), n), tensor(&support.concat(), n)))
        };
        let (q, p) = (log_probs(&params), log_probs(&prior));
        let entropy: f64 = q.iter().map(|q| q.exp() * q).sum();
        let divergence: f64 = q.iter().zip(&p).map(|(q, p)| q.exp() * (q - p)).sum();
        let got = law
            .negative_entropy(tensor(&params, 1))
            .expect("closed form");
        check(compare("entropy", &numbers(got), &[entropy], 1e-12));
        let got = law
            .kl(tensor(&params, 1), tensor(&prior, 1))
            .expect("closed form");
        check(compare("divergence", &numbers(got), &[divergence], 1e-12));
    }
}

#[test]
fn gaussian_density_divergence_and_entropy_are_integrals() {
    let (params, prior) = ([0.3, -0.4], [-0.5, 0.2]);
    let step = 0.01;
    let at: Vec<f64> = (-2000..=2000).map(|i| f64::from(i) * step).collect();
    let n = at.len();
    let log_probs =
        |p: &[f64; 2]| numbers(Gaussian.log_prob(tensor(&p.repeat(n), n), tensor(&at, n)));
    let (q, p) = (log_probs(&params), log_probs(&prior));
    let integral = |f: &dyn Fn(usize) -> f64| (0..n).map(|i| q[i].exp() * f(i) * step).sum::<f64>();
    check(compare("mass", &[integral(&|_| 1.0)], &[1.0], 1e-12));
    let entropy = numbers(
        Gaussian
            .negative_entropy(tensor(&params, 1))
            .expect("closed form"),
    );
    check(compare("entropy", &entropy, &[integral(&|i| q[i])], 1e-12));
    let divergence = Gaussian
        .kl(tensor(&params, 1), tensor(&prior, 1))
        .expect("closed form");
    check(compare(
        "divergence",
        &numbers(divergence),
        &[integral(&|i| q[i] - p[i])],
        1e-12,
    ));
}
