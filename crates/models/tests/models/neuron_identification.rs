//! Names of neurons: the likelihood from the recording itself, bounds against double loops, gradients against differences, chain and turns
//! against all permutations.

use burn::tensor::Tensor;
use unbiased_estimators::{EstimatorConfig, Noise, Objective, Schema};
use unbiased_kernels::{NoiseLaw, substream, uniforms};
use unbiased_models::Matching;
use unbiased_models::neuron_identification::{
    Activity, Chain, Connectome, Energy, Method, NeuronConfig, NeuronProgram, Population,
    Posterior, RecordingConfig, Recordings, Swaps, draw_weights, log_evidence, map, mean_weights,
    places, random_names,
};
use unbiased_permutations::exact::permutations;

use crate::support::{device, differences, edit, gradient, numbers, stirred, values, worst};

/// Some connections among `n` neurons side by side.
fn connectome(n: usize) -> Connectome {
    let pairs = (0..n).flat_map(|i| (0..i).map(move |j| [i, j]));
    let some = pairs.filter(|&[i, j]| (i * 3 + j * 5) % 4 != 0);
    Connectome::new((0..n).map(|i| i as f64 / n as f64).collect(), some)
}

/// Four neurons, a triangle and one more: unlike four that are all connected, they can be told apart.
fn triangle_and_one() -> Connectome {
    let positions = vec![0.0, 0.25, 0.5, 0.75];
    Connectome::new(positions, [[0, 1], [1, 2], [1, 3], [2, 3]])
}

fn population(n: usize, config: &RecordingConfig, seed: u64) -> Population {
    Population::simulate(connectome(n), config, seed)
}

fn normals(count: usize, stream: u64) -> Vec<f64> {
    let mut u = vec![0.0; count];
    uniforms(stream, &mut u);
    u.into_iter()
        .map(|u| NoiseLaw::Normal.quantile(u))
        .collect()
}

/// `Σ_t |y_t − Q y_t₋₁|²`, `y` `[times, n]`.
fn squares(y: &[f64], q: &[f64], n: usize) -> f64 {
    let mut total = 0.0;
    for (before, now) in y.chunks_exact(n).zip(y[n..].chunks_exact(n)) {
        for (row, now) in q.chunks_exact(n).zip(now) {
            let mean: f64 = row.iter().zip(before).map(|(q, y)| q * y).sum();
            total += (now - mean).powi(2);
        }
    }
    total
}

/// `P W Pᵀ`.
fn conjugate(p: &[f64], w: &[f64], n: usize) -> Vec<f64> {
    let mut q = vec![0.0; n * n];
    for (i, q) in q.iter_mut().enumerate() {
        let (a, b) = (i / n, i % n);
        for c in 0..n {
            for d in 0..n {
                *q += p[a * n + c] * w[c * n + d] * p[b * n + d];
            }
        }
    }
    q
}

fn matrix(names: &[usize]) -> Vec<f64> {
    let n = names.len();
    let mut p = vec![0.0; n * n];
    names
        .iter()
        .enumerate()
        .for_each(|(a, &c)| p[a * n + c] = 1.0);
    p
}

#[test]
fn energies_and_their_changes_are_those_of_the_recording() {
    let n = 5;
    let y = normals(9 * n, 1);
    let activity = Activity::of(&y, n);
    let mut w = normals(n * n, 2);
    w[3] = 0.0;
    let energy = Energy::new(w.clone(), n);
    let s01: Vec<f64> = (0..n * n)
        .map(|k| activity.s10[k % n * n + k / n])
        .collect();
    let names = [3, 0, 4, 1, 2];
    let at = places(&names);
    let direct = |names: &[usize]| squares(&y, &conjugate(&matrix(names), &w, n), n);
    let total = energy.total(&activity, &at);
    assert!((total - direct(&names)).abs() < 1e-9);
    // The inverse is another permutation.
    assert!((total - direct(&at)).abs() > 1e-2);
    for a in 0..n {
        for b in 0..a {
            let mut swapped = names;
            swapped.swap(a, b);
            let change = energy.change(&activity, &s01, &at, [names[a], names[b]]);
            assert!((change - (direct(&swapped) - total)).abs() < 1e-9);
        }
    }
}

/// Y given names is, neuron by neuron, normal around 0 with covariance `I + s² X Xᵀ`, X the activities of its neighbours a step before.
#[test]
fn the_evidence_is_that_of_the_normal_law_without_weights() {
    let n = 4;
    let recording = RecordingConfig {
        worms: 1,
        times: 7,
        eta: 2.0,
        given: 0,
    };
    let mut population = Population::simulate(triangle_and_one(), &recording, 3);
    let y = normals(7 * n, 4);
    population.worms[0].activity = Activity::of(&y, n);
    population.weight_sd = 0.6;
    let names = [2, 0, 3, 1];
    let at = places(&names);
    let steps = 6;
    let mut direct = 0.0;
    for (c, neighbours) in population.connectome.neighbours.iter().enumerate() {
        let lagged = |t: usize, d: usize| y[t * n + at[d]];
        let mut covariance = vec![0.0; steps * steps];
        for (k, v) in covariance.iter_mut().enumerate() {
            let (s, t) = (k / steps, k % steps);
            let product = neighbours.iter().map(|&d| lagged(s, d) * lagged(t, d));
            *v = 0.36 * product.sum::<f64>() + f64::from(u8::from(s == t));
        }
        let observed: Vec<f64> = (1..=steps).map(|t| y[t * n + at[c]]).collect();
        direct += log_normal(covariance, &observed);
    }
    let evidence = |names: &[usize]| log_evidence(&population, &[names.to_vec()]);
    assert!((evidence(&names) - direct).abs() < 1e-9);
    assert!((evidence(&at) - direct).abs() > 1e-2);
}

/// `ln N(x; 0, C)` by elimination.
fn log_normal(mut c: Vec<f64>, x: &[f64]) -> f64 {
    let n = x.len();
    let mut r = x.to_vec();
    let mut total = 0.0;
    for k in 0..n {
        let pivot = c[k * n + k];
        total -= 0.5 * ((std::f64::consts::TAU * pivot).ln() + r[k] * r[k] / pivot);
        for i in k + 1..n {
            let factor = c[i * n + k] / pivot;
            r[i] -= factor * r[k];
            for j in k..n {
                c[i * n + j] -= factor * c[k * n + j];
            }
        }
    }
    total
}

#[test]
fn weights_given_names_have_their_normal_law() {
    let recording = RecordingConfig {
        worms: 2,
        times: 12,
        eta: 2.0,
        given: 0,
    };
    let n = 4;
    let population = population(n, &recording, 3);
    let names = vec![vec![1, 3, 0, 2], vec![2, 1, 3, 0]];
    // −2 ln p(Y, W | names), but for a constant.
    let deviance = |w: &[f64]| {
        let energy = Energy::new(w.to_vec(), n);
        let worms = population.worms.iter().zip(&names);
        let fit: f64 = worms
            .map(|(worm, names)| energy.total(&worm.activity, &places(names)))
            .sum();
        fit + w.iter().map(|w| w * w).sum::<f64>() / population.weight_sd.powi(2)
    };
    let mean = mean_weights(&population, &names);
    let at = |k: usize, by: f64| {
        let mut w = mean.clone();
        w[k] += by;
        deviance(&w)
    };
    for [i, j] in population.connectome.connections() {
        let k = i * n + j;
        assert!((at(k, 1e-4) - at(k, -1e-4)).abs() / 2e-4 < 1e-6);
    }
    // −2 ln p grows as a χ² with as many degrees of freedom as there are weights.
    let degrees = population.connectome.connections().count() as f64;
    let draws = 2000;
    let excess: Vec<f64> = (0..draws)
        .map(|k| deviance(&draw_weights(&population, &names, substream(7, k))) - deviance(&mean))
        .collect();
    let average = excess.iter().sum::<f64>() / draws as f64;
    let error = (2.0 * degrees / draws as f64).sqrt();
    assert!(
        (average - degrees).abs() < 5.0 * error,
        "{average} {degrees}"
    );
}

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
        for temperature in [1.0, 0.6] {
            let config = config(method, temperature, 1.0);
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
            let gamma = libm::tgamma(1.0 + RATIO);
            -RATIO.ln() + EULER * (RATIO - 1.0) + RATIO * x + gamma * (-RATIO * x).exp() - 1.0
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
        let config = config(method, TAU, 0.0);
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

/// The joint posterior of the names of two worms, by the evidence of all pairs of allowed permutations; marginals `[worm][a, c]`.
fn marginals(population: &Population, n: usize) -> Vec<Vec<f64>> {
    let allowed = |j: usize| {
        let worm = &population.worms[j];
        let may = move |list: &Vec<usize>| {
            let pairs = list.iter().enumerate();
            pairs.into_iter().all(|(a, &c)| worm.candidates[a * n + c])
        };
        permutations(n).unwrap().filter(may).collect::<Vec<_>>()
    };
    let (first, second) = (allowed(0), allowed(1));
    let mut all = Vec::new();
    for one in &first {
        for two in &second {
            let names = vec![one.clone(), two.clone()];
            all.push((log_evidence(population, &names), names));
        }
    }
    let most = all.iter().fold(f64::NEG_INFINITY, |m, (e, _)| m.max(*e));
    let total: f64 = all.iter().map(|(e, _)| (e - most).exp()).sum();
    let mut marginals = vec![vec![0.0; n * n]; 2];
    for (evidence, names) in all {
        let p = (evidence - most).exp() / total;
        for (marginals, names) in marginals.iter_mut().zip(names) {
            names
                .iter()
                .enumerate()
                .for_each(|(a, &c)| marginals[a * n + c] += p);
        }
    }
    marginals
}

fn largest_gap(counts: &[Vec<f64>], exact: &[Vec<f64>], n: usize) -> f64 {
    let mut gap: f64 = 0.0;
    for (counts, exact) in counts.iter().zip(exact) {
        let total: f64 = counts[..n].iter().sum();
        let gaps = counts.iter().zip(exact).map(|(k, p)| (k / total - p).abs());
        gap = gaps.fold(gap, f64::max);
    }
    gap
}

#[test]
fn the_chain_has_the_exact_posterior() {
    let n = 4;
    let recording = RecordingConfig {
        worms: 2,
        times: 5,
        eta: 0.6,
        given: 0,
    };
    let mut population = Population::simulate(triangle_and_one(), &recording, 11);
    let exact = marginals(&population, n);
    let swaps = Swaps::new(&population);
    let mut chain = Chain::new(random_names(&population, 1).unwrap());
    for k in 1..=120_000 {
        chain.sweep(&population, &swaps, 3, k, substream(5, k));
    }
    // Neighbouring sweeps are alike: after 8,000 of them gaps are .04 to .06.
    let gap = largest_gap(&chain.counts, &exact, n);
    assert!(gap < 0.03, "{gap}: {exact:?}");
    // The posterior is .15 away from the prior, which is that of weights that are 0.
    population.weight_sd = 1e-6;
    let prior = marginals(&population, n);
    assert!(largest_gap(&chain.counts, &prior, n) > 0.1);
}

#[test]
fn turns_find_the_best_names_of_small_worms() {
    let n = 7;
    let recording = RecordingConfig {
        worms: 1,
        times: 600,
        eta: 2.0,
        given: 0,
    };
    let (mut best, mut drawn) = (0, 0);
    for seed in 0..10 {
        let population = population(n, &recording, seed);
        let worm = &population.worms[0];
        let truth = vec![worm.truth.clone()];
        let energy = Energy::new(mean_weights(&population, &truth), n);
        let of = |names: &[usize]| energy.total(&worm.activity, &places(names));
        let all = permutations(n).unwrap().map(|names| of(&names));
        let least = all.fold(f64::INFINITY, f64::min);
        let found = of(&map::frank_wolfe(&energy, worm).unwrap());
        best += usize::from(found < least + 1e-6);
        drawn += usize::from(of(&random_names(&population, seed).unwrap()[0]) < least + 1e-6);
    }
    assert!(best >= 7 && drawn <= 1, "{best} {drawn}");
}
