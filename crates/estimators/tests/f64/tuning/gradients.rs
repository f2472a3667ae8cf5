//! The gradient of the tuning objective in all that is owned, against its slopes.

use unbiased_estimators::{
    EstimatorConfig, Noise,
    law::RelaxationKind,
    rules::{baseline::BaselineName, rebar::Tuning},
};

use super::{ROWS, owned_gradients, relative, run, shifted};
use crate::{
    estimate::{EXPECTED, build, build_as, check, compare, estimate, example, must_fail, numbers},
    expectations::stir,
    programs::{Air, BeliefNet, Machine, Model, Permutation, Vae, Window},
    small::{Affine, Chain, OneBit, OneNormal, OneOfThree, TwoBits},
};

/// The slopes of the tuning objective in everything owned, and its tape's gradient.
fn slopes_and_tape(config: &EstimatorConfig, model: &dyn Model, step: f64) -> (Vec<f64>, Vec<f64>) {
    let fresh = |shift: Option<(usize, f64)>| {
        let mut estimator = build_as(config, model, EXPECTED);
        stir(&mut *estimator);
        if let Some((index, by)) = shift {
            let owned = shifted(estimator.owned(), index, by);
            estimator.set_owned(owned);
        }
        estimator
    };
    let mut estimator = fresh(None);
    let owned = estimator.owned();
    let tuning = run(&mut *estimator, model)
        .tuning
        .expect("something to tune");
    let tape = owned_gradients(&owned, &tuning.backward());
    let value = |index, by| {
        let mut estimator = fresh(Some((index, by)));
        numbers(
            run(&mut *estimator, model)
                .tuning
                .expect("something to tune"),
        )[0]
    };
    let slopes = (0..tape.len())
        .map(|i| (value(i, step) - value(i, -step)) / (2.0 * step))
        .collect();
    (slopes, tape)
}

#[test]
fn the_tuning_value_of_rebar_is_the_mean_squared_gradient_at_the_logits() {
    for model in [&Chain as &dyn Model, &Vae::default(), &Machine] {
        for name in ["rebar", "rebar-two-branch"] {
            let estimate = run(&mut *build(name, model, EXPECTED), model);
            let square: f64 = estimate
                .logit_gradients
                .iter()
                .map(|(_, g)| numbers(g.clone().square()).iter().sum::<f64>() / ROWS as f64)
                .sum();
            let tuning = numbers(estimate.tuning.expect("something to tune"));
            check(compare("tuning", &tuning, &[square], 1e-12));
        }
    }
}

/// Models of every kind of relaxable site.
fn relaxable() -> [&'static dyn Model; 9] {
    [
        &OneBit,
        &TwoBits,
        &Chain,
        &OneOfThree,
        &Window { bonus: 0.1 },
        &BeliefNet,
        &Air,
        &Machine,
        &Permutation,
    ]
}

/// In `eta` the tape is exact; in the temperature it uses a central difference of its own, with an error of 1e-8 or so.
#[test]
fn the_tuning_gradient_of_rebar_is_the_slope_of_the_mean_squared_gradient() {
    for model in relaxable() {
        for name in ["rebar", "rebar-two-branch"] {
            let (slopes, tape) = slopes_and_tape(&EstimatorConfig::named(name), model, 1e-4);
            let what = format!("{name} on {}", model.name());
            // Scale and log-temperature, in turn.
            let every_other = |x: &[f64], first| -> Vec<f64> {
                x.iter().skip(first).step_by(2).copied().collect()
            };
            let eta = compare(
                &what,
                &every_other(&tape, 0),
                &every_other(&slopes, 0),
                1e-8,
            );
            let temperature = compare(
                &what,
                &every_other(&tape, 1),
                &every_other(&slopes, 1),
                1e-5,
            );
            println!(
                "{what}: eta {:.1e}, temperature {:.1e}",
                check(eta),
                check(temperature)
            );
            assert!(tape.iter().all(|g| g.abs() > 1e-6), "{what}: {tape:?}");
        }
    }
}

/// The squared length that each setting names, from the gradient of every row at the parameters.
#[test]
fn tuning_in_parameter_space_is_that_of_the_gradient_at_the_parameters() {
    for name in ["rebar", "relax", "rebar-two-branch", "rebar-relax"] {
        let tuning = |tuning| {
            let config = EstimatorConfig {
                tuning,
                ..EstimatorConfig::named(name)
            };
            let mut estimator = build_as(&config, &Affine, EXPECTED);
            stir(&mut *estimator);
            let program = example(&Affine, &Affine.parameters(), ROWS);
            let rows = estimate(&mut *estimator, &program, &Noise::new(9, 4));
            let value = numbers(rows.estimate.tuning.expect("something to tune"))[0];
            (value, rows.gradients)
        };
        let (of_rows, gradients) = tuning(Tuning::Parameters);
        let want = gradients.iter().map(|g| g * g).sum::<f64>() / ROWS as f64;
        check(compare(name, &[of_rows], &[want], 1e-12));
        let at_logits = tuning(Tuning::Logits).0;
        must_fail("logits", compare(name, &[at_logits], &[want], 1e-3));
    }
}

/// Of every squared length, both relaxed values and every baseline, in all that is owned.
#[test]
fn the_tuning_gradient_of_rebar_is_the_slope_in_every_setting() {
    let of = |config: &EstimatorConfig| slopes_and_tape(config, &Affine, 1e-4);
    for name in ["rebar", "rebar-two-branch"] {
        for tuning in [Tuning::Logits, Tuning::Parameters] {
            for relaxation in [RelaxationKind::Concrete, RelaxationKind::Muprop] {
                for baseline in [
                    BaselineName::None,
                    BaselineName::Learned,
                    BaselineName::LeaveOneOut,
                ] {
                    let config = EstimatorConfig {
                        tuning,
                        relaxation,
                        baseline,
                        hidden: 3,
                        ..EstimatorConfig::named(name)
                    };
                    let (slopes, tape) = of(&config);
                    let what = format!("{name} {tuning:?} {relaxation:?} {baseline:?}");
                    let error = check(compare(&what, &tape, &slopes, 1e-5));
                    println!("{what}: {error:.1e}");
                    let other = EstimatorConfig {
                        relaxation: match relaxation {
                            RelaxationKind::Concrete => RelaxationKind::Muprop,
                            RelaxationKind::Muprop => RelaxationKind::Concrete,
                        },
                        ..config
                    };
                    must_fail(
                        "the other relaxation",
                        compare(&what, &of(&other).1, &slopes, 1e-4),
                    );
                }
            }
        }
    }
}

#[test]
fn the_tuning_gradient_of_a_baseline_is_the_slope_of_its_squared_residual() {
    let of = |name| EstimatorConfig {
        hidden: 3,
        ..EstimatorConfig::named(name)
    };
    let window = Window { bonus: 0.1 };
    let cases: [(&str, &dyn Model); 4] = [
        ("nvil", &Chain),
        ("nvil", &BeliefNet),
        ("a2c", &BeliefNet),
        ("a2c", &window),
    ];
    for (name, model) in cases {
        let config = of(name);
        let (slopes, tape) = slopes_and_tape(&config, model, 1e-5);
        check(compare(model.name(), &tape, &slopes, 1e-8));
        assert!(tape.iter().filter(|g| g.abs() > 0.0).count() >= tape.len() / 2);
    }
}

/// In forward mode, to rounding of the differences that it is compared with.
#[test]
fn the_tuning_gradient_of_relax_is_the_slope_of_the_mean_squared_gradient() {
    for model in relaxable() {
        for name in ["relax", "relax-two-branch", "d-lax"] {
            for layers in [1, 2] {
                let config = EstimatorConfig {
                    hidden: 3,
                    layers,
                    ..EstimatorConfig::named(name)
                };
                let (slopes, tape) = slopes_and_tape(&config, model, 1e-4);
                let error = relative(&tape, &slopes);
                let what = format!("{name} of {layers} layers on {}", model.name());
                println!("{what}: {error:.1e}");
                assert!(error < 1e-6, "{what}: {error:.1e}");
                let moved = tape.iter().filter(|g| g.abs() > 0.0).count();
                assert!(moved > tape.len() / 2, "{what}: {moved} of {}", tape.len());
            }
        }
    }
    let config = EstimatorConfig {
        hidden: 3,
        sites: [("normal".into(), "lax".into())].into(),
        ..EstimatorConfig::default()
    };
    let (slopes, tape) = slopes_and_tape(&config, &OneNormal, 1e-4);
    let error = relative(&tape, &slopes);
    assert!(error < 1e-6, "lax: {error:.1e}");
}

/// Objective and network together: the network exactly, the temperature by differences.
#[test]
fn the_tuning_gradient_of_both_parts_is_the_slope_of_the_mean_squared_gradient() {
    for model in [&Chain as &dyn Model, &OneOfThree, &BeliefNet] {
        for name in ["rebar-relax", "rebar-relax-two-branch"] {
            let config = EstimatorConfig {
                hidden: 3,
                ..EstimatorConfig::named(name)
            };
            let (slopes, tape) = slopes_and_tape(&config, model, 1e-4);
            let error = relative(&tape, &slopes);
            println!("{name} on {}: {error:.1e}", model.name());
            assert!(error < 1e-5, "{name} on {}: {error:.1e}", model.name());
        }
    }
}
