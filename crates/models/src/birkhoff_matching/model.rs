//! Relaxed posteriors.

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, TensorData, activation::sigmoid},
};
use unbiased_kernels::{NoiseLaw, noise};
use unbiased_permutations::birkhoff::{Draw, Polytope, Rounding, StickBreaking};
use unbiased_permutations::{Error, assign_batch};

use super::config::{MatchingConfig, Relaxation};

/// A posterior for each of many problems.
#[derive(Module, Debug)]
pub struct Posterior {
    /// μ of stick-breaking, L of rounding, X of Gumbel-Sinkhorn, `[problems, entries]`.
    location: Param<Tensor<2>>,
    /// ν between its bounds, as a logit, in the same shape; none for Gumbel-Sinkhorn.
    spread: Option<Param<Tensor<2>>>,
}

/// The logit of ν at the start.
const SPREAD: f64 = 0.0;

impl Posterior {
    /// Around the middle of the polytope.
    #[must_use]
    pub fn new(config: &MatchingConfig, problems: usize, device: &Device) -> Self {
        let n = config.n;
        let location = match config.law {
            Relaxation::StickBreaking => {
                StickBreaking::<3>::uniform(Polytope::Birkhoff, n, config.temperature)
            }
            Relaxation::Rounding | Relaxation::GumbelSinkhorn => vec![0.0; n * n],
        };
        let entries = location.len();
        let leaf = |values: Vec<f64>| {
            let values: Vec<f32> = values.into_iter().map(|x| x as f32).collect();
            let row = Tensor::<2>::from_data(TensorData::new(values, [1, entries]), device);
            Param::from_tensor(row.repeat_dim(0, problems))
        };
        let has_spread = config.law != Relaxation::GumbelSinkhorn;
        Self {
            location: leaf(location),
            spread: has_spread.then(|| leaf(vec![SPREAD; entries])),
        }
    }

    /// The scores of Gumbel-Sinkhorn, `[problems, n²]`.
    pub(super) fn scores(&self) -> Tensor<2> {
        self.location.val()
    }

    /// ν, `[problems, entries]`.
    fn deviation(&self, config: &MatchingConfig) -> Tensor<2> {
        let spread = self.spread.as_ref().expect("a law with deviations");
        let [least, most] = config.deviation;
        sigmoid(spread.val()) * (most - least) + least
    }

    /// The law of X.
    pub(super) fn law(&self, config: &MatchingConfig) -> Law {
        let [problems, entries] = self.location.dims();
        let side = entries.isqrt();
        let matrices = |x: Tensor<2>| x.reshape([problems, side, side]);
        let (location, deviation) = (
            matrices(self.location.val()),
            matrices(self.deviation(config)),
        );
        let (temperature, polytope) = (config.temperature, Polytope::Birkhoff);
        match config.law {
            Relaxation::StickBreaking => Law::StickBreaking(StickBreaking {
                mean: location,
                deviation,
                temperature,
                polytope,
            }),
            Relaxation::Rounding => Law::Rounding(Rounding {
                scores: location,
                deviation,
                temperature,
                polytope,
            }),
            Relaxation::GumbelSinkhorn => unreachable!("it has no density"),
        }
    }

    /// A permutation from each posterior, as lists: the nearest to a sample. Row r is decided by `streams[r]`; waits for the device.
    ///
    /// # Errors
    ///
    /// For parameters that are not numbers and a temperature out of range.
    pub fn sample(
        &self,
        config: &MatchingConfig,
        streams: &[u64],
    ) -> Result<Vec<Vec<usize>>, Error> {
        let model = self.valid();
        let [problems, entries] = model.location.dims();
        let (n, side) = (config.n, entries.isqrt());
        let draw = |law| {
            let numbers = noise(law, streams, entries, &model.location.val().device());
            numbers.reshape([problems, side, side])
        };
        let x = match config.law {
            Relaxation::GumbelSinkhorn => {
                let scores = model.scores().reshape([problems, n, n]);
                scores + draw(NoiseLaw::Gumbel) * config.matching.noise
            }
            _ => model.law(config).sample(draw(NoiseLaw::Normal))?.value,
        };
        let found = assign_batch(x)?.matrices;
        Ok(found
            .iter()
            .map(unbiased_permutations::Assignment::list)
            .collect())
    }
}

/// A law with a density, of the posteriors of all problems.
#[derive(Clone)]
pub(super) enum Law {
    StickBreaking(StickBreaking<3>),
    Rounding(Rounding<3>),
}

impl Law {
    /// Mean and deviation of ψ.
    pub(super) fn normal(&self) -> Result<(Tensor<3>, Tensor<3>), Error> {
        match self {
            Self::StickBreaking(law) => Ok((law.mean.clone(), law.deviation.clone())),
            Self::Rounding(law) => Ok((law.mean()?, law.deviation.clone())),
        }
    }

    /// With `f` of its parameters.
    pub(super) fn map(&self, f: impl Fn(Tensor<3>) -> Tensor<3>) -> Self {
        match self.clone() {
            Self::StickBreaking(law) => Self::StickBreaking(StickBreaking {
                mean: f(law.mean),
                deviation: f(law.deviation),
                ..law
            }),
            Self::Rounding(law) => Self::Rounding(Rounding {
                scores: f(law.scores),
                deviation: f(law.deviation),
                ..law
            }),
        }
    }

    /// X of ψ, with its density.
    pub(super) fn at(&self, psi: Tensor<3>) -> Result<Draw<3>, Error> {
        match self {
            Self::StickBreaking(law) => law.at(psi),
            Self::Rounding(law) => law.at(psi),
        }
    }

    /// X of standard normal noise.
    fn sample(&self, noise: Tensor<3>) -> Result<Draw<3>, Error> {
        match self {
            Self::StickBreaking(law) => law.sample(noise),
            Self::Rounding(law) => law.sample(noise),
        }
    }
}
