//! Optimizers whose state is kept by parameter path, in order, so that equal runs leave equal checkpoints.
//!
//! See [`crate::bundle`] for why the framework's own book-keeping will not do.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{
    DynOptimizer, DynState, GradientsParams, RmsProp, RmsPropConfig, StateSink, StateSource,
};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use unbiased_kernels::{Epsilon, FusedAdam, FusedAdamConfig};

use crate::bundle::Bundle;
use crate::config::ConfigError;

/// The update rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OptimizerKind {
    /// Adam (Kingma & Ba, 2015).
    #[default]
    Adam,
    /// `RMSProp` (Tieleman & Hinton, 2012): `v <- b v + (1 - b) g^2`, `theta <- theta - lr g / (sqrt(v) + epsilon)`, with
    /// `beta_2` for `b`; `beta_1` is not used.
    RmsProp,
}

/// The `[optimizer]` section. The defaults are those of the Adam paper, epsilon included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Update rule.
    pub kind: OptimizerKind,
    /// Learning rate of the model.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta_1: f64,
    /// Decay of the second moment.
    pub beta_2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Learning rate of the estimator's own parameters; that of the model when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimator_lr: Option<f64>,
    /// Largest norm of the gradient of all parameters of the model together; a longer one is scaled down to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// How both rates fall; constant when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decay: Option<Decay>,
}

/// Rates that fall by half a cosine (Loshchilov & Hutter, 2017, without restarts) and stay where they end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decay {
    /// Updates until the end is reached.
    pub steps: u64,
    /// Share of the rate that is left there.
    pub end: f64,
}

impl Decay {
    /// The share of the rate for an update with `done` updates before it.
    #[must_use]
    pub fn share(&self, done: u64) -> f64 {
        let way = (done as f64 / self.steps as f64).min(1.0);
        self.end + (1.0 - self.end) * (1.0 + (std::f64::consts::PI * way).cos()) / 2.0
    }
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::Adam,
            lr: 1e-3,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            estimator_lr: None,
            clip_norm: None,
            decay: None,
        }
    }
}

impl OptimizerConfig {
    /// Refuses rates and decays out of range.
    ///
    /// # Errors
    /// The first such value.
    pub fn check(&self) -> Result<(), ConfigError> {
        let rates = [
            ("optimizer.lr", self.lr),
            ("optimizer.estimator_lr", self.estimator_lr()),
            ("optimizer.epsilon", self.epsilon),
            ("optimizer.clip_norm", self.clip_norm.unwrap_or(1.0)),
        ];
        for (key, value) in rates {
            if !(value.is_finite() && value > 0.0) {
                return Err(ConfigError::value(key, value, "a number above 0"));
            }
        }
        for (key, value) in [
            ("optimizer.beta_1", self.beta_1),
            ("optimizer.beta_2", self.beta_2),
        ] {
            if !(0.0..1.0).contains(&value) {
                return Err(ConfigError::value(
                    key,
                    value,
                    "a number from 0 up to, not including, 1",
                ));
            }
        }
        if let Some(Decay { steps, end }) = self.decay {
            if steps == 0 {
                return Err(ConfigError::value(
                    "optimizer.decay.steps",
                    steps,
                    "1 or more",
                ));
            }
            if !(0.0..=1.0).contains(&end) {
                return Err(ConfigError::value(
                    "optimizer.decay.end",
                    end,
                    "a share from 0 to 1",
                ));
            }
        }
        Ok(())
    }

    /// The rate for the estimator's own parameters.
    #[must_use]
    pub fn estimator_lr(&self) -> f64 {
        self.estimator_lr.unwrap_or(self.lr)
    }

    /// The optimizer of the model's parameters.
    #[must_use]
    pub fn for_model(&self) -> Optimizer {
        Optimizer {
            clip_norm: self.clip_norm,
            ..self.with_rate(self.lr)
        }
    }

    /// The optimizer of the estimator's parameters.
    #[must_use]
    pub fn for_estimator(&self) -> Optimizer {
        self.with_rate(self.estimator_lr())
    }

    fn with_rate(&self, lr: f64) -> Optimizer {
        let optimizer = match self.kind {
            OptimizerKind::Adam => Optimizer::new(self.adam(), lr),
            OptimizerKind::RmsProp => Optimizer::new(self.rms_prop(), lr),
        };
        Optimizer {
            decay: self.decay,
            ..optimizer
        }
    }

    fn rms_prop(&self) -> RmsProp {
        RmsPropConfig::new()
            .with_alpha(self.beta_2 as f32)
            .with_momentum(0.0)
            .with_epsilon(self.epsilon as f32)
            .build()
    }

    fn adam(&self) -> FusedAdam {
        FusedAdamConfig {
            beta_1: self.beta_1,
            beta_2: self.beta_2,
            epsilon: Epsilon::AfterCorrection(self.epsilon),
        }
        .build()
    }
}

/// Updates the parameters of one module.
pub struct Optimizer {
    rule: Box<dyn DynOptimizer>,
    lr: f64,
    decay: Option<Decay>,
    /// Updates so far.
    updates: u64,
    clip_norm: Option<f64>,
    states: BTreeMap<String, DynState>,
}

impl std::fmt::Debug for Optimizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Optimizer")
            .field("lr", &self.lr)
            .field("parameters", &self.states.len())
            .finish_non_exhaustive()
    }
}

impl Optimizer {
    /// An optimizer that follows `rule` at the rate `lr`.
    pub fn new(rule: impl DynOptimizer + 'static, lr: f64) -> Self {
        Self {
            rule: Box::new(rule),
            lr,
            decay: None,
            updates: 0,
            clip_norm: None,
            states: BTreeMap::new(),
        }
    }

    /// The learning rate, for schedules of a system's own.
    pub fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }

    /// Updates every parameter that has a gradient.
    pub fn step<M: Module>(&mut self, module: M, grads: GradientsParams) -> M {
        let scale = self
            .clip_norm
            .and_then(|largest| clip_scale(&module, &grads, largest));
        let rate = self.lr * self.decay.map_or(1.0, |decay| decay.share(self.updates));
        self.updates += 1;
        module.map(&mut Update {
            path: Vec::new(),
            optimizer: self,
            rate,
            grads,
            scale,
        })
    }

    /// The moments and counters of every parameter.
    #[must_use]
    pub fn to_bundle(&self) -> Bundle {
        let mut bundle = Bundle::new();
        bundle.put_number(UPDATES, self.updates);
        for (path, state) in &self.states {
            let mut sink = StateSink::default();
            self.rule.state_flatten(path, state, &mut sink);
            bundle.put_number(format!("{path}{RANK}"), state.rank());
            for (name, data) in sink.tensors {
                bundle.put_tensor(name, data);
            }
            for (name, scalar) in sink.scalars {
                bundle.put_number(name, scalar);
            }
        }
        bundle
    }

    /// Takes up what [`Self::to_bundle`] gave, on `device`.
    ///
    /// # Errors
    /// A state that is incomplete.
    pub fn load(&mut self, bundle: Bundle, device: &Device) -> anyhow::Result<()> {
        self.updates = bundle.number(UPDATES)?;
        let (tensors, scalars) = bundle.into_parts();
        let ranks: Vec<(String, usize)> = scalars
            .iter()
            .filter_map(|(name, &rank)| {
                let path = name.strip_suffix(RANK)?;
                Some((path.to_owned(), usize::try_from(rank).ok()?))
            })
            .collect();
        let mut source = StateSource::new(scalars);
        for (name, data) in tensors {
            source.insert_tensor(name, data);
        }
        let device = device.clone().without_autodiff();
        self.states.clear();
        for (path, rank) in ranks {
            anyhow::ensure!(rank <= 8, "the optimizer state of `{path}` has rank {rank}");
            let state = self
                .rule
                .state_unflatten(rank, &path, &mut source, &device)
                .ok_or_else(|| anyhow::anyhow!("the optimizer state of `{path}` is incomplete"))?;
            self.states.insert(path, state);
        }
        Ok(())
    }
}

/// Ends the name of the number that holds the rank of a parameter; no field of a state is called so.
const RANK: &str = ".rank";

/// The number of updates; a parameter's path has no blank.
const UPDATES: &str = "updates so far";

struct Update<'a> {
    path: Vec<String>,
    optimizer: &'a mut Optimizer,
    rate: f64,
    grads: GradientsParams,
    /// `[1]`, what every gradient is multiplied by.
    scale: Option<Tensor<1>>,
}

/// `min(1, largest / |g|)` for the gradient of all parameters together, `[1]`; it stays on the device.
fn clip_scale<M: Module>(module: &M, grads: &GradientsParams, largest: f64) -> Option<Tensor<1>> {
    let mut squares = Squares { grads, sum: None };
    module.visit(&mut squares);
    // The smallest normal number keeps a zero gradient from dividing by zero.
    let norm = squares.sum?.sqrt().clamp_min(f64::from(f32::MIN_POSITIVE));
    Some((norm.recip() * largest).clamp_max(1.0))
}

/// The sum of the squares of all gradients of a module.
struct Squares<'a> {
    grads: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.grads.get::<D>(param.id) {
            let square = gradient.square().sum();
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + square,
                None => square,
            });
        }
    }
}

impl ModuleMapper for Update<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(grad) = self.grads.remove::<D>(param.id) else {
            return param;
        };
        let grad = match &self.scale {
            Some(scale) => grad * scale.clone().unsqueeze::<D>(),
            None => grad,
        };
        let (id, tensor, mapper) = param.consume();
        let requires_grad = tensor.is_require_grad();
        let path = self.path.join(".");
        let state = self.optimizer.states.remove(&path);
        let (updated, state) = self.optimizer.rule.step_dyn(
            D,
            self.rate,
            tensor.inner().into_bridge(),
            grad.into_bridge(),
            state,
        );
        if let Some(state) = state {
            self.optimizer.states.insert(path, state);
        }
        let updated = Tensor::<D>::from_bridge(updated).autodiff();
        Param::from_mapped_value(id, updated.set_require_grad(requires_grad), mapper)
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::ModuleOptimizer;

    fn model() -> Linear {
        let device = Device::flex().autodiff();
        unbiased_models::initialise(LinearConfig::new(2, 2).init(&device), 7)
    }

    fn grads(model: &Linear, scale: f32) -> GradientsParams {
        let device = Device::flex().autodiff();
        let x = Tensor::<2>::from_data([[0.5_f32, -1.0], [2.0, 0.25]], &device);
        let loss = (model.forward(x).square() * scale).sum();
        GradientsParams::from_grads(loss.backward(), model)
    }

    fn bits(model: &Linear) -> Vec<f32> {
        model.weight.val().into_data().try_to_vec().unwrap()
    }

    /// Same rule, other book-keeping: the updates must agree with the framework's to the last bit.
    #[test]
    fn steps_equal_those_of_the_framework() {
        let config = OptimizerConfig::default();
        let (mut ours, mut theirs) = (model(), model());
        let mut optimizer = config.for_model();
        let mut reference = ModuleOptimizer::from(config.adam());
        for step in 1..=5_u8 {
            let g = grads(&ours, f32::from(step));
            ours = optimizer.step(ours, g);
            let g = grads(&theirs, f32::from(step));
            theirs = reference.step(config.lr, theirs, g);
        }
        assert_eq!(bits(&ours), bits(&theirs));
    }

    #[test]
    fn rms_prop_follows_its_equation() {
        let config = OptimizerConfig {
            kind: OptimizerKind::RmsProp,
            lr: 0.1,
            beta_2: 0.9,
            epsilon: 1e-3,
            ..OptimizerConfig::default()
        };
        let mut net = model();
        let mut optimizer = config.for_model();
        let mut want: Vec<f64> = bits(&net).into_iter().map(f64::from).collect();
        let mut v = vec![0.0; want.len()];
        for step in 1..=4_u8 {
            let g = grads(&net, f32::from(step));
            let gradient = g.get::<2>(net.weight.id).unwrap().into_data();
            for ((x, v), g) in want.iter_mut().zip(&mut v).zip(gradient.iter::<f64>()) {
                *v = 0.9 * *v + 0.1 * g * g;
                *x -= 0.1 * g / (v.sqrt() + 1e-3);
            }
            net = optimizer.step(net, g);
        }
        for (got, want) in bits(&net).into_iter().zip(want) {
            assert!((f64::from(got) - want).abs() < 1e-5, "{got} {want}");
        }
    }

    #[test]
    fn a_restored_optimizer_goes_on_as_if_nothing_had_happened() {
        for kind in [OptimizerKind::Adam, OptimizerKind::RmsProp] {
            goes_on(kind);
        }
    }

    fn goes_on(kind: OptimizerKind) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("optimizer.bpk");
        let config = OptimizerConfig {
            kind,
            decay: Some(Decay { steps: 4, end: 0.0 }),
            ..OptimizerConfig::default()
        };
        let (mut net, mut optimizer) = (model(), config.for_model());
        for scale in [1.0, 0.1] {
            let g = grads(&net, scale);
            net = optimizer.step(net, g);
        }
        optimizer.to_bundle().write(&path).unwrap();
        let mut restored = config.for_model();
        let device = Device::flex();
        restored
            .load(Bundle::read(&path).unwrap(), &device)
            .unwrap();
        let g = grads(&net, 2.0);
        let straight = optimizer.step(net.clone(), g);
        let g = grads(&net, 2.0);
        let resumed = restored.step(net.clone(), g);
        assert_eq!(bits(&straight), bits(&resumed));
        let g = grads(&net, 2.0);
        let fresh = config.for_model().step(net, g);
        assert_ne!(bits(&straight), bits(&fresh));
    }

    /// All parameters share one factor, and it is 1 up to the norm. The norm is that of weight and bias together: clipped
    /// one by one, as the framework does it, the two gradients would keep other proportions.
    #[test]
    fn gradients_are_scaled_down_to_their_common_norm() {
        let net = model();
        let flat = |grads: &GradientsParams| -> Vec<f32> {
            let bias = net.bias.as_ref().unwrap();
            let weight = grads.get::<2>(net.weight.id).unwrap().into_data();
            let bias = grads.get::<1>(bias.id).unwrap().into_data();
            [weight, bias]
                .into_iter()
                .flat_map(|g| g.try_to_vec::<f32>().unwrap())
                .collect()
        };
        let g = grads(&net, 1.0);
        let norm = flat(&g)
            .iter()
            .map(|g| f64::from(*g).powi(2))
            .sum::<f64>()
            .sqrt();
        let scale = |largest: f64| clip_scale(&net, &g, largest).unwrap().into_scalar::<f64>();
        assert!((scale(norm / 4.0) - 0.25).abs() < 1e-6);
        assert_eq!(scale(norm * 1.01), 1.0);
        // A step of Adam does not depend on the scale of one gradient, so two gradients: the second is clipped.
        let clipped = OptimizerConfig {
            clip_norm: Some(norm),
            ..OptimizerConfig::default()
        };
        let steps = |config: &OptimizerConfig, second: f32| {
            let mut optimizer = config.for_model();
            let first = optimizer.step(net.clone(), grads(&net, 1.0));
            bits(&optimizer.step(first, grads(&net, second)))
        };
        let plain = OptimizerConfig::default();
        let difference = |a: &[f32], b: &[f32]| {
            let pairs = a.iter().zip(b);
            pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        assert!(difference(&steps(&clipped, 5.0), &steps(&plain, 1.0)) < 1e-7);
        assert!(difference(&steps(&plain, 5.0), &steps(&plain, 1.0)) > 1e-5);
        let zero = grads(&net, 0.0);
        assert!(
            bits(&clipped.for_model().step(net.clone(), zero))
                .iter()
                .all(|x| x.is_finite())
        );
    }

    /// The first step of Adam is the rate times the sign of the gradient, so moved distances are rates.
    #[test]
    fn rates_fall_by_half_a_cosine() {
        let decay = Decay { steps: 4, end: 0.2 };
        let want = [
            1.0,
            0.2 + 0.4 * (1.0 + 0.5_f64.sqrt()),
            0.6,
            0.2 + 0.4 * (1.0 - 0.5_f64.sqrt()),
            0.2,
            0.2,
        ];
        for (done, want) in (0..).zip(want) {
            assert!((decay.share(done) - want).abs() < 1e-12, "{done}");
        }
        let config = OptimizerConfig {
            lr: 1e-2,
            decay: Some(decay),
            ..OptimizerConfig::default()
        };
        for optimizer in [config.for_model(), config.for_estimator()] {
            let mut optimizer = optimizer;
            optimizer.updates = 2;
            let net = model();
            let moved = optimizer.step(net.clone(), grads(&net, 1.0));
            for (a, b) in bits(&moved).into_iter().zip(bits(&net)) {
                assert!((f64::from(a - b).abs() - 0.6e-2).abs() < 1e-5, "{a} {b}");
            }
            assert_eq!(optimizer.updates, 3);
        }
    }

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        for (decay, key) in [
            (Decay { steps: 0, end: 0.1 }, "`optimizer.decay.steps`"),
            (Decay { steps: 9, end: 1.5 }, "`optimizer.decay.end`"),
            (
                Decay {
                    steps: 9,
                    end: f64::NAN,
                },
                "`optimizer.decay.end`",
            ),
        ] {
            let bad = OptimizerConfig {
                decay: Some(decay),
                ..OptimizerConfig::default()
            };
            assert!(bad.check().unwrap_err().to_string().starts_with(key));
        }
        let bad = OptimizerConfig {
            beta_2: 1.0,
            ..OptimizerConfig::default()
        };
        let message = bad.check().unwrap_err().to_string();
        assert!(
            message.starts_with("`optimizer.beta_2`: expected"),
            "{message}"
        );
        let bad = OptimizerConfig {
            lr: f64::NAN,
            ..OptimizerConfig::default()
        };
        assert!(bad.check().is_err());
    }
}
