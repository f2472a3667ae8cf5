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
    Address, ESTIMATORS, Estimate, EstimatorConfig, Noise, Objective, Role, Run, Schema, Site,
    Source,
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
