//! Probabilities: sums, slopes, frequencies, means, entropies and divergences.

use unbiased_estimators::law::{Gaussian, Law};

use super::{discrete, draws, tensor};
use crate::estimate::{check, compare, differences, numbers};

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

#[test]
fn links_invert_means() {
    for (law, params) in discrete().into_iter().take(3) {
        let mean = law.mean(tensor(&params, 1));
        let link = law.link().expect("logits");
        let back = numbers(law.mean(link(mean.clone())));
        check(compare("link", &back, &numbers(mean), 1e-12));
        // The ends are finite.
        let sure = law.support(params.len(), 100).expect("finite");
        let logits = link(tensor(&sure[0], 1));
        assert!(numbers(logits).iter().all(|a| a.is_finite()));
    }
}
