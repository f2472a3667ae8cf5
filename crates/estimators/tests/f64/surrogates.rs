//! Surrogates of stochastic computation graphs and `DiCE` as views of the same program: `docs/estimators.md`.

use burn::tensor::Tensor;
use unbiased_estimators::{Draw, Noise, Trace, Weighing, execute, rules::rloo::advantage};

use crate::{
    estimate::{EXPECTED, build, check, compare, estimate, example, must_fail, numbers},
    expectations::is_defined,
    programs::{Example, Model, Window, all},
    small::{Chain, OneOfThree, TwoBits},
};

const ROWS: usize = 200;
const SEED: u64 = 12;

/// What the rows of a surrogate, `[copies * batch]`, make of the parameters: the mean over copies.
fn gradients(program: &Example<'_>, surrogate: Tensor<1>) -> Vec<f64> {
    let total = surrogate.mean();
    let gradient = program.theta.grad(&total.backward()).expect("a gradient");
    numbers(gradient * ROWS as f64)
}

/// `ln p` of every choice, on the tape, zero where it was not made.
fn log_probs(trace: &Trace) -> Vec<Tensor<1>> {
    let log_prob = |site: &unbiased_estimators::SiteRecord| {
        let log_prob = site.law.log_prob(site.params.clone(), site.hard.clone());
        match &site.active {
            Some(active) => log_prob * active.clone().squeeze_dim::<1>(1),
            None => log_prob,
        }
    };
    trace.sites.iter().map(log_prob).collect()
}

fn run(program: &Example<'_>, copies: usize) -> Trace {
    let draw = |_: usize, _: &_| Draw::Hard;
    let noise = Noise::new(SEED, 0);
    execute(program, copies, copies, Weighing::Analytic, &draw, &noise)
}

/// Schulman et al., 2015: `sum over choices of ln p sg(costs downstream - baseline) + costs`.
fn surrogate(trace: &Trace, baseline: impl Fn(Tensor<1>) -> Tensor<1>) -> Tensor<1> {
    let downstream = trace.costs_to_go(1.0).into_iter();
    let choices = log_probs(trace).into_iter().zip(downstream);
    let mut total = trace.cost();
    for (log_prob, cost) in choices {
        total = total + log_prob * baseline(cost);
    }
    match trace.outside() {
        Some(outside) => total + outside,
        None => total,
    }
}

/// Foerster et al., 2018: every cost times `exp(t - sg t)`, `t` the sum of `ln p` of the choices it depends on.
fn dice(trace: &Trace) -> Tensor<1> {
    let log_probs = log_probs(trace);
    let mut total = trace.outside();
    for term in &trace.terms {
        if term.part == unbiased_estimators::Part::Outside {
            continue;
        }
        let before = log_probs[..term.after.choices()].iter().cloned();
        let cost = match before.reduce(|a, b| a + b) {
            Some(t) => (t.clone() - t.inner()).exp() * term.value.clone(),
            None => term.value.clone(),
        };
        total = Some(match total {
            Some(sum) => sum + cost,
            None => cost,
        });
    }
    total.expect("a cost")
}

fn models() -> Vec<Box<dyn Model>> {
    let mut models = all();
    // Continuous choices are pathwise elsewhere; signals are no costs.
    models.retain(|model| model.name() != "air");
    models.push(Box::new(Window { bonus: 0.1 }));
    models.push(Box::new(TwoBits));
    models.push(Box::new(OneOfThree));
    models.push(Box::new(Chain));
    models
}

fn by_estimator(name: &str, model: &dyn Model) -> Vec<f64> {
    let program = example(model, &model.parameters(), ROWS);
    let mut estimator = build(name, model, EXPECTED);
    estimate(&mut *estimator, &program, &Noise::new(SEED, 0)).gradients
}

#[test]
fn the_surrogate_of_a_graph_has_the_gradient_of_reinforce_row_by_row() {
    for model in models() {
        let program = example(&*model, &model.parameters(), ROWS);
        let got = gradients(&program, surrogate(&run(&program, 1), |cost| cost));
        let want = by_estimator("reinforce", &*model);
        check(compare(model.name(), &got, &want, 1e-11));
        let twice = gradients(
            &program,
            surrogate(&run(&program, 1), |cost| cost * 1.000_001),
        );
        must_fail(
            "a cost that counts a little more",
            compare(model.name(), &twice, &want, 1e-11),
        );
    }
}

#[test]
fn with_the_mean_of_the_other_sample_it_has_that_of_leave_one_out() {
    for model in models() {
        if !is_defined("rloo", model.name()) && model.name() == "decision" {
            continue;
        }
        let program = example(&*model, &model.parameters(), ROWS);
        let centred = |cost: Tensor<1>| advantage(cost.reshape([2, ROWS])).flatten::<1>(0, 1);
        let got = gradients(&program, surrogate(&run(&program, 2), centred));
        let want = by_estimator("rloo", &*model);
        check(compare(model.name(), &got, &want, 1e-11));
    }
}

#[test]
fn dice_has_the_value_of_the_cost_and_the_gradient_of_reinforce() {
    for model in models() {
        let program = example(&*model, &model.parameters(), ROWS);
        let trace = run(&program, 1);
        let value = dice(&trace);
        let cost = match trace.outside() {
            Some(outside) => trace.cost() + outside,
            None => trace.cost(),
        };
        check(compare(
            model.name(),
            &numbers(value.clone().inner()),
            &numbers(cost.inner()),
            1e-12,
        ));
        let want = by_estimator("reinforce", &*model);
        check(compare(
            model.name(),
            &gradients(&program, value),
            &want,
            1e-11,
        ));
    }
}
