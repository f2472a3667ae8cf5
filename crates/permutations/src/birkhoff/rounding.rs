//! Rounding towards vertices: a noisy doubly stochastic matrix, moved most of the way to the nearest permutation.
//!
//! Source: Linderman et al., 2018, section 3.2.
//!
//! * `M̃ = S(L)`, ten iterations of Sinkhorn's balancing of `e^L` (a softmax on the simplex);
//! * `Ψ = M̃ + V∘Z`, `X = τ·Ψ + (1 − τ)·round(Ψ)`, round the nearest permutation, `argmax_P ⟨P, Ψ⟩` (the largest entry).
//!
//! Rounding X gives the same permutation, so `Ψ = X/τ − (1 − τ)/τ·round(X)` and `ln q(X) = Σ ln N(Ψ; M̃, V²) − d·ln τ`, d the number of
//! entries. No gradient goes through round: it is constant almost everywhere.
//!
//! Difference from the paper: rounding moves the points of each permutation away from those of the others, and leaves gaps. A point X of a
//! gap has no Ψ, for Ψ by the formula rounds to another permutation than X; its density is 0. Without that, densities integrate to more
//! than 1.
//!
//! X is near the polytope's vertices but not in it; at τ = 1 it is Ψ itself. A pair forbidden by a score of −∞ is no part of it: `X = 0` there, round never
//! chooses it, and densities are those of the other entries.
//!
//! For τ < 1, X jumps where Ψ changes its permutation: the slope of a sample at fixed noise leaves jumps out, so that pathwise gradients are biased. The
//! density has no such defect.

use super::{Draw, Polytope, check_temperature, log_normal, normal_entropy};
use crate::{Error, Sinkhorn, assign_batch};
use burn::tensor::{Bool, IndexingUpdateOp, Tensor, activation::softmax};

/// Iterations of the balancing, as in the paper.
const ITERATIONS: usize = 10;

/// The rounding law.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use unbiased_kernels::{NoiseLaw, noise};
/// use unbiased_permutations::birkhoff::{Polytope, Rounding};
///
/// let device = Device::flex();
/// let law = Rounding {
///     scores: Tensor::<3>::zeros([2, 4, 4], &device),
///     deviation: Tensor::full([2, 4, 4], 0.3, &device),
///     temperature: 0.5,
///     polytope: Polytope::Birkhoff,
/// };
/// let eps = noise(NoiseLaw::Normal, &[0, 1], 16, &device).reshape([2, 4, 4]);
/// let draw = law.sample(eps)?;
/// let again = law.log_prob(draw.value)?;
/// assert!((again - draw.log_prob).abs().max().into_scalar::<f32>() < 1e-3);
/// # Ok::<(), unbiased_permutations::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rounding<const D: usize> {
    /// L, the logarithm of M, `[.., n, n]` or `[.., n]`; −∞ forbids a pair.
    pub scores: Tensor<D>,
    /// V, above 0, in the shape of the scores.
    pub deviation: Tensor<D>,
    /// τ, above 0 and at most 1.
    pub temperature: f64,
    /// What X relaxes.
    pub polytope: Polytope,
}

impl<const D: usize> Rounding<D> {
    /// M̃, in the shape of the scores.
    ///
    /// # Errors
    ///
    /// As [`Sinkhorn::balance`].
    pub fn mean(&self) -> Result<Tensor<D>, Error> {
        let scores = self.scores.clone();
        match self.polytope {
            Polytope::Birkhoff => Ok(Sinkhorn::after(ITERATIONS).balance(scores)?.plan),
            Polytope::Simplex => Ok(softmax(scores, D - 1)),
        }
    }

    /// X from standard normal noise of the shape of the scores.
    ///
    /// # Errors
    ///
    /// As [`Rounding::at`].
    pub fn sample(&self, noise: Tensor<D>) -> Result<Draw<D>, Error> {
        let psi = self.mean()? + self.deviation.clone() * noise.clone();
        self.place(psi, noise)
    }

    /// X of a Ψ that was drawn elsewhere, and the density of this law there.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a temperature outside (0, 1]; otherwise as [`Rounding::mean`] and [`assign_batch`].
    pub fn at(&self, psi: Tensor<D>) -> Result<Draw<D>, Error> {
        let z = (psi.clone() - self.mean()?) / self.deviation.clone();
        self.place(psi, z)
    }

    /// `ln q(X)`, `[.., 1, 1]` or `[.., 1]`; −∞ for points between the regions that samples come from.
    ///
    /// # Errors
    ///
    /// As [`Rounding::at`].
    pub fn log_prob(&self, value: Tensor<D>) -> Result<Tensor<D>, Error> {
        let tau = self.check()?;
        let vertex = self.round(value.clone())?;
        let psi = (value.clone() - vertex.clone() * (1.0 - tau)) / tau;
        let elsewhere = (self.round(psi.clone())? - vertex).abs();
        let at_forbidden = value.inner().abs().mask_fill(self.allowed(), 0.0);
        let outside = self.polytope.total(elsewhere).greater_scalar(0.5);
        let outside = outside.bool_or(self.polytope.total(at_forbidden).greater_scalar(0.0));
        let z = (psi - self.mean()?) / self.deviation.clone();
        let log_density = self.total(log_normal(z, self.deviation.clone()) - tau.ln());
        Ok(log_density.mask_fill(outside, f64::NEG_INFINITY))
    }

    /// The entropy, exactly: `Σ ½·ln(2πe·ν²) + ln τ`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a temperature outside (0, 1].
    pub fn entropy(&self) -> Result<Tensor<D>, Error> {
        let tau = self.check()?;
        Ok(self.total(normal_entropy(self.deviation.clone()) + tau.ln()))
    }

    fn place(&self, psi: Tensor<D>, z: Tensor<D>) -> Result<Draw<D>, Error> {
        let tau = self.check()?;
        let inside = self.without_forbidden(psi.clone());
        let value = if tau == 1.0 {
            inside
        } else {
            inside * tau + self.round(psi)? * (1.0 - tau)
        };
        let log_det = self.total(z.clone().inner().ones_like() * tau.ln());
        let log_density = self.total(log_normal(z, self.deviation.clone()));
        Ok(Draw {
            value,
            log_prob: log_density - log_det.clone(),
            log_det,
        })
    }

    /// The nearest permutation among allowed pairs.
    fn round(&self, psi: Tensor<D>) -> Result<Tensor<D>, Error> {
        let psi = psi.inner().mask_fill(self.forbidden(), f64::NEG_INFINITY);
        self.polytope.round(psi)
    }

    fn total(&self, x: Tensor<D>) -> Tensor<D> {
        self.polytope.total(self.without_forbidden(x))
    }

    fn without_forbidden(&self, x: Tensor<D>) -> Tensor<D> {
        x.mask_fill(self.forbidden(), 0.0)
    }

    fn forbidden(&self) -> Tensor<D, Bool> {
        let scores = self.scores.clone().inner();
        scores.equal_scalar(f64::NEG_INFINITY)
    }

    fn allowed(&self) -> Tensor<D, Bool> {
        self.forbidden().bool_not()
    }

    fn check(&self) -> Result<f64, Error> {
        check_temperature(self.temperature, 1.0, "a number above 0 and at most 1")
    }
}

impl Polytope {
    /// The nearest vertex of a point: the best matching of a matrix, the largest entry of a list. Off the graph.
    ///
    /// # Shapes
    ///
    /// `[.., n, n]` or `[.., n]`, both ways.
    ///
    /// # Errors
    ///
    /// As [`assign_batch`], for matrices.
    pub fn round<const D: usize>(self, x: Tensor<D>) -> Result<Tensor<D>, Error> {
        let x = x.inner();
        match self {
            Self::Birkhoff => Ok(assign_batch(x)?.plan),
            Self::Simplex => {
                let largest = x.clone().argmax(D - 1);
                let ones = x.clone().narrow(D - 1, 0, 1).ones_like();
                let zeros = x.zeros_like();
                Ok(zeros.scatter(D - 1, largest, ones, IndexingUpdateOp::Add))
            }
        }
    }
}
