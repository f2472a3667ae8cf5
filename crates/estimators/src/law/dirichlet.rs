//! Points of simplices, side by side in a row, by implicit reparameterization.
//!
//! Source: Figurnov, Mohamed & Mnih, "Implicit Reparameterization Gradients", 2018.
//!
//! `x = g / sum(g)`, `g_i` a gamma variable of concentration `a_i`: computed as `softmax(ln g)`, so that small concentrations, where all
//! `g` underflow, do no harm. `ln p = ln Gamma(sum a) - sum ln Gamma(a_i) + sum (a_i - 1) ln x_i`.

use burn::tensor::{Tensor, activation::softmax};

use super::{
    Law, Reparameterization,
    entrywise::LEAST,
    special::{digamma, ln_gamma, ln_gamma_quantile, on_host},
};
use crate::noise::NoiseLaw;

/// `n` independent points of simplices with `parts` coordinates each; parameters are ln concentrations `[rows, n * parts]`, values
/// blocks that sum to one, each entry at least 1e-30.
#[derive(Debug, Clone, Copy)]
pub struct Dirichlet {
    /// Coordinates of a point, at least 2.
    pub parts: usize,
}

impl Dirichlet {
    /// `[rows, n * parts] -> [rows * n, parts]`.
    fn split(self, x: Tensor<2>) -> Tensor<2> {
        let [rows, width] = x.dims();
        assert!(
            width % self.parts == 0,
            "a Dirichlet site of {} parts got {width} columns",
            self.parts
        );
        x.reshape([rows * (width / self.parts), self.parts])
    }

    /// `[rows * n, 1] -> [rows]`, summed over points.
    fn over_points(rows: usize, x: Tensor<2>) -> Tensor<1> {
        x.reshape([rows as i32, -1]).sum_dim(1).squeeze_dim::<1>(1)
    }

    /// Points, and the derivatives of `ln g` in the parameters, `[rows * n, parts]`, without gradient.
    fn draw(self, params: Tensor<2>, noise: Tensor<2>) -> [Tensor<2>; 3] {
        let a = self.split(params.inner()).exp();
        let u = self.split(noise.inner());
        let [log_g, in_a] = on_host([a.clone(), u], |[a, u]| ln_gamma_quantile(a, u));
        let x = softmax(log_g.clone(), 1);
        [x, log_g, in_a * a]
    }

    /// `ln B(a)` of every point, `[rows * n, 1]`.
    fn ln_norm(a: Tensor<2>) -> Tensor<2> {
        ln_gamma(a.clone()).sum_dim(1) - ln_gamma(a.sum_dim(1))
    }

    /// `E[ln x]`.
    fn mean_log(a: Tensor<2>) -> Tensor<2> {
        digamma(a.clone()) - digamma(a.sum_dim(1))
    }
}

impl Law for Dirichlet {
    fn name(&self) -> &'static str {
        "dirichlet"
    }

    fn noise(&self) -> NoiseLaw {
        NoiseLaw::Uniform
    }

    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        let shape = params.dims();
        let change = self.split(params.clone() - params.clone().inner());
        let [_, log_g, slope] = self.draw(params, noise);
        softmax(log_g + slope * change, 1)
            .clamp_min(LEAST)
            .reshape(shape)
    }

    fn mean(&self, params: Tensor<2>) -> Tensor<2> {
        let shape = params.dims();
        softmax(self.split(params), 1).reshape(shape)
    }

    fn log_prob(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<1> {
        let rows = value.dims()[0];
        let (a, x) = (self.split(params).exp(), self.split(value));
        let inside = ((a.clone() - 1.0) * x.log()).sum_dim(1);
        Self::over_points(rows, inside - Self::ln_norm(a))
    }

    fn score(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
        let shape = params.dims();
        let (a, x) = (self.split(params).exp(), self.split(value));
        (a.clone() * (x.log() - Self::mean_log(a))).reshape(shape)
    }

    fn negative_entropy(&self, params: Tensor<2>) -> Option<Tensor<1>> {
        let rows = params.dims()[0];
        let a = self.split(params).exp();
        let inside = ((a.clone() - 1.0) * Self::mean_log(a.clone())).sum_dim(1);
        Some(Self::over_points(rows, inside - Self::ln_norm(a)))
    }

    fn kl(&self, params: Tensor<2>, prior: Tensor<2>) -> Option<Tensor<1>> {
        let shape = params.dims();
        let (a, p) = (
            self.split(params).exp(),
            self.split(prior.expand(shape)).exp(),
        );
        let inside = ((a.clone() - p.clone()) * Self::mean_log(a.clone())).sum_dim(1);
        Some(Self::over_points(
            shape[0],
            inside + Self::ln_norm(p) - Self::ln_norm(a),
        ))
    }

    fn reparameterization(&self) -> Option<&dyn Reparameterization> {
        Some(self)
    }
}

impl Reparameterization for Dirichlet {
    fn pull(&self, params: Tensor<2>, noise: Tensor<2>, h: Tensor<2>) -> Tensor<2> {
        // dx_i/dln g_j = x_i (1[i = j] - x_j).
        let shape = params.dims();
        let [x, _, slope] = self.draw(params, noise);
        let h = self.split(h);
        let mean = (x.clone() * h.clone()).sum_dim(1);
        (slope * x * (h - mean)).reshape(shape)
    }

    fn push(&self, params: Tensor<2>, noise: Tensor<2>, g: Tensor<2>) -> Tensor<2> {
        let shape = params.dims();
        let [x, _, slope] = self.draw(params, noise);
        let along = slope * self.split(g);
        let mean = (x.clone() * along.clone()).sum_dim(1);
        (x * (along - mean)).reshape(shape)
    }
}
