//! The affine map with its activations.

use crate::support::{Numbers, relative_error};
use crate::{DEVICE, TOLERANCE, differences};
use burn::tensor::{DType, Tensor};
use unbiased_kernels::{Activation, linear};

fn loss([x, weight, bias]: [Tensor<2>; 3], activation: Activation) -> Tensor<1> {
    let y = linear(x, weight, Some(bias.squeeze_dim(0)), activation);
    let weights = Numbers(5).matrix(y.dims(), 1.0, &DEVICE).inner();
    (y * weights).sum()
}

#[test]
fn gradients_match_central_differences() {
    for activation in [
        Activation::Identity,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Relu,
        Activation::Softplus,
    ] {
        let mut numbers = Numbers(2);
        let inputs = [[3, 4], [4, 5], [1, 5]]
            .map(|shape| numbers.matrix(shape, 1.5, &DEVICE).require_grad());
        assert_eq!(inputs[0].dtype(), DType::F64);
        let mut gradients = loss(inputs.clone(), activation).backward();
        for (index, leaf) in inputs.iter().enumerate() {
            let got = leaf.grad_remove(&mut gradients).expect("tracked");
            let moved = |value| {
                let mut inputs = inputs.clone().map(Tensor::inner);
                inputs[index] = value;
                loss(inputs, activation)
            };
            let expected = differences(moved, leaf);
            let error = relative_error(&got, &expected);
            assert!(error < TOLERANCE, "{activation:?}, input {index}: {error}");
            // The check sees a gradient that is wrong by one part in ten million.
            assert!(relative_error(&(got * (1.0 + 1e-7)), &expected) > TOLERANCE);
        }
    }
}
