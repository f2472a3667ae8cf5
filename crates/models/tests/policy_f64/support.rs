//! Numbers, shifts and gradients of modules in f64.

use std::sync::OnceLock;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Device, FloatDType, Gradients, IntDType, Tensor, TensorData};

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

/// Adds `by` to number `index`, or a pattern of that size to all.
pub struct Shift {
    pub index: Option<usize>,
    pub by: f64,
    pub next: usize,
}

impl Shift {
    pub fn apply<M: Module>(mut self, net: M) -> M {
        net.map(&mut self)
    }
}

impl ModuleMapper for Shift {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !param.val().is_require_grad() {
            return param;
        }
        param.map(|tensor| {
            let device = tensor.device();
            let data = tensor.into_data();
            let shape = data.shape().clone();
            let mut values = data.try_to_vec::<f64>().expect("f64");
            for value in &mut values {
                *value += match self.index {
                    None => self.by * (1.0 + self.next as f64).sin(),
                    Some(index) if index == self.next => self.by,
                    Some(_) => 0.0,
                };
                self.next += 1;
            }
            Tensor::from_data(TensorData::new(values, shape), (&device, DType::F64)).require_grad()
        })
    }
}

struct Collect<'a> {
    gradients: &'a Gradients,
    values: Vec<f64>,
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

pub fn gradient<M: Module>(module: &M, loss: Tensor<1>) -> Vec<f64> {
    let gradients = loss.backward();
    let mut collect = Collect {
        gradients: &gradients,
        values: Vec::new(),
    };
    module.visit(&mut collect);
    collect.values
}

pub fn differences<M: Module>(module: &M, f: impl Fn(&M) -> f64) -> Vec<f64> {
    const H: f64 = 1e-5;
    let at = |index, by| {
        let shift = Shift {
            index: Some(index),
            by,
            next: 0,
        };
        f(&shift.apply(module.clone()))
    };
    (0..module.num_params())
        .map(|i| (at(i, H) - at(i, -H)) / (2.0 * H))
        .collect()
}

pub fn worst(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(1e-3, |a: f64, b| a.max(b.abs()));
    let errors = got.iter().zip(want).map(|(a, b)| (a - b).abs());
    errors.fold(0.0, f64::max) / scale
}

pub fn host<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().try_to_vec::<f64>().expect("f64")
}
