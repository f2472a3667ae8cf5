//! Laws as sites of a program: estimators have the exact gradient as expectation, and with derivatives that are off they do not.

use std::f64::consts::PI;

use burn::tensor::Tensor;
use unbiased_estimators::{
    EstimatorConfig, NoiseLaw, Run, Site,
    law::{
        Beta, Decomposition, Dirichlet, Gamma, Gaussian, Gumbel, Kumaraswamy, Law, Logistic,
        Poisson, Reparameterization, VonMises,
    },
};

use super::{
    continuous::{Case, cases},
    tensor,
};
use crate::{
    estimate::{
        EXPECTED, build_as, check, compare, device, differences, expectation, must_fail, numbers,
        schema,
    },
    grid::{Cover, Plan, interval, normal_grid},
    monte_carlo::Moments,
    programs::{Model, Theta},
    small::OneNormal,
};

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

#[test]
fn linear_control_variates_of_angles_are_refused() {
    for (name, refused) in [
        ("muprop", true),
        ("double-cv", true),
        ("simple-muprop", false),
    ] {
        let model = One {
            law: VonMises,
            params: vec![0.4, 0.3],
        };
        match named(name).build(&schema(&model), EXPECTED, &device()) {
            Ok(_) => assert!(!refused, "{name}"),
            Err(error) => assert!(refused && error.to_string().contains("angle"), "{error}"),
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
