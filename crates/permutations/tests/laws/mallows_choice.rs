//! The Mallows law as a choice, against the law on the host and against sums over the six rankings of three items.

use burn::tensor::{Device, Tensor};
use unbiased_estimators::{
    Address, ESTIMATORS, Estimator as _, EstimatorConfig, Exact, Noise, Objective, Program, Role,
    Run, Schema, Site, Source, law::Law,
};
use unbiased_kernels::uniforms;
use unbiased_permutations::{Mallows, exact::permutations, sites::MallowsRanking};

use crate::support::{check, device, differences, error, leaf, numbers, rankings, tensor};

const EXPECTED: Objective = Objective::Expected { discount: 1.0 };
const CENTRE: [usize; 4] = [2, 0, 3, 1];

/// ln θ and numbers in the order of the centre.
fn params(log_theta: f64, centre: &[usize]) -> Vec<f64> {
    let number = |&rank: &usize| 0.7 * rank as f64 - 1.0;
    std::iter::once(log_theta)
        .chain(centre.iter().map(number))
        .collect()
}

#[test]
fn densities_samples_and_means_are_those_of_the_host() {
    for log_theta in [-8.0, -0.4, 1.2] {
        let law = Mallows::new(&CENTRE, f64::exp(log_theta)).expect("a law");
        let lists: Vec<Vec<usize>> = permutations(4).expect("few").collect();
        let theta = params(log_theta, &CENTRE);
        let all = rankings(4).concat();
        let log_prob =
            numbers(MallowsRanking.log_prob(tensor(&theta.repeat(24), 24), tensor(&all, 24)));
        let want: Vec<f64> = lists
            .iter()
            .map(|l| law.log_prob(l).expect("a ranking"))
            .collect();
        check("ln p", &log_prob, &want, 1e-12);
        let entropy: f64 = want.iter().map(|l| l.exp() * l).sum();
        let negative = MallowsRanking
            .negative_entropy(tensor(&theta, 1))
            .expect("closed");
        check("entropy", &numbers(negative), &[entropy], 1e-12);
        let mean: Vec<f64> = (0..4)
            .map(|i| {
                lists
                    .iter()
                    .zip(&want)
                    .map(|(l, p)| p.exp() * l[i] as f64)
                    .sum()
            })
            .collect();
        check(
            "mean",
            &numbers(MallowsRanking.mean(tensor(&theta, 1))),
            &mean,
            1e-12,
        );

        let mut u = vec![0.0; 4 * 500];
        uniforms(7, &mut u);
        let drawn =
            numbers(MallowsRanking.sample(tensor(&theta.repeat(500), 500), tensor(&u, 500)));
        let want: Vec<f64> = u
            .chunks_exact(4)
            .flat_map(|u| law.sample(u))
            .map(|rank| rank as f64)
            .collect();
        assert_eq!(drawn, want);
    }
}

#[test]
fn scores_are_slopes_and_flat_in_the_centre() {
    let theta = params(-0.3, &CENTRE);
    for ranks in rankings(4) {
        let log_prob = |theta: &[f64]| {
            numbers(MallowsRanking.log_prob(tensor(theta, 1), tensor(&ranks, 1)))[0]
        };
        let want = differences(&theta, 1e-5, log_prob);
        let score = MallowsRanking.score(tensor(&theta, 1), tensor(&ranks, 1));
        check("score", &numbers(score), &want, 1e-8);
        let leaf = leaf(&theta, 1);
        let gradients = MallowsRanking
            .log_prob(leaf.clone(), tensor(&ranks, 1))
            .sum()
            .backward();
        check(
            "tape",
            &numbers(leaf.grad(&gradients).expect("a slope")),
            &want,
            1e-8,
        );
    }
}

/// A ranking of three around the centre 1, 2, 0 costs something; with a prior it is a latent variable.
struct Order {
    log_theta: Tensor<2>,
    latent: bool,
}

const THREE: [usize; 3] = [1, 2, 0];
const PRIOR: f64 = -1.2;

fn cost_of(r: &[f64]) -> f64 {
    (r[0] - 0.8).powi(2) - 0.5 * r[1] + 0.6 * r[0] * r[2]
}

impl Program for Order {
    fn batch(&self) -> usize {
        self.log_theta.dims()[0]
    }

    fn device(&self) -> Device {
        self.log_theta.device()
    }

    fn run(&self, run: &mut Run<'_>) {
        let theta = run.rows(self.log_theta.clone());
        let rows = theta.dims()[0];
        let centre = tensor(&[1.0, 2.0, 0.0].repeat(rows), rows);
        let centre = Tensor::from_inner(centre);
        let mut site = Site::new(Tensor::cat(vec![theta, centre], 1));
        if self.latent {
            site = site.prior(tensor(&[PRIOR, 0.0, 1.0, 2.0], 1));
        }
        let r = run.law("order", MallowsRanking, site).value;
        let at = |i: usize| r.clone().narrow(1, i, 1).squeeze_dim::<1>(1);
        let cost = (at(0) - 0.8).square() - at(1) * 0.5 + at(0) * at(2) * 0.6;
        if self.latent {
            run.log_lik("order", cost.neg());
        } else {
            run.cost("order", cost, run.mark());
        }
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(Self {
            log_theta: self.log_theta.clone().inner(),
            latent: self.latent,
        })
    }
}

const LOG_THETA: f64 = -0.5;

/// What a ranking costs and how probable it is.
fn states(log_theta: f64, latent: bool) -> Vec<[f64; 2]> {
    let law =
        |centre: &[usize], log_theta: f64| Mallows::new(centre, log_theta.exp()).expect("a law");
    let (q, p) = (law(&THREE, log_theta), law(&[0, 1, 2], PRIOR));
    let lists = permutations(3).expect("few");
    lists
        .map(|list| {
            let ranks: Vec<f64> = list.iter().map(|&r| r as f64).collect();
            let log_q = q.log_prob(&list).expect("a ranking");
            let extra = log_q - p.log_prob(&list).expect("a ranking");
            [
                cost_of(&ranks) + if latent { extra } else { 0.0 },
                log_q.exp(),
            ]
        })
        .collect()
}

/// The objective by its definition, of k samples.
fn value(log_theta: f64, latent: bool, k: u32) -> f64 {
    let states = states(log_theta, latent);
    if k == 1 {
        return states.iter().map(|[cost, q]| q * cost).sum();
    }
    let tuple = |mut at: usize| {
        let (mut chance, mut weight) = (1.0, 0.0);
        for _ in 0..k {
            let [cost, q] = states[at % 6];
            chance *= q;
            weight += (-cost).exp() / f64::from(k);
            at /= 6;
        }
        -chance * weight.ln()
    };
    (0..6_usize.pow(k)).map(tuple).sum()
}

/// All outcomes of `copies` choices: uniforms in the middle of what each jump needs.
#[derive(Clone)]
struct Outcomes {
    weights: Vec<f64>,
    uniforms: Vec<Vec<[f64; 3]>>,
}

impl Source for Outcomes {
    fn fill(&self, at: Address<'_>, out: &mut [f64]) {
        match at.role {
            Role::Choice => out.copy_from_slice(&self.uniforms[at.copy][at.row]),
            _ => out.fill(0.5),
        }
    }
}

impl Outcomes {
    fn new(copies: usize) -> Self {
        let theta = LOG_THETA.exp();
        let chances = |t: usize| {
            let weight = |v: usize| (-theta * v as f64).exp();
            let total: f64 = (0..=t).map(weight).sum();
            (0..=t).map(|v| weight(v) / total).collect::<Vec<f64>>()
        };
        let middle = |p: &[f64], v: usize| p[..v].iter().sum::<f64>() + 0.5 * p[v];
        let (second, third) = (chances(1), chances(2));
        let mut one = Vec::new();
        for a in 0..2 {
            for b in 0..3 {
                let u = [0.5, middle(&second, a), middle(&third, b)];
                one.push((u, second[a] * third[b]));
            }
        }
        let total = 6_usize.pow(copies as u32);
        let at = |row: usize, copy: usize| one[row / 6_usize.pow(copy as u32) % 6];
        let rows = |copy: usize| (0..total).map(|row| at(row, copy).0).collect();
        let weight = |row: usize| (0..copies).map(|copy| at(row, copy).1).product();
        Self {
            weights: (0..total).map(weight).collect(),
            uniforms: (0..copies).map(rows).collect(),
        }
    }
}

fn expectation(name: &str, latent: bool, objective: Objective, copies: usize) -> [f64; 2] {
    let outcomes = Outcomes::new(copies);
    let rows = outcomes.weights.len();
    let program = Order {
        log_theta: leaf(&[LOG_THETA].repeat(rows), rows),
        latent,
    };
    let mut estimator = EstimatorConfig::named(name)
        .build(&Schema::of(&program), objective, &device().autodiff())
        .unwrap_or_else(|error| panic!("{error}"));
    let estimate = estimator.estimate(&program, &Noise::from_source(outcomes.clone()));
    let gradients = estimate.surrogate.backward();
    let gradient = numbers(program.log_theta.grad(&gradients).expect("a gradient"));
    let mean = |x: &[f64]| {
        x.iter()
            .zip(&outcomes.weights)
            .map(|(x, w)| x * w)
            .sum::<f64>()
    };
    [rows as f64 * mean(&gradient), mean(&numbers(estimate.cost))]
}

#[test]
fn score_function_estimators_have_the_exact_gradient_as_expectation() {
    for latent in [false, true] {
        let want = differences(&[LOG_THETA], 1e-5, |x| value(x[0], latent, 1));
        let cost = value(LOG_THETA, latent, 1);
        for (name, copies) in [
            ("reinforce", 1),
            ("moving-average", 1),
            ("optimal-baseline", 1),
            ("rloo", 2),
        ] {
            let [gradient, got] = expectation(name, latent, EXPECTED, copies);
            check(name, &[gradient], &want, 1e-8);
            if !latent {
                check(name, &[got], &[cost], 1e-10);
            }
        }
    }
    // Another law has another gradient.
    let other = differences(&[LOG_THETA + 0.1], 1e-5, |x| value(x[0], false, 1));
    let want = differences(&[LOG_THETA], 1e-5, |x| value(x[0], false, 1));
    assert!(error(&other, &want) > 1e-3);
}

#[test]
fn bounds_of_several_samples_have_the_exact_gradient_as_expectation() {
    for (name, k) in [("vimco", 2), ("vimco", 3), ("reinforce", 2)] {
        let want = differences(&[LOG_THETA], 1e-5, |x| value(x[0], true, k));
        let objective = Objective::LogMeanWeight { k: k as usize };
        let [gradient, _] = expectation(name, true, objective, k as usize);
        check(name, &[gradient], &want, 1e-8);
    }
}

#[test]
fn enumeration_is_the_sum_over_rankings() {
    let program = Order {
        log_theta: leaf(&[LOG_THETA], 1),
        latent: true,
    };
    let mut exact = Exact::new(&Schema::of(&program), EXPECTED).expect("six states");
    let estimate = exact.estimate(&program, &Noise::new(0, 0));
    check(
        "cost",
        &numbers(estimate.cost),
        &[value(LOG_THETA, true, 1)],
        1e-12,
    );
    let gradients = estimate.surrogate.backward();
    let gradient = numbers(program.log_theta.grad(&gradients).expect("a gradient"));
    let want = differences(&[LOG_THETA], 1e-5, |x| value(x[0], true, 1));
    check("gradient", &gradient, &want, 1e-8);
}

#[test]
fn what_needs_a_relaxation_is_refused() {
    let program = Order {
        log_theta: leaf(&[LOG_THETA], 1),
        latent: false,
    };
    let schema = Schema::of(&program);
    let refused: Vec<&str> = ESTIMATORS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| {
            let built = EstimatorConfig::named(name).build(&schema, EXPECTED, &device().autodiff());
            if let Err(error) = &built {
                let message = error.to_string();
                assert!(
                    message.contains("use ") || message.contains("needs"),
                    "{name}: {message}"
                );
            }
            built.is_err()
        })
        .collect();
    println!("{refused:?}");
}
