//! REBAR: REINFORCE with a relaxed copy of the objective as control variate.
//!
//! Source: Tucker, Mnih, Maddison, Lawson & Sohl-Dickstein, "REBAR: Low-variance, Unbiased Gradient Estimates for
//! Discrete Latent Variable Models", 2017, eq. 8 and 9; coupled noise as in its code.
//!
//! `c(z) = f(relax(z / t))`, everything after the choice relaxed too, and
//! `g = (f(b) - eta c(z~)) d ln p(b; a)/da + eta dc(z)/da - eta dc(z~)/da`, `z~ ~ p(z | b; a)`
//!
//! Coupled, the noise of `z~` is the one that gives `z~ = z`, so one evaluation of `c` serves all three terms; `z~` still
//! has its own Jacobian. Both forms are unbiased for every `eta` and `t`.
//!
//! | unbiased | f differentiable              | calls of f                      | extra parameters |
//! |----------|-------------------------------|---------------------------------|------------------|
//! | yes      | in relaxed values, continuous | 1 + per choice 1 (2) relaxed    | `eta`, `ln t`    |
//!
//! `eta = 2 sigma(.)`, at first 1, and `ln t`, at first `ln 1/2`, minimise `E ||g||^2`, whose gradient is that of the
//! variance. `g` is affine in `eta`. For `t`: with `g` held constant, `d E||g||^2 = d E[S]`,
//! `S = 2 eta (-(g . s) c(z~) + D_w c(z) - D_w~ c(z~))`, `w = (dz/da) g`, `w~ = (dz~/da) g`; the directional derivatives
//! are central differences in `z` on common noise, so that one reverse pass suffices (3 or 5 more relaxed evaluations).
//!
//! Shapes: as the site. Numerics: step of the differences 1e-2 sqrt(width) / |w| in f32, 1e-4 in f64; `ln t` is held in
//! [-4, 4]. Difference from the paper: relaxation `relax(z / t)` as in Grathwohl et al., 2018, not the one that tends to
//! the mean; one `eta` per site.

use burn::{
    module::{Module, Param},
    tensor::{DType, Device, Tensor, activation::sigmoid},
};

use super::{At, Gradient, Rule, expected_only, needs_relaxation, needs_replay};
use crate::{
    estimator::Objective,
    law::{Relaxation, row_sum, scalar},
    noise::Role,
    owned::{OwnedRule, scalar_parameter},
    trace::{Draw, Schema, SiteSchema, Weighing, column, execute},
};

/// REBAR with its scale and temperature.
#[derive(Debug, Clone)]
pub struct Rebar {
    /// One evaluation of the control variate instead of two.
    pub coupled: bool,
    /// Whether to compute what tunes the parameters.
    pub tuned: bool,
    /// Scale and temperature.
    pub parameters: RebarParameters,
}

/// Scale and temperature of a control variate.
#[derive(Module, Debug)]
pub struct RebarParameters {
    /// `eta = 2 sigma(eta_logit)`.
    eta_logit: Param<Tensor<1>>,
    log_temperature: Param<Tensor<1>>,
}

impl RebarParameters {
    /// `eta` in (0, 2) and a temperature above 0.
    #[must_use]
    pub fn new(eta: f64, temperature: f64, device: &Device) -> Self {
        let parameter = |x: f64| scalar_parameter(x as f32, device);
        Self {
            eta_logit: parameter((eta / (2.0 - eta)).ln()),
            log_temperature: parameter(temperature.ln()),
        }
    }

    fn eta(&self) -> Tensor<1> {
        sigmoid(self.eta_logit.val()) * 2.0
    }

    fn temperature(&self) -> Tensor<1> {
        self.log_temperature.val().clamp(-4.0, 4.0).exp()
    }
}

/// `c` at each of `points`, `[points * rows]`, everything after the choice relaxed at `temperature`.
fn control(at: &At<'_>, points: Vec<Tensor<2>>, temperature: &Tensor<1>) -> Tensor<1> {
    let copies = points.len() * at.samples();
    let repeat = points.len();
    let points = Tensor::cat(points, 0);
    let draw = |index: usize, _: &crate::program::Key| {
        let site = &at.trace.sites[index];
        if index < at.index {
            Draw::Given(at.block(site.value.clone(), 0).repeat_dim(0, repeat))
        } else if index == at.index {
            Draw::Latent(points.clone(), temperature.clone())
        } else if site.law.relaxation().is_some() {
            Draw::Extended(temperature.clone())
        } else {
            Draw::Pathwise
        }
    };
    let trace = execute(
        (at.frozen)(),
        copies,
        at.samples(),
        Weighing::Analytic,
        &draw,
        at.noise,
    );
    trace
        .cost_to_go(at.index, at.discount())
        .unwrap_or_else(|| trace.zeros())
}

/// `c` and its gradient at each of `points`.
fn control_gradient(
    at: &At<'_>,
    points: Vec<Tensor<2>>,
    temperature: &Tensor<1>,
) -> (Tensor<1>, Tensor<2>) {
    let leaf = Tensor::cat(points, 0).autodiff().require_grad();
    let blocks = leaf.dims()[0] / at.rows();
    let points = if blocks == 1 {
        vec![leaf.clone()]
    } else {
        leaf.clone().chunk(blocks, 0)
    };
    let c = control(at, points, temperature);
    if !c.is_tracked() {
        return (c.inner(), leaf.inner().zeros_like());
    }
    let gradient = leaf
        .grad(&c.clone().sum().backward())
        .unwrap_or_else(|| leaf.inner().zeros_like());
    (c.inner(), gradient)
}

/// A latent, the Jacobians of the two branches there, and what is known of `c`.
struct Branches<'a> {
    relaxation: &'a dyn Relaxation,
    params: Tensor<2>,
    hard: Tensor<2>,
    /// `z`.
    free: Tensor<2>,
    /// `z~`.
    conditional: Tensor<2>,
}

impl Branches<'_> {
    /// `-c(z~) s + dc(z)/da - dc(z~)/da`.
    fn control_term(
        &self,
        score: Tensor<2>,
        c: Tensor<1>,
        free_slope: Tensor<2>,
        conditional_slope: Tensor<2>,
    ) -> Tensor<2> {
        let free = self.relaxation.pull(self.params.clone(), free_slope);
        let conditional = self.relaxation.pull_conditional(
            self.params.clone(),
            self.hard.clone(),
            self.conditional.clone(),
            conditional_slope,
        );
        free - conditional - column(c) * score
    }

    /// `(dz/da) g` and `(dz~/da) g`.
    fn directions(&self, g: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        (
            self.relaxation.push(self.params.clone(), g.clone()),
            self.relaxation.push_conditional(
                self.params.clone(),
                self.hard.clone(),
                self.conditional.clone(),
                g,
            ),
        )
    }
}

impl Rebar {
    fn branches<'a>(&self, at: &At<'_>, relaxation: &'a dyn Relaxation) -> Branches<'a> {
        let (params, hard) = (at.params(), at.hard());
        let free = relaxation.latent(params.clone(), at.choice_noise());
        let conditional = if self.coupled {
            free.clone()
        } else {
            let site = at.site();
            let noise = at.noise.draw(
                site.law.noise(),
                &site.key,
                Role::Conditional,
                at.samples(),
                at.samples(),
                at.trace.batch,
                params.dims()[1],
                &params.device(),
            );
            relaxation.conditional(params.clone(), hard.clone(), noise)
        };
        Branches {
            relaxation,
            params,
            hard,
            free,
            conditional,
        }
    }

    /// `S / rows`: its gradient in `ln t` is that of the mean of `||g||^2` with everything else constant.
    fn temperature_surrogate(&self, at: &At<'_>, b: &Branches<'_>, g: &Tensor<2>) -> Tensor<1> {
        let (w, w_conditional) = b.directions(g.clone());
        let score_weight = row_sum(g.clone() * at.score()).neg();
        let (mut points, mut weights) = (vec![b.conditional.clone()], vec![score_weight]);
        let mut differentiate = |z: &Tensor<2>, direction: Tensor<2>, sign: f64| {
            let (step, inverse) = difference_step(&direction);
            let shift = column(step) * direction;
            points.extend([z.clone() + shift.clone(), z.clone() - shift]);
            weights.extend([inverse.clone() * sign, inverse * -sign]);
        };
        if self.coupled {
            differentiate(&b.free, w - w_conditional, 1.0);
        } else {
            differentiate(&b.free, w, 1.0);
            differentiate(&b.conditional, w_conditional, -1.0);
        }
        let c = control(at, points, &self.parameters.temperature());
        let rows = at.rows() as f64;
        (c * Tensor::cat(weights, 0)).sum() * (2.0 / rows) * self.parameters.eta().inner()
    }
}

/// Per row: the step of a central difference along `direction`, and `1 / (2 step)`.
fn difference_step(direction: &Tensor<2>) -> (Tensor<1>, Tensor<1>) {
    let relative = if direction.dtype() == DType::F64 {
        1e-4
    } else {
        1e-2
    };
    let scale = relative * (direction.dims()[1] as f64).sqrt();
    let norm = row_sum(direction.clone().square()).sqrt().clamp_min(1e-12);
    (norm.clone().recip() * scale, norm / (2.0 * scale))
}

impl Rule for Rebar {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        needs_replay(schema)?;
        expected_only(objective)?;
        needs_relaxation(site, schema)?;
        if schema.has_signals {
            return Err(
                "returns that come from outside are not known for relaxed choices; use `rloo`"
                    .into(),
            );
        }
        let fixed = schema
            .sites
            .iter()
            .skip_while(|earlier| earlier.key.name != site.key.name)
            .find(|later| later.law.relaxation().is_none() && !later.law.is_pathwise());
        match fixed {
            Some(later) => Err(format!(
                "`{}` is neither relaxable nor a smooth function of its noise; use `rloo`",
                later.key.name
            )),
            None => Ok(()),
        }
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let law = at.site().law.clone();
        let relaxation = law.relaxation().expect("checked: the law has a relaxation");
        let branches = self.branches(at, relaxation);
        let temperature = self.parameters.temperature().inner();
        let (score, rows) = (at.score(), at.rows());

        let (c, free_slope, conditional_slope) = if self.coupled {
            let (c, slope) = control_gradient(at, vec![branches.free.clone()], &temperature);
            (c, slope.clone(), slope)
        } else {
            let points = vec![branches.free.clone(), branches.conditional.clone()];
            let (c, slope) = control_gradient(at, points, &temperature);
            (
                c.narrow(0, rows, rows),
                slope.clone().narrow(0, 0, rows),
                slope.narrow(0, rows, rows),
            )
        };
        let reinforce = column(at.cost_to_go()) * score.clone();
        let control = at.mask(branches.control_term(score, c, free_slope, conditional_slope));
        let eta = scalar(self.parameters.eta());
        let logits = reinforce.clone() + eta.clone().inner() * control.clone();

        let relaxed = if self.coupled { 1.0 } else { 2.0 };
        let samples = at.samples() as f64;
        let mut gradient = Gradient {
            logits,
            tuning: None,
            evaluations: relaxed * samples,
        };
        if self.tuned {
            let s = self.temperature_surrogate(at, &branches, &gradient.logits);
            let square = row_sum((reinforce + eta * control).square()).mean();
            gradient.tuning = Some(square + (s.clone() - s.inner()));
            gradient.evaluations += (1.0 + 2.0 * relaxed) * samples;
        }
        Some(gradient)
    }

    fn owned(&self) -> Option<OwnedRule> {
        Some(OwnedRule::Rebar(self.parameters.clone()))
    }

    fn set_owned(&mut self, owned: OwnedRule) {
        let OwnedRule::Rebar(parameters) = owned else {
            panic!("REBAR got {owned:?}");
        };
        self.parameters = parameters;
    }

    fn freeze(&mut self) {
        self.tuned = false;
    }

    fn scalars(&self) -> Vec<(&'static str, Tensor<1>)> {
        vec![
            ("eta", self.parameters.eta().inner()),
            ("temperature", self.parameters.temperature().inner()),
        ]
    }
}
