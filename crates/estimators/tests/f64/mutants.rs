//! Estimators and programs with one mistake each, written with the public interface. The checks that the real ones pass
//! must catch every one; the same code without the mistake must pass.

use std::rc::Rc;

use burn::tensor::{Device, Tensor, activation::sigmoid};
use unbiased_estimators::{
    Abilities, Coupling, Draw, Estimator, Key, Noise, Objective, Opposite, Program, Run, Schema,
    SiteSchema, Sited, Weighing, execute,
    law::{RelaxationKind, Relaxing},
    rules::{
        At, Gradient, Rule,
        disarm::Disarm,
        vimco::{self, Vimco},
    },
};

use crate::{
    estimate::{
        EXPECTED, build, check, compare, exact, example, expectation, must_fail, numbers, schema,
    },
    grid::Plan,
    monte_carlo::Moments,
    programs::{
        Alignment, BeliefNet, Decision, Example, Kl, Machine, Marks, Model, Permutation, Vae,
        Window, constant,
    },
    small::{Chain, OneBit, TwoBits},
};

type Check = Result<f64, String>;

/// A rule at every site of a model.
pub fn everywhere<R: Rule + Clone + 'static>(
    rule: &R,
    model: &dyn Model,
    objective: Objective,
) -> Sited {
    let schema = schema(model);
    let rules = schema
        .names()
        .into_iter()
        .map(|name| (name.into(), Box::new(rule.clone()) as Box<dyn Rule>))
        .collect();
    Sited::new(rules, &schema, objective)
}

/// The expectation of a rule over `plan`, against enumeration.
pub fn judge<R: Rule + Clone + 'static>(
    rule: &R,
    model: &dyn Model,
    objective: Objective,
    plan: &Plan<'_>,
) -> Check {
    let theta = model.parameters();
    let mut estimator = everywhere(rule, model, objective);
    let got = expectation(&mut estimator, model, &theta, &plan.grid(model, &theta));
    compare("mutant", &got, &exact(model, &theta, objective), 1e-9)
}

fn column(x: Tensor<1>) -> Tensor<2> {
    x.unsqueeze_dim::<2>(1)
}

fn untuned(logits: Tensor<2>) -> Gradient {
    Gradient {
        logits,
        tuning: None,
        evaluations: 0.0,
    }
}

/// Leave-one-out with any factor of the centred cost; `k / (k - 1)` is right.
#[derive(Clone)]
struct Centred {
    k: usize,
    factor: f64,
}

impl Rule for Centred {
    fn check(&self, _: &SiteSchema, _: &Schema, _: &Objective) -> Result<(), String> {
        Ok(())
    }

    fn samples(&self) -> usize {
        self.k
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let costs = at.cost_to_go();
        let batch = costs.dims()[0] / self.k;
        let mean = costs
            .clone()
            .reshape([self.k, batch])
            .mean_dim(0)
            .repeat_dim(0, self.k);
        let centred = costs - mean.flatten::<1>(0, 1);
        Some(Gradient::score(at, centred * self.factor))
    }
}

#[test]
fn a_leave_one_out_mean_that_divides_by_k_is_caught() {
    for k in [2, 3] {
        let n = k as f64;
        let judge = |factor| {
            judge(
                &Centred { k, factor },
                &BeliefNet,
                EXPECTED,
                &Plan::outcomes(k),
            )
        };
        check(judge(n / (n - 1.0)));
        must_fail("rloo that divides by k", judge(1.0));
        must_fail("rloo of the wrong sign", judge(-n / (n - 1.0)));
        must_fail("rloo off by 1 in 10^6", judge(n / (n - 1.0) * 1.000_001));
    }
}

/// REINFORCE with a baseline linear in what it sees.
#[derive(Clone)]
struct Baseline {
    sees_own: bool,
}

impl Rule for Baseline {
    fn check(&self, _: &SiteSchema, _: &Schema, _: &Objective) -> Result<(), String> {
        Ok(())
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let seen = if self.sees_own {
            at.hard()
        } else {
            at.context().expect("a context")
        };
        let baseline = seen.sum_dim(1).squeeze_dim::<1>(1) * 0.3;
        Some(Gradient::score(at, at.cost_to_go() - baseline))
    }
}

#[test]
fn a_baseline_that_sees_its_own_sample_is_caught() {
    let judge = |sees_own| {
        judge(
            &Baseline { sees_own },
            &BeliefNet,
            EXPECTED,
            &Plan::outcomes(1),
        )
    };
    check(judge(false));
    must_fail("a baseline that sees its own sample", judge(true));
}

#[derive(Clone, Copy, PartialEq)]
enum Factor {
    Right,
    NoHalf,
    NoSigma,
}

#[derive(Clone)]
struct Antithetic(Factor);

impl Rule for Antithetic {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        Disarm.check(site, schema, objective)
    }

    fn coupling(&self) -> Option<Rc<dyn Coupling>> {
        Some(Rc::new(Opposite))
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let sigma = sigmoid(at.params().abs());
        let factor = match self.0 {
            Factor::Right => sigma * 0.5,
            Factor::NoHalf => sigma,
            Factor::NoSigma => sigma.ones_like() * 0.5,
        };
        let difference = column(at.cost_to_go() - at.partner_cost_to_go(0));
        Some(untuned(
            at.mask(difference * (at.hard() - at.partner(0)) * factor),
        ))
    }
}

#[test]
fn disarm_without_its_factors_is_caught() {
    let programs: [(&dyn Model, &[&str]); 2] = [(&TwoBits, &["bits"]), (&BeliefNet, &["h1", "h2"])];
    for (model, mirrored) in programs {
        let plan = Plan {
            mirrored,
            ..Plan::outcomes(1)
        };
        let judge = |factor| judge(&Antithetic(factor), model, EXPECTED, &plan);
        check(judge(Factor::Right));
        must_fail("disarm without 1/2", judge(Factor::NoHalf));
        must_fail("disarm without sigma", judge(Factor::NoSigma));
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Bound {
    Right,
    Arithmetic,
    OwnMean,
    NoDirect,
    OwnBaseline,
}

#[derive(Clone)]
struct LeaveOneOut(Bound);

impl Rule for LeaveOneOut {
    fn check(&self, _: &SiteSchema, _: &Schema, _: &Objective) -> Result<(), String> {
        Ok(())
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let weights = at.log_weights().expect("a bound");
        let [k, batch] = weights.dims();
        let signal = match self.0 {
            Bound::Right => vimco::signal(weights, Vimco::Geometric).neg(),
            Bound::Arithmetic => vimco::signal(weights, Vimco::Arithmetic).neg(),
            // The mean of all weights instead of those of the others.
            Bound::OwnMean => {
                let mean = vimco::log_mean_exp(weights.clone()).unsqueeze_dim::<2>(0);
                let without = vimco::replaced(weights.clone(), mean.clone().expand([k, batch]));
                (mean - without).neg()
            }
            // The tape has + w~ d ln q for the cost -L; this takes it away.
            Bound::NoDirect => {
                let normalised = burn::tensor::activation::softmax(weights.clone(), 0);
                vimco::signal(weights, Vimco::Geometric).neg() - normalised
            }
            Bound::OwnBaseline => {
                let bound = vimco::log_mean_exp(weights.clone()).unsqueeze_dim::<2>(0);
                (bound - weights.mean_dim(0)).neg().expand([k, batch])
            }
        };
        Some(Gradient::score(at, signal.flatten(0, 1)))
    }
}

#[test]
fn vimco_without_its_direct_part_or_with_its_own_sample_in_the_baseline_is_caught() {
    for k in [2, 3] {
        let objective = Objective::LogMeanWeight { k };
        let judge = |bound| {
            let vae = Vae::default();
            judge(&LeaveOneOut(bound), &vae, objective, &Plan::outcomes(k))
        };
        check(judge(Bound::Right));
        check(judge(Bound::Arithmetic));
        must_fail(
            "vimco with its own sample in the arithmetic mean",
            judge(Bound::OwnMean),
        );
        must_fail(
            "vimco without the weights' own derivative",
            judge(Bound::NoDirect),
        );
        must_fail(
            "vimco with its own sample in the baseline",
            judge(Bound::OwnBaseline),
        );
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Control {
    Right,
    /// 1.05 on the score term of the control pair alone.
    Scaled,
    NoJacobian,
    WrongSign,
    /// The control term stays on the tape.
    Tracked,
    /// Relaxed towards the mean: the dependence of that on the parameters cancels.
    TowardsMean,
    /// It is counted in `z` and not in `z~`.
    MeanOnce,
}

/// Coupled REBAR at `eta = 0.8`, written from outside of the crate.
#[derive(Clone)]
struct Rebar(Control);

impl Rule for Rebar {
    fn check(&self, _: &SiteSchema, _: &Schema, _: &Objective) -> Result<(), String> {
        Ok(())
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let (law, params, hard) = (at.site().law.clone(), at.params(), at.hard());
        let relaxation = law.relaxation().expect("a relaxation");
        let towards_mean = matches!(self.0, Control::TowardsMean | Control::MeanOnce);
        let relaxing = Relaxing {
            temperature: Tensor::full([1], 0.6, &params.device()),
            kind: if towards_mean {
                RelaxationKind::Muprop
            } else {
                RelaxationKind::Concrete
            },
        };
        let z = relaxation.latent(params.clone(), at.choice_noise());

        let leaf = z.clone().autodiff().require_grad();
        let draw = |index: usize, _: &Key| match index {
            _ if index < at.index() => Draw::Given(at.trace().sites[index].value.clone()),
            _ if index == at.index() => Draw::Latent(leaf.clone(), relaxing.clone()),
            _ => Draw::Extended(relaxing.clone()),
        };
        let relaxed = execute(at.frozen(), 1, 1, Weighing::Analytic, &draw, at.noise());
        let c = relaxed
            .cost_to_go(at.index(), 1.0)
            .expect("a cost after the choice");
        let value = if self.0 == Control::Tracked {
            // Once more, since a tape serves once.
            let again = execute(at.frozen(), 1, 1, Weighing::Analytic, &draw, at.noise());
            again
                .cost_to_go(at.index(), 1.0)
                .expect("a cost after the choice")
        } else {
            c.clone().inner()
        };
        let slope = leaf.grad(&c.sum().backward()).expect("a slope");

        // 0.6^2 / 1.6.
        let direct = if self.0 == Control::MeanOnce {
            0.225
        } else {
            0.0
        };
        let free = relaxation.pull(params.clone(), slope.clone()) * (1.0 + direct);
        let conditional = match self.0 {
            Control::NoJacobian => relaxation.pull(params, slope),
            Control::WrongSign => relaxation.pull_conditional(params, hard, z, slope).neg(),
            _ => relaxation.pull_conditional(params, hard, z, slope),
        };
        let scale = if self.0 == Control::Scaled { 1.05 } else { 1.0 };
        let control = free - conditional - column(value) * at.score() * scale;
        let reinforce = column(at.cost_to_go()) * at.score();
        Some(untuned(reinforce + at.mask(control) * 0.8))
    }
}

/// A model that does not freeze.
pub struct Leaky<'a>(pub Example<'a>);

impl Program for Leaky<'_> {
    fn batch(&self) -> usize {
        self.0.batch()
    }

    fn device(&self) -> Device {
        self.0.device()
    }

    fn run(&self, run: &mut Run<'_>) {
        self.0.run(run);
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(Example {
            model: self.0.model,
            theta: self.0.theta.clone(),
        })
    }
}

#[test]
fn mistakes_within_the_control_pair_of_rebar_are_caught() {
    for model in [&OneBit as &dyn Model, &TwoBits, &Chain] {
        let judge = |control| {
            judge(
                &Rebar(control),
                model,
                EXPECTED,
                &Plan::quadrature(0.1, false),
            )
        };
        check(judge(Control::Right));
        check(judge(Control::TowardsMean));
        must_fail(
            "rebar whose relaxed value follows the mean once",
            judge(Control::MeanOnce),
        );
        must_fail("rebar with 1.05 c(z~) s", judge(Control::Scaled));
        must_fail(
            "rebar without the Jacobian of z~",
            judge(Control::NoJacobian),
        );
        must_fail("rebar with the wrong sign at z~", judge(Control::WrongSign));
    }
}

/// Where there is no quadrature. (A factor of 1.05 biases by 0.01 or less, below what this many draws tell.)
#[test]
fn monte_carlo_sees_a_missing_jacobian() {
    let window = Window { bonus: 0.1 };
    for model in [
        &BeliefNet as &dyn Model,
        &Machine,
        &Alignment,
        &Permutation,
        &window,
    ] {
        let judge = |control| {
            let mut estimator = everywhere(&Rebar(control), model, EXPECTED);
            let want = exact(model, &model.parameters(), EXPECTED);
            let moments = Moments::of(&mut estimator, model, 50_000, 31);
            moments.against(model.name(), &want, &vec![0.0; want.len()])
        };
        check(judge(Control::Right));
        must_fail(
            "rebar without the Jacobian of z~",
            judge(Control::NoJacobian),
        );
    }
}

/// Control terms whose program is not frozen reach the parameters of the decoder.
#[test]
fn control_terms_that_leak_into_the_model_are_caught() {
    let theta = OneBit.parameters();
    let grid = Plan::quadrature(0.1, false).grid(&OneBit, &theta);
    let want = exact(&OneBit, &theta, EXPECTED);
    let judge = |control| {
        let program = Leaky(example(&OneBit, &theta, grid.weights.len()));
        let noise = Noise::from_source(grid.clone());
        let mut estimator = everywhere(&Rebar(control), &OneBit, EXPECTED);
        let surrogate = estimator.estimate(&program, &noise).surrogate;
        let gradient = program
            .0
            .theta
            .grad(&surrogate.backward())
            .expect("a gradient");
        let weights = constant(&grid.weights, &gradient.device());
        let rows = grid.weights.len() as f64;
        let got = numbers((gradient * column(weights)).sum_dim(0) * rows);
        compare("a leak", &got, &want, 1e-9)
    };
    check(judge(Control::Right));
    must_fail(
        "control terms on the tape of the model",
        judge(Control::Tracked),
    );
}

#[test]
fn a_cost_counted_for_the_wrong_choice_is_caught() {
    let theta = Decision::new(Abilities::TABLE).parameters();
    let judge = |marks| {
        let model = Decision {
            marks,
            ..Decision::new(Abilities::BLACK_BOX)
        };
        let want = exact(&Decision::new(Abilities::TABLE), &theta, EXPECTED);
        let mut estimator = build("reinforce", &model, EXPECTED);
        let grid = Plan::outcomes(1).grid(&model, &theta);
        compare(
            "marks",
            &expectation(&mut *estimator, &model, &theta, &grid),
            &want,
            1e-9,
        )
    };
    check(judge(Marks::Right));
    must_fail("a cost marked before its choice", judge(Marks::TooEarly));
}

#[test]
fn a_divergence_counted_twice_is_caught() {
    let theta = Vae::default().parameters();
    let want = exact(&Vae::default(), &theta, EXPECTED);
    let judge = |kl| {
        let model = Vae { kl };
        let mut estimator = build("reinforce", &model, EXPECTED);
        let grid = Plan::outcomes(1).grid(&model, &theta);
        compare(
            "divergence",
            &expectation(&mut *estimator, &model, &theta, &grid),
            &want,
            1e-9,
        )
    };
    check(judge(Kl::Once));
    must_fail("a divergence counted twice", judge(Kl::Twice));
}
