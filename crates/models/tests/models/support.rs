//! Numbers and gradients of modules in f64.

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

pub fn tensor<const D: usize>(values: &[f64], shape: [usize; D]) -> Tensor<D> {
    let data = TensorData::new(values.to_vec(), shape);
    Tensor::from_data(data, (&device(), DType::F64))
}

pub fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().try_to_vec::<f64>().expect("f64")
}

/// The module with every trained number changed, given its place among them.
pub fn edit<M: Module>(module: M, f: impl FnMut(usize, f64) -> f64) -> M {
    module.map(&mut Edit { f, next: 0 })
}

struct Edit<F> {
    f: F,
    next: usize,
}

impl<F: FnMut(usize, f64) -> f64> ModuleMapper for Edit<F> {
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
                *value = (self.f)(self.next, *value);
                self.next += 1;
            }
            Tensor::from_data(TensorData::new(values, shape), (&device, DType::F64)).require_grad()
        })
    }
}

/// Every number times `scale` plus a pattern of size `by`: nothing stays at 0 or in a line.
pub fn stirred<M: Module>(module: M, scale: f64, by: f64) -> M {
    edit(module, |i, value| {
        value * scale + by * (1.0 + i as f64).sin()
    })
}

/// Every trained number.
pub fn values<M: Module>(module: &M) -> Vec<f64> {
    let mut values = Vec::new();
    edit(module.clone(), |_, value| {
        values.push(value);
        value
    });
    values
}

/// One number moved.
fn shifted<M: Module>(module: M, index: usize, by: f64) -> M {
    edit(
        module,
        |i, value| {
            if i == index { value + by } else { value }
        },
    )
}

/// The gradient of `loss` in every trained number, in order; 0 where there is none.
pub fn gradient<M: Module>(module: &M, loss: Tensor<1>) -> Vec<f64> {
    let mut collect = Collect {
        gradients: &loss.backward(),
        values: Vec::new(),
    };
    module.visit(&mut collect);
    collect.values
}

struct Collect<'a> {
    gradients: &'a Gradients,
    values: Vec<f64>,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        if !value.is_require_grad() {
            return;
        }
        let none = || vec![0.0; value.shape().num_elements()];
        let gradient = value.grad(self.gradients).map(numbers);
        self.values.extend(gradient.unwrap_or_else(none));
    }
}

/// Central differences of `f` in every trained number.
pub fn differences<M: Module>(module: &M, f: impl Fn(&M) -> f64) -> Vec<f64> {
    const H: f64 = 1e-5;
    let at = |index, by| f(&shifted(module.clone(), index, by));
    (0..values(module).len())
        .map(|i| (at(i, H) - at(i, -H)) / (2.0 * H))
        .collect()
}

/// The largest difference over the largest wanted entry.
pub fn worst(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(1e-3, |a: f64, b| a.max(b.abs()));
    largest_difference(got, want) / scale
}

pub fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f64::max)
}
