//! Seeded scores, comparisons, and a second implementation of everything that is compared.

#[path = "../shared/numbers.rs"]
mod numbers;

use burn::tensor::{DType, Device, Tensor, TensorData};
pub(crate) use numbers::Numbers;

pub(crate) const TYPES: [DType; 2] = [DType::F32, DType::F64];

impl Numbers {
    /// Normal plus Gumbel, as the scores of a network with noise.
    pub(crate) fn score(&mut self) -> f64 {
        self.normal() - (-self.uniform().ln()).ln()
    }

    pub(crate) fn scores(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.score()).collect()
    }
}

/// Plain.
pub(crate) fn tensor<const D: usize>(values: &[f64], shape: [usize; D], dtype: DType) -> Tensor<D> {
    let data = TensorData::new(values.to_vec(), shape);
    Tensor::from_data(data, (&Device::flex(), dtype))
}

/// A leaf of a graph.
pub(crate) fn leaf<const D: usize>(values: &[f64], shape: [usize; D], dtype: DType) -> Tensor<D> {
    tensor(values, shape, dtype).autodiff().require_grad()
}

pub(crate) fn values<const D: usize>(x: &Tensor<D>) -> Vec<f64> {
    let data = x.clone().inner().into_data().convert::<f64>();
    data.try_into_vec().unwrap()
}

/// The largest difference; infinite where one is not finite and the other something else.
pub(crate) fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let each = a.iter().zip(b).map(|(a, b)| match (a == b, a - b) {
        (true, _) => 0.0,
        (false, d) if d.is_finite() => d.abs(),
        _ => f64::INFINITY,
    });
    each.fold(0.0, f64::max)
}

pub(crate) fn row_sums(p: &[f64], m: usize) -> Vec<f64> {
    p.chunks(m).map(|row| row.iter().sum()).collect()
}

pub(crate) fn column_sums(p: &[f64], m: usize) -> Vec<f64> {
    (0..m).map(|j| p[j..].iter().step_by(m).sum()).collect()
}

pub(crate) fn transpose(p: &[f64], m: usize) -> Vec<f64> {
    (0..m)
        .flat_map(|j| p[j..].iter().step_by(m).copied().collect::<Vec<_>>())
        .collect()
}

/// Rows, then columns, in the form of the papers: the matrix itself is normalised, in logarithms.
pub(crate) fn by_the_book(scores: &[f64], n: usize, iterations: usize) -> Vec<f64> {
    let normalise = |k: &[f64]| -> Vec<f64> {
        k.chunks(n)
            .flat_map(|row| {
                let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = row.iter().map(|k| (k - top).exp()).sum();
                row.iter().map(|k| k - top - sum.ln()).collect::<Vec<_>>()
            })
            .collect()
    };
    let mut k = scores.to_vec();
    for _ in 0..iterations {
        k = normalise(&k);
        k = transpose(&normalise(&transpose(&k, n)), n);
    }
    k.iter().map(|k| k.exp()).collect()
}

/// Central differences of a number.
pub(crate) fn differences(f: impl Fn(&[f64]) -> f64, at: &[f64]) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let slope = |i: usize| {
        let shifted = |by: f64| {
            let mut x = at.to_vec();
            x[i] += by;
            f(&x)
        };
        (shifted(STEP) - shifted(-STEP)) / (2.0 * STEP)
    };
    (0..at.len()).map(slope).collect()
}
