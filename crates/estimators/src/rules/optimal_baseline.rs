//! REINFORCE with the constant baseline of least variance, one per parameter of the choice.
//!
//! Sources: Weaver & Tao, "The Optimal Reward Baseline for Gradient-Based Reinforcement Learning", 2001; per parameter: Peters & Schaal,
//! "Reinforcement Learning of Motor Skills with Policy Gradients", 2008; Ranganath, Gerrish & Blei, "Black Box
//! Variational Inference", 2014.
//!
//! `g_j = (f(b) - beta_j) s_j`, `s = d ln p(b; a) / d a`, `beta_j = E[f s_j^2] / E[s_j^2]`
//!
//! | unbiased | f differentiable | calls of f | extra parameters              |
//! |----------|------------------|------------|-------------------------------|
//! | yes      | not needed       | 1          | two averages per parameter    |
//!
//! `beta` minimises `E[g_j^2]` among all constants; for one bit, `(1 - p) f(1) + p f(0)`, the variance is zero. Both means are running
//! ones (decay 0.9) over the batches before, so that `beta` does not depend on the sample it corrects. "Constant" is over
//! examples and over the occurrences of a site: [`nvil`](super::nvil) has a baseline of the inputs, [`rloo`](super::rloo) one per example.
//! Shapes: as the parameters of the site. Numerics: the denominator is held 1e-30 away from 0; where a score is always zero the
//! baseline is, too.

use burn::tensor::{Device, Tensor};

use super::{At, Gradient, Rule};
use crate::{
    estimator::Objective,
    owned::{OwnedRule, RunningMean},
    trace::{Schema, SiteSchema, column},
};

/// REINFORCE with the optimal constant baselines.
#[derive(Debug, Clone)]
pub struct OptimalBaseline {
    /// Of `f s^2`, then of `s^2`.
    averages: RunningMean,
}

impl OptimalBaseline {
    /// For a choice of `params` parameters.
    #[must_use]
    pub fn new(params: usize, decay: f64, device: &Device) -> Self {
        Self {
            averages: RunningMean::of(2 * params, decay, device),
        }
    }

    /// `beta`, `[params]`.
    #[must_use]
    pub fn value(&self) -> Tensor<1> {
        let both = self.averages.value().chunk(2, 0);
        both[0].clone() / both[1].clone().clamp_min(1e-30)
    }
}

impl Rule for OptimalBaseline {
    fn check(&self, _: &SiteSchema, _: &Schema, _: &Objective) -> Result<(), String> {
        Ok(())
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let left = column(at.cost_to_go()) - self.value().unsqueeze::<2>();
        Some(Gradient {
            logits: left * at.score(),
            tuning: None,
            evaluations: 0.0,
        })
    }

    fn stacks(&self) -> bool {
        true
    }

    fn observe(&mut self, at: &At<'_>) {
        let square = at.score().square();
        let weighed = column(at.cost_to_go()) * square.clone();
        self.averages
            .update_each(Tensor::cat(vec![weighed, square], 1));
    }

    fn owned(&self) -> Option<OwnedRule> {
        Some(OwnedRule::Average(self.averages.clone()))
    }

    fn set_owned(&mut self, owned: OwnedRule) {
        let OwnedRule::Average(averages) = owned else {
            panic!("an optimal baseline got {owned:?}");
        };
        self.averages = averages;
    }

    fn freeze(&mut self) {
        self.averages.hold();
    }

    fn scalars(&self) -> Vec<(&'static str, Tensor<1>)> {
        vec![("baseline", self.value().mean())]
    }
}
