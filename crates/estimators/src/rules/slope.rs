//! The cost as a differentiable function of one choice; shared by `MuProp` and the double control variate.

use std::cmp::Ordering;

use burn::tensor::Tensor;

use super::{At, needs_replay};
use crate::{
    law::{Law, row_sum},
    program::Key,
    trace::{Draw, Schema, SiteRecord, SiteSchema, execute},
};

/// The costs to go `[rows]` where the choice has `value`, and their slope in it, `[rows, width]`; `later` says how the choices after
/// it are made.
pub(super) fn slope(
    at: &At<'_>,
    value: Tensor<2>,
    later: impl Fn(&SiteRecord) -> Draw,
) -> (Tensor<1>, Tensor<2>) {
    let leaf = value.autodiff().require_grad();
    let draw = |index: usize, _: &Key| {
        let site = &at.trace.sites[index];
        match index.cmp(&at.index) {
            Ordering::Less => Draw::Given(at.block(site.hard.clone(), 0)),
            Ordering::Equal => Draw::Leaf(leaf.clone()),
            Ordering::Greater => later(site),
        }
    };
    let (program, samples) = (at.frozen(), at.samples());
    let trace = execute(program, samples, samples, at.weighing, &draw, at.noise);
    let cost = trace
        .cost_to_go(at.index, at.discount())
        .unwrap_or_else(|| trace.zeros());
    let none = || leaf.clone().inner().zeros_like();
    if !cost.is_tracked() {
        return (cost.inner(), none());
    }
    let slope = leaf.grad(&cost.clone().sum().backward());
    (cost.inner(), slope.unwrap_or_else(none))
}

/// `(d E[b] / d a)^T h`, of the shape of the parameters `a`.
pub(super) fn pull_mean(law: &dyn Law, params: Tensor<2>, h: Tensor<2>) -> Tensor<2> {
    let leaf = params.autodiff().require_grad();
    let along = row_sum(law.mean(leaf.clone()) * Tensor::from_inner(h)).sum();
    leaf.grad(&along.backward())
        .unwrap_or_else(|| leaf.inner().zeros_like())
}

/// What both say of a choice whose costs have no slope, or no control variate that is linear in it.
pub(super) fn needs_slope(site: &SiteSchema, schema: &Schema) -> Result<(), String> {
    needs_replay(schema)?;
    if site.law.is_periodic() {
        return Err("a linear function of an angle is not periodic, so its score is biased; use `pathwise` or `rloo`".into());
    }
    if !site.law.has_mean() {
        return Err(format!(
            "the mean of a {} choice has no closed form; use `rloo`",
            site.law.name()
        ));
    }
    if !schema.abilities.differentiable {
        return Err(
            "the costs of the program are not differentiable in its choices; use `rloo`".into(),
        );
    }
    if schema.has_signals {
        return Err(
            "returns that come from outside have no slope in the choice; use `rloo`".into(),
        );
    }
    Ok(())
}
