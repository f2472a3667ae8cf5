//! Second moments that are known, and what an estimate costs.

use unbiased_estimators::{EstimatorConfig, Noise};

use crate::{
    estimate::{EXPECTED, build_as, check, compare, estimate, example, numbers},
    grid::{Plan, sigma},
    programs::{BeliefNet, Model},
    small::TwoBits,
};

/// `E[g^2]` at the logits of two bits.
pub fn second_moment(config: &EstimatorConfig, plan: &Plan<'_>) -> Vec<f64> {
    let theta = TwoBits.parameters();
    let grid = plan.grid(&TwoBits, &theta);
    let program = example(&TwoBits, &theta, grid.weights.len());
    let mut estimator = build_as(config, &TwoBits, EXPECTED);
    let rows = estimate(&mut *estimator, &program, &Noise::from_source(grid.clone()));
    let (_, logits) = &rows.estimate.logit_gradients[0];
    let by_copy = numbers(logits.clone());
    let n = grid.weights.len();
    let copies = by_copy.len() / (2 * n);
    let mut square = vec![0.0; 2];
    for (row, weight) in grid.weights.iter().enumerate() {
        for bit in 0..2 {
            let sum: f64 = (0..copies)
                .map(|copy| by_copy[2 * (copy * n + row) + bit])
                .sum();
            let g = sum / copies as f64;
            assert!((g - rows.gradients[row * rows.width + bit]).abs() < 1e-12);
            square[bit] += weight * g * g;
        }
    }
    square
}

#[test]
fn leave_one_out_and_antithetic_pairs_have_their_known_second_moments() {
    let t = TwoBits.parameters();
    let cost = |b: [f64; 2]| (t[2] * b[0] + t[3] * b[1] - t[4]).powi(2) + t[5] * b[0] * b[1];
    let states = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    let mut rloo = [0.0; 2];
    let mut disarm = [0.0; 2];
    for b in states {
        for c in states {
            let difference = 0.5 * (cost(b) - cost(c));
            let (mut independent, mut opposite) = (1.0, 1.0);
            for i in 0..2 {
                let p = sigma(t[i]);
                let bit = |b: f64| if b == 1.0 { p } else { 1.0 - p };
                independent *= bit(b[i]) * bit(c[i]);
                opposite *= match (b[i], c[i]) {
                    (1.0, 1.0) => (2.0 * p - 1.0).max(0.0),
                    (0.0, 0.0) => (1.0 - 2.0 * p).max(0.0),
                    _ => p.min(1.0 - p),
                };
            }
            for i in 0..2 {
                let change = difference * (b[i] - c[i]);
                rloo[i] += independent * change.powi(2);
                disarm[i] += opposite * (change * sigma(t[i].abs())).powi(2);
            }
        }
    }
    let got = second_moment(&EstimatorConfig::named("rloo"), &Plan::outcomes(2));
    check(compare("rloo", &got, &rloo, 1e-12));
    let plan = Plan {
        mirrored: &["bits"],
        ..Plan::outcomes(1)
    };
    let got = second_moment(&EstimatorConfig::named("disarm"), &plan);
    check(compare("disarm", &got, &disarm, 1e-12));
}

#[test]
fn evaluations_are_counted() {
    let count = |config: &EstimatorConfig, frozen: bool| {
        let mut estimator = build_as(config, &BeliefNet, EXPECTED);
        if frozen {
            estimator.freeze();
        }
        let program = example(&BeliefNet, &BeliefNet.parameters(), 2);
        estimator
            .estimate(&program, &Noise::new(0, 0))
            .report
            .evaluations
    };
    let five = EstimatorConfig {
        samples: 5,
        ..EstimatorConfig::named("rloo")
    };
    assert_eq!(count(&EstimatorConfig::named("reinforce"), false), 1.0);
    assert_eq!(count(&five, false), 5.0);
    // One run and one more per site of two.
    assert_eq!(count(&EstimatorConfig::named("disarm"), false), 3.0);
    assert_eq!(count(&EstimatorConfig::named("rebar"), true), 3.0);
    assert_eq!(
        count(&EstimatorConfig::named("rebar-two-branch"), true),
        5.0
    );
    // Tuning a temperature takes 3 (5) relaxed runs per site.
    assert_eq!(count(&EstimatorConfig::named("rebar"), false), 9.0);
    assert_eq!(
        count(&EstimatorConfig::named("rebar-two-branch"), false),
        15.0
    );
    assert_eq!(count(&EstimatorConfig::named("exact"), false), 16.0);
    assert_eq!(count(&EstimatorConfig::named("arm"), false), 3.0);
    let four = EstimatorConfig {
        samples: 4,
        ..EstimatorConfig::named("arms")
    };
    assert_eq!(count(&four, false), 7.0);
    // Two samples, and once more for their slopes at each of two sites.
    assert_eq!(count(&EstimatorConfig::named("double-cv"), false), 6.0);
    assert_eq!(count(&EstimatorConfig::named("muprop"), false), 3.0);
    // A network costs no run of the program.
    assert_eq!(count(&EstimatorConfig::named("relax"), false), 1.0);
    assert_eq!(count(&EstimatorConfig::named("rebar-relax"), true), 3.0);
    assert_eq!(count(&EstimatorConfig::named("rebar-relax"), false), 9.0);
}
