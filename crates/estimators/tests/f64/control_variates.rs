//! Expectations of estimators with control variates, by quadrature over their noise.

use unbiased_estimators::{
    EstimatorConfig, Noise,
    law::RelaxationKind,
    rules::{baseline::BaselineName, rebar::EtaRule},
};

use crate::{
    estimate::{
        EXPECTED, build_as, check, compare, estimate, exact, example, expectation, numbers,
    },
    expectations::{BOUND, exact_gradient, stir},
    grid::Plan,
    programs::{Model, Window},
    small::{Chain, Gated, OneBit, OneNormal, OneOfThree, TwoBits},
};

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
    let cases: [(&str, &dyn Model, &Plan<'_>); 15] = [
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
        ("d-lax", &OneBit, &bit),
        ("d-lax", &TwoBits, &bit),
        ("d-lax", &OneOfThree, &gumbels),
        ("d-lax", &window, &coarse),
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
