//! Every estimator on a Plackett-Luce choice of three items, against sums over the six rankings.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Device, Tensor},
};
use unbiased_estimators::{
    Estimator, EstimatorConfig, Exact, Noise, NoiseLaw, Objective, Owned, Program, Run, Schema,
    Site,
    law::{Law, Relaxation},
};
use unbiased_permutations::PlackettLuce;

use crate::{
    grid::Grid,
    support::{check, device, differences, error, leaf, log_prob, numbers, rankings},
};

const EXPECTED: Objective = Objective::Expected { discount: 1.0 };
/// Scores, then what each item's rank should be, then what two together cost.
const THETA: [f64; 7] = [0.5, -0.3, 0.2, 0.8, -0.5, 0.3, 0.6];
const PRIOR: [f64; 3] = [0.1, 0.4, -0.6];

/// A ranking is drawn, and costs `Σ (r_i − t_i)² + c r_0 r_2`; with a prior it is a latent variable, and that the negative log-likelihood.
pub struct Order<L> {
    pub theta: Tensor<2>,
    pub law: L,
    pub latent: bool,
}

fn sum(x: Tensor<2>) -> Tensor<1> {
    x.sum_dim(1).squeeze_dim::<1>(1)
}

impl<L: Law + Clone + 'static> Program for Order<L> {
    fn batch(&self) -> usize {
        self.theta.dims()[0]
    }

    fn device(&self) -> Device {
        self.theta.device()
    }

    fn run(&self, run: &mut Run<'_>) {
        let theta = run.rows(self.theta.clone());
        let plain = self.theta.device().without_autodiff();
        let context = Tensor::ones([theta.dims()[0], 1], &plain);
        let mut site = Site::new(theta.clone().narrow(1, 0, 3)).context(context);
        if self.latent {
            site = site.prior(Tensor::from_data([PRIOR], &plain));
        }
        let ranks = run.law("order", self.law.clone(), site).value;
        let each = sum((ranks.clone() - theta.clone().narrow(1, 3, 3)).square());
        let two = ranks.clone().narrow(1, 0, 1) * ranks.narrow(1, 2, 1);
        let cost = each + sum(two * theta.narrow(1, 6, 1));
        if self.latent {
            run.log_lik("order", cost.neg());
        } else {
            run.cost("order", cost, run.mark());
        }
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(Order {
            theta: self.theta.clone().inner(),
            law: self.law.clone(),
            latent: self.latent,
        })
    }
}

fn program<L>(law: L, latent: bool, rows: usize) -> Order<L> {
    Order {
        theta: leaf(&THETA.repeat(rows), rows),
        law,
        latent,
    }
}

fn build(config: &EstimatorConfig, latent: bool, objective: Objective) -> Box<dyn Estimator> {
    let schema = Schema::of(&program(PlackettLuce, latent, 1));
    config
        .build(&schema, objective, &device().autodiff())
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The objective by its definition.
fn value(theta: &[f64], latent: bool, k: u32) -> f64 {
    let states: Vec<(f64, f64)> = rankings(3)
        .iter()
        .map(|r| {
            let log_q = log_prob(&theta[..3], r);
            let each: f64 = (0..3).map(|i| (r[i] - theta[3 + i]).powi(2)).sum();
            let mut cost = each + theta[6] * r[0] * r[2];
            if latent {
                cost += log_q - log_prob(&PRIOR, r);
            }
            (log_q.exp(), cost)
        })
        .collect();
    if k == 1 {
        return states.iter().map(|(q, cost)| q * cost).sum();
    }
    let tuples = 0..6_usize.pow(k);
    let tuple = |mut at: usize| {
        let (mut q, mut weight) = (1.0, 0.0);
        for _ in 0..k {
            q *= states[at % 6].0;
            weight += (-states[at % 6].1).exp() / f64::from(k);
            at /= 6;
        }
        -q * f64::ln(weight)
    };
    tuples.map(tuple).sum()
}

fn exact(latent: bool, k: u32) -> Vec<f64> {
    differences(&THETA, 1e-5, |theta| value(theta, latent, k))
}

/// Gives everything that an estimator owns a value that is not the initial one.
fn stir(estimator: &mut dyn Estimator) {
    struct Stir;
    impl ModuleMapper for Stir {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|old| {
                let (shape, device) = (old.shape(), old.device());
                let shift = |i: usize| 0.3 + 0.2 * ((3 * i + 2) as f64).sin();
                let values: Vec<f64> = (0..shape.num_elements()).map(shift).collect();
                let shift = Tensor::<1>::from_data(values.as_slice(), &device.without_autodiff());
                let leaf = old.is_require_grad();
                let new = Tensor::from_inner(old.inner() + shift.reshape(shape));
                if leaf { new.require_grad() } else { new }
            })
        }
    }
    let owned: Owned = estimator.owned().map(&mut Stir);
    estimator.set_owned(owned);
}

/// The gradient of each row of `program` by itself, and its cost.
fn rows<L: Law + Clone + 'static>(
    estimator: &mut dyn Estimator,
    program: &Order<L>,
    noise: &Noise,
) -> (Vec<f64>, Vec<f64>) {
    let estimate = estimator.estimate(program, noise);
    let gradients = estimate.surrogate.backward();
    let gradient = program.theta.grad(&gradients).expect("a gradient in theta");
    let rows = program.batch() as f64;
    (numbers(gradient * rows), numbers(estimate.cost))
}

/// The expectation of the estimate over a grid, and that of the cost.
fn expectation<L: Law + Clone + 'static>(
    estimator: &mut dyn Estimator,
    law: L,
    latent: bool,
    grid: &Grid,
) -> (Vec<f64>, f64) {
    let program = program(law, latent, grid.weights.len());
    let (gradients, costs) = rows(estimator, &program, &Noise::from_source(grid.clone()));
    let mut mean = vec![0.0; THETA.len()];
    for (row, weight) in gradients.chunks(THETA.len()).zip(&grid.weights) {
        mean.iter_mut()
            .zip(row)
            .for_each(|(mean, g)| *mean += weight * g);
    }
    let cost = costs.iter().zip(&grid.weights).map(|(c, w)| c * w).sum();
    (mean, cost)
}

#[test]
fn enumeration_is_the_sum_over_rankings() {
    for (latent, objective, k) in [
        (false, EXPECTED, 1),
        (true, EXPECTED, 1),
        (true, Objective::LogMeanWeight { k: 2 }, 2),
    ] {
        let program = program(PlackettLuce, latent, 1);
        let mut enumerated = Exact::new(&Schema::of(&program), objective).expect("six states");
        let (gradient, cost) = rows(&mut enumerated, &program, &Noise::new(0, 0));
        check("cost", &cost, &[value(&THETA, latent, k)], 1e-12);
        check("gradient", &gradient, &exact(latent, k), 1e-8);
    }
}

/// What depends on outcomes alone: sums over all of them, to rounding.
#[test]
fn score_function_estimators_have_the_exact_gradient_as_expectation() {
    let one = Grid::outcomes(&THETA[..3], 1);
    let two = Grid::outcomes(&THETA[..3], 2);
    for latent in [false, true] {
        let want = exact(latent, 1);
        for (name, grid) in [
            ("reinforce", &one),
            ("moving-average", &one),
            ("optimal-baseline", &one),
            ("nvil", &one),
            ("a2c", &one),
            ("simple-muprop", &one),
            ("rloo", &two),
            ("double-cv", &two),
        ] {
            let mut estimator = build(&EstimatorConfig::named(name), latent, EXPECTED);
            stir(&mut *estimator);
            let (got, cost) = expectation(&mut *estimator, PlackettLuce, latent, grid);
            check(name, &got, &want, 1e-8);
            check(name, &[cost], &[value(&THETA, latent, 1)], 1e-10);
        }
    }
}

#[test]
fn bounds_of_several_samples_have_the_exact_gradient_as_expectation() {
    for (k, name) in [
        (2, "vimco"),
        (3, "vimco"),
        (2, "vimco-arithmetic"),
        (2, "reinforce"),
    ] {
        let objective = Objective::LogMeanWeight { k };
        let mut estimator = build(&EstimatorConfig::named(name), true, objective);
        let grid = Grid::outcomes(&THETA[..3], k);
        let (got, _) = expectation(&mut *estimator, PlackettLuce, true, &grid);
        check(name, &got, &exact(true, k as u32), 1e-8);
        // The gradient of another bound is another one.
        assert!(error(&got, &exact(true, k as u32 - 1)) > 1e-2);
    }
}

/// What depends on the noise: quadrature within every outcome.
#[test]
fn coupled_control_variates_have_the_exact_gradient_as_expectation() {
    let grid = Grid::quadrature(&THETA[..3], 0.6);
    let want = exact(false, 1);
    for name in ["rebar", "relax", "rebar-relax"] {
        let mut estimator = build(&EstimatorConfig::named(name), false, EXPECTED);
        stir(&mut *estimator);
        let (got, _) = expectation(&mut *estimator, PlackettLuce, false, &grid);
        check(name, &got, &want, 1e-7);
        // Mutants of the law, each of which must show.
        for fault in [Fault::NoConditionalJacobian, Fault::Score] {
            let (got, _) = expectation(&mut *estimator, Faulty(fault), false, &grid);
            // A control variate leaves little for a wrong score to spoil: 0.009 of REBAR, by a second implementation.
            let error = error(&got, &want);
            println!("{name} with {fault:?}: error {error:.1e}");
            assert!(error > 1e-4, "{name} with {fault:?} was not caught");
        }
    }
}

/// As a latent variable: the prior and the posterior at relaxed ranks are part of the control variate. Their slopes jump, so that the rule is less exact.
#[test]
fn densities_of_relaxed_rankings_are_continuous_as_rebar_needs() {
    let grid = Grid::quadrature(&THETA[..3], 0.4);
    let want = exact(true, 1);
    let mut estimator = build(&EstimatorConfig::named("rebar"), true, EXPECTED);
    let (got, _) = expectation(&mut *estimator, PlackettLuce, true, &grid);
    check("rebar", &got, &want, 2e-3);
    // Read off the order of the relaxed ranks they would jump, and the estimate be biased.
    let jumping = Faulty(Fault::DensityByOrder);
    let (got, _) = expectation(&mut *estimator, jumping, true, &grid);
    assert!(error(&got, &want) > 2e-2, "{got:?} {want:?}");
}

/// Two independent branches have four dimensions: 2¹⁵ draws, every coordinate within 5 standard errors (a false alarm in 10⁵ runs of another seed).
#[test]
fn control_variates_of_two_branches_are_unbiased() {
    let draws = 1 << 15;
    for name in [
        "rebar-two-branch",
        "relax-two-branch",
        "rebar-relax-two-branch",
    ] {
        let z = |law: Faulty| {
            let mut estimator = build(&EstimatorConfig::named(name), false, EXPECTED);
            stir(&mut *estimator);
            let (got, _) = rows(
                &mut *estimator,
                &program(law, false, draws),
                &Noise::new(8, 0),
            );
            let z = exact(false, 1).into_iter().enumerate().map(|(i, want)| {
                let column = || got.chunks(THETA.len()).map(move |row| row[i]);
                let mean = column().sum::<f64>() / draws as f64;
                let square = column().map(|g| (g - mean).powi(2)).sum::<f64>();
                (mean - want).abs() / (square.sqrt() / draws as f64 + 1e-8)
            });
            z.fold(0.0, f64::max)
        };
        assert!(z(Faulty(Fault::None)) < 5.0, "{name}");
        assert!(z(Faulty(Fault::NoConditionalJacobian)) > 10.0, "{name}");
    }
}

/// Biased ones run, and say so.
#[test]
fn relaxing_estimators_say_that_they_are_biased() {
    for name in ["straight-through", "st-gumbel", "gumbel-rao", "concrete"] {
        let mut estimator = build(&EstimatorConfig::named(name), false, EXPECTED);
        assert!(estimator.is_biased(), "{name}");
        let program = program(PlackettLuce, false, 64);
        let (got, _) = rows(&mut *estimator, &program, &Noise::new(1, 0));
        assert!(got.iter().all(|g| g.is_finite()), "{name}");
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// Conditional latents taken for unconditional ones.
    NoConditionalJacobian,
    Score,
    /// Densities of relaxed ranks are those of their order.
    DensityByOrder,
}

/// Plackett-Luce, with a fault.
#[derive(Debug, Clone, Copy)]
struct Faulty(Fault);

const RIGHT: &dyn Law = &PlackettLuce;

fn right() -> &'static dyn Relaxation {
    RIGHT.relaxation().expect("a relaxation")
}

impl Law for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn noise(&self) -> NoiseLaw {
        RIGHT.noise()
    }

    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        RIGHT.sample(params, noise)
    }

    fn mean(&self, params: Tensor<2>) -> Tensor<2> {
        RIGHT.mean(params)
    }

    fn log_prob(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<1> {
        match self.0 {
            Fault::DensityByOrder => PlackettLuce.log_prob(params, value),
            _ => RIGHT.log_prob(params, value),
        }
    }

    fn score(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
        let score = RIGHT.score(params, value);
        match self.0 {
            Fault::Score => score * 1.1,
            _ => score,
        }
    }

    fn negative_entropy(&self, _: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn kl(&self, _: Tensor<2>, _: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn relaxation(&self) -> Option<&dyn Relaxation> {
        Some(self)
    }
}

impl Relaxation for Faulty {
    fn latent(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        right().latent(params, noise)
    }

    fn harden(&self, latent: Tensor<2>) -> Tensor<2> {
        right().harden(latent)
    }

    fn relax(&self, latent: Tensor<2>, temperature: Tensor<1>) -> Tensor<2> {
        right().relax(latent, temperature)
    }

    fn conditional(&self, params: Tensor<2>, hard: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        right().conditional(params, hard, noise)
    }

    fn pull(&self, params: Tensor<2>, h: Tensor<2>) -> Tensor<2> {
        right().pull(params, h)
    }

    fn pull_conditional(
        &self,
        params: Tensor<2>,
        hard: Tensor<2>,
        latent: Tensor<2>,
        h: Tensor<2>,
    ) -> Tensor<2> {
        match self.0 {
            Fault::NoConditionalJacobian => h,
            _ => right().pull_conditional(params, hard, latent, h),
        }
    }

    fn push(&self, params: Tensor<2>, g: Tensor<2>) -> Tensor<2> {
        right().push(params, g)
    }

    fn push_conditional(
        &self,
        params: Tensor<2>,
        hard: Tensor<2>,
        latent: Tensor<2>,
        g: Tensor<2>,
    ) -> Tensor<2> {
        right().push_conditional(params, hard, latent, g)
    }

    fn log_density(&self, params: Tensor<2>, temperature: Tensor<1>, y: Tensor<2>) -> Tensor<1> {
        right().log_density(params, temperature, y)
    }

    fn coordinates(&self, latent: Tensor<2>, temperature: Tensor<1>) -> Tensor<2> {
        right().coordinates(latent, temperature)
    }
}
