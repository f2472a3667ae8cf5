//! Reweighted wake-sleep: the posterior is drawn towards the weighted samples instead of up the bound.
//!
//! Sources: Bornschein & Bengio, "Reweighted Wake-Sleep", 2015 (wake update of the recognition network); Le, Kosiorek, Siddharth, Teh &
//! Wood, "Revisiting Reweighted Wake-Sleep for Models with Stochastic Control Flow", 2019.
//!
//! model: `-sum_k w~_k d ln p(x, b_k)`, posterior: `-sum_k w~_k d ln q(b_k | x)`, `w~ = softmax(ln w)` over the `K` samples
//!
//! | unbiased                                       | f differentiable | calls of f | extra parameters |
//! |------------------------------------------------|------------------|------------|------------------|
//! | no: another objective, `E KL(p(b|x) || q(b|x))` | not needed       | K >= 2     | none             |
//!
//! Its variance does not grow with `K` where that of the bound's posterior gradient does. The tape of `-ln 1/K sum_k w_k` holds the model
//! part and `+w~_k d ln q`, so the number per logit is `-2 w~_k d ln q(b_k; a)/da`. Continuous choices keep their pathwise
//! gradient of the bound. Shapes: log-weights `[k, batch]` in nats.

use burn::tensor::{Tensor, activation::softmax};

use super::{At, Gradient, Rule};
use crate::{
    estimator::Objective,
    trace::{Schema, SiteSchema},
};

/// Wake updates.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReweightedWakeSleep;

/// `-2 w~_k`: `[k, batch] -> [k, batch]`.
#[must_use]
pub fn signal(log_weights: Tensor<2>) -> Tensor<2> {
    softmax(log_weights, 0) * -2.0
}

impl Rule for ReweightedWakeSleep {
    fn check(&self, _: &SiteSchema, schema: &Schema, objective: &Objective) -> Result<(), String> {
        super::needs_replay(schema)?;
        match objective {
            Objective::LogMeanWeight { k } if *k >= 2 => Ok(()),
            _ => Err(
                "it weighs the samples of a bound; use the objective `log_mean_weight` with `k` of at least 2, or `rloo`"
                    .into(),
            ),
        }
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let log_weights = at.log_weights().expect("checked: the objective is a bound");
        Some(Gradient::score(at, signal(log_weights).flatten(0, 1)))
    }

    fn is_biased(&self) -> bool {
        true
    }
}
