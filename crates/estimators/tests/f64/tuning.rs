//! What estimators own: the gradient that trains it, that nothing else receives, and that it survives being stored.

use std::cell::RefCell;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Gradients, Tensor},
};
use unbiased_estimators::{
    ControlVariate, Estimate, Estimator, EstimatorConfig, Key, Latent, Noise, NoiseLaw, Owned,
    Role, Run, Site, Sited, Watch,
    law::RelaxationKind,
    rules::{Rule, baseline::BaselineName, rebar::Tuning, relax::Relax},
};

use crate::{
    estimate::{
        EXPECTED, build, build_as, check, compare, device, estimate, example, must_fail, numbers,
        schema,
    },
    expectations::stir,
    mutants::Leaky,
    programs::{Air, BeliefNet, Machine, Model, Permutation, Theta, Vae, Window},
    small::{Affine, Chain, OneBit, OneNormal, OneOfThree, TwoBits},
};

const ROWS: usize = 16;

fn run(estimator: &mut dyn Estimator, model: &dyn Model) -> Estimate {
    let program = example(model, &model.parameters(), ROWS);
    estimator.estimate(&program, &Noise::new(9, 4))
}

/// Gradients of everything trainable that is owned, number by number; zero where there is none.
pub fn owned_gradients(owned: &Owned, gradients: &Gradients) -> Vec<f64> {
    struct Visit<'a>(&'a Gradients, Vec<f64>);
    impl ModuleVisitor for Visit<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            if !value.is_require_grad() {
                return;
            }
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
            if !param.val().is_require_grad() {
                return param;
            }
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

/// Distance of two vectors relative to the second.
fn relative(got: &[f64], want: &[f64]) -> f64 {
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
    let distance = norm(&mut got.iter().zip(want).map(|(g, w)| g - w));
    distance / norm(&mut want.iter().copied())
}

/// In forward mode, to rounding of the differences that it is compared with.
#[test]
fn the_tuning_gradient_of_relax_is_the_slope_of_the_mean_squared_gradient() {
    for model in relaxable() {
        for name in ["relax", "relax-two-branch"] {
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

/// A module from outside: parameters of three ranks and no forward mode.
#[derive(Module, Debug)]
struct Quadratic {
    square: Param<Tensor<3>>,
    linear: Param<Tensor<2>>,
    context: Param<Tensor<1>>,
    #[module(skip)]
    smooth: bool,
}

impl Quadratic {
    fn new(width: usize) -> Self {
        let values = |n: usize, phase: f64| -> Vec<f64> {
            (0..n).map(|i| 0.5 * (i as f64 + phase).sin()).collect()
        };
        let tensor = |n: usize, phase: f64| {
            Tensor::<1>::from_data(values(n, phase).as_slice(), &device().without_autodiff())
                .autodiff()
        };
        Self {
            square: Param::from_tensor(tensor(width * width, 0.3).reshape([1, width, width])),
            linear: Param::from_tensor(tensor(width, 1.1).reshape([width, 1])),
            context: Param::from_tensor(tensor(1, 0.7)),
            smooth: true,
        }
    }
}

impl ControlVariate for Quadratic {
    fn value(&self, at: &Latent<'_>) -> Tensor<1> {
        let x = at.z.clone().tanh();
        let square = self.square.val().squeeze_dim::<2>(0);
        let form = (x.clone().matmul(square) * x.clone()).sum_dim(1);
        let context = at.context.clone().expect("a context").sum_dim(1);
        let sum =
            form + x.matmul(self.linear.val()) + context * self.context.val().unsqueeze::<2>();
        sum.squeeze_dim::<1>(1)
    }

    fn is_smooth(&self) -> bool {
        self.smooth
    }
}

#[test]
fn a_module_from_outside_is_tuned_by_differences() {
    for (model, width) in [(&TwoBits as &dyn Model, 2), (&OneOfThree, 3)] {
        for coupled in [true, false] {
            let schema = schema(model);
            let site = &schema.sites[0];
            let rule = || {
                let watch = Watch::new(&device());
                Relax::with(Quadratic::new(width), coupled, watch)
            };
            rule().check(site, &schema, &EXPECTED).unwrap();
            let fresh = |shift: Option<(usize, f64)>| {
                let rules = vec![(site.key.name.clone(), Box::new(rule()) as Box<dyn Rule>)];
                let mut estimator = Sited::new(rules, &schema, EXPECTED);
                if let Some((index, by)) = shift {
                    let owned = shifted(estimator.owned(), index, by);
                    estimator.set_owned(owned);
                }
                estimator
            };
            let value = |shift| numbers(run(&mut fresh(shift), model).tuning.unwrap())[0];
            let mut estimator = fresh(None);
            let owned = estimator.owned();
            let tuning = run(&mut estimator, model).tuning.unwrap();
            let tape = owned_gradients(&owned, &tuning.backward());
            assert_eq!(tape.len(), width * width + width + 1);
            let slopes: Vec<f64> = (0..tape.len())
                .map(|i| (value(Some((i, 1e-4))) - value(Some((i, -1e-4)))) / 2e-4)
                .collect();
            let error = relative(&tape, &slopes);
            println!("{} coupled {coupled}: {error:.1e}", model.name());
            assert!(error < 1e-5, "{}: {error:.1e}", model.name());
        }
    }
}

#[test]
fn a_control_variate_with_kinks_is_refused() {
    let schema = schema(&TwoBits);
    let net = Quadratic {
        smooth: false,
        ..Quadratic::new(2)
    };
    let rule = Relax::with(net, true, Watch::new(&device()));
    let reason = rule
        .check(&schema.sites[0], &schema, &EXPECTED)
        .unwrap_err();
    assert!(
        reason.contains("biased") && reason.contains("use `tanh`"),
        "{reason}"
    );
}

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
