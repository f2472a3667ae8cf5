//! The sum over the count against its definition, enumeration and finite differences.

use unbiased_estimators::{Draw, Key, Noise, Objective, Weighing, execute};
use unbiased_models::air::{Air, AirConfig, AirProgram, CountPrior, Counting, Input};

use super::support::{LN_ODDS, build, config, estimate, images, network, summed};
use crate::support::{differences, largest_difference, numbers, worst};

/// `q(n)` from the logits by its definition, and the divergence from the table of the prior.
#[test]
fn counts_are_a_law_and_their_divergence_is_that_of_the_table() {
    let net = network(&config(Input::Image));
    let explanation = AirProgram::new(&net, images(1), Counting::Summed, LN_ODDS)
        .explain(Some(&Noise::new(1, 0)));
    let q: Vec<f64> = numbers(explanation.log_counts)
        .into_iter()
        .map(f64::exp)
        .collect();
    assert!((q.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    assert!(q.iter().all(|&q| q > 0.01), "a count is negligible: {q:?}");
    let weights =
        |ln_odds: f64| -> Vec<f64> { (0..4).map(|n| (f64::from(n) * ln_odds).exp()).collect() };
    let divergence = |ln_odds: f64| -> f64 {
        let weights = weights(ln_odds);
        let total: f64 = weights.iter().sum();
        q.iter()
            .zip(weights)
            .map(|(q, w)| q * (q / (w / total)).ln())
            .sum()
    };
    let ours = numbers(explanation.kl_count)[0];
    assert!((ours - divergence(LN_ODDS)).abs() < 1e-10);
    assert!((ours - divergence(LN_ODDS + 0.05)).abs() > 1e-4);
    // A prior without a conditional part, the same logit at every step, has another divergence.
    let logits = CountPrior::presence_logits(LN_ODDS, 3);
    assert!(logits[0] > logits[1] && logits[1] > logits[2]);
    assert!((logits[2] - LN_ODDS).abs() < 1e-12);
}

#[test]
fn the_prior_moves_from_its_first_to_its_last_value() {
    let prior = CountPrior {
        start: 1e4,
        end: 1e-2,
        hold: 10,
        anneal: 100,
    };
    let log10 = |step| prior.ln_odds(step) / 10.0_f64.ln();
    for (step, expected) in [(1, 4.0), (10, 4.0), (60, 1.0), (110, -2.0), (1000, -2.0)] {
        assert!((log10(step) - expected).abs() < 1e-12, "{step}");
    }
    let ends = CountPrior::presence_logits(prior.ln_odds(1), 3);
    assert!(ends.iter().all(|logit| logit.is_finite() && *logit > 9.0));
}

/// The same noise on all eight paths: the sum over the count is what enumeration gives.
#[test]
fn the_sum_over_the_count_is_enumeration_of_the_presence_bits() {
    for input in [Input::Image, Input::Residual] {
        let net = network(&config(input));
        let mut exact = build(&net, "exact", Counting::Sampled, Objective::default());
        let (costs, gradient) = estimate(&net, &mut *exact, Counting::Sampled, 2, 1);
        let (ours, our_gradient) = summed(&net, 2, 1);
        assert!(largest_difference(&costs, &ours) < 1e-10, "{input:?}");
        let difference = largest_difference(&gradient, &our_gradient);
        assert!(difference < 1e-9, "{input:?}: {difference:e}");
        assert!(gradient.iter().any(|g| g.abs() > 1.0));
        // The check can fail: other noise.
        let (other, other_gradient) = summed(&net, 2, 2);
        assert!(largest_difference(&costs, &other) > 1e-3);
        assert!(largest_difference(&gradient, &other_gradient) > 1e-3);
    }
}

#[test]
fn gradients_equal_finite_differences() {
    for input in [Input::Image, Input::Residual] {
        let net = network(&config(input));
        let (_, mut gradient) = summed(&net, 1, 1);
        let slopes = differences(&net, |net| summed(net, 1, 1).0[0]);
        let error = worst(&slopes, &gradient);
        assert!(error < 1e-7, "{input:?}: {error:e}");
        // The check can fail: one entry wrong by 5 %.
        let largest = gradient
            .iter_mut()
            .max_by(|a, b| a.abs().total_cmp(&b.abs()))
            .expect("parameters");
        *largest *= 1.05;
        assert!(worst(&slopes, &gradient) > 1e-3);
    }
}

/// With presence certain, masks change nothing: both programs have the same bound, drawn bits or not.
#[test]
fn masks_change_nothing_where_every_object_is_present() {
    let certain = |bias| {
        network(&AirConfig {
            presence_bias: bias,
            exploration: 0.0,
            ..config(Input::Image)
        })
    };
    let costs = |net: &Air| {
        let pathwise = |_: usize, key: &Key| match &*key.name {
            "presence" => Draw::Hard,
            _ => Draw::Pathwise,
        };
        let program = AirProgram::new(net, images(3), Counting::Sampled, LN_ODDS);
        let noise = Noise::new(5, 1);
        let trace = execute(&program, 1, 1, Weighing::Analytic, &pathwise, &noise);
        let present = trace
            .sites
            .iter()
            .filter(|site| &*site.key.name == "presence");
        let bits = present.map(|site| numbers(site.hard.clone()).iter().sum::<f64>());
        (numbers(trace.cost()), bits.sum::<f64>())
    };
    let net = certain(45.0);
    let (drawn, bits) = costs(&net);
    assert_eq!(bits, 9.0);
    let (ours, _) = summed(&net, 3, 1);
    assert!(largest_difference(&drawn, &ours) < 1e-10);
    // With presence uncertain they differ.
    let net = certain(0.0);
    assert!(largest_difference(&costs(&net).0, &summed(&net, 3, 1).0) > 1e-2);
}
