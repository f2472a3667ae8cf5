//! The inner problem and the derivative of its solution.

use burn::tensor::{DType, Tensor};

use super::Bilevel;

/// How far the inner problem and the equations of the hyper-gradient are solved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Solver {
    /// Steps of Newton's method, at most.
    pub newton: usize,
    /// Steps of conjugate gradients per system of equations, at most.
    pub conjugate: usize,
    /// Where both stop: the residual over the right-hand side, and the gradient over the first one.
    pub tolerance: f64,
}

impl Default for Solver {
    /// For single precision.
    fn default() -> Self {
        Self {
            newton: 50,
            conjugate: 100,
            tolerance: 1e-4,
        }
    }
}

/// Why the inner problem has no solution that can be differentiated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsolved {
    /// A gradient is not finite.
    #[error(
        "the inner objective has a gradient that is not finite; start elsewhere or make it stronger convex"
    )]
    NotFinite,
    /// A direction in which the inner objective curves down.
    #[error(
        "the inner objective is not convex at y (curvature {0:.3e}); add a penalty to it or start nearer to its minimum"
    )]
    NotConvex(f64),
}

/// `(d f/d x, d f/d y)` of one of the objectives.
fn gradients(
    f: impl Fn(Tensor<1>, Tensor<1>) -> Tensor<1>,
    x: &Tensor<1>,
    y: &Tensor<1>,
) -> [Tensor<1>; 2] {
    let leaf = |t: &Tensor<1>| t.clone().autodiff().require_grad();
    let (x, y) = (leaf(x), leaf(y));
    let mut gradients = f(x.clone(), y.clone()).backward();
    [x, y].map(|leaf| {
        let zeros = || leaf.clone().inner().zeros_like();
        leaf.grad_remove(&mut gradients).unwrap_or_else(zeros)
    })
}

fn dot(a: &Tensor<1>, b: &Tensor<1>) -> f64 {
    (a.clone() * b.clone()).sum().into_scalar::<f64>()
}

/// `d/dt` of the gradients of f at `y + t v`, by x and by y: a central difference whose step balances rounding and
/// curvature.
fn along(problem: &impl Bilevel, x: &Tensor<1>, y: &Tensor<1>, v: &Tensor<1>) -> [Tensor<1>; 2] {
    let unit: f64 = if y.dtype() == DType::F64 { 1e-5 } else { 5e-3 };
    let length = dot(v, v).sqrt().max(f64::MIN_POSITIVE);
    let step = unit * (1.0 + dot(y, y).sqrt()) / length;
    let at = |t: f64| gradients(|x, y| problem.inner(x, y), x, &(y.clone() + v.clone() * t));
    let ([x_up, y_up], [x_down, y_down]) = (at(step), at(-step));
    [(x_up, x_down), (y_up, y_down)].map(|(up, down)| (up - down) / (2.0 * step))
}

impl Solver {
    /// `y*(x)` from a start `y`, by Newton's method whose steps conjugate gradients find and halving shortens.
    ///
    /// # Errors
    /// An inner objective without a minimum near the start.
    pub fn solve(
        &self,
        problem: &impl Bilevel,
        x: &Tensor<1>,
        y: &Tensor<1>,
    ) -> Result<Tensor<1>, Unsolved> {
        let value = |y: &Tensor<1>| problem.inner(x.clone(), y.clone()).into_scalar::<f64>();
        let mut y = y.clone();
        let mut first = None;
        let mut now = value(&y);
        for _ in 0..self.newton {
            let [_, slope] = gradients(|x, y| problem.inner(x, y), x, &y);
            let length = dot(&slope, &slope).sqrt();
            if !(length.is_finite() && now.is_finite()) {
                return Err(Unsolved::NotFinite);
            }
            if length <= self.tolerance * *first.get_or_insert(length) {
                break;
            }
            let step = self.solve_curvature(problem, x, &y, &slope)?;
            let mut size = 1.0;
            let next = loop {
                let next = y.clone() - step.clone() * size;
                let there = value(&next);
                if there < now {
                    now = there;
                    break Some(next);
                }
                size *= 0.5;
                if size < 1e-4 {
                    break None;
                }
            };
            // Where no step goes down, rounding has the last word.
            match next {
                Some(next) => y = next,
                None => break,
            }
        }
        Ok(y)
    }

    /// `(d²_yy f)^-1 b` by conjugate gradients.
    fn solve_curvature(
        &self,
        problem: &impl Bilevel,
        x: &Tensor<1>,
        y: &Tensor<1>,
        b: &Tensor<1>,
    ) -> Result<Tensor<1>, Unsolved> {
        let mut q = b.zeros_like();
        let mut residual = b.clone();
        let mut direction = b.clone();
        let mut squared = dot(b, b);
        let enough = self.tolerance.powi(2) * squared;
        for _ in 0..self.conjugate {
            if squared <= enough {
                break;
            }
            let [_, curved] = along(problem, x, y, &direction);
            let curvature = dot(&direction, &curved);
            if curvature.is_nan() {
                return Err(Unsolved::NotFinite);
            }
            if curvature <= 0.0 {
                return Err(Unsolved::NotConvex(curvature / dot(&direction, &direction)));
            }
            let size = squared / curvature;
            q = q + direction.clone() * size;
            residual = residual - curved * size;
            let next = dot(&residual, &residual);
            direction = residual.clone() + direction * (next / squared);
            squared = next;
        }
        Ok(q)
    }

    /// `dF/dx` at `x` and `y = y*(x)` by implicit differentiation, `[n]`: about two gradients of f per step of
    /// conjugate gradients, whatever the length of x.
    ///
    /// # Errors
    /// An inner objective that is not convex at y.
    pub fn implicit(
        &self,
        problem: &impl Bilevel,
        x: &Tensor<1>,
        y: &Tensor<1>,
    ) -> Result<Tensor<1>, Unsolved> {
        let [direct, by_y] = gradients(|x, y| problem.outer(x, y), x, y);
        let q = self.solve_curvature(problem, x, y, &by_y)?;
        if dot(&q, &q) == 0.0 {
            return Ok(direct);
        }
        let [mixed, _] = along(problem, x, y, &q);
        Ok(direct - mixed)
    }

    /// `dF/dx` by central differences of `F(x, y*(x))`, `[n]`: two solutions of the inner problem per entry of x.
    ///
    /// # Errors
    /// An inner objective without a minimum near y.
    pub fn differences(
        &self,
        problem: &impl Bilevel,
        x: &Tensor<1>,
        y: &Tensor<1>,
        step: f64,
    ) -> Result<Tensor<1>, Unsolved> {
        let n = x.dims()[0];
        let at = |i: usize, step: f64| -> Result<Tensor<1>, Unsolved> {
            let entry = x.clone().slice([i..i + 1]) + step;
            let x = x.clone().slice_assign([i..i + 1], entry);
            let y = self.solve(problem, &x, y)?;
            Ok(problem.outer(x, y))
        };
        let slopes = (0..n).map(|i| Ok((at(i, step)? - at(i, -step)?) / (2.0 * step)));
        Ok(Tensor::cat(slopes.collect::<Result<Vec<_>, _>>()?, 0))
    }
}
