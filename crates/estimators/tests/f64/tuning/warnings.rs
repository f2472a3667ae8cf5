//! What an estimator says about itself when it goes wrong.

use std::cell::RefCell;

use burn::tensor::Tensor;
use unbiased_estimators::{EstimatorConfig, Key, Noise, NoiseLaw, Role, Run, Site};

use super::{ROWS, shifted};
use crate::{
    estimate::{EXPECTED, build_as, device, example},
    programs::{Model, Theta},
    small::TwoBits,
};

/// A context that holds the choice itself makes the control terms drift, and the watch says so; an honest one does not.
#[test]
fn a_leaking_context_is_reported() {
    /// One bit whose context is what the test puts there.
    struct Peek(RefCell<Option<Tensor<2>>>);
    impl Model for Peek {
        fn name(&self) -> &'static str {
            "peek"
        }
        fn parameters(&self) -> Vec<f64> {
            vec![0.4, 0.3]
        }
        fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
            let seen = match &*self.0.borrow() {
                Some(choice) => choice.clone(),
                None => theta.constant(&[1.0]),
            };
            let site = Site::new(theta.take(1)).context(seen);
            let x = run.bernoulli("bit", site).value;
            let cost = (x - theta.take(1)).square();
            run.cost("cost", cost.squeeze_dim::<1>(1), run.mark());
        }
    }
    for name in ["relax", "nvil"] {
        for leaks in [false, true] {
            let model = Peek(RefCell::new(None));
            let config = EstimatorConfig {
                hidden: 3,
                ..EstimatorConfig::named(name)
            };
            let mut estimator = build_as(&config, &model, EXPECTED);
            // Running means stay empty: what is in them counts as seen.
            let trained = 3 * 4 + 3;
            let nudged = (0..trained).fold(estimator.owned(), |owned, index| {
                shifted(owned, index, 0.3 + 0.2 * (index as f64).sin())
            });
            estimator.set_owned(nudged);
            let plain = device().without_autodiff();
            for step in 0..2500 {
                let noise = Noise::new(3, step);
                if leaks {
                    let (key, role) = (Key::new("bit", 0), Role::Choice);
                    let logistic =
                        noise.draw(NoiseLaw::Logistic, &key, role, 1, 1, ROWS, 1, &plain);
                    let choice = (logistic + 0.4).greater_scalar(0.0).float();
                    model.0.replace(Some(choice));
                }
                let program = example(&model, &model.parameters(), ROWS);
                let estimate = estimator.estimate(&program, &noise);
                (estimate.surrogate + estimate.tuning.expect("something to tune")).backward();
            }
            let warnings = estimator.warnings();
            let biased = warnings.iter().any(|warning| warning.contains("biased"));
            assert_eq!(biased, leaks, "{name}: {warnings:?}");
        }
    }
}

#[test]
fn a_temperature_that_has_run_away_is_reported() {
    for (temperature, ran) in [(0.5, false), (1e-3, true), (1e3, true)] {
        let config = EstimatorConfig {
            temperature: Some(temperature),
            ..EstimatorConfig::named("rebar")
        };
        let warnings = build_as(&config, &TwoBits, EXPECTED).warnings();
        let said = warnings
            .iter()
            .any(|warning| warning.contains("end of its range"));
        assert_eq!(said, ran, "{temperature}: {warnings:?}");
    }
}
