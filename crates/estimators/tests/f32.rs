//! What f32 could break: extreme logits, a cold temperature, a million rows; and every estimator on every one of the nine
//! programs.

#![expect(unreachable_pub, reason = "a test binary exports nothing")]

#[expect(dead_code, unused_imports, reason = "the f64 tests use the rest")]
mod programs;

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Gradients, Tensor, TensorData},
};
use programs::{Example, Model, Theta, all};
use unbiased_estimators::{
    Address, ESTIMATORS, Estimate, EstimatorConfig, Key, Noise, NoiseLaw, Objective, Role, Run,
    Schema, Site, Source,
    law::{
        Beta, Categorical, Dirichlet, Gamma, Gumbel, Kumaraswamy, Law, Logistic, Poisson, VonMises,
    },
};

fn example(model: &dyn Model, rows: usize) -> Example<'_> {
    let theta = model.parameters();
    let values: Vec<f32> = theta.iter().map(|&t| t as f32).collect();
    let data = TensorData::new(values.repeat(rows), [rows, theta.len()]);
    Example {
        model,
        theta: Tensor::from_data(data, &Device::flex().autodiff()).require_grad(),
    }
}

/// Runs `config` where it is defined, and checks every number that comes out.
fn all_is_finite(
    config: &EstimatorConfig,
    model: &dyn Model,
    objective: Objective,
    rows: usize,
    noise: &Noise,
) -> bool {
    let device = Device::flex().autodiff();
    let schema = Schema::of(&example(model, 1));
    let Ok(mut estimator) = config.build(&schema, objective, &device) else {
        return false;
    };
    let what = format!("{} on {}", config.name, model.name());
    let program = example(model, rows);
    let Estimate {
        surrogate,
        cost,
        tuning,
        log_weights,
        logit_gradients,
        ..
    } = estimator.estimate(&program, noise);
    finite(&what, cost);
    if let Some(log_weights) = log_weights {
        finite(&what, log_weights);
    }
    for (key, g) in logit_gradients {
        finite(&format!("{what}, {key}"), g);
    }
    finite(
        &what,
        program
            .theta
            .grad(&surrogate.backward())
            .expect("a gradient"),
    );
    if let Some(tuning) = tuning {
        finite(&what, tuning.clone().inner());
        let gradients = tuning.backward();
        estimator.owned().visit(&mut Finite(&what, &gradients));
    }
    true
}

struct Finite<'a>(&'a str, &'a Gradients);

impl ModuleVisitor for Finite<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad(self.1) {
            finite(self.0, gradient);
        }
    }
}

fn finite<const D: usize>(what: &str, x: Tensor<D>) {
    let numbers = x
        .into_data()
        .try_to_vec::<f32>()
        .expect("f32 on this device");
    assert!(numbers.iter().all(|x| x.is_finite()), "{what}");
}

#[test]
fn every_estimator_is_finite_on_every_program() {
    let noise = Noise::new(3, 1);
    for model in all() {
        for (name, _) in ESTIMATORS {
            let config = EstimatorConfig::named(name);
            all_is_finite(&config, &*model, Objective::default(), 512, &noise);
            all_is_finite(
                &config,
                &*model,
                Objective::LogMeanWeight { k: 2 },
                512,
                &noise,
            );
        }
    }
}

/// Bits and a choice with logits of +-50, all with priors that disagree.
struct Extreme;

impl Model for Extreme {
    fn name(&self) -> &'static str {
        "extreme"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![
            -50.0, 0.3, 50.0, 50.0, 0.0, -50.0, 50.0, 0.0, -50.0, -50.0, 0.0, 50.0,
        ]
    }

    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let context = theta.constant(&[1.0]);
        let (bits, class) = (theta.take(3), theta.take(3));
        let (bits_prior, class_prior) = (theta.take(3), theta.take(3));
        let site = Site::new(bits).prior(bits_prior).context(context.clone());
        let bits = run.bernoulli("bits", site).value;
        let site = Site::new(class).prior(class_prior).context(context);
        let class = run.categorical("class", 3, site).value;
        let sum = (bits * theta.constant(&[1.0, -2.0, 3.0])).sum_dim(1)
            + (class * theta.constant(&[2.0, 1.0, -1.0])).sum_dim(1);
        run.log_lik("x", sum.square().neg().squeeze_dim::<1>(1));
    }
}

/// Both ends of the uniforms and their middle, in all combinations over the columns of a choice.
struct Ends;

impl Source for Ends {
    fn fill(&self, at: Address<'_>, out: &mut [f64]) {
        const LEAST: f64 = 0.5 / (1 << 23) as f64;
        let site = at.key.name.len() + 7 * at.copy + 3 * usize::from(at.role == Role::Conditional);
        // A different digit order for each choice, copy and role.
        let mut digits = at.row * (2 * site + 1) + at.row / 27;
        for u in out {
            *u = [LEAST, 0.5, 1.0 - LEAST][digits % 3];
            digits /= 3;
        }
    }
}

#[test]
fn extreme_logits_with_extreme_noise_at_a_cold_temperature_are_finite() {
    let mixed = |name: &str, of_bits: &str| EstimatorConfig {
        sites: [("bits".to_owned(), of_bits.to_owned())].into(),
        samples: 3,
        ..EstimatorConfig::named(name)
    };
    let mut configs: Vec<_> = ESTIMATORS
        .iter()
        .map(|(name, _)| EstimatorConfig::named(name))
        .collect();
    configs.extend([
        mixed("rloo", "disarm"),
        mixed("vimco", "disarm"),
        mixed("rloo", "arm"),
        mixed("rloo", "arms"),
        mixed("disarm-tree", "exact"),
        mixed("unordered-set", "exact"),
        mixed("sum-and-sample", "exact"),
    ]);
    let mut built = 0;
    for mut config in configs {
        config.temperature = Some(0.02);
        config.prior_temperature = 0.02;
        for objective in [Objective::default(), Objective::LogMeanWeight { k: 2 }] {
            let noise = Noise::from_source(Ends);
            built += usize::from(all_is_finite(&config, &Extreme, objective, 1 << 12, &noise));
        }
    }
    assert!(built >= 36, "{built}");
}

#[test]
fn a_million_rows_at_a_cold_temperature_are_finite() {
    for name in ["reinforce", "concrete", "rebar"] {
        let config = EstimatorConfig {
            temperature: Some(0.02),
            ..EstimatorConfig::named(name)
        };
        let noise = Noise::new(3, 1);
        assert!(all_is_finite(
            &config,
            &Extreme,
            Objective::default(),
            1 << 20,
            &noise
        ));
    }
}

/// Every law at parameters from very small to very large, at both ends of the uniforms and in their middle.
#[test]
fn laws_are_finite_at_extreme_parameters_and_noise() {
    let two: [Box<dyn Law>; 6] = [
        Box::new(Logistic),
        Box::new(Gumbel),
        Box::new(Kumaraswamy),
        Box::new(Gamma),
        Box::new(Beta),
        Box::new(VonMises),
    ];
    let all: [Box<dyn Law>; 2] = [Box::new(Dirichlet { parts: 2 }), Box::new(Poisson)];
    let ends = [-5.0_f32, -1.0, 0.0, 3.0, 7.0];
    for law in two.iter().chain(&all) {
        for a in ends {
            for b in ends {
                let device = Device::flex().autodiff();
                let row = [a, b].repeat(9);
                let params = Tensor::<2>::from_data(TensorData::new(row, [9, 2]), &device);
                let params = params.require_grad();
                let width = law.width(2);
                let noise = Noise::from_source(Ends);
                let key = Key::new("x", 0);
                let noise = noise.draw(law.noise(), &key, Role::Choice, 1, 1, 9, width, &device);
                let what = format!("{law:?} at {a}, {b}");
                let value = law.sample(params.clone(), noise);
                finite(&what, value.clone());
                finite(
                    &what,
                    law.score(params.clone().inner(), value.clone().inner()),
                );
                let log_prob = law.log_prob(params.clone(), value);
                finite(&what, log_prob.clone());
                let gradients = log_prob.sum().backward();
                finite(&what, params.grad(&gradients).expect("a gradient"));
            }
        }
    }
}

/// Draws of every law of noise are finite, `rows * 64` of each.
fn noise_is_finite(rows: usize) {
    let (noise, device) = (Noise::new(5, 2), Device::flex());
    for law in [
        NoiseLaw::Uniform,
        NoiseLaw::Logistic,
        NoiseLaw::Gumbel,
        NoiseLaw::Normal,
        NoiseLaw::Exponential,
    ] {
        for block in 0..rows.div_ceil(1 << 16) {
            let key = Key::new("x", block);
            let rows = rows.min(1 << 16);
            let drawn = noise.draw(law, &key, Role::Choice, 1, 1, rows, 64, &device);
            let numbers = drawn.into_data().try_to_vec::<f32>().expect("f32");
            let inside =
                |x: &f32| x.is_finite() && (law != NoiseLaw::Uniform || *x > 0.0 && *x < 1.0);
            assert!(numbers.iter().all(inside), "{law:?}");
        }
    }
}

/// Of four classes two are masked, one by minus infinity and one by a logit 30 below: Gumbels of this noise lie within
/// -2.8 and 16.7, so that 20 would do. No draw takes either.
fn masked_classes_are_never_drawn(rows: usize) {
    let (noise, device) = (Noise::new(6, 2), Device::flex());
    let law = Categorical { classes: 4 };
    let logits = [0.0, f32::NEG_INFINITY, -30.0, -1.0];
    for block in 0..rows.div_ceil(1 << 20) {
        let rows = rows.min(1 << 20);
        let logits = Tensor::<2>::from_data([logits], &device).expand([rows, 4]);
        let key = Key::new("x", block);
        let gumbels = noise.draw(law.noise(), &key, Role::Choice, 1, 1, rows, 4, &device);
        let counts = law.sample(logits, gumbels).sum_dim(0).into_data();
        let counts = counts.try_to_vec::<f32>().expect("f32");
        assert_eq!([counts[1], counts[2]], [0.0, 0.0]);
        assert_eq!(counts[0] + counts[3], rows as f32);
        // The control: p = 1 / (1 + e) = 0.269.
        assert!((counts[3] / rows as f32 - 0.269).abs() < 0.003);
    }
}

#[test]
fn four_million_draws_are_finite_and_allowed() {
    noise_is_finite(1 << 16);
    masked_classes_are_never_drawn(1 << 22);
}

#[test]
#[ignore = "a minute on a busy machine"]
fn sixty_seven_million_draws_are_finite_and_allowed() {
    noise_is_finite(1 << 20);
    masked_classes_are_never_drawn(1 << 26);
}
