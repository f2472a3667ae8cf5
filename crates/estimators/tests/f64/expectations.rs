//! Expectations of estimators, to rounding: sums over the cells of their noise, or quadrature within them.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::Tensor,
};
use unbiased_estimators::{
    Abilities, ESTIMATORS, Estimator, EstimatorConfig, Noise, Objective, Owned,
};

use crate::{
    estimate::{
        EXPECTED, build, build_as, check, compare, device, exact, exact_value, example,
        expectation, expectations, must_fail, numbers, schema,
    },
    grid::Plan,
    hand,
    programs::{
        Air, Alignment, BeliefNet, Decision, Model, Returns, SequenceGan, Vae, Window, all,
    },
    small::{Chain, Gated, OneBit, OneOfThree, TwoBits},
};

pub const BOUND: f64 = 1e-9;

/// Which estimators are defined for the expected cost of which of the nine.
pub fn is_defined(estimator: &str, program: &str) -> bool {
    let black_box = program == "decision";
    let bits_only = ["belief net", "air", "alignment", "window"].contains(&program);
    let classes_only = ["machine", "sequence gan"].contains(&program);
    match estimator {
        "reinforce" | "moving-average" | "optimal-baseline" | "nvil" | "a2c" | "relax"
        | "relax-two-branch" | "d-lax" => true,
        "exact" | "rloo" => !black_box,
        "disarm" | "arm" | "arms" => bits_only,
        "disarm-tree" | "unordered-set" | "sum-and-sample" => classes_only,
        "measure-valued" => !black_box && program != "permutation",
        "muprop"
        | "simple-muprop"
        | "double-cv"
        | "straight-through"
        | "st-gumbel"
        | "gumbel-rao"
        | "concrete"
        | "rebar"
        | "rebar-two-branch"
        | "rebar-relax"
        | "rebar-relax-two-branch" => !black_box && program != "sequence gan",
        "reinmax" => is_defined("straight-through", program) && program != "permutation",
        "vimco" | "vimco-arithmetic" | "rws" | "pathwise" | "lax" | "stl" | "dreg" => false,
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
pub fn with_open<T>(model: &dyn Model, then: impl FnOnce(&dyn Model) -> T) -> T {
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
pub fn is_unbiased(config: &EstimatorConfig, model: &dyn Model, plan: &Plan<'_>, want: &[f64]) {
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
        for name in ["moving-average", "optimal-baseline", "nvil", "a2c"] {
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
    for model in [&OneBit as &dyn Model, &TwoBits, &OneOfThree] {
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
        (
            &vae,
            2,
            &[
                "vimco",
                "vimco-arithmetic",
                "reinforce",
                "moving-average",
                "nvil",
            ],
        ),
        (&vae, 3, &["vimco", "vimco-arithmetic", "reinforce", "nvil"]),
        (&BeliefNet, 1, &["reinforce", "optimal-baseline", "nvil"]),
        (
            &BeliefNet,
            2,
            &["vimco", "vimco-arithmetic", "moving-average", "nvil"],
        ),
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
