//! Training of hyper-parameters; problems, solver and their papers are in [`unbiased_models::bilevel`].

use std::path::{Path, PathBuf};

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use unbiased_estimators::{EstimatorConfig, Key, Noise, NoiseLaw, Objective, Role, Schema};
use unbiased_models::bilevel::{Bilevel, Cleaning, Derivative, Response, Ridge, Solver};

use crate::bundle::Bundle;
use crate::config::ConfigError;
use crate::data::{DataConfig, ImageSet, Split};
use crate::error::Failure;
use crate::learner::Learner;
use crate::optimizer::OptimizerConfig;
use crate::system::{BuildContext, Metrics, Settings, StepError, System};
use crate::transfer::host;

/// The sections of a configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct BilevelSettings {
    data: DataConfig,
    model: ModelSettings,
    solver: SolverSettings,
    estimator: EstimatorConfig,
    optimizer: OptimizerConfig,
}

/// The `[model]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ModelSettings {
    /// Which problem.
    problem: ProblemName,
    /// Examples to fit, and as many to choose by.
    examples: usize,
    /// `ridge`: features, each with a penalty.
    features: usize,
    /// `cleaning`: the share of training labels that are replaced by another class.
    corrupted: f64,
    /// `cleaning`: of the squared weights.
    penalty: f64,
    /// Every hyper-parameter at the start.
    initial: f64,
    /// Standard deviation of the hyper-parameters around their means.
    sd: f64,
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
enum ProblemName {
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

/// The means of the hyper-parameters, `[n]`.
#[derive(Module, Debug)]
struct HyperParameters {
    x: Param<Tensor<1>>,
}

enum Problem {
    Ridge(Box<Ridge>),
    Cleaning(Box<Labelled>),
}

impl Bilevel for Problem {
    fn outer(&self, x: Tensor<1>, y: Tensor<1>) -> Tensor<1> {
        match self {
            Self::Ridge(ridge) => ridge.outer(x, y),
            Self::Cleaning(labelled) => labelled.cleaning.outer(x, y),
        }
    }

    fn inner(&self, x: Tensor<1>, y: Tensor<1>) -> Tensor<1> {
        match self {
            Self::Ridge(ridge) => ridge.inner(x, y),
            Self::Cleaning(labelled) => labelled.cleaning.inner(x, y),
        }
    }
}

/// Images with labels, some of them wrong.
struct Labelled {
    cleaning: Cleaning,
    /// Which training labels are right, as a fact that only evaluation sees.
    clean: Vec<bool>,
    test: [Tensor<2>; 2],
}

const CLASSES: usize = 10;

impl Labelled {
    fn new(
        images: &ImageSet,
        settings: &ModelSettings,
        seed: u64,
        device: &Device,
    ) -> Result<Self, Failure> {
        let n = settings.examples;
        for split in [Split::Train, Split::Valid] {
            let there = images.split(split).len();
            if there < n {
                return Err(Failure::usage(format!(
                    "model.examples is {n}, but the {split} split has {there} images"
                )));
            }
        }
        let mut clean = vec![true; n];
        let uniforms = Noise::new(seed, 0).draw(
            NoiseLaw::Uniform,
            &Key::new("labels", 0),
            Role::Other(0),
            1,
            1,
            n,
            2,
            device,
        );
        let uniforms = host(uniforms).map_err(Failure::from)?;
        let corrupted: Vec<u8> = (0..n)
            .map(|i| {
                let label = class(images, Split::Train, i)?;
                if f64::from(uniforms[2 * i]) >= settings.corrupted {
                    return Ok(label);
                }
                clean[i] = false;
                // Any of the other classes.
                let by = 1 + (uniforms[2 * i + 1] * (CLASSES - 1) as f32) as u8;
                Ok((label + by) % CLASSES as u8)
            })
            .collect::<Result<_, Failure>>()?;
        let right = |split, n: usize| -> Result<Vec<u8>, Failure> {
            (0..n).map(|i| class(images, split, i)).collect()
        };
        let features = |split, n: usize| {
            let indices: Vec<usize> = (0..n).collect();
            let pixels = images.pixels(split, &indices, 0);
            let width = pixels.len() / n;
            Tensor::<2>::from_data(TensorData::new(pixels, [n, width]), device)
        };
        let test = images.test.len();
        Ok(Self {
            cleaning: Cleaning {
                fit: [features(Split::Train, n), one_hot(&corrupted, device)],
                choose: [
                    features(Split::Valid, n),
                    one_hot(&right(Split::Valid, n)?, device),
                ],
                penalty: settings.penalty,
            },
            clean,
            test: [
                features(Split::Test, test),
                one_hot(&right(Split::Test, test)?, device),
            ],
        })
    }

    /// How well weights above one half pick the right labels.
    fn f1(&self, x: &[f32]) -> f64 {
        let count = |f: &dyn Fn(bool, bool) -> bool| {
            let pairs = x.iter().zip(&self.clean);
            pairs.filter(|(x, clean)| f(**x > 0.0, **clean)).count() as f64
        };
        let hits = count(&|kept, clean| kept && clean);
        let misses = count(&|kept, clean| kept != clean);
        2.0 * hits / (2.0 * hits + misses).max(1.0)
    }

    /// Test accuracy of a fit to the training images that `keep` names and to all that were chosen by.
    fn retrained(&self, solver: Solver, keep: impl Fn(usize) -> bool) -> anyhow::Result<f64> {
        let kept: Vec<f32> = (0..self.clean.len())
            .map(|i| if keep(i) { 1.0 } else { 0.0 })
            .collect();
        let Cleaning {
            fit,
            choose,
            penalty,
        } = self.cleaning.clone();
        let device = fit[0].device();
        let others = vec![1.0; choose[0].dims()[0]];
        let weights = [kept, others].concat();
        let n = weights.len();
        // Labels of rows that are left out are zero, so that the rows add nothing.
        let weights = Tensor::<2>::from_data(TensorData::new(weights, [n, 1]), &device);
        let [features, labels] =
            [0, 1].map(|i| Tensor::cat(vec![fit[i].clone(), choose[i].clone()], 0));
        let all = Cleaning {
            fit: [features, labels * weights],
            choose,
            penalty,
        };
        let x = Tensor::full([n], 30.0, &device);
        let start = Tensor::zeros([all.parameters()], &device);
        let y = solver.solve(&all, &x, &start)?;
        Ok(Cleaning::accuracy(&self.test, &y))
    }
}

fn class(images: &ImageSet, split: Split, i: usize) -> Result<u8, Failure> {
    images.split(split).label(i).ok_or_else(|| {
        Failure::usage(
            "the data set has no labels; use --set data.name=mnist or fashion-mnist".to_owned(),
        )
    })
}

fn one_hot(labels: &[u8], device: &Device) -> Tensor<2> {
    let mut values = vec![0.0_f32; labels.len() * CLASSES];
    for (row, &label) in values.chunks_exact_mut(CLASSES).zip(labels) {
        row[usize::from(label)] = 1.0;
    }
    Tensor::from_data(TensorData::new(values, [labels.len(), CLASSES]), device)
}

struct BilevelTraining {
    learner: Learner<HyperParameters>,
    problem: Problem,
    solver: (Solver, Derivative),
    sd: f64,
    /// The last solution of the inner problem: where the next one is sought from.
    y: Tensor<1>,
    seed: u64,
    data: String,
}

impl BilevelTraining {
    fn x(&self) -> Tensor<1> {
        self.learner.model().x.val().inner()
    }
}

impl System for BilevelTraining {
    fn step(&mut self, step: u64, wanted: bool) -> Result<Option<Metrics>, StepError> {
        let (model, estimator) = self.learner.parts();
        let start = self.y.clone();
        let response = Response::new(&self.problem, self.solver, model.x.val(), self.sd, start);
        let estimate = estimator.estimate(&response, &Noise::new(self.seed, step));
        if let Some(y) = response.solution() {
            self.y = y;
        }
        drop(response);
        let outer = estimate.cost.clone().mean().into_scalar::<f64>();
        if !outer.is_finite() {
            return Err(StepError::Diverged {
                term: "outer".into(),
                value: outer,
            });
        }
        self.learner.follow(&estimate);
        Ok(wanted.then(|| {
            Metrics::new()
                .loss("outer", outer)
                .with(self.learner.figures(&estimate))
        }))
    }

    fn evaluate(&mut self, split: Split, full: bool) -> anyhow::Result<Metrics> {
        let (solver, _) = self.solver;
        let x = self.x();
        let y = solver.solve(&self.problem, &x, &self.y)?;
        let metrics = Metrics::new();
        let metrics = match split {
            Split::Train => {
                let inner = self.problem.inner(x.clone(), y.clone());
                metrics.loss("inner", inner.into_scalar::<f64>())
            }
            Split::Valid => {
                let outer = self.problem.outer(x.clone(), y.clone());
                metrics.loss("outer", outer.into_scalar::<f64>())
            }
            Split::Test => metrics,
        };
        let Problem::Cleaning(labelled) = &self.problem else {
            return Ok(metrics);
        };
        let weights = host(x)?;
        Ok(match split {
            Split::Train => metrics.figure("kept_f1", labelled.f1(&weights)),
            Split::Valid => metrics.figure(
                "accuracy",
                Cleaning::accuracy(&labelled.cleaning.choose, &y),
            ),
            Split::Test => {
                let metrics = metrics.figure("accuracy", Cleaning::accuracy(&labelled.test, &y));
                if !full {
                    return Ok(metrics);
                }
                metrics
                    .figure(
                        "accuracy_cleaned",
                        labelled.retrained(solver, |i| weights[i] > 0.0)?,
                    )
                    .figure("accuracy_all", labelled.retrained(solver, |_| true)?)
                    .figure(
                        "accuracy_oracle",
                        labelled.retrained(solver, |i| labelled.clean[i])?,
                    )
            }
        })
    }

    fn samples(&mut self, _dir: &Path, _step: u64, _n: usize) -> anyhow::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    fn save(&self, dir: &Path) -> Result<(), StepError> {
        let mut bundle = Bundle::new();
        bundle.put_tensor("y", self.y.clone().into_data());
        bundle.write(&dir.join("inner.bpk"))?;
        self.learner.save(dir)
    }

    fn load(&mut self, dir: &Path) -> anyhow::Result<()> {
        let (mut tensors, _) = Bundle::read(&dir.join("inner.bpk"))?.into_parts();
        let y = tensors
            .remove("y")
            .ok_or_else(|| anyhow::anyhow!("inner.bpk has no y"))?;
        self.y = Tensor::from_data(y, &self.y.device());
        self.learner.load(dir)
    }

    fn warnings(&self) -> Vec<String> {
        self.learner.warnings()
    }

    fn data(&self) -> String {
        self.data.clone()
    }
}
