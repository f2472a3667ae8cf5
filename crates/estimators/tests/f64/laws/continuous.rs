//! Continuous laws: mass, entropies and divergences as integrals, draws against the integrated density, slopes of draws, and
//! gradients of moments against closed forms.

use std::f64::consts::PI;

use burn::tensor::Tensor;
use unbiased_estimators::{
    EstimatorConfig, NoiseLaw, Role, Run, Site,
    law::{
        Beta, Decomposition, Dirichlet, Gamma, Gaussian, Gumbel, Kumaraswamy, Law, Logistic,
        Poisson, Reparameterization, VonMises,
    },
};

use super::{noise_of, tensor};
use crate::{
    estimate::{
        EXPECTED, build_as, check, compare, device, differences, expectation, must_fail, numbers,
        schema,
    },
    grid::{Cover, Plan, interval, normal_grid, sigma},
    monte_carlo::Moments,
    programs::{Model, Theta},
    small::OneNormal,
};

/// A law of one variable at parameters, and points with weights over its support.
struct Case {
    law: Box<dyn Law>,
    params: [f64; 2],
    points: Vec<(f64, f64)>,
}

fn cases() -> Vec<Case> {
    let line = |low: f64, high: f64, step: f64| {
        let n = ((high - low) / step).round() as i32;
        (0..n).map(move |i| low + f64::from(i) * step)
    };
    let real = || line(-60.0, 60.0, 0.01).map(|x| (x, 0.01));
    let positive = || line(-60.0, 6.0, 0.01).map(|y| (y.exp(), 0.01 * y.exp()));
    let unit = || {
        line(-60.0, 34.0, 0.01).map(|y| {
            let x = sigma(y);
            (x, 0.01 * x * (1.0 - x))
        })
    };
    let circle = |around: f64| {
        let step = PI / 500.0;
        // The midpoint rule, which is exact for the mean as well.
        line(around - PI, around + PI, step).map(move |x| (x + step / 2.0, step))
    };
    let case = |law: Box<dyn Law>, params, points| Case {
        law,
        params,
        points,
    };
    vec![
        case(Box::new(Gaussian), [0.3, -0.4], real().collect()),
        case(Box::new(Logistic), [0.3, -0.4], real().collect()),
        case(Box::new(Gumbel), [0.3, -0.4], real().collect()),
        case(Box::new(Kumaraswamy), [-0.2, 0.6], unit().collect()),
        case(Box::new(Gamma), [-0.3, 0.4], positive().collect()),
        case(Box::new(Gamma), [1.6, 0.4], positive().collect()),
        case(Box::new(Beta), [-0.2, 0.6], unit().collect()),
        case(Box::new(Beta), [1.9, 1.2], unit().collect()),
        case(Box::new(VonMises), [0.4, -0.5], circle(0.4).collect()),
        case(Box::new(VonMises), [0.4, 2.5], circle(0.4).collect()),
    ]
}

impl Case {
    fn log_probs(&self, params: &[f64]) -> Vec<f64> {
        let n = self.points.len();
        let at: Vec<f64> = self.points.iter().map(|(x, _)| *x).collect();
        numbers(
            self.law
                .log_prob(tensor(&params.repeat(n), n), tensor(&at, n)),
        )
    }

    /// `E[f(x, i)]` by quadrature over the density.
    fn integral(&self, params: &[f64], f: impl Fn(f64, usize) -> f64) -> f64 {
        let log_probs = self.log_probs(params);
        let terms = self.points.iter().zip(&log_probs).enumerate();
        terms.map(|(i, ((x, w), l))| l.exp() * w * f(*x, i)).sum()
    }
}

#[test]
fn densities_entropies_and_divergences_are_integrals() {
    for case in cases() {
        let name = format!("{:?} {:?}", case.law, case.params);
        let (q, prior) = (case.params, [0.1, 0.2]);
        let (params, prior_params) = (tensor(&q, 1), tensor(&prior, 1));
        check(compare(
            &name,
            &[case.integral(&q, |_, _| 1.0)],
            &[1.0],
            1e-10,
        ));
        let mean = numbers(case.law.mean(params.clone()));
        check(compare(&name, &mean, &[case.integral(&q, |x, _| x)], 1e-10));
        let log_q = case.log_probs(&q);
        if let Some(entropy) = case.law.negative_entropy(params.clone()) {
            let want = case.integral(&q, |_, i| log_q[i]);
            check(compare(&name, &numbers(entropy), &[want], 1e-10));
        }
        // Around another direction the density is the same, since it is periodic.
        let log_p = case.log_probs(&prior);
        if let Some(kl) = case.law.kl(params, prior_params) {
            let want = case.integral(&q, |_, i| log_q[i] - log_p[i]);
            check(compare(&name, &numbers(kl), &[want], 1e-10));
        }
    }
}

#[test]
fn divergences_have_their_slopes_on_the_tape() {
    for case in cases() {
        let both: Vec<f64> = [case.params, [0.1, 0.2]].concat();
        let kl = |both: Tensor<2>| {
            let (q, p) = (both.clone().narrow(1, 0, 2), both.narrow(1, 2, 2));
            let entropy = case.law.negative_entropy(q.clone()).expect("closed form");
            entropy + case.law.kl(q.clone(), p).unwrap_or_else(|| q.sum())
        };
        let want = differences(&both, 1e-5, |both| numbers(kl(tensor(both, 1)))[0]);
        let leaf = tensor(&both, 1).autodiff().require_grad();
        let tape = kl(leaf.clone()).backward();
        let got = numbers(leaf.grad(&tape).expect("a gradient"));
        check(compare(&format!("{:?}", case.law), &got, &want, 1e-8));
    }
}

/// Kolmogorov and Smirnov's distance of 20,000 draws exceeds 0.0235 with probability `2 exp(-2 n d^2) = 5e-10` each.
#[test]
fn draws_follow_the_integrated_density() {
    let rows = 20_000;
    for case in cases() {
        let noise = noise_of(&*case.law, Role::Choice, rows, 1);
        let distance = |params: &[f64]| {
            let mut drawn = numbers(
                case.law
                    .sample(tensor(&params.repeat(rows), rows), noise.clone()),
            );
            drawn.sort_by(f64::total_cmp);
            // The distribution function at the middles between points.
            let (mut below, mut next, mut distance) = (0.0, 0, 0.0_f64);
            let log_probs = case.log_probs(&case.params);
            for (i, ((x, weight), l)) in case.points.iter().zip(&log_probs).enumerate() {
                below += weight * l.exp();
                let Some((after, _)) = case.points.get(i + 1) else {
                    break;
                };
                while next < rows && drawn[next] < 0.5 * (x + after) {
                    next += 1;
                }
                distance = distance.max((below - next as f64 / rows as f64).abs());
            }
            if distance < 0.0235 {
                Ok(distance)
            } else {
                Err(format!("{:?}: distance {distance}", case.law))
            }
        };
        check(distance(&case.params));
        must_fail(
            "other parameters",
            distance(&[case.params[0] + 0.1, case.params[1] + 0.2]),
        );
    }
}

#[test]
fn scores_and_tapes_are_the_slopes_of_log_densities() {
    for case in cases() {
        let drawn = noise_of(&*case.law, Role::Choice, 6, 1);
        let drawn = numbers(case.law.sample(tensor(&case.params.repeat(6), 6), drawn));
        for x in drawn {
            let all = [case.params[0], case.params[1], x];
            let log_prob = |all: Tensor<2>| {
                let value = all.clone().narrow(1, 2, 1);
                case.law.log_prob(all.narrow(1, 0, 2), value)
            };
            let want = differences(&all, 1e-6, |all| numbers(log_prob(tensor(all, 1)))[0]);
            let score = numbers(case.law.score(tensor(&case.params, 1), tensor(&[x], 1)));
            let what = format!("{:?} at {x}", case.law);
            check(compare(&what, &score, &want[..2], 1e-7));
            let leaf = tensor(&all, 1).autodiff().require_grad();
            let tape = log_prob(leaf.clone()).backward();
            let got = numbers(leaf.grad(&tape).expect("a gradient"));
            check(compare(&what, &got, &want, 1e-7));
        }
    }
}

#[test]
fn draws_have_their_slopes_on_the_tape_and_in_pulls_and_pushes() {
    let laws = cases()
        .into_iter()
        .map(|case| (case.law, case.params.to_vec()));
    let simplex: (Box<dyn Law>, Vec<f64>) = (
        Box::new(Dirichlet { parts: 3 }),
        vec![-0.4, 0.3, 1.1, 0.2, 0.9, -1.0],
    );
    for (law, params) in laws.chain([simplex]) {
        let width = law.width(params.len());
        for row in 0..8 {
            let noise = noise_of(&*law, Role::Choice, 8, width).narrow(0, row, 1);
            let h: Vec<f64> = (0..width).map(|i| (i as f64 + 0.7).sin()).collect();
            let dot = |x: Tensor<2>| (x * tensor(&h, 1)).sum();
            let sample = |p: Tensor<2>| law.sample(p, noise.clone());
            let want = differences(&params, 1e-5, |p| numbers(dot(sample(tensor(p, 1))))[0]);
            let leaf = tensor(&params, 1).autodiff().require_grad();
            let tape = dot(sample(leaf.clone())).backward();
            let got = numbers(leaf.grad(&tape).expect("a gradient"));
            let what = format!("{law:?}");
            check(compare(&what, &got, &want, 1e-7));
            let law = law.reparameterization().expect("continuous");
            let p = tensor(&params, 1);
            let pulled = numbers(law.pull(p.clone(), noise.clone(), tensor(&h, 1)));
            check(compare(&what, &pulled, &got, 1e-12));
            let g: Vec<f64> = (0..params.len()).map(|i| (2.0 * i as f64).cos()).collect();
            let pushed = numbers(dot(law.push(p, noise.clone(), tensor(&g, 1))));
            let transposed: f64 = g.iter().zip(&pulled).map(|(g, p)| g * p).sum();
            check(compare(&what, &pushed, &[transposed], 1e-12));
        }
    }
}

/// Five-point differences.
fn slope(f: impl Fn(f64) -> f64, x: f64) -> f64 {
    let h = 1e-3;
    (8.0 * (f(x + h) - f(x - h)) - f(x + 2.0 * h) + f(x - 2.0 * h)) / (12.0 * h)
}

fn psi(x: f64) -> f64 {
    slope(libm::lgamma, x)
}

fn ln_beta(a: f64, b: f64) -> f64 {
    libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b)
}

const EULER: f64 = 0.577_215_664_901_532_9;

/// `d E[f(x)]/d params` over nodes of the noise, `f` with slope `d`.
fn pulled(law: &dyn Law, params: &[f64], step: f64, d: impl Fn(f64) -> f64) -> Vec<f64> {
    let width = law.width(params.len());
    let axis = interval(0.0, 1.0, Cover::Quadrature(step));
    let mut nodes = vec![(Vec::new(), 1.0)];
    for _ in 0..width {
        nodes = nodes
            .iter()
            .flat_map(|(u, w)| {
                axis.iter()
                    .map(move |(v, x)| ([u.as_slice(), v].concat(), w * x))
            })
            .collect();
    }
    let n = nodes.len();
    let noise: Vec<f64> = nodes
        .iter()
        .flat_map(|(u, _)| u.iter().map(|&u| law.noise().quantile(u)))
        .collect();
    let (params_rows, noise) = (tensor(&params.repeat(n), n), tensor(&noise, n));
    // A function of the first coordinate.
    let x = numbers(law.sample(params_rows.clone(), noise.clone()));
    let h: Vec<f64> = x
        .chunks(width)
        .flat_map(|x| (0..width).map(|i| if i == 0 { d(x[0]) } else { 0.0 }))
        .collect();
    let law = law.reparameterization().expect("continuous");
    let rows = numbers(law.pull(params_rows, noise, tensor(&h, n)));
    let mut mean = vec![0.0; params.len()];
    for (row, (_, weight)) in rows.chunks(params.len()).zip(&nodes) {
        mean.iter_mut().zip(row).for_each(|(m, g)| *m += weight * g);
    }
    mean
}

type Moment = (&'static str, fn(f64) -> f64, fn(&[f64]) -> f64);

#[test]
fn gradients_of_moments_are_those_of_closed_forms() {
    let first: fn(f64) -> f64 = |_| 1.0;
    let second: fn(f64) -> f64 = |x| 2.0 * x;
    let log: fn(f64) -> f64 = f64::recip;
    let all: Vec<(Box<dyn Law>, Vec<f64>, Vec<Moment>)> = vec![
        (
            Box::new(Logistic),
            vec![0.3, -0.4],
            vec![
                ("x", first, |p| p[0]),
                ("x^2", second, |p| {
                    p[0].powi(2) + (2.0 * p[1]).exp() * PI * PI / 3.0
                }),
            ],
        ),
        (
            Box::new(Gumbel),
            vec![0.3, -0.4],
            vec![
                ("x", first, |p| p[0] + EULER * p[1].exp()),
                ("x^2", second, |p| {
                    (p[0] + EULER * p[1].exp()).powi(2) + (2.0 * p[1]).exp() * PI * PI / 6.0
                }),
            ],
        ),
        (
            Box::new(Kumaraswamy),
            vec![-0.2, 0.6],
            vec![
                ("x", first, |p| {
                    (p[1] + ln_beta(1.0 + (-p[0]).exp(), p[1].exp())).exp()
                }),
                ("x^2", second, |p| {
                    (p[1] + ln_beta(1.0 + 2.0 * (-p[0]).exp(), p[1].exp())).exp()
                }),
                ("ln x", log, |p| {
                    -(psi(p[1].exp() + 1.0) + EULER) / p[0].exp()
                }),
            ],
        ),
        (
            Box::new(Gamma),
            vec![-0.3, 0.4],
            vec![
                ("x", first, |p| (p[0] - p[1]).exp()),
                ("x^2", second, |p| {
                    (p[0] - 2.0 * p[1]).exp() * (1.0 + p[0].exp())
                }),
                ("ln x", log, |p| psi(p[0].exp()) - p[1]),
            ],
        ),
        (
            Box::new(Beta),
            vec![-0.2, 0.6],
            vec![
                ("x", first, |p| sigma(p[0] - p[1])),
                ("x^2", second, |p| {
                    let (a, sum) = (p[0].exp(), p[0].exp() + p[1].exp());
                    a * (a + 1.0) / (sum * (sum + 1.0))
                }),
                ("ln x", log, |p| {
                    psi(p[0].exp()) - psi(p[0].exp() + p[1].exp())
                }),
            ],
        ),
        (
            Box::new(Dirichlet { parts: 3 }),
            vec![-0.2, 0.6, 0.3],
            vec![
                ("x", first, |p| {
                    p[0].exp() / p.iter().map(|a| a.exp()).sum::<f64>()
                }),
                ("x^2", second, |p| {
                    let (a, sum) = (p[0].exp(), p.iter().map(|a| a.exp()).sum::<f64>());
                    a * (a + 1.0) / (sum * (sum + 1.0))
                }),
                ("ln x", log, |p| {
                    psi(p[0].exp()) - psi(p.iter().map(|a| a.exp()).sum::<f64>())
                }),
            ],
        ),
        (
            Box::new(VonMises),
            vec![0.4, 0.5],
            vec![
                ("x", first, |p| p[0]),
                (
                    "cos x",
                    |x| -x.sin(),
                    |p| {
                        // I_1/I_0 by the integral of cos over the density.
                        let at = |i: i32| PI * f64::from(i) / 100.0;
                        let sum = |f: &dyn Fn(f64) -> f64| {
                            (0..200)
                                .map(|i| f(at(i)) * (p[1].exp() * at(i).cos()).exp())
                                .sum::<f64>()
                        };
                        p[0].cos() * sum(&f64::cos) / sum(&|_| 1.0)
                    },
                ),
            ],
        ),
    ];
    for (law, params, moments) in all {
        let step = if params.len() == 3 { 0.15 } else { 0.05 };
        for (name, d, closed) in moments {
            let got = pulled(&*law, &params, step, d);
            let want: Vec<f64> = (0..params.len())
                .map(|i| {
                    let moved = |x| {
                        let mut p = params.clone();
                        p[i] = x;
                        closed(&p)
                    };
                    slope(moved, params[i])
                })
                .collect();
            let what = format!("E[{name}] of {law:?}");
            check(compare(&what, &got, &want, 2e-8));
            let off: Vec<f64> = got.iter().map(|g| 1.001 * g).collect();
            must_fail(
                "a slope off by 1 in 1000",
                compare(&what, &off, &want, 2e-8),
            );
        }
    }
}

/// A law as it is, but for its derivatives.
#[derive(Debug, Clone)]
struct Scaled<L> {
    law: L,
    by: f64,
}

impl<L: Law + Clone> Law for Scaled<L> {
    fn name(&self) -> &'static str {
        self.law.name()
    }
    fn noise(&self) -> NoiseLaw {
        self.law.noise()
    }
    fn width(&self, params: usize) -> usize {
        self.law.width(params)
    }
    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        let x = self.law.sample(params, noise);
        x.clone().inner() + (x.clone() - x.inner()) * self.by
    }
    fn mean(&self, params: Tensor<2>) -> Tensor<2> {
        self.law.mean(params)
    }
    fn log_prob(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<1> {
        self.law.log_prob(params, value)
    }
    fn score(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
        self.law.score(params, value) * self.by
    }
    fn negative_entropy(&self, params: Tensor<2>) -> Option<Tensor<1>> {
        self.law.negative_entropy(params)
    }
    fn kl(&self, params: Tensor<2>, prior: Tensor<2>) -> Option<Tensor<1>> {
        self.law.kl(params, prior)
    }
    fn reparameterization(&self) -> Option<&dyn Reparameterization> {
        self.law.reparameterization()
    }
    fn decomposition(&self) -> Option<&dyn Decomposition> {
        self.law.decomposition().map(|_| self as &dyn Decomposition)
    }
}

impl<L: Law + Clone> Decomposition for Scaled<L> {
    fn further_noise(&self) -> Option<NoiseLaw> {
        self.law
            .decomposition()
            .and_then(Decomposition::further_noise)
    }
    fn others(&self, params: Tensor<2>, value: Tensor<2>, further: Option<Tensor<2>>) -> Tensor<2> {
        let law = self.law.decomposition().expect("one");
        law.others(params, value, further)
    }
    fn gradient(&self, params: Tensor<2>, value: Tensor<2>, change: Tensor<2>) -> Tensor<2> {
        let law = self.law.decomposition().expect("one");
        law.gradient(params, value, change) * self.by
    }
}

/// One variable and a periodic cost.
struct One<L> {
    law: L,
    params: Vec<f64>,
}

impl<L: Law + Clone + 'static> Model for One<L> {
    fn name(&self) -> &'static str {
        "one"
    }
    fn parameters(&self) -> Vec<f64> {
        self.params.clone()
    }
    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let site = Site::new(theta.take(self.params.len())).context(theta.constant(&[1.0]));
        let x = run.law("x", self.law.clone(), site).value;
        let cost = x.clone().sin() + (x * 2.0).cos() * 0.6;
        run.cost("cost", cost.sum_dim(1).squeeze_dim::<1>(1), run.mark());
    }
}

fn cost(x: f64) -> f64 {
    x.sin() + 0.6 * (2.0 * x).cos()
}

fn named(name: &str) -> EstimatorConfig {
    EstimatorConfig {
        sites: [("x".to_owned(), name.to_owned())].into(),
        ..EstimatorConfig::named(name)
    }
}

fn is_unbiased<L: Law + Clone + 'static>(law: L, case: &Case) {
    let want = differences(&case.params, 1e-5, |p| case.integral(p, |x, _| cost(x)));
    for name in ["pathwise", "reinforce"] {
        let judge = |by: f64| {
            let law = Scaled {
                law: law.clone(),
                by,
            };
            let params = case.params.to_vec();
            let model = One { law, params };
            let axis = interval(0.0, 1.0, Cover::Quadrature(0.05));
            let grid = normal_grid(&schema(&model), 1, &axis);
            let mut estimator = build_as(&named(name), &model, EXPECTED);
            let got = expectation(&mut *estimator, &model, &case.params, &grid);
            compare(&format!("{name} of {:?}", case.law), &got, &want, 1e-8)
        };
        check(judge(1.0));
        must_fail("a derivative off by 1 in 1000", judge(1.001));
    }
}

#[test]
fn pathwise_and_score_function_estimators_have_the_exact_gradient_as_expectation() {
    for case in cases() {
        match case.law.name() {
            "gaussian" => is_unbiased(Gaussian, &case),
            "logistic" => is_unbiased(Logistic, &case),
            "gumbel" => is_unbiased(Gumbel, &case),
            "kumaraswamy" => is_unbiased(Kumaraswamy, &case),
            "gamma" => is_unbiased(Gamma, &case),
            "beta" => is_unbiased(Beta, &case),
            "von mises" => is_unbiased(VonMises, &case),
            other => panic!("{other}"),
        }
    }
}

fn poisson(log_rate: f64) -> Vec<f64> {
    (0..80)
        .map(|n| {
            (f64::from(n) * log_rate - log_rate.exp() - libm::lgamma(f64::from(n) + 1.0)).exp()
        })
        .collect()
}

#[test]
fn counts_have_their_probabilities_and_divergence() {
    for log_rate in [-1.2, 0.3, 2.0] {
        let p = poisson(log_rate);
        let counts: Vec<f64> = (0..80).map(f64::from).collect();
        let params = tensor(&[log_rate].repeat(80), 80);
        let got = numbers(Poisson.log_prob(params.clone(), tensor(&counts, 80)).exp());
        check(compare("probabilities", &got, &p, 1e-12));
        check(compare("mass", &[got.iter().sum()], &[1.0], 1e-12));
        let other = poisson(0.5);
        let kl: f64 = p.iter().zip(&other).map(|(p, q)| p * (p / q).ln()).sum();
        let got = Poisson.kl(tensor(&[log_rate], 1), tensor(&[0.5], 1));
        check(compare(
            "divergence",
            &numbers(got.expect("closed form")),
            &[kl],
            1e-10,
        ));
        // Just below and above every step of the distribution function.
        let mut below = 0.0;
        for (n, p) in p
            .iter()
            .enumerate()
            .take_while(|(_, p)| **p > 1e-9 || log_rate > 1.0)
            .take(20)
        {
            let ends = [below + 1e-3 * p, below + 0.999 * p];
            let drawn = Poisson.sample(tensor(&[log_rate; 2], 2), tensor(&ends, 2));
            assert_eq!(numbers(drawn), [n as f64; 2]);
            below += p;
        }
    }
    // Far from 0, where e^-rate underflows.
    let far = numbers(Poisson.sample(tensor(&[9.0; 3], 3), tensor(&[1e-7, 0.5, 1.0 - 1e-7], 3)));
    let rate = 9_f64.exp();
    let standard: Vec<f64> = far.iter().map(|x| (x - rate) / rate.sqrt()).collect();
    check(compare(
        "normal limit",
        &standard,
        &[-5.199, 0.0, 5.199],
        0.02,
    ));
}

#[test]
fn estimators_of_counts_have_the_exact_gradient_as_expectation() {
    let params = vec![0.3];
    let want = differences(&params, 1e-5, |p| {
        let terms = poisson(p[0]).into_iter().enumerate();
        terms.map(|(n, p)| p * cost(n as f64)).sum()
    });
    for (name, samples) in [("reinforce", 1), ("rloo", 2), ("measure-valued", 1)] {
        let judge = |by: f64| {
            let law = Scaled { law: Poisson, by };
            let params = params.clone();
            let model = One { law, params };
            let grid = Plan::outcomes(samples).grid(&model, &[0.3]);
            let mut estimator = build_as(&named(name), &model, EXPECTED);
            let got = expectation(&mut *estimator, &model, &[0.3], &grid);
            compare(name, &got, &want, 1e-9)
        };
        check(judge(1.0));
        must_fail("a derivative off by 1 in 1000", judge(1.001));
    }
    let model = One {
        law: Poisson,
        params,
    };
    for (name, part) in [
        ("pathwise", "no smooth function"),
        ("exact", "more than 65536"),
        ("disarm", "no opposite"),
    ] {
        let error = EstimatorConfig::named(name).build(&schema(&model), EXPECTED, &device());
        let error = error.err().expect("refused").to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// The two normals of a weak derivative come from one further draw each.
#[test]
fn measure_valued_derivatives_of_a_normal_have_the_exact_gradient_as_expectation() {
    let case = cases().swap_remove(0);
    let want = differences(&case.params, 1e-5, |p| case.integral(p, |x, _| cost(x)));
    let plan = Plan::quadrature(0.05, true);
    let judge = |by: f64| {
        let law = Scaled { law: Gaussian, by };
        let params = case.params.to_vec();
        let model = One { law, params };
        let grid = plan.grid(&model, &case.params);
        let mut estimator = build_as(&named("measure-valued"), &model, EXPECTED);
        let got = expectation(&mut *estimator, &model, &case.params, &grid);
        compare("measure-valued", &got, &want, 1e-8)
    };
    check(judge(1.0));
    must_fail("a derivative off by 1 in 1000", judge(1.001));
    // And beside parameters of the cost itself.
    let theta = OneNormal.parameters();
    let config = EstimatorConfig {
        sites: [("normal".to_owned(), "measure-valued".to_owned())].into(),
        ..EstimatorConfig::named("reinforce")
    };
    let mut estimator = build_as(&config, &OneNormal, EXPECTED);
    let got = expectation(
        &mut *estimator,
        &OneNormal,
        &theta,
        &plan.grid(&OneNormal, &theta),
    );
    let exact = crate::estimate::exact(&OneNormal, &theta, EXPECTED);
    check(compare("one normal", &got, &exact, 1e-8));
}

/// A cost with a jump, which the pathwise derivative does not see: `d P(x > t)/d mu = N(t; mu, sigma)`.
#[test]
fn measure_valued_derivatives_see_jumps() {
    struct Jump;
    impl Model for Jump {
        fn name(&self) -> &'static str {
            "jump"
        }
        fn parameters(&self) -> Vec<f64> {
            vec![0.3, -0.4]
        }
        fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
            let x = run.gaussian("x", Site::new(theta.take(2))).value;
            let jump = x.clone().greater_scalar(0.5).float() + x * 0.0;
            run.cost("jump", jump.squeeze_dim::<1>(1), run.mark());
        }
    }
    let (mean, std) = (0.3, f64::exp(-0.4));
    let t: f64 = (0.5 - mean) / std;
    let density = (-0.5 * t * t).exp() / (2.0 * PI).sqrt();
    let want = [density / std, density * t];
    let judge = |name: &str| {
        let mut estimator = build_as(&named(name), &Jump, EXPECTED);
        let moments = Moments::of(&mut *estimator, &Jump, 100_000, 51);
        moments.against(name, &want, &[0.0; 2])
    };
    check(judge("measure-valued"));
    must_fail("the pathwise derivative of a jump", judge("pathwise"));
}

/// Points of a simplex within a program; two simplices side by side are independent.
#[test]
fn estimators_agree_on_points_of_a_simplex() {
    let model = One {
        law: Dirichlet { parts: 3 },
        params: vec![-0.2, 0.6, 0.3, 1.0, -0.4, 0.1],
    };
    let moments = |name: &str, seed| {
        let mut estimator = build_as(&named(name), &model, EXPECTED);
        Moments::of(&mut *estimator, &model, 50_000, seed)
    };
    let pathwise = moments("pathwise", 61);
    check(moments("reinforce", 62).against("dirichlet", &pathwise.mean, &pathwise.error));
}

/// Its density, over one of two coordinates of a triangle, and its divergence.
#[test]
fn the_density_of_a_simplex_integrates_to_one() {
    let law = Dirichlet { parts: 3 };
    let (q, p) = ([0.4, 0.9, 0.2], [0.7, 0.3, 0.5]);
    // x = (s, (1 - s) t, (1 - s)(1 - t)), dx = (1 - s) ds dt, in logits of s and t.
    let axis: Vec<f64> = (-400..=400).map(|i| f64::from(i) * 0.1).collect();
    let (mut points, mut weights) = (Vec::new(), Vec::new());
    for &y in &axis {
        for &z in &axis {
            let (s, rest, t, last) = (sigma(y), sigma(-y), sigma(z), sigma(-z));
            points.extend([s, rest * t, rest * last]);
            weights.push(0.01 * s * rest * t * last * rest);
        }
    }
    let n = weights.len();
    let log_probs = |a: &[f64]| numbers(law.log_prob(tensor(&a.repeat(n), n), tensor(&points, n)));
    let (log_q, log_p) = (log_probs(&q), log_probs(&p));
    let integral = |f: &dyn Fn(usize) -> f64| -> f64 {
        (0..n).map(|i| weights[i] * log_q[i].exp() * f(i)).sum()
    };
    check(compare("mass", &[integral(&|_| 1.0)], &[1.0], 1e-10));
    let entropy = law.negative_entropy(tensor(&q, 1)).expect("closed form");
    check(compare(
        "entropy",
        &numbers(entropy),
        &[integral(&|i| log_q[i])],
        1e-10,
    ));
    let kl = law.kl(tensor(&q, 1), tensor(&p, 1)).expect("closed form");
    check(compare(
        "divergence",
        &numbers(kl),
        &[integral(&|i| log_q[i] - log_p[i])],
        1e-10,
    ));
    let x = tensor(&[0.2, 0.5, 0.3], 1);
    let score = numbers(law.score(tensor(&q, 1), x.clone()));
    let want = differences(&q, 1e-5, |a| {
        numbers(law.log_prob(tensor(a, 1), x.clone()))[0]
    });
    check(compare("score", &score, &want, 1e-9));
}
