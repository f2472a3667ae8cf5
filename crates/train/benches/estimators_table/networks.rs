//! Networks as programs: one estimate is the gradient of the mean cost of a batch in some of the parameters.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use unbiased_estimators::{EstimatorConfig, Noise, Objective, Program, Schema};
use unbiased_train::learner::Learner;
use unbiased_train::optimizer::OptimizerConfig;

/// The gradients of the part `part` of a model, one after the other.
pub(crate) fn gradients_in<M: Module>(model: &M, part: &str, surrogate: &Tensor<1>) -> Vec<f32> {
    let gradients = GradientsParams::from_grads(surrogate.backward(), model);
    let mut flat = Flat {
        gradients: &gradients,
        part,
        path: Vec::new(),
        values: Vec::new(),
    };
    model.visit(&mut flat);
    flat.values
}

struct Flat<'a> {
    gradients: &'a GradientsParams,
    part: &'a str,
    path: Vec<String>,
    values: Vec<f32>,
}

impl ModuleVisitor for Flat<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.path.first().is_none_or(|first| first != self.part) {
            return;
        }
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.values.extend(gradient.into_data().iter::<f32>());
        }
    }
}

pub(crate) fn images(pixels: Vec<f32>, batch: usize, device: &Device) -> Tensor<2> {
    let width = pixels.len() / batch;
    Tensor::from_data(TensorData::new(pixels, [batch, width]), device)
}

/// A model in training.
pub(crate) struct Trained<M> {
    learner: Learner<M>,
    step: u64,
}

impl<M: Module> Trained<M> {
    /// With the estimator `name` for programs of this schema.
    pub(crate) fn new(
        model: M,
        schema: &Schema,
        name: &str,
        optimizer: &OptimizerConfig,
        device: &Device,
    ) -> Self {
        let estimator = EstimatorConfig::named(name).build(schema, Objective::default(), device);
        let estimator = estimator.expect("defined here");
        let learner = Learner::new(model, estimator, optimizer, false, device.clone());
        Self { learner, step: 0 }
    }

    pub(crate) fn model(&self) -> &M {
        self.learner.model()
    }

    /// Trains up to step `last`; `with` hands the program of a model and a step over.
    pub(crate) fn until(
        &mut self,
        last: u64,
        mut with: impl FnMut(&M, u64, &mut dyn FnMut(&dyn Program)),
    ) {
        while self.step < last {
            self.step += 1;
            let noise = Noise::new(0, self.step);
            let (model, estimator) = self.learner.parts();
            let mut estimate = None;
            with(model, self.step, &mut |program| {
                estimate = Some(estimator.estimate(program, &noise));
            });
            self.learner
                .follow(&estimate.expect("a program for every step"));
        }
    }
}
