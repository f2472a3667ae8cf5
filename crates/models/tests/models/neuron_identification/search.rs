//! The chain against the exact posterior, and turns against the best of all permutations.

use unbiased_kernels::substream;
use unbiased_models::neuron_identification::{
    Chain, Energy, Population, RecordingConfig, Swaps, log_evidence, map, mean_weights, places,
    random_names,
};
use unbiased_permutations::exact::permutations;

use super::support::{population, triangle_and_one};

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
