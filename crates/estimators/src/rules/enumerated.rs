//! Enumeration of one choice at a time: the others are sampled.
//!
//! `g = sum_b f(b) dp(b; a)/da`, over all values of the choice, with the choices before it as they were drawn and those after it
//! drawn anew from the same noise.
//!
//! Source: the local expectation gradient of Titsias & Lázaro-Gredilla, 2015, with the whole choice for one coordinate; as a way to
//! mix estimators, `TraceEnum_ELBO` of Pyro (Bingham et al., 2019).
//!
//! | unbiased | f differentiable | calls of f                    | extra parameters |
//! |----------|------------------|-------------------------------|------------------|
//! | yes      | not needed       | 1 + all values of each choice | none             |
//!
//! It is `exact` named for some of the sites, `estimator.sites`; `exact` for all of them enumerates joint states ([`Exact`](crate::Exact)).
//! The costs that are differentiable directly are still those of the sampled choice. Shapes: as the site; costs `[values, rows]`.

use burn::tensor::Tensor;

use super::{At, Gradient, Rule, expected_only, needs_replay};
use crate::{
    estimator::Objective,
    exact::MOST_STATES,
    noise::upload,
    trace::{Schema, SiteSchema, column},
};

/// Enumeration of one choice at a time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Enumerated;

impl Rule for Enumerated {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        needs_replay(schema)?;
        expected_only(objective)?;
        if site.law.support(site.params, MOST_STATES).is_some() {
            return Ok(());
        }
        Err(format!(
            "a {} choice does not have {MOST_STATES} values or fewer to enumerate; use `{}`",
            site.law.name(),
            if site.law.is_pathwise() {
                "pathwise"
            } else {
                "rloo"
            }
        ))
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let (law, params) = (at.site().law.clone(), at.params());
        let [rows, columns] = params.dims();
        let support = law.support(columns, MOST_STATES).expect("checked");
        let (states, width) = (support.len(), support[0].len());
        let values: Vec<f64> = support
            .iter()
            .flat_map(|state| std::iter::repeat_n(state, rows))
            .flatten()
            .copied()
            .collect();
        let values = upload(values, [states * rows, width], &params.device());
        let costs = at.replay(values.clone()).reshape([states * rows]);
        let params = params.repeat_dim(0, states);
        let p = law.log_prob(params.clone(), values.clone()).exp();
        let terms: Tensor<2> = column(p * costs) * law.score(params, values);
        let sum = terms.reshape([states, rows, columns]).sum_dim(0);
        Some(Gradient {
            logits: at.mask(sum.squeeze_dim::<2>(0)),
            tuning: None,
            evaluations: (states * at.samples()) as f64,
        })
    }
}
