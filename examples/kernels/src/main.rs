//! One operation and its gradient.

use burn::tensor::{Device, Tensor};
use unbiased_kernels::bernoulli_log_lik;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex();
    let logits = Tensor::<2>::zeros([1, 4], &device)
        .autodiff()
        .require_grad();
    let bits = Tensor::from_data([[0.0, 1.0, 1.0, 0.0]], &device);
    let log_lik = bernoulli_log_lik(logits.clone(), bits);
    let gradient = logits
        .grad(&log_lik.clone().sum().backward())
        .ok_or("no gradient")?;
    let gradient = gradient
        .into_data()
        .try_to_vec::<f32>()
        .map_err(|error| format!("{error:?}"))?;
    let value = log_lik.into_scalar::<f32>();
    println!("log-likelihood {value:.4} nats, gradient {gradient:?}");
    // Four fair bits: -4 ln 2; the gradient of each is its bit minus 1/2.
    let right =
        (value + 4.0 * std::f32::consts::LN_2).abs() < 1e-5 && gradient == [-0.5, 0.5, 0.5, -0.5];
    if right {
        Ok(())
    } else {
        Err("wrong figures".into())
    }
}
