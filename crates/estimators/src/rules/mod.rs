//! One rule per estimator: how a site's choices are made, and what the gradient at its parameters is.

pub mod a2c;
pub mod arm;
pub mod arms;
pub mod baseline;
mod branches;
mod classes;
pub mod concrete;
pub mod disarm;
pub mod disarm_tree;
pub mod double_cv;
pub mod dreg;
pub mod enumerated;
pub mod gumbel_rao;
pub mod lax;
pub mod measure_valued;
pub mod moving_average;
pub mod muprop;
pub mod nvil;
pub mod optimal_baseline;
pub mod pathwise;
pub mod rebar;
pub mod reinforce;
pub mod reinmax;
pub mod relax;
pub mod rloo;
pub mod rws;
mod slope;
pub mod st_gumbel;
pub mod stl;
pub mod straight_through;
pub mod sum_and_sample;
pub mod unordered_set;
pub mod vimco;

use std::{cell::OnceCell, cmp::Ordering, rc::Rc};

use burn::tensor::Tensor;

use crate::{
    coupling::Coupling,
    estimator::Objective,
    noise::{Noise, NoiseLaw},
    owned::OwnedRule,
    program::{Key, Program},
    trace::{Draw, Schema, SiteRecord, SiteSchema, Trace, Weighing, column, execute, mask_rows},
};

/// How the choices of one site are made and differentiated. Occurrences of a site share a rule. Rules from elsewhere
/// join the built-in ones in [`Sited::new`](crate::Sited::new).
pub trait Rule {
    /// Whether the rule is defined for this site; the error says why not.
    ///
    /// # Errors
    /// The reason, and what would work.
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String>;

    /// Independent copies of the batch that the rule needs.
    fn samples(&self) -> usize {
        1
    }

    /// Partners of the choice that the rule needs: each gets a block of copies in which it stands for the choice, and
    /// what comes after it is drawn anew from the same noise.
    fn coupling(&self) -> Option<Rc<dyn Coupling>> {
        None
    }

    /// How the choice is made in the main run.
    fn draw(&self) -> Draw {
        Draw::Hard
    }

    /// The gradient at the parameters of the choice; `None` if the tape of the main run carries it already.
    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient>;

    /// Takes in what the choice led to, once every choice of the batch has its gradient: a running mean that already
    /// holds this batch would depend on the samples it corrects.
    fn observe(&mut self, _at: &At<'_>) {}

    /// Whether it treats every occurrence of its site alike and by itself, from what the choice and its
    /// [`cost_to_go`](At::cost_to_go) say, and draws no further noise: then it is asked once, about all occurrences as
    /// rows of one choice, where they have the same shape.
    fn stacks(&self) -> bool {
        false
    }

    /// Whether the expectation differs from the gradient.
    fn is_biased(&self) -> bool {
        false
    }

    /// What the rule owns.
    fn owned(&self) -> Option<OwnedRule> {
        None
    }

    /// Puts it back.
    fn set_owned(&mut self, _owned: OwnedRule) {}

    /// Stops adapting what the rule owns.
    fn freeze(&mut self) {}

    /// Numbers worth logging.
    fn scalars(&self) -> Vec<(&'static str, Tensor<1>)> {
        Vec::new()
    }

    /// What a user should know of what the rule owns; waits for the device.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The gradient at one choice.
pub struct Gradient {
    /// For every row of the independent copies, `[samples * batch, width]`, without gradient.
    pub logits: Tensor<2>,
    /// `[1]`, trains what the rule owns.
    pub tuning: Option<Tensor<1>>,
    /// Evaluations per example beyond the main run.
    pub evaluations: f64,
}

impl Gradient {
    /// `signal * score`, with nothing to tune.
    #[must_use]
    pub fn score(at: &At<'_>, signal: Tensor<1>) -> Self {
        Self {
            logits: column(signal) * at.score(),
            tuning: None,
            evaluations: 0.0,
        }
    }
}

/// A choice in the main run, as a rule sees it. Tensors it gives have no gradient and cover the independent copies
/// unless they say otherwise.
pub struct At<'a> {
    /// The program without parameter gradients, made when first asked for.
    pub(crate) frozen: &'a dyn Fn() -> &'a dyn Program,
    pub(crate) noise: &'a Noise,
    pub(crate) objective: Objective,
    pub(crate) weighing: Weighing,
    pub(crate) trace: &'a Trace,
    /// Of every choice, once one was asked for.
    pub(crate) costs_to_go: &'a OnceCell<Vec<Tensor<1>>>,
    pub(crate) samples: usize,
    pub(crate) index: usize,
    /// The block of copies of the first partner of this choice.
    pub(crate) partners: Option<usize>,
    /// Cost of every example under the bound, `[batch]`, and its log-weights `[k, batch]`.
    pub(crate) bound: Option<(Tensor<1>, Tensor<2>)>,
}

impl At<'_> {
    /// The choice as it was made, in all blocks of copies and with its tape.
    #[must_use]
    pub fn site(&self) -> &SiteRecord {
        &self.trace.sites[self.index]
    }

    /// The main run.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        self.trace
    }

    /// Which choice of the main run this is.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The program without parameter gradients, for runs of a control variate.
    #[must_use]
    pub fn frozen(&self) -> &dyn Program {
        (self.frozen)()
    }

    /// The noise of the main run.
    #[must_use]
    pub fn noise(&self) -> &Noise {
        self.noise
    }

    /// Rows of one block of copies.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.samples * self.trace.batch
    }

    fn block<const D: usize>(&self, x: Tensor<D>, block: usize) -> Tensor<D> {
        let x = x.inner();
        if x.dims()[0] == self.rows() {
            return x;
        }
        x.narrow(0, block * self.rows(), self.rows())
    }

    /// Independent copies.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Parameters of the choice.
    #[must_use]
    pub fn params(&self) -> Tensor<2> {
        self.block(self.site().params.clone(), 0)
    }

    /// The exact choice.
    #[must_use]
    pub fn hard(&self) -> Tensor<2> {
        self.block(self.site().hard.clone(), 0)
    }

    /// Partner `j` of the choice.
    ///
    /// # Panics
    /// If the rule has no [coupling](Rule::coupling).
    #[must_use]
    pub fn partner(&self, j: usize) -> Tensor<2> {
        self.block(self.site().hard.clone(), self.partner_block(j))
    }

    fn partner_block(&self, j: usize) -> usize {
        j + self.partners.expect("only a coupled rule has partners")
    }

    /// Noise of the choice.
    ///
    /// # Panics
    /// If the choice was not drawn from noise.
    #[must_use]
    pub fn choice_noise(&self) -> Tensor<2> {
        let noise = self.site().noise.clone();
        self.block(noise.expect("the choice was drawn from noise"), 0)
    }

    /// What a baseline may see.
    #[must_use]
    pub fn context(&self) -> Option<Tensor<2>> {
        Some(self.block(self.site().context.clone()?, 0))
    }

    /// What the parameters are an affine map of.
    #[must_use]
    pub fn features(&self) -> Option<Tensor<2>> {
        Some(self.block(self.site().features.clone()?, 0))
    }

    /// `d ln p / d params` of the exact choice; zero in inactive rows.
    #[must_use]
    pub fn score(&self) -> Tensor<2> {
        self.mask(self.site().law.score(self.params(), self.hard()))
    }

    /// Zeroes the inactive rows.
    #[must_use]
    pub fn mask(&self, x: Tensor<2>) -> Tensor<2> {
        let active = self.site().active.clone().map(|a| self.block(a, 0));
        mask_rows(x, active.as_ref())
    }

    /// The part of the objective that the choice can have influenced, `[samples * batch]`.
    #[must_use]
    pub fn cost_to_go(&self) -> Tensor<1> {
        match &self.bound {
            Some((cost, _)) => cost.clone().repeat_dim(0, self.samples),
            None => self.block(self.all_costs_to_go(), 0),
        }
    }

    /// The same with partner `j` for the choice; of an expected cost only.
    #[must_use]
    pub fn partner_cost_to_go(&self, j: usize) -> Tensor<1> {
        self.block(self.all_costs_to_go(), self.partner_block(j))
    }

    /// The same with other values for the choice, `[n * rows, width] -> [n, rows]`: the choices before it stay, and what
    /// comes after it is drawn anew from the same noise. Costs `n` evaluations of every row.
    #[must_use]
    pub fn replay(&self, values: Tensor<2>) -> Tensor<2> {
        let (rows, samples) = (self.rows(), self.samples);
        let n = values.dims()[0] / rows;
        let draw = |index: usize, _: &Key| match index.cmp(&self.index) {
            Ordering::Less => {
                let earlier = self.trace.sites[index].hard.clone();
                Draw::Given(self.block(earlier, 0).repeat_dim(0, n))
            }
            Ordering::Equal => Draw::Given(values.clone()),
            Ordering::Greater => Draw::Hard,
        };
        let program = self.frozen();
        let trace = execute(
            program,
            n * samples,
            samples,
            self.weighing,
            &draw,
            self.noise,
        );
        let cost = trace.cost_to_go(self.index, self.discount());
        cost.unwrap_or_else(|| trace.zeros())
            .inner()
            .reshape([n, rows])
    }

    fn all_costs_to_go(&self) -> Tensor<1> {
        self.every_cost_to_go()[self.index].clone()
    }

    /// In all blocks of copies, for every choice of the run.
    pub(crate) fn every_cost_to_go(&self) -> &[Tensor<1>] {
        self.costs_to_go
            .get_or_init(|| self.trace.costs_to_go(self.discount()))
    }

    fn discount(&self) -> f64 {
        match self.objective {
            Objective::Expected { discount } => discount,
            Objective::LogMeanWeight { .. } => 1.0,
        }
    }

    /// Log-weights `[k, batch]` of the bound.
    #[must_use]
    pub fn log_weights(&self) -> Option<Tensor<2>> {
        self.bound.as_ref().map(|(_, weights)| weights.clone())
    }

    /// Log-weights `[k, batch]` with partner `j` for the choice, in all samples.
    #[must_use]
    pub fn partner_log_weights(&self, j: usize) -> Tensor<2> {
        let costs = self.block(self.trace.cost(), self.partner_block(j));
        by_sample(costs, self.samples).neg()
    }
}

/// The rows of `x` `[samples * batch]` as `[samples, batch]`.
fn by_sample(x: Tensor<1>, samples: usize) -> Tensor<2> {
    let rows = x.dims()[0];
    x.reshape([samples, rows / samples])
}

/// What a rule that treats the objective as an expected cost says of a bound.
pub(crate) fn expected_only(objective: &Objective) -> Result<(), String> {
    match objective {
        Objective::Expected { .. } => Ok(()),
        Objective::LogMeanWeight { .. } => Err(
            "its objective is a bound of several samples, this estimator is for an expected cost; use `vimco`"
                .into(),
        ),
    }
}

/// What a rule for bits says of another law.
fn needs_bits(site: &SiteSchema) -> Result<(), String> {
    let law = &site.law;
    if law.antithesis().is_some() && law.noise() == NoiseLaw::Logistic {
        return Ok(());
    }
    Err(format!(
        "a {} choice is not one of bits; use `{}`",
        law.name(),
        if law.classes().is_some() {
            "disarm-tree"
        } else {
            "rloo"
        }
    ))
}

/// What a rule for one-hot choices says of another law; `for_bits` would do for bits.
fn needs_classes(site: &SiteSchema, for_bits: &str) -> Result<(), String> {
    let law = &site.law;
    if law.classes().is_some() {
        return Ok(());
    }
    Err(format!(
        "a {} choice is not one of classes; use `{}`",
        law.name(),
        if law.antithesis().is_some() {
            for_bits
        } else if law.decomposition().is_some() {
            "measure-valued"
        } else {
            "rloo"
        }
    ))
}

fn needs_replay(schema: &Schema) -> Result<(), String> {
    if schema.abilities.replay {
        return Ok(());
    }
    Err("the program cannot be run again on the same examples (a black box); use `reinforce`, `moving-average`, `nvil`, `a2c` or `relax`".into())
}

pub(crate) fn needs_relaxation(site: &SiteSchema, schema: &Schema) -> Result<(), String> {
    if site.law.relaxation().is_none() {
        return Err(format!(
            "a {} choice has no relaxation; use `{}`",
            site.law.name(),
            if site.law.is_pathwise() {
                "pathwise"
            } else {
                "rloo"
            }
        ));
    }
    if !(schema.abilities.relaxed && schema.abilities.differentiable) {
        return Err(
            "the costs of the program are not differentiable in relaxed choices; use `relax`, `rloo` or `disarm`"
                .into(),
        );
    }
    Ok(())
}
