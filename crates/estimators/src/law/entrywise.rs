//! Continuous variables side by side, each a smooth function of one number of noise and two parameters of its own.

use burn::tensor::{FloatDType, Tensor};

use super::Reparameterization;

/// Independent variables `[rows, n]` with parameters `[first, second]` side by side, `[rows, 2 n]`: all that a law of such
/// variables has to say of how it is drawn.
pub trait Entrywise {
    /// The variables for parameters and noise `[rows, n]`, and their derivatives in both parameters, without gradient.
    ///
    /// Where a distribution function `F` is all that is known of the variable, `x = F^-1(u)` and `dx/dp = -(dF/dp) / p(x)`
    /// (Figurnov, Mohamed & Mnih, "Implicit Reparameterization Gradients", 2018, eq. 6).
    fn draw(&self, params: [Tensor<2>; 2], noise: Tensor<2>) -> [Tensor<2>; 3];
}

impl<L: Entrywise> Reparameterization for L {
    fn pull(&self, params: Tensor<2>, noise: Tensor<2>, h: Tensor<2>) -> Tensor<2> {
        let [_, first, second] = self.draw(halves(params), noise);
        Tensor::cat(vec![first * h.clone(), second * h], 1)
    }

    fn push(&self, params: Tensor<2>, noise: Tensor<2>, g: Tensor<2>) -> Tensor<2> {
        let [_, first, second] = self.draw(halves(params), noise);
        let [to_first, to_second] = halves(g);
        first * to_first + second * to_second
    }
}

/// The draw, with its derivatives on the tape of `params`.
pub(super) fn sample(law: &impl Entrywise, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
    let [x, first, second] = law.draw(halves(params.clone().inner()), noise.inner());
    let [a, b] = halves(params.clone() - params.inner());
    x + first * a + second * b
}

/// The two parameters of every variable.
pub(super) fn halves(params: Tensor<2>) -> [Tensor<2>; 2] {
    let width = params.dims()[1];
    assert!(
        width.is_multiple_of(2),
        "a site of two parameters per variable got {width} columns"
    );
    [
        params.clone().narrow(1, 0, width / 2),
        params.narrow(1, width / 2, width / 2),
    ]
}

/// The least value of a positive variable: densities have slopes of `1/x`, which must not overflow in f32.
pub(super) const LEAST: f64 = 1e-30;

/// `x` in (0, 1) as far as its precision tells: no density there is at an end.
pub(super) fn inside_unit(x: Tensor<2>) -> Tensor<2> {
    let spacing = match FloatDType::from(x.dtype()) {
        FloatDType::F64 => f64::EPSILON,
        _ => f64::from(f32::EPSILON),
    };
    x.clamp(LEAST, 1.0 - spacing / 2.0)
}
