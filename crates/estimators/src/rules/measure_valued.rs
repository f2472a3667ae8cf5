//! Measure-valued derivatives of bits: the difference of the costs of both values, bit by bit.
//!
//! Sources: Pflug, "Optimization of Stochastic Models", 1996; Titsias & Lázaro-Gredilla, "Local Expectation Gradients for Black Box
//! Variational Inference", 2015; Mohamed, Rosca, Figurnov & Mnih, "Monte Carlo Gradient Estimation in Machine Learning", 2020,
//! section 6.
//!
//! `g_j = p_j (1 - p_j) (f(b with b_j = 1) - f(b with b_j = 0))`
//!
//! | unbiased | f differentiable | calls of f                  | extra parameters |
//! |----------|------------------|-----------------------------|------------------|
//! | yes      | not needed       | 1 + bits of all choices     | none             |
//!
//! The run that was made is one of the two, so each bit costs one more: the same choices before it, itself opposite, and
//! everything after it drawn anew from the same noise (common random numbers). Shapes: bits `[rows, n]`; one run of `n` times the
//! rows. The lowest variance per bit, at a price that grows with their number.

use std::cmp::Ordering;

use burn::tensor::{Tensor, TensorData};

use super::{At, Gradient, Rule, expected_only, needs_replay};
use crate::{
    estimator::Objective,
    trace::{Draw, Schema, SiteSchema, column, execute},
};

/// Differences of both values of each bit.
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
        if site.law.antithesis().is_none() {
            return Err(format!(
                "a {} choice is not one of bits; use `rloo`",
                site.law.name()
            ));
        }
        Ok(())
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let (bits, rows) = (at.hard(), at.rows());
        let n = bits.dims()[1];
        // Block j has bit j turned over: b + (1 - 2 b) e_j.
        let mut unit = vec![0.0; n * n];
        (0..n).for_each(|j| unit[j * (n + 1)] = 1.0);
        let like = (&bits.device(), bits.dtype());
        let unit = Tensor::<3>::from_data(TensorData::new(unit, [n, 1, n]), like);
        let sign = bits.clone() * 2.0 - 1.0;
        let turned = bits.unsqueeze_dim::<3>(0) - sign.clone().unsqueeze_dim::<3>(0) * unit;
        let turned = turned.reshape([n * rows, n]);

        let draw = |index: usize, _: &crate::program::Key| match index.cmp(&at.index) {
            Ordering::Less => {
                let site = &at.trace.sites[index];
                Draw::Given(at.block(site.hard.clone(), 0).repeat_dim(0, n))
            }
            Ordering::Equal => Draw::Given(turned.clone()),
            Ordering::Greater => Draw::Hard,
        };
        let copies = n * at.samples();
        let trace = execute(
            at.frozen(),
            copies,
            at.samples(),
            at.weighing,
            &draw,
            at.noise,
        );
        let other = trace
            .cost_to_go(at.index, at.discount())
            .unwrap_or_else(|| trace.zeros())
            .inner();
        let other = other.reshape([n, rows]).transpose();
        let p = at.site().law.mean(at.params());
        let slope = p.clone() * (p.neg() + 1.0) * sign;
        Some(Gradient {
            logits: at.mask(slope * (column(at.cost_to_go()) - other)),
            tuning: None,
            evaluations: copies as f64,
        })
    }
}
