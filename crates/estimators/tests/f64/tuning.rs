//! What estimators own: the gradient that trains it, that nothing else receives, and that it survives being stored.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Gradients, Tensor},
};
use unbiased_estimators::{Estimate, Estimator, EstimatorConfig, Noise, Owned};

use crate::{
    estimate::{EXPECTED, build, build_as, check, compare, example, must_fail, numbers},
    expectations::stir,
    mutants::Leaky,
    programs::{Air, BeliefNet, Machine, Model, Permutation, Vae, Window},
    small::{Chain, OneBit, OneOfThree, TwoBits},
};

const ROWS: usize = 16;

fn run(estimator: &mut dyn Estimator, model: &dyn Model) -> Estimate {
    let program = example(model, &model.parameters(), ROWS);
    estimator.estimate(&program, &Noise::new(9, 4))
}

/// Gradients of everything owned, number by number; zero where there is none.
fn owned_gradients(owned: &Owned, gradients: &Gradients) -> Vec<f64> {
    struct Visit<'a>(&'a Gradients, Vec<f64>);
    impl ModuleVisitor for Visit<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            let gradient = value
                .grad(self.0)
                .unwrap_or_else(|| value.clone().inner().zeros_like());
            self.1.extend(numbers(gradient));
        }
    }
    let mut visit = Visit(gradients, Vec::new());
    owned.visit(&mut visit);
    visit.1
}

/// Adds `shift` to the `index`-th number owned.
fn shifted(owned: Owned, index: usize, shift: f64) -> Owned {
    struct Shift(usize, usize, f64);
    impl ModuleMapper for Shift {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let start = self.1;
            let n = param.val().shape().num_elements();
            self.1 += n;
            if !(start..start + n).contains(&self.0) {
                return param;
            }
            param.map(|old| {
                let (shape, leaf) = (old.shape(), old.is_require_grad());
                let mut values = numbers(old.clone());
                values[self.0 - start] += self.2;
                let device = old.device().without_autodiff();
                let new = Tensor::<1>::from_data(values.as_slice(), &device).reshape(shape);
                let new = Tensor::from_inner(new);
                if leaf { new.require_grad() } else { new }
            })
        }
    }
    owned.map(&mut Shift(index, 0, shift))
}

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

/// In `eta` the tape is exact; in the temperature it uses a central difference of its own, with an error of 1e-8 or so.
#[test]
fn the_tuning_gradient_of_rebar_is_the_slope_of_the_mean_squared_gradient() {
    let window = Window { bonus: 0.1 };
    let models: [&dyn Model; 9] = [
        &OneBit,
        &TwoBits,
        &Chain,
        &OneOfThree,
        &window,
        &BeliefNet,
        &Air,
        &Machine,
        &Permutation,
    ];
    for model in models {
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
        // The running mean, the last two numbers of each baseline, is not trained.
        for (i, (slope, tape)) in slopes.iter().zip(&tape).enumerate() {
            let of_mean = tape.abs() == 0.0 && slope.abs() > 0.0;
            assert!(
                of_mean || (slope - tape).abs() < 1e-8,
                "{} {i}: {slope} {tape}",
                model.name()
            );
        }
        assert!(tape.iter().filter(|g| g.abs() > 0.0).count() >= tape.len() / 2);
    }
}

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
        for name in ["nvil", "a2c", "rebar", "rebar-two-branch"] {
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
    for name in ["moving-average", "nvil", "a2c", "rebar", "rebar-two-branch"] {
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
