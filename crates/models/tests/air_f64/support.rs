//! Small scenes and networks, and their gradients as plain numbers.

use std::sync::OnceLock;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Device, FloatDType, IntDType, Tensor, TensorData};
use unbiased_estimators::{Estimator, EstimatorConfig, Noise, Objective, Schema};
use unbiased_models::air::{Air, AirConfig, AirProgram, Counting, Input};

/// Flex in f64; the first use in this process sets it.
pub fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE
        .get_or_init(|| {
            let mut device = Device::flex();
            device
                .configure((FloatDType::F64, IntDType::I64))
                .expect("first use of the device");
            device
        })
        .clone()
}

/// `ln k` of the prior in all tests: neither end of the chain is negligible.
pub const LN_ODDS: f64 = -0.7;

/// Scenes of 6x6 with windows of 4x4; pixels so uncertain that every count keeps some probability.
pub fn config(input: Input) -> AirConfig {
    AirConfig {
        canvas: 6,
        window: 4,
        steps: 3,
        embed: vec![4],
        lstm: 3,
        predict: 4,
        what: 2,
        glimpse: vec![4],
        input,
        sigma: 0.8,
        scale: 0.6,
        scale_std: 0.3,
        presence_bias: 0.4,
        decoder_bias: -0.5,
        place_std: 0.3,
        exploration: 0.01,
        ..AirConfig::default()
    }
}

/// A network whose weights are large enough that nothing in the objective is nearly linear.
pub fn network(config: &AirConfig) -> Air {
    let net = Air::new(config, 3, &device().autodiff());
    Shift {
        index: None,
        by: 0.1,
        scale: 1.3,
        next: 0,
    }
    .apply(net)
}

pub fn upload(values: Vec<f64>, shape: [usize; 2]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), (&device(), DType::F64))
}

/// `copies` of an image with two blots.
pub fn images(copies: usize) -> Tensor<2> {
    let pixel = |i: usize| match (i / 6, i % 6) {
        (0..3, 1..4) => 0.9 - 0.1 * (i % 5) as f64,
        (3..6, 4..6) => 0.7,
        _ => 0.05 * (i % 3) as f64,
    };
    upload((0..36).map(pixel).collect(), [1, 36]).repeat_dim(0, copies)
}

pub fn host<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().try_to_vec::<f64>().expect("f64")
}

/// Cost of every image, and the gradient of their mean in the order of the parameters.
pub fn estimate(
    net: &Air,
    estimator: &mut dyn Estimator,
    counting: Counting,
    batch: usize,
    step: u64,
) -> (Vec<f64>, Vec<f64>) {
    let program = AirProgram::new(net, images(batch), counting, LN_ODDS);
    let estimate = estimator.estimate(&program, &Noise::new(5, step));
    let gradients = estimate.surrogate.backward();
    let mut collect = Collect {
        gradients: &gradients,
        values: Vec::new(),
    };
    net.visit(&mut collect);
    (host(estimate.cost), collect.values)
}

pub fn build(
    net: &Air,
    name: &str,
    counting: Counting,
    objective: Objective,
) -> Box<dyn Estimator> {
    let program = AirProgram::new(net, images(1), counting, LN_ODDS);
    let config = EstimatorConfig {
        hidden: 4,
        ..EstimatorConfig::named(name)
    };
    config
        .build(&Schema::of(&program), objective, &device().autodiff())
        .expect("the estimator is defined")
}

pub fn summed(net: &Air, batch: usize, step: u64) -> (Vec<f64>, Vec<f64>) {
    let mut estimator = build(net, "pathwise", Counting::Summed, Objective::default());
    estimate(net, &mut *estimator, Counting::Summed, batch, step)
}

pub struct Collect<'a> {
    pub gradients: &'a burn::tensor::Gradients,
    pub values: Vec<f64>,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let size = param.val().shape().num_elements();
        match param.val().grad(self.gradients) {
            Some(g) => self.values.extend(host(g)),
            None => self.values.extend(std::iter::repeat_n(0.0, size)),
        }
    }
}

/// Scales every number, and adds `by` to number `index`, or a pattern of that size to all.
pub struct Shift {
    pub index: Option<usize>,
    pub by: f64,
    pub scale: f64,
    pub next: usize,
}

impl Shift {
    pub fn apply(mut self, net: Air) -> Air {
        net.map(&mut self)
    }
}

impl ModuleMapper for Shift {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| {
            let device = tensor.device();
            let data = tensor.into_data();
            let shape = data.shape().clone();
            let mut values = data.try_to_vec::<f64>().expect("f64");
            for value in &mut values {
                let own = match self.index {
                    None => self.by * (1.0 + self.next as f64).sin(),
                    Some(index) if index == self.next => self.by,
                    Some(_) => 0.0,
                };
                *value = *value * self.scale + own;
                self.next += 1;
            }
            Tensor::from_data(TensorData::new(values, shape), (&device, DType::F64)).require_grad()
        })
    }
}

pub fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max)
}
