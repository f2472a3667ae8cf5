//! Advantage actor-critic: REINFORCE with a learned state value, and returns that trust it as far as `lambda` says.
//!
//! Sources: Mnih et al., "Asynchronous Methods for Deep Reinforcement Learning", 2016 (the synchronous form is A2C);
//! Schulman, Moritz, Levine, Jordan & Abbeel, "High-Dimensional Continuous Control Using Generalized Advantage
//! Estimation", 2016, eq. 16.
//!
//! `g_t = A_t * d ln p(b_t; a_t) / d a_t`, `A_t = sum_l (gamma lambda)^l delta_{t+l}`,
//! `delta_t = c_t + gamma V_{t+1} - V_t`, `c_t = R_t - gamma R_{t+1}`, `R_t` the discounted cost to go
//!
//! computed backwards as `G_t = c_t + gamma ((1 - lambda) V_{t+1} + lambda G_{t+1})`, `A_t = G_t - V_t`; `V` is trained
//! on `(G_t - V_t)^2`, the mean over active choices. Steps `t` are the occurrences of the site; `gamma` is the discount
//! of the objective to the power of the choices in between.
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
    trace::{Schema, SiteSchema},
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

/// What the steps of one run come to, in order; all `[rows]` without gradient.
#[derive(Debug, Clone)]
pub struct Step {
    /// Cost to go; `None` for a lookout.
    pub to_go: Option<Tensor<1>>,
    /// Value of the state.
    pub value: Tensor<1>,
    /// 1 where the choice was made.
    pub active: Option<Tensor<1>>,
    /// Discount from this step to the next.
    pub discount: f64,
}

/// `G_t` of every step, `[rows]` each; at a lookout what is known of the future.
///
/// # Panics
/// If a lookout is not the last step.
#[must_use]
pub fn lambda_returns(steps: &[Step], lambda: f64) -> Vec<Tensor<1>> {
    struct Next {
        to_go: Tensor<1>,
        value: Tensor<1>,
        target: Tensor<1>,
    }
    let Some(last) = steps.last() else {
        return Vec::new();
    };
    let zeros = last.value.zeros_like();
    let mut next = Next {
        to_go: zeros.clone(),
        value: zeros.clone(),
        target: zeros.clone(),
    };
    let mut targets = VecDeque::with_capacity(steps.len());
    for (t, step) in steps.iter().enumerate().rev() {
        let Some(to_go) = &step.to_go else {
            assert_eq!(
                t + 1,
                steps.len(),
                "only the last step has no cost after it"
            );
            let known = match &step.active {
                Some(active) => step.value.clone() * active.clone(),
                None => step.value.clone(),
            };
            targets.push_front(known.clone());
            next.value = known.clone();
            next.target = known;
            continue;
        };
        let cost = to_go.clone() - next.to_go * step.discount;
        let ahead = next.value.clone() * (1.0 - lambda) + next.target.clone() * lambda;
        let target = cost.clone() + ahead * step.discount;
        let (value, target) = match &step.active {
            None => (step.value.clone(), target),
            Some(active) => {
                let through = |later: Tensor<1>| cost.clone() + later * step.discount;
                let mix =
                    |made: Tensor<1>, not: Tensor<1>| not.clone() + active.clone() * (made - not);
                (
                    mix(step.value.clone(), through(next.value)),
                    mix(target, through(next.target)),
                )
            }
        };
        targets.push_front(target.clone());
        next = Next {
            to_go: to_go.clone(),
            value,
            target,
        };
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
            .enumerate()
            .map(|(t, &index)| Step {
                to_go: trace
                    .cost_to_go(index, at.discount())
                    .map(|cost| at.block(cost, 0)),
                value: known.clone().narrow(0, t * rows, rows),
                active: trace.sites[index]
                    .active
                    .clone()
                    .map(|active| at.block(active, 0).squeeze_dim::<1>(1)),
                discount: own.get(t + 1).map_or(1.0, |&next| {
                    let choices = i32::try_from(next - index).unwrap_or(i32::MAX);
                    at.discount().powi(choices)
                }),
            })
            .collect();
        let targets = Tensor::cat(lambda_returns(&steps, self.lambda), 0);
        let counts = steps.iter().map(|step| match (&step.to_go, &step.active) {
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
