//! What is owned by itself: apart from the model, storable, averaged over the right batches, tuned when it is due.

use burn::{module::Module, tensor::Tensor};
use unbiased_estimators::{Estimate, EstimatorConfig, Noise};

use super::{ROWS, owned_gradients, run};
use crate::{
    estimate::{EXPECTED, build, build_as, check, compare, example, must_fail, numbers},
    expectations::stir,
    mutants::Leaky,
    programs::{Air, BeliefNet, Machine, Model, Window},
    small::{Chain, OneBit, TwoBits},
};

/// The largest gradient of the tuning objective in the model's parameters.
fn tuning_in_model(estimate: Estimate, theta: &Tensor<2>) -> Result<f64, String> {
    let gradients = estimate.tuning.expect("something to tune").backward();
    let gradient = theta.grad(&gradients).map_or(0.0, |g| {
        numbers(g).into_iter().map(f64::abs).fold(0.0, f64::max)
    });
    compare("gradient of tuning in the model", &[gradient], &[0.0], 0.0)
}

#[test]
fn tuning_leaves_the_model_alone_and_the_surrogate_what_is_owned() {
    let window = Window { bonus: 0.1 };
    let models: [&dyn Model; 5] = [&Chain, &BeliefNet, &Air, &window, &Machine];
    for model in models {
        for name in [
            "nvil",
            "a2c",
            "rebar",
            "rebar-two-branch",
            "relax",
            "relax-two-branch",
            "rebar-relax",
            "d-lax",
        ] {
            let mut estimator = build(name, model, EXPECTED);
            stir(&mut *estimator);
            let owned = estimator.owned();
            let program = example(model, &model.parameters(), ROWS);
            let estimate = estimator.estimate(&program, &Noise::new(1, 0));
            let surrogate = owned_gradients(&owned, &estimate.surrogate.clone().backward());
            assert!(surrogate.iter().all(|&g| g == 0.0), "{name}: {surrogate:?}");
            check(tuning_in_model(estimate, &program.theta));
        }
    }
}

#[test]
fn a_program_that_does_not_freeze_is_caught() {
    for name in ["rebar", "rebar-two-branch"] {
        let program = Leaky(example(&Chain, &Chain.parameters(), ROWS));
        let estimate = build(name, &Chain, EXPECTED).estimate(&program, &Noise::new(1, 0));
        must_fail(
            "tuning that reaches the model",
            tuning_in_model(estimate, &program.0.theta),
        );
    }
}

#[test]
fn what_is_owned_survives_being_stored() {
    for name in [
        "moving-average",
        "nvil",
        "a2c",
        "rebar",
        "rebar-two-branch",
        "relax",
        "rebar-relax",
    ] {
        let mut old = build(name, &Chain, EXPECTED);
        stir(&mut *old);
        run(&mut *old, &Chain);
        let record = old.owned().into_record();

        let mut new = build(name, &Chain, EXPECTED);
        let before = run(&mut *build(name, &Chain, EXPECTED), &Chain);
        let loaded = new.owned().load_record(record);
        new.set_owned(loaded);
        for _ in 0..2 {
            let (a, b) = (run(&mut *old, &Chain), run(&mut *new, &Chain));
            assert_ne!(
                numbers(a.surrogate.clone()),
                numbers(before.surrogate.clone()),
                "{name}"
            );
            assert_eq!(numbers(a.surrogate), numbers(b.surrogate), "{name}");
            for ((key, a), (_, b)) in a.logit_gradients.into_iter().zip(b.logit_gradients) {
                assert_eq!(numbers(a), numbers(b), "{name} {key}");
            }
        }
    }
}

/// The mean takes in a batch after it has served it.
#[test]
fn a_moving_average_is_that_of_the_batches_before() {
    let config = EstimatorConfig {
        decay: 0.6,
        ..EstimatorConfig::named("moving-average")
    };
    let mut estimator = build_as(&config, &OneBit, EXPECTED);
    let baseline = |estimate: &Estimate| numbers(estimate.report.scalars[0].1.clone())[0];
    let mut costs = Vec::new();
    for step in 0..4 {
        let program = example(&OneBit, &OneBit.parameters(), ROWS);
        let estimate = estimator.estimate(&program, &Noise::new(2, step));
        let costs_now = numbers(estimate.cost.clone());
        costs.push(costs_now.iter().sum::<f64>() / ROWS as f64);
        // Weights 0.4 * 0.6^age, normalised.
        let weights: Vec<f64> = (0..costs.len())
            .rev()
            .map(|age| 0.6_f64.powi(age as i32))
            .collect();
        let sum: f64 = weights.iter().zip(&costs).map(|(w, c)| w * c).sum();
        let want = sum / weights.iter().sum::<f64>();
        check(compare("baseline", &[baseline(&estimate)], &[want], 1e-12));
    }
}

/// Tuned in one step of three, and then as if in every step.
#[test]
fn a_control_variate_is_tuned_when_it_is_due() {
    let gradients = |tune_every: u64, step: u64| {
        let config = EstimatorConfig {
            hidden: 3,
            tune_every,
            ..EstimatorConfig::named("rebar-relax")
        };
        let mut estimator = build_as(&config, &TwoBits, EXPECTED);
        stir(&mut *estimator);
        let program = example(&TwoBits, &TwoBits.parameters(), ROWS);
        let estimate = estimator.estimate(&program, &Noise::new(2, step));
        let owned = estimator.owned();
        let tuning = estimate.tuning?;
        Some((
            estimate.report.evaluations,
            owned_gradients(&owned, &tuning.backward()),
        ))
    };
    for step in 1..=6 {
        let due = gradients(3, step);
        assert_eq!(due.is_some(), step % 3 == 0);
        if due.is_some() {
            assert_eq!(due, gradients(1, step));
        }
    }
}
