//! Bounds against double loops, their gradients against differences.

use burn::tensor::Tensor;
use unbiased_estimators::{EstimatorConfig, Noise, Objective, Schema};
use unbiased_models::Matching;
use unbiased_models::neuron_identification::{
    Activity, Method, NeuronConfig, NeuronProgram, Population, Posterior, RecordingConfig,
    Recordings,
};

use super::support::{conjugate, matrix, population};
use crate::support::{device, differences, edit, gradient, numbers, stirred, values, worst};

fn config(method: Method, temperature: f64, noise: f64) -> NeuronConfig {
    NeuronConfig {
        method,
        matching: Matching {
            temperature,
            iterations: 7,
            noise,
        },
        prior_temperature: 0.8,
        deviation: 0.3,
        ..NeuronConfig::default()
    }
}

const METHODS: [Method; 5] = [
    Method::NaiveVi,
    Method::Rounding,
    Method::GumbelSinkhornWithoutKl,
    Method::GumbelSinkhorn,
    Method::GumbelSinkhornTightened,
];

fn small() -> Population {
    let recording = RecordingConfig {
        worms: 2,
        times: 6,
        eta: 0.5,
        given: 1,
    };
    population(5, &recording, 8)
}

fn posterior(config: &NeuronConfig, recordings: &Recordings) -> Posterior {
    stirred(
        Posterior::new(config, recordings, &device().autodiff()),
        1.0,
        0.4,
    )
}

/// Estimate of the bound with the noise of `seed`: its value and its gradient.
fn bound(
    model: &Posterior,
    config: &NeuronConfig,
    recordings: &Recordings,
    seed: u64,
) -> (f64, Tensor<1>) {
    let program = NeuronProgram::new(model, config, recordings, 3);
    let schema = Schema::of(&program);
    let mut pathwise = EstimatorConfig::named("pathwise")
        .build(&schema, Objective::default(), &device().autodiff())
        .unwrap();
    let estimate = pathwise.estimate(&program, &Noise::new(seed, 0));
    let cost = numbers(estimate.cost);
    (cost.iter().sum::<f64>() / 3.0, estimate.surrogate)
}

#[test]
fn gradients_of_the_bound_equal_finite_differences() {
    let population = small();
    let recordings = Recordings::new(&population, &device());
    for method in METHODS {
        for (temperature, noise) in [(1.0, 1.0), (0.6, 1.0), (0.8, 0.3)] {
            let config = config(method, temperature, noise);
            let model = posterior(&config, &recordings);
            let value = |model: &Posterior| bound(model, &config, &recordings, 1).0;
            let want = differences(&model, value);
            let got = gradient(&model, bound(&model, &config, &recordings, 1).1);
            assert!(worst(&got, &want) < 1e-6, "{method:?} {temperature}");
            // Other noise gives another gradient.
            let other = gradient(&model, bound(&model, &config, &recordings, 2).1);
            assert!(worst(&other, &want) > 1e-2, "{method:?} {temperature}");
        }
    }
}

/// Rows, then columns, as often as the law does.
fn balanced(x: &[f64], n: usize, iterations: usize) -> Vec<f64> {
    let mut p: Vec<f64> = x.iter().map(|x| x.exp()).collect();
    for _ in 0..iterations {
        for row in p.chunks_exact_mut(n) {
            let sum: f64 = row.iter().sum();
            for p in row.iter_mut() {
                *p /= sum;
            }
        }
        for c in 0..n {
            let sum: f64 = (0..n).map(|a| p[a * n + c]).sum();
            (0..n).for_each(|a| p[a * n + c] /= sum);
        }
    }
    p
}

/// ln standard deviations so small that there is no noise.
const LN_SD: f64 = -25.0;
/// Factor of the Gumbel noise, as small; without any the divergence would be infinite.
const NOISE: f64 = 1e-9;
/// τ and τₚ/τ of the comparison, and the largest V.
const TAU: f64 = 0.6;
const RATIO: f64 = 0.8 / TAU;
const DEVIATION: f64 = 0.3;

/// The names without noise, of scores x, −∞ where they may not be.
fn plain_names(method: Method, x: &[f64], n: usize) -> Vec<f64> {
    match method {
        Method::NaiveVi => {
            let best = |row: &[f64]| (0..n).max_by(|&c, &d| row[c].total_cmp(&row[d]));
            let rows = x.chunks_exact(n).flat_map(|row| {
                let best = best(row);
                (0..n).map(move |c| f64::from(u8::from(Some(c) == best)))
            });
            rows.collect()
        }
        Method::Rounding => {
            let p = balanced(x, n, 10);
            let pairs = p.iter().zip(x);
            let may: Vec<f64> = pairs
                .map(|(&p, &x)| if x.is_finite() { p } else { x })
                .collect();
            let best = unbiased_permutations::assign(&may, [n, n]).unwrap().list();
            let vertex = matrix(&best);
            let pairs = p.iter().zip(vertex);
            pairs.map(|(p, v)| TAU * p + (1.0 - TAU) * v).collect()
        }
        _ => {
            let scaled: Vec<f64> = x.iter().map(|x| x / TAU).collect();
            balanced(&scaled, n, 7)
        }
    }
}

/// What the law of one entry that may be costs, at score x and value p.
fn plain_divergence(method: Method, x: f64, p: f64) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    let two_pi = std::f64::consts::TAU;
    match method {
        Method::NaiveVi | Method::GumbelSinkhorn => {
            // Rows have noise of factor 1. (X + sε)/τ = (X/s + ε)/(τ/s).
            let s = if method == Method::NaiveVi {
                1.0
            } else {
                NOISE
            };
            let (r, x) = (RATIO * s, x / s);
            -r.ln() + EULER * (r - 1.0) + r * x + libm::tgamma(1.0 + r) * (-r * x).exp() - 1.0
        }
        Method::Rounding => {
            let normal = |mean: f64| (-(p - mean).powi(2) / 0.2).exp() / (two_pi * 0.1).sqrt();
            let ln_prior = (0.5 * (normal(0.0) + normal(1.0))).ln();
            // σ(−25) is e^−25.
            let ln_deviation = LN_SD + DEVIATION.ln();
            -ln_prior - (0.5 * (1.0 + two_pi.ln()) + ln_deviation + TAU.ln())
        }
        _ => 0.0,
    }
}

/// `−ln p(Y | Q)` by double loops over the statistics.
fn plain_cost(activity: &Activity, q: &[f64], n: usize) -> f64 {
    let Activity {
        steps,
        s00,
        s10,
        s11,
    } = activity;
    let mut quadratic = *s11;
    for a in 0..n {
        for b in 0..n {
            quadratic -= 2.0 * q[a * n + b] * s10[a * n + b];
            let product: f64 = (0..n).map(|c| q[c * n + a] * q[c * n + b]).sum();
            quadratic += s00[a * n + b] * product;
        }
    }
    0.5 * ((steps * n) as f64 * std::f64::consts::TAU.ln() + quadratic)
}

/// Without noise the bound is a number that loops over the statistics of the recordings give, too. (That of the tightened divergence is
/// tested where it is defined.)
#[test]
fn bounds_without_noise_equal_double_loops() {
    let population = small();
    let recordings = Recordings::new(&population, &device());
    let n = 5;
    let connections: Vec<[usize; 2]> = population.connectome.connections().collect();
    let e = connections.len();
    for method in METHODS {
        if method == Method::GumbelSinkhornTightened {
            continue;
        }
        let config = config(method, TAU, NOISE);
        // Rows are made hard by scores far apart, 0 to 240 in each: their noise cannot be switched off.
        let apart = |k: usize| 60.0 * ((2 * k + k / n) % n) as f64;
        let model = edit(posterior(&config, &recordings), |i, v| match i {
            i if (e..2 * e).contains(&i) || i >= 2 * e + 2 * n * n => LN_SD,
            i if i >= 2 * e && method == Method::NaiveVi => apart(i - 2 * e),
            _ => v,
        });
        let parameters = values(&model);
        let mut w = vec![0.0; n * n];
        let mut cost = 0.0;
        for (&[i, j], mean) in connections.iter().zip(&parameters) {
            w[i * n + j] = population.weight_sd * mean;
            cost += 0.5 * (mean * mean + (2.0 * LN_SD).exp() - 1.0) - LN_SD;
        }
        let scores = parameters[2 * e..].chunks_exact(n * n);
        for (worm, scores) in population.worms.iter().zip(scores) {
            let pairs = worm.candidates.iter().zip(scores);
            let x: Vec<f64> = pairs
                .map(|(&may, &x)| if may { x } else { f64::NEG_INFINITY })
                .collect();
            let p = plain_names(method, &x, n);
            let allowed = x.iter().zip(&p).filter(|(x, _)| x.is_finite());
            cost += allowed
                .map(|(&x, &p)| plain_divergence(method, x, p))
                .sum::<f64>();
            cost += plain_cost(&worm.activity, &conjugate(&p, &w, n), n);
        }
        let (got, _) = bound(&model, &config, &recordings, 1);
        let off = (got - cost).abs() / cost.abs();
        assert!(off < 1e-6, "{method:?}: {got} {cost}");
    }
}
