//! The sections of a `bilevel` configuration.

use burn::module::Param;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use unbiased_estimators::{EstimatorConfig, Objective, Schema};
use unbiased_models::bilevel::{Derivative, Response, Ridge, Solver};

use super::labelled::Labelled;
use super::{BilevelTraining, HyperParameters, Problem};
use crate::config::ConfigError;
use crate::data::{DataConfig, ImageSet};
use crate::error::Failure;
use crate::learner::Learner;
use crate::optimizer::OptimizerConfig;
use crate::system::{BuildContext, Settings, System};

/// The sections of a configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::systems) struct BilevelSettings {
    data: DataConfig,
    model: ModelSettings,
    solver: SolverSettings,
    estimator: EstimatorConfig,
    optimizer: OptimizerConfig,
}

/// The `[model]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ModelSettings {
    /// Which problem.
    pub(super) problem: ProblemName,
    /// Examples to fit, and as many to choose by.
    pub(super) examples: usize,
    /// `ridge`: features, each with a penalty.
    pub(super) features: usize,
    /// `cleaning`: the share of training labels that are replaced by another class.
    pub(super) corrupted: f64,
    /// `cleaning`: of the squared weights.
    pub(super) penalty: f64,
    /// Every hyper-parameter at the start.
    pub(super) initial: f64,
    /// Standard deviation of the hyper-parameters around their means.
    pub(super) sd: f64,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self {
            problem: ProblemName::Ridge,
            examples: 100,
            features: 40,
            corrupted: 0.5,
            penalty: 1e-3,
            initial: 0.0,
            sd: 0.0,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProblemName {
    /// A penalty per feature of a linear model, drawn from the run's seed.
    Ridge,
    /// A weight per training image.
    Cleaning,
}

/// The `[solver]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SolverSettings {
    /// Where the derivative of a solution comes from.
    derivative: DerivativeName,
    /// Step of `differences`.
    step: f64,
    /// Steps of Newton's method per solution, at most.
    newton: usize,
    /// Steps of conjugate gradients per system of equations, at most.
    conjugate: usize,
    /// Relative residual at which both stop.
    tolerance: f64,
}

impl Default for SolverSettings {
    fn default() -> Self {
        let Solver {
            newton,
            conjugate,
            tolerance,
        } = Solver::default();
        Self {
            derivative: DerivativeName::Implicit,
            step: 0.05,
            newton,
            conjugate,
            tolerance,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DerivativeName {
    /// Implicit differentiation.
    Implicit,
    /// Central differences: for few hyper-parameters.
    Differences,
    /// There is none: the estimator of the site `x` must take a black box, and `model.sd` must be above 0.
    None,
}

impl SolverSettings {
    fn parts(&self) -> (Solver, Derivative) {
        let solver = Solver {
            newton: self.newton,
            conjugate: self.conjugate,
            tolerance: self.tolerance,
        };
        let derivative = match self.derivative {
            DerivativeName::Implicit => Derivative::Implicit,
            DerivativeName::Differences => Derivative::Differences(self.step),
            DerivativeName::None => Derivative::None,
        };
        (solver, derivative)
    }
}

impl Settings for BilevelSettings {
    fn check(&self) -> Result<(), ConfigError> {
        let model = &self.model;
        let black_box = self.solver.derivative == DerivativeName::None;
        for (key, value, good, expected) in [
            (
                "model.examples",
                model.examples as f64,
                model.examples > 0,
                "at least 1",
            ),
            (
                "model.features",
                model.features as f64,
                model.features > 0,
                "at least 1",
            ),
            (
                "model.corrupted",
                model.corrupted,
                (0.0..=1.0).contains(&model.corrupted),
                "in [0, 1]",
            ),
            (
                "model.penalty",
                model.penalty,
                model.penalty > 0.0,
                "above 0",
            ),
            (
                "model.initial",
                model.initial,
                model.initial.is_finite(),
                "a finite number",
            ),
            ("model.sd", model.sd, model.sd >= 0.0, "at least 0"),
            (
                "model.sd",
                model.sd,
                model.sd > 0.0 || !black_box,
                "above 0 where solver.derivative is \"none\"",
            ),
            (
                "solver.step",
                self.solver.step,
                self.solver.step > 0.0,
                "above 0",
            ),
            (
                "solver.newton",
                self.solver.newton as f64,
                self.solver.newton > 0,
                "at least 1",
            ),
            (
                "solver.conjugate",
                self.solver.conjugate as f64,
                self.solver.conjugate > 0,
                "at least 1",
            ),
            (
                "solver.tolerance",
                self.solver.tolerance,
                self.solver.tolerance > 0.0 && self.solver.tolerance < 1.0,
                "in (0, 1)",
            ),
        ] {
            if !good {
                return Err(ConfigError::value(key, value, expected));
            }
        }
        self.estimator.validate().map_err(ConfigError::other)?;
        self.optimizer.check()
    }

    fn build(self, context: &BuildContext) -> Result<Box<dyn System>, Failure> {
        let plain = context.device.clone();
        let device = plain.clone().autodiff();
        let ModelSettings {
            examples, features, ..
        } = self.model;
        let (problem, parameters, hyper, data) = match self.model.problem {
            ProblemName::Ridge => {
                let ridge = Ridge::random(examples, features, context.seed, &plain);
                let data =
                    format!("ridge: {examples}+{examples} examples of {features} features, drawn");
                (Problem::Ridge(Box::new(ridge)), features, features, data)
            }
            ProblemName::Cleaning => {
                let images = ImageSet::load(&self.data, context.data_dir.as_deref())?;
                let labelled = Labelled::new(&images, &self.model, context.seed, &plain)?;
                let parameters = labelled.cleaning.parameters();
                let data = images.describe();
                let hyper = labelled.clean.len();
                (
                    Problem::Cleaning(Box::new(labelled)),
                    parameters,
                    hyper,
                    data,
                )
            }
        };
        let x = Tensor::full([hyper], self.model.initial, &device);
        let model = HyperParameters {
            x: Param::from_tensor(x),
        };
        let y = Tensor::zeros([parameters], &plain);
        let solver = self.solver.parts();
        let schema = {
            let response = Response::new(&problem, solver, model.x.val(), self.model.sd, y.clone());
            Schema::of(&response)
        };
        let estimator = self
            .estimator
            .build(&schema, Objective::default(), &device)
            .map_err(|e| Failure::usage(e.to_string()))?;
        Ok(Box::new(BilevelTraining {
            learner: Learner::new(model, estimator, &self.optimizer, false, device),
            problem,
            solver,
            sd: self.model.sd,
            y,
            seed: context.seed,
            data,
        }))
    }
}
