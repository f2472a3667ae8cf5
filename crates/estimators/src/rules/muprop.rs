//! `MuProp`: REINFORCE with the first-order expansion of the cost around the mean-field pass as control variate.
//!
//! Sources: Gu, Levine, Sutskever & Mnih, "`MuProp`: Unbiased Backpropagation for Stochastic Neural Networks", 2016;
//! without the linear term (`simple-muprop`): Tucker et al., "REBAR", 2017.
//!
//! `mu = E[b]`, every later choice at its mean, too: the costs are `f(mu)`, their slope `f'(mu)`, and
//!
//! `g = (f(b) - f(mu) - f'(mu) . (b - mu)) d ln p(b; a)/da + f'(mu) dmu/da`
//!
//! | | unbiased | f differentiable          | calls of f                              | extra parameters |
//! |-|----------|---------------------------|-----------------------------------------|------------------|
//! | `muprop` | yes | at the mean             | 1, and 1 at the mean per choice, and its gradient | none   |
//! | `simple-muprop` | yes | no, but defined at the mean | 1, and 1 at the mean per choice    | none             |
//!
//! Unbiased whatever the pass at the means gives, since it does not depend on `b`, and `E[(b - mu) d ln p/da] = dmu/da`. Good where
//! `f` is nearly linear between the mean and the choices. Shapes: as the site; costs `[rows]` in nats.
//! Differences from the paper: choices before this one keep the values they were drawn with, so that only what follows is at its
//! mean; no learned scale of the control terms, and no baseline beside them.

use burn::tensor::Tensor;

use super::{
    At, Gradient, Rule, expected_only, needs_replay,
    slope::{needs_slope, pull_mean, slope},
};
use crate::{
    estimator::Objective,
    law::row_sum,
    trace::{Draw, Schema, SiteSchema, column},
};

/// The expansion to first order.
#[derive(Debug, Clone, Copy, Default)]
pub struct MuProp;

/// The expansion to order zero: the cost at the mean as baseline.
#[derive(Debug, Clone, Copy, Default)]
pub struct SimpleMuProp;

/// `mu`, and `f(mu)` with its slope there.
fn at_mean(at: &At<'_>) -> (Tensor<2>, Tensor<1>, Tensor<2>) {
    let mean = at.site().law.mean(at.params());
    let (cost, slope) = slope(at, mean.clone(), |_| Draw::Mean);
    (mean, cost, slope)
}

fn needs_means(schema: &Schema, objective: &Objective) -> Result<(), String> {
    needs_replay(schema)?;
    expected_only(objective)?;
    if !schema.abilities.relaxed {
        return Err(
            "the costs of the program are not defined at the mean of a choice; use `rloo`".into(),
        );
    }
    if schema.has_signals {
        return Err(
            "returns that come from outside are not known at the mean of a choice; use `rloo`"
                .into(),
        );
    }
    Ok(())
}

impl Rule for MuProp {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        needs_means(schema, objective)?;
        needs_slope(site, schema)
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let (mean, at_mean, slope) = at_mean(at);
        let linear = row_sum(slope.clone() * (at.hard() - mean));
        let left = at.cost_to_go() - at_mean - linear;
        let path = at.mask(pull_mean(&*at.site().law, at.params(), slope));
        Some(Gradient {
            logits: column(left) * at.score() + path,
            tuning: None,
            evaluations: at.samples() as f64,
        })
    }
}

impl Rule for SimpleMuProp {
    fn check(&self, _: &SiteSchema, schema: &Schema, objective: &Objective) -> Result<(), String> {
        needs_means(schema, objective)
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let (_, at_mean, _) = at_mean(at);
        Some(Gradient {
            evaluations: at.samples() as f64,
            ..Gradient::score(at, at.cost_to_go() - at_mean)
        })
    }
}
