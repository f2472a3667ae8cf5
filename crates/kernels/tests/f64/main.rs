//! The composed forms in double precision against central differences. A binary of its own: the device's default precision is set once per
//! process, before its first tensor. The kernels are single precision, so here the public functions run the composed forms.

mod linear;
mod operations;
mod recurrent;
#[path = "../support/mod.rs"]
mod support;

use burn::tensor::{Device, FloatDType, IntDType, Tensor};
use std::sync::LazyLock;

static DEVICE: LazyLock<Device> = LazyLock::new(|| {
    let mut device = Device::flex();
    device
        .configure((FloatDType::F64, IntDType::I64))
        .expect("no tensor exists yet");
    device.autodiff()
});

const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 1e-8;

/// Central differences of a number by every entry of a matrix.
fn differences(f: impl Fn(Tensor<2>) -> Tensor<1>, at: &Tensor<2>) -> Tensor<2> {
    let at = at.clone().inner();
    let [rows, columns] = at.dims();
    let mut gradient = at.zeros_like();
    for i in 0..rows {
        for j in 0..columns {
            let cell = [i..i + 1, j..j + 1];
            let shifted = |by: f64| {
                let moved = at.clone().slice(cell.clone()) + by;
                f(at.clone().slice_assign(cell.clone(), moved))
            };
            let slope = (shifted(STEP) - shifted(-STEP)) / (2.0 * STEP);
            gradient = gradient.slice_assign(cell.clone(), slope.reshape([1, 1]));
        }
    }
    gradient
}
