//! Stick-breaking and rounding as choices: both against quadrature of their definitions, where two elements leave few dimensions.

use burn::tensor::{Device, Tensor};
use unbiased_estimators::{
    Address, ESTIMATORS, EstimatorConfig, Noise, Objective, Program, Role, Run, Schema, Site,
    Source, law::Law,
};
use unbiased_permutations::birkhoff::{Polytope, Rounding, StickBreaking};
use unbiased_permutations::sites::{Construction, OnPolytope};

use crate::support::{check, device, differences, error, leaf, numbers, tensor};

const EXPECTED: Objective = Objective::Expected { discount: 1.0 };

const STICKS: OnPolytope = OnPolytope {
    construction: Construction::StickBreaking,
    temperature: 0.6,
    polytope: Polytope::Birkhoff,
};
const ROUNDED: OnPolytope = OnPolytope {
    construction: Construction::Rounding,
    temperature: 0.5,
    polytope: Polytope::Simplex,
};

/// `Σ w_i x_i + (Σ w_i x_i²)²`, and a divergence from a prior if there is one.
struct Weighted {
    params: Tensor<2>,
    law: OnPolytope,
    prior: Option<Vec<f64>>,
}

const WEIGHTS: [f64; 9] = [1.0, -0.5, 0.2, 0.7, 0.3, -1.0, 0.1, 0.6, 0.4];

fn cost(x: &[f64]) -> f64 {
    let sum = |power: i32| -> f64 { x.iter().zip(WEIGHTS).map(|(x, w)| w * x.powi(power)).sum() };
    sum(1) + sum(2).powi(2)
}

impl Program for Weighted {
    fn batch(&self) -> usize {
        self.params.dims()[0]
    }

    fn device(&self) -> Device {
        self.params.device()
    }

    fn run(&self, run: &mut Run<'_>) {
        let mut site = Site::new(run.rows(self.params.clone()));
        if let Some(prior) = &self.prior {
            site = site.prior(tensor(prior, 1));
        }
        let x = run.law("x", self.law, site).value;
        let width = x.dims()[1];
        let weights = tensor(&WEIGHTS[..width], 1);
        let sum = |x: Tensor<2>| (x * weights.clone()).sum_dim(1).squeeze_dim::<1>(1);
        let cost = sum(x.clone()) + sum(x.square()).square();
        if self.prior.is_some() {
            run.log_lik("x", cost.neg());
        } else {
            run.cost("x", cost, run.mark());
        }
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(Self {
            params: self.params.clone().inner(),
            law: self.law,
            prior: self.prior.clone(),
        })
    }
}

/// Standard normals for each copy and row, with weights that sum to one.
#[derive(Clone)]
struct Nodes {
    weights: Vec<f64>,
    /// By copy and row.
    z: Vec<Vec<[f64; 2]>>,
}

impl Source for Nodes {
    fn fill(&self, at: Address<'_>, out: &mut [f64]) {
        out.fill(0.5);
        if at.role == Role::Choice {
            for (u, z) in out.iter_mut().zip(self.z[at.copy][at.row]) {
                // Beyond, uniforms are 1, and weights are nothing.
                let z = z.clamp(-8.0, 8.0);
                *u = 0.5 * libm::erfc(-z / core::f64::consts::SQRT_2);
            }
        }
    }
}

/// The trapezoidal rule for one normal variable.
fn line(step: f64) -> Vec<[f64; 2]> {
    let count = (7.5 / step) as i32;
    let density = |z: f64| (-0.5 * z * z).exp() / core::f64::consts::TAU.sqrt();
    (-count..=count)
        .map(|k| step * f64::from(k))
        .map(|z| [z, step * density(z)])
        .collect()
}

impl Nodes {
    /// One dimension, for each of `copies`.
    fn of_one(copies: usize, step: f64) -> Self {
        let line = line(step);
        let total = line.len().pow(copies as u32);
        let at = |row: usize, copy: usize| line[row / line.len().pow(copy as u32) % line.len()];
        Self {
            weights: (0..total)
                .map(|row| (0..copies).map(|copy| at(row, copy)[1]).product())
                .collect(),
            z: (0..copies)
                .map(|copy| (0..total).map(|row| [at(row, copy)[0], 0.0]).collect())
                .collect(),
        }
    }

    /// Two dimensions, of which `Σ c_i z_i = edge` cuts the plane in two: Gauss and Legendre's rule on both sides.
    fn cut(c: [f64; 2], edge: f64) -> Self {
        const PANELS: usize = 24;
        const GAUSS: [[f64; 2]; 5] = [
            [0.0, 0.568_888_888_888_888_9],
            [0.538_469_310_105_683_1, 0.478_628_670_499_366_5],
            [-0.538_469_310_105_683_1, 0.478_628_670_499_366_5],
            [0.906_179_845_938_664, 0.236_926_885_056_189_1],
            [-0.906_179_845_938_664, 0.236_926_885_056_189_1],
        ];
        let length = c[0].hypot(c[1]);
        let (along, edge) = ([c[0] / length, c[1] / length], edge / length);
        let width = 8.0 / PANELS as f64;
        let mut nodes = Self {
            weights: Vec::new(),
            z: vec![Vec::new()],
        };
        for panel in 0..2 * PANELS {
            let middle = edge - 8.0 + (panel as f64 + 0.5) * width;
            for [x, w] in GAUSS {
                let across = middle + 0.5 * width * x;
                let weight = 0.5 * width * w * (-0.5 * across * across).exp()
                    / core::f64::consts::TAU.sqrt();
                for [other, of_other] in line(0.25) {
                    let [a, b] = along;
                    nodes.z[0].push([a * across - b * other, b * across + a * other]);
                    nodes.weights.push(weight * of_other);
                }
            }
        }
        let total: f64 = nodes.weights.iter().sum();
        assert!((total - 1.0).abs() < 1e-8, "{total}");
        nodes
    }
}

/// The expectation of an estimate of every row's gradient.
fn expectation(
    name: &str,
    law: OnPolytope,
    params: &[f64],
    prior: Option<Vec<f64>>,
    nodes: &Nodes,
) -> Vec<f64> {
    let rows = nodes.weights.len();
    let program = Weighted {
        params: leaf(&params.repeat(rows), rows),
        law,
        prior,
    };
    let mut config = EstimatorConfig::named(name);
    config.sites.insert("x".into(), name.into());
    let mut estimator = config
        .build(&Schema::of(&program), EXPECTED, &device().autodiff())
        .unwrap_or_else(|error| panic!("{error}"));
    let estimate = estimator.estimate(&program, &Noise::from_source(nodes.clone()));
    let gradients = estimate.surrogate.backward();
    let gradient = numbers(program.params.grad(&gradients).expect("a gradient"));
    let mut mean = vec![0.0; params.len()];
    for (row, weight) in gradient.chunks(params.len()).zip(&nodes.weights) {
        let pairs = mean.iter_mut().zip(row);
        pairs.for_each(|(mean, g)| *mean += weight * g * rows as f64);
    }
    mean
}

const STICK: [f64; 2] = [0.4, -0.3];

/// Two elements: `x_11` = σ(ψ/τ), `ψ ~ N(μ, ν²)`.
fn expected_cost(params: &[f64]) -> f64 {
    let value = |z: f64| {
        let x = 1.0 / (1.0 + (-(params[0] + params[1].exp() * z) / 0.6).exp());
        cost(&[x, 1.0 - x, 1.0 - x, x])
    };
    line(0.05).iter().map(|[z, w]| w * value(*z)).sum()
}

#[test]
fn estimates_of_stick_breaking_have_the_slope_of_the_expected_cost() {
    let want = differences(&STICK, 1e-5, expected_cost);
    let one = Nodes::of_one(1, 0.05);
    let two = Nodes::of_one(2, 0.1);
    for (name, nodes) in [
        ("pathwise", &one),
        ("reinforce", &one),
        ("moving-average", &one),
        ("rloo", &two),
    ] {
        let got = expectation(name, STICKS, &STICK, None, nodes);
        check(name, &got, &want, 1e-6);
    }
    // The divergence of the normal laws behind.
    let prior = [0.1, 0.2];
    let kl = |p: &[f64]| {
        let ratio = (p[1] - prior[1]).exp();
        let shift = (p[0] - prior[0]) / prior[1].exp();
        0.5 * (ratio * ratio + shift * shift - 1.0) - (p[1] - prior[1])
    };
    let want = differences(&STICK, 1e-5, |p| expected_cost(p) + kl(p));
    let got = expectation("pathwise", STICKS, &STICK, Some(prior.to_vec()), &one);
    check("with a prior", &got, &want, 1e-6);
}

const ROUND: [f64; 4] = [0.3, -0.2, -0.4, -0.9];

/// A choice among two by rounding: the quadrature knows where it jumps.
fn cut(params: &[f64]) -> (Nodes, [f64; 2]) {
    let p = 1.0 / (1.0 + (params[1] - params[0]).exp());
    let deviation = [params[2].exp(), params[3].exp()];
    let nodes = Nodes::cut([deviation[0], -deviation[1]], 1.0 - 2.0 * p);
    (nodes, [p, 1.0 - p])
}

fn expected_rounded(params: &[f64]) -> f64 {
    let (nodes, mean) = cut(params);
    let value = |z: &[f64; 2]| {
        let psi = [0, 1].map(|i| mean[i] + params[2 + i].exp() * z[i]);
        let top = usize::from(psi[1] > psi[0]);
        let mut x = psi.map(|psi| 0.5 * psi);
        x[top] += 0.5;
        cost(&x)
    };
    let terms = nodes.z[0].iter().zip(&nodes.weights);
    terms.map(|(z, w)| w * value(z)).sum()
}

/// Pathwise misses the jumps; the density does not.
#[test]
fn estimates_of_rounding_have_the_slope_of_the_expected_cost_but_for_pathwise() {
    let want = differences(&ROUND, 1e-4, expected_rounded);
    let (nodes, _) = cut(&ROUND);
    let got = expectation("reinforce", ROUNDED, &ROUND, None, &nodes);
    check("reinforce", &got, &want, 1e-5);
    let got = expectation("pathwise", ROUNDED, &ROUND, None, &nodes);
    assert!(error(&got, &want) > 0.05, "{got:?} {want:?}");
    // At temperature 1 there is nothing to round.
    let smooth = OnPolytope {
        temperature: 1.0,
        ..ROUNDED
    };
    let plane = Nodes::cut([1.0, 0.0], 0.0);
    let [a, b] =
        ["pathwise", "reinforce"].map(|name| expectation(name, smooth, &ROUND, None, &plane));
    check("at temperature 1", &a, &b, 1e-5);
}

fn laws() -> [(OnPolytope, usize); 4] {
    use Construction::{Rounding, StickBreaking};
    let at = |construction, polytope| OnPolytope {
        construction,
        temperature: 0.7,
        polytope,
    };
    [
        (at(StickBreaking, Polytope::Birkhoff), 8),
        (at(StickBreaking, Polytope::Simplex), 4),
        (at(Rounding, Polytope::Birkhoff), 18),
        (at(Rounding, Polytope::Simplex), 6),
    ]
}

fn params(count: usize) -> Vec<f64> {
    (0..count)
        .map(|i| 0.6 * (1.7 * i as f64 + 0.3).sin() - 0.2)
        .collect()
}

fn normals(count: usize) -> Vec<f64> {
    (0..count)
        .map(|i| 1.1 * (2.3 * i as f64 + 0.9).sin())
        .collect()
}

#[test]
fn values_and_densities_are_those_of_the_laws_and_scores_their_slopes() {
    for (law, count) in laws() {
        let rows = 2;
        let theta = params(rows * count);
        let at = |theta: &[f64]| tensor(theta, rows);
        let width = law.width(count);
        let noise = normals(rows * width);
        let x = law.sample(at(&theta), tensor(&noise, rows));
        assert_eq!(x.dims(), [rows, width]);
        let density = |theta: &[f64]| numbers(law.log_prob(at(theta), x.clone()));
        let score = numbers(law.score(at(&theta), x.clone()));
        let want = differences(&theta, 1e-5, |theta| density(theta).iter().sum());
        check(law.name(), &score, &want, 1e-7);
        let slope = |theta: &[f64]| -> f64 {
            let x = numbers(law.sample(at(theta), tensor(&noise, rows)));
            x.iter()
                .enumerate()
                .map(|(i, x)| x * (1.0 + i as f64))
                .sum()
        };
        let leaf = leaf(&theta, rows);
        let places: Vec<f64> = (0..rows * width).map(|i| 1.0 + i as f64).collect();
        let weighted = law.sample(leaf.clone(), tensor(&noise, rows)) * tensor(&places, rows);
        let gradients = weighted.sum().backward();
        let got = numbers(leaf.grad(&gradients).expect("a path"));
        check(law.name(), &got, &differences(&theta, 1e-5, slope), 1e-7);
    }
}

/// The divergence is the mean of a log-ratio of densities, and rounding's entropy that of one.
#[test]
fn divergences_are_mean_log_ratios() {
    const ROWS: usize = 40_000;
    for (law, count) in laws() {
        let (theta, prior) = (params(count), vec![0.1; count]);
        let one = |p: &[f64]| tensor(&p.repeat(ROWS), ROWS);
        let noise = Noise::new(3, 0).draw(
            law.noise(),
            &unbiased_estimators::Key::new("x", 0),
            Role::Choice,
            1,
            1,
            ROWS,
            law.width(count),
            &device(),
        );
        let x = law.sample(one(&theta), noise);
        let log_q = numbers(law.log_prob(one(&theta), x.clone()));
        let log_p = numbers(law.log_prob(one(&prior), x));
        let near = |what: &str, terms: Vec<f64>, want: f64| {
            let mean = terms.iter().sum::<f64>() / ROWS as f64;
            let square = terms.iter().map(|t| (t - mean).powi(2)).sum::<f64>();
            let error = square.sqrt() / ROWS as f64;
            let name = law.name();
            assert!(
                (mean - want).abs() < 5.0 * error,
                "{name} {what}: {mean} ± {error}, {want}"
            );
        };
        let kl = law
            .kl(tensor(&theta, 1), tensor(&prior, 1))
            .expect("closed");
        let ratios = log_q.iter().zip(&log_p).map(|(q, p)| q - p).collect();
        near("divergence", ratios, numbers(kl)[0]);
        match (law.construction, law.negative_entropy(tensor(&theta, 1))) {
            (Construction::Rounding, Some(entropy)) => near("entropy", log_q, numbers(entropy)[0]),
            (Construction::StickBreaking, None) => (),
            (construction, _) => panic!("{construction:?}"),
        }
    }
}

/// A site is the law of `birkhoff` with its parameters side by side.
#[test]
fn parameters_are_those_of_the_laws() {
    let three = |x: &[f64], n: usize| tensor(x, 1).reshape([1, n, n]);
    let theta = params(8);
    let noise = normals(9);
    let deviation: Vec<f64> = theta[4..].iter().map(|x| x.exp()).collect();
    let law = StickBreaking {
        mean: three(&theta[..4], 2),
        deviation: three(&deviation, 2),
        temperature: 0.7,
        polytope: Polytope::Birkhoff,
    };
    let draw = law.sample(three(&noise[..4], 2)).expect("a law");
    let site = laws()[0].0;
    let value = site.sample(tensor(&theta, 1), tensor(&noise, 1));
    check(
        "sticks",
        &numbers(value.clone()),
        &numbers(draw.value),
        1e-14,
    );
    let log_prob = numbers(site.log_prob(tensor(&theta, 1), value));
    check("sticks", &log_prob, &numbers(draw.log_prob), 1e-8);

    let mut theta = params(18);
    theta[2] = f64::NEG_INFINITY;
    let deviation: Vec<f64> = theta[9..].iter().map(|x| x.exp()).collect();
    let law = Rounding {
        scores: three(&theta[..9], 3),
        deviation: three(&deviation, 3),
        temperature: 0.7,
        polytope: Polytope::Birkhoff,
    };
    let draw = law.sample(three(&noise, 3)).expect("a law");
    let site = laws()[2].0;
    let value = site.sample(tensor(&theta, 1), tensor(&noise, 1));
    check(
        "rounding",
        &numbers(value.clone()),
        &numbers(draw.value),
        1e-14,
    );
    assert_eq!(numbers(value.clone())[2], 0.0);
    let log_prob = numbers(site.log_prob(tensor(&theta, 1), value.clone()));
    check("rounding", &log_prob, &numbers(draw.log_prob), 1e-8);
    let kl = site
        .kl(tensor(&theta, 1), tensor(&theta, 1))
        .expect("closed");
    check("of itself", &numbers(kl), &[0.0], 1e-14);
    let score = numbers(site.score(tensor(&theta, 1), value));
    assert!(score.iter().all(|s| s.is_finite()) && score[2] == 0.0 && score[11] == 0.0);
}

#[test]
fn what_is_not_defined_is_refused_with_what_is() {
    for (law, count) in laws() {
        let program = Weighted {
            params: leaf(&params(count), 1),
            law,
            prior: None,
        };
        let schema = Schema::of(&program);
        let mut taken = Vec::new();
        for (name, _) in ESTIMATORS.iter().filter(|(name, _)| *name != "exact") {
            let mut config = EstimatorConfig::named(name);
            config.sites.insert("x".into(), (*name).into());
            match config.build(&schema, EXPECTED, &device().autodiff()) {
                Ok(_) => taken.push(*name),
                Err(error) => {
                    let message = error.to_string();
                    assert!(
                        message.contains("use ") || message.contains("needs"),
                        "{name}: {message}"
                    );
                }
            }
        }
        println!("{}: {taken:?}", law.name());
    }
}

#[test]
#[should_panic(expected = "two halves of a square")]
fn parameters_must_fit() {
    let _ = laws()[0].0.width(7);
}
