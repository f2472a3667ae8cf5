//! Estimators that try several classes of a choice: the unordered set, sum-and-sample, and `exact` for some of the sites.

use burn::tensor::Tensor;
use unbiased_estimators::{
    EstimatorConfig, Noise, Objective, Schema, SiteSchema,
    rules::{At, Gradient, Rule},
};

use crate::{
    estimate::{EXPECTED, build_as, check, compare, estimate, example, must_fail},
    expectations::{exact_gradient, is_unbiased},
    grid::Plan,
    hand,
    monte_carlo::{self, ROWS},
    mutants::judge,
    programs::{
        Air, Alignment, BeliefNet, Machine, Model, Permutation, Returns, SequenceGan, Vae, Window,
    },
    small::{OneBit, OneOfThree, TwoBits},
};

fn with(name: &str, sites: &[(&str, &str)], samples: usize) -> EstimatorConfig {
    EstimatorConfig {
        sites: sites
            .iter()
            .map(|&(site, name)| (site.into(), name.into()))
            .collect(),
        samples,
        ..EstimatorConfig::named(name)
    }
}

const NAMES: [&str; 2] = ["unordered-set", "sum-and-sample"];

/// Choices by themselves or the last of a program; what follows another class has cells of its own, and Monte Carlo takes
/// those programs.
#[test]
fn sets_of_classes_have_the_exact_gradient_as_expectation() {
    let vae = Vae::default();
    for name in NAMES {
        for samples in [2, 3, 4] {
            let config = with(name, &[], samples);
            let want = exact_gradient(&OneOfThree);
            is_unbiased(&config, &OneOfThree, &Plan::orders(), &want);
            let config = with(name, &[("bits", "reinforce")], samples);
            is_unbiased(&config, &vae, &Plan::orders(), &exact_gradient(&vae));
        }
    }
}

#[test]
fn sets_of_classes_are_unbiased_in_loops() {
    for name in NAMES {
        for samples in [2, 3] {
            let gan = SequenceGan::new(Returns::Cost);
            monte_carlo::is_unbiased(&with(name, &[], samples), &gan, ROWS);
        }
        monte_carlo::is_unbiased(&with(name, &[], 2), &Machine, ROWS);
    }
}

/// `E[g g]` of two of three classes: over the pairs, each with the probability of both of its orders.
#[test]
fn the_unordered_set_has_its_known_second_moment() {
    let theta = OneOfThree.parameters();
    let p = hand::softmax(&theta[..3]);
    let f: Vec<f64> = theta[3..].iter().map(|y| y * y + y * y * y).collect();
    let mut want = vec![0.0; 3];
    for (i, j) in [(0, 1), (0, 2), (1, 2)] {
        let both = p[i] * p[j] / (1.0 - p[i]) + p[i] * p[j] / (1.0 - p[j]);
        let mut g = [0.0; 3];
        for (s, other) in [(i, j), (j, i)] {
            // R(S, s) = p_other / ((1 - p_s) P(S)); baseline p_s f_s + (1 - p_s) f_other.
            let ratio = p[other] / ((1.0 - p[s]) * both);
            let left = f[s] - p[s] * f[s] - (1.0 - p[s]) * f[other];
            for c in 0..3 {
                g[c] += p[s] * ratio * left * (f64::from(u8::from(c == s)) - p[c]);
            }
        }
        (0..3).for_each(|c| want[c] += both * g[c] * g[c]);
    }
    let moment = |name: &str| {
        let grid = Plan::orders().grid(&OneOfThree, &theta);
        let program = example(&OneOfThree, &theta, grid.weights.len());
        let mut estimator = build_as(&with(name, &[], 2), &OneOfThree, EXPECTED);
        let rows = estimate(&mut *estimator, &program, &Noise::from_source(grid.clone()));
        let mut square = vec![0.0; 3];
        for (row, weight) in rows.gradients.chunks(rows.width).zip(&grid.weights) {
            (0..3).for_each(|c| square[c] += weight * row[c] * row[c]);
        }
        square
    };
    check(compare("set", &moment("unordered-set"), &want, 1e-12));
    must_fail(
        "a set that is a sum and a sample",
        compare("set", &moment("sum-and-sample"), &want, 1e-12),
    );
}

/// Every row is exact once all classes are evaluated.
#[test]
fn nothing_is_left_to_chance_with_all_classes() {
    let theta = OneOfThree.parameters();
    let program = example(&OneOfThree, &theta, 100);
    let want = exact_gradient(&OneOfThree)[..3].repeat(100);
    let sets = NAMES.map(|name| with(name, &[], 3));
    let one = with("rloo", &[("class", "exact")], 2);
    for config in sets.iter().chain([&one]) {
        let mut estimator = build_as(config, &OneOfThree, EXPECTED);
        let rows = estimate(&mut *estimator, &program, &Noise::new(9, 0));
        let copies = rows.estimate.logit_gradients[0].1.dims()[0] / 100;
        let logits = rows.gradients.chunks(rows.width).flat_map(|row| &row[..3]);
        let logits: Vec<f64> = logits.copied().collect();
        check(compare(&config.name, &logits, &want, 1e-12));
        assert_eq!(copies, 1);
    }
    let two = with("unordered-set", &[], 2);
    let mut estimator = build_as(&two, &OneOfThree, EXPECTED);
    let rows = estimate(&mut *estimator, &program, &Noise::new(9, 0));
    let logits = rows.gradients.chunks(rows.width).flat_map(|row| &row[..3]);
    let logits: Vec<f64> = logits.copied().collect();
    must_fail("two classes of three", compare("two", &logits, &want, 1e-3));
}

#[test]
fn a_site_can_be_enumerated_while_others_are_sampled() {
    let vae = Vae::default();
    let want = exact_gradient(&vae);
    let outcomes = Plan::outcomes(1);
    let mixed = with("nvil", &[("class", "exact")], 2);
    is_unbiased(&mixed, &vae, &outcomes, &want);
    let named = with("exact", &[("bits", "reinforce")], 2);
    is_unbiased(&named, &vae, &outcomes, &want);
    let both = with("rloo", &[("class", "exact")], 2);
    is_unbiased(&both, &vae, &Plan::outcomes(2), &want);
    for model in [&OneBit as &dyn Model, &TwoBits, &OneOfThree] {
        let site = ["bit", "bits", "class"]
            .into_iter()
            .find(|&name| crate::estimate::schema(model).names() == [name])
            .expect("one site");
        let config = with("reinforce", &[(site, "exact")], 2);
        is_unbiased(&config, model, &outcomes, &exact_gradient(model));
    }
    // What follows the choice is drawn anew.
    let cases: [(EstimatorConfig, Box<dyn Model>); 6] = [
        (with("rloo", &[("present", "exact")], 2), Box::new(Air)),
        (with("rloo", &[("h1", "exact")], 2), Box::new(BeliefNet)),
        (with("nvil", &[("write", "exact")], 2), Box::new(Machine)),
        (with("nvil", &[("emit", "exact")], 2), Box::new(Alignment)),
        (
            with("nvil", &[("bit", "exact")], 2),
            Box::new(Window { bonus: 0.1 }),
        ),
        (
            with("nvil", &[("order", "exact")], 2),
            Box::new(Permutation),
        ),
    ];
    for (config, model) in cases {
        monte_carlo::is_unbiased(&config, &*model, ROWS / 2);
    }
}

/// Two classes without replacement, weighed as if they had been drawn with it.
#[derive(Clone, Copy, PartialEq)]
enum Ratio {
    Right,
    None,
    /// With the other's probability where its own belongs.
    Swapped,
}

#[derive(Clone)]
struct Pairs(Ratio);

impl Rule for Pairs {
    fn check(&self, _: &SiteSchema, _: &Schema, _: &Objective) -> Result<(), String> {
        Ok(())
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let (first, p) = (at.hard(), at.site().law.mean(at.params()));
        let latent = at.params() + at.choice_noise();
        let second = at
            .site()
            .law
            .sample(latent - first.clone() * 1e3, at.choice_noise().zeros_like());
        let f = at.replay(Tensor::cat(vec![first.clone(), second.clone()], 0));
        let f = f.transpose();
        let prob = |class: &Tensor<2>| (class.clone() * p.clone()).sum_dim(1);
        let (pi, pj) = (prob(&first), prob(&second));
        let rest = |x: &Tensor<2>| x.clone().neg() + 1.0;
        let order = pi.clone() * pj.clone();
        let both = order.clone() / rest(&pi) + order.clone() / rest(&pj);
        let weight = |own: &Tensor<2>, other: &Tensor<2>| match self.0 {
            Ratio::Right => own.clone() * other.clone() / rest(own) / both.clone(),
            Ratio::None => own.ones_like() * 0.5,
            Ratio::Swapped => own.clone() * other.clone() / rest(other) / both.clone(),
        };
        let (fi, fj) = (f.clone().narrow(1, 0, 1), f.narrow(1, 1, 1));
        let logits =
            weight(&pi, &pj) * fi * (first - p.clone()) + weight(&pj, &pi) * fj * (second - p);
        Some(Gradient {
            logits,
            tuning: None,
            evaluations: 0.0,
        })
    }
}

#[test]
fn pairs_without_their_ratios_are_caught() {
    let judge = |ratio| judge(&Pairs(ratio), &OneOfThree, EXPECTED, &Plan::orders());
    check(judge(Ratio::Right));
    must_fail("pairs without a ratio", judge(Ratio::None));
    must_fail("pairs with swapped ratios", judge(Ratio::Swapped));
}
