//! REBAR: REINFORCE with a relaxed copy of the objective as control variate.
//!
//! Source: Tucker, Mnih, Maddison, Lawson & Sohl-Dickstein, "REBAR: Low-variance, Unbiased Gradient Estimates for
//! Discrete Latent Variable Models", 2017, eq. 8 and 9; coupled noise as in its code.
//!
//! `c(z) = f(relax(z / t))`, everything after the choice relaxed too, and
//! `g = (f(b) - eta c(z~)) d ln p(b; a)/da + eta dc(z)/da - eta dc(z~)/da`, `z~ ~ p(z | b; a)`
//!
//! With [`RelaxationKind::Muprop`] it is `relax(z / t + a t / (t + 1))` instead. The `a` in it is held constant: its
//! derivative at `z` and at `z~` has the same mean, and is the same where both are one point.
//!
//! Coupled, the noise of `z~` is the one that gives `z~ = z`, so one evaluation of `c` serves all three terms; `z~` still
//! has its own Jacobian. Both forms are unbiased for every `eta` and `t`.
//!
//! | unbiased | f differentiable              | calls of f                      | extra parameters |
//! |----------|-------------------------------|---------------------------------|------------------|
//! | yes      | in relaxed values, continuous | 1 + per choice 1 (2) relaxed    | `eta`, `ln t`    |
//!
//! `eta = 2 sigma(.)`, at first 1, and `ln t`, at first `ln 1/2`, minimise `E ||g||^2`, whose gradient is that of the
//! variance. `g` is affine in `eta`, `g = g0 + eta k` with `E[k] = 0`, so the best one is also known in closed form,
//! `-E[g0 . k] / E[k . k]`: with [`EtaRule::Running`] it is that of running means over the batches before. For `t`: with `g` held
//! constant, `d E||g||^2 = d E[S]`, `S = 2 eta (-(g . s) c(z~) + D_w c(z) - D_w~ c(z~))`, `w = (dz/da) g`, `w~ = (dz~/da) g`; the
//! directional derivatives are central differences in `z` on common noise, so that one reverse pass suffices (3 or 5
//! more relaxed evaluations). [`Tuning`] says where the square is taken.
//!
//! Shapes: as the site. Numerics: step of the differences 1e-2 sqrt(width) / |w| in f32, 1e-4 in f64; `ln t` is held in
//! [-4, 4]. Differences from the paper: one `eta` and one `t` per site; the relaxation is that of Grathwohl et al., 2018, unless
//! asked for the paper's. The rule is [`Relax`](super::relax::Relax) with this control variate alone.

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, activation::sigmoid},
};
use serde::{Deserialize, Serialize};

use super::At;
use crate::{
    control::difference_points,
    law::{RelaxationKind, Relaxing, row_sum},
    owned::{RunningMean, scalar_parameter},
    trace::{Draw, column, execute},
};

use super::branches::Slope;

/// How the scale of a control variate is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EtaRule {
    /// By the optimizer of the estimator, on the gradient of the variance.
    #[default]
    Gradient,
    /// In closed form, from running means over the batches before.
    Running,
}

/// Whose squared length is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tuning {
    /// That of the gradient of each row at the parameters of the choice: `||g||^2`.
    #[default]
    Logits,
    /// That of the gradient of each row in the affine map that gives them from the [features](crate::Site::features) `h`:
    /// `(||h||^2 + 1) ||g||^2`. Products of two rows have a mean that does not depend on what is tuned, and are left out.
    Parameters,
}

impl Tuning {
    /// `M g`, where `g . M g` is the squared length; `g` covers the rows of `at`.
    pub(super) fn metric(self, at: &At<'_>, g: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Logits => g,
            Self::Parameters => {
                let h = at.features().expect("checked: the site has features");
                g * column(row_sum(h.square()) + 1.0)
            }
        }
    }
}

/// Scale and temperature of the relaxed objective.
#[derive(Module, Debug)]
pub struct RebarParameters {
    /// `eta = 2 sigma(eta_logit)`.
    eta_logit: Param<Tensor<1>>,
    log_temperature: Param<Tensor<1>>,
    running: Option<RunningEta>,
    #[module(skip)]
    relaxation: RelaxationKind,
}

impl RebarParameters {
    /// `eta` in (0, 2) and a temperature above 0.
    #[must_use]
    pub fn new(eta: f64, temperature: f64, rule: EtaRule, device: &Device) -> Self {
        let parameter = |x: f64| scalar_parameter(x as f32, device);
        Self {
            eta_logit: parameter((eta / (2.0 - eta)).ln()),
            log_temperature: parameter(temperature.ln()),
            running: (rule == EtaRule::Running).then(|| RunningEta::new(device)),
            relaxation: RelaxationKind::default(),
        }
    }

    /// Relaxes otherwise.
    #[must_use]
    pub fn relaxed_as(mut self, relaxation: RelaxationKind) -> Self {
        self.relaxation = relaxation;
        self
    }

    /// The scale, `[1]`; on the tape where the optimizer finds it.
    pub(super) fn eta(&self) -> Tensor<1> {
        match &self.running {
            Some(running) => running.eta(),
            None => sigmoid(self.eta_logit.val()) * 2.0,
        }
    }

    pub(super) fn temperature(&self) -> Tensor<1> {
        self.log_temperature.val().clamp(-4.0, 4.0).exp()
    }

    /// On the tape of the temperature.
    pub(super) fn relaxing(&self) -> Relaxing {
        Relaxing {
            temperature: self.temperature(),
            kind: self.relaxation,
        }
    }

    /// Takes in `g0 . k` and `k . k` of a batch.
    pub(super) fn observe(&mut self, cross: Tensor<1>, square: Tensor<1>) {
        if let Some(running) = &mut self.running {
            running.cross.update(cross);
            running.square.update(square);
        }
    }

    pub(super) fn hold(&mut self) {
        if let Some(running) = &mut self.running {
            running.cross.hold();
            running.square.hold();
        }
    }
}

/// Running means of `g0 . k` and `k . k`.
#[derive(Module, Debug)]
struct RunningEta {
    cross: RunningMean,
    square: RunningMean,
}

impl RunningEta {
    fn new(device: &Device) -> Self {
        Self {
            cross: RunningMean::new(0.99, device),
            square: RunningMean::new(0.99, device),
        }
    }

    /// `-E[g0 . k] / E[k . k]` in [0, 2]; 0 at the start.
    fn eta(&self) -> Tensor<1> {
        (self.cross.value().neg() / self.square.value().clamp_min(1e-30)).clamp(0.0, 2.0)
    }
}

/// `c` at each of `points`, `[points * rows]`, everything after the choice relaxed, too.
fn objective(at: &At<'_>, points: Vec<Tensor<2>>, relaxing: &Relaxing) -> Tensor<1> {
    let copies = points.len() * at.samples();
    let repeat = points.len();
    let points = Tensor::cat(points, 0);
    let draw = |index: usize, _: &crate::program::Key| {
        let site = &at.trace.sites[index];
        if index < at.index {
            Draw::Given(at.block(site.value.clone(), 0).repeat_dim(0, repeat))
        } else if index == at.index {
            Draw::Latent(points.clone(), relaxing.clone())
        } else if site.law.relaxation().is_some() {
            Draw::Extended(relaxing.clone())
        } else {
            Draw::Pathwise
        }
    };
    let trace = execute(
        (at.frozen)(),
        copies,
        at.samples(),
        at.weighing,
        &draw,
        at.noise,
    );
    trace
        .cost_to_go(at.index, at.discount())
        .unwrap_or_else(|| trace.zeros())
}

/// `c` and `dc/dz` at each of `points`.
pub(super) fn differentiate(
    at: &At<'_>,
    points: Vec<Tensor<2>>,
    relaxing: &Relaxing,
) -> (Tensor<1>, Tensor<2>) {
    let leaf = Tensor::cat(points, 0).autodiff().require_grad();
    let blocks = leaf.dims()[0] / at.rows();
    let points = if blocks == 1 {
        vec![leaf.clone()]
    } else {
        leaf.clone().chunk(blocks, 0)
    };
    let c = objective(at, points, relaxing);
    if !c.is_tracked() {
        return (c.inner(), leaf.inner().zeros_like());
    }
    let gradient = leaf
        .grad(&c.clone().sum().backward())
        .unwrap_or_else(|| leaf.inner().zeros_like());
    (c.inner(), gradient)
}

/// The sum of `weight c` at the last slope's point and of all slopes of `c`, on the tape of the temperature.
pub(super) fn contract(
    at: &At<'_>,
    weight: Tensor<1>,
    slopes: &[Slope],
    relaxing: &Relaxing,
) -> Tensor<1> {
    let (points, weights) = difference_points(weight, slopes);
    let c = objective(at, points, relaxing);
    (c * Tensor::cat(weights, 0)).sum()
}

/// `g0 . M k` and `k . M k`, `[1]` each, for the closed form of `eta`.
pub(super) fn affine(
    g0: Tensor<2>,
    k: Tensor<2>,
    metric_of_k: Tensor<2>,
) -> (Tensor<1>, Tensor<1>) {
    (
        row_sum(g0 * metric_of_k.clone()).mean(),
        row_sum(k * metric_of_k).mean(),
    )
}
