//! Plackett-Luce.

use burn::tensor::Tensor;
use unbiased_estimators::{
    NoiseLaw,
    law::{Law, Relaxation},
};

use super::rankings;
use crate::{PlackettLuce, ranks};

impl Law for PlackettLuce {
    fn name(&self) -> &'static str {
        "plackett-luce"
    }

    fn noise(&self) -> NoiseLaw {
        NoiseLaw::Gumbel
    }

    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        (*self).sample(params, noise)
    }

    fn mean(&self, params: Tensor<2>) -> Tensor<2> {
        (*self).mean(params)
    }

    fn log_prob(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<1> {
        // Values of relaxed runs are relaxed, too.
        self.log_prob_relaxed(params, value)
    }

    fn score(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
        (*self).score(params, value)
    }

    fn negative_entropy(&self, _params: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn kl(&self, _params: Tensor<2>, _prior: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn support(&self, params: usize, limit: usize) -> Option<Vec<Vec<f64>>> {
        rankings(params, limit)
    }

    fn relaxation(&self) -> Option<&dyn Relaxation> {
        Some(self)
    }
}

impl Relaxation for PlackettLuce {
    fn latent(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        Self::latent(params, noise)
    }

    fn harden(&self, latent: Tensor<2>) -> Tensor<2> {
        ranks(latent)
    }

    fn relax(&self, latent: Tensor<2>, temperature: Tensor<1>) -> Tensor<2> {
        (*self).relax(latent, temperature)
    }

    fn conditional(&self, params: Tensor<2>, hard: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        (*self).conditional(params, hard, noise)
    }

    fn pull(&self, _params: Tensor<2>, h: Tensor<2>) -> Tensor<2> {
        h
    }

    fn pull_conditional(
        &self,
        params: Tensor<2>,
        hard: Tensor<2>,
        latent: Tensor<2>,
        h: Tensor<2>,
    ) -> Tensor<2> {
        Self::pull(params, hard, latent, h)
    }

    fn push(&self, _params: Tensor<2>, g: Tensor<2>) -> Tensor<2> {
        g
    }

    fn push_conditional(
        &self,
        params: Tensor<2>,
        hard: Tensor<2>,
        latent: Tensor<2>,
        g: Tensor<2>,
    ) -> Tensor<2> {
        Self::push(params, hard, latent, g)
    }

    fn log_density(&self, params: Tensor<2>, temperature: Tensor<1>, y: Tensor<2>) -> Tensor<1> {
        // y = (s + G) / t, entry by entry.
        let t = temperature.unsqueeze::<2>();
        let residual = params - t.clone() * y;
        let terms = t.log() + residual.clone() - residual.exp();
        terms.sum_dim(1).squeeze_dim::<1>(1)
    }

    fn coordinates(&self, latent: Tensor<2>, temperature: Tensor<1>) -> Tensor<2> {
        latent / temperature.unsqueeze::<2>()
    }
}
