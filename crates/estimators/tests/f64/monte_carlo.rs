//! Monte Carlo, where the noise has too many dimensions for a sum or a quadrature.
//!
//! False alarms: at most [`COMPARISONS`] coordinates are compared (counted at run time), so that each at `1e-6 /
//! COMPARISONS`, two-sided, gives one false alarm in a million changes of the noise. That is `|z| < 6.34`. Power: a bias of
//! `6.34 + 3.09` standard errors is missed once in a thousand times; every comparison prints its largest one.

use std::sync::atomic::{AtomicUsize, Ordering};

use unbiased_estimators::{
    Estimator, EstimatorConfig, Noise, Objective, rules::baseline::BaselineName,
};

use crate::{
    estimate::{EXPECTED, build_as, check, estimate, example},
    expectations::{exact_gradient, stir},
    grid::sigma,
    programs::{
        Air, Alignment, BeliefNet, Machine, Model, Permutation, Returns, SequenceGan, Vae, Window,
        all,
    },
    small::{Chain, Gated},
};

const COMPARISONS: usize = 4096;
const CRITICAL: f64 = 6.34;
const POWER: f64 = 3.09;

static COMPARED: AtomicUsize = AtomicUsize::new(0);

#[test]
fn the_critical_value_is_that_of_the_stated_rate() {
    let tail = libm::erfc(CRITICAL / 2_f64.sqrt());
    assert!(tail * COMPARISONS as f64 <= 1.05e-6, "{tail}");
    assert!(0.5 * libm::erfc(POWER / 2_f64.sqrt()) <= 1.01e-3);
    assert!(sigma(0.0) == 0.5);
}

/// Means of independent estimates, and their standard errors.
pub struct Moments {
    pub mean: Vec<f64>,
    pub error: Vec<f64>,
}

impl Moments {
    pub fn of(estimator: &mut dyn Estimator, model: &dyn Model, rows: usize, seed: u64) -> Self {
        let program = example(model, &model.parameters(), rows);
        let got = estimate(estimator, &program, &Noise::new(seed, 0));
        let (n, width) = (rows as f64, got.width);
        let mut mean = vec![0.0; width];
        for row in got.gradients.chunks(width) {
            row.iter()
                .zip(&mut mean)
                .for_each(|(g, mean)| *mean += g / n);
        }
        let mut square = vec![0.0; width];
        for row in got.gradients.chunks(width) {
            for i in 0..width {
                square[i] += (row[i] - mean[i]).powi(2) / (n - 1.0);
            }
        }
        let error = square.iter().map(|s| (s / n).sqrt()).collect();
        Self { mean, error }
    }

    /// The largest `|z|` against `want`, which has errors of its own.
    pub fn against(&self, what: &str, want: &[f64], errors: &[f64]) -> Result<f64, String> {
        let compared = COMPARED.fetch_add(want.len(), Ordering::Relaxed) + want.len();
        assert!(compared <= COMPARISONS, "raise COMPARISONS and CRITICAL");
        let (mut worst, mut detectable) = (0.0_f64, 0.0_f64);
        for i in 0..want.len() {
            // Rounding, for coordinates whose estimate does not vary.
            let error = self.error[i].hypot(errors[i]) + 1e-12;
            let z = (self.mean[i] - want[i]).abs() / error;
            detectable = detectable.max((CRITICAL + POWER) * error);
            if z.is_nan() || z > CRITICAL {
                return Err(format!(
                    "{what}: coordinate {i} is {} +- {error:.1e}, exactly {}: |z| = {z:.1}",
                    self.mean[i], want[i]
                ));
            }
            worst = worst.max(z);
        }
        println!("{what}: |z| <= {worst:.1}, detectable bias {detectable:.4}");
        Ok(worst)
    }
}

/// The mean of many estimates is the exact gradient.
pub fn is_unbiased(config: &EstimatorConfig, model: &dyn Model, rows: usize) {
    let mut estimator = build_as(config, model, EXPECTED);
    stir(&mut *estimator);
    estimator.freeze();
    let want = exact_gradient(model);
    let what = format!("{} {:?} on {}", config.name, config.sites, model.name());
    let moments = Moments::of(&mut *estimator, model, rows, 11);
    check(moments.against(&what, &want, &vec![0.0; want.len()]));
}

pub const ROWS: usize = 100_000;

fn relaxable() -> Vec<Box<dyn Model>> {
    vec![
        Box::new(BeliefNet),
        Box::new(Vae::default()),
        Box::new(Air),
        Box::new(Machine),
        Box::new(Alignment),
        Box::new(Permutation),
        Box::new(Window { bonus: 0.1 }),
    ]
}

#[test]
fn rebar_is_unbiased_on_all_it_is_defined_for() {
    for model in relaxable() {
        is_unbiased(&EstimatorConfig::named("rebar"), &*model, ROWS);
    }
}

#[test]
fn rebar_of_two_branches_is_unbiased_on_all_it_is_defined_for() {
    for model in relaxable() {
        is_unbiased(&EstimatorConfig::named("rebar-two-branch"), &*model, ROWS);
    }
}

#[test]
fn relax_is_unbiased_on_all_nine() {
    for model in all() {
        for name in ["relax", "relax-two-branch"] {
            let config = EstimatorConfig {
                hidden: 3,
                baseline: BaselineName::Learned,
                ..EstimatorConfig::named(name)
            };
            is_unbiased(&config, &*model, ROWS);
        }
    }
}

/// The mean of the other samples as baseline; loops are asked about as a stack of several copies.
#[test]
fn control_variates_are_unbiased_beside_the_mean_of_other_samples() {
    for model in relaxable() {
        let config = EstimatorConfig {
            hidden: 3,
            samples: 3,
            baseline: BaselineName::LeaveOneOut,
            ..EstimatorConfig::named("relax")
        };
        is_unbiased(&config, &*model, ROWS / 2);
    }
}

#[test]
fn the_relaxed_objective_and_a_network_are_unbiased_together() {
    for model in relaxable() {
        for name in ["rebar-relax", "rebar-relax-two-branch"] {
            let config = EstimatorConfig {
                hidden: 3,
                ..EstimatorConfig::named(name)
            };
            is_unbiased(&config, &*model, ROWS);
        }
    }
}

#[test]
fn measure_valued_derivatives_are_unbiased_on_programs_of_bits_and_choices() {
    let vae = Vae::default();
    let models: [&dyn Model; 8] = [
        &vae,
        &Machine,
        &Chain,
        &Gated,
        &BeliefNet,
        &Air,
        &Alignment,
        &Window { bonus: 0.1 },
    ];
    for model in models {
        is_unbiased(&EstimatorConfig::named("measure-valued"), model, ROWS);
    }
}

#[test]
fn rloo_of_three_samples_is_unbiased_where_there_are_too_many_triples() {
    let config = EstimatorConfig {
        samples: 3,
        ..EstimatorConfig::named("rloo")
    };
    is_unbiased(&config, &Air, ROWS);
    is_unbiased(&config, &SequenceGan::new(Returns::Cost), ROWS);
}

#[test]
fn rollouts_keep_the_expectation() {
    for name in ["reinforce", "moving-average", "nvil", "rloo"] {
        let model = SequenceGan::new(Returns::Rollout);
        is_unbiased(&EstimatorConfig::named(name), &model, ROWS);
    }
}

#[test]
fn mixtures_of_estimators_are_unbiased() {
    let with = |name: &str, sites: &[(&str, &str)]| EstimatorConfig {
        sites: sites
            .iter()
            .map(|&(site, name)| (site.into(), name.into()))
            .collect(),
        ..EstimatorConfig::named(name)
    };
    is_unbiased(&with("rebar", &[("h1", "disarm")]), &BeliefNet, ROWS);
    is_unbiased(&with("rebar", &[("h2", "rloo")]), &BeliefNet, ROWS);
    is_unbiased(
        &with("nvil", &[("h1", "rebar-two-branch")]),
        &BeliefNet,
        ROWS,
    );
    is_unbiased(&with("rebar", &[("bits", "disarm")]), &Vae::default(), ROWS);
    is_unbiased(&with("rloo", &[("read", "rebar")]), &Machine, ROWS);
    is_unbiased(&with("rebar", &[("what", "reinforce")]), &Air, ROWS);
    is_unbiased(&with("rebar", &[("present", "disarm")]), &Air, ROWS);
    is_unbiased(&with("relax", &[("what", "lax")]), &Air, ROWS);
    is_unbiased(&with("rloo", &[("read", "relax")]), &Machine, ROWS);
}

/// Enumeration does not reach bounds of several samples with continuous choices; two unbiased estimators must agree.
#[test]
fn vimco_and_reinforce_agree_on_a_bound_with_continuous_choices() {
    let objective = Objective::LogMeanWeight { k: 3 };
    let mut vimco = build_as(&EstimatorConfig::named("vimco"), &Air, objective);
    let mut reinforce = build_as(&EstimatorConfig::named("reinforce"), &Air, objective);
    let vimco = Moments::of(&mut *vimco, &Air, ROWS, 21);
    let reinforce = Moments::of(&mut *reinforce, &Air, ROWS, 22);
    check(vimco.against("vimco on air", &reinforce.mean, &reinforce.error));
}
