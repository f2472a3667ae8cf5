//! A model, its estimator and the optimizers of both: what every system with choices trains with.

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use unbiased_estimators::{Estimate, Estimator};

use crate::bundle::Bundle;
use crate::optimizer::{Optimizer, OptimizerConfig};
use crate::system::{Metrics, StepError};
use crate::weights;

/// Trains a model with an estimator.
pub struct Learner<M> {
    /// Away only while an optimizer has it.
    model: Option<M>,
    estimator: Box<dyn Estimator>,
    optimizer: Optimizer,
    estimator_optimizer: Optimizer,
    variance: Option<GradientVariance>,
    device: Device,
}

const PRESENT: &str = "the model is away only while an optimizer has it";

impl<M: Module> Learner<M> {
    /// `model` and the parameters of `estimator` live on `device`, with autodiff. `watch_variance` keeps track of the
    /// variance of the gradient, which costs a read of every gradient in every step.
    #[must_use]
    pub fn new(
        model: M,
        estimator: Box<dyn Estimator>,
        optimizer: &OptimizerConfig,
        watch_variance: bool,
        device: Device,
    ) -> Self {
        Self {
            model: Some(model),
            estimator,
            optimizer: optimizer.for_model(),
            estimator_optimizer: optimizer.for_estimator(),
            variance: watch_variance.then(GradientVariance::default),
            device,
        }
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &M {
        self.model.as_ref().expect(PRESENT)
    }

    /// The model, and the estimator to run on a program made of it.
    pub fn parts(&mut self) -> (&M, &mut dyn Estimator) {
        (self.model.as_ref().expect(PRESENT), &mut *self.estimator)
    }

    /// Follows an estimate: one reverse pass, one step of each optimizer.
    pub fn follow(&mut self, estimate: &Estimate) {
        // Both are leaves of their own, so one pass serves them.
        let total = match &estimate.tuning {
            Some(tuning) => estimate.surrogate.clone() + tuning.clone(),
            None => estimate.surrogate.clone(),
        };
        let mut gradients = total.backward();
        let model = self.model.take().expect(PRESENT);
        let of_model = GradientsParams::from_module(&mut gradients, &model);
        if let Some(variance) = &mut self.variance {
            variance.take_in(&model, &of_model);
        }
        self.model = Some(self.optimizer.step(model, of_model));
        if estimate.tuning.is_some() {
            let owned = self.estimator.owned();
            let of_estimator = GradientsParams::from_module(&mut gradients, &owned);
            let owned = self.estimator_optimizer.step(owned, of_estimator);
            self.estimator.set_owned(owned);
        }
    }

    /// Follows an estimate and says, if that is `wanted`, what was minimised under `name`, and the [`figures`](Self::figures); waits for the device
    /// then.
    pub fn learn(&mut self, estimate: &Estimate, name: &str, wanted: bool) -> Option<Metrics> {
        self.follow(estimate);
        wanted.then(|| {
            let cost = estimate.cost.clone().mean().into_scalar::<f64>();
            Metrics::new().loss(name, cost).with(self.figures(estimate))
        })
    }

    /// What the estimator and the gradient have to say; waits for the device.
    #[must_use]
    pub fn figures(&self, estimate: &Estimate) -> Metrics {
        let mut metrics = Metrics::new().figure("evaluations", estimate.report.evaluations);
        for (name, value) in &estimate.report.scalars {
            metrics = metrics.figure(name, value.clone().into_scalar::<f64>());
        }
        match &self.variance {
            Some(variance) => metrics.figure("grad_ln_variance", variance.ln_mean()),
            None => metrics,
        }
    }

    /// What a user should know of how the estimator does; waits for the device.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.estimator.warnings()
    }

    /// Writes everything needed to go on into `dir`.
    ///
    /// # Errors
    /// A file that cannot be written, or a parameter that is not finite.
    pub fn save(&self, dir: &Path) -> Result<(), StepError> {
        Bundle::of_module(self.model()).write(&dir.join(weights::MODEL))?;
        self.optimizer
            .to_bundle()
            .write(&dir.join("optimizer.bpk"))?;
        Bundle::of_module(&self.estimator.owned()).write(&dir.join("estimator.bpk"))?;
        self.estimator_optimizer
            .to_bundle()
            .write(&dir.join("estimator_optimizer.bpk"))?;
        match &self.variance {
            Some(variance) => variance.to_bundle().write(&dir.join("variance.bpk")),
            None => Ok(()),
        }
    }

    /// Takes up what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// Files that are missing or do not fit.
    pub fn load(&mut self, dir: &Path) -> anyhow::Result<()> {
        let read = |name: &str| Bundle::read(&dir.join(name));
        self.model = Some(read(weights::MODEL)?.into_module(self.model().clone())?);
        self.optimizer.load(read("optimizer.bpk")?, &self.device)?;
        let owned = read("estimator.bpk")?.into_module(self.estimator.owned())?;
        self.estimator.set_owned(owned);
        self.estimator_optimizer
            .load(read("estimator_optimizer.bpk")?, &self.device)?;
        if let Some(variance) = &mut self.variance {
            *variance = GradientVariance::from_bundle(read("variance.bpk")?)?;
        }
        Ok(())
    }
}

/// The variance of the gradient of the batch mean, averaged over parameters, from running moments with decay 0.999 as
/// in the published figures (Tucker et al., "REBAR", 2017): `EMA(g^2) - EMA(g)^2`. The moments start empty and are
/// divided by their weight.
#[derive(Debug, Default)]
struct GradientVariance {
    first: Vec<f64>,
    second: Vec<f64>,
    weight: f64,
}

const DECAY: f64 = 0.999;

impl GradientVariance {
    fn take_in<M: Module>(&mut self, model: &M, gradients: &GradientsParams) {
        let mut flat = Flatten {
            gradients,
            values: Vec::with_capacity(self.first.len()),
        };
        model.visit(&mut flat);
        let values = flat.values;
        self.first.resize(values.len(), 0.0);
        self.second.resize(values.len(), 0.0);
        for ((first, second), g) in self.first.iter_mut().zip(&mut self.second).zip(values) {
            let g = f64::from(g);
            *first = DECAY * *first + (1.0 - DECAY) * g;
            *second = DECAY * *second + (1.0 - DECAY) * g * g;
        }
        self.weight = DECAY * self.weight + (1.0 - DECAY);
    }

    fn ln_mean(&self) -> f64 {
        let moments = self.first.iter().zip(&self.second);
        let sum: f64 = moments
            .map(|(first, second)| second / self.weight - (first / self.weight).powi(2))
            .sum();
        (sum / self.first.len() as f64).ln()
    }

    fn to_bundle(&self) -> Bundle {
        let mut bundle = Bundle::new();
        for (name, values) in [("first", &self.first), ("second", &self.second)] {
            bundle.put_tensor(name, TensorData::new(values.clone(), [values.len()]));
        }
        bundle.put_number("weight", self.weight);
        bundle
    }

    fn from_bundle(bundle: Bundle) -> anyhow::Result<Self> {
        let weight = bundle.number("weight")?;
        let (mut tensors, _) = bundle.into_parts();
        let mut take = |name: &str| -> anyhow::Result<Vec<f64>> {
            let data = tensors
                .remove(name)
                .ok_or_else(|| anyhow::anyhow!("it holds no tensor `{name}`"))?;
            data.try_to_vec::<f64>()
                .map_err(|error| anyhow::anyhow!("`{name}`: {error:?}"))
        };
        Ok(Self {
            first: take("first")?,
            second: take("second")?,
            weight,
        })
    }
}

/// All gradients of a module in the order of its parameters.
struct Flatten<'a> {
    gradients: &'a GradientsParams,
    values: Vec<f32>,
}

impl ModuleVisitor for Flatten<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let values = gradient.into_data_as::<f32>().try_to_vec::<f32>();
            self.values.extend(values.expect("converted to f32"));
        }
    }
}
