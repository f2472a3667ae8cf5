//! The bound on the evidence as a stochastic program.

use std::borrow::Cow;
use std::f64::consts::{PI, TAU};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use unbiased_estimators::{Program, Run, Site};
use unbiased_kernels::softplus;
use unbiased_permutations::Error;

use super::config::{MatchingConfig, Relaxation};
use super::model::{Law, Posterior};
use super::problem::Evidence;

/// All problems and their posteriors. The choice of the site `psi` is what stick-breaking and rounding make X of, normal variables; that of
/// `matching` is the soft matrix of Gumbel-Sinkhorn.
#[derive(Debug, Clone)]
pub struct MatchingProgram<'a> {
    posterior: Cow<'a, Posterior>,
    config: &'a MatchingConfig,
    evidence: &'a Evidence,
    /// Independent samples of every posterior.
    samples: usize,
}

impl<'a> MatchingProgram<'a> {
    /// A posterior for each problem of the evidence.
    #[must_use]
    pub fn new(
        posterior: &'a Posterior,
        config: &'a MatchingConfig,
        evidence: &'a Evidence,
    ) -> Self {
        Self {
            posterior: Cow::Borrowed(posterior),
            config,
            evidence,
            samples: 1,
        }
    }

    /// With so many samples of every posterior side by side, each a row of the batch.
    #[must_use]
    pub fn repeated(self, samples: usize) -> Self {
        Self { samples, ..self }
    }

    /// `[problems, ..] -> [rows, ..]`.
    fn rows<const D: usize>(&self, run: &Run<'_>, x: Tensor<D>) -> Tensor<D> {
        run.rows(x.repeat_dim(0, self.samples))
    }

    /// `ln p(y | X)`, `[rows]`.
    fn log_likelihood(&self, run: &Run<'_>, x: Tensor<3>) -> Tensor<1> {
        let centres = self.rows(run, self.evidence.centres.clone());
        let observations = self.rows(run, self.evidence.observations.clone());
        let variance = self.rows(run, self.evidence.variance.clone());
        let [_, n, axes] = centres.dims();
        let square = (observations - x.transpose().matmul(centres)).square();
        let square = total(square);
        let norm = (variance.clone() * TAU).log() * (-0.5 * (n * axes) as f64);
        norm.squeeze_dim::<1>(1) - square / (variance.squeeze_dim::<1>(1) * 2.0)
    }

    /// `ln p(X)` of the relaxed prior, `[rows]`.
    fn log_prior(&self, x: Tensor<3>) -> Tensor<1> {
        let variance = self.config.prior_deviation.powi(2);
        // ln ½ (N(x; 0) + N(x; 1)): the second over the first is e^{(2x − 1)/2η²}.
        let second = softplus((x.clone() * 2.0 - 1.0) / (2.0 * variance));
        let first = x.square() / (-2.0 * variance) - 0.5 * (8.0 * PI * variance).ln();
        total(first + second)
    }

    fn relaxed(&self, run: &mut Run<'_>, law: &Law) -> Result<Tensor<3>, Error> {
        let (mean, deviation) = law.normal()?;
        let [problems, side, _] = mean.dims();
        let flat = |x: Tensor<3>| x.reshape([problems, side * side]);
        let params = Tensor::cat(vec![flat(mean), flat(deviation).log()], 1);
        let psi = run.gaussian("psi", Site::new(self.rows(run, params))).value;
        let psi = psi.clone().reshape([psi.dims()[0], side, side]);
        let draw = law.map(|x| self.rows(run, x)).at(psi)?;
        run.log_lik("prior", self.log_prior(draw.value.clone()));
        run.log_lik("posterior", total(draw.log_prob).neg());
        Ok(draw.value)
    }

    fn balanced(&self, run: &mut Run<'_>) -> Result<Tensor<3>, Error> {
        let law = self.config.matching.law();
        let scores = self.rows(run, self.posterior.scores());
        let [rows, n] = [scores.dims()[0], self.config.n];
        let divergence = law.tightened_divergence(scores.clone(), self.config.prior_temperature)?;
        run.log_lik("divergence", divergence.neg());
        let x = run.law("matching", law, Site::new(scores)).value;
        Ok(x.reshape([rows, n, n]))
    }
}

/// Sums over the axes of a matrix, `[rows, ..] -> [rows]`.
fn total(x: Tensor<3>) -> Tensor<1> {
    x.sum_dim(2)
        .sum_dim(1)
        .squeeze_dim::<2>(2)
        .squeeze_dim::<1>(1)
}

impl Program for MatchingProgram<'_> {
    fn batch(&self) -> usize {
        self.posterior.scores().dims()[0] * self.samples
    }

    fn device(&self) -> Device {
        self.posterior.scores().device()
    }

    /// # Panics
    /// If settings are out of range or parameters are not numbers.
    fn run(&self, run: &mut Run<'_>) {
        let x = match self.config.law {
            Relaxation::GumbelSinkhorn => self.balanced(run),
            _ => self.relaxed(run, &self.posterior.law(self.config)),
        };
        let x = x.unwrap_or_else(|error| panic!("MatchingProgram: {error}"));
        let log_likelihood = self.log_likelihood(run, x);
        run.log_lik("observations", log_likelihood);
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(MatchingProgram {
            posterior: Cow::Owned(self.posterior.valid()),
            ..self.clone()
        })
    }
}
