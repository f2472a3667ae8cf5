//! Straight-through estimators that differentiate something better than the mean: their expectations, second moments and mutants.

use std::rc::Rc;

use burn::tensor::Tensor;
use unbiased_estimators::{
    Backward, Chosen, Draw, Noise, Objective, Run, Schema, Site, SiteSchema, Sited,
    rules::{At, Gradient, Rule, gumbel_rao::GumbelRao, reinmax::ReinMax, st_gumbel::StGumbel},
};

use crate::{
    estimate::{
        EXPECTED, check, compare, estimate, exact, example, expectation, must_fail, schema,
    },
    grid::{Grid, Plan, sigma},
    hand::softmax,
    monte_carlo::Moments,
    programs::{Model, Theta},
    small::{Chain, OneBit, OneOfThree, TwoBits},
};

/// A rule at every site of a model.
fn everywhere<R: Rule + Clone + 'static>(rule: &R, model: &dyn Model) -> Sited {
    let schema = schema(model);
    let rules = schema
        .names()
        .into_iter()
        .map(|name| (name.into(), Box::new(rule.clone()) as Box<dyn Rule>))
        .collect();
    Sited::new(rules, &schema, EXPECTED)
}

fn mean<R: Rule + Clone + 'static>(rule: &R, model: &dyn Model, plan: &Plan<'_>) -> Vec<f64> {
    let theta = model.parameters();
    let grid = plan.grid(model, &theta);
    expectation(&mut everywhere(rule, model), model, &theta, &grid)
}

/// `E[g^2]` at the first parameter.
fn second_moment<R: Rule + Clone + 'static>(rule: &R, model: &dyn Model, grid: &Grid) -> f64 {
    let program = example(model, &model.parameters(), grid.weights.len());
    let noise = Noise::from_source(grid.clone());
    let rows = estimate(&mut everywhere(rule, model), &program, &noise);
    let first = rows.gradients.chunks(rows.width).map(|row| row[0]);
    first.zip(&grid.weights).map(|(g, w)| w * g * g).sum()
}

/// Simpson's rule on `[0, 60]`, where a logistic density has come down to 1e-26.
fn half_line(f: impl Fn(f64) -> f64) -> f64 {
    let (n, end) = (20_000, 60.0);
    let step = end / f64::from(n);
    let weight = |i: i32| match i {
        0 => 1.0,
        i if i == n => 1.0,
        i => 2.0 + 2.0 * f64::from(i % 2),
    };
    (0..=n)
        .map(|i| weight(i) * f(f64::from(i) * step) * step / 3.0)
        .sum()
}

/// `E[x (1 - x) / t | b]` times `p(b)` for a bit with logit `a`: its latent is logistic around `a`.
fn slope(a: f64, t: f64, b: f64) -> f64 {
    let sign = 2.0 * b - 1.0;
    half_line(|z| {
        let x = sigma(z / t);
        x * (1.0 - x) / t * sigma(z - sign * a) * sigma(sign * a - z)
    })
}

/// The slope of the cost of [`OneBit`] at `b`.
fn cost_slope(theta: &[f64], b: f64) -> f64 {
    2.0 * (b - theta[1]) + theta[2]
}

#[test]
fn straight_through_gumbel_has_its_known_biased_expectation() {
    let theta = OneBit.parameters();
    for t in [0.5, 1.0] {
        let rule = StGumbel { temperature: t };
        let got = mean(&rule, &OneBit, &Plan::quadrature(0.05, false));
        let at = |t: f64| -> f64 {
            let part = |b| cost_slope(&theta, b) * slope(theta[0], t, b);
            part(0.0) + part(1.0)
        };
        check(compare("st-gumbel", &got[..1], &[at(t)], 1e-9));
        must_fail(
            "another temperature",
            compare("st-gumbel", &got[..1], &[at(1.01 * t)], 1e-9),
        );
        let unbiased = exact(&OneBit, &theta, EXPECTED);
        must_fail(
            "bias",
            compare("st-gumbel", &got[..1], &unbiased[..1], 1e-3),
        );
        check(compare("direct", &got[1..], &unbiased[1..], 1e-9));
    }
    // p = 1/2, t = 1: x is uniform, so E[x (1 - x) | b] = 1/6 on either side.
    check(compare(
        "by hand",
        &[slope(0.0, 1.0, 1.0)],
        &[1.0 / 12.0],
        1e-12,
    ));
}

/// A straight-through rule from outside.
#[derive(Clone)]
struct Through<B>(B);

impl<B: Backward + Clone + 'static> Rule for Through<B> {
    fn check(&self, _: &SiteSchema, _: &Schema, _: &Objective) -> Result<(), String> {
        Ok(())
    }

    fn draw(&self) -> Draw {
        Draw::StraightThrough(Rc::new(self.0.clone()))
    }

    fn gradient(&mut self, _: &At<'_>) -> Option<Gradient> {
        None
    }
}

/// The Jacobian of Gumbel-Rao, as the paper has it and with two mistakes.
#[derive(Debug, Clone, Copy)]
enum Jacobian {
    Free,
    /// Of the conditional latent, which moves less.
    Conditional,
    /// The sum over latents.
    Sum,
}

impl Backward for Jacobian {
    fn path(&self, choice: &Chosen<'_>) -> Tensor<2> {
        let relaxation = choice.relaxation();
        let noise = choice.further_noise(2);
        let width = choice.hard.dims()[1];
        let latent = |k: usize| {
            let noise = noise.clone().narrow(1, k * width, width);
            let params = match self {
                Self::Conditional => choice.params.clone(),
                _ => choice.params.clone().inner(),
            };
            let z = relaxation.conditional(params, choice.hard.clone(), noise);
            match self {
                Self::Conditional => z,
                _ => z + choice.params.clone() - choice.params.clone().inner(),
            }
        };
        let relax = |z| relaxation.relax(z, choice.constant(0.7));
        let sum = relax(latent(0)) + relax(latent(1));
        match self {
            Self::Sum => sum,
            _ => sum / 2.0,
        }
    }
}

fn conditional(k: usize) -> Plan<'static> {
    Plan {
        conditional: k,
        ..Plan::quadrature(0.1, false)
    }
}

#[test]
fn gumbel_rao_has_the_expectation_of_straight_through_gumbel() {
    let temperature = 0.7;
    let want = mean(&StGumbel { temperature }, &OneBit, &conditional(0));
    for k in [1, 2] {
        let got = mean(&GumbelRao { k, temperature }, &OneBit, &conditional(k));
        check(compare("gumbel-rao", &got, &want, 1e-9));
    }
    let judge = |jacobian| {
        compare(
            "mutant",
            &mean(&Through(jacobian), &OneBit, &conditional(2)),
            &want,
            1e-9,
        )
    };
    check(judge(Jacobian::Free));
    must_fail("gumbel-rao through z~ itself", judge(Jacobian::Conditional));
    must_fail("gumbel-rao that sums", judge(Jacobian::Sum));
    // Two layers: what flows through the second choice reaches the first.
    let want = mean(
        &StGumbel { temperature },
        &Chain,
        &Plan::quadrature(0.1, false),
    );
    let rule = GumbelRao { k: 2, temperature };
    let moments = Moments::of(&mut everywhere(&rule, &Chain), &Chain, 50_000, 3);
    check(moments.against("gumbel-rao on chain", &want, &vec![0.0; want.len()]));
}

/// No quadrature over six Gumbels; both are means of the same law.
#[test]
fn gumbel_rao_and_straight_through_gumbel_agree_on_a_choice_of_three() {
    let temperature = 0.7;
    let plain = mean(
        &StGumbel { temperature },
        &OneOfThree,
        &Plan::quadrature(0.1, false),
    );
    let rule = GumbelRao { k: 3, temperature };
    let moments = Moments::of(&mut everywhere(&rule, &OneOfThree), &OneOfThree, 50_000, 4);
    check(moments.against("gumbel-rao", &plain, &vec![0.0; plain.len()]));
}

/// Given the choice, `K` latents are independent: `E[g^2] = E[g_1^2] / K + (1 - 1/K) E[E[g_1 | b]^2]`.
#[test]
fn more_latents_take_the_second_moment_of_gumbel_rao_to_that_of_the_conditional_mean() {
    let (theta, temperature) = (OneBit.parameters(), 0.7);
    let moment = |k: usize| {
        let grid = conditional(k).grid(&OneBit, &theta);
        second_moment(&GumbelRao { k, temperature }, &OneBit, &grid)
    };
    let grid = conditional(0).grid(&OneBit, &theta);
    let plain = second_moment(&StGumbel { temperature }, &OneBit, &grid);
    let limit: f64 = [0.0, 1.0]
        .into_iter()
        .map(|b| {
            let p = sigma((2.0 * b - 1.0) * theta[0]);
            (cost_slope(&theta, b) * slope(theta[0], temperature, b)).powi(2) / p
        })
        .sum();
    check(compare("one latent", &[moment(1)], &[plain], 1e-9));
    check(compare(
        "two",
        &[moment(2)],
        &[0.5 * plain + 0.5 * limit],
        1e-9,
    ));
    assert!(limit < 0.9 * plain, "{limit} {plain}");
}

/// Heun's rule with any factors; 2 and 1/2 are right.
#[derive(Debug, Clone, Copy)]
struct Heun {
    half: f64,
    whole: f64,
}

impl Backward for Heun {
    fn path(&self, choice: &Chosen<'_>) -> Tensor<2> {
        let (law, a) = (choice.law, choice.params);
        let half = (law.mean(a.clone().inner()) + choice.hard.clone()) * 0.5;
        let link = law.link().expect("logits");
        let logits = link(half) + a.clone() - a.clone().inner();
        law.mean(logits) * self.half - law.mean(a.clone()) * self.whole
    }
}

/// One choice of three with a cost that is quadratic in it and does not separate.
struct Quadratic;

impl Model for Quadratic {
    fn name(&self) -> &'static str {
        "quadratic"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![0.3, -0.4, 0.1, 0.9, -0.6, 0.2]
    }

    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let x = run.categorical("class", 3, Site::new(theta.take(3))).value;
        let sum = (theta.take(3) * x.clone()).sum_dim(1);
        let pair = x.clone().narrow(1, 0, 1) * x.narrow(1, 2, 1);
        let cost = sum.clone().square() + sum * 0.4 + pair * 1.3;
        run.cost("cost", cost.squeeze_dim::<1>(1), run.mark());
    }
}

#[test]
fn reinmax_is_exact_where_the_cost_is_quadratic_in_each_choice() {
    let right = ReinMax { temperature: 1.0 };
    for model in [&OneBit as &dyn Model, &TwoBits, &Quadratic] {
        let plan = Plan::outcomes(1);
        let want = exact(model, &model.parameters(), EXPECTED);
        let judge = |got: &[f64]| compare(model.name(), got, &want, 1e-12);
        check(judge(&mean(&right, model, &plan)));
        let heun = |half, whole| mean(&Through(Heun { half, whole }), model, &plan);
        check(judge(&heun(2.0, 0.5)));
        must_fail("reinmax without its 2", judge(&heun(1.0, 0.5)));
        must_fail("reinmax without its half", judge(&heun(2.0, 1.0)));
        must_fail("reinmax off by 1 in 10^6", judge(&heun(2.000_002, 0.5)));
        let warm = ReinMax { temperature: 1.3 };
        must_fail("reinmax when warm", judge(&mean(&warm, model, &plan)));
    }
}

#[test]
fn reinmax_has_its_published_expectation_where_the_cost_is_cubic() {
    // f = y^2 + y^3, y = w.b: f'(b) = (2 y + 3 y^2) w, and J(q) v = q (v - q.v).
    let theta = OneOfThree.parameters();
    let (p, w) = (softmax(&theta[..3]), &theta[3..]);
    for t in [1.0, 1.3] {
        let tempered = softmax(&[theta[0] / t, theta[1] / t, theta[2] / t]);
        let mut want = [0.0; 3];
        for b in 0..3 {
            let slope = 2.0 * w[b] + 3.0 * w[b].powi(2);
            let one_hot = |i: usize| f64::from(u8::from(i == b));
            let half: Vec<f64> = (0..3)
                .map(|i| 0.5 * tempered[i] + 0.5 * one_hot(i))
                .collect();
            let pull = |q: &[f64], i: usize| {
                let mean: f64 = (0..3).map(|j| q[j] * w[j]).sum();
                q[i] * (w[i] - mean) * slope
            };
            for (i, want) in want.iter_mut().enumerate() {
                *want += p[b] * (2.0 * pull(&half, i) - 0.5 * pull(&p, i));
            }
        }
        let rule = ReinMax { temperature: t };
        let got = mean(&rule, &OneOfThree, &Plan::outcomes(1));
        check(compare("reinmax", &got[..3], &want, 1e-12));
        let unbiased = exact(&OneOfThree, &theta, EXPECTED);
        must_fail("bias", compare("reinmax", &got[..3], &unbiased[..3], 1e-4));
    }
}
