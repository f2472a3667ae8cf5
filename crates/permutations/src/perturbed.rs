//! Perturbed matchings: the mean of the best matching under noise is smooth in the scores.
//!
//! Source: Berthet, Blondel, Teboul, Cuturi, Vert and Bach, "Learning with Differentiable Perturbed Optimizers", 2020.
//!
//! `y(X) = E M(X + εZ)`, `∂⟨G, y⟩/∂X = E[⟨G, M(X + εZ)⟩·s(Z)]/ε`, where `s = −∇ ln p` is Z for normal noise and `1 − e^{−Z}` for Gumbel noise
//! (propositions 2.2 and 3.1). Difference from the paper: `M(X)` is subtracted from every sample's matching in the gradient. It does not
//! change the expectation, s having mean 0, and takes away most of the variance where ε is small.
//!
//! | unbiased | differentiable | matchings |
//! |---|---|---|
//! | y and its gradient, for y | once | one for each sample, and one |

use crate::{Error, assign_batch};
use burn::tensor::{Tensor, TensorData};
use unbiased_kernels::custom_gradient;

/// The law of the noise on each pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Perturbation {
    /// Standard normal.
    Normal,
    /// Standard Gumbel.
    Gumbel,
}

impl Perturbation {
    /// `−∇ ln p`.
    fn score<const D: usize>(self, z: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Normal => z,
            Self::Gumbel => z.neg().exp().neg() + 1.0,
        }
    }
}

/// The mean of the best matching under noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerturbedMatching {
    /// ε > 0: the noise is multiplied by it.
    pub epsilon: f64,
    /// The law of the noise.
    pub law: Perturbation,
}

impl PerturbedMatching {
    /// y(X), estimated from one matching for each sample of the noise. Differentiable.
    ///
    /// # Shapes
    ///
    /// `scores` and each sample of the noise: `[.., n, m]`; returns the same.
    ///
    /// # Errors
    ///
    /// As [`assign_batch`]; [`Error::Setting`] if ε is not positive or there is no noise.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    pub fn mean<const D: usize>(
        &self,
        scores: Tensor<D>,
        noise: &[Tensor<D>],
    ) -> Result<Tensor<D>, Error> {
        let x = scores.clone().inner();
        let still = assign_batch(x.clone())?.plan;
        let samples = self.samples(&x, noise)?;
        let mean = mean(samples.iter().map(|(plan, _)| plan.clone()));
        let (law, scale) = (self.law, 1.0 / (self.epsilon * samples.len() as f64));
        let noise: Vec<Tensor<D>> = noise.iter().map(|z| z.clone().inner()).collect();
        Ok(custom_gradient(&scores, mean, move |g| {
            let parts = samples.iter().zip(&noise).map(|((plan, _), z)| {
                let moved = (plan.clone() - still.clone()) * g.clone();
                law.score(z.clone()) * total(moved)
            });
            sum(parts) * scale
        }))
    }

    /// The Fenchel-Young loss of scores whose matching should be `target`: `E max_P ⟨P, X + εZ⟩ − ⟨target, X⟩`, which is smallest where y(X) is
    /// the target, with the gradient `y(X) − target`. The target may be any mean of matchings. Of the loss as it is defined in the paper a term
    /// is left out that does not depend on X.
    ///
    /// # Shapes
    ///
    /// `scores`, `target` and each sample of the noise: `[.., n, m]`; returns `[.., 1, 1]`.
    ///
    /// # Errors
    ///
    /// As [`PerturbedMatching::mean`].
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    pub fn fenchel_young<const D: usize>(
        &self,
        scores: Tensor<D>,
        target: Tensor<D>,
        noise: &[Tensor<D>],
    ) -> Result<Tensor<D>, Error> {
        let (x, target) = (scores.clone().inner(), target.inner());
        let samples = self.samples(&x, noise)?;
        let forbidden = x.clone().equal_scalar(f64::NEG_INFINITY);
        let of_target = total(x.mask_fill(forbidden, 0.0) * target.clone());
        let of_best = mean(samples.iter().map(|(_, values)| values.clone()));
        let slope = mean(samples.into_iter().map(|(plan, _)| plan)) - target;
        Ok(custom_gradient(&scores, of_best - of_target, move |g| {
            slope.clone() * g
        }))
    }

    /// The best matching of each sample, and its score, `[.., 1, 1]`.
    fn samples<const D: usize>(
        &self,
        x: &Tensor<D>,
        noise: &[Tensor<D>],
    ) -> Result<Vec<(Tensor<D>, Tensor<D>)>, Error> {
        let setting = |setting, value, allowed| Error::Setting {
            setting,
            value,
            allowed,
        };
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            return Err(setting("epsilon", self.epsilon, "a positive number"));
        }
        if noise.is_empty() {
            return Err(setting("samples of the noise", 0.0, "at least one"));
        }
        let mut shape = x.dims();
        (shape[D - 2], shape[D - 1]) = (1, 1);
        let of_sample = |z: &Tensor<D>| {
            assert_eq!(
                z.dims(),
                x.dims(),
                "perturbed matching: noise must have the shape of the scores"
            );
            let drawn = assign_batch(x.clone() + z.clone().inner() * self.epsilon)?;
            let values: Vec<f64> = drawn.matrices.iter().map(|one| one.value).collect();
            let place = (&x.device(), x.dtype());
            let values = Tensor::from_data(TensorData::new(values, shape), place);
            Ok((drawn.plan, values))
        };
        noise.iter().map(of_sample).collect()
    }
}

/// Of each matrix, `[.., 1, 1]`.
fn total<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.sum_dim(D - 1).sum_dim(D - 2)
}

fn sum<const D: usize>(parts: impl Iterator<Item = Tensor<D>>) -> Tensor<D> {
    parts
        .reduce(|a, b| a + b)
        .expect("there is at least one sample")
}

fn mean<const D: usize>(parts: impl ExactSizeIterator<Item = Tensor<D>>) -> Tensor<D> {
    let count = parts.len() as f64;
    sum(parts) / count
}
