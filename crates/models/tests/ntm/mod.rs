//! What the tests of the neural Turing machine share: small machines and sequences in f64, and their parameters as one list.

#![allow(
    dead_code,
    reason = "shared by several test binaries, each of which uses its part"
)]

use std::sync::OnceLock;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Device, FloatDType, IntDType, Tensor, TensorData};
use unbiased_models::ntm::{Address, Controller, Ntm, NtmConfig, Sequences};

/// Flex in f64; the first use in this process sets it.
pub(crate) fn device() -> Device {
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

pub(crate) fn tensor3(values: &[f64], shape: [usize; 3]) -> Tensor<3> {
    Tensor::from_data(
        TensorData::new(values.to_vec(), shape),
        (&device(), DType::F64),
    )
}

pub(crate) fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().try_to_vec::<f64>().expect("f64")
}

/// So few slots that two steps have 16 (slot) or 81 (shift) states. With two, moves by -1 and +1 would be the same.
pub(crate) fn hard(address: Address) -> NtmConfig {
    NtmConfig {
        controller: Controller::Lstm,
        hidden: vec![3],
        slots: if address == Address::Shift { 3 } else { 2 },
        width: 2,
        address,
        ..NtmConfig::default()
    }
}

/// A machine of 3 inputs and 2 outputs whose weights are large enough that nothing is nearly linear.
pub(crate) fn machine(config: &NtmConfig) -> Ntm {
    let net = Ntm::new(config, 3, 2, 3, &device().autodiff());
    net.map(&mut Edit(
        |index, value| value * 2.0 + 0.2 * (1.0 + 1.7 * index as f64).sin(),
        0,
    ))
}

/// The machine with one number changed by so much.
pub(crate) fn perturbed(net: Ntm, index: usize, by: f64) -> Ntm {
    net.map(&mut Edit(
        move |i, value| if i == index { value + by } else { value },
        0,
    ))
}

struct Edit<F>(F, usize);

impl<F: FnMut(usize, f64) -> f64> ModuleMapper for Edit<F> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| {
            let device = tensor.device();
            let data = tensor.into_data();
            let shape = data.shape().clone();
            let mut values = data.try_to_vec::<f64>().expect("f64");
            for value in &mut values {
                *value = (self.0)(self.1, *value);
                self.1 += 1;
            }
            Tensor::from_data(TensorData::new(values, shape), (&device, DType::F64)).require_grad()
        })
    }
}

/// A list over all parameters in order; zeros where `of` has nothing.
pub(crate) fn collect(net: &Ntm, of: impl FnMut(Tensor<1>) -> Option<Tensor<1>>) -> Vec<f64> {
    struct Collect<F> {
        of: F,
        values: Vec<f64>,
    }
    impl<F: FnMut(Tensor<1>) -> Option<Tensor<1>>> ModuleVisitor for Collect<F> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            let size = value.shape().num_elements();
            match (self.of)(value.reshape([size])) {
                Some(x) => self.values.extend(numbers(x)),
                None => self.values.extend(std::iter::repeat_n(0.0, size)),
            }
        }
    }
    let mut collect = Collect {
        of,
        values: Vec::new(),
    };
    net.visit(&mut collect);
    collect.values
}

/// The gradient of `surrogate` in every parameter.
pub(crate) fn gradient(net: &Ntm, surrogate: Tensor<1>) -> Vec<f64> {
    struct Gradients<'a>(&'a burn::tensor::Gradients, Vec<f64>);
    impl ModuleVisitor for Gradients<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            match value.grad(self.0) {
                Some(g) => self.1.extend(numbers(g)),
                None => self
                    .1
                    .extend(std::iter::repeat_n(0.0, value.shape().num_elements())),
            }
        }
    }
    let gradients = surrogate.backward();
    let mut all = Gradients(&gradients, Vec::new());
    net.visit(&mut all);
    all.1
}

/// Two sequences of so many steps; the output of every second step counts, the last one's among them.
pub(crate) fn sequences(steps: usize) -> Sequences {
    let table = |columns: usize, phase: f64| {
        let values: Vec<f64> = (0..2 * columns)
            .map(|i| f64::from(u8::from((7.3 * i as f64 + phase).sin() > 0.0)))
            .collect();
        Tensor::from_data(
            TensorData::new(values, [2, columns]),
            (&device(), DType::F64),
        )
    };
    Sequences {
        inputs: (0..steps).map(|t| table(3, 1.3 * t as f64)).collect(),
        targets: (0..steps)
            .map(|t| ((steps - t) % 2 == 1).then(|| table(2, 0.4 + 2.1 * t as f64)))
            .collect(),
    }
}

/// Whether two lists agree: largest difference over the largest entry.
pub(crate) fn compare(what: &str, got: &[f64], want: &[f64], bound: f64) -> Result<f64, String> {
    assert_eq!(got.len(), want.len());
    let largest = want.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let (index, error) = got
        .iter()
        .zip(want)
        .map(|(a, b)| (a - b).abs() / largest)
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .expect("numbers");
    if error < bound {
        Ok(error)
    } else {
        Err(format!(
            "{what}: entry {index} is {} instead of {}, error {error:e}",
            got[index], want[index]
        ))
    }
}

/// A negative control.
pub(crate) fn must_fail<T: std::fmt::Debug>(mutant: &str, outcome: Result<T, String>) {
    assert!(outcome.is_err(), "{mutant} went through: {outcome:?}");
}
