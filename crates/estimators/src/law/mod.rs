//! Laws of a choice: how it is drawn, its density, and how it can be relaxed.
//!
//! A law works on rows: parameters `[rows, width]`, values `[rows, width']`. The built-in ones are [`Bernoulli`],
//! [`Categorical`] and [`Gaussian`]; others implement [`Law`] and, where they can, [`Relaxation`].

mod bernoulli;
mod categorical;
mod gaussian;

use std::fmt::Debug;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

pub use bernoulli::Bernoulli;
pub use categorical::Categorical;
pub use gaussian::Gaussian;

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

    /// Expected value, `[rows, width]`.
    fn mean(&self, params: Tensor<2>) -> Tensor<2>;

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

/// A law with an opposite sample, coupled entry by entry.
pub trait Antithesis {
    /// The noise of the opposite sample.
    fn opposite(&self, noise: Tensor<2>) -> Tensor<2>;

    /// The factor of `f(value) - f(opposite)` in an unbiased gradient to the parameters.
    fn factor(&self, params: Tensor<2>, value: Tensor<2>, opposite: Tensor<2>) -> Tensor<2>;
}

/// Sum over the columns, `[rows, width] -> [rows]`.
pub(crate) fn row_sum(x: Tensor<2>) -> Tensor<1> {
    x.sum_dim(1).squeeze_dim::<1>(1)
}

/// A `[1]` scalar as `[1, 1]`, to broadcast over rows.
pub(crate) fn scalar(x: Tensor<1>) -> Tensor<2> {
    x.unsqueeze::<2>()
}
