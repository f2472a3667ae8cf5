//! Laws of matchings from Gumbel noise: Gumbel-Matching, and its relaxation Gumbel-Sinkhorn.
//!
//! Source: Mena, Belanger, Linderman and Snoek, "Learning Latent Permutations with Gumbel-Sinkhorn Networks", 2018, sections 3 and 4.
//!
//! * Gumbel-Matching: `M(X + ε)`, the best matching of scores with independent Gumbel noise on every pair;
//! * Gumbel-Sinkhorn: `S((X + ε)/τ)`, which tends to it as τ → 0, almost surely.
//!
//! | | differentiable | density |
//! |---|---|---|
//! | soft [`GumbelSinkhorn::sample`] | by reparameterization | of the Gumbel matrices only |
//! | [`GumbelSinkhorn::straight_through`] | the soft sample's gradient | as above |
//! | hard [`gumbel_matching`] | no | none that could be computed |
//!
//! The law of Gumbel-Matching is **not** `p(P) ∝ exp ⟨P, X⟩`: there are n² noises, not n!. It is flatter. Having no density, it serves neither
//! REINFORCE nor its relatives; the Plackett-Luce law does.
//!
//! Noise is an argument, of the scores' shape: `unbiased_kernels::noise(NoiseLaw::Gumbel, ..)` draws it, finite and with full precision in
//! the tail. Scaled by a factor, 0 at evaluation, it makes the samples less random.

use crate::{Assignments, Balanced, Error, Sinkhorn, assign_batch};
use burn::tensor::Tensor;
use unbiased_kernels::logsumexp;

/// Euler's constant, the mean of a Gumbel variable.
const EULER: f64 = 0.577_215_664_901_532_9;

/// Iterations of the balancing inside the tightened bound: a bound it is after any number, and scores of the usual size need ten.
const TIGHTENING: usize = 40;

/// What must be added to each row so that the mean of its finite terms `e^x` is 1/Γ; 0 where there are none.
fn level<const D: usize>(x: Tensor<D>, gamma: f64) -> Tensor<D> {
    let allowed = x.clone().greater_scalar(f64::NEG_INFINITY);
    let count = x.zeros_like().mask_fill(allowed, 1.0).sum_dim(D - 1);
    let idle = count.clone().equal_scalar(0.0);
    ((count / gamma).log() - logsumexp(x)).mask_fill(idle, 0.0)
}

/// A sample of Gumbel-Matching, `M(X + ε)`.
///
/// # Shapes
///
/// `scores` and `noise`: `[.., n, m]`.
///
/// # Errors
///
/// As [`assign_batch`].
pub fn gumbel_matching<const D: usize>(
    scores: Tensor<D>,
    noise: Tensor<D>,
) -> Result<Assignments<D>, Error> {
    assign_batch(scores.inner() + noise.inner())
}

/// The value of `hard` with the gradient of `soft`.
#[must_use]
pub fn straight_through<const D: usize>(soft: Tensor<D>, hard: Tensor<D>) -> Tensor<D> {
    // Exactly `hard`: the difference of a number and itself is 0.
    (soft.clone() - soft.detach()) + hard
}

/// The Gumbel-Sinkhorn law.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use unbiased_kernels::{NoiseLaw, noise};
/// use unbiased_permutations::{GumbelSinkhorn, Sinkhorn};
///
/// let device = Device::flex();
/// let scores = Tensor::<3>::zeros([8, 5, 5], &device).autodiff().require_grad();
/// let streams: Vec<u64> = (0..8).collect();
/// let eps = noise(NoiseLaw::Gumbel, &streams, 25, &device).reshape([8, 5, 5]);
/// let law = GumbelSinkhorn { sinkhorn: Sinkhorn::after(20).at(0.5) };
/// let soft = law.sample(scores, eps)?.plan;
/// assert!(soft.sum_dim(1).sub_scalar(1.0).abs().max().into_scalar::<f32>() < 1e-5);
/// # Ok::<(), unbiased_permutations::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GumbelSinkhorn {
    /// How to balance; its temperature is that of the law.
    pub sinkhorn: Sinkhorn,
}

impl GumbelSinkhorn {
    /// A soft sample, `S((X + ε)/τ)`.
    ///
    /// # Errors
    ///
    /// As [`Sinkhorn::balance`].
    pub fn sample<const D: usize>(
        &self,
        scores: Tensor<D>,
        noise: Tensor<D>,
    ) -> Result<Balanced<D>, Error> {
        self.sinkhorn.balance(scores + noise)
    }

    /// A hard sample, `M(X + ε)`, with the gradient of the soft one.
    ///
    /// # Errors
    ///
    /// As [`Sinkhorn::balance`] and [`assign_batch`].
    pub fn straight_through<const D: usize>(
        &self,
        scores: Tensor<D>,
        noise: Tensor<D>,
    ) -> Result<Tensor<D>, Error> {
        let noisy = scores + noise;
        let hard = assign_batch(noisy.clone())?.plan;
        Ok(straight_through(self.sinkhorn.balance(noisy)?.plan, hard))
    }

    /// KL divergence between the laws of the Gumbel matrices `(X + ε)/τ` and `ε/τₚ`, in nats; an upper bound of that between the laws of
    /// matchings and the uniform one. With r = τₚ/τ, summed over allowed pairs:
    ///
    /// `ln(τ/τₚ) + γ(r − 1) + r·x + Γ(1 + r)·e^{−r·x} − 1`
    ///
    /// Pairs forbidden by −∞ are left out: the prior then is uniform on allowed matchings only approximately.
    ///
    /// # Shapes
    ///
    /// `scores`: `[.., n, m]`; returns `[.., 1, 1]`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a temperature that is not positive.
    pub fn kl<const D: usize>(
        &self,
        scores: Tensor<D>,
        prior_temperature: f64,
    ) -> Result<Tensor<D>, Error> {
        let Ratio { r, gamma, constant } = self.ratio(prior_temperature)?;
        let forbidden = scores.clone().inner().equal_scalar(f64::NEG_INFINITY);
        let x = scores.mask_fill(forbidden.clone(), 0.0) * r;
        let terms = x.clone() + x.neg().exp() * gamma + constant;
        let terms = terms.mask_fill(forbidden, 0.0);
        Ok(terms.sum_dim(D - 1).sum_dim(D - 2))
    }

    /// The smallest [`GumbelSinkhorn::kl`] of all scores with the same law of matchings.
    ///
    /// What is added to a row or a column changes neither samples nor their law, only the bound. Its minimum over such shifts is where every
    /// row and column of `e^{−rX}` has the mean 1/Γ(1 + r) over its allowed pairs, which is a balancing again; its potentials are constants
    /// for the gradient, being optimal.
    ///
    /// # Errors
    ///
    /// As [`GumbelSinkhorn::kl`]; [`Error::NotSquare`], since columns that may stay free must not be shifted.
    pub fn tightened_kl<const D: usize>(
        &self,
        scores: Tensor<D>,
        prior_temperature: f64,
    ) -> Result<Tensor<D>, Error> {
        let shape = scores.dims();
        let [rows, columns] = [shape[D - 2], shape[D - 1]];
        if rows != columns {
            return Err(Error::NotSquare { rows, columns });
        }
        let Ratio { r, gamma, .. } = self.ratio(prior_temperature)?;
        let plain = scores.clone().inner();
        let forbidden = plain.clone().equal_scalar(f64::NEG_INFINITY);
        let x = (plain * -r).mask_fill(forbidden, f64::NEG_INFINITY);
        let mut g = x.clone().slice_dim(D - 2, 0..1).zeros_like();
        let mut f = g.clone().swap_dims(D - 2, D - 1);
        for _ in 0..TIGHTENING {
            f = level(x.clone() + g.clone(), gamma);
            let columns = (x.clone() + f.clone()).swap_dims(D - 2, D - 1);
            g = level(columns, gamma).swap_dims(D - 2, D - 1);
        }
        self.kl(scores - (f + g) / r, prior_temperature)
    }

    fn ratio(&self, prior_temperature: f64) -> Result<Ratio, Error> {
        let tau = self.sinkhorn.temperature;
        for (setting, value) in [
            ("temperature", tau),
            ("prior_temperature", prior_temperature),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::Setting {
                    setting,
                    value,
                    allowed: "a positive number",
                });
            }
        }
        let r = prior_temperature / tau;
        Ok(Ratio {
            r,
            gamma: libm::tgamma(1.0 + r),
            constant: -r.ln() + EULER * (r - 1.0) - 1.0,
        })
    }
}

/// r = τₚ/τ, Γ(1 + r), and what a pair adds whatever its score.
struct Ratio {
    r: f64,
    gamma: f64,
    constant: f64,
}
