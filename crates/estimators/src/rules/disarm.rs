//! DisARM (U2G): antithetic pairs, the augmentation integrated out.
//!
//! Sources: Dong, Mnih & Tucker, "DisARM: An Antithetic Gradient Estimator for Binary Latent Variables", 2020, eq. 5 and its
//! extension to bounds of several samples; Yin, Ho, Yan, Qian & Zhou, "Probabilistic Best Subset Selection via Gradient-Based Optimization", 2020.
//!
//! `g = 1/2 (f(b) - f(b~)) (-1)^b~ 1[b != b~] sigma(|a|)`, `b~` from the opposite noise
//!
//! Under a bound of `K` samples, each with its opposite, `f` is `-L` as a function of sample `k` alone, the others being the `b_j`
//! or all the `b~_j`; the mean of both is taken:
//!
//! `f(b_k) - f(b~_k) = -1/2 [L(b) - L(b, b_k -> b~_k) + L(b~, b~_k -> b_k) - L(b~)]`
//!
//! | unbiased | f differentiable | calls of f                              | extra parameters |
//! |----------|------------------|-----------------------------------------|------------------|
//! | yes      | not needed       | 1 + choices (2 for one), times `K`      | none             |
//!
//! Several choices in a row: every choice gets a block of copies in which it alone is the opposite one, and everything
//! after it is drawn anew from the same noise. Each block by itself follows the law of the program, so the direct costs
//! are averaged over all of them. A zero entry where `b = b~` is right. Shapes: bits `[rows, n]`; log-weights `[k, batch]` in nats.

use std::rc::Rc;

use burn::tensor::Tensor;

use super::{
    At, Gradient, Rule, needs_replay,
    vimco::{log_mean_exp, replaced},
};
use crate::{
    coupling::{Coupling, Opposite},
    estimator::Objective,
    trace::{Schema, SiteSchema, column},
};

/// Antithetic pairs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disarm;

/// `f(b_k) - f(b~_k)` under the cost `-L`, from the log-weights of the samples and of their opposites: `[k, batch] -> [k, batch]`.
#[must_use]
pub fn difference(log_weights: Tensor<2>, opposite: Tensor<2>) -> Tensor<2> {
    let swap = |all: &Tensor<2>, one: &Tensor<2>| {
        let bound = log_mean_exp(all.clone()).unsqueeze_dim::<2>(0);
        bound - replaced(all.clone(), one.clone())
    };
    let among_samples = swap(&log_weights, &opposite);
    let among_opposites = swap(&opposite, &log_weights);
    (among_samples - among_opposites) * -0.5
}

impl Rule for Disarm {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        needs_replay(schema)?;
        if site.law.antithesis().is_none() {
            return Err(format!(
                "a {} choice has no opposite sample; use `{}`",
                site.law.name(),
                match objective {
                    Objective::Expected { .. } => "rloo",
                    Objective::LogMeanWeight { .. } => "vimco",
                }
            ));
        }
        Ok(())
    }

    fn coupling(&self) -> Option<Rc<dyn Coupling>> {
        Some(Rc::new(Opposite))
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let law = at.site().law.clone();
        let antithesis = law
            .antithesis()
            .expect("checked: the law has an opposite sample");
        let factor = antithesis.factor(at.params(), at.hard(), at.partner(0));
        let difference = match at.log_weights() {
            None => at.cost_to_go() - at.partner_cost_to_go(0),
            Some(log_weights) => difference(log_weights, at.partner_log_weights(0)).flatten(0, 1),
        };
        Some(Gradient {
            logits: at.mask(column(difference) * factor),
            tuning: None,
            evaluations: 0.0,
        })
    }
}
