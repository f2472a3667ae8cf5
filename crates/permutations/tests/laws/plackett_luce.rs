//! Plackett-Luce: density, slopes, relaxed ranks and conditional noise.

use burn::tensor::{Tensor, TensorData};
use unbiased_estimators::law::Law;
use unbiased_permutations::{PlackettLuce, rank_matrix, ranks};

use crate::support::{
    check, device, differences, error, gumbels, leaf, log_prob, numbers, rankings, tensor,
};

const SCORES: [f64; 4] = [0.5, -0.3, 0.2, 1.4];

/// Every ranking in a row, under the same scores.
fn all(scores: &[f64]) -> (Tensor<2>, Tensor<2>, Vec<Vec<f64>>) {
    let lists = rankings(scores.len());
    let rows = lists.len();
    (
        tensor(&scores.repeat(rows), rows),
        tensor(&lists.concat(), rows),
        lists,
    )
}

fn temperature(t: f64) -> Tensor<1> {
    Tensor::from_data([t], &device())
}

#[test]
fn the_density_is_that_of_choices_without_replacement() {
    let (scores, every, lists) = all(&SCORES);
    let want: Vec<f64> = lists.iter().map(|r| log_prob(&SCORES, r)).collect();
    let got = numbers(PlackettLuce.log_prob(scores.clone(), every.clone()));
    check("ln p", &got, &want, 1e-14);
    let total: f64 = got.iter().map(|l| l.exp()).sum();
    check("sum over 4!", &[total], &[1.0], 1e-14);
    // Of a site, which takes relaxed ranks, too.
    let site: &dyn Law = &PlackettLuce;
    let relaxed = numbers(site.log_prob(scores.clone(), every.clone()));
    check("ln p of a site", &relaxed, &want, 1e-14);
    // A constant added to all scores is nothing; large ones do no harm.
    let shifted = numbers(PlackettLuce.log_prob(scores.clone() + 700.0, every.clone()));
    check("shifted", &shifted, &want, 1e-12);
    // Known values: (1, 2, 3) in the orders 2 1 0 and 0 1 2.
    let known = PlackettLuce.log_prob(
        tensor(&[1.0, 2.0, 3.0, 1.0, 2.0, 3.0], 2),
        tensor(&[2.0, 1.0, 0.0, 0.0, 1.0, 2.0], 2),
    );
    check(
        "known",
        &numbers(known.exp()),
        &[0.486_330, 0.024_213],
        1e-6,
    );
    // The top two: the sum over what may follow.
    let top = numbers(PlackettLuce.log_prob_top(scores, every, 2));
    for (ranks, top) in lists.iter().zip(&top) {
        let same = |other: &&Vec<f64>| {
            (0..4).all(|i| ranks[i] == other[i] || (ranks[i] >= 2.0 && other[i] >= 2.0))
        };
        let sum: f64 = lists
            .iter()
            .filter(same)
            .map(|r| log_prob(&SCORES, r).exp())
            .sum();
        check("top two", &[top.exp()], &[sum], 1e-14);
    }
    // Items for ranks, a mutant, are another law.
    let inverse = ranks(tensor(&lists.concat(), 24).neg());
    let mistaken = numbers(PlackettLuce.log_prob(tensor(&SCORES.repeat(24), 24), inverse.neg()));
    assert!(error(&mistaken, &want) > 0.1);
}

#[test]
fn moments_are_sums_over_all_rankings() {
    let (scores, every, lists) = all(&SCORES);
    let p: Vec<f64> = lists.iter().map(|r| log_prob(&SCORES, r).exp()).collect();
    let mean: Vec<f64> = (0..4)
        .map(|i| lists.iter().zip(&p).map(|(r, p)| p * r[i]).sum())
        .collect();
    let got = numbers(PlackettLuce.mean(tensor(&SCORES, 1)));
    check("mean", &got, &mean, 1e-14);
    // E[score] = 0, and the score is the slope of ln p.
    let score = numbers(PlackettLuce.score(scores, every));
    for i in 0..4 {
        let mean: f64 = score.chunks(4).zip(&p).map(|(s, p)| p * s[i]).sum();
        check("E[score]", &[mean], &[0.0], 1e-14);
    }
    for (ranks, score) in lists.iter().zip(score.chunks(4)) {
        let slope = differences(&SCORES, 1e-5, |s| log_prob(s, ranks));
        check("score", score, &slope, 1e-9);
        for relaxed in [false, true] {
            let s = leaf(&SCORES, 1);
            let r = Tensor::from_inner(tensor(ranks, 1));
            let value = if relaxed {
                PlackettLuce.log_prob_relaxed(s.clone(), r)
            } else {
                PlackettLuce.log_prob(s.clone(), r)
            };
            let tape = s.grad(&value.backward()).expect("a gradient");
            check("gradient", &numbers(tape), score, 1e-13);
        }
    }
    let best = (0..24)
        .max_by(|&a, &b| p[a].total_cmp(&p[b]))
        .expect("rankings");
    assert_eq!(numbers(PlackettLuce.mode(tensor(&SCORES, 1))), lists[best]);
}

#[test]
fn samples_are_permutations_even_of_equal_keys() {
    let ties = tensor(&[1.0, 2.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0], 2);
    assert_eq!(
        numbers(ranks(ties)),
        [2.0, 0.0, 3.0, 1.0, 0.0, 1.0, 2.0, 3.0]
    );
    let matrix = rank_matrix(tensor(&[2.0, 0.0, 1.0], 1));
    assert_eq!(
        numbers(matrix),
        [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    );
}

/// 24 frequencies of 200,000 draws, each within 4.8 standard deviations.
#[test]
fn samples_have_the_law() {
    let rows = 200_000;
    let noise = tensor(&gumbels(4 * rows, 9), rows);
    let drawn = numbers(PlackettLuce.sample(tensor(&SCORES, 1), noise));
    let worst = |scores: &[f64]| {
        let z = rankings(4).into_iter().map(|list| {
            let count = drawn.chunks(4).filter(|r| *r == list).count() as f64;
            let (n, p) = (rows as f64, log_prob(scores, &list).exp());
            (count - n * p).abs() / (n * p * (1.0 - p)).sqrt()
        });
        z.fold(0.0, f64::max)
    };
    assert!(worst(&SCORES) < 4.8);
    // Scores of another law are told apart.
    assert!(worst(&[0.5, -0.3, 0.2, 1.5]) > 8.0);
}

#[test]
fn absent_items_come_last_and_change_nothing() {
    let never = f64::NEG_INFINITY;
    let padded = [0.5, never, -0.3, never, 0.2];
    let n = 2000;
    let drawn = PlackettLuce.sample(tensor(&padded.repeat(n), n), tensor(&gumbels(5 * n, 3), n));
    let drawn = numbers(drawn);
    for row in drawn.chunks(5) {
        assert_eq!([row[1], row[3]], [3.0, 4.0]);
        let present = [row[0], row[2], row[4]];
        let want = log_prob(&[0.5, -0.3, 0.2], &present);
        let (s, r) = (leaf(&padded, 1), tensor(row, 1));
        for (what, value) in [
            (
                "scan",
                PlackettLuce.log_prob(s.clone(), Tensor::from_inner(r.clone())),
            ),
            (
                "pairs",
                PlackettLuce.log_prob_relaxed(s.clone(), Tensor::from_inner(r.clone())),
            ),
        ] {
            check(what, &numbers(value.clone()), &[want], 1e-14);
            let slope = numbers(s.grad(&value.backward()).expect("a gradient"));
            let alone = differences(&[0.5, -0.3, 0.2], 1e-5, |s| log_prob(s, &present));
            check(
                what,
                &slope,
                &[alone[0], 0.0, alone[1], 0.0, alone[2]],
                1e-9,
            );
        }
        let score = numbers(PlackettLuce.score(tensor(&padded, 1), r.clone()));
        assert!(score.iter().all(|s| s.is_finite()) && [score[1], score[3]] == [0.0, 0.0]);
        let z = PlackettLuce.conditional(tensor(&padded, 1), r, tensor(&gumbels(5, 1), 1));
        assert_eq!(numbers(ranks(z)), row);
    }
}

#[test]
fn relaxed_densities_are_continuous_in_the_ranks() {
    // A path through all corners between two rankings: no step is larger than its length allows.
    let (from, to) = ([0.0, 1.0, 2.0, 3.0], [3.0, 1.0, 0.0, 2.0]);
    let steps = 20_000;
    let path: Vec<f64> = (0..=steps)
        .flat_map(|k| {
            let t = f64::from(k) / f64::from(steps);
            (0..4).map(move |i| from[i] * (1.0 - t) + to[i] * t)
        })
        .collect();
    let rows = path.len() / 4;
    let scores = || tensor(&SCORES.repeat(rows), rows);
    let jump = |values: Vec<f64>| {
        let steps = values.windows(2).map(|w| (w[1] - w[0]).abs());
        steps.fold(0.0, f64::max)
    };
    let relaxed = PlackettLuce.log_prob_relaxed(scores(), tensor(&path, rows));
    assert!(jump(numbers(relaxed)) < 0.01);
    // Read off the order of the relaxed ranks, the density jumps.
    let by_order = PlackettLuce.log_prob(scores(), tensor(&path, rows));
    assert!(jump(numbers(by_order)) > 0.3);
    // Its slope in the ranks, away from whole differences.
    let at = [0.4, 1.1, 2.2, 2.7];
    let r = leaf(&at, 1);
    let s = Tensor::from_inner(tensor(&SCORES, 1));
    let value = PlackettLuce.log_prob_relaxed(s, r.clone());
    let slope = numbers(r.grad(&value.backward()).expect("a gradient"));
    let of =
        |r: &[f64]| numbers(PlackettLuce.log_prob_relaxed(tensor(&SCORES, 1), tensor(r, 1)))[0];
    check("slope", &slope, &differences(&at, 1e-6, of), 1e-8);
}

#[test]
fn relaxed_ranks_tend_to_exact_and_to_equal_ones() {
    let z = tensor(&[0.4, -1.0, 2.0], 1);
    let at = |t: f64| numbers(PlackettLuce.relax(z.clone(), temperature(t)));
    check("cold", &at(0.01), &[1.0, 2.0, 0.0], 1e-12);
    check("hot", &at(1e9), &[1.0; 3], 1e-8);
    let sigma = |x: f64| 1.0 / (1.0 + (-x).exp());
    check(
        "item 0",
        &at(0.7)[..1],
        &[sigma(-1.4 / 0.7) + sigma(1.6 / 0.7)],
        1e-14,
    );
}

/// Every row a conditional latent of its ranking: it ranks as it should, and together with the law of rankings it is the law of `s + Gumbel`.
#[test]
fn conditional_latents_rank_as_given_and_mix_to_gumbels() {
    let rows = 100_000;
    let scores = tensor(&SCORES.repeat(rows), rows);
    let hard = PlackettLuce.sample(scores.clone(), tensor(&gumbels(4 * rows, 1), rows));
    let noise = tensor(&gumbels(4 * rows, 2), rows);
    let z = PlackettLuce.conditional(scores, hard.clone(), noise.clone());
    assert_eq!(numbers(ranks(z.clone())), numbers(hard.clone()));
    // Kolmogorov and Smirnov: above 0.0105 with probability 2 exp(−2 n d²) = 5e-10 each.
    let distance = |z: &[f64], i: usize| {
        let mut column: Vec<f64> = z.chunks(4).map(|row| row[i]).collect();
        column.sort_by(f64::total_cmp);
        let steps = column.iter().enumerate().map(|(k, &z)| {
            let p = (-(SCORES[i] - z).exp()).exp();
            (p - (k as f64 + 0.5) / rows as f64).abs()
        });
        steps.fold(0.0, f64::max)
    };
    let z = numbers(z);
    for i in 0..4 {
        assert!(distance(&z, i) < 0.0105);
    }
    // A mutant: the noise truncated around each score rather than around what is left.
    let wrong = PlackettLuce.conditional(tensor(&vec![0.0; 4 * rows], rows), hard, noise);
    let wrong = numbers(wrong);
    assert!((0..4).any(|i| distance(&wrong, i) > 0.05));
}

/// `dz̃/ds` at fixed noise, as a map and as its transpose, against differences.
#[test]
fn slopes_of_conditional_latents() {
    let relaxation = (&PlackettLuce as &dyn Law)
        .relaxation()
        .expect("a relaxation");
    let noise = gumbels(4, 6);
    for list in rankings(4) {
        let hard = || tensor(&list, 1);
        let z =
            |s: &[f64]| numbers(relaxation.conditional(tensor(s, 1), hard(), tensor(&noise, 1)));
        let latent = tensor(&z(&SCORES), 1);
        let by_differences: Vec<Vec<f64>> = (0..4)
            .map(|i| differences(&SCORES, 1e-5, |s| z(s)[i]))
            .collect();
        for k in 0..4 {
            let mut unit = [0.0; 4];
            unit[k] = 1.0;
            let (s, u) = (|| tensor(&SCORES, 1), || tensor(&unit, 1));
            let pulled = relaxation.pull_conditional(s(), hard(), latent.clone(), u());
            check("pull", &numbers(pulled), &by_differences[k], 1e-8);
            let pushed = relaxation.push_conditional(s(), hard(), latent.clone(), u());
            let column: Vec<f64> = by_differences.iter().map(|row| row[k]).collect();
            check("push", &numbers(pushed), &column, 1e-8);
            // Shifting all scores shifts all latents.
            let total: f64 = by_differences[k].iter().sum();
            check("shift", &[total], &[1.0], 1e-8);
        }
    }
    let shape = TensorData::new(vec![0.0; 4], [1, 4]);
    let unconditional = relaxation.latent(Tensor::from_data(shape, &device()), tensor(&noise, 1));
    check("latent", &numbers(unconditional), &noise, 0.0);
}
