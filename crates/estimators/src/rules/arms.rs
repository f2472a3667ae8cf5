//! ARMS: several antithetic samples of bits, jointly from a Dirichlet copula.
//!
//! Source: Dimitriev & Zhou, "ARMS: Antithetic-REINFORCE-Multi-Sample Gradient for Binary Variables", 2021, with the Dirichlet copula.
//!
//! `d ~ Dirichlet(1, .., 1)` over `n` samples, `v_k = (1 - d_k)^(n-1)` (each uniform), `b_k = 1[v_k < p]` for `p < 1/2`,
//! `1[v_k > 1 - p]` otherwise, and with `m = min(p, 1 - p)`, `J = max(0, 2 m^(1/(n-1)) - 1)^(n-1) = P(v_1 < m, v_2 < m)`
//!
//! `g = p (1 - p) / (m - J) * 1/(n-1) sum_k (f(b_k) - mean_j f(b_j)) b_k`
//!
//! | unbiased | f differentiable | calls of f               | extra parameters |
//! |----------|------------------|--------------------------|------------------|
//! | yes      | not needed       | 1 + choices `(n - 1)`    | none             |
//!
//! It is [RLOO](super::rloo) on samples that avoid each other, with the factor that this needs; with two it is
//! [DisARM](super::disarm), number for number. Shapes: bits `[rows, width]`, costs of all samples `[n, rows]`.
//! Numerics: `v` is held `2^-24` away from 0 and 1; the factor is computed as `(1 - m) / (1 - J/m)`, `J/m` by powers of
//! `2 - m^(-1/(n-1))`, from `ln m = -softplus(|a|)`.
//! Differences from the paper: the first sample is the one that every estimator draws from this noise, the others are drawn given its
//! `d_1`, `d_k = (1 - d_1) e_k / sum e` with exponential `e`; in a program of several choices each one gets `n - 1` blocks of
//! copies in which it alone differs, as in [DisARM](super::disarm).

use std::rc::Rc;

use burn::tensor::Tensor;
use unbiased_kernels::{sigmoid, softplus};

use super::{At, Gradient, Rule, expected_only, needs_bits, needs_replay};
use crate::{
    coupling::{Coupling, First},
    estimator::Objective,
    law::Law,
    noise::NoiseLaw,
    trace::{Schema, SiteSchema},
};

/// The distance from 0 and 1 of uniforms in f32.
const LEAST: f64 = 1.0 / (1 << 24) as f64;

/// Antithetic samples of a Dirichlet copula.
#[derive(Debug, Clone, Copy)]
pub struct Arms {
    /// Samples of each choice, at least 2.
    pub n: usize,
}

/// The other samples given the first one.
#[derive(Debug, Clone, Copy)]
struct DirichletCopula {
    n: usize,
}

/// 1 where `p >= 1/2`, -1 elsewhere.
fn side(params: &Tensor<2>) -> Tensor<2> {
    params.clone().greater_equal_scalar(0.0).float() * 2.0 - 1.0
}

impl Coupling for DirichletCopula {
    fn count(&self) -> usize {
        self.n - 1
    }

    fn further_noise(&self, _law: &dyn Law, width: usize) -> Option<(NoiseLaw, usize)> {
        Some((NoiseLaw::Exponential, self.count() * width))
    }

    fn partners(&self, first: &First<'_>) -> Vec<Tensor<2>> {
        let power = self.count() as f64;
        let side = side(&first.params);
        // 1 - d_1 = v_1^(1/(n-1)), v_1 = sigma(+-l).
        let log_v = softplus(side.clone().neg() * first.noise.clone()).neg();
        let left = (log_v / power).exp();
        let further = first.further.clone().expect("asked for");
        let exponentials = further.chunk(self.count(), 1);
        let total = exponentials.iter().cloned().reduce(|sum, e| sum + e);
        let total = total.expect("at least one partner");
        let partner = |e: Tensor<2>| {
            let d = left.clone() * e / total.clone();
            let v = (d.neg() + 1.0).powf_scalar(power).clamp(LEAST, 1.0 - LEAST);
            let logit = v.clone().log() - (v.neg() + 1.0).log();
            first.law.sample(first.params.clone(), side.clone() * logit)
        };
        exponentials.into_iter().map(partner).collect()
    }
}

/// `p (1 - p) / (m - J)` at these logits for `n` samples.
#[must_use]
pub fn factor(logits: Tensor<2>, n: usize) -> Tensor<2> {
    let power = (n - 1) as f64;
    let log_m = softplus(logits.clone().abs()).neg();
    let overlap = (log_m / -power).exp().neg() + 2.0;
    let overlap = overlap.clamp_min(0.0).powf_scalar(power);
    sigmoid(logits.abs()) / (overlap.neg() + 1.0)
}

impl Rule for Arms {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        needs_replay(schema)?;
        expected_only(objective)?;
        needs_bits(site)
    }

    fn coupling(&self) -> Option<Rc<dyn Coupling>> {
        Some(Rc::new(DirichletCopula { n: self.n }))
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let others = self.n - 1;
        let mut costs = vec![at.cost_to_go()];
        costs.extend((0..others).map(|j| at.partner_cost_to_go(j)));
        let mut bits = vec![at.hard()];
        bits.extend((0..others).map(|j| at.partner(j)));
        let costs = Tensor::stack::<2>(costs, 0);
        let centred = (costs.clone() - costs.mean_dim(0)).unsqueeze_dim::<3>(2);
        let covariance = (centred * Tensor::stack::<3>(bits, 0)).sum_dim(0) / others as f64;
        Some(Gradient {
            logits: at.mask(factor(at.params(), self.n) * covariance.squeeze_dim::<2>(0)),
            tuning: None,
            evaluations: 0.0,
        })
    }
}
