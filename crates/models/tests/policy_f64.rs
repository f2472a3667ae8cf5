//! Policies in f64: the estimate of a policy gradient through the whole program against enumeration of an environment
//! small enough for it, masks against rows by themselves, and the parts of PPO against their definitions.

use std::{cell::RefCell, rc::Rc, sync::OnceLock};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Device, FloatDType, Gradients, IntDType, Tensor, TensorData};
use unbiased_estimators::{
    Address, Estimate, Estimator, EstimatorConfig, EstimatorError, Noise, Objective, OwnedRule,
    Role, Schema, Source,
};
use unbiased_models::policy::{
    Actions, Activation, Environment, Episodes, Extent, Mode, Outcome, Pendulum, Policy,
    PolicyConfig, PolicyProgram, Status, play,
    ppo::{Agent, Minibatch, Transition, Weights, advantages, loss},
};

/// Flex in f64; the first use in this process sets it.
fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE
        .get_or_init(|| {
            let mut device = Device::flex();
            device
                .configure((FloatDType::F64, IntDType::I64))
                .expect("first use of the device");
            device
        })
        .clone()
}

/// A walk on a line, at most three steps: action 1 goes on for a reward that falls, action 0 leaves for what the place is
/// worth, once the walker has left the start.
#[derive(Debug, Clone, Copy)]
struct Walk {
    cap: usize,
}

impl Environment for Walk {
    fn actions(&self) -> Actions {
        Actions::Discrete(2)
    }

    fn state(&self) -> usize {
        1
    }

    fn features(&self) -> usize {
        2
    }

    fn cap(&self) -> usize {
        self.cap
    }

    fn solved_at(&self) -> f64 {
        0.0
    }

    fn reset(&self, state: &mut [f64]) {
        state[0] = 0.0;
    }

    fn step(&self, state: &mut [f64], action: &[f64]) -> Outcome {
        let place = state[0];
        if action[1] == 1.0 {
            state[0] += 1.0;
            return Outcome {
                reward: 0.7 - place,
                terminated: false,
            };
        }
        Outcome {
            reward: 0.4 * place * place - 0.3,
            terminated: place > 0.0,
        }
    }

    fn observe(&self, state: &[f64], features: &mut [f64]) {
        features.copy_from_slice(&[state[0] - 0.5, 0.3]);
    }
}

/// Makes row `r` take the actions in the bits of `paths[r]`, first action lowest.
#[derive(Clone)]
struct Forced {
    paths: Vec<usize>,
}

impl Source for Forced {
    fn fill(&self, at: Address<'_>, out: &mut [f64]) {
        if at.role != Role::Choice {
            out.fill(0.5);
            return;
        }
        let action = self.paths[at.row] >> at.key.occurrence & 1;
        // A Gumbel of 21 against one of -3.
        for (class, u) in out.iter_mut().enumerate() {
            *u = if class == action { 1.0 - 1e-9 } else { 1e-9 };
        }
    }
}

fn config() -> PolicyConfig {
    PolicyConfig {
        hidden: vec![3],
        activation: Activation::Tanh,
        ..PolicyConfig::default()
    }
}

fn policy() -> Policy {
    let policy = Policy::new(&config(), &Walk { cap: 3 }, 5, &device().autodiff());
    Shift {
        index: None,
        by: 0.4,
        next: 0,
    }
    .apply(policy)
}

/// Adds `by` to number `index`, or a pattern of that size to all.
struct Shift {
    index: Option<usize>,
    by: f64,
    next: usize,
}

impl Shift {
    fn apply<M: Module>(mut self, net: M) -> M {
        net.map(&mut self)
    }
}

impl ModuleMapper for Shift {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !param.val().is_require_grad() {
            return param;
        }
        param.map(|tensor| {
            let device = tensor.device();
            let data = tensor.into_data();
            let shape = data.shape().clone();
            let mut values = data.try_to_vec::<f64>().expect("f64");
            for value in &mut values {
                *value += match self.index {
                    None => self.by * (1.0 + self.next as f64).sin(),
                    Some(index) if index == self.next => self.by,
                    Some(_) => 0.0,
                };
                self.next += 1;
            }
            Tensor::from_data(TensorData::new(values, shape), (&device, DType::F64)).require_grad()
        })
    }
}

struct Collect<'a> {
    gradients: &'a Gradients,
    values: Vec<f64>,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let size = param.val().shape().num_elements();
        match param.val().grad(self.gradients) {
            Some(g) => self.values.extend(host(g)),
            None => self.values.extend(std::iter::repeat_n(0.0, size)),
        }
    }
}

fn gradient<M: Module>(module: &M, loss: Tensor<1>) -> Vec<f64> {
    let gradients = loss.backward();
    let mut collect = Collect {
        gradients: &gradients,
        values: Vec::new(),
    };
    module.visit(&mut collect);
    collect.values
}

fn differences<M: Module>(module: &M, f: impl Fn(&M) -> f64) -> Vec<f64> {
    const H: f64 = 1e-5;
    let at = |index, by| {
        let shift = Shift {
            index: Some(index),
            by,
            next: 0,
        };
        f(&shift.apply(module.clone()))
    };
    (0..module.num_params())
        .map(|i| (at(i, H) - at(i, -H)) / (2.0 * H))
        .collect()
}

fn worst(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(1e-3, |a: f64, b| a.max(b.abs()));
    let errors = got.iter().zip(want).map(|(a, b)| (a - b).abs());
    errors.fold(0.0, f64::max) / scale
}

fn host<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().try_to_vec::<f64>().expect("f64")
}

/// A path through the walk in plain numbers: per step what is seen, the action, and the reward.
struct Path {
    steps: Vec<([f64; 2], usize, f64)>,
}

/// All of at most `cap` steps, each once, with the bits that lead to them.
fn paths(cap: usize) -> Vec<(usize, Path)> {
    let mut found: Vec<(usize, Path)> = Vec::new();
    for bits in 0..1_usize << cap {
        let walk = Walk { cap };
        let (mut state, mut steps) = ([0.0], Vec::new());
        for t in 0..cap {
            let mut seen = [0.0; 2];
            walk.observe(&state, &mut seen);
            let action = bits >> t & 1;
            let one_hot = [f64::from(action == 0), f64::from(action == 1)];
            let outcome = walk.step(&mut state, &one_hot);
            steps.push((seen, action, outcome.reward));
            if outcome.terminated {
                break;
            }
        }
        // Bits after the end do not tell paths apart.
        if bits >> steps.len() == 0 {
            found.push((bits, Path { steps }));
        }
    }
    found
}

/// `ln pi(. | seen)`.
fn log_probs(policy: &Policy, seen: [f64; 2]) -> Vec<f64> {
    let seen = Tensor::from_data(TensorData::new(seen.to_vec(), [1, 2]), &device());
    let logits = host(policy.clone().valid().forward(seen));
    let total = logits.iter().map(|l| l.exp()).sum::<f64>().ln();
    logits.into_iter().map(|l| l - total).collect()
}

impl Path {
    fn probability(&self, policy: &Policy) -> f64 {
        let steps = self.steps.iter();
        steps
            .map(|&(seen, action, _)| log_probs(policy, seen)[action])
            .sum::<f64>()
            .exp()
    }

    fn cost_to_go(&self, t: usize, discount: f64) -> f64 {
        let later = self.steps[t..].iter().enumerate();
        later
            .map(|(delay, step)| -discount.powi(delay as i32) * step.2)
            .sum()
    }

    fn entropies(&self, policy: &Policy) -> f64 {
        let entropy = |seen| -> f64 {
            let log_probs = log_probs(policy, seen);
            log_probs.iter().map(|l| -l * l.exp()).sum()
        };
        self.steps.iter().map(|step| entropy(step.0)).sum()
    }
}

fn build(
    config: &EstimatorConfig,
    environment: Rc<dyn Environment>,
    discount: f64,
) -> Result<Box<dyn Estimator>, EstimatorError> {
    let episodes = RefCell::new(Episodes::new(environment.clone(), 1));
    let policy = Policy::new(&self::config(), &*environment, 0, &device());
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
    let stir = Shift {
        index: None,
        by: 0.5,
        next: 0,
    };
    let owned = stir.apply(estimator.owned());
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
        let cost = host(estimate.cost.clone())[0];
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
                host(critic.clone().valid().forward(seen))[0]
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
                let logits = host(estimate.logit_gradients[t].1.clone());
                let score = 1.0 - log_probs(&policy, seen)[action].exp();
                largest = largest.max((logits[action] - want * score).abs());
            }
            // The last look at a state that was cut has no gradient of its own.
            assert_eq!(estimate.logit_gradients.len(), n + usize::from(!ended));
            if !ended {
                assert_eq!(host(estimate.logit_gradients[n].1.clone()), [0.0, 0.0]);
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
        host(estimator.estimate(&program, &noise).cost)
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

/// A minibatch of four transitions of an older policy, and an agent.
fn ppo_case() -> (Agent, Minibatch) {
    let agent = Agent::new(&config(), &Walk { cap: 3 }, 7, &device().autodiff());
    let agent = Shift {
        index: None,
        by: 0.4,
        next: 0,
    }
    .apply(agent);
    let column = |x: &[f64]| -> Tensor<1> {
        Tensor::from_data(TensorData::new(x.to_vec(), [x.len()]), &device())
    };
    let rows = |x: &[f64]| column(x).reshape([4, 2]);
    let seen = rows(&[-0.5, 0.3, 0.5, 0.3, 1.5, 0.3, 0.5, 0.3]);
    let actions = rows(&[0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
    let law = agent.policy.law();
    let now = law.log_prob(
        agent.policy.clone().valid().forward(seen.clone()),
        actions.clone(),
    );
    // Ratios 1.05, 0.6, 1.5, 0.9.
    let shift = column(&[1.05_f64.ln(), 0.6_f64.ln(), 1.5_f64.ln(), 0.9_f64.ln()]);
    let batch = Minibatch {
        seen,
        actions,
        log_probs: now - shift,
        advantages: column(&[0.4, -1.2, 2.0, 0.3]),
        targets: column(&[0.2, -0.5, 1.0, 0.1]),
    };
    (agent, batch)
}

const WEIGHTS: Weights = Weights {
    clip: 0.2,
    value: 0.5,
    entropy: 0.1,
};

#[test]
fn the_loss_of_ppo_is_its_equation_and_its_gradient_the_slope() {
    let (agent, batch) = ppo_case();
    let got = host(loss(&agent, batch.clone(), WEIGHTS))[0];
    let (ratios, gains) = ([1.05, 0.6, 1.5, 0.9], [0.4, -1.2, 2.0, 0.3]);
    let mean = gains.iter().sum::<f64>() / 4.0;
    let std = (gains.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / 3.0).sqrt();
    let by_hand = |clip: f64| {
        let gain: f64 = (0..4)
            .map(|i| {
                let a = (gains[i] - mean) / (std + 1e-8);
                (ratios[i] * a).min(f64::clamp(ratios[i], 1.0 - clip, 1.0 + clip) * a)
            })
            .sum();
        let values = host(agent.valid().value(batch.seen.clone()));
        let targets = [0.2, -0.5, 1.0, 0.1];
        let error: f64 = values
            .iter()
            .zip(targets)
            .map(|(v, g)| (v - g).powi(2))
            .sum();
        let seen = [[-0.5, 0.3], [0.5, 0.3], [1.5, 0.3], [0.5, 0.3]];
        let neg_entropy: f64 = seen
            .iter()
            .flat_map(|&seen| log_probs(&agent.policy, seen))
            .map(|l| l * l.exp())
            .sum();
        (0.5 * error - gain + 0.1 * neg_entropy) / 4.0
    };
    assert!((got - by_hand(0.2)).abs() < 1e-12, "{got}");
    assert!((got - by_hand(0.9)).abs() > 1e-3, "clipping does nothing");
    let tape = gradient(&agent, loss(&agent, batch.clone(), WEIGHTS));
    let slopes = differences(&agent, |agent| host(loss(agent, batch.clone(), WEIGHTS))[0]);
    assert!(
        worst(&tape, &slopes) < 1e-7,
        "{:.1e}",
        worst(&tape, &slopes)
    );
    let unclipped = Weights {
        clip: 0.9,
        ..WEIGHTS
    };
    let other = gradient(&agent, loss(&agent, batch, unclipped));
    assert!(worst(&other, &slopes) > 1e-3, "clipping has no gradient");
}

#[test]
fn advantages_end_with_their_episode() {
    let step = |reward, value, next_value, last| Transition {
        reward,
        value,
        next_value,
        last,
    };
    // An end, then a cut.
    let row = [
        step(1.0, 0.5, 0.2, false),
        step(2.0, 0.2, 0.0, true),
        step(-1.0, 0.7, 0.4, true),
    ];
    let (discount, lambda) = (0.9, 0.8);
    let deltas = [1.0 + 0.9 * 0.2 - 0.5, 2.0 - 0.2, -1.0 + 0.9 * 0.4 - 0.7];
    let want = [deltas[0] + 0.72 * deltas[1], deltas[1], deltas[2]];
    let got = advantages(&row, discount, lambda);
    assert!(worst(&got, &want) < 1e-12, "{got:?}");
    let mut joined = row;
    joined[1].last = false;
    assert!(worst(&advantages(&joined, discount, lambda), &want) > 0.1);
}
