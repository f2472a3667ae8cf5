//! Gradients of the program against finite differences, for every encoder, decoder, law and loss.

use unbiased_estimators::{EstimatorConfig, Noise, Objective, Schema};
use unbiased_models::gvae::{
    Batch, DecoderKind, Derivations, EncoderKind, Gvae, GvaeConfig, GvaeProgram, Loss, Masks,
};
use unbiased_models::sbn::{Latent, Prior};

use super::support::{discrete, grammar, network, small, three};
use crate::support::{device, differences, gradient, worst};

/// The cost of the batch, its mean, and the gradient of every trained number, under noise that is always the same.
fn estimate(net: &Gvae, batch: &Batch, estimator: &str, weight: f64) -> (f64, Vec<f64>) {
    let program = GvaeProgram::new(net, batch, weight);
    let mut estimator = EstimatorConfig::named(estimator)
        .build(
            &Schema::of(&program),
            net.config().objective,
            &device().autodiff(),
        )
        .expect("defined");
    let estimate = estimator.estimate(&program, &Noise::new(5, 1));
    let cost = estimate.cost.clone().mean().into_scalar::<f64>();
    (cost, gradient(net, estimate.surrogate))
}

fn check(config: &GvaeConfig, estimator: &str, weight: f64) {
    let grammar = grammar();
    let config = &GvaeConfig {
        layers: 1,
        ..config.clone()
    };
    let net = network(config, &Derivations::new(&grammar));
    let batch = three(Masks::Budgeted);
    // Word dropout, so that the decoder is not shown everything.
    let batch = batch.showing((0..18).map(|i| f32::from(u8::from(i % 5 != 2))).collect());
    let (_, gradient) = estimate(&net, &batch, estimator, weight);
    let wanted = differences(&net, |net| estimate(net, &batch, estimator, weight).0);
    let error = worst(&gradient, &wanted);
    assert!(error < 1e-7, "{config:?}: {error:e}");
    // The check can fail: one entry wrong by 5 %.
    let mut mutant = gradient;
    let largest = mutant
        .iter_mut()
        .max_by(|a, b| a.abs().total_cmp(&b.abs()))
        .expect("parameters");
    *largest *= 1.05;
    assert!(worst(&mutant, &wanted) > 1e-3);
}

#[test]
fn pathwise_gradients_equal_finite_differences() {
    use DecoderKind::{Autoregressive, Parallel};
    use EncoderKind::{Convolutional, Gru, Lstm};
    check(&small(Convolutional, Parallel), "pathwise", 1.0);
    check(&small(Gru, Autoregressive), "pathwise", 0.3);
    check(&small(Lstm, Parallel), "pathwise", 0.0);
    let original = GvaeConfig {
        loss: Loss::OriginalCode,
        ..small(Convolutional, Parallel)
    };
    check(&original, "pathwise", 1.0);
    let several = GvaeConfig {
        objective: Objective::LogMeanWeight { k: 3 },
        ..small(Gru, Parallel)
    };
    check(&several, "pathwise", 1.0);
}

#[test]
fn exact_gradients_of_discrete_latents_equal_finite_differences() {
    check(
        &discrete(Latent::Bernoulli, DecoderKind::Parallel),
        "exact",
        0.5,
    );
    let learned = GvaeConfig {
        prior: Prior::Learned,
        ..discrete(Latent::Categorical, DecoderKind::Autoregressive)
    };
    check(&learned, "exact", 1.0);
}
