//! The `exact` estimator, reference of all others, against enumeration by hand and against differences of its value.

use unbiased_estimators::{Abilities, Objective};

use crate::{
    estimate::{EXPECTED, check, compare, differences, exact, exact_value},
    hand,
    programs::{
        Air, Alignment, BeliefNet, Decision, Machine, Model, Permutation, Returns, STEPS,
        SequenceGan, Vae, Window,
    },
};

/// Every program that can be enumerated, and its objectives.
fn cases() -> Vec<(Box<dyn Model>, Objective)> {
    let bound = |k| Objective::LogMeanWeight { k };
    vec![
        (Box::new(BeliefNet), EXPECTED),
        (Box::new(BeliefNet), bound(1)),
        (Box::new(BeliefNet), bound(2)),
        (Box::new(Vae::default()), EXPECTED),
        (Box::new(Vae::default()), bound(2)),
        (Box::new(Vae::default()), bound(3)),
        (Box::new(Air), EXPECTED),
        (Box::new(Machine), EXPECTED),
        (Box::new(Alignment), EXPECTED),
        (Box::new(SequenceGan::new(Returns::Cost)), EXPECTED),
        (Box::new(Decision::new(Abilities::TABLE)), EXPECTED),
        (Box::new(Permutation), EXPECTED),
        (Box::new(Window { bonus: 0.0 }), EXPECTED),
    ]
}

#[test]
fn exact_value_and_gradients_equal_enumeration_by_hand() {
    type ByHand = Box<dyn Fn(&[f64]) -> f64>;
    let bound = |k| Objective::LogMeanWeight { k };
    let cases: [(Box<dyn Model>, Objective, ByHand); 8] = [
        (Box::new(BeliefNet), EXPECTED, Box::new(hand::belief_net)),
        (Box::new(BeliefNet), bound(1), Box::new(hand::belief_net)),
        (
            Box::new(Vae::default()),
            EXPECTED,
            Box::new(|t| hand::vae(t, 1)),
        ),
        (
            Box::new(Vae::default()),
            bound(2),
            Box::new(|t| hand::vae(t, 2)),
        ),
        (
            Box::new(Vae::default()),
            bound(3),
            Box::new(|t| hand::vae(t, 3)),
        ),
        (Box::new(Alignment), EXPECTED, Box::new(hand::alignment)),
        (
            Box::new(Decision::new(Abilities::TABLE)),
            EXPECTED,
            Box::new(hand::decision),
        ),
        (Box::new(Permutation), EXPECTED, Box::new(hand::permutation)),
    ];
    for (model, objective, by_hand) in cases {
        let theta = model.parameters();
        let what = format!("{} {objective:?}", model.name());
        let value = exact_value(&*model, &theta, objective);
        check(compare(&what, &[value], &[by_hand(&theta)], 1e-12));
        let gradient = exact(&*model, &theta, objective);
        let slopes = differences(&theta, 1e-5, by_hand);
        check(compare(&what, &gradient, &slopes, 1e-9));
    }
}

#[test]
fn exact_gradients_are_the_slopes_of_exact_value() {
    for (model, objective) in cases() {
        let theta = model.parameters();
        let slopes = differences(&theta, 1e-5, |t| exact_value(&*model, t, objective));
        let gradient = exact(&*model, &theta, objective);
        let what = format!("{} {objective:?}", model.name());
        let error = check(compare(&what, &gradient, &slopes, 1e-9));
        println!("{what}: {error:.1e}");
    }
}

/// Otherwise a test of the gradient would say nothing about the parameter.
#[test]
fn every_parameter_of_every_program_has_a_gradient() {
    for (model, objective) in cases() {
        let gradient = exact(&*model, &model.parameters(), objective);
        for (i, g) in gradient.iter().enumerate() {
            // The last step of an alignment is always forced.
            let idle = model.name() == "alignment" && i == STEPS - 1;
            assert_eq!(
                g.abs() < 1e-3,
                idle,
                "{} {objective:?} {i}: {g}",
                model.name()
            );
        }
    }
}
