//! Estimates of the policy gradient through the whole program.

use std::{cell::RefCell, rc::Rc};

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use unbiased_estimators::{
    Estimate, Estimator, EstimatorConfig, EstimatorError, Noise, Objective, OwnedRule, Schema,
};
use unbiased_models::policy::{
    Environment, Episodes, Extent, Mode, Pendulum, Policy, PolicyProgram, Status, play,
    ppo::{Transition, advantages},
};

use super::walk::{self, Forced, Path, Walk, log_probs, paths, policy};
use crate::support::{self, device, differences, gradient, numbers, worst};

fn build(
    config: &EstimatorConfig,
    environment: Rc<dyn Environment>,
    discount: f64,
) -> Result<Box<dyn Estimator>, EstimatorError> {
    let episodes = RefCell::new(Episodes::new(environment.clone(), 1));
    let policy = Policy::new(&walk::config(), &*environment, 0, &device());
    let program = PolicyProgram::new(
        &policy,
        &episodes,
        Noise::new(0, 0),
        Extent::Episode,
        false,
        0.0,
        &device(),
    );
    let objective = Objective::Expected { discount };
    config.build(&Schema::of(&program), objective, &device().autodiff())
}

fn stirred(name: &str, lambda: f64, discount: f64) -> Box<dyn Estimator> {
    let config = EstimatorConfig {
        lambda,
        hidden: 4,
        ..EstimatorConfig::named(name)
    };
    let mut estimator =
        build(&config, Rc::new(Walk { cap: 3 }), discount).expect("defined on a black box");
    let owned = support::stirred(estimator.owned(), 1.0, 0.5);
    estimator.set_owned(owned);
    estimator
}

/// One run with the actions of `paths`, one per row.
fn run(
    estimator: &mut dyn Estimator,
    policy: &Policy,
    cap: usize,
    paths: &[usize],
    bootstrap: bool,
    entropy: f64,
) -> Estimate {
    let episodes = RefCell::new(Episodes::new(Rc::new(Walk { cap }), paths.len()));
    let noise = Noise::from_source(Forced {
        paths: paths.to_vec(),
    });
    let program = PolicyProgram::new(
        policy,
        &episodes,
        noise.clone(),
        Extent::Episode,
        bootstrap,
        entropy,
        &device(),
    );
    estimator.estimate(&program, &noise)
}

/// The expectation over all paths of the estimate of one row.
fn expected(name: &str, policy: &Policy, lambda: f64, discount: f64, entropy: f64) -> Vec<f64> {
    let mut total = vec![0.0; policy.num_params()];
    for (bits, path) in paths(3) {
        let mut estimator = stirred(name, lambda, discount);
        let estimate = run(&mut *estimator, policy, 3, &[bits], false, entropy);
        let cost = numbers(estimate.cost.clone())[0];
        assert!(
            (cost - path.cost_to_go(0, 1.0)).abs() < 1e-12,
            "path {bits}"
        );
        let weight = path.probability(policy);
        for (total, g) in total.iter_mut().zip(gradient(policy, estimate.surrogate)) {
            *total += weight * g;
        }
    }
    total
}

#[test]
fn the_paths_of_the_walk_are_all_there() {
    let total: f64 = paths(3)
        .iter()
        .map(|(_, path)| path.probability(&policy()))
        .sum();
    assert!((total - 1.0).abs() < 1e-12);
    assert_eq!(paths(3).len(), 7);
}

#[test]
fn the_expected_estimate_is_the_gradient_of_the_expected_cost() {
    let policy = policy();
    let value = |policy: &Policy| -> f64 {
        let all = paths(3);
        let costs = all
            .iter()
            .map(|(_, path)| path.probability(policy) * path.cost_to_go(0, 1.0));
        costs.sum()
    };
    let want = differences(&policy, value);
    assert!(want.iter().any(|g| g.abs() > 0.05), "{want:?}");
    for name in ["reinforce", "moving-average", "nvil", "a2c"] {
        let error = worst(&expected(name, &policy, 1.0, 1.0, 0.0), &want);
        assert!(error < 1e-8, "{name}: {error:.1e}");
    }
    // The controls: trust in an untrained critic, and an entropy bonus that the value does not have.
    assert!(worst(&expected("a2c", &policy, 0.5, 1.0, 0.0), &want) > 1e-2);
    assert!(worst(&expected("reinforce", &policy, 1.0, 1.0, 0.3), &want) > 1e-2);
}

#[test]
fn discounts_and_entropies_enter_as_documented() {
    let policy = policy();
    let (discount, weight) = (0.8, 0.3);
    // `sum_t R_t ln pi(a_t | s_t) - w sum_t H` with probabilities of paths and returns held constant.
    let fixed = |paths: &[(f64, Path)], policy: &Policy| -> f64 {
        let of_path = |path: &Path| -> f64 {
            let steps = path.steps.iter().enumerate();
            let scores = steps.map(|(t, &(seen, action, _))| {
                path.cost_to_go(t, discount) * log_probs(policy, seen)[action]
            });
            scores.sum::<f64>() - weight * path.entropies(policy)
        };
        paths.iter().map(|(p, path)| p * of_path(path)).sum()
    };
    let weighted: Vec<(f64, Path)> = paths(3)
        .into_iter()
        .map(|(_, path)| (path.probability(&policy), path))
        .collect();
    let want = differences(&policy, |policy| fixed(&weighted, policy));
    for name in ["reinforce", "a2c"] {
        let error = worst(&expected(name, &policy, 1.0, discount, weight), &want);
        assert!(error < 1e-8, "{name}: {error:.1e}");
    }
    assert!(worst(&expected("reinforce", &policy, 1.0, 1.0, weight), &want) > 1e-3);
}

/// Rows that have ended wait; what is left must be as if they had been run by themselves.
#[test]
fn rows_do_not_see_each_other() {
    let policy = policy();
    let all: Vec<usize> = paths(3).into_iter().map(|(bits, _)| bits).collect();
    for (name, bootstrap) in [
        ("reinforce", false),
        ("nvil", false),
        ("a2c", false),
        ("a2c", true),
    ] {
        let mut together = stirred(name, 0.7, 0.9);
        let together = run(&mut *together, &policy, 3, &all, bootstrap, 0.2);
        let together = gradient(&policy, together.surrogate);
        let mut mean = vec![0.0; together.len()];
        for &bits in &all {
            let mut alone = stirred(name, 0.7, 0.9);
            let alone = run(&mut *alone, &policy, 3, &[bits], bootstrap, 0.2);
            for (mean, g) in mean.iter_mut().zip(gradient(&policy, alone.surrogate)) {
                *mean += g / all.len() as f64;
            }
        }
        let error = worst(&together, &mean);
        assert!(error < 1e-12, "{name}: {error:.1e}");
    }
}

/// The advantages of `a2c` where the time limit cuts some rows are those of the plain recursion on the host.
#[test]
fn a_cut_episode_goes_on_with_the_value_of_its_last_state() {
    let (policy, lambda, discount) = (policy(), 0.7, 0.9);
    for cut_is_end in [false, true] {
        let mut largest: f64 = 0.0;
        for (bits, path) in paths(3) {
            let mut estimator = stirred("a2c", lambda, discount);
            let owned = estimator.owned();
            let OwnedRule::Nvil(critic) = &owned.rules[0] else {
                panic!("a critic, got {owned:?}");
            };
            let value = |place: f64| {
                let seen =
                    Tensor::from_data(TensorData::new(vec![place - 0.5, 0.3], [1, 2]), &device());
                numbers(critic.clone().valid().forward(seen))[0]
            };
            let estimate = run(&mut *estimator, &policy, 3, &[bits], true, 0.0);

            let place = |seen: [f64; 2]| seen[0] + 0.5;
            let n = path.steps.len();
            let (last_seen, last_action, _) = path.steps[n - 1];
            let ended = last_action == 0 && place(last_seen) > 0.0;
            let after = place(last_seen) + f64::from(last_action == 1);
            let transitions: Vec<Transition> = (0..n)
                .map(|t| {
                    let next = match path.steps.get(t + 1) {
                        Some(step) => value(place(step.0)),
                        None if ended || cut_is_end => 0.0,
                        None => value(after),
                    };
                    Transition {
                        reward: -path.steps[t].2,
                        value: value(place(path.steps[t].0)),
                        next_value: next,
                        last: t + 1 == n,
                    }
                })
                .collect();
            let want = advantages(&transitions, discount, lambda);
            for (t, want) in want.into_iter().enumerate() {
                let (seen, action, _) = path.steps[t];
                let logits = numbers(estimate.logit_gradients[t].1.clone());
                let score = 1.0 - log_probs(&policy, seen)[action].exp();
                largest = largest.max((logits[action] - want * score).abs());
            }
            // The last look at a state that was cut has no gradient of its own.
            assert_eq!(estimate.logit_gradients.len(), n + usize::from(!ended));
            if !ended {
                assert_eq!(numbers(estimate.logit_gradients[n].1.clone()), [0.0, 0.0]);
            }
        }
        if cut_is_end {
            assert!(largest > 1e-2, "a cut taken for an end: {largest:.1e}");
        } else {
            assert!(largest < 1e-12, "{largest:.1e}");
        }
    }
}

#[test]
fn rollouts_go_on_where_they_stopped() {
    let policy = policy();
    let environment: Rc<dyn Environment> = Rc::new(Walk { cap: 4 });
    let episodes = RefCell::new(Episodes::new(environment, 2));
    let mut estimator = stirred("reinforce", 1.0, 1.0);
    // Row 0 goes on for ever, row 1 leaves at its second step.
    let noise = Noise::from_source(Forced {
        paths: vec![0b1111, 0b0001],
    });
    let mut step = |extent| {
        let program = PolicyProgram::new(
            &policy,
            &episodes,
            noise.clone(),
            extent,
            false,
            0.0,
            &device(),
        );
        numbers(estimator.estimate(&program, &noise).cost)
    };
    let costs = step(Extent::Steps(2));
    // 0.7 - 0.3, and 0.7 with what place 1 is worth.
    assert!(
        (costs[0] + 0.4).abs() < 1e-12 && (costs[1] + 0.8).abs() < 1e-12,
        "{costs:?}"
    );
    assert_eq!(
        episodes.borrow().status(),
        [Status::Running, Status::Terminated]
    );
    assert_eq!(episodes.borrow_mut().take_finished().1, 4);
    let stored = episodes.borrow().to_numbers();
    let costs = step(Extent::Steps(2));
    // Row 0 goes on at place 2, row 1 has started anew.
    assert!(
        (costs[0] - 3.6).abs() < 1e-12 && (costs[1] + 0.8).abs() < 1e-12,
        "{costs:?}"
    );
    assert_eq!(
        episodes.borrow().status(),
        [Status::Truncated, Status::Terminated]
    );
    let (finished, frames) = episodes.borrow_mut().take_finished();
    let mut totals: Vec<f64> = finished.iter().map(|episode| episode.total).collect();
    totals.sort_by(f64::total_cmp);
    assert!(
        (totals[0] + 3.2).abs() < 1e-12 && (totals[1] - 0.8).abs() < 1e-12,
        "{totals:?}"
    );
    assert_eq!((finished.len(), frames), (2, 4));
    // What was stored goes on in the same way.
    assert!(episodes.borrow_mut().restore(&stored));
    assert_eq!(step(Extent::Steps(2)), costs);
    assert!(!episodes.borrow_mut().restore(&stored[1..]));
}

#[test]
fn estimators_that_need_more_than_one_run_are_refused() {
    let cases = [
        ("exact", "black box"),
        ("rloo", "black box"),
        ("disarm", "black box"),
        ("straight-through", "not differentiable"),
        ("concrete", "not differentiable"),
        ("rebar", "black box"),
        ("rebar-two-branch", "black box"),
        ("rebar-relax", "black box"),
        ("vimco", "black box"),
    ];
    for (name, reason) in cases {
        let config = EstimatorConfig::named(name);
        match build(&config, Rc::new(Walk { cap: 3 }), 1.0) {
            Ok(_) => panic!("{name} was built for an environment"),
            Err(error) => assert!(error.to_string().contains(reason), "{name}: {error}"),
        }
    }
    // Continuous actions: there is no path from the reward to them.
    let error = build(
        &EstimatorConfig::default(),
        Rc::new(Pendulum::default()),
        1.0,
    );
    let error = error.err().expect("pathwise is refused").to_string();
    assert!(error.contains("not differentiable"), "{error}");
}

/// That its expectation is right is a matter of the estimators' own tests; here that it takes the actions of a loop.
#[test]
fn relax_is_defined_and_reaches_every_action() {
    let policy = policy();
    let mut estimator = stirred("relax", 1.0, 0.9);
    let estimate = run(&mut *estimator, &policy, 3, &[0b111], false, 0.0);
    assert_eq!(estimate.logit_gradients.len(), 3);
    assert_eq!(estimate.report.evaluations, 1.0);
    for (key, g) in &estimate.logit_gradients {
        let g = numbers(g.clone());
        assert!(
            g[0].abs() > 1e-6 && (g[0] + g[1]).abs() < 1e-12,
            "{key}: {g:?}"
        );
    }
}

#[test]
fn a_greedy_policy_takes_the_likelier_action() {
    let policy = policy().valid();
    let mut episodes = Episodes::new(Rc::new(Walk { cap: 3 }), 1);
    let mut seen = Vec::new();
    play(
        &policy,
        &mut episodes,
        &Noise::new(0, 0),
        Mode::Greedy,
        &device(),
        |x, _| {
            seen.push([x[0], x[1]]);
        },
    );
    let mut place = 0.0;
    for (t, &x) in seen.iter().enumerate() {
        assert!((x[0] + 0.5 - place).abs() < 1e-12, "step {t}");
        let log_probs = log_probs(&policy, x);
        if log_probs[1] > log_probs[0] {
            place += 1.0;
        }
    }
}
