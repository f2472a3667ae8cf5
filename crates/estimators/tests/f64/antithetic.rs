//! Estimators on samples that avoid each other: ARM, ARMS, DisARM on trees and inside bounds.

use std::rc::Rc;

use burn::tensor::Tensor;
use unbiased_estimators::{
    Coupling, EstimatorConfig, Noise, Objective, Schema, SiteSchema,
    rules::{
        At, Gradient, Rule,
        arms::{Arms, factor},
        disarm::Disarm,
        disarm_tree::DisarmTree,
    },
};

use crate::{
    estimate::{
        EXPECTED, build, build_as, check, compare, device, estimate, exact, example, expectation,
        must_fail, numbers,
    },
    expectations::{BOUND, exact_gradient, is_unbiased},
    grid::{Cover, Plan, interval, sigma},
    moments::second_moment,
    monte_carlo::{self, Moments},
    mutants::{everywhere, judge},
    programs::{Air, Alignment, BeliefNet, Machine, Model, Returns, SequenceGan, Vae, Window},
    small::{Chain, Gated, OneBit, OneOfThree, TwoBits},
};

fn bits() -> [(Box<dyn Model>, &'static [&'static str]); 8] {
    [
        (Box::new(OneBit), &["bit"]),
        (Box::new(TwoBits), &["bits"]),
        (Box::new(Chain), &["first", "second"]),
        (Box::new(Gated), &["gate", "bit"]),
        (Box::new(BeliefNet), &["h1", "h2"]),
        (Box::new(Air), &["present"]),
        (Box::new(Alignment), &["emit"]),
        (Box::new(Window { bonus: 0.1 }), &["bit"]),
    ]
}

fn mirrored<'a>(mirrored: &'a [&'a str], samples: usize) -> Plan<'a> {
    Plan {
        mirrored,
        ..Plan::outcomes(samples)
    }
}

fn with(name: &str, sites: &[(&str, &str)]) -> EstimatorConfig {
    EstimatorConfig {
        sites: sites
            .iter()
            .map(|&(site, name)| (site.into(), name.into()))
            .collect(),
        ..EstimatorConfig::named(name)
    }
}

/// ARM is linear in the noise within a cell, so the middle of the cell is enough.
#[test]
fn arm_and_arms_of_two_have_the_exact_gradient_as_expectation_on_programs_of_bits() {
    for (model, sites) in bits() {
        for name in ["arm", "arms"] {
            let config = EstimatorConfig::named(name);
            is_unbiased(
                &config,
                &*model,
                &mirrored(sites, 1),
                &exact_gradient(&*model),
            );
        }
    }
}

#[test]
fn disarm_on_trees_has_the_exact_gradient_as_expectation() {
    let tree = EstimatorConfig::named("disarm-tree");
    let want = exact_gradient(&OneOfThree);
    is_unbiased(&tree, &OneOfThree, &mirrored(&["class"], 1), &want);
    let vae = Vae::default();
    let want = exact_gradient(&vae);
    let both = with("disarm-tree", &[("bits", "disarm")]);
    is_unbiased(&both, &vae, &mirrored(&["bits", "class"], 1), &want);
    let one = with("disarm-tree", &[("bits", "reinforce")]);
    is_unbiased(&one, &vae, &mirrored(&["class"], 1), &want);
}

#[test]
fn antithetic_samples_are_unbiased_where_their_cells_have_no_sum() {
    for n in [3, 5] {
        let config = EstimatorConfig {
            samples: n,
            ..EstimatorConfig::named("arms")
        };
        for (model, _) in bits() {
            monte_carlo::is_unbiased(&config, &*model, 20_000);
        }
    }
    let tree = EstimatorConfig::named("disarm-tree");
    monte_carlo::is_unbiased(&tree, &Machine, monte_carlo::ROWS);
    monte_carlo::is_unbiased(&tree, &SequenceGan::new(Returns::Cost), monte_carlo::ROWS);
    let mixed = with("disarm-tree", &[("bits", "arms")]);
    monte_carlo::is_unbiased(&mixed, &Vae::default(), monte_carlo::ROWS);
    let copies = with("rloo", &[("bits", "arms"), ("class", "disarm-tree")]);
    monte_carlo::is_unbiased(&copies, &Vae::default(), monte_carlo::ROWS);
}

#[test]
fn disarm_has_the_exact_gradient_of_a_bound_as_expectation() {
    let vae = Vae::default();
    let mixed = with("vimco", &[("bits", "disarm")]);
    let alone = EstimatorConfig::named("disarm");
    let cases: [(&EstimatorConfig, &dyn Model, &[&str], usize); 4] = [
        (&mixed, &vae, &["bits"], 2),
        (&mixed, &vae, &["bits"], 3),
        (&alone, &BeliefNet, &["h1", "h2"], 1),
        (&alone, &Air, &["present"], 1),
    ];
    for (config, model, sites, k) in cases {
        let objective = Objective::LogMeanWeight { k };
        let theta = model.parameters();
        let grid = mirrored(sites, k).grid(model, &theta);
        let mut estimator = build_as(config, model, objective);
        let got = expectation(&mut *estimator, model, &theta, &grid);
        let what = format!("disarm in a bound of {k} on {}", model.name());
        let error = check(compare(
            &what,
            &got,
            &exact(model, &theta, objective),
            BOUND,
        ));
        println!("{what}: {} rows, error {error:.1e}", grid.weights.len());
    }
}

/// Row by row: the copula of two samples is the opposite noise.
#[test]
fn arms_of_two_is_disarm() {
    for (model, _) in bits() {
        let rows = |name| {
            let mut estimator = build(name, &*model, EXPECTED);
            let program = example(&*model, &model.parameters(), 500);
            estimate(&mut *estimator, &program, &Noise::new(8, 0)).gradients
        };
        check(compare(model.name(), &rows("arms"), &rows("disarm"), 1e-12));
        must_fail(
            "arms that is arm",
            compare(model.name(), &rows("arms"), &rows("arm"), 1e-12),
        );
    }
}

/// `P(v_1 < m, v_2 < m) = P(d_1 > t, d_2 > t)`, `t = 1 - m^(1/(n-1))`, where `d_1` has the density `(n-1) (1-d)^(n-2)` and
/// `d_2 / (1 - d_1)` exceeds `x` with probability `(1-x)^(n-2)`.
#[test]
fn the_factor_of_arms_is_that_of_the_joint_law_of_two_samples() {
    for n in [2, 3, 4, 7, 20] {
        let power = n as f64 - 1.0;
        for a in [-7.0, -2.0, -0.3, 0.0, 0.4, 1.5, 6.0] {
            let p = sigma(a);
            let m = p.min(1.0 - p);
            let t = 1.0 - m.powf(1.0 / power);
            let joint: f64 = interval(t, (1.0 - t).max(t), Cover::Quadrature(0.05))
                .iter()
                .map(|(d, weight)| {
                    let left = 1.0 - d[0];
                    weight * power * (left * (1.0 - t / left).max(0.0)).powf(power - 1.0)
                })
                .sum();
            let want = p * (1.0 - p) / (m - joint);
            let logit = Tensor::<2>::from_data([[a]], &device());
            let got = numbers(factor(logit, n));
            check(compare(&format!("{n} at {a}"), &got, &[want], 1e-9));
            if n > 2 && a.abs() < 1.0 {
                let without = [p * (1.0 - p) / m];
                must_fail(
                    "a factor without the overlap",
                    compare("factor", &got, &without, 1e-3),
                );
            }
        }
    }
}

/// `E[g^2]` of ARM on two bits, by the three cells of each `u`: `f` of both samples is constant there.
#[test]
fn arm_has_its_known_second_moment_and_disarm_never_more() {
    let t = TwoBits.parameters();
    let cost = |b: [f64; 2]| (t[2] * b[0] + t[3] * b[1] - t[4]).powi(2) + t[5] * b[0] * b[1];
    // Of one bit: value, opposite, mass, and the integral of (u - 1/2)^2.
    let cells = |p: f64| {
        let (low, high) = (p.min(1.0 - p), p.max(1.0 - p));
        let cube = |u: f64| (u - 0.5_f64).powi(3) / 3.0;
        [(0.0, low), (low, high), (high, 1.0)].map(|(from, to)| {
            let u = f64::midpoint(from, to);
            let bit = |u: f64| f64::from(u8::from(u > 1.0 - p));
            (bit(u), bit(1.0 - u), to - from, cube(to) - cube(from))
        })
    };
    let mut want = [0.0; 2];
    for a in cells(sigma(t[0])) {
        for b in cells(sigma(t[1])) {
            let square = (cost([a.0, b.0]) - cost([a.1, b.1])).powi(2);
            want[0] += square * a.3 * b.2;
            want[1] += square * a.2 * b.3;
        }
    }
    let plan = Plan {
        mirrored: &["bits"],
        ..Plan::quadrature(0.1, false)
    };
    let arm = second_moment(&EstimatorConfig::named("arm"), &plan);
    check(compare("arm", &arm, &want, 1e-9));
    let plan = Plan {
        cover: Cover::Outcome,
        ..plan
    };
    let disarm = second_moment(&EstimatorConfig::named("disarm"), &plan);
    for (arm, disarm) in arm.iter().zip(&disarm) {
        assert!(disarm < arm, "{disarm} {arm}");
    }
    must_fail("arm that is disarm", compare("arm", &disarm, &want, 1e-9));
}

/// A mistake in the factor.
#[derive(Clone, Copy, PartialEq)]
enum Mistake {
    /// ARM: the bit for its noise.
    BitForNoise,
    /// ARMS: that of independent samples.
    NoFactor(usize),
    /// Trees: the same.
    NoWeight,
    /// Bounds: the sample's own weight for the bound.
    OwnWeight,
}

#[derive(Clone)]
struct Mutant(Mistake);

impl Rule for Mutant {
    fn check(&self, _: &SiteSchema, _: &Schema, _: &Objective) -> Result<(), String> {
        Ok(())
    }

    fn coupling(&self) -> Option<Rc<dyn Coupling>> {
        match self.0 {
            Mistake::BitForNoise | Mistake::OwnWeight => Disarm.coupling(),
            Mistake::NoFactor(n) => Arms { n }.coupling(),
            Mistake::NoWeight => DisarmTree.coupling(),
        }
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let partners = match self.0 {
            Mistake::NoFactor(n) => n - 1,
            _ => 1,
        };
        let pair = |j: usize| (at.hard() - at.partner(j)) * 0.5;
        let logits = match self.0 {
            Mistake::OwnWeight => {
                let own = at.log_weights().expect("a bound") - at.partner_log_weights(0);
                let law = at.site().law.clone();
                let factor = law.antithesis().expect("bits");
                let factor = factor.factor(at.params(), at.hard(), at.partner(0));
                let k = own.dims()[0] as f64;
                column(own.flatten::<1>(0, 1) / -k) * factor
            }
            Mistake::BitForNoise => {
                column(at.cost_to_go() - at.partner_cost_to_go(0)) * (at.hard() - 0.5)
            }
            // Every pair with the first sample: they are exchangeable.
            Mistake::NoFactor(_) | Mistake::NoWeight => {
                (0..partners)
                    .map(|j| column(at.cost_to_go() - at.partner_cost_to_go(j)) * pair(j))
                    .reduce(|sum, next| sum + next)
                    .expect("a partner")
                    / partners as f64
            }
        };
        Some(Gradient {
            logits: at.mask(logits),
            tuning: None,
            evaluations: 0.0,
        })
    }
}

fn column(x: Tensor<1>) -> Tensor<2> {
    x.unsqueeze_dim::<2>(1)
}

#[test]
fn antithetic_samples_without_their_factors_are_caught() {
    let pairs = mirrored(&["bits"], 1);
    let judge_as = |mistake, model: &dyn Model, plan: &Plan<'_>| {
        judge(&Mutant(mistake), model, EXPECTED, plan)
    };
    must_fail(
        "arm with a bit for its noise",
        judge_as(Mistake::BitForNoise, &TwoBits, &pairs),
    );
    must_fail(
        "arms of two without its factor",
        judge_as(Mistake::NoFactor(2), &TwoBits, &pairs),
    );
    must_fail(
        "a tree without its weights",
        judge_as(Mistake::NoWeight, &OneOfThree, &mirrored(&["class"], 1)),
    );

    let mut three = everywhere(&Mutant(Mistake::NoFactor(3)), &TwoBits, EXPECTED);
    let want = exact_gradient(&TwoBits);
    let moments = Moments::of(&mut three, &TwoBits, 50_000, 3);
    must_fail(
        "arms of three without its factor",
        moments.against("arms", &want, &vec![0.0; want.len()]),
    );

    let k = 2;
    let objective = Objective::LogMeanWeight { k };
    let plan = mirrored(&["h1", "h2"], 1);
    let single = judge(
        &Mutant(Mistake::OwnWeight),
        &BeliefNet,
        Objective::LogMeanWeight { k: 1 },
        &plan,
    );
    check(single);
    let mut estimator = everywhere(&Mutant(Mistake::OwnWeight), &BeliefNet, objective);
    let want = exact(&BeliefNet, &BeliefNet.parameters(), objective);
    let moments = Moments::of(&mut estimator, &BeliefNet, 50_000, 4);
    must_fail(
        "disarm in a bound with the sample's own weight",
        moments.against("bound", &want, &vec![0.0; want.len()]),
    );
}

/// The same without the mistake, by Monte Carlo where the cells of two samples of two layers are too many.
#[test]
fn disarm_is_unbiased_in_bounds_of_layers() {
    for k in [2, 3] {
        let objective = Objective::LogMeanWeight { k };
        let mut estimator = build("disarm", &BeliefNet, objective);
        let want = if k == 2 {
            exact(&BeliefNet, &BeliefNet.parameters(), objective)
        } else {
            let mut vimco = build("vimco", &BeliefNet, objective);
            let plan = Plan::outcomes(k);
            let theta = BeliefNet.parameters();
            expectation(
                &mut *vimco,
                &BeliefNet,
                &theta,
                &plan.grid(&BeliefNet, &theta),
            )
        };
        let moments = Moments::of(&mut *estimator, &BeliefNet, 100_000, 6);
        check(moments.against("disarm in a bound", &want, &vec![0.0; want.len()]));
    }
}
