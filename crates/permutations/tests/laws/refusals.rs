//! What each law can be trained by, and why not by the rest; the pathwise gradient of Gumbel-Sinkhorn.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use unbiased_estimators::{
    ESTIMATORS, EstimatorConfig, Noise, Objective, Program, Run, Schema, Site,
};
use unbiased_permutations::{GumbelSinkhorn, PlackettLuce, Sinkhorn, sites::SoftMatching};

use crate::{
    estimators::Order,
    support::{check, device, differences, leaf, numbers},
};

const EXPECTED: Objective = Objective::Expected { discount: 1.0 };
const SCORES: [f64; 9] = [0.3, -0.2, 0.9, 1.1, 0.0, -0.7, 0.4, 0.2, -0.1];

/// `Σ w_ij P_ij + (Σ w_ij P_ij²)²`.
struct Matching {
    scores: Tensor<2>,
    law: SoftMatching,
}

impl Program for Matching {
    fn batch(&self) -> usize {
        self.scores.dims()[0]
    }

    fn device(&self) -> Device {
        self.scores.device()
    }

    fn run(&self, run: &mut Run<'_>) {
        let site = Site::new(run.rows(self.scores.clone()));
        let plan = run.law("match", self.law, site).value;
        let weights = Tensor::<1>::from_data(
            [1.0, -0.5, 0.2, 0.7, 0.3, -1.0, 0.1, 0.6, 0.4],
            &self.scores.device().without_autodiff(),
        );
        let weights = weights.unsqueeze::<2>();
        let sum = |x: Tensor<2>| (x * weights.clone()).sum_dim(1).squeeze_dim::<1>(1);
        let cost = sum(plan.clone()) + sum(plan.square()).square();
        run.cost("match", cost, run.mark());
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(Self {
            scores: self.scores.clone().inner(),
            law: self.law,
        })
    }
}

fn law(straight_through: bool) -> SoftMatching {
    SoftMatching {
        law: GumbelSinkhorn {
            sinkhorn: Sinkhorn::after(30).at(0.7),
        },
        noise: 1.0,
        straight_through,
    }
}

#[test]
fn plackett_luce_takes_every_estimator_of_rankings() {
    let program = Order {
        theta: leaf(&[0.5, -0.3, 0.2, 0.8, -0.5, 0.3, 0.6], 1),
        law: PlackettLuce,
        latent: false,
    };
    let schema = Schema::of(&program);
    let refused: Vec<&str> = ESTIMATORS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| {
            let config = EstimatorConfig::named(name);
            config
                .build(&schema, EXPECTED, &device().autodiff())
                .is_err()
        })
        .collect();
    // For bits, for classes, for bounds of several samples, for continuous choices.
    let want = [
        "disarm",
        "arm",
        "arms",
        "disarm-tree",
        "measure-valued",
        "unordered-set",
        "sum-and-sample",
        "reinmax",
        "vimco",
        "vimco-arithmetic",
        "rws",
        "lax",
        "pathwise",
        "stl",
        "dreg",
    ];
    assert_eq!(refused, want);
}

#[test]
fn a_law_without_density_is_refused_with_the_reason() {
    let program = Matching {
        scores: leaf(&SCORES, 1),
        law: law(false),
    };
    let schema = Schema::of(&program);
    for (name, _) in ESTIMATORS.iter().filter(|(name, _)| *name != "exact") {
        let config = EstimatorConfig {
            sites: BTreeMap::from([("match".into(), (*name).into())]),
            ..EstimatorConfig::named("pathwise")
        };
        let built = config.build(&schema, EXPECTED, &device().autodiff());
        match (built, *name) {
            (Ok(_), "pathwise") => (),
            (Err(error), name) if name != "pathwise" => {
                let message = error.to_string();
                assert!(
                    message.contains("no density; use `pathwise`"),
                    "{name}: {message}"
                );
            }
            (built, name) => panic!("{name}: {:?}", built.err()),
        }
    }
}

#[test]
fn pathwise_estimates_are_the_slopes_of_soft_matchings_at_fixed_noise() {
    let noise = Noise::new(5, 0);
    let config = EstimatorConfig::named("pathwise");
    let estimate = |scores: &[f64], straight_through: bool| {
        let program = Matching {
            scores: leaf(scores, 1),
            law: law(straight_through),
        };
        let schema = Schema::of(&program);
        let mut estimator = config
            .build(&schema, EXPECTED, &device().autodiff())
            .expect("defined");
        let estimate = estimator.estimate(&program, &noise);
        let gradients = estimate.surrogate.backward();
        let gradient = program.scores.grad(&gradients).expect("a gradient");
        (numbers(estimate.cost)[0], numbers(gradient))
    };
    let want = differences(&SCORES, 1e-5, |s| estimate(s, false).0);
    check("pathwise", &estimate(&SCORES, false).1, &want, 1e-8);
    // Straight-through: the cost of a hard matching, which has no slope; the gradient is not 0.
    let (cost, gradient) = estimate(&SCORES, true);
    let flat = differences(&SCORES, 1e-5, |s| estimate(s, true).0);
    assert_eq!(flat, [0.0; 9]);
    assert!(gradient.iter().any(|g| g.abs() > 1e-3) && cost.is_finite());
}
