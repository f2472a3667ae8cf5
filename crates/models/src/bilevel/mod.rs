//! Problems in two levels: hyper-parameters, weights of training examples, adversaries.
//!
//! `min_x F(x, y*(x))` where `y*(x) = argmin_y f(x, y)`
//!
//! The inner problem is solved to its end and then differentiated as an equation, `d f / d y = 0`, not as the
//! iterations that solved it (Bengio, "Gradient-based optimization of hyperparameters", 2000; Pedregosa,
//! "Hyperparameter optimization with approximate gradient", 2016):
//!
//! `dF/dx = d_x F - d²_xy f (d²_yy f)^-1 d_y F`
//!
//! | file | what |
//! |---|---|
//! | [`Solver`] | the inner problem by Newton's method, the hyper-gradient by implicit differentiation or by differences |
//! | [`Response`] | `E[F(x, y*(x))]`, x drawn around its mean: a stochastic program, for any estimator |
//! | [`Ridge`] | one penalty per group of features; optimum and hyper-gradient in closed form |
//! | [`Cleaning`] | a weight per training example, some of whose labels are wrong |
//!
//! x and y are vectors. Burn differentiates once, so products with second derivatives are central differences of
//! gradients: exact up to rounding for quadratic f, and of second order in the step otherwise.

mod cleaning;
mod response;
mod ridge;
mod solver;

pub use cleaning::Cleaning;
pub use response::{Derivative, Response};
pub use ridge::Ridge;
pub use solver::{Solver, Unsolved};

use burn::tensor::Tensor;

/// An outer and an inner objective of two vectors.
pub trait Bilevel {
    /// `F(x, y)`, `[1]`: x `[n]`, y `[m]`.
    fn outer(&self, x: Tensor<1>, y: Tensor<1>) -> Tensor<1>;

    /// `f(x, y)`, `[1]`, with a positive definite second derivative by y near its minimum.
    fn inner(&self, x: Tensor<1>, y: Tensor<1>) -> Tensor<1>;
}
