//! Advantage actor-critic: REINFORCE with a learned state value, and returns that trust it as far as `lambda` says.
//!
//! Sources: Mnih et al., "Asynchronous Methods for Deep Reinforcement Learning", 2016 (the synchronous form is A2C);
//! Schulman, Moritz, Levine, Jordan & Abbeel, "High-Dimensional Continuous Control Using Generalized Advantage
//! Estimation", 2016, eq. 16.
//!
//! `g_t = A_t * d ln p(b_t; a_t) / d a_t`, `A_t = sum_l (gamma lambda)^l delta_{t+l}`,
//! `delta_t = c_t + gamma V_{t+1} - V_t`, `c_t` the costs between this choice and the next
//!
//! (so that the discounted cost to go is `R_t = c_t + gamma R_{t+1}`), computed backwards as
//! `G_t = c_t + gamma ((1 - lambda) V_{t+1} + lambda G_{t+1})`, `A_t = G_t - V_t`; `V` is trained on `(G_t - V_t)^2`, the
//! mean over active choices. Steps `t` are the occurrences of the site; `gamma` is the discount of the objective to the
//! power of the choices in between.
//!
//! | unbiased      | f differentiable | calls of f | extra parameters                             |
//! |---------------|------------------|------------|----------------------------------------------|
//! | at `lambda` 1 | not needed       | 1          | `V`: a net of one hidden layer, running mean |
//!
//! *Ends.* Past the last occurrence the value is 0. An inactive choice has no value of its own: its costs pass through
//! to the choice before it. An occurrence that no cost follows is a **lookout**: it shows where a rollout was cut, its
//! active rows count as `V` of its context, its inactive ones (the row had ended) as 0, and it gets no gradient. With
//! lookouts the target is the cost of going on for ever, which is another one than the reported costs', so there is a
//! bias at every `lambda`.
//!
//! Shapes: contexts `[rows, features]` of all occurrences -> `V` in one pass, `[occurrences, rows]`. Numerics: the
//! running mean takes in one number per batch. Difference from the papers: critic and policy share nothing.

use std::collections::VecDeque;

use burn::tensor::Tensor;

use super::{At, Gradient, Rule, expected_only, nvil::Nvil};
use crate::{
    estimator::Objective,
    owned::OwnedRule,
    trace::{Part, Schema, SiteSchema},
};

/// The score function with generalised advantages.
#[derive(Debug, Clone)]
pub struct ActorCritic {
    critic: Nvil,
    lambda: f64,
    /// Advantages of the choices that have not had their gradient yet, `[rows]` each.
    pending: VecDeque<Tensor<1>>,
    /// The mean target of the batch.
    mean: Option<Tensor<1>>,
}

/// What one step of a run came to; all `[rows]` without gradient.
#[derive(Debug, Clone)]
pub struct Step {
    /// Costs of the step, up to the next one; `None` for a lookout.
    pub cost: Option<Tensor<1>>,
    /// Value of the state.
    pub value: Tensor<1>,
    /// 1 where the choice was made.
    pub active: Option<Tensor<1>>,
    /// Discount from this step to the next.
    pub discount: f64,
}

/// `G_t` of every step, `[rows]` each; at a lookout what is known of the future.
#[must_use]
pub fn lambda_returns(steps: &[Step], lambda: f64) -> Vec<Tensor<1>> {
    let Some(last) = steps.last() else {
        return Vec::new();
    };
    let zeros = last.value.zeros_like();
    // `V` and `G` of the next step.
    let (mut value, mut target) = (zeros.clone(), zeros);
    let mut targets = VecDeque::with_capacity(steps.len());
    for step in steps.iter().rev() {
        let later = |known: Tensor<1>| match &step.cost {
            None => known,
            Some(cost) => cost.clone() + known * step.discount,
        };
        let own = match &step.cost {
            None => step.value.clone(),
            Some(_) => later(value.clone() * (1.0 - lambda) + target.clone() * lambda),
        };
        (value, target) = match &step.active {
            None => (step.value.clone(), own),
            Some(active) => {
                let mix =
                    |made: Tensor<1>, not: Tensor<1>| not.clone() + active.clone() * (made - not);
                (
                    mix(step.value.clone(), later(value)),
                    mix(own, later(target)),
                )
            }
        };
        targets.push_front(target.clone());
    }
    targets.into()
}

impl ActorCritic {
    /// A critic over `features` columns of context.
    #[must_use]
    pub fn new(critic: Nvil, lambda: f64) -> Self {
        Self {
            critic,
            lambda,
            pending: VecDeque::new(),
            mean: None,
        }
    }

    /// Advantages of all occurrences of the site of `at`, and what trains the critic.
    fn plan(&mut self, at: &At<'_>) -> Option<Tensor<1>> {
        let trace = at.trace();
        let own: Vec<usize> = (0..trace.sites.len())
            .filter(|&index| trace.sites[index].key.name == at.site().key.name)
            .collect();
        let rows = at.rows();
        let contexts = own.iter().map(|&index| {
            let context = trace.sites[index].context.clone();
            at.block(context.expect("checked: the site has a context"), 0)
        });
        let contexts = Tensor::cat(contexts.collect(), 0);
        let mean = self.critic.average.value();
        let values = self.critic.forward(contexts) + mean;
        let known = values.clone().inner();
        let steps: Vec<Step> = own
            .iter()
            .zip(costs(at, &own))
            .enumerate()
            .map(|(t, (&index, cost))| Step {
                cost,
                value: known.clone().narrow(0, t * rows, rows),
                active: trace.sites[index]
                    .active
                    .clone()
                    .map(|active| at.block(active, 0).squeeze_dim::<1>(1)),
                discount: own
                    .get(t + 1)
                    .map_or(1.0, |&next| at.discount().powi(distance(index, next))),
            })
            .collect();
        let targets = Tensor::cat(lambda_returns(&steps, self.lambda), 0);
        let counts = steps.iter().map(|step| match (&step.cost, &step.active) {
            (None, _) => step.value.zeros_like(),
            (Some(_), None) => step.value.ones_like(),
            (Some(_), Some(active)) => active.clone(),
        });
        let counts = Tensor::cat(counts.collect(), 0);
        let total = counts.clone().sum().clamp_min(1.0);
        self.pending = ((targets.clone() - known) * counts.clone())
            .chunk(own.len(), 0)
            .into();
        self.mean = Some((targets.clone() * counts.clone()).sum() / total.clone());
        if self.critic.average.is_held() {
            return None;
        }
        Some(((targets - values).square() * counts).sum() / total)
    }
}

fn distance(from: usize, to: usize) -> i32 {
    i32::try_from(to - from).unwrap_or(i32::MAX)
}

/// What was reported between each choice of `own` and the next, discounted to the choice; `None` where nothing was
/// reported any more.
fn costs(at: &At<'_>, own: &[usize]) -> Vec<Option<Tensor<1>>> {
    let terms = at.trace().terms.iter();
    let counted = || terms.clone().filter(|term| term.part != Part::Outside);
    let last = counted().map(|term| term.after.0).max().unwrap_or(0);
    let mut costs: Vec<Option<Tensor<1>>> = vec![None; own.len()];
    for term in counted() {
        // Choices before the term.
        let Some(t) = own
            .partition_point(|&index| index < term.after.0)
            .checked_sub(1)
        else {
            continue;
        };
        let delay = distance(own[t], term.after.0 - 1);
        let cost = at.block(term.value.clone(), 0) * at.discount().powi(delay);
        costs[t] = Some(match costs[t].take() {
            Some(sum) => sum + cost,
            None => cost,
        });
    }
    let zeros = at.trace().zeros();
    let step = |(cost, &index): (Option<Tensor<1>>, &usize)| {
        (index < last).then(|| cost.unwrap_or_else(|| at.block(zeros.clone(), 0)))
    };
    costs.into_iter().zip(own).map(step).collect()
}

impl Rule for ActorCritic {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        expected_only(objective)?;
        if site.context.is_none() {
            return Err("the site gives no context to its critic; use `moving-average`".into());
        }
        let mut others = schema.sites.iter();
        if others.any(|other| other.key.name == site.key.name && other.context != site.context) {
            return Err(
                "the contexts of its occurrences differ in width; use `moving-average`".into(),
            );
        }
        if schema.has_signals {
            return Err(
                "returns that come from outside cannot be split into costs of steps; use `nvil`"
                    .into(),
            );
        }
        Ok(())
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let tuning = if at.site().key.occurrence == 0 {
            self.plan(at)
        } else {
            None
        };
        let advantage = self
            .pending
            .pop_front()
            .expect("one advantage per occurrence");
        Some(Gradient {
            tuning,
            ..Gradient::score(at, advantage)
        })
    }

    fn observe(&mut self, _: &At<'_>) {
        // The first occurrence takes in the whole batch.
        if let Some(mean) = self.mean.take() {
            self.critic.average.update(mean);
        }
    }

    fn is_biased(&self) -> bool {
        self.lambda < 1.0
    }

    fn owned(&self) -> Option<OwnedRule> {
        Some(OwnedRule::Nvil(self.critic.clone()))
    }

    fn set_owned(&mut self, owned: OwnedRule) {
        let OwnedRule::Nvil(critic) = owned else {
            panic!("the actor-critic got {owned:?}");
        };
        self.critic = critic;
    }

    fn freeze(&mut self) {
        self.critic.average.hold();
    }

    fn scalars(&self) -> Vec<(&'static str, Tensor<1>)> {
        vec![("value", self.critic.average.value())]
    }
}
