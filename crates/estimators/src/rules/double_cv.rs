//! Double control variate: RLOO whose cost is first made smaller by its own slope at the other samples.
//!
//! Source: Titsias & Shi, "Double Control Variates for Gradient Estimation in Discrete Latent Variable Models", 2022.
//!
//! `d_k = f'(b_k)`, `D_k = mean_{j != k} d_j`, `F_k = f(b_k) + alpha D_k . (b_k - mu)`, `mu = E[b]`, and
//!
//! `g = 1/K sum_k [(F_k - mean_{j != k} F_j) d ln p(b_k; a)/da - alpha D_k dmu/da]`
//!
//! | unbiased | f differentiable          | calls of f                            | extra parameters |
//! |----------|---------------------------|---------------------------------------|------------------|
//! | yes      | at exact choices          | K >= 2, and per choice K with a slope | `alpha`          |
//!
//! `g = g0 + alpha k` with `E[k] = 0`, so that the best `alpha`, `-E[g0 . k] / E[k . k]`, is known in closed form: it is that of
//! running means (decay 0.99) over the batches before, and 0 (RLOO) at first. `alpha = -1` would take the whole linear part away.
//! Shapes: as the site; costs `[k, batch]` in nats; `g0 . k` of the mean over an example's samples.
//! Differences from the paper: `alpha` in closed form instead of by gradient steps; any law, by the derivative of its mean;
//! choices after this one are held while its slope is taken.

use burn::tensor::{Device, Tensor};

use super::{
    At, Gradient, Rule, by_sample, expected_only,
    rloo::advantage,
    slope::{needs_slope, pull_mean, slope},
};
use crate::{
    estimator::Objective,
    law::{row_sum, scalar},
    owned::{OwnedRule, RunningMean},
    trace::{Draw, Schema, SiteRecord, SiteSchema, column},
};

/// RLOO over `k` samples with the double control variate.
#[derive(Debug, Clone)]
pub struct DoubleCv {
    k: usize,
    /// Of `g0 . k` and `k . k`.
    averages: RunningMean,
    /// Of the choices of this batch.
    pending: Vec<Tensor<2>>,
}

impl DoubleCv {
    /// Over `k` samples, at least 2.
    #[must_use]
    pub fn new(k: usize, device: &Device) -> Self {
        Self {
            k,
            averages: RunningMean::of(2, 0.99, device),
            pending: Vec::new(),
        }
    }

    fn alpha(&self) -> Tensor<1> {
        let both = self.averages.value().chunk(2, 0);
        both[0].clone().neg() / both[1].clone().clamp_min(1e-30)
    }
}

/// The mean of the other samples, of `[k * batch, n]`.
fn others(x: Tensor<2>, k: usize) -> Tensor<2> {
    let [rows, n] = x.dims();
    let by_sample = x.reshape([k, rows / k, n]);
    let others = (by_sample.clone().sum_dim(0) - by_sample) / (k as f64 - 1.0);
    others.flatten(0, 1)
}

impl Rule for DoubleCv {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        expected_only(objective)?;
        needs_slope(site, schema)
    }

    fn samples(&self) -> usize {
        self.k
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let (law, params, hard) = (at.site().law.clone(), at.params(), at.hard());
        let samples = at.samples();
        let held = |site: &SiteRecord| Draw::Given(at.block(site.hard.clone(), 0));
        let (_, slopes) = slope(at, hard.clone(), held);
        let slopes = others(slopes, samples);
        let score = |f: Tensor<1>| {
            let advantage = advantage(by_sample(f, samples));
            column(advantage.flatten(0, 1)) * at.score()
        };
        // A choice that is not made is no surprise: its part would depend on the other samples alone.
        let surprise = at.mask(hard - law.mean(params.clone()));
        let linear = row_sum(slopes.clone() * surprise);
        let g0 = score(at.cost_to_go());
        let k = score(linear) - at.mask(pull_mean(&*law, params, slopes));
        let of_example = |g: &Tensor<2>| {
            let [rows, width] = g.dims();
            let by_sample = g.clone().reshape([samples, rows / samples, width]);
            by_sample.mean_dim(0).squeeze_dim::<2>(0)
        };
        let (g0_mean, k_mean) = (of_example(&g0), of_example(&k));
        let products = [g0_mean * k_mean.clone(), k_mean.square()];
        let products = products.map(|x| column(row_sum(x)));
        self.pending.push(Tensor::cat(products.to_vec(), 1));
        Some(Gradient {
            logits: g0 + scalar(self.alpha()) * k,
            tuning: None,
            evaluations: samples as f64,
        })
    }

    fn observe(&mut self, _: &At<'_>) {
        for products in self.pending.drain(..) {
            self.averages.update_each(products);
        }
    }

    fn owned(&self) -> Option<OwnedRule> {
        Some(OwnedRule::Average(self.averages.clone()))
    }

    fn set_owned(&mut self, owned: OwnedRule) {
        let OwnedRule::Average(averages) = owned else {
            panic!("a double control variate got {owned:?}");
        };
        self.averages = averages;
    }

    fn freeze(&mut self) {
        self.averages.hold();
    }

    fn scalars(&self) -> Vec<(&'static str, Tensor<1>)> {
        vec![("alpha", self.alpha())]
    }
}
