//! Pathwise gradients of bounds: of one normal variable against plain numbers, of two that follow one another against
//! differences of the bound.

use std::f64::consts::PI;

use burn::tensor::{Tensor, activation::softmax};
use unbiased_estimators::{
    Draw, Estimator, Key, Noise, Objective, Run, Schema, Site, SiteSchema, Sited, execute,
    rules::{At, Gradient, Rule},
};

use crate::{
    estimate::{
        build, check, compare, differences, estimate, example, expectation, expectations,
        must_fail, schema,
    },
    grid::{Grid, normal_grid, trapezoid},
    monte_carlo::Moments,
    programs::{Model, Theta},
};

/// One normal latent variable, seen through a parabola.
struct Parabola;

impl Model for Parabola {
    fn name(&self) -> &'static str {
        "parabola"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![0.4, -0.3, 0.1, 0.2, 0.9]
    }

    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let site = Site::new(theta.take(2)).prior(theta.take(2));
        let z = run.gaussian("z", site).value;
        let seen = theta.take(1) * z.clone() + z.square() * 0.3;
        let error = (seen - 0.7).square() * -0.5;
        run.log_lik("x", error.squeeze_dim::<1>(1));
    }
}

impl Parabola {
    fn log_weight(t: &[f64], eps: f64) -> f64 {
        let z = t[0] + t[1].exp() * eps;
        let normal = |mean: f64, log_std: f64| {
            let standard = (z - mean) / log_std.exp();
            -0.5 * standard * standard - log_std - 0.5 * (2.0 * PI).ln()
        };
        let error = t[4] * z + 0.3 * z * z - 0.7;
        normal(t[2], t[3]) - normal(t[0], t[1]) - 0.5 * error * error
    }

    /// `d ln w/dz` at fixed posterior parameters.
    fn slope(t: &[f64], eps: f64) -> f64 {
        let z = t[0] + t[1].exp() * eps;
        let error = t[4] * z + 0.3 * z * z - 0.7;
        -(z - t[2]) / (2.0 * t[3]).exp() + eps / t[1].exp() - error * (t[4] + 0.6 * z)
    }
}

/// The second of two normal latent variables has parameters that the first one moves, and the prior of the first one is
/// given by the second.
struct TwoLayers;

impl Model for TwoLayers {
    fn name(&self) -> &'static str {
        "two layers"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![0.4, -0.3, -0.2, 0.8, -0.4, 0.3, 0.1, 0.2, 0.5, 0.9]
    }

    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let first = run.gaussian("first", Site::new(theta.take(2)));
        let mean = theta.take(1) + theta.take(1) * first.value.clone();
        let log_std = theta.take(1) + first.value.clone() * 0.2;
        let site = Site::new(Tensor::cat(vec![mean, log_std], 1)).prior(theta.take(2));
        let second = run.gaussian("second", site).value;
        let prior = Tensor::cat(vec![theta.take(1) * second.clone(), theta.take(1)], 1);
        run.log_prior(&first, prior);
        let seen = theta.take(1) * first.value + second;
        let error = (seen - 0.7).square() * -0.5;
        run.log_lik("x", error.squeeze_dim::<1>(1));
    }
}

/// Draws of `k` standard normals on a grid.
fn grid(model: &dyn Model, k: usize, step: f64) -> Grid {
    normal_grid(&schema(model), k, &trapezoid(step))
}

/// Standard normals and weights of `k` samples, as in [`grid`].
fn nodes(k: usize, step: f64) -> Vec<(Vec<f64>, f64)> {
    let n = (7.0 / step).round() as i32;
    let axis = (-n..=n).map(|i| {
        let x = f64::from(i) * step;
        (x, step * (-0.5 * x * x).exp() / (2.0 * PI).sqrt())
    });
    (0..k).fold(vec![(Vec::new(), 1.0)], |all, _| {
        let next = |(eps, w): &(Vec<f64>, f64)| {
            let (eps, w) = (eps.clone(), *w);
            axis.clone()
                .map(move |(x, v)| ([eps.as_slice(), &[x]].concat(), w * v))
        };
        all.iter().flat_map(next).collect()
    })
}

/// Minus the bound of the parabola.
fn bound(t: &[f64], nodes: &[(Vec<f64>, f64)]) -> f64 {
    nodes
        .iter()
        .map(|(eps, weight)| {
            let sum: f64 = eps.iter().map(|&e| Parabola::log_weight(t, e).exp()).sum();
            -weight * (sum / eps.len() as f64).ln()
        })
        .sum()
}

/// `-E[sum_k w~_k^power d ln w_k/dz_k dz_k/da]` of the parabola.
fn path(t: &[f64], nodes: &[(Vec<f64>, f64)], power: i32) -> [f64; 2] {
    let mut g = [0.0; 2];
    for (eps, weight) in nodes {
        let w: Vec<f64> = eps
            .iter()
            .map(|&e| Parabola::log_weight(t, e).exp())
            .collect();
        let total: f64 = w.iter().sum();
        for (&e, w) in eps.iter().zip(&w) {
            let part = -weight * (w / total).powi(power) * Parabola::slope(t, e);
            g[0] += part;
            g[1] += part * t[1].exp() * e;
        }
    }
    g
}

const TIGHT: f64 = 1e-8;

#[test]
fn pathwise_and_doubly_reparameterized_gradients_of_a_bound_have_the_exact_gradient_as_expectation()
{
    let theta = Parabola.parameters();
    for (k, step) in [(1, 0.05), (2, 0.1), (3, 0.25)] {
        let (grid, nodes) = (grid(&Parabola, k, step), nodes(k, step));
        let want = differences(&theta, 1e-5, |t| bound(t, &nodes));
        let objective = Objective::LogMeanWeight { k };
        let got = |name: &str| {
            let mut estimator = build(name, &Parabola, objective);
            assert_eq!(estimator.is_biased(), name == "stl" && k > 1);
            expectations(&mut *estimator, &Parabola, &theta, &grid)
        };
        for name in ["pathwise", "dreg"] {
            let (gradient, cost) = got(name);
            check(compare(&format!("{name}, {k}"), &gradient, &want, TIGHT));
            check(compare("cost", &[cost], &[bound(&theta, &nodes)], TIGHT));
        }
        // Each as its paper has it; the gradient of the model is that of the bound in all.
        let (stl, dreg) = (got("stl").0, got("dreg").0);
        check(compare("dreg", &dreg[..2], &path(&theta, &nodes, 2), 1e-10));
        check(compare("stl", &stl[..2], &path(&theta, &nodes, 1), 1e-10));
        check(compare("model", &stl[2..], &want[2..], TIGHT));
        let landing = compare("stl", &stl, &want, TIGHT);
        if k == 1 {
            check(landing);
        } else {
            must_fail("the bias of stl", landing);
        }
    }
}

/// `dreg` written from outside, with any power of the weights and the score kept or not.
#[derive(Clone)]
struct Doubly {
    power: i32,
    keeps_score: bool,
    /// Later parameters are held constant where the earlier choice moves them.
    stops_later: bool,
}

impl Rule for Doubly {
    fn check(&self, _: &SiteSchema, _: &Schema, _: &Objective) -> Result<(), String> {
        Ok(())
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let leaf = at.hard().autodiff().require_grad();
        let draw = |index: usize, _: &Key| match index {
            _ if index == at.index() => Draw::Given(leaf.clone()),
            _ if index < at.index() || self.stops_later => {
                Draw::Given(at.trace().sites[index].hard.clone())
            }
            _ => Draw::Pathwise,
        };
        let k = at.samples();
        let weighing = unbiased_estimators::Weighing::Sampled;
        let trace = execute(at.frozen(), k, k, weighing, &draw, at.noise());
        let slope = leaf.grad(&trace.cost().sum().backward()).expect("a slope");
        let law = at.site().law.clone();
        let law = law.reparameterization().expect("continuous");
        let path = law.pull(at.params(), at.choice_noise(), slope);
        let weights = softmax(at.log_weights().expect("a bound"), 0).flatten::<1>(0, 1);
        let weights = weights.unsqueeze_dim::<2>(1);
        let path = path * weights.clone().powi_scalar(self.power);
        Some(Gradient {
            logits: if self.keeps_score {
                path
            } else {
                path - weights * at.score()
            },
            tuning: None,
            evaluations: k as f64,
        })
    }
}

/// A rule at every site.
fn everywhere(rule: &Doubly, model: &dyn Model, k: usize) -> Sited {
    let schema = schema(model);
    let rules = schema
        .names()
        .into_iter()
        .map(|name| (name.into(), Box::new(rule.clone()) as Box<dyn Rule>))
        .collect();
    Sited::new(rules, &schema, Objective::LogMeanWeight { k })
}

/// Its expectation.
fn mean(rule: &Doubly, model: &dyn Model, k: usize, grid: &Grid) -> Vec<f64> {
    let mut estimator = everywhere(rule, model, k);
    expectation(&mut estimator, model, &model.parameters(), grid)
}

const RIGHT: Doubly = Doubly {
    power: 2,
    keeps_score: false,
    stops_later: false,
};

#[test]
fn mistakes_in_the_doubly_reparameterized_gradient_are_caught() {
    let theta = Parabola.parameters();
    let (grid, nodes) = (grid(&Parabola, 2, 0.1), nodes(2, 0.1));
    let want = differences(&theta, 1e-5, |t| bound(t, &nodes));
    let judge = |rule: Doubly| compare("mutant", &mean(&rule, &Parabola, 2, &grid), &want, TIGHT);
    check(judge(RIGHT));
    must_fail(
        "weights to the first power",
        judge(Doubly { power: 1, ..RIGHT }),
    );
    must_fail(
        "weights to the third power",
        judge(Doubly { power: 3, ..RIGHT }),
    );
    let kept = Doubly {
        keeps_score: true,
        ..RIGHT
    };
    must_fail("the score on the tape", judge(kept));
}

/// The first choice moves the parameters of the second, also within its density.
#[test]
fn choices_that_follow_one_another_are_reparameterized_through() {
    let theta = TwoLayers.parameters();
    let grid = grid(&TwoLayers, 1, 0.2);
    let build = |name, k| build(name, &TwoLayers, Objective::LogMeanWeight { k });
    let cost = |t: &[f64]| expectations(&mut *build("pathwise", 1), &TwoLayers, t, &grid).1;
    let want = differences(&theta, 1e-5, cost);
    let judge = |got: &[f64]| compare("two layers", got, &want, TIGHT);
    for name in ["pathwise", "stl", "dreg"] {
        let got = expectation(&mut *build(name, 1), &TwoLayers, &theta, &grid);
        check(judge(&got));
    }
    let stopped = Doubly {
        stops_later: true,
        ..RIGHT
    };
    must_fail(
        "later parameters held constant",
        judge(&mean(&stopped, &TwoLayers, 1, &grid)),
    );

    // Two samples have four dimensions; two estimators of the same gradient must agree.
    let moments =
        |estimator: &mut dyn Estimator, seed| Moments::of(estimator, &TwoLayers, 50_000, seed);
    let pathwise = moments(&mut *build("pathwise", 2), 41);
    let against = |estimator: &mut dyn Estimator| {
        moments(estimator, 42).against("two layers, two samples", &pathwise.mean, &pathwise.error)
    };
    check(against(&mut *build("dreg", 2)));
    must_fail("the bias of stl", against(&mut *build("stl", 2)));
    must_fail(
        "later parameters held constant",
        against(&mut everywhere(&stopped, &TwoLayers, 2)),
    );
}

/// Rainforth et al., "Tighter Variational Bounds Are Not Necessarily Better", 2018: the signal-to-noise ratio of the plain
/// gradient at the posterior falls as `K^(-1/2)`, that of the model grows as `K^(1/2)`; that of `dreg` grows at both.
#[test]
fn the_signal_of_the_posterior_drowns_in_more_samples_but_for_the_doubly_reparameterized() {
    let theta = [0.9, 0.2, 0.1, 0.2, 0.9];
    let ratio = |name: &str, k: usize, coordinate: usize| {
        let mut estimator = build(name, &Parabola, Objective::LogMeanWeight { k });
        let rows = 10_000;
        let noise = Noise::new(8, k as u64);
        let got = estimate(&mut *estimator, &example(&Parabola, &theta, rows), &noise);
        let values = || got.gradients.chunks(got.width).map(|row| row[coordinate]);
        let mean = values().sum::<f64>() / rows as f64;
        let variance = values().map(|g| (g - mean).powi(2)).sum::<f64>() / rows as f64;
        mean.abs() / variance.sqrt()
    };
    for (name, coordinate, falls) in [
        ("pathwise", 0, true),
        ("pathwise", 4, false),
        ("dreg", 0, false),
        ("dreg", 4, false),
    ] {
        let ratios = [4, 16, 64].map(|k| ratio(name, k, coordinate));
        println!("{name}, coordinate {coordinate}: {ratios:.3?}");
        // Four times the samples: about a factor of 2 either way, known to 10 % from so many rows.
        for pair in ratios.windows(2) {
            let factor = pair[1] / pair[0];
            assert!(
                if falls { factor < 0.7 } else { factor > 1.25 },
                "{name}, coordinate {coordinate}: {ratios:?}"
            );
        }
    }
}
