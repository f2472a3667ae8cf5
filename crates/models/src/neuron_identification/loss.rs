//! The model as a stochastic program: the evidence lower bound.

use std::borrow::Cow;
use std::f64::consts::PI;

use burn::module::Module;
use burn::tensor::{Device, IndexingUpdateOp, Tensor};
use unbiased_estimators::{Program, Run, Site};
use unbiased_permutations::birkhoff::Polytope;
use unbiased_permutations::sites::{Construction, OnPolytope, SoftMatching};

use super::config::{Method, NeuronConfig};
use super::law::Rows;
use super::model::{Posterior, Recording, Recordings};

/// Variance of the relaxed prior of the rounding law around 0 and 1, as in the paper's code.
const PRIOR_VARIANCE: f64 = 0.1;

/// Worms under a posterior, `samples` times. Choices: the site `weights`, one number per connection in units of the prior's standard
/// deviation, and `names`, a matrix for each worm in turn, row a for the a-th recorded neuron.
#[derive(Debug, Clone)]
pub struct NeuronProgram<'a> {
    model: Cow<'a, Posterior>,
    config: &'a NeuronConfig,
    recordings: &'a Recordings,
    samples: usize,
}

impl<'a> NeuronProgram<'a> {
    /// The bound in as many samples.
    ///
    /// # Panics
    /// For methods that are not variational.
    #[must_use]
    pub fn new(
        model: &'a Posterior,
        config: &'a NeuronConfig,
        recordings: &'a Recordings,
        samples: usize,
    ) -> Self {
        assert!(config.method.is_variational(), "NeuronProgram: method");
        Self {
            model: Cow::Borrowed(model),
            config,
            recordings,
            samples,
        }
    }

    /// X of a worm, `[rows, N²]`, from parameters of its law: scores, for rounding with ln V beside them.
    fn names(&self, run: &mut Run<'_>, parameters: Tensor<2>) -> Tensor<2> {
        let matching = self.config.matching;
        let temperature = matching.temperature;
        let site = Site::new(parameters);
        let choice = match self.config.method {
            Method::NaiveVi => run.law("names", Rows { temperature }, site),
            Method::Rounding => {
                let rounding = OnPolytope {
                    construction: Construction::Rounding,
                    temperature,
                    polytope: Polytope::Birkhoff,
                };
                run.law("names", rounding, site)
            }
            _ => run.law("names", matching.law(), site),
        };
        choice.value
    }

    /// Weights `[rows, E]` in their places, `[rows, N, N]`.
    fn weights(&self, choice: Tensor<2>) -> Tensor<3> {
        let Recordings {
            neurons: n,
            weight_sd,
            connections,
            ..
        } = self.recordings;
        let rows = choice.dims()[0];
        let zeros = Tensor::<2>::zeros([rows, n * n], (&choice.device(), choice.dtype()));
        zeros
            .select_assign(
                1,
                connections.clone(),
                choice * *weight_sd,
                IndexingUpdateOp::Add,
            )
            .reshape([rows, *n, *n])
    }

    /// What the law of the names of a worm costs, `[rows]`, given the X `[rows, N²]` and the names drawn.
    fn divergence(
        &self,
        scores: Tensor<2>,
        spread: Option<Tensor<2>>,
        names: Tensor<2>,
    ) -> Option<Tensor<1>> {
        let law = self.config.matching.law();
        let prior = self.config.prior_temperature;
        let divergence = match self.config.method {
            Method::GumbelSinkhornTightened => law.tightened_divergence(scores, prior),
            Method::GumbelSinkhorn => law.divergence(scores, prior),
            // Without columns the Gumbel matrices are the same, with noise of factor 1.
            Method::NaiveVi => SoftMatching { noise: 1.0, ..law }.divergence(scores, prior),
            Method::Rounding => {
                let spread = spread.expect("of the rounding law");
                return Some(self.relaxed_divergence(scores, spread, names));
            }
            _ => return None,
        };
        Some(divergence.unwrap_or_else(|error| panic!("NeuronProgram: {error}")))
    }

    /// `−H(q) − ln p(X)` over pairs that may be, p the product of even mixtures of normals around 0 and 1.
    fn relaxed_divergence(
        &self,
        scores: Tensor<2>,
        ln_deviation: Tensor<2>,
        x: Tensor<2>,
    ) -> Tensor<1> {
        let forbidden = scores.inner().equal_scalar(f64::NEG_INFINITY);
        let ln_normal = |d: Tensor<2>| d.square() * (-0.5 / PRIOR_VARIANCE);
        let (at_0, at_1) = (ln_normal(x.clone()), ln_normal(x - 1.0));
        // ln(½eᵃ + ½eᵇ) = b + softplus(a − b) − ln 2
        let mixture = at_1.clone() + burn::tensor::activation::softplus(at_0 - at_1, 1.0);
        let ln_prior = mixture - (2.0_f64.ln() + 0.5 * (2.0 * PI * PRIOR_VARIANCE).ln());
        let tau = self.config.matching.temperature;
        let entropy = ln_deviation + (0.5 * (1.0 + (2.0 * PI).ln()) + tau.ln());
        let terms = (entropy + ln_prior).mask_fill(forbidden, 0.0);
        terms.sum_dim(1).squeeze_dim::<1>(1).neg()
    }
}

/// `ln p(Y | P, W)` in nats, `[rows]`: P and W `[rows, N, N]`.
fn log_likelihood(worm: &Recording, p: Tensor<3>, w: Tensor<3>) -> Tensor<1> {
    let [rows, n, _] = p.dims();
    let q = p.clone().matmul(w).matmul(p.transpose());
    let moved = q.clone().reshape([rows * n, n]).matmul(worm.s00.clone());
    let twice = worm.s10.clone().unsqueeze::<3>() * 2.0;
    let quadratic = (q * (moved.reshape([rows, n, n]) - twice)).flatten::<2>(1, 2);
    let constant = (worm.steps * n) as f64 * (2.0 * PI).ln() + worm.s11;
    (quadratic.sum_dim(1).squeeze_dim::<1>(1) + constant) * -0.5
}

impl Program for NeuronProgram<'_> {
    fn batch(&self) -> usize {
        self.samples
    }

    fn device(&self) -> Device {
        self.recordings.worms[0].s00.device()
    }

    fn run(&self, run: &mut Run<'_>) {
        let repeat = |x: Tensor<2>| x.repeat_dim(0, self.samples);
        let weights = self.model.weights();
        let prior = weights.clone().inner().zeros_like();
        let site = Site::new(run.rows(repeat(weights))).prior(prior);
        let w = self.weights(run.gaussian("weights", site).value);
        let n = self.recordings.neurons;
        for (j, worm) in self.recordings.worms.iter().enumerate() {
            let scores = run.rows(repeat(self.model.scores(j, worm.forbidden.clone())));
            let spread = (self.config.method == Method::Rounding).then(|| {
                let ln_deviation = self.model.ln_deviation(j, self.config.deviation);
                run.rows(repeat(ln_deviation))
            });
            let parts = [Some(scores.clone()), spread.clone()];
            let parameters = Tensor::cat(parts.into_iter().flatten().collect(), 1);
            let names = self.names(run, parameters);
            if let Some(divergence) = self.divergence(scores, spread, names.clone()) {
                run.cost("names", divergence, run.mark());
            }
            let rows = names.dims()[0];
            let p = names.reshape([rows, n, n]);
            run.log_lik("activity", log_likelihood(worm, p, w.clone()));
        }
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(NeuronProgram {
            model: Cow::Owned(self.model.valid()),
            ..self.clone()
        })
    }
}
