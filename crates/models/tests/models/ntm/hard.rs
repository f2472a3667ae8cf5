//! Hard addresses of the neural Turing machine in f64: every estimator against enumeration, on machines of two slots and two steps.
//!
//! Estimators that depend on outcomes only are summed over all outcomes, with noise that forces each. Those that depend on
//! the noise itself (REBAR) are compared by Monte Carlo.

use std::collections::HashMap;

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use unbiased_estimators::{
    Address as Place, Draw, Estimator, EstimatorConfig, Key, Noise, Objective, Schema, Source,
    Trace, Weighing, execute,
};
use unbiased_models::ntm::{Address, Controller, Ntm, NtmConfig, NtmProgram, Order, Sequences};

use super::support::{compare, hard, machine, must_fail, sequences};
use crate::support::{device, gradient, numbers};

const STEPS: usize = 2;

/// One sequence: outcomes are enumerated for a single row.
fn data() -> Sequences {
    let both = sequences(STEPS);
    let first = |x: Tensor<2>| x.narrow(0, 0, 1);
    Sequences {
        inputs: both.inputs.into_iter().map(first).collect(),
        targets: both.targets.into_iter().map(|y| y.map(first)).collect(),
    }
}

fn repeated(data: &Sequences, rows: usize) -> Sequences {
    let rows = |x: &Tensor<2>| x.clone().repeat_dim(0, rows);
    Sequences {
        inputs: data.inputs.iter().map(rows).collect(),
        targets: data.targets.iter().map(|y| y.as_ref().map(rows)).collect(),
    }
}

fn build(config: &EstimatorConfig, net: &Ntm, data: &Sequences) -> Box<dyn Estimator> {
    let schema = Schema::of(&NtmProgram::new(net, data));
    config
        .build(&schema, net.config().objective, &device().autodiff())
        .expect("defined")
}

/// Cost and gradient of every parameter in one estimate.
fn estimate(
    estimator: &mut dyn Estimator,
    net: &Ntm,
    data: &Sequences,
    noise: &Noise,
) -> (f64, Vec<f64>) {
    let estimate = estimator.estimate(&NtmProgram::new(net, data), noise);
    let cost = estimate.cost.clone().mean().into_scalar::<f64>();
    (cost, gradient(net, estimate.surrogate))
}

fn exact(net: &Ntm, data: &Sequences) -> (f64, Vec<f64>) {
    let mut exact = build(&EstimatorConfig::named("exact"), net, data);
    estimate(&mut *exact, net, data, &Noise::new(0, 0))
}

/// Noise under which the choice `key` of a copy has a class whatever its logits are: Gumbel numbers of 27 and -6.
struct Forced(HashMap<(Key, usize), usize>);

impl Source for Forced {
    fn fill(&self, at: Place<'_>, out: &mut [f64]) {
        let class = self.0[&(at.key.clone(), at.copy)];
        for (i, u) in out.iter_mut().enumerate() {
            *u = if i == class { 1.0 - 1e-12 } else { 1e-300 };
        }
    }
}

fn hard_run(program: &NtmProgram<'_>, copies: usize, noise: &Noise) -> Trace {
    let draw = |_: usize, _: &Key| Draw::Hard;
    execute(program, copies, copies, Weighing::Analytic, &draw, noise)
}

/// Every outcome of `copies` copies: noise that leads to it, and its probability.
fn outcomes(net: &Ntm, data: &Sequences, copies: usize) -> Vec<(Noise, f64)> {
    let program = NtmProgram::new(net, data);
    let schema = Schema::of(&program);
    let choices: Vec<(Key, usize, usize)> = (0..copies)
        .flat_map(|copy| {
            let sites = schema.sites.iter();
            sites.map(move |site| (site.key.clone(), copy, site.params))
        })
        .collect();
    let total: usize = choices.iter().map(|(_, _, classes)| classes).product();
    (0..total)
        .map(|mut state| {
            let forced: HashMap<_, _> = choices
                .iter()
                .map(|(key, copy, classes)| {
                    let class = state % classes;
                    state /= classes;
                    ((key.clone(), *copy), class)
                })
                .collect();
            let noise = Noise::from_source(Forced(forced));
            let trace = hard_run(&program, copies, &noise);
            let log_probs = trace.sites.iter().map(|site| {
                let log_prob = site.law.log_prob(site.params.clone(), site.hard.clone());
                numbers(log_prob).iter().sum::<f64>()
            });
            (noise, log_probs.sum::<f64>().exp())
        })
        .collect()
}

/// The expectation of an estimator that depends on outcomes only: cost and gradient.
fn expectation(
    config: &EstimatorConfig,
    net: &Ntm,
    data: &Sequences,
    copies: usize,
) -> (f64, Vec<f64>) {
    let outcomes = outcomes(net, data, copies);
    let total: f64 = outcomes.iter().map(|(_, p)| p).sum();
    assert!((total - 1.0).abs() < 1e-12, "probabilities sum to {total}");
    let mut estimator = build(config, net, data);
    // Averages that are not at their first value, and then stay.
    for step in 0..3 {
        estimator.estimate(&NtmProgram::new(net, data), &Noise::new(9, step));
    }
    estimator.freeze();
    let (mut cost, mut mean) = (0.0, Vec::new());
    for (noise, p) in outcomes {
        let (c, g) = estimate(&mut *estimator, net, data, &noise);
        cost += p * c;
        mean.resize(g.len(), 0.0);
        mean.iter_mut().zip(g).for_each(|(mean, g)| *mean += p * g);
    }
    (cost, mean)
}

fn is_unbiased(config: &EstimatorConfig, net: &Ntm, copies: usize) {
    let data = data();
    let (cost, want) = exact(net, &data);
    let (got_cost, got) = expectation(config, net, &data, copies);
    let what = format!("{} on {:?}", config.name, net.config().address);
    assert!(
        (got_cost - cost).abs() < 1e-10,
        "{what}: cost {got_cost} {cost}"
    );
    compare(&what, &got, &want, 1e-9).expect("unbiased");
}

fn machines() -> Vec<Ntm> {
    let variants = [
        hard(Address::Slot),
        hard(Address::Shift),
        NtmConfig {
            controller: Controller::FeedForward,
            order: Order::WriteFirst,
            ..hard(Address::Slot)
        },
    ];
    variants.iter().map(machine).collect()
}

#[test]
fn estimators_of_one_sample_have_the_exact_gradient_as_expectation() {
    for net in machines() {
        for name in ["reinforce", "moving-average", "nvil"] {
            is_unbiased(&EstimatorConfig::named(name), &net, 1);
        }
    }
}

#[test]
fn estimators_of_two_samples_have_the_exact_gradient_as_expectation() {
    for order in [Order::ReadFirst, Order::WriteFirst] {
        let config = NtmConfig {
            order,
            ..hard(Address::Slot)
        };
        is_unbiased(&EstimatorConfig::named("rloo"), &machine(&config), 2);
        let bound = NtmConfig {
            objective: Objective::LogMeanWeight { k: 2 },
            ..config
        };
        is_unbiased(&EstimatorConfig::named("vimco"), &machine(&bound), 2);
    }
}

/// The checks above can fail: a biased estimator, a choice that is charged with costs it cannot change, and one that is not charged
/// with all it changes.
#[test]
fn the_expectations_tell_a_wrong_gradient() {
    let net = machine(&hard(Address::Slot));
    let data = data();
    let (_, want) = exact(&net, &data);
    let (_, biased) = expectation(&EstimatorConfig::named("straight-through"), &net, &data, 1);
    must_fail("straight-through", compare("", &biased, &want, 1e-9));
    // Only the next cost counts for a choice.
    let discounted = machine(&NtmConfig {
        objective: Objective::Expected { discount: 0.5 },
        ..hard(Address::Slot)
    });
    let reinforce = EstimatorConfig::named("reinforce");
    let (_, short) = expectation(&reinforce, &discounted, &data, 1);
    must_fail("a discount", compare("", &short, &want, 1e-9));
}

/// A choice is charged with what comes after it and with nothing before.
#[test]
fn costs_are_causal() {
    let net = machine(&hard(Address::Slot));
    let every = Sequences {
        targets: sequences(1)
            .targets
            .into_iter()
            .chain(sequences(1).targets)
            .collect(),
        inputs: sequences(2).inputs,
    };
    let trace = hard_run(&NtmProgram::new(&net, &every), 1, &Noise::new(1, 1));
    let names: Vec<String> = trace
        .sites
        .iter()
        .map(|site| site.key.to_string())
        .collect();
    assert_eq!(names, ["read0[0]", "write0[0]", "read0[1]", "write0[1]"]);
    let to_go = |site| numbers(trace.cost_to_go(site, 1.0).expect("costs"));
    let costs: Vec<Vec<f64>> = trace
        .terms
        .iter()
        .map(|term| numbers(term.value.clone()))
        .collect();
    assert_eq!(costs.len(), 2);
    assert_eq!(to_go(0), numbers(trace.cost()));
    assert_eq!(to_go(2), costs[1]);
    assert_eq!(to_go(3), costs[1]);
    // Contexts have one width.
    let widths: Vec<usize> = trace
        .sites
        .iter()
        .map(|site| site.context.as_ref().expect("a context").dims()[1])
        .collect();
    assert_eq!(widths, [3 + 2; 4]);
}

/// Differences of estimates from the exact gradient, in standard errors, by Monte Carlo. About 60 coordinates at 6.1 standard errors:
/// a false alarm in 6e-8 of all seeds.
fn deviation(config: &EstimatorConfig, net: &Ntm) -> f64 {
    const ROWS: usize = 250;
    const DRAWS: u64 = 120;
    let one = data();
    let many = repeated(&one, ROWS);
    let (_, want) = exact(net, &one);
    let mut estimator = build(config, net, &many);
    estimator.freeze();
    let mut sums = vec![[0.0_f64; 2]; want.len()];
    for step in 0..DRAWS {
        let (_, g) = estimate(&mut *estimator, net, &many, &Noise::new(3, step));
        for ((sum, g), want) in sums.iter_mut().zip(g).zip(&want) {
            sum[0] += g - want;
            sum[1] += (g - want).powi(2);
        }
    }
    let n = DRAWS as f64;
    sums.iter()
        .filter(|[_, square]| *square > 1e-24)
        .map(|[sum, square]| {
            let mean = sum / n;
            let variance = (square / n - mean * mean) / (n - 1.0);
            mean.abs() / variance.sqrt()
        })
        .fold(0.0, f64::max)
}

#[test]
fn rebar_is_unbiased_through_the_memory_and_biased_estimators_are_not() {
    for net in machines().into_iter().take(2) {
        for name in ["rebar", "rebar-two-branch"] {
            let z = deviation(&EstimatorConfig::named(name), &net);
            assert!(z < 6.1, "{name} on {:?}: {z}", net.config().address);
        }
        // The check can fail. (Over two moves the cost is nearly linear in them, so that straight-through hardly errs there.)
        let biased = match net.config().address {
            Address::Shift => "concrete",
            Address::Soft | Address::Slot => "straight-through",
        };
        let z = deviation(&EstimatorConfig::named(biased), &net);
        assert!(z > 12.0, "{biased} on {:?}: {z}", net.config().address);
    }
}

/// The cost along a line of latents of one choice through a tie, everything after it relaxed: `hardened` is a program that would look at
/// the exact choice instead of the value.
fn jump(net: &Ntm, name: &str, occurrence: usize, by: f64, hardened: bool) -> f64 {
    let data = data();
    let program = NtmProgram::new(net, &data);
    let classes = match net.config().address {
        Address::Shift => 3,
        _ => net.config().slots,
    };
    let cost = |offset: f64| {
        let mut latent = vec![-1.0; classes];
        latent[0] = 0.3 + offset;
        latent[classes - 1] = 0.3;
        let temperature = Tensor::from_data([0.7], &device());
        let draw = |_: usize, key: &Key| {
            if *key != Key::new(name, occurrence) {
                return Draw::Extended(temperature.clone().into());
            }
            let row =
                |x: Vec<f64>| Tensor::<2>::from_data(TensorData::new(x, [1, classes]), &device());
            if hardened {
                let first = f64::from(u8::from(offset > 0.0));
                let mut hard = vec![0.0; classes];
                hard[0] = first;
                hard[classes - 1] = 1.0 - first;
                return Draw::Given(row(hard));
            }
            Draw::Latent(row(latent.clone()), temperature.clone().into())
        };
        let trace = execute(&program, 1, 1, Weighing::Analytic, &draw, &Noise::new(2, 2));
        numbers(trace.cost())[0]
    };
    (cost(by) - cost(-by)).abs()
}

#[test]
fn relaxed_costs_are_continuous_where_the_hard_choice_flips() {
    for net in machines() {
        let net = net.valid();
        for (name, occurrence) in [("read0", 0), ("write0", 0), ("read0", 1)] {
            let what = format!("{name}[{occurrence}] of {:?}", net.config().address);
            let [near, nearer] = [1e-4, 1e-6].map(|by| jump(&net, name, occurrence, by, false));
            assert!(
                nearer < 1e-5 && nearer < 0.02 * near.max(1e-9),
                "{what}: {near} {nearer}"
            );
            assert!(
                jump(&net, name, occurrence, 1e-6, true) > 1e-4,
                "{what}: the check can fail"
            );
        }
    }
}

/// At a low temperature a relaxed run is the hard one.
#[test]
fn relaxed_runs_become_hard_ones() {
    for net in machines() {
        let net = net.valid();
        let data = data();
        let program = NtmProgram::new(&net, &data);
        let noise = Noise::new(4, 4);
        let cost = |draw: &dyn Fn(usize, &Key) -> Draw| {
            numbers(execute(&program, 3, 3, Weighing::Analytic, draw, &noise).cost())
        };
        let exact = cost(&|_, _| Draw::Hard);
        let relaxed =
            |t: f64| cost(&move |_, _| Draw::Extended(Tensor::from_data([t], &device()).into()));
        compare("cold", &relaxed(1e-4), &exact, 1e-6).expect("the hard run");
        must_fail("warm", compare("", &relaxed(1.0), &exact, 1e-6));
    }
}

/// A program that keeps the weightings of every step.
struct Seen<'a>(&'a NtmProgram<'a>, std::cell::RefCell<Vec<Vec<f64>>>);

impl unbiased_estimators::Program for Seen<'_> {
    fn batch(&self) -> usize {
        self.0.batch()
    }
    fn device(&self) -> burn::tensor::Device {
        self.0.device()
    }
    fn run(&self, run: &mut unbiased_estimators::Run<'_>) {
        self.0.watch(run, |state, _| {
            self.1.borrow_mut().push(numbers(state.address.clone()));
        });
    }
    fn frozen(&self) -> Box<dyn unbiased_estimators::Program + '_> {
        self.0.frozen()
    }
}

/// An address that only moves is one row for ever, the sum of the moves away from row 0.
#[test]
fn moves_keep_the_address_on_one_row() {
    let config = NtmConfig {
        slots: 5,
        ..hard(Address::Shift)
    };
    let net = machine(&config).valid();
    let data = sequences(40);
    let program = NtmProgram::new(&net, &data);
    let draw = |_: usize, _: &Key| Draw::Hard;
    let seen = Seen(&program, std::cell::RefCell::default());
    let trace = execute(&seen, 1, 1, Weighing::Analytic, &draw, &Noise::new(1, 1));
    let run = seen.1.into_inner();
    // Rows of the batch, then heads.
    let mut place = [[0_i64; 2]; 2];
    for (step, addresses) in run.iter().enumerate() {
        for head in 0..2 {
            let moves = numbers(trace.sites[2 * step + head].hard.clone());
            for row in 0..2 {
                let by = moves[row * 3..][..3]
                    .iter()
                    .position(|m| *m == 1.0)
                    .expect("one") as i64
                    - 1;
                place[row][head] = (place[row][head] + by).rem_euclid(5);
                let address = &addresses[(row * 2 + head) * 5..][..5];
                let want: Vec<f64> = (0..5)
                    .map(|i| f64::from(u8::from(i == place[row][head])))
                    .collect();
                assert_eq!(address, want);
            }
        }
    }
    assert!(place.iter().flatten().any(|p| *p != 0));
}
