//! What is known in closed form given the names: the evidence, and the law of the weights.

use unbiased_kernels::substream;
use unbiased_models::neuron_identification::{
    Activity, Energy, Population, RecordingConfig, draw_weights, log_evidence, mean_weights, places,
};

use super::support::{normals, population, triangle_and_one};

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
