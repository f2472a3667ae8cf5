//! Expectations of estimators, to rounding: sums over the cells of their noise, or quadrature within them.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::Tensor,
};
use unbiased_estimators::{
    Abilities, Address, ESTIMATORS, Estimator, EstimatorConfig, Noise, Objective, Owned, Source,
    law::RelaxationKind,
    rules::{baseline::BaselineName, rebar::EtaRule},
};

use crate::{
    estimate::{
        EXPECTED, build, build_as, check, compare, device, differences, estimate, exact,
        exact_value, example, expectation, expectations, must_fail, numbers, schema,
    },
    grid::{Plan, sigma},
    hand,
    programs::{
        Air, Alignment, BeliefNet, Decision, Model, Returns, SequenceGan, Vae, Window, all,
    },
    small::{Chain, Gated, OneBit, OneNormal, OneOfThree, TwoBits},
};

const BOUND: f64 = 1e-9;

/// Which estimators are defined for the expected cost of which of the nine.
pub fn is_defined(estimator: &str, program: &str) -> bool {
    let black_box = program == "decision";
    let bits_only = ["belief net", "air", "alignment", "window"].contains(&program);
    match estimator {
        "reinforce" | "moving-average" | "nvil" | "a2c" | "relax" | "relax-two-branch" => true,
        "exact" | "rloo" => !black_box,
        "disarm" | "measure-valued" => bits_only,
        "straight-through"
        | "concrete"
        | "rebar"
        | "rebar-two-branch"
        | "rebar-relax"
        | "rebar-relax-two-branch" => !black_box && program != "sequence gan",
        "vimco" | "rws" | "pathwise" | "lax" => false,
        other => panic!("add {other} to this table"),
    }
}

#[test]
fn every_estimator_is_defined_where_the_table_says() {
    for model in all() {
        for (name, _) in ESTIMATORS {
            let built = EstimatorConfig::named(name).build(&schema(&*model), EXPECTED, &device());
            let defined = is_defined(name, model.name());
            assert_eq!(
                built.is_ok(),
                defined,
                "{name} on {}: {:?}",
                model.name(),
                built.err()
            );
        }
    }
}

/// The program that can be enumerated for this one: black boxes are opened, signals are left out.
fn with_open<T>(model: &dyn Model, then: impl FnOnce(&dyn Model) -> T) -> T {
    match model.name() {
        "decision" => then(&Decision::new(Abilities::TABLE)),
        "sequence gan" => then(&SequenceGan::new(Returns::Cost)),
        _ => then(model),
    }
}

pub fn exact_gradient(model: &dyn Model) -> Vec<f64> {
    with_open(model, |open| exact(open, &open.parameters(), EXPECTED))
}

fn exact_cost(model: &dyn Model) -> f64 {
    with_open(model, |open| {
        exact_value(open, &open.parameters(), EXPECTED)
    })
}

/// Gives everything that an estimator owns a value that is not the initial one.
pub fn stir(estimator: &mut dyn Estimator) {
    struct Stir;
    impl ModuleMapper for Stir {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|old| {
                let (shape, device) = (old.shape(), old.device());
                let n = shape.num_elements();
                let values: Vec<f64> = (0..n)
                    .map(|i| 0.3 + 0.2 * ((3 * i + 2) as f64).sin())
                    .collect();
                let shift = Tensor::<1>::from_data(values.as_slice(), &device.without_autodiff());
                let leaf = old.is_require_grad();
                let new = Tensor::from_inner(old.inner() + shift.reshape(shape));
                if leaf { new.require_grad() } else { new }
            })
        }
    }
    let owned: Owned = estimator.owned().map(&mut Stir);
    estimator.set_owned(owned);
}

/// The expectation of an estimator whose noise is outcomes only is the exact gradient.
fn is_unbiased(config: &EstimatorConfig, model: &dyn Model, plan: &Plan<'_>, want: &[f64]) {
    let theta = model.parameters();
    let mut estimator = build_as(config, model, EXPECTED);
    stir(&mut *estimator);
    let grid = plan.grid(model, &theta);
    let (got, cost) = expectations(&mut *estimator, model, &theta, &grid);
    let what = format!(
        "{} {:?} of {} samples on {}",
        config.name,
        config.sites,
        plan.samples,
        model.name()
    );
    let error = check(compare(&what, &got, want, BOUND));
    check(compare(
        &format!("cost of {what}"),
        &[cost],
        &[exact_cost(model)],
        BOUND,
    ));
    println!("{what}: {} rows, error {error:.1e}", grid.weights.len());
}

#[test]
fn score_function_estimators_have_the_exact_gradient_as_expectation_on_all_nine() {
    let mut programs = all();
    programs.push(Box::new(SequenceGan::new(Returns::Expected)));
    for model in programs {
        let want = exact_gradient(&*model);
        for name in ["reinforce", "moving-average", "nvil", "a2c"] {
            if name == "a2c" && schema(&*model).has_signals {
                continue;
            }
            let config = EstimatorConfig::named(name);
            is_unbiased(&config, &*model, &Plan::outcomes(1), &want);
        }
        if !is_defined("rloo", model.name()) {
            continue;
        }
        for samples in [2, 3] {
            let config = EstimatorConfig {
                samples,
                ..EstimatorConfig::named("rloo")
            };
            // AIR and the GAN have 10^5 triples and more; Monte Carlo takes those.
            if samples == 2 || !["air", "sequence gan"].contains(&model.name()) {
                is_unbiased(&config, &*model, &Plan::outcomes(samples), &want);
            }
        }
    }
}

/// A running mean may not hold the sample that it corrects, not even through another choice of the same batch. Within a
/// batch of all outcomes that does not show, in batches of one it does.
#[test]
fn baselines_know_nothing_of_their_own_batch() {
    let expectation_of_rows = |name: &str, model: &dyn Model, observed: bool| {
        let theta = model.parameters();
        let grid = Plan::outcomes(1).grid(model, &theta);
        let mut mean = vec![0.0; theta.len()];
        for row in 0..grid.weights.len() {
            let mut estimator = build(name, model, EXPECTED);
            stir(&mut *estimator);
            let row = grid.row(row);
            if observed {
                // A mean that was updated too early.
                let program = example(model, &theta, 1);
                estimator.estimate(&program, &Noise::from_source(row.clone()));
            }
            let got = expectation(&mut *estimator, model, &theta, &row);
            mean.iter_mut().zip(got).for_each(|(mean, g)| *mean += g);
        }
        compare(name, &mean, &exact_gradient(model), BOUND)
    };
    for model in [&Window { bonus: 0.1 } as &dyn Model, &Alignment] {
        for name in ["moving-average", "nvil", "a2c"] {
            check(expectation_of_rows(name, model, false));
            must_fail(
                "a mean that has seen its batch",
                expectation_of_rows(name, model, true),
            );
        }
    }
}

#[test]
fn disarm_has_the_exact_gradient_as_expectation_on_programs_of_bits() {
    let programs: [(Box<dyn Model>, &[&str]); 8] = [
        (Box::new(OneBit), &["bit"]),
        (Box::new(TwoBits), &["bits"]),
        (Box::new(Chain), &["first", "second"]),
        (Box::new(Gated), &["gate", "bit"]),
        (Box::new(BeliefNet), &["h1", "h2"]),
        (Box::new(Air), &["present"]),
        (Box::new(Alignment), &["emit"]),
        (Box::new(Window { bonus: 0.1 }), &["bit"]),
    ];
    for (model, mirrored) in programs {
        let plan = Plan {
            mirrored,
            ..Plan::outcomes(1)
        };
        let config = EstimatorConfig::named("disarm");
        is_unbiased(&config, &*model, &plan, &exact_gradient(&*model));
    }
}

/// Of one choice; what follows the other value of a choice has cells of its own, and Monte Carlo takes those programs.
#[test]
fn measure_valued_derivatives_have_the_exact_gradient_as_expectation() {
    for model in [&OneBit as &dyn Model, &TwoBits] {
        let config = EstimatorConfig::named("measure-valued");
        is_unbiased(&config, model, &Plan::outcomes(1), &exact_gradient(model));
    }
}

/// The posterior follows `-sum_k w~_k d ln q(b_k)`: the tape of the bound holds `+w~_k`, so `-2 w~_k` is added.
#[test]
fn reweighted_wake_sleep_weighs_the_scores_of_its_samples() {
    let (vae, k) = (Vae::default(), 3);
    let mut rws = build("rws", &vae, Objective::LogMeanWeight { k });
    assert!(rws.is_biased());
    let program = example(&vae, &vae.parameters(), 2);
    let noise = Noise::new(4, 0);
    let estimate = rws.estimate(&program, &noise);
    let log_weights = numbers(estimate.log_weights.expect("a bound"));
    // REINFORCE under the same bound gives the scores: g = -L s, with L = ln mean w.
    let mut plain = build("reinforce", &vae, Objective::LogMeanWeight { k });
    let plain = plain.estimate(&program, &noise);
    let (bound, scored) = (
        numbers(plain.cost),
        numbers(plain.logit_gradients[0].1.clone()),
    );
    let got = numbers(estimate.logit_gradients[0].1.clone());
    let width = got.len() / (2 * k);
    let mut want = vec![0.0; got.len()];
    for row in 0..2 {
        let weights: Vec<f64> = (0..k).map(|j| log_weights[2 * j + row].exp()).collect();
        let total: f64 = weights.iter().sum();
        for (j, weight) in weights.iter().enumerate() {
            for i in 0..width {
                let at = (2 * j + row) * width + i;
                want[at] = -2.0 * weight / total * scored[at] / bound[row];
            }
        }
    }
    check(compare("rws", &got, &want, 1e-12));
    must_fail(
        "rws without its 2",
        compare(
            "rws",
            &got,
            &want.iter().map(|g| g / 2.0).collect::<Vec<_>>(),
            1e-12,
        ),
    );
}

#[test]
fn each_site_can_have_an_estimator_of_its_own() {
    let with = |name: &str, sites: &[(&str, &str)]| EstimatorConfig {
        sites: sites
            .iter()
            .map(|&(site, name)| (site.into(), name.into()))
            .collect(),
        ..EstimatorConfig::named(name)
    };
    let net = exact_gradient(&BeliefNet);
    let pairs = Plan::outcomes(2);
    is_unbiased(&with("rloo", &[("h1", "nvil")]), &BeliefNet, &pairs, &net);
    is_unbiased(&with("nvil", &[("h1", "rloo")]), &BeliefNet, &pairs, &net);
    let mirrored = |mirrored| Plan {
        mirrored,
        ..Plan::outcomes(1)
    };
    is_unbiased(
        &with("disarm", &[("h2", "nvil")]),
        &BeliefNet,
        &mirrored(&["h1"]),
        &net,
    );
    is_unbiased(
        &with("moving-average", &[("h2", "disarm")]),
        &BeliefNet,
        &mirrored(&["h2"]),
        &net,
    );
    let mixed = Plan {
        mirrored: &["h1"],
        ..Plan::outcomes(2)
    };
    is_unbiased(&with("rloo", &[("h1", "disarm")]), &BeliefNet, &mixed, &net);
    let vae = Vae::default();
    let plan = Plan {
        mirrored: &["bits"],
        ..Plan::outcomes(1)
    };
    is_unbiased(
        &with("reinforce", &[("bits", "disarm")]),
        &vae,
        &plan,
        &exact_gradient(&vae),
    );

    // The score function on a Gaussian choice, the pathwise derivative on none, on all.
    let air = exact_gradient(&Air);
    is_unbiased(
        &with("reinforce", &[("what", "reinforce")]),
        &Air,
        &Plan::outcomes(1),
        &air,
    );
    is_unbiased(
        &with("nvil", &[("what", "moving-average")]),
        &Air,
        &Plan::outcomes(1),
        &air,
    );
    is_unbiased(&with("rloo", &[("what", "rloo")]), &Air, &pairs, &air);
    is_unbiased(
        &with("disarm", &[("what", "nvil")]),
        &Air,
        &mirrored(&["present"]),
        &air,
    );
}

#[test]
fn estimators_of_bounds_have_the_exact_gradient_as_expectation() {
    let vae = Vae::default();
    let cases: [(&dyn Model, usize, &[&str]); 6] = [
        (&vae, 1, &["reinforce", "moving-average", "nvil"]),
        (&vae, 2, &["vimco", "reinforce", "moving-average", "nvil"]),
        (&vae, 3, &["vimco", "reinforce", "nvil"]),
        (&BeliefNet, 1, &["reinforce", "nvil"]),
        (&BeliefNet, 2, &["vimco", "moving-average", "nvil"]),
        (&Air, 1, &["reinforce", "moving-average", "nvil"]),
    ];
    for (model, k, names) in cases {
        let theta = model.parameters();
        let objective = Objective::LogMeanWeight { k };
        let want = exact(model, &theta, objective);
        let grid = Plan::outcomes(k).grid(model, &theta);
        for name in names {
            let mut estimator = build(name, model, objective);
            stir(&mut *estimator);
            let (got, cost) = expectations(&mut *estimator, model, &theta, &grid);
            let what = format!("{name}, bound of {k} on {}", model.name());
            let error = check(compare(&what, &got, &want, BOUND));
            let value = exact_value(model, &theta, objective);
            check(compare(
                &format!("cost of {what}"),
                &[cost],
                &[value],
                BOUND,
            ));
            println!("{what}: {} rows, error {error:.1e}", grid.weights.len());
        }
    }
}

#[test]
fn with_a_discount_the_expectation_is_the_discounted_policy_gradient() {
    let model = Decision::new(Abilities::BLACK_BOX);
    let theta = model.parameters();
    let grid = Plan::outcomes(1).grid(&model, &theta);
    for discount in [1.0, 0.9, 0.5] {
        let want = hand::discounted_policy_gradient(&theta, discount);
        for name in ["reinforce", "moving-average", "nvil"] {
            let mut estimator = build(name, &model, Objective::Expected { discount });
            stir(&mut *estimator);
            let got = expectation(&mut *estimator, &model, &theta, &grid);
            check(compare(
                &format!("{name} at {discount}"),
                &got,
                &want,
                1e-12,
            ));
        }
    }
}

#[test]
fn with_a_discount_all_estimators_have_one_expectation() {
    let theta = Chain.parameters();
    let objective = Objective::Expected { discount: 0.7 };
    let expected = |name: &str, plan: &Plan<'_>| {
        let mut estimator = build(name, &Chain, objective);
        stir(&mut *estimator);
        expectation(&mut *estimator, &Chain, &theta, &plan.grid(&Chain, &theta))
    };
    let want = expected("reinforce", &Plan::outcomes(1));
    must_fail(
        "a discount that does nothing",
        compare("discount", &want, &exact_gradient(&Chain), BOUND),
    );
    let opposite = Plan {
        mirrored: &["first", "second"],
        ..Plan::outcomes(1)
    };
    for (name, plan) in [
        ("nvil", Plan::outcomes(1)),
        ("rloo", Plan::outcomes(2)),
        ("disarm", opposite),
        ("rebar", Plan::quadrature(0.1, false)),
    ] {
        check(compare(name, &expected(name, &plan), &want, BOUND));
    }
}

#[test]
fn rebar_has_the_exact_gradient_as_expectation() {
    let bit = Plan::quadrature(0.1, false);
    let both = Plan::quadrature(0.1, true);
    // Three bits in a row: 78^3 nodes.
    let coarse = Plan::quadrature(0.16, false);
    let gumbels = Plan::quadrature(0.125, false);
    let window = Window { bonus: 0.1 };
    let cases: [(&str, &dyn Model, &Plan<'_>); 7] = [
        ("rebar", &Gated, &bit),
        ("rebar", &window, &coarse),
        ("rebar", &OneBit, &bit),
        ("rebar", &TwoBits, &bit),
        ("rebar", &Chain, &bit),
        ("rebar", &OneOfThree, &gumbels),
        ("rebar-two-branch", &OneBit, &both),
    ];
    for (name, model, plan) in cases {
        let theta = model.parameters();
        let want = exact(model, &theta, EXPECTED);
        let grid = plan.grid(model, &theta);
        for (eta, temperature, relaxation) in [
            (1.0, 0.5, RelaxationKind::Concrete),
            (0.3, 0.8, RelaxationKind::Concrete),
            (0.8, 1.1, RelaxationKind::Muprop),
        ] {
            let config = EstimatorConfig {
                eta,
                temperature: Some(temperature),
                relaxation,
                ..EstimatorConfig::named(name)
            };
            let mut estimator = build_as(&config, model, EXPECTED);
            let got = expectation(&mut *estimator, model, &theta, &grid);
            let what = format!(
                "{name} on {} (eta {eta}, t {temperature}, {relaxation:?})",
                model.name()
            );
            let error = check(compare(&what, &got, &want, BOUND));
            println!("{what}: {} rows, error {error:.1e}", grid.weights.len());
        }
    }
}

#[test]
fn relax_has_the_exact_gradient_as_expectation() {
    let bit = Plan::quadrature(0.1, false);
    let both = Plan::quadrature(0.1, true);
    let coarse = Plan::quadrature(0.16, false);
    let gumbels = Plan::quadrature(0.125, false);
    let window = Window { bonus: 0.1 };
    let cases: [(&str, &dyn Model, &Plan<'_>); 11] = [
        ("relax", &Gated, &bit),
        ("relax", &window, &coarse),
        ("relax", &OneBit, &bit),
        ("relax", &TwoBits, &bit),
        ("relax", &Chain, &bit),
        ("relax", &OneOfThree, &gumbels),
        ("relax-two-branch", &OneBit, &both),
        ("rebar-relax", &TwoBits, &bit),
        ("rebar-relax", &Chain, &bit),
        ("rebar-relax", &OneOfThree, &gumbels),
        ("rebar-relax-two-branch", &OneBit, &both),
    ];
    for (name, model, plan) in cases {
        let theta = model.parameters();
        let want = exact(model, &theta, EXPECTED);
        let grid = plan.grid(model, &theta);
        for (layers, baseline, eta_rule) in [
            (1, BaselineName::None, EtaRule::Gradient),
            (2, BaselineName::Learned, EtaRule::Running),
        ] {
            let config = EstimatorConfig {
                hidden: 3,
                layers,
                baseline,
                eta_rule,
                ..EstimatorConfig::named(name)
            };
            let mut estimator = build_as(&config, model, EXPECTED);
            stir(&mut *estimator);
            let got = expectation(&mut *estimator, model, &theta, &grid);
            let what = format!("{name} of {layers} layers on {}", model.name());
            let error = check(compare(&what, &got, &want, BOUND));
            println!("{what}: {} rows, error {error:.1e}", grid.weights.len());
        }
    }
}

/// Two samples, so the grid is over both.
#[test]
fn control_variates_beside_the_mean_of_the_other_sample_have_the_exact_gradient() {
    let plan = Plan {
        samples: 2,
        ..Plan::quadrature(0.12, false)
    };
    for (name, model) in [
        ("relax", &OneBit as &dyn Model),
        ("rebar", &OneBit),
        ("rebar-relax", &OneBit),
    ] {
        let theta = model.parameters();
        let want = exact(model, &theta, EXPECTED);
        let grid = plan.grid(model, &theta);
        let config = EstimatorConfig {
            hidden: 3,
            baseline: BaselineName::LeaveOneOut,
            ..EstimatorConfig::named(name)
        };
        let mut estimator = build_as(&config, model, EXPECTED);
        stir(&mut *estimator);
        let got = expectation(&mut *estimator, model, &theta, &grid);
        let what = format!("{name} with leave-one-out on {}", model.name());
        let error = check(compare(&what, &got, &want, BOUND));
        println!("{what}: {} rows, error {error:.1e}", grid.weights.len());
    }
}

#[test]
fn lax_has_the_exact_gradient_as_expectation() {
    let theta = OneNormal.parameters();
    let want = exact(&OneNormal, &theta, EXPECTED);
    let grid = Plan::quadrature(0.1, false).grid(&OneNormal, &theta);
    for (layers, baseline) in [(1, BaselineName::None), (2, BaselineName::Learned)] {
        let config = EstimatorConfig {
            hidden: 3,
            layers,
            baseline,
            sites: [("normal".into(), "lax".into())].into(),
            ..EstimatorConfig::default()
        };
        let mut estimator = build_as(&config, &OneNormal, EXPECTED);
        stir(&mut *estimator);
        let got = expectation(&mut *estimator, &OneNormal, &theta, &grid);
        let error = check(compare("lax", &got, &want, BOUND));
        println!("lax: {} rows, error {error:.1e}", grid.weights.len());
    }
}

/// Divergences that are sampled have the same expectation, with every estimator.
#[test]
fn sampled_divergences_keep_the_expectation() {
    let theta = Chain.parameters();
    let want = exact_gradient(&Chain);
    let sampled = |name: &str| EstimatorConfig {
        sampled_divergence: true,
        ..EstimatorConfig::named(name)
    };
    for (name, plan) in [
        ("reinforce", Plan::outcomes(1)),
        ("rloo", Plan::outcomes(2)),
        ("rebar", Plan::quadrature(0.1, false)),
    ] {
        let grid = plan.grid(&Chain, &theta);
        let value = |config: &EstimatorConfig| {
            let mut estimator = build_as(config, &Chain, EXPECTED);
            let program = example(&Chain, &theta, grid.weights.len());
            let rows = estimate(&mut *estimator, &program, &Noise::from_source(grid.clone()));
            numbers(rows.estimate.cost)
        };
        assert_ne!(value(&sampled(name)), value(&EstimatorConfig::named(name)));
        let mut estimator = build_as(&sampled(name), &Chain, EXPECTED);
        let got = expectation(&mut *estimator, &Chain, &theta, &grid);
        check(compare(name, &got, &want, BOUND));
    }
}

#[test]
fn straight_through_has_its_known_biased_expectation() {
    // g = f'(b) p (1 - p) for a bit, f'(b) = 2 (b - t) + s: E g = (2 (p - t) + s) p (1 - p).
    let theta = OneBit.parameters();
    let p = sigma(theta[0]);
    let mut estimator = build("straight-through", &OneBit, EXPECTED);
    assert!(estimator.is_biased());
    let grid = Plan::outcomes(1).grid(&OneBit, &theta);
    let got = expectation(&mut *estimator, &OneBit, &theta, &grid);
    let biased = (2.0 * (p - theta[1]) + theta[2]) * p * (1.0 - p);
    check(compare("straight-through", &got[..1], &[biased], 1e-12));
    // The direct part, here in t and s, has no bias.
    check(compare(
        "direct",
        &got[1..],
        &exact(&OneBit, &theta, EXPECTED)[1..],
        1e-12,
    ));

    // One of three, f = y^2 + y^3 with y = w.x: g = J (2 y + 3 y^2) w, J = diag(p) - p p^T.
    let theta = OneOfThree.parameters();
    let (p, w) = (hand::softmax(&theta[..3]), &theta[3..]);
    let mean: f64 = (0..3).map(|i| p[i] * w[i]).sum();
    let slope: f64 = (0..3)
        .map(|i| p[i] * (2.0 * w[i] + 3.0 * w[i].powi(2)))
        .sum();
    let want: Vec<f64> = (0..3).map(|i| p[i] * (w[i] - mean) * slope).collect();
    let mut estimator = build("straight-through", &OneOfThree, EXPECTED);
    let grid = Plan::outcomes(1).grid(&OneOfThree, &theta);
    let got = expectation(&mut *estimator, &OneOfThree, &theta, &grid);
    check(compare("straight-through", &got[..3], &want, 1e-12));
}

#[test]
fn straight_through_passes_through_one_choice_to_the_next() {
    let theta = Chain.parameters();
    let t = |i: usize| theta[i];
    let slope = |a: f64| sigma(a) * sigma(-a);
    let mut want = [0.0; 2];
    for first in [0.0, 1.0] {
        for second in [0.0, 1.0] {
            let (a, prior) = (t(1) + t(2) * first, t(3) + t(4) * first);
            let bit = |a: f64, b: f64| sigma((2.0 * b - 1.0) * a);
            let p = bit(t(0), first) * bit(a, second);
            let error = 4.0 * (first + t(6) * second - t(7));
            let to_second = slope(a) * (a - prior) + error * t(6) * slope(a);
            let to_prior = sigma(prior) - sigma(a);
            let to_first = 2.0 * (first - t(5)) + error + to_second * t(2) + to_prior * t(4);
            want[0] += p * to_first * slope(t(0));
            want[1] += p * to_second;
        }
    }
    let mut estimator = build("straight-through", &Chain, EXPECTED);
    let grid = Plan::outcomes(1).grid(&Chain, &theta);
    let got = expectation(&mut *estimator, &Chain, &theta, &grid);
    check(compare("straight-through", &got[..2], &want, 1e-12));
}

/// `E[(b - t)^2]` is least at `p = 0` for `t < 1/2`, yet straight-through comes to rest at `p = t`.
#[test]
fn straight_through_rests_where_the_mean_meets_the_target() {
    let t = 0.3;
    let expected_at = |p: f64| {
        let theta = [(p / (1.0 - p)).ln(), t, 0.0];
        let grid = Plan::outcomes(1).grid(&OneBit, &theta);
        let mut estimator = build("straight-through", &OneBit, EXPECTED);
        let biased = expectation(&mut *estimator, &OneBit, &theta, &grid)[0];
        (biased, exact(&OneBit, &theta, EXPECTED)[0])
    };
    assert!(expected_at(t).0.abs() < 1e-12);
    assert!(expected_at(0.2).0 < 0.0 && expected_at(0.4).0 > 0.0);
    for p in [0.2, 0.3, 0.4] {
        assert!(expected_at(p).1 > 0.0, "the true gradient always lowers p");
    }
}

/// On a grid of fixed noise the relaxed objective is an ordinary function.
#[test]
fn pathwise_estimates_are_the_slopes_of_their_cost_at_fixed_noise() {
    for model in all() {
        if !is_defined("concrete", model.name()) {
            continue;
        }
        let theta = model.parameters();
        let objectives = if ["belief net", "vae", "air"].contains(&model.name()) {
            vec![
                EXPECTED,
                Objective::LogMeanWeight { k: 1 },
                Objective::LogMeanWeight { k: 3 },
            ]
        } else {
            vec![EXPECTED]
        };
        // An outside term has a slope but is no part of the cost.
        let window = Window { bonus: 0.0 };
        let model: &dyn Model = if model.name() == "window" {
            &window
        } else {
            &*model
        };
        for objective in objectives {
            let noise = Noise::new(5, 0);
            let mut estimator = build("concrete", model, objective);
            let rows = estimate(&mut *estimator, &example(model, &theta, 4), &noise);
            let costs = |t: &[f64], row: usize| {
                let mut estimator = build("concrete", model, objective);
                let program = example(model, t, 4);
                numbers(estimator.estimate(&program, &noise).cost)[row]
            };
            for row in 0..4 {
                let want = differences(&theta, 1e-5, |t| costs(t, row));
                let got = &rows.gradients[row * theta.len()..][..theta.len()];
                let what = format!("concrete on {} {objective:?}", model.name());
                check(compare(&what, got, &want, 1e-8));
            }
        }
    }
}

/// The relaxed cost holds the densities of the relaxed variables at their own temperatures, not a discrete divergence.
#[test]
fn the_concrete_cost_is_that_of_the_relaxed_model() {
    struct Fixed;
    impl Source for Fixed {
        fn fill(&self, at: Address<'_>, out: &mut [f64]) {
            out.fill(if &*at.key.name == "first" { 0.3 } else { 0.8 });
        }
    }
    let theta = Chain.parameters();
    let t = |i: usize| theta[i];
    let (warm, cold) = (0.7, 0.4);
    let logit = |u: f64| (u / (1.0 - u)).ln();
    let first = sigma((t(0) + logit(0.3)) / warm);
    let (a, prior) = (t(1) + t(2) * first, t(3) + t(4) * first);
    let y = (a + logit(0.8)) / warm;
    let log_density = |a: f64, t: f64| t.ln() - t * y + a - 2.0 * (a - t * y).exp().ln_1p();
    let want = (first - t(5)).powi(2) + log_density(a, warm) - log_density(prior, cold)
        + 2.0 * (first + t(6) * sigma(y) - t(7)).powi(2);
    let config = EstimatorConfig {
        temperature: Some(warm),
        prior_temperature: cold,
        ..EstimatorConfig::named("concrete")
    };
    let mut estimator = build_as(&config, &Chain, EXPECTED);
    let estimate = estimator.estimate(&example(&Chain, &theta, 1), &Noise::from_source(Fixed));
    check(compare(
        "relaxed cost",
        &numbers(estimate.cost),
        &[want],
        1e-12,
    ));
}

/// `E[g^2]` at the logits of two bits.
fn second_moment(config: &EstimatorConfig, plan: &Plan<'_>) -> Vec<f64> {
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
    // A network costs no run of the program.
    assert_eq!(count(&EstimatorConfig::named("relax"), false), 1.0);
    assert_eq!(count(&EstimatorConfig::named("rebar-relax"), true), 3.0);
    assert_eq!(count(&EstimatorConfig::named("rebar-relax"), false), 9.0);
}
