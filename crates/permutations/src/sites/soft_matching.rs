//! Gumbel-Sinkhorn.

use burn::tensor::Tensor;
use unbiased_estimators::{NoiseLaw, law::Law};

use crate::{Error, GumbelSinkhorn, Sinkhorn};

/// The Gumbel-Sinkhorn law as that of a choice: parameters are scores `[rows, n²]`, row after row.
///
/// It moves smoothly with its parameters (`pathwise`), and has no density, so there is nothing for REINFORCE and its relatives; use
/// [`PlackettLuce`](crate::PlackettLuce) with them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoftMatching {
    /// How scores with noise are balanced.
    pub law: GumbelSinkhorn,
    /// Factor of the noise; 0 for none.
    pub noise: f64,
    /// Whether values are hard matchings, with the gradient of the soft ones.
    pub straight_through: bool,
}

impl SoftMatching {
    fn matrices(params: Tensor<2>) -> Tensor<3> {
        let [rows, width] = params.dims();
        let n = width.isqrt();
        assert_eq!(
            n * n,
            width,
            "SoftMatching: scores must be [rows, n²], got [{rows}, {width}]"
        );
        params.reshape([rows, n, n])
    }

    /// The divergence of the Gumbel matrices from those of the uniform prior, [`GumbelSinkhorn::kl`], for every row of scores: `[rows, n²]` to
    /// `[rows]`, in nats.
    ///
    /// # Errors
    /// As [`GumbelSinkhorn::kl`], and without noise: the divergence would be infinite.
    pub fn divergence(
        &self,
        scores: Tensor<2>,
        prior_temperature: f64,
    ) -> Result<Tensor<1>, Error> {
        let (law, scores) = self.with_unit_noise(scores)?;
        Ok(law.kl(scores, prior_temperature)?.reshape([-1]))
    }

    /// The same with [`GumbelSinkhorn::tightened_kl`].
    ///
    /// # Errors
    /// As [`GumbelSinkhorn::tightened_kl`], and without noise.
    pub fn tightened_divergence(
        &self,
        scores: Tensor<2>,
        prior_temperature: f64,
    ) -> Result<Tensor<1>, Error> {
        let (law, scores) = self.with_unit_noise(scores)?;
        Ok(law.tightened_kl(scores, prior_temperature)?.reshape([-1]))
    }

    /// `(X + sε)/τ = (X/s + ε)/(τ/s)`, s the factor of the noise.
    fn with_unit_noise(&self, scores: Tensor<2>) -> Result<(GumbelSinkhorn, Tensor<3>), Error> {
        let s = self.noise;
        if !(s > 0.0 && s.is_finite()) {
            return Err(Error::Setting {
                setting: "noise",
                value: s,
                allowed: "a positive number where a divergence is wanted",
            });
        }
        let sinkhorn = Sinkhorn {
            temperature: self.law.sinkhorn.temperature / s,
            ..self.law.sinkhorn
        };
        Ok((GumbelSinkhorn { sinkhorn }, Self::matrices(scores / s)))
    }
}

impl Law for SoftMatching {
    fn name(&self) -> &'static str {
        "Gumbel-Sinkhorn"
    }

    fn noise(&self) -> NoiseLaw {
        NoiseLaw::Gumbel
    }

    /// # Panics
    /// If settings are out of range or scores are not numbers, or a gradient of the limit is asked for where balancing has not converged.
    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        let dims = params.dims();
        let (scores, noise) = (Self::matrices(params), Self::matrices(noise * self.noise));
        let plan = if self.straight_through {
            self.law.straight_through(scores, noise)
        } else {
            self.law.sample(scores, noise).map(|balanced| balanced.plan)
        };
        plan.unwrap_or_else(|error| panic!("SoftMatching: {error}"))
            .reshape(dims)
    }

    /// The balanced matrix without noise.
    fn mean(&self, params: Tensor<2>) -> Tensor<2> {
        let none = params.zeros_like();
        self.sample(params, none)
    }

    fn has_density(&self) -> bool {
        false
    }

    /// # Panics
    /// Always: a prior of such a choice is reported by `Run::log_prior`, for instance by the bound [`GumbelSinkhorn::kl`].
    fn log_prob(&self, _params: Tensor<2>, _value: Tensor<2>) -> Tensor<1> {
        panic!("SoftMatching: the law has no density; report its prior by `Run::log_prior`")
    }

    /// # Panics
    /// Always.
    fn score(&self, _params: Tensor<2>, _value: Tensor<2>) -> Tensor<2> {
        panic!("SoftMatching: the law has no density, and no score; use `pathwise`")
    }

    fn negative_entropy(&self, _params: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn kl(&self, _params: Tensor<2>, _prior: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn is_pathwise(&self) -> bool {
        true
    }
}
