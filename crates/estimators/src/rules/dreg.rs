//! The doubly reparameterized gradient (`DReG`) of a bound of several samples.
//!
//! Source: Tucker, Lawson, Gu & Maddison, "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives", 2019.
//!
//! `g = -sum_k w~_k^2 d ln w_k/dz_k dz_k/da` for the cost `-ln 1/K sum_k w_k`, `w~ = softmax(ln w)`, `z_k = T(noise_k, a)`
//!
//! | unbiased (for the bound) | f differentiable              | calls of f          | extra parameters |
//! |--------------------------|-------------------------------|---------------------|------------------|
//! | yes                      | needed, and continuous in `z` | K (1 + choices)     | none             |
//!
//! The score `w~_k d ln q(z_k; a)/da` that the pathwise gradient of the bound holds is itself an expectation that can be
//! reparameterized: `E[w~_k d ln q] = E[(w~_k - w~_k^2) d ln w_k/dz_k dz_k/da]`. Its noise is why the signal-to-noise ratio of the plain
//! gradient falls as `K^(-1/2)` (Rainforth et al., "Tighter Variational Bounds Are Not Necessarily Better", 2018); that of this one
//! grows as `K^(1/2)`.
//!
//! Shapes: log-weights `[k, batch]` in nats, parameters `[k * batch, width]`. The model's own gradient is that of the bound.
//!
//! Where it differs from the paper: choices may follow one another. `d ln w_k/dz_k` is the whole derivative at fixed parameters of this
//! choice, through later choices and their parameters, each at its own noise; it comes from one more run of the program (without
//! parameter gradients) per choice, with `z` as a leaf. The surrogate with stopped posterior parameters, common in code, loses what
//! an earlier choice does to the parameters of a later one, and is biased there (Bauer & Mnih, "Generalized Doubly Reparameterized
//! Gradient Estimators", 2021).

use std::cmp::Ordering;

use burn::tensor::Tensor;

use super::{At, Gradient, Rule, needs_replay, stl};
use crate::{
    estimator::Objective,
    program::Key,
    trace::{Draw, Schema, SiteSchema, column, execute},
};

/// The doubly reparameterized gradient.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dreg;

/// `-d ln w/dz` at the choice that was made, `[rows, width]`.
fn slope(at: &At<'_>) -> Tensor<2> {
    let z = at.hard().autodiff().require_grad();
    let draw = |index: usize, _: &Key| match index.cmp(&at.index) {
        Ordering::Less => Draw::Given(at.trace.sites[index].hard.clone()),
        Ordering::Equal => Draw::Given(z.clone()),
        Ordering::Greater => Draw::Pathwise,
    };
    let samples = at.samples();
    let trace = execute(
        at.frozen(),
        samples,
        samples,
        at.weighing,
        &draw,
        at.noise(),
    );
    let gradients = trace.cost().sum().backward();
    z.grad(&gradients)
        .expect("a latent has a prior or a likelihood")
}

impl Rule for Dreg {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        stl::is_defined(site, schema, objective)?;
        needs_replay(schema)?;
        match schema.sites.iter().find(|site| !site.law.is_pathwise()) {
            Some(discrete) => Err(format!(
                "it differentiates through every later choice, and site `{}` is a {} choice; use `pathwise`",
                discrete.key.name,
                discrete.law.name()
            )),
            None => Ok(()),
        }
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let law = at.site().law.clone();
        let reparameterization = law.reparameterization();
        let reparameterization = reparameterization.expect("checked: the law is pathwise");
        let path = reparameterization.pull(at.params(), at.choice_noise(), slope(at));
        let w = column(stl::weights(at));
        // The tape of the bound holds `+w~ d ln q`.
        let logits = w.clone().square() * at.mask(path) - w * at.score();
        Some(Gradient {
            logits,
            tuning: None,
            evaluations: at.samples() as f64,
        })
    }
}
