//! Tensors in f64, comparisons, and Plackett-Luce by its definition.

use std::sync::OnceLock;

use burn::tensor::{Device, FloatDType, IntDType, Tensor, TensorData};
use unbiased_kernels::{NoiseLaw, uniforms};
use unbiased_permutations::exact;

/// f64, without autodiff.
pub fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let configured = DEVICE.get_or_init(|| {
        let mut device = Device::flex();
        device
            .configure((FloatDType::F64, IntDType::I64))
            .expect("no tensor was made before");
        device
    });
    configured.clone()
}

/// `[rows, values.len() / rows]`.
pub fn tensor(values: &[f64], rows: usize) -> Tensor<2> {
    let shape = [rows, values.len() / rows];
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &device())
}

/// The same as a leaf.
pub fn leaf(values: &[f64], rows: usize) -> Tensor<2> {
    let shape = [rows, values.len() / rows];
    let data = TensorData::new(values.to_vec(), shape);
    Tensor::from_data(data, &device().autodiff()).require_grad()
}

pub fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    let data = x.into_data();
    data.try_to_vec::<f64>().expect("f64 on this device")
}

/// All rankings of n items, one after the other, as ranks.
pub fn rankings(n: usize) -> Vec<Vec<f64>> {
    let lists = exact::permutations(n).expect("few items");
    lists
        .map(|list| list.into_iter().map(|rank| rank as f64).collect())
        .collect()
}

/// `ln p` of ranks, item after item.
pub fn log_prob(scores: &[f64], ranks: &[f64]) -> f64 {
    let n = scores.len();
    (0..n)
        .map(|i| {
            let left = (0..n).filter(|&j| ranks[j] >= ranks[i]);
            scores[i] - left.map(|j| scores[j].exp()).sum::<f64>().ln()
        })
        .sum()
}

/// Seeded Gumbel noise.
pub fn gumbels(count: usize, seed: u64) -> Vec<f64> {
    let mut u = vec![0.0; count];
    uniforms(seed, &mut u);
    u.iter().map(|&u| NoiseLaw::Gumbel.quantile(u)).collect()
}

/// Central differences of `f` at `x`.
pub fn differences(x: &[f64], step: f64, f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let at = |i: usize, shift: f64| {
        let mut moved = x.to_vec();
        moved[i] += shift;
        f(&moved)
    };
    (0..x.len())
        .map(|i| (at(i, step) - at(i, -step)) / (2.0 * step))
        .collect()
}

/// The largest error relative to `1 + |want|`; infinite for NaN.
pub fn error(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let errors = got.iter().zip(want).map(|(g, w)| {
        let error = (g - w).abs() / (1.0 + w.abs());
        if error.is_nan() { f64::INFINITY } else { error }
    });
    errors.fold(0.0, f64::max)
}

pub fn check(what: &str, got: &[f64], want: &[f64], bound: f64) {
    let error = error(got, want);
    assert!(
        error <= bound,
        "{what}: {got:?}, exactly {want:?} (error {error:.1e} > {bound:.0e})"
    );
}
