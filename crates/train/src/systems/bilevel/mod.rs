//! Training of hyper-parameters; problems, solver and their papers are in [`unbiased_models::bilevel`].

mod labelled;
mod settings;

pub(super) use settings::BilevelSettings;

use std::path::{Path, PathBuf};

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use unbiased_estimators::Noise;
use unbiased_models::bilevel::{Bilevel, Cleaning, Derivative, Response, Ridge, Solver};

use crate::bundle::Bundle;
use crate::data::Split;
use crate::learner::Learner;
use crate::system::{Metrics, StepError, System};
use crate::transfer::host;
use labelled::Labelled;

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
