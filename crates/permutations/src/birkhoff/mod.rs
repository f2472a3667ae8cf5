//! Laws on the Birkhoff polytope and on the simplex with densities that can be computed: relaxed permutations and relaxed choices.
//!
//! Source: Linderman, Mena, Cooper, Paninski and Cunningham, "Reparameterizing the Birkhoff Polytope for Variational Permutation
//! Inference", 2018.
//!
//! Both laws are a normal `ψ = μ + ν·z` moved by an invertible map, so `ln q(X) = Σ ln N(ψ; μ, ν²) − ln|dX/dψ|`, and both turn into laws of
//! permutations as their temperature falls.
//!
//! | | ψ of n × n matrices | X | rounds inside | forbidden pairs |
//! |---|---|---|---|---|
//! | [`StickBreaking`] | `[n − 1, n − 1]` | in the polytope | no | no |
//! | [`Rounding`] | `[n, n]` | near its vertices, not within | assignment | by scores of −∞ |
//!
//! A choice among n is one row of it: [`Polytope::Simplex`], with ψ of `[n − 1]` and `[n]`.
//!
//! Noise is an argument, standard normal, of the shape of the means.

mod rounding;
mod stick_breaking;

pub use rounding::Rounding;
pub use stick_breaking::StickBreaking;

use crate::Error;
use burn::tensor::Tensor;
use core::f64::consts::PI;

/// Of what X is a relaxation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polytope {
    /// Doubly stochastic matrices: the last two axes are one point.
    Birkhoff,
    /// Probabilities: the last axis is one point.
    Simplex,
}

impl Polytope {
    /// Sums over the axes of a point, which stay with length 1.
    fn total<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Birkhoff => x.sum_dim(D - 1).sum_dim(D - 2),
            Self::Simplex => x.sum_dim(D - 1),
        }
    }

    /// The lengths of the axes of a point.
    fn of_point(self, shape: &[usize]) -> &[usize] {
        match self {
            Self::Birkhoff => &shape[shape.len() - 2..],
            Self::Simplex => &shape[shape.len() - 1..],
        }
    }
}

/// A relaxed sample and its density; everything differentiable.
#[derive(Clone, Debug)]
pub struct Draw<const D: usize> {
    /// X, `[.., n, n]` or `[.., n]`.
    pub value: Tensor<D>,
    /// `ln q(X)`, in nats, `[.., 1, 1]` or `[.., 1]`.
    pub log_prob: Tensor<D>,
    /// `ln|dX/dψ|`, of the shape of `log_prob`.
    pub log_det: Tensor<D>,
}

/// `ln N(z; 0, 1) − ln ν`, each.
fn log_normal<const D: usize>(z: Tensor<D>, deviation: Tensor<D>) -> Tensor<D> {
    z.square() * -0.5 - deviation.log() - 0.5 * (2.0 * PI).ln()
}

/// `½·ln(2πe·ν²)`, each.
fn normal_entropy<const D: usize>(deviation: Tensor<D>) -> Tensor<D> {
    deviation.log() + 0.5 * (1.0 + (2.0 * PI).ln())
}

/// A temperature above 0 and at most `most`.
fn check_temperature(value: f64, most: f64, allowed: &'static str) -> Result<f64, Error> {
    if value > 0.0 && value <= most {
        return Ok(value);
    }
    Err(Error::Setting {
        setting: "temperature",
        value,
        allowed,
    })
}
