//! Matched points: rows of the table that need no training, against figures computed elsewhere on other problems of the same law; the bound by hand,
//! and its gradient against finite differences.

use unbiased_estimators::{EstimatorConfig, Noise, NoiseLaw, Objective, Schema};
use unbiased_models::birkhoff_matching::{
    Evidence, MatchingConfig, MatchingProgram, Posterior, Problem, Relaxation, Rival,
};
use unbiased_permutations::{Error, exact::permutations};

use crate::support::{device, differences, gradient, numbers, stirred, worst};

/// The four variances of the table are the squares of these.
const NOISES: [f64; 4] = [0.1, 0.25, 0.5, 0.75];

/// Means over problems, and the standard errors of those.
fn row(rival: Rival, problems: u64) -> [[f64; 2]; 4] {
    NOISES.map(|sd| {
        let distance = |number| {
            let problem = Problem::random(6, sd, 17, number).unwrap();
            let law = rival.law(&problem, 1000 + number).unwrap();
            assert!((law.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            problem.distance(&law).unwrap()
        };
        let all: Vec<f64> = (0..problems).map(distance).collect();
        let mean = all.iter().sum::<f64>() / problems as f64;
        let variance = all.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / problems as f64;
        [mean, (variance / problems as f64).sqrt()]
    })
}

/// Both means have errors, theirs over 200 problems: four standard errors of the difference.
fn agrees(rival: Rival, problems: u64, expected: [f64; 4]) {
    let row = row(rival, problems);
    for ([mean, error], expected) in row.iter().zip(expected) {
        let both = error * (1.0 + problems as f64 / 200.0).sqrt();
        assert!(
            (mean - expected).abs() < 4.0 * both + 2e-3,
            "{rival:?}: {row:?}"
        );
    }
}

#[test]
fn rows_without_training() {
    agrees(Rival::Map, 200, [0.053, 0.281, 0.568, 0.729]);
    let mallows = |theta| Rival::Mallows { theta };
    agrees(mallows(2.0), 200, [0.228, 0.346, 0.548, 0.688]);
    agrees(mallows(5.0), 200, [0.046, 0.287, 0.564, 0.726]);
    let samples = 1000;
    agrees(Rival::Exact { samples }, 200, [0.004, 0.020, 0.062, 0.121]);
    let samples = 5000;
    let matching = |scale| Rival::GumbelMatching { scale, samples };
    agrees(matching(1.0), 40, [0.021, 0.073, 0.128, 0.148]);
    agrees(matching(1.25), 40, [0.007, 0.028, 0.058, 0.083]);
    agrees(matching(1.5), 40, [0.005, 0.019, 0.054, 0.095]);
}

/// A long chain comes near to the posterior, a short one less so.
#[test]
fn the_chain_has_the_posterior_as_its_law() {
    let problem = Problem::random(4, 0.75, 5, 0).unwrap();
    let distance = |samples| {
        let law = Rival::Chain { samples }.law(&problem, 3).unwrap();
        problem.distance(&law).unwrap()
    };
    assert!(distance(400_000) < 0.02, "{}", distance(400_000));
    assert!(distance(30) > 0.05);
}

#[test]
fn two_points_have_a_logistic_posterior() {
    let problem = Problem::new(
        vec![[0.0, 0.0], [1.0, 0.5]],
        vec![[0.8, 0.1], [0.3, 0.2]],
        0.5,
    )
    .unwrap();
    let square = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
    let straight = square([0.0, 0.0], [0.8, 0.1]) + square([1.0, 0.5], [0.3, 0.2]);
    let crossed = square([0.0, 0.0], [0.3, 0.2]) + square([1.0, 0.5], [0.8, 0.1]);
    let p = 1.0 / (1.0 + ((straight - crossed) / 0.5).exp());
    assert!((problem.posterior()[0] - p).abs() < 1e-12);
    let certain = problem.distance(&[1.0, 0.0]).unwrap();
    assert!((certain - (1.0 - p.sqrt()).sqrt()).abs() < 1e-12);
}

/// Observed in another order, the posterior is that of the other order: every order occurs.
#[test]
fn observations_come_in_random_order() {
    let mut modes = [0; 6];
    for number in 0..300 {
        let problem = Problem::random(3, 0.01, 2, number).unwrap();
        let best = problem.posterior().iter().copied().enumerate();
        modes[best.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0] += 1;
    }
    assert!(modes.iter().all(|&count| count > 25), "{modes:?}");
}

fn config(law: Relaxation) -> MatchingConfig {
    MatchingConfig {
        n: 3,
        law,
        temperature: 0.7,
        deviation: [0.1, 0.6],
        ..MatchingConfig::default()
    }
}

fn problems() -> Vec<Problem> {
    (0..2)
        .map(|k| Problem::random(3, 0.5, 1, k).unwrap())
        .collect()
}

const LAWS: [Relaxation; 3] = [
    Relaxation::StickBreaking,
    Relaxation::Rounding,
    Relaxation::GumbelSinkhorn,
];

/// With the same noise, the bound is a smooth function of all parameters.
#[test]
fn gradients_of_the_bound_are_finite_differences() {
    let evidence = Evidence::new(&problems(), &device());
    for law in LAWS {
        let config = config(law);
        let posterior = stirred(Posterior::new(&config, 2, &device().autodiff()), 1.0, 0.3);
        let estimate = |posterior: &Posterior| {
            let program = MatchingProgram::new(posterior, &config, &evidence).repeated(2);
            EstimatorConfig::named("pathwise")
                .build(
                    &Schema::of(&program),
                    Objective::default(),
                    &device().autodiff(),
                )
                .unwrap()
                .estimate(&program, &Noise::new(4, 0))
        };
        let cost = |posterior: &Posterior| {
            let costs = numbers(estimate(posterior).cost);
            costs.iter().sum::<f64>() / costs.len() as f64
        };
        let got = gradient(&posterior, estimate(&posterior).surrogate);
        let want = differences(&posterior, cost);
        assert!(worst(&got, &want) < 1e-6, "{law:?}: {got:?} {want:?}");
        assert!(want.iter().all(|slope| slope.abs() > 1e-8), "{law:?}");
    }
}

/// The bound of one sample for rounding at temperature 1, where X = M̃ + V z, by its definition.
#[test]
fn the_bound_by_hand() {
    let config = MatchingConfig {
        temperature: 1.0,
        deviation: [0.1, 0.6],
        prior_deviation: 0.1_f64.sqrt(),
        ..config(Relaxation::Rounding)
    };
    let x = vec![[0.2, -0.4], [1.0, 0.3], [-0.5, 0.8]];
    let y = vec![[0.1, 0.0], [-0.2, 0.9], [0.7, 0.6]];
    let sd = 0.5;
    let problem = Problem::new(x.clone(), y.clone(), sd).unwrap();
    let evidence = Evidence::new(&[problem], &device());
    let posterior = Posterior::new(&config, 1, &device().autodiff());
    let program = MatchingProgram::new(&posterior, &config, &evidence);
    let noise = Noise::new(7, 0);
    let key = unbiased_estimators::Key::new("psi", 0);
    let role = unbiased_estimators::Role::Choice;
    let z = numbers(noise.draw(NoiseLaw::Normal, &key, role, 1, 1, 1, 9, &device()));
    // At the start all means are a third, all deviations in the middle.
    let nu = 0.35;
    let matrix: Vec<f64> = z.iter().map(|z| 1.0 / 3.0 + nu * z).collect();
    let normal = |x: f64, mean: f64, variance: f64| {
        (-(x - mean).powi(2) / (2.0 * variance)).exp() / (core::f64::consts::TAU * variance).sqrt()
    };
    let mut bound = 0.0;
    for (value, z) in matrix.iter().zip(&z) {
        bound += (0.5 * (normal(*value, 0.0, 0.1) + normal(*value, 1.0, 0.1))).ln();
        bound -= (normal(*z, 0.0, 1.0) / nu).ln();
    }
    for j in 0..3 {
        for axis in 0..2 {
            let mean: f64 = (0..3).map(|i| matrix[3 * i + j] * x[i][axis]).sum();
            bound += normal(y[j][axis], mean, sd * sd).ln();
        }
    }
    let mut estimator = EstimatorConfig::named("pathwise")
        .build(
            &Schema::of(&program),
            Objective::default(),
            &device().autodiff(),
        )
        .unwrap();
    let cost = numbers(estimator.estimate(&program, &noise).cost)[0];
    assert!((cost + bound).abs() < 1e-5, "{cost} {bound}");
}

/// Samples are permutations, and those of a certain posterior are its own.
#[test]
fn samples_are_permutations() {
    for law in LAWS {
        let config = config(law);
        let posterior = Posterior::new(&config, 2, &device().autodiff());
        let mut seen = std::collections::BTreeSet::new();
        for step in 0..100 {
            let drawn = posterior
                .sample(&config, &[3 * step, 3 * step + 1])
                .unwrap();
            assert_eq!(drawn.len(), 2);
            for list in drawn {
                assert!(permutations(3).unwrap().any(|known| known == list));
                seen.insert(list);
            }
        }
        assert_eq!(seen.len(), 6, "{law:?}");
    }
}

#[test]
fn what_is_refused() {
    let refused = Problem::random(6, 0.0, 1, 1).unwrap_err();
    assert!(matches!(refused, Error::Setting { setting: "sd", .. }));
    let refused = Problem::random(11, 0.1, 1, 1).unwrap_err();
    assert!(matches!(refused, Error::TooLarge { .. }));
    let config = config(Relaxation::GumbelSinkhorn);
    let evidence = Evidence::new(&problems(), &device());
    let posterior = Posterior::new(&config, 2, &device().autodiff());
    let program = MatchingProgram::new(&posterior, &config, &evidence);
    let mut named = EstimatorConfig::named("rloo");
    named.sites.insert("matching".into(), "rloo".into());
    let built = named.build(
        &Schema::of(&program),
        Objective::default(),
        &device().autodiff(),
    );
    let refusal = built.err().expect("refused").to_string();
    assert!(refusal.contains("no density; use `pathwise`"), "{refusal}");
}
