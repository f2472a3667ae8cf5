//! Measure-valued derivatives: the derivative of a law as a difference of two laws, so the gradient as a difference of costs.
//!
//! Sources: Pflug, "Optimization of Stochastic Models", 1996; Titsias & Lázaro-Gredilla, "Local Expectation Gradients for Black Box
//! Variational Inference", 2015; Mohamed, Rosca, Figurnov & Mnih, "Monte Carlo Gradient Estimation in Machine Learning", 2020,
//! section 6.
//!
//! `d E f/d a_j = c_j (E_+ f - E_- f)`, parameter by parameter:
//!
//! | law         | gradient                                                             | further evaluations |
//! |-------------|----------------------------------------------------------------------|---------------------|
//! | bits        | `p (1 - p) (f(1) - f(0))`                                            | 1 per bit           |
//! | categorical | `p_k (f(k) - sum_j p_j f(j))`                                        | classes - 1         |
//! | Gaussian    | `(f(mu + sigma w) - f(mu - sigma w)) / (sigma sqrt(2 pi))` in `mu`, `f(mu + sigma m) - f(mu + sigma z)` in `ln sigma` | 3 per variable |
//! | Poisson     | `r (f(x + 1) - f(x))` in `ln r`                                      | 1 per count         |
//!
//! | unbiased | f differentiable | calls of f                   | extra parameters |
//! |----------|------------------|------------------------------|------------------|
//! | yes      | not needed       | 1 + those of every choice    | none             |
//!
//! The run that was made is one of the evaluations; every other one makes the same choices before this one, another value here, and
//! everything after it anew from the same noise (common random numbers). Shapes: values `[rows, n]`; one run of as many times the rows.
//! The lowest variance per parameter, at a price that grows with their number. Laws from outside join with
//! [`Decomposition`](crate::law::Decomposition).

use super::{At, Gradient, Rule, expected_only, needs_replay};
use crate::{
    estimator::Objective,
    noise::Role,
    trace::{Schema, SiteSchema, column},
};

/// Differences of costs at other values.
#[derive(Debug, Clone, Copy, Default)]
pub struct MeasureValued;

impl Rule for MeasureValued {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        needs_replay(schema)?;
        expected_only(objective)?;
        if site.law.decomposition().is_none() {
            return Err(format!(
                "the derivative of a {} law is not known as a difference of laws; use `rloo`",
                site.law.name()
            ));
        }
        Ok(())
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let (law, params, value) = (at.site().law.clone(), at.params(), at.hard());
        let decomposition = law.decomposition().expect("checked: the law has one");
        let (rows, samples) = (at.rows(), at.samples());
        let further = decomposition.further_noise().map(|noise| {
            at.noise.draw(
                noise,
                &at.site().key,
                Role::Conditional,
                samples,
                samples,
                at.trace.batch,
                value.dims()[1],
                &params.device(),
            )
        });
        let others = decomposition.others(params.clone(), value.clone(), further);
        let n = others.dims()[0] / rows;

        let change = at.replay(others).transpose() - column(at.cost_to_go());
        Some(Gradient {
            logits: at.mask(decomposition.gradient(params, value, change)),
            tuning: None,
            evaluations: (n * samples) as f64,
        })
    }
}
