//! REINFORCE with a moving average of the cost as baseline.
//!
//! `g = (f(b) - c) * d ln p(b; a) / d a`, then `c <- d c + (1 - d) mean f`
//!
//! | unbiased | f differentiable | calls of f | extra parameters |
//! |----------|------------------|------------|------------------|
//! | yes      | not needed       | 1          | one average      |
//!
//! The average is the one from before the batch, so that it does not depend on the sample it corrects. It starts empty
//! (weight 0) rather than at zero, as in Adam. In a loop it takes in one number per batch, the mean over all choices. Source of the decay 0.9: Tucker et al., "REBAR", 2017.

use super::{At, Gradient, Rule};
use crate::{
    estimator::Objective,
    owned::{OwnedRule, RunningMean},
    trace::{Schema, SiteSchema},
};

/// REINFORCE with a moving-average baseline.
#[derive(Debug, Clone)]
pub struct MovingAverage {
    /// The baseline.
    pub average: RunningMean,
}

impl Rule for MovingAverage {
    fn check(&self, _: &SiteSchema, _: &Schema, _: &Objective) -> Result<(), String> {
        Ok(())
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        Some(Gradient::score(at, at.cost_to_go() - self.average.value()))
    }

    fn stacks(&self) -> bool {
        true
    }

    fn observe(&mut self, at: &At<'_>) {
        self.average.update(at.cost_to_go());
    }

    fn owned(&self) -> Option<OwnedRule> {
        Some(OwnedRule::Average(self.average.clone()))
    }

    fn set_owned(&mut self, owned: OwnedRule) {
        let OwnedRule::Average(average) = owned else {
            panic!("a moving average got {owned:?}");
        };
        self.average = average;
    }

    fn freeze(&mut self) {
        self.average.hold();
    }

    fn scalars(&self) -> Vec<(&'static str, burn::tensor::Tensor<1>)> {
        vec![("baseline", self.average.value())]
    }
}
