//! The outer objective as an expectation.

use burn::tensor::{Device, Tensor};
use unbiased_estimators::{Abilities, Program, Run, Site};

use super::{Bilevel, Solver, Unsolved};

/// `E[F(x, y*(x))]` over `x ~ N(mean, sd²)`: what remains of a problem in two levels when the inner one is a black box
/// that returns a solution and no derivative. Every estimator of a Gaussian choice gives its gradient by the mean, which
/// tends to the hyper-gradient as sd goes to 0.
///
/// With [`implicit`](Response::implicit) each solution carries its derivative, and the estimator `pathwise` works, too.
#[derive(Debug)]
pub struct Response<'a, P> {
    problem: &'a P,
    solver: Solver,
    mean: Tensor<1>,
    sd: f64,
    start: Tensor<1>,
    implicit: bool,
}

impl<'a, P: Bilevel> Response<'a, P> {
    /// `mean`, `[n]`, is on an autodiff device; `start`, `[m]`, plain, is where the inner problem's solution is sought from.
    #[must_use]
    pub fn new(problem: &'a P, solver: Solver, mean: Tensor<1>, sd: f64, start: Tensor<1>) -> Self {
        Self {
            problem,
            solver,
            mean,
            sd,
            start,
            implicit: false,
        }
    }

    /// The same with a derivative of each solution.
    #[must_use]
    pub fn implicit(mut self) -> Self {
        self.implicit = true;
        self
    }

    /// `F(x, y*(x))`, `[1]`; NaN where the inner problem has no solution, so that the run stops by name.
    fn cost(&self, x: Tensor<1>) -> Tensor<1> {
        let at = x.clone().inner();
        let cost = || {
            let y = self.solver.solve(self.problem, &at, &self.start)?;
            let value = self.problem.outer(at.clone(), y.clone());
            let slope = if self.implicit {
                Some(self.solver.implicit(self.problem, &at, &y)?)
            } else {
                None
            };
            Ok::<_, Unsolved>((value, slope))
        };
        match cost() {
            // A linear function with the right value and derivative here.
            Ok((value, Some(slope))) => {
                Tensor::from_inner(value)
                    + ((x - Tensor::from_inner(at)) * Tensor::from_inner(slope)).sum()
            }
            Ok((value, None)) => Tensor::from_inner(value),
            Err(_) => Tensor::from_inner(at.narrow(0, 0, 1) * f64::NAN),
        }
    }
}

impl<P: Bilevel> Program for Response<'_, P> {
    fn batch(&self) -> usize {
        1
    }

    fn device(&self) -> Device {
        self.mean.device()
    }

    fn run(&self, run: &mut Run<'_>) {
        let n = self.mean.dims()[0];
        let ln_sd = Tensor::full([n], self.sd.ln(), (&self.mean.device(), self.mean.dtype()));
        let params = Tensor::cat(vec![self.mean.clone(), ln_sd], 0).unsqueeze::<2>();
        let x = run.gaussian("x", Site::new(run.rows(params)));
        let rows = x.value.dims()[0];
        let costs = (0..rows).map(|row| {
            let x = x.value.clone().narrow(0, row, 1);
            self.cost(x.squeeze_dim::<1>(0))
        });
        let costs = Tensor::cat(costs.collect(), 0);
        run.cost("outer", costs, run.mark());
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(Self {
            problem: self.problem,
            solver: self.solver,
            mean: self.mean.clone().detach(),
            sd: self.sd,
            start: self.start.clone(),
            implicit: self.implicit,
        })
    }

    fn abilities(&self) -> Abilities {
        if self.implicit {
            Abilities::TENSORS
        } else {
            Abilities::TABLE
        }
    }
}
