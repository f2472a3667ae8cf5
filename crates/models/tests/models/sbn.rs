//! Small belief networks in f64: the objective against enumeration by hand, its gradient against finite differences.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor};
use unbiased_estimators::{
    Draw, EstimatorConfig, Key, Noise, Objective, Schema, Weighing, execute,
};
use unbiased_models::sbn::{Latent, Prior, Sbn, SbnConfig, SbnProgram, Stack, Task};

use crate::support::{device, differences, gradient, numbers, stirred, tensor, worst};

const MEAN: [f32; 6] = [0.3, 0.6, 0.1, 0.5, 0.8, 0.4];
const IMAGE: [f64; 6] = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0];

fn config(latent: Latent, layers: &[usize]) -> SbnConfig {
    SbnConfig {
        latent,
        layers: layers.to_vec(),
        classes: 3,
        ..SbnConfig::default()
    }
}

/// A network whose weights are large enough that nothing in the objective is nearly linear.
fn network(config: &SbnConfig) -> Sbn {
    let net = Sbn::new(config, &MEAN, 3, &device().autodiff());
    assert_eq!(net.prior.val().dtype(), DType::F64);
    stirred(net, 2.0, 0.1)
}

fn image() -> Tensor<2> {
    tensor(&IMAGE, [1, 6])
}

/// The exact cost of the image and the gradient of every trained number, in the order of the parameters.
fn exact(net: &Sbn) -> (f64, Vec<f64>) {
    let program = SbnProgram::new(net, image());
    let mut estimator = EstimatorConfig::named("exact")
        .build(
            &Schema::of(&program),
            net.config().objective,
            &device().autodiff(),
        )
        .expect("few states");
    let estimate = estimator.estimate(&program, &Noise::new(0, 0));
    (
        estimate.cost.into_scalar::<f64>(),
        gradient(net, estimate.surrogate),
    )
}

/// Largest difference between the gradient and central differences, over the largest entry.
fn deviation(net: &Sbn, gradient: &[f64]) -> f64 {
    worst(&differences(net, |net| exact(net).0), gradient)
}

fn check_gradient(config: &SbnConfig) {
    let net = network(config);
    let (_, gradient) = exact(&net);
    let error = deviation(&net, &gradient);
    assert!(error < 1e-8, "{config:?}: {error:e}");
    // The check can fail: one entry wrong by 5 %.
    let mut mutant = gradient;
    let largest = mutant
        .iter_mut()
        .max_by(|a, b| a.abs().total_cmp(&b.abs()))
        .expect("parameters");
    *largest *= 1.05;
    assert!(deviation(&net, &mutant) > 1e-3);
}

#[test]
fn gradients_of_every_kind_equal_finite_differences() {
    check_gradient(&config(Latent::Bernoulli, &[3]));
    check_gradient(&config(Latent::Bernoulli, &[2, 2]));
    check_gradient(&config(Latent::Categorical, &[2]));
    check_gradient(&SbnConfig {
        hidden: vec![4],
        ..config(Latent::Bernoulli, &[2])
    });
    check_gradient(&SbnConfig {
        task: Task::LowerHalf,
        ..config(Latent::Bernoulli, &[2, 2])
    });
    check_gradient(&SbnConfig {
        objective: Objective::LogMeanWeight { k: 2 },
        ..config(Latent::Bernoulli, &[1, 2])
    });
}

fn affine(stack: &Stack, input: &[f64]) -> Vec<f64> {
    numbers(
        stack
            .clone()
            .valid()
            .forward(tensor(input, [1, input.len()])),
    )
}

/// `ln p(bits)` from logits.
fn log_bits(bits: &[f64], logits: &[f64]) -> f64 {
    let terms = bits.iter().zip(logits);
    terms.map(|(b, a)| b * a - (1.0 + a.exp()).ln()).sum()
}

fn bits_of(state: usize, n: usize) -> Vec<f64> {
    (0..n).map(|i| (state >> i & 1) as f64).collect()
}

fn centred(bits: &[f64]) -> Vec<f64> {
    bits.iter().map(|b| 2.0 * b - 1.0).collect()
}

/// `-ELBO` of two layers, term by term from the definition in the module documentation.
#[test]
fn two_layers_have_the_bound_of_the_definition() {
    let net = network(&config(Latent::Bernoulli, &[3, 2]));
    let input: Vec<f64> = IMAGE
        .iter()
        .zip(MEAN)
        .map(|(x, m)| x - f64::from(m))
        .collect();
    let prior = numbers(net.prior.val());
    let q1 = affine(&net.upwards[0], &input);
    let mut cost = 0.0;
    for b1 in (0..8).map(|s| bits_of(s, 3)) {
        let q2 = affine(&net.upwards[1], &centred(&b1));
        for b2 in (0..4).map(|s| bits_of(s, 2)) {
            let log_q = log_bits(&b1, &q1) + log_bits(&b2, &q2);
            let log_p = log_bits(&b2, &prior)
                + log_bits(&b1, &affine(&net.downwards[1], &centred(&b2)))
                + log_bits(&IMAGE, &affine(&net.downwards[0], &centred(&b1)));
            cost += log_q.exp() * (log_q - log_p);
        }
    }
    let (exact, _) = exact(&net);
    assert!((exact - cost).abs() < 1e-10, "{exact} {cost}");
}

#[test]
fn samples_are_probabilities_and_follow_the_noise() {
    let net = Sbn::new(&config(Latent::Categorical, &[4, 2]), &MEAN, 1, &device());
    let sample = |seed| numbers(net.sample(5, &Noise::new(seed, 0)));
    assert_eq!(sample(1), sample(1));
    assert_ne!(sample(1), sample(2));
    assert!(sample(1).len() == 30 && sample(1).iter().all(|p| (0.0..=1.0).contains(p)));
}

/// What a site states is what the last map of its net is applied to, with every estimator and in every copy.
#[test]
fn parameters_are_affine_in_the_features() {
    for hidden in [vec![], vec![4]] {
        let config = SbnConfig {
            hidden,
            ..config(Latent::Bernoulli, &[3, 2])
        };
        let net = network(&config);
        let program = SbnProgram::new(&net, image());
        let draw = |_: usize, _: &Key| Draw::Hard;
        let noise = Noise::new(1, 0);
        let trace = execute(&program, 2, 2, Weighing::Analytic, &draw, &noise);
        for (site, stack) in trace.sites.into_iter().zip(&net.upwards) {
            let features = site.features.expect("features");
            let params = stack.output(features.autodiff());
            assert_eq!(numbers(params), numbers(site.params));
        }
    }
}

/// Squares of the entries of every matrix of more than one row, times its rows.
struct Weights(Vec<Vec<f64>>);
impl ModuleVisitor for Weights {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let shape = param.val().dims();
        let inputs = shape[0] as f64;
        if D == 2 && inputs > 1.0 {
            let values = numbers(param.val());
            self.0.push(values.iter().map(|w| w * w * inputs).collect());
        }
    }
}

/// Biases and prior start at zero, weights have the variance that was asked for: of 30,000 draws with a standard error of
/// `sqrt(0.8 / 30,000)` of it, 0.005.
#[test]
fn initial_values_have_their_law() {
    let mean = [0.3_f32; 200];
    for (asked, fixed) in [(1.0 / 3.0, false), (2.0, true)] {
        let config = SbnConfig {
            weight_variance: asked,
            prior: if fixed { Prior::Fixed } else { Prior::Learned },
            ..config(Latent::Bernoulli, &[150])
        };
        let net = Sbn::new(&config, &mean, 5, &device());
        assert!(numbers(net.prior.val()).iter().all(|&a| a == 0.0));
        let mut weights = Weights(Vec::new());
        net.visit(&mut weights);
        assert_eq!(weights.0.len(), 2);
        for squares in weights.0 {
            let variance = squares.iter().sum::<f64>() / squares.len() as f64;
            assert!((variance / asked - 1.0).abs() < 0.025, "{variance}");
        }
    }
}

#[test]
fn settings_out_of_range_are_named() {
    for (bad, key) in [
        (config(Latent::Bernoulli, &[]), "layers"),
        (
            SbnConfig {
                weight_variance: -1.0,
                ..SbnConfig::default()
            },
            "weight_variance",
        ),
        (config(Latent::Bernoulli, &[3, 0]), "layers"),
        (
            SbnConfig {
                hidden: vec![0],
                ..SbnConfig::default()
            },
            "hidden",
        ),
        (
            SbnConfig {
                classes: 1,
                ..config(Latent::Categorical, &[2])
            },
            "classes",
        ),
        (
            SbnConfig {
                objective: Objective::LogMeanWeight { k: 0 },
                ..SbnConfig::default()
            },
            "objective.k",
        ),
    ] {
        assert_eq!(bad.check().expect_err("out of range").key, key);
    }
}
