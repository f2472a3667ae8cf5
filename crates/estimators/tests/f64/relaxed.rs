//! Estimators that take a relaxed choice for the exact one: what their expectation is instead.

use unbiased_estimators::{Address, EstimatorConfig, Noise, Objective, Source};

use crate::{
    estimate::{
        EXPECTED, build, build_as, check, compare, differences, estimate, exact, example,
        expectation, numbers,
    },
    expectations::is_defined,
    grid::{Plan, sigma},
    hand,
    programs::{Model, Window, all},
    small::{Chain, OneBit, OneOfThree},
};

#[test]
fn straight_through_has_its_known_biased_expectation() {
    // g = f'(b) p (1 - p) for a bit, f'(b) = 2 (b - t) + s: E g = (2 (p - t) + s) p (1 - p).
    let theta = OneBit.parameters();
    let p = sigma(theta[0]);
    let mut estimator = build("straight-through", &OneBit, EXPECTED);
    assert!(estimator.is_biased());
    let grid = Plan::outcomes(1).grid(&OneBit, &theta);
    let got = expectation(&mut *estimator, &OneBit, &theta, &grid);
    let biased = (2.0 * (p - theta[1]) + theta[2]) * p * (1.0 - p);
    check(compare("straight-through", &got[..1], &[biased], 1e-12));
    // The direct part, here in t and s, has no bias.
    check(compare(
        "direct",
        &got[1..],
        &exact(&OneBit, &theta, EXPECTED)[1..],
        1e-12,
    ));

    // One of three, f = y^2 + y^3 with y = w.x: g = J (2 y + 3 y^2) w, J = diag(p) - p p^T.
    let theta = OneOfThree.parameters();
    let (p, w) = (hand::softmax(&theta[..3]), &theta[3..]);
    let mean: f64 = (0..3).map(|i| p[i] * w[i]).sum();
    let slope: f64 = (0..3)
        .map(|i| p[i] * (2.0 * w[i] + 3.0 * w[i].powi(2)))
        .sum();
    let want: Vec<f64> = (0..3).map(|i| p[i] * (w[i] - mean) * slope).collect();
    let mut estimator = build("straight-through", &OneOfThree, EXPECTED);
    let grid = Plan::outcomes(1).grid(&OneOfThree, &theta);
    let got = expectation(&mut *estimator, &OneOfThree, &theta, &grid);
    check(compare("straight-through", &got[..3], &want, 1e-12));
}

#[test]
fn straight_through_passes_through_one_choice_to_the_next() {
    let theta = Chain.parameters();
    let t = |i: usize| theta[i];
    let slope = |a: f64| sigma(a) * sigma(-a);
    let mut want = [0.0; 2];
    for first in [0.0, 1.0] {
        for second in [0.0, 1.0] {
            let (a, prior) = (t(1) + t(2) * first, t(3) + t(4) * first);
            let bit = |a: f64, b: f64| sigma((2.0 * b - 1.0) * a);
            let p = bit(t(0), first) * bit(a, second);
            let error = 4.0 * (first + t(6) * second - t(7));
            let to_second = slope(a) * (a - prior) + error * t(6) * slope(a);
            let to_prior = sigma(prior) - sigma(a);
            let to_first = 2.0 * (first - t(5)) + error + to_second * t(2) + to_prior * t(4);
            want[0] += p * to_first * slope(t(0));
            want[1] += p * to_second;
        }
    }
    let mut estimator = build("straight-through", &Chain, EXPECTED);
    let grid = Plan::outcomes(1).grid(&Chain, &theta);
    let got = expectation(&mut *estimator, &Chain, &theta, &grid);
    check(compare("straight-through", &got[..2], &want, 1e-12));
}

/// `E[(b - t)^2]` is least at `p = 0` for `t < 1/2`, yet straight-through comes to rest at `p = t`.
#[test]
fn straight_through_rests_where_the_mean_meets_the_target() {
    let t = 0.3;
    let expected_at = |p: f64| {
        let theta = [(p / (1.0 - p)).ln(), t, 0.0];
        let grid = Plan::outcomes(1).grid(&OneBit, &theta);
        let mut estimator = build("straight-through", &OneBit, EXPECTED);
        let biased = expectation(&mut *estimator, &OneBit, &theta, &grid)[0];
        (biased, exact(&OneBit, &theta, EXPECTED)[0])
    };
    assert!(expected_at(t).0.abs() < 1e-12);
    assert!(expected_at(0.2).0 < 0.0 && expected_at(0.4).0 > 0.0);
    for p in [0.2, 0.3, 0.4] {
        assert!(expected_at(p).1 > 0.0, "the true gradient always lowers p");
    }
}

/// On a grid of fixed noise the relaxed objective is an ordinary function.
#[test]
fn pathwise_estimates_are_the_slopes_of_their_cost_at_fixed_noise() {
    for model in all() {
        if !is_defined("concrete", model.name()) {
            continue;
        }
        let theta = model.parameters();
        let objectives = if ["belief net", "vae", "air"].contains(&model.name()) {
            vec![
                EXPECTED,
                Objective::LogMeanWeight { k: 1 },
                Objective::LogMeanWeight { k: 3 },
            ]
        } else {
            vec![EXPECTED]
        };
        // An outside term has a slope but is no part of the cost.
        let window = Window { bonus: 0.0 };
        let model: &dyn Model = if model.name() == "window" {
            &window
        } else {
            &*model
        };
        for objective in objectives {
            let noise = Noise::new(5, 0);
            let mut estimator = build("concrete", model, objective);
            let rows = estimate(&mut *estimator, &example(model, &theta, 4), &noise);
            let costs = |t: &[f64], row: usize| {
                let mut estimator = build("concrete", model, objective);
                let program = example(model, t, 4);
                numbers(estimator.estimate(&program, &noise).cost)[row]
            };
            for row in 0..4 {
                let want = differences(&theta, 1e-5, |t| costs(t, row));
                let got = &rows.gradients[row * theta.len()..][..theta.len()];
                let what = format!("concrete on {} {objective:?}", model.name());
                check(compare(&what, got, &want, 1e-8));
            }
        }
    }
}

/// The relaxed cost holds the densities of the relaxed variables at their own temperatures, not a discrete divergence.
#[test]
fn the_concrete_cost_is_that_of_the_relaxed_model() {
    struct Fixed;
    impl Source for Fixed {
        fn fill(&self, at: Address<'_>, out: &mut [f64]) {
            out.fill(if &*at.key.name == "first" { 0.3 } else { 0.8 });
        }
    }
    let theta = Chain.parameters();
    let t = |i: usize| theta[i];
    let (warm, cold) = (0.7, 0.4);
    let logit = |u: f64| (u / (1.0 - u)).ln();
    let first = sigma((t(0) + logit(0.3)) / warm);
    let (a, prior) = (t(1) + t(2) * first, t(3) + t(4) * first);
    let y = (a + logit(0.8)) / warm;
    let log_density = |a: f64, t: f64| t.ln() - t * y + a - 2.0 * (a - t * y).exp().ln_1p();
    let want = (first - t(5)).powi(2) + log_density(a, warm) - log_density(prior, cold)
        + 2.0 * (first + t(6) * sigma(y) - t(7)).powi(2);
    let config = EstimatorConfig {
        temperature: Some(warm),
        prior_temperature: cold,
        ..EstimatorConfig::named("concrete")
    };
    let mut estimator = build_as(&config, &Chain, EXPECTED);
    let estimate = estimator.estimate(&example(&Chain, &theta, 1), &Noise::from_source(Fixed));
    check(compare(
        "relaxed cost",
        &numbers(estimate.cost),
        &[want],
        1e-12,
    ));
}
