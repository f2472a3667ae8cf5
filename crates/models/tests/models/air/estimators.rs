//! Every estimator of presence against the gradient of the sum over the count.

use unbiased_estimators::{
    Draw, Estimator, Key, Noise, Objective, Schema, SiteSchema, Sited, Weighing, execute,
    rules::{At, Gradient, Rule, pathwise::Pathwise, rloo::Rloo},
};
use unbiased_models::air::{Air, AirProgram, Counting, Input};

use super::support::{LN_ODDS, build, config, estimate, images, network, summed};
use crate::support::{gradient, largest_difference, numbers, stirred};

/// Copies of one image in a batch, which gives one estimate of the gradient.
const BATCH: usize = 32;

/// The largest |z| over parameters of the mean difference of two estimates of one gradient, over `batches` batches.
/// Both see the same noise in the continuous choices, which takes most of their variance out of the difference.
fn largest_z(
    batches: u64,
    mut estimate: impl FnMut(u64) -> Vec<f64>,
    mut reference: impl FnMut(u64) -> Vec<f64>,
) -> f64 {
    let (mut sums, mut squares): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    for step in 0..batches {
        let (a, b) = (estimate(step), reference(step));
        sums.resize(a.len(), 0.0);
        squares.resize(a.len(), 0.0);
        for (i, (a, b)) in a.iter().zip(b).enumerate() {
            sums[i] += a - b;
            squares[i] += (a - b).powi(2);
        }
    }
    let n = batches as f64;
    let z = |sum: f64, square: f64| {
        let mean = sum / n;
        let variance = (square / n - mean * mean) * n / (n - 1.0);
        // Parameters that presence does not reach differ by rounding only.
        if variance < 1e-20 {
            0.0
        } else {
            mean / (variance / n).sqrt()
        }
    };
    sums.iter()
        .zip(&squares)
        .map(|(&sum, &square)| z(sum, square).abs())
        .fold(0.0, f64::max)
}

/// About 600 parameters and twelve assertions: Student's law with 149 degrees of freedom exceeds 7 with probability 8e-11,
/// so that unbiased estimators fail one time in a million. A bias of 10.1 standard errors is missed one time in a
/// thousand; what that is can be seen from the mutants.
const CRITICAL: f64 = 7.0;
const BATCHES: u64 = 150;

fn z_of(name: &str) -> f64 {
    let net = network(&config(Input::Image));
    let mut estimator = build(&net, name, Counting::Sampled, Objective::default());
    if name.starts_with("rebar") || name.starts_with("relax") {
        // Tuning changes no expectation and costs three times as much as the estimate.
        // The output of a network is 0 at its start.
        let owned = stirred(estimator.owned(), 1.0, 0.2);
        estimator.set_owned(owned);
        estimator.freeze();
    }
    z_against_sum(&net, &mut *estimator)
}

fn z_against_sum(net: &Air, estimator: &mut dyn Estimator) -> f64 {
    largest_z(
        BATCHES,
        |step| estimate(net, estimator, Counting::Sampled, BATCH, step).1,
        |step| summed(net, BATCH, step).1,
    )
}

fn check(names: &[&str]) {
    for name in names {
        let z = z_of(name);
        println!("{name}: largest |z| {z:.2}");
        assert!(z < CRITICAL, "{name}: {z:.2}");
    }
}

#[test]
fn score_functions_have_the_gradient_of_the_sum() {
    check(&["reinforce", "moving-average", "nvil"]);
}

#[test]
fn pairs_of_samples_have_the_gradient_of_the_sum() {
    check(&["rloo", "disarm", "measure-valued"]);
}

#[test]
fn relaxed_control_variates_have_the_gradient_of_the_sum() {
    check(&["rebar", "rebar-two-branch"]);
}

#[test]
fn learned_control_variates_have_the_gradient_of_the_sum() {
    check(&["relax", "relax-two-branch", "rebar-relax"]);
}

/// A rule with its gradient scaled.
struct Scaled(Rloo, f64);

impl Rule for Scaled {
    fn check(&self, site: &SiteSchema, schema: &Schema, at: &Objective) -> Result<(), String> {
        self.0.check(site, schema, at)
    }

    fn samples(&self) -> usize {
        self.0.samples()
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let gradient = self.0.gradient(at)?;
        Some(Gradient {
            logits: gradient.logits * self.1,
            ..gradient
        })
    }
}

#[test]
fn the_comparison_catches_biased_estimators() {
    let net = network(&config(Input::Image));
    let program = AirProgram::new(&net, images(1), Counting::Sampled, LN_ODDS);
    let schema = Schema::of(&program);
    let scaled = |factor| {
        let rules: Vec<(_, Box<dyn Rule>)> = vec![
            ("presence".into(), Box::new(Scaled(Rloo { k: 2 }, factor))),
            ("where".into(), Box::new(Pathwise)),
            ("what".into(), Box::new(Pathwise)),
        ];
        Sited::new(rules, &schema, Objective::default())
    };
    let z = z_against_sum(&net, &mut scaled(0.8));
    println!("rloo times 0.8: largest |z| {z:.2}");
    assert!(z > CRITICAL, "{z:.2}");
    let z = z_of("concrete");
    println!("concrete: largest |z| {z:.2}");
    assert!(z > CRITICAL, "{z:.2}");
}

/// The bound of three samples has no sum to compare with; REINFORCE is another unbiased estimator of its gradient.
#[test]
fn vimco_agrees_with_reinforce_under_a_bound() {
    let objective = Objective::LogMeanWeight { k: 3 };
    let net = network(&config(Input::Image));
    let z = |ours: &str, theirs: Objective| {
        let mut ours = build(&net, ours, Counting::Sampled, objective);
        let mut reinforce = build(&net, "reinforce", Counting::Sampled, theirs);
        largest_z(
            BATCHES,
            |step| estimate(&net, &mut *ours, Counting::Sampled, BATCH, step).1,
            |step| estimate(&net, &mut *reinforce, Counting::Sampled, BATCH, step).1,
        )
    };
    let agreement = z("vimco", objective);
    println!("vimco: largest |z| {agreement:.2}");
    assert!(agreement < CRITICAL, "{agreement:.2}");
    // The check can fail: the bound of two samples has another gradient.
    let other = z("vimco", Objective::LogMeanWeight { k: 2 });
    println!("vimco against the bound of two: largest |z| {other:.2}");
    assert!(other > CRITICAL, "{other:.2}");
}

/// Reweighted wake-sleep follows no gradient of the bound; its rule does, at every bit: `-2 k w~ d ln q(b)`, where the tape of the bound holds the
/// rest, and what presence does not reach has the gradient of the bound.
#[test]
fn wake_updates_are_weighted_scores_and_leave_the_rest_to_the_bound() {
    const K: usize = 3;
    let objective = Objective::LogMeanWeight { k: K };
    let net = network(&config(Input::Image));
    let program = AirProgram::new(&net, images(2), Counting::Sampled, LN_ODDS);
    let noise = Noise::new(5, 1);
    let given =
        |name: &str| build(&net, name, Counting::Sampled, objective).estimate(&program, &noise);
    let (rws, vimco) = (given("rws"), given("vimco"));
    let draw = |_: usize, key: &Key| match &*key.name {
        "presence" => Draw::Hard,
        _ => Draw::Pathwise,
    };
    let trace = execute(&program, K, K, Weighing::Sampled, &draw, &noise);
    let costs = numbers(trace.cost());
    let mut largest = 0.0_f64;
    for (key, logits) in &rws.logit_gradients {
        let site = trace
            .sites
            .iter()
            .find(|site| site.key == *key)
            .expect("the same run");
        let (a, b) = (numbers(site.params.clone()), numbers(site.hard.clone()));
        let active = site.active.clone().map_or(vec![1.0; a.len()], numbers);
        let ours = numbers(logits.clone());
        for row in 0..2 * K {
            let total: f64 = (0..K).map(|k| (-costs[k * 2 + row % 2]).exp()).sum();
            let weight = (-costs[row]).exp() / total;
            let score = b[row] - 1.0 / (1.0 + (-a[row]).exp());
            let by_hand = -2.0 * K as f64 * weight * score * active[row];
            largest = largest.max(by_hand.abs());
            assert!(
                (ours[row] - by_hand).abs() < 1e-9,
                "{key}: {} for {by_hand}",
                ours[row]
            );
        }
    }
    assert!(largest > 0.1, "nothing to see: {largest}");

    let (rws, vimco) = (
        gradient(&net, rws.surrogate),
        gradient(&net, vimco.surrogate),
    );
    // The decoder stands last, 2 -> 4 -> 16; presence reaches all that comes before through the LSTM.
    let decoder = rws.len() - (2 * 4 + 4 + 4 * 16 + 16);
    assert!(largest_difference(&rws[decoder..], &vimco[decoder..]) < 1e-12);
    assert!(rws[decoder..].iter().any(|g| g.abs() > 1e-2));
    assert!(largest_difference(&rws[..decoder], &vimco[..decoder]) > 1e-2);
}
