//! The outer objective as an expectation.

use std::cell::RefCell;

use burn::tensor::{Device, Tensor};
use unbiased_estimators::{Abilities, Program, Run, Site};

use super::{Bilevel, Solver, Unsolved};

/// What is known of a solution of the inner problem beside itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Derivative {
    /// Nothing: a black box.
    None,
    /// Its derivative by [`Solver::implicit`].
    Implicit,
    /// Its derivative by [`Solver::differences`] with this step.
    Differences(f64),
}

/// `E[F(x, y*(x))]` over `x ~ N(mean, sd²)`.
///
/// Without a derivative, every estimator of a Gaussian choice that takes a black box gives the gradient by the mean, which
/// tends to the hyper-gradient as sd goes to 0. With one, the estimator `pathwise` works, and sd may be 0: then it is the
/// hyper-gradient itself.
#[derive(Debug)]
pub struct Response<'a, P> {
    problem: &'a P,
    solver: Solver,
    derivative: Derivative,
    mean: Tensor<1>,
    sd: f64,
    start: Tensor<1>,
    solution: RefCell<Option<Tensor<1>>>,
}

impl<'a, P: Bilevel> Response<'a, P> {
    /// `mean`, `[n]`, is on an autodiff device; `start`, `[m]`, plain, is where solutions are sought from.
    #[must_use]
    pub fn new(
        problem: &'a P,
        (solver, derivative): (Solver, Derivative),
        mean: Tensor<1>,
        sd: f64,
        start: Tensor<1>,
    ) -> Self {
        Self {
            problem,
            solver,
            derivative,
            mean,
            sd,
            start,
            solution: RefCell::default(),
        }
    }

    /// The last solution of the inner problem, `[m]`.
    #[must_use]
    pub fn solution(&self) -> Option<Tensor<1>> {
        self.solution.borrow().clone()
    }

    /// `F(x, y*(x))` and its derivative, if there is one.
    fn outer(&self, x: &Tensor<1>) -> Result<(Tensor<1>, Option<Tensor<1>>), Unsolved> {
        let (solver, problem) = (&self.solver, self.problem);
        let y = solver.solve(problem, x, &self.start)?;
        let slope = match self.derivative {
            Derivative::None => None,
            Derivative::Implicit => Some(solver.implicit(problem, x, &y)?),
            Derivative::Differences(step) => Some(solver.differences(problem, x, &y, step)?),
        };
        self.solution.replace(Some(y.clone()));
        Ok((problem.outer(x.clone(), y), slope))
    }

    /// `F(x, y*(x))`, `[1]`; NaN where the inner problem has no solution, so that a run stops.
    fn cost(&self, x: Tensor<1>) -> Tensor<1> {
        let at = x.clone().inner();
        match self.outer(&at) {
            // A linear function with the right value and derivative here.
            Ok((value, Some(slope))) => {
                let moved = x - Tensor::from_inner(at);
                Tensor::from_inner(value) + (moved * Tensor::from_inner(slope)).sum()
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
            derivative: self.derivative,
            solution: RefCell::default(),
        })
    }

    fn abilities(&self) -> Abilities {
        match self.derivative {
            Derivative::None => Abilities::TABLE,
            _ => Abilities::TENSORS,
        }
    }
}
