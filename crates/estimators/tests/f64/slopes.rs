//! Control variates from slopes of the cost: `MuProp` and the double control variate; and the optimal constant baseline.

use burn::tensor::Tensor;
use unbiased_estimators::{
    Estimator, EstimatorConfig, Noise, Objective, OwnedRule, Schema, SiteSchema,
    rules::{At, Gradient, Rule},
};

use crate::{
    estimate::{
        EXPECTED, build, build_as, check, compare, estimate, example, expectation, must_fail,
        numbers,
    },
    expectations::{exact_gradient, is_defined, is_unbiased},
    grid::{Plan, sigma},
    moments::second_moment,
    mutants::{everywhere, judge},
    programs::{Air, Model, all},
    small::{Chain, Gated, OneBit, OneOfThree, TwoBits},
};

fn programs(name: &str) -> Vec<Box<dyn Model>> {
    let mut programs = all();
    programs.retain(|model| is_defined(name, model.name()));
    let small: [Box<dyn Model>; 5] = [
        Box::new(OneBit),
        Box::new(TwoBits),
        Box::new(Chain),
        Box::new(OneOfThree),
        Box::new(Gated),
    ];
    programs.extend(small);
    programs
}

#[test]
fn muprop_has_the_exact_gradient_as_expectation() {
    for name in ["muprop", "simple-muprop"] {
        for model in programs(name) {
            let config = EstimatorConfig::named(name);
            is_unbiased(
                &config,
                &*model,
                &Plan::outcomes(1),
                &exact_gradient(&*model),
            );
        }
        let continuous = EstimatorConfig {
            sites: [("what".into(), name.into())].into(),
            ..EstimatorConfig::named(name)
        };
        is_unbiased(&continuous, &Air, &Plan::outcomes(1), &exact_gradient(&Air));
    }
}

/// `stir` gives `alpha` a value that is not zero.
#[test]
fn double_control_variates_have_the_exact_gradient_as_expectation() {
    for model in programs("double-cv") {
        let config = EstimatorConfig::named("double-cv");
        is_unbiased(
            &config,
            &*model,
            &Plan::outcomes(2),
            &exact_gradient(&*model),
        );
    }
    for model in [&TwoBits as &dyn Model, &Chain, &OneOfThree] {
        let config = EstimatorConfig {
            samples: 3,
            ..EstimatorConfig::named("double-cv")
        };
        is_unbiased(&config, model, &Plan::outcomes(3), &exact_gradient(model));
    }
}

#[test]
fn optimal_baselines_have_the_exact_gradient_as_expectation() {
    for model in programs("optimal-baseline") {
        let config = EstimatorConfig::named("optimal-baseline");
        is_unbiased(
            &config,
            &*model,
            &Plan::outcomes(1),
            &exact_gradient(&*model),
        );
    }
}

/// `E[g^2]` of single estimates over the grid, after the estimator has seen the whole grid once.
fn learnt_second_moment(name: &str, model: &dyn Model, plan: &Plan<'_>, width: usize) -> Vec<f64> {
    second_moment_of(&mut *build(name, model, EXPECTED), model, plan, width)
}

fn second_moment_of(
    estimator: &mut dyn Estimator,
    model: &dyn Model,
    plan: &Plan<'_>,
    width: usize,
) -> Vec<f64> {
    let theta = model.parameters();
    let grid = plan.grid(model, &theta);
    // Rows weigh alike in a running mean: they are drawn here, not laid out.
    let many = example(model, &theta, 400_000);
    estimate(estimator, &many, &Noise::new(2, 0));
    let program = example(model, &theta, grid.weights.len());
    let rows = estimate(estimator, &program, &Noise::from_source(grid.clone()));
    let mut square = vec![0.0; width];
    for (row, weight) in rows.gradients.chunks(rows.width).zip(&grid.weights) {
        for (square, g) in square.iter_mut().zip(row) {
            *square += weight * g * g;
        }
    }
    square
}

/// The best constants are known; what is learnt from 400,000 rows is within a percent of their second moment, and no other
/// constant comes below it.
#[test]
fn optimal_baselines_reach_the_least_second_moment() {
    let least = least_second_moments();
    let plan = Plan::outcomes(1);
    let learnt = learnt_second_moment("optimal-baseline", &TwoBits, &plan, 2);
    check(is_least(&learnt, least));
    let plain = second_moment(&EstimatorConfig::named("reinforce"), &plan);
    for i in 0..2 {
        assert!(plain[i] > 1.05 * least[i], "{plain:?} {least:?}");
    }
    // One bit: nothing is left.
    let one = learnt_second_moment("optimal-baseline", &OneBit, &plan, 1)[0];
    let g = exact_gradient(&OneBit)[0];
    assert!((one - g * g).abs() < 1e-4, "{one} {g}");
}

/// Of each of the two bits, among all constant baselines.
fn least_second_moments() -> [f64; 2] {
    let t = TwoBits.parameters();
    let cost = |b: [f64; 2]| (t[2] * b[0] + t[3] * b[1] - t[4]).powi(2) + t[5] * b[0] * b[1];
    let p = [sigma(t[0]), sigma(t[1])];
    // E[f s^2], E[s^2] and E[f^2 s^2] of each bit.
    let mut moments = [[0.0; 3]; 2];
    for b in [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] {
        let bit = |i: usize| if b[i] == 1.0 { p[i] } else { 1.0 - p[i] };
        let (mass, f) = (bit(0) * bit(1), cost(b));
        for i in 0..2 {
            let square = mass * (b[i] - p[i]).powi(2);
            let [fs, s, ffs] = &mut moments[i];
            *fs += f * square;
            *s += square;
            *ffs += f * f * square;
        }
    }
    moments.map(|[fs, s, ffs]| ffs - fs * fs / s)
}

fn is_least(learnt: &[f64], least: [f64; 2]) -> Result<f64, String> {
    let above = |i: usize| learnt[i] / least[i] - 1.0;
    if (0..2).all(|i| (-1e-9..=0.01).contains(&above(i))) {
        return Ok(above(0).max(above(1)));
    }
    Err(format!("{learnt:?}, at least {least:?}"))
}

/// Constant baselines `E[f s^n] / E[s^n]`, of which `n = 2` is the best.
#[derive(Clone)]
struct Constant {
    power: i32,
    seen: Option<Tensor<2>>,
    /// Takes the batch in before its gradient.
    early: bool,
}

impl Constant {
    fn of(power: i32, early: bool) -> Self {
        let seen = None;
        Self { power, seen, early }
    }

    fn take_in(&mut self, at: &At<'_>) {
        let weight = at.score().powi_scalar(self.power);
        let weighed = at.cost_to_go().unsqueeze_dim::<2>(1) * weight.clone();
        self.seen = Some(weighed.mean_dim(0) / weight.mean_dim(0));
    }
}

impl Rule for Constant {
    fn check(&self, _: &SiteSchema, _: &Schema, _: &Objective) -> Result<(), String> {
        Ok(())
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        if self.early {
            self.take_in(at);
        }
        let cost = at.cost_to_go().unsqueeze_dim::<2>(1);
        let left = match &self.seen {
            Some(baseline) => cost - baseline.clone(),
            None => cost,
        };
        Some(Gradient {
            logits: left * at.score(),
            tuning: None,
            evaluations: 0.0,
        })
    }

    fn observe(&mut self, at: &At<'_>) {
        if self.seen.is_none() {
            self.take_in(at);
        }
    }
}

#[test]
fn other_constant_baselines_than_the_optimal_one_are_caught() {
    let moment = |power| {
        let mut estimator = everywhere(&Constant::of(power, false), &TwoBits, EXPECTED);
        let learnt = second_moment_of(&mut estimator, &TwoBits, &Plan::outcomes(1), 2);
        is_least(&learnt, least_second_moments())
    };
    check(moment(2));
    must_fail("a baseline that is the mean cost", moment(0));
    must_fail("a baseline weighed by the fourth power", moment(4));

    // One row at a time, a baseline that holds its own batch takes all of the signal.
    let theta = TwoBits.parameters();
    let grid = Plan::outcomes(1).grid(&TwoBits, &theta);
    let bias = |early| {
        let mut mean = vec![0.0; theta.len()];
        for row in 0..grid.weights.len() {
            let mut estimator = everywhere(&Constant::of(2, early), &TwoBits, EXPECTED);
            let got = expectation(&mut estimator, &TwoBits, &theta, &grid.row(row));
            mean.iter_mut().zip(got).for_each(|(mean, g)| *mean += g);
        }
        compare("constant", &mean, &exact_gradient(&TwoBits), 1e-9)
    };
    check(bias(false));
    must_fail("a baseline that holds its own batch", bias(true));
}

/// The closed form finds the `alpha` of least second moment, up to the noise of what it has seen.
#[test]
fn double_control_variates_come_below_leave_one_out() {
    let plan = Plan::outcomes(2);
    for (model, width) in [(&TwoBits as &dyn Model, 2), (&OneOfThree, 3)] {
        let with_slopes: f64 = learnt_second_moment("double-cv", model, &plan, width)
            .iter()
            .sum();
        let without: f64 = learnt_second_moment("rloo", model, &plan, width)
            .iter()
            .sum();
        println!("{}: {with_slopes} after {without}", model.name());
        assert!(with_slopes < without, "{with_slopes} {without}");
    }
}

/// A mistake in the expansion.
#[derive(Clone, Copy, PartialEq)]
enum Mistake {
    None,
    /// The slope is not given back.
    NoPath,
    /// The slope is that at the choice that was made.
    OwnSlope,
}

/// First-order expansion of a cost that is known: `(x - t)^2 + s x` of one bit.
#[derive(Clone)]
struct Expansion(Mistake);

impl Rule for Expansion {
    fn check(&self, _: &SiteSchema, _: &Schema, _: &Objective) -> Result<(), String> {
        Ok(())
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let theta = OneBit.parameters();
        let mean = at.site().law.mean(at.params());
        let around = if self.0 == Mistake::OwnSlope {
            at.hard()
        } else {
            mean.clone()
        };
        let slope = (around - theta[1]) * 2.0 + theta[2];
        let linear = slope.clone() * (at.hard() - mean.clone());
        let left: Tensor<2> = at.cost_to_go().unsqueeze_dim::<2>(1) - linear;
        let path = slope * mean.clone() * (mean.neg() + 1.0);
        let logits = left * at.score();
        Some(Gradient {
            logits: if self.0 == Mistake::NoPath {
                logits
            } else {
                logits + path
            },
            tuning: None,
            evaluations: 0.0,
        })
    }
}

#[test]
fn mistakes_in_the_expansion_are_caught() {
    let judge = |mistake| judge(&Expansion(mistake), &OneBit, EXPECTED, &Plan::outcomes(1));
    check(judge(Mistake::None));
    must_fail("muprop without its path", judge(Mistake::NoPath));
    must_fail("muprop around the choice itself", judge(Mistake::OwnSlope));
}

/// With a cost that is linear in every choice `MuProp` has nothing left to sample.
#[test]
fn muprop_is_exact_for_linear_costs() {
    struct Linear;
    impl Model for Linear {
        fn name(&self) -> &'static str {
            "linear"
        }
        fn parameters(&self) -> Vec<f64> {
            vec![0.3, -0.8, 0.2, 1.4, -0.9]
        }
        fn run(&self, theta: &mut crate::programs::Theta, run: &mut unbiased_estimators::Run<'_>) {
            use unbiased_estimators::Site;
            let class = run.categorical("class", 3, Site::new(theta.take(3))).value;
            let values = theta.take(2);
            let x = class.narrow(1, 0, 2) * values;
            run.cost("cost", x.sum_dim(1).squeeze_dim::<1>(1), run.mark());
        }
    }
    let want = exact_gradient(&Linear);
    let program = example(&Linear, &Linear.parameters(), 64);
    let logits = |name: &str| {
        let mut estimator = build(name, &Linear, EXPECTED);
        let rows = estimate(&mut *estimator, &program, &Noise::new(1, 0));
        numbers(rows.estimate.logit_gradients[0].1.clone())
    };
    let every_row = want[..3].repeat(64);
    check(compare("muprop", &logits("muprop"), &every_row, 1e-12));
    must_fail(
        "simple muprop",
        compare("muprop", &logits("simple-muprop"), &every_row, 1e-12),
    );
}

/// What `alpha` is learnt from is that of the batches before.
#[test]
fn the_scale_of_a_double_control_variate_is_that_of_the_batches_before() {
    let mut estimator = build_as(&EstimatorConfig::named("double-cv"), &TwoBits, EXPECTED);
    let program = example(&TwoBits, &TwoBits.parameters(), 256);
    let alpha = |estimator: &dyn Estimator| {
        let owned = estimator.owned();
        let Some(OwnedRule::Average(average)) = owned.rules.first() else {
            panic!("an average");
        };
        numbers(average.value())
    };
    assert_eq!(alpha(&*estimator), [0.0, 0.0]);
    let first = estimate(&mut *estimator, &program, &Noise::new(5, 0)).gradients;
    let mut rloo = build("rloo", &TwoBits, EXPECTED);
    let plain = estimate(&mut *rloo, &program, &Noise::new(5, 0)).gradients;
    check(compare("alpha = 0", &first, &plain, 1e-12));
    let seen = alpha(&*estimator);
    assert!(seen[1] > 0.0, "{seen:?}");
    let second = estimate(&mut *estimator, &program, &Noise::new(5, 0)).gradients;
    must_fail(
        "alpha that stays 0",
        compare("alpha", &second, &plain, 1e-6),
    );
    estimator.freeze();
    let held = alpha(&*estimator);
    estimate(&mut *estimator, &program, &Noise::new(6, 0));
    assert_eq!(alpha(&*estimator), held);
}
