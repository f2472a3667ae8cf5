//! Seeded numbers, tensors in double precision, and finite differences.

#[path = "../shared/numbers.rs"]
mod numbers;

use burn::tensor::{DType, Device, Tensor, TensorData};
pub(crate) use numbers::Numbers;

impl Numbers {
    pub(crate) fn normals(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.normal()).collect()
    }
}

/// Plain.
pub(crate) fn tensor<const D: usize>(values: &[f64], shape: [usize; D]) -> Tensor<D> {
    let data = TensorData::new(values.to_vec(), shape);
    Tensor::from_data(data, (&Device::flex(), DType::F64))
}

pub(crate) fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    let data = x.inner().into_data().convert::<f64>();
    data.try_into_vec().unwrap()
}

/// The largest difference; infinite if any is not a number.
pub(crate) fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let each = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    each.fold(0.0, |worst, d| {
        if d <= worst {
            worst
        } else if d.is_nan() {
            f64::INFINITY
        } else {
            d
        }
    })
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

/// How far automatic differentiation of `Σ weights·f(x)` is from central differences.
pub(crate) fn gradient_error<const D: usize, const E: usize>(
    f: impl Fn(Tensor<D>) -> Tensor<E>,
    at: &[f64],
    shape: [usize; D],
) -> f64 {
    let x = tensor(at, shape).autodiff().require_grad();
    let y = f(x.clone());
    let dims = y.dims();
    let weights = Numbers(99).normals(dims.iter().product());
    let gradients = (y * tensor(&weights, dims).autodiff()).sum().backward();
    let gradient = values(x.grad(&gradients).expect("tracked"));
    let value = |x: &[f64]| {
        let y = values(f(tensor(x, shape)));
        y.iter().zip(&weights).map(|(y, w)| y * w).sum::<f64>()
    };
    let expected = differences(value, at);
    assert!(
        expected.iter().any(|slope| slope.abs() > 1e-3),
        "nothing is tested"
    );
    distance(&gradient, &expected)
}

pub(crate) fn row_sums(p: &[f64], n: usize) -> Vec<f64> {
    p.chunks(n).map(|row| row.iter().sum()).collect()
}

pub(crate) fn column_sums(p: &[f64], n: usize) -> Vec<f64> {
    let matrices = p.chunks(n * n);
    matrices
        .flat_map(|p| {
            (0..n)
                .map(|j| p[j..].iter().step_by(n).sum())
                .collect::<Vec<f64>>()
        })
        .collect()
}

/// The largest first.
pub(crate) fn sorted(x: &[f64]) -> Vec<f64> {
    let mut x = x.to_vec();
    x.sort_by(|a, b| b.total_cmp(a));
    x
}
