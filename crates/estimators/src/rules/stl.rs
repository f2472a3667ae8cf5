//! Sticking the landing: the pathwise gradient of a bound without the score of the posterior.
//!
//! Source: Roeder, Wu & Duvenaud, "Sticking the Landing: Simple, Lower-Variance Gradient Estimators for Variational Inference", 2017.
//!
//! `g = -sum_k w~_k d ln w_k/dz_k dz_k/da` for the cost `-ln 1/K sum_k w_k`, `w~ = softmax(ln w)`, `z_k = T(noise_k, a)`
//!
//! | unbiased                | f differentiable              | calls of f | extra parameters |
//! |-------------------------|-------------------------------|------------|------------------|
//! | for `K = 1` (the ELBO)  | needed, and continuous in `z` | K          | none             |
//!
//! `ln w_k` depends on the parameters through `z_k` and, in `ln q(z_k; a)`, directly. The direct part is a score: mean zero for one
//! sample, and all of the noise that is left where `q` is the true posterior. For more samples it has a mean, which is dropped here
//! (a bias) and kept by `dreg`. The tape of the bound holds it as `+w~_k d ln q`, so this rule draws pathwise and adds
//! `-w~_k d ln q(z_k; a)/da`. The model's own gradient is that of the bound. Shapes: log-weights `[k, batch]` in nats.

use burn::tensor::{Tensor, activation::softmax};

use super::{At, Gradient, Rule, pathwise::Pathwise};
use crate::{
    estimator::Objective,
    trace::{Draw, Schema, SiteSchema},
};

/// Sticking the landing under a bound of `k` samples.
#[derive(Debug, Clone, Copy)]
pub struct StickingTheLanding {
    /// `K`.
    pub k: usize,
}

/// Samples of a bound, and one for an expected cost.
pub(crate) fn samples_of(objective: Objective) -> usize {
    match objective {
        Objective::LogMeanWeight { k } => k,
        Objective::Expected { .. } => 1,
    }
}

/// What an estimator of a bound's pathwise gradient needs.
pub(super) fn is_defined(
    site: &SiteSchema,
    schema: &Schema,
    objective: &Objective,
) -> Result<(), String> {
    if !site.law.is_pathwise() {
        return Err(format!(
            "a {} choice is no smooth function of its noise; use `vimco`",
            site.law.name()
        ));
    }
    if matches!(objective, Objective::Expected { .. }) {
        return Err(
            "it changes how sampled log-weights are differentiated; use the objective `log_mean_weight`, with `k` = 1 for the ELBO, or `pathwise`"
                .into(),
        );
    }
    Pathwise.check(site, schema, objective)
}

/// `w~`: `[k, batch] -> [k * batch]`.
pub(super) fn weights(at: &At<'_>) -> Tensor<1> {
    let log_weights = at.log_weights().expect("checked: the objective is a bound");
    softmax(log_weights, 0).flatten(0, 1)
}

impl Rule for StickingTheLanding {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        is_defined(site, schema, objective)
    }

    fn draw(&self) -> Draw {
        Draw::Pathwise
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        Some(Gradient::score(at, weights(at).neg()))
    }

    fn is_biased(&self) -> bool {
        self.k > 1
    }
}
