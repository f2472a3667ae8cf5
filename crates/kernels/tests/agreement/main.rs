//! The kernels against the composed forms, in single precision on Flex: values and every gradient, over shapes, views and extremes.

mod adam;
mod conv;
mod gru;
mod linear;
mod lstm;
mod lstm_cell;
mod lstm_module;
mod noise;
mod operations;
#[path = "../support/mod.rs"]
mod support;

use burn::tensor::{Bool, Device, Tensor, TensorData};
use support::Numbers;

/// How far the two may differ, in units of the largest value.
const TOLERANCE: f64 = 1e-5;

fn device() -> Device {
    // Without the kernels these tests would compare the composed forms with themselves.
    const { assert!(cfg!(feature = "flex")) };
    Device::flex().autodiff()
}

/// A mask with about two thirds of the steps.
fn some_steps(batch: usize, time: usize, seed: u32) -> Tensor<2, Bool> {
    let mut numbers = Numbers(seed);
    let real: Vec<bool> = (0..batch * time).map(|_| numbers.next() > -0.3).collect();
    Tensor::from_data(TensorData::new(real, [batch, time]), &device())
}
