//! Laws of a choice: how it is drawn, its density, and how it can be relaxed.
//!
//! A law works on rows: parameters `[rows, width]`, values `[rows, width']`.
//!
//! | law | values | parameters | drawn by |
//! |---|---|---|---|
//! | [`Bernoulli`] | bits | logits | a threshold |
//! | [`Categorical`] | one-hot | logits | argmax of Gumbels |
//! | [`Poisson`] | counts | ln rate | quantile, on the host |
//! | [`Gaussian`] | real | mean, ln standard deviation | location and scale |
//! | [`Logistic`], [`Gumbel`] | real | location, ln scale | location and scale |
//! | [`Kumaraswamy`] | (0, 1) | ln a, ln b | quantile |
//! | [`Gamma`] | positive | ln concentration, ln rate | quantile, on the host |
//! | [`Beta`] | (0, 1) | ln a, ln b | quantile, on the host |
//! | [`Dirichlet`] | simplex | ln concentrations | gamma variables, on the host |
//! | [`VonMises`] | angles | direction, ln concentration | quantile, on the host |
//!
//! The last four are differentiated implicitly, from their distribution functions. "On the host" waits for the device.
//! Others implement [`Law`] and, where they can, [`Relaxation`], or [`Reparameterization`] by way of [`Entrywise`].

mod bernoulli;
mod beta;
mod categorical;
mod dirichlet;
mod entrywise;
mod gamma;
mod gaussian;
mod gumbel;
mod kumaraswamy;
mod logistic;
mod poisson;
mod special;
mod von_mises;

use std::fmt::Debug;

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

pub use bernoulli::Bernoulli;
pub use beta::Beta;
pub use categorical::Categorical;
pub use dirichlet::Dirichlet;
pub use entrywise::Entrywise;
pub use gamma::Gamma;
pub use gaussian::Gaussian;
pub use gumbel::Gumbel;
pub use kumaraswamy::Kumaraswamy;
pub use logistic::Logistic;
pub use poisson::Poisson;
pub use von_mises::VonMises;

use crate::{control::difference_step, noise::NoiseLaw, trace::column};

/// The law of a choice given its parameters.
pub trait Law: Debug {
    /// A short name for messages.
    fn name(&self) -> &'static str;

    /// The law of each entry of the noise that a draw consumes.
    fn noise(&self) -> NoiseLaw;

    /// Columns of noise (and of a value) for parameters with `params` columns.
    fn width(&self, params: usize) -> usize {
        params
    }

    /// The draw that `noise` stands for.
    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2>;

    /// Expected value, `[rows, width]`, differentiable in the parameters; a point in the middle where [`has_mean`](Law::has_mean) says so.
    fn mean(&self, params: Tensor<2>) -> Tensor<2>;

    /// Whether [`mean`](Law::mean) is the expectation. Otherwise what differentiates it (`muprop`, `double-cv`) is not defined.
    fn has_mean(&self) -> bool {
        true
    }

    /// The inverse of [`mean`](Law::mean), where every mean has parameters of its own: logits of probabilities.
    fn link(&self) -> Option<fn(Tensor<2>) -> Tensor<2>> {
        None
    }

    /// Whether it has a density that can be computed. Without one `log_prob` and `score` are never asked for, and `pathwise` is the only estimator.
    fn has_density(&self) -> bool {
        true
    }

    /// `ln p(value | params)` in nats, `[rows]`; linear in a discrete value, so that it extends to relaxed ones.
    fn log_prob(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<1>;

    /// `d ln p(value | params) / d params`, of the shape of the parameters.
    fn score(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<2>;

    /// `E[ln p]` in nats (minus the entropy), `[rows]`, where there is a closed form.
    fn negative_entropy(&self, params: Tensor<2>) -> Option<Tensor<1>>;

    /// `KL(params || prior)` in nats, `[rows]`, where there is a closed form; the prior may have one row for all.
    fn kl(&self, params: Tensor<2>, prior: Tensor<2>) -> Option<Tensor<1>>;

    /// How a continuous law moves with its parameters; none for a discrete law.
    fn reparameterization(&self) -> Option<&dyn Reparameterization> {
        None
    }

    /// Whether values are angles, for which the score is right only where costs are periodic: a linear function of one is not.
    fn is_periodic(&self) -> bool {
        false
    }

    /// Whether [`sample`](Law::sample) is a differentiable function of the parameters whose gradient is the pathwise
    /// estimator.
    fn is_pathwise(&self) -> bool {
        self.reparameterization().is_some()
    }

    /// All values for parameters with `params` columns, each of [`width`](Law::width) entries, if there are at most
    /// `limit`.
    fn support(&self, _params: usize, _limit: usize) -> Option<Vec<Vec<f64>>> {
        None
    }

    /// How many classes each of its one-hot choices has, side by side in a row, if that is what its values are.
    fn classes(&self) -> Option<usize> {
        None
    }

    /// The continuous relaxation of a discrete law.
    fn relaxation(&self) -> Option<&dyn Relaxation> {
        None
    }

    /// Its derivative as a difference of laws.
    fn decomposition(&self) -> Option<&dyn Decomposition> {
        None
    }

    /// The coupled opposite sample of DisARM.
    fn antithesis(&self) -> Option<&dyn Antithesis> {
        None
    }
}

/// A continuous law `b = T(params, noise)`, smooth in its parameters.
pub trait Reparameterization {
    /// `(dT/dparams)^T h`, of the shape of the parameters.
    fn pull(&self, params: Tensor<2>, noise: Tensor<2>, h: Tensor<2>) -> Tensor<2>;

    /// `(dT/dparams) g`, of the shape of a value: the transpose of [`pull`](Reparameterization::pull).
    fn push(&self, params: Tensor<2>, noise: Tensor<2>, g: Tensor<2>) -> Tensor<2>;
}

/// A discrete law `b = H(z)` whose latent `z` is a smooth function of parameters and noise.
pub trait Relaxation {
    /// `z(params, noise)`, with `H(z)` equal to the law's draw from the same noise.
    fn latent(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2>;

    /// `H(z)`.
    fn harden(&self, latent: Tensor<2>) -> Tensor<2>;

    /// Where `z` lies without noise.
    fn location(&self, params: Tensor<2>) -> Tensor<2> {
        let none = params.zeros_like();
        self.latent(params, none)
    }

    /// The relaxed value of `z` at `temperature` `[1]`; tends to `H(z)` as the temperature falls.
    fn relax(&self, latent: Tensor<2>, temperature: Tensor<1>) -> Tensor<2>;

    /// The relaxed value and its derivative along `direction` `[rows, width]` in `latent`, both differentiable in the
    /// temperature. By default central differences.
    fn relax_tangent(
        &self,
        latent: Tensor<2>,
        direction: Tensor<2>,
        temperature: Tensor<1>,
    ) -> (Tensor<2>, Tensor<2>) {
        let (step, inverse) = difference_step(&direction);
        let shift = column(step) * direction;
        let ahead = self.relax(latent.clone() + shift.clone(), temperature.clone());
        let behind = self.relax(latent.clone() - shift, temperature.clone());
        (
            self.relax(latent, temperature),
            (ahead - behind) * column(inverse),
        )
    }

    /// A latent from `p(z | H(z) = hard)`.
    fn conditional(&self, params: Tensor<2>, hard: Tensor<2>, noise: Tensor<2>) -> Tensor<2>;

    /// `(dz/dparams)^T h` for the unconditional latent.
    fn pull(&self, params: Tensor<2>, h: Tensor<2>) -> Tensor<2>;

    /// `(dz~/dparams)^T h` for the conditional latent with value `latent`, at fixed noise.
    fn pull_conditional(
        &self,
        params: Tensor<2>,
        hard: Tensor<2>,
        latent: Tensor<2>,
        h: Tensor<2>,
    ) -> Tensor<2>;

    /// `(dz/dparams) g`, the transpose of [`pull`](Relaxation::pull).
    fn push(&self, params: Tensor<2>, g: Tensor<2>) -> Tensor<2>;

    /// `(dz~/dparams) g`, the transpose of [`pull_conditional`](Relaxation::pull_conditional).
    fn push_conditional(
        &self,
        params: Tensor<2>,
        hard: Tensor<2>,
        latent: Tensor<2>,
        g: Tensor<2>,
    ) -> Tensor<2>;

    /// Log-density in nats, `[rows]`, of the Concrete variable of `params` at `temperature` in the coordinates
    /// `y` in which its support is unbounded (logit or log of the relaxed value).
    fn log_density(&self, params: Tensor<2>, temperature: Tensor<1>, y: Tensor<2>) -> Tensor<1>;

    /// The coordinates `y` of [`log_density`](Relaxation::log_density) of the relaxed value of `latent`.
    fn coordinates(&self, latent: Tensor<2>, temperature: Tensor<1>) -> Tensor<2>;
}

/// Which relaxed value stands for a latent `z` of location `a` (the logits) at temperature `t`. Both tend to the choice as
/// `t` falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelaxationKind {
    /// `relax(z / t)`; tends to equal probabilities as `t` grows.
    #[default]
    Concrete,
    /// `relax(z / t + a t / (t + 1))`; tends to the mean as `t` grows, as in `MuProp` (Tucker et al., "REBAR", 2017, section
    /// 3.4).
    Muprop,
}

/// How latents are relaxed in a run.
#[derive(Debug, Clone)]
pub struct Relaxing {
    /// `t`, `[1]`.
    pub temperature: Tensor<1>,
    /// The relaxed value at this temperature.
    pub kind: RelaxationKind,
}

impl Relaxing {
    /// The relaxed value of `latent` under a law with `params`, `[rows, width]`.
    #[must_use]
    pub fn relax(
        &self,
        relaxation: &dyn Relaxation,
        params: &Tensor<2>,
        latent: Tensor<2>,
    ) -> Tensor<2> {
        let t = self.temperature.clone();
        let latent = match self.kind {
            RelaxationKind::Concrete => latent,
            RelaxationKind::Muprop => {
                let shift = t.clone().square() / (t.clone() + 1.0);
                latent + relaxation.location(params.clone()) * scalar(shift)
            }
        };
        relaxation.relax(latent, t)
    }

    /// The same without gradient in the temperature.
    #[must_use]
    pub fn inner(self) -> Self {
        Self {
            temperature: self.temperature.inner(),
            ..self
        }
    }
}

impl From<Tensor<1>> for Relaxing {
    /// Concrete at this temperature.
    fn from(temperature: Tensor<1>) -> Self {
        Self {
            temperature,
            kind: RelaxationKind::Concrete,
        }
    }
}

/// A law whose derivative in each parameter is a difference of two laws (measure-valued derivatives): the gradient of an
/// expectation is a difference of costs at other values, coupled with the value that was drawn.
pub trait Decomposition {
    /// The law of further noise, of the shape of the choice's own, if the other values need any.
    fn further_noise(&self) -> Option<NoiseLaw> {
        None
    }

    /// Other values for every row, one block of rows for each evaluation of the cost, `[blocks * rows, width]`.
    fn others(&self, params: Tensor<2>, value: Tensor<2>, further: Option<Tensor<2>>) -> Tensor<2>;

    /// The gradient in the parameters, from how much more the other values cost than `value`: `change` `[rows, blocks]`.
    fn gradient(&self, params: Tensor<2>, value: Tensor<2>, change: Tensor<2>) -> Tensor<2>;
}

/// A law with an opposite sample, coupled entry by entry.
pub trait Antithesis {
    /// The noise of the opposite sample.
    fn opposite(&self, noise: Tensor<2>) -> Tensor<2>;

    /// The factor of `f(value) - f(opposite)` in an unbiased gradient to the parameters.
    fn factor(&self, params: Tensor<2>, value: Tensor<2>, opposite: Tensor<2>) -> Tensor<2>;
}

/// `value` `[rows, n]` with one entry replaced in every block, `[n * rows, n]`.
fn one_by_one(value: Tensor<2>, replacement: Tensor<2>) -> Tensor<2> {
    let [rows, n] = value.dims();
    let mut unit = vec![0.0; n * n];
    (0..n).for_each(|j| unit[j * (n + 1)] = 1.0);
    let like = (&value.device(), value.dtype());
    let unit = Tensor::<3>::from_data(TensorData::new(unit, [n, 1, n]), like);
    let change = (replacement - value.clone()).unsqueeze_dim::<3>(0) * unit;
    (value.unsqueeze_dim::<3>(0) + change).reshape([n * rows, n])
}

/// `ln p` of probabilities, at least -69, so that it stays finite where a probability underflows.
fn log_probability(p: Tensor<2>) -> Tensor<2> {
    p.clamp_min(1e-30).log()
}

/// Sum over the columns, `[rows, width] -> [rows]`.
pub(crate) fn row_sum(x: Tensor<2>) -> Tensor<1> {
    x.sum_dim(1).squeeze_dim::<1>(1)
}

/// A `[1]` scalar as `[1, 1]`, to broadcast over rows.
pub(crate) fn scalar(x: Tensor<1>) -> Tensor<2> {
    x.unsqueeze::<2>()
}
