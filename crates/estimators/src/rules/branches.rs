//! The latents of a relaxed control variate and the Jacobians of its two branches; shared by REBAR and RELAX.

use burn::tensor::Tensor;

use super::At;
use crate::{
    law::{Relaxation, row_sum},
    noise::Role,
    trace::column,
};

/// `z`, `z~` and the Jacobians of both in the parameters.
pub(super) struct Branches<'a> {
    relaxation: &'a dyn Relaxation,
    coupled: bool,
    params: Tensor<2>,
    hard: Tensor<2>,
    score: Tensor<2>,
    /// `z`.
    free: Tensor<2>,
    /// `z~`; equal to `z` where the branches are coupled.
    conditional: Tensor<2>,
}

/// A point, a direction there, and a sign: a directional derivative of a control variate.
pub(super) type Slope = (Tensor<2>, Tensor<2>, f64);

impl<'a> Branches<'a> {
    pub(super) fn new(at: &At<'_>, relaxation: &'a dyn Relaxation, coupled: bool) -> Self {
        let (params, hard) = (at.params(), at.hard());
        let free = relaxation.latent(params.clone(), at.choice_noise());
        let conditional = if coupled {
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
        Self {
            relaxation,
            coupled,
            params,
            hard,
            score: at.score(),
            free,
            conditional,
        }
    }

    /// Where the control variate is needed: once if coupled.
    pub(super) fn points(&self) -> Vec<Tensor<2>> {
        if self.coupled {
            vec![self.free.clone()]
        } else {
            vec![self.free.clone(), self.conditional.clone()]
        }
    }

    /// `-c(z~) s + dc(z)/da - dc(z~)/da` from `c` and `dc/dz` at the [`points`](Branches::points).
    pub(super) fn control_term(&self, at_points: (Tensor<1>, Tensor<2>)) -> Tensor<2> {
        let (c, path) = self.value_and_path(at_points);
        path - column(c) * self.score.clone()
    }

    /// `c(z~)`, and `dc(z)/da - dc(z~)/da`.
    pub(super) fn value_and_path(
        &self,
        (c, slope): (Tensor<1>, Tensor<2>),
    ) -> (Tensor<1>, Tensor<2>) {
        let rows = self.free.dims()[0];
        let (c, free_slope, conditional_slope) = if self.coupled {
            (c, slope.clone(), slope)
        } else {
            (
                c.narrow(0, rows, rows),
                slope.clone().narrow(0, 0, rows),
                slope.narrow(0, rows, rows),
            )
        };
        let free = self.relaxation.pull(self.params.clone(), free_slope);
        let conditional = self.relaxation.pull_conditional(
            self.params.clone(),
            self.hard.clone(),
            self.conditional.clone(),
            conditional_slope,
        );
        (c, free - conditional)
    }

    /// With `g` held constant, `d E||g||^2 = 2 d E[weight c(z~) + sum of signed slopes of c]`: the weight `-(g . s)` of
    /// `c(z~)` and the slopes, of which the last is taken at `z~`.
    pub(super) fn variance_slopes(&self, g: &Tensor<2>) -> (Tensor<1>, Vec<Slope>) {
        let weight = row_sum(g.clone() * self.score.clone()).neg();
        let free = self.relaxation.push(self.params.clone(), g.clone());
        let conditional = self.relaxation.push_conditional(
            self.params.clone(),
            self.hard.clone(),
            self.conditional.clone(),
            g.clone(),
        );
        let slopes = if self.coupled {
            vec![(self.free.clone(), free - conditional, 1.0)]
        } else {
            vec![
                (self.free.clone(), free, 1.0),
                (self.conditional.clone(), conditional, -1.0),
            ]
        };
        (weight, slopes)
    }
}
