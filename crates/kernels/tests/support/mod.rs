//! Seeded numbers, and the one comparison that all tests use.

use burn::tensor::{Device, Tensor, TensorData};

/// Deterministic numbers, uniform in (−1, 1).
pub(crate) struct Numbers(pub(crate) u32);

impl Numbers {
    pub(crate) fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    pub(crate) fn matrix(
        &mut self,
        [rows, columns]: [usize; 2],
        scale: f32,
        device: &Device,
    ) -> Tensor<2> {
        let values: Vec<f32> = (0..rows * columns).map(|_| scale * self.next()).collect();
        Tensor::from_data(TensorData::new(values, [rows, columns]), device)
    }
}

/// The largest difference over the largest reference value; infinite where one of the two is not finite.
pub(crate) fn relative_error<const D: usize>(got: &Tensor<D>, reference: &Tensor<D>) -> f64 {
    assert_eq!(got.dims(), reference.dims());
    let [got, reference] =
        [got, reference].map(|t| t.to_data().convert::<f64>().try_to_vec::<f64>().unwrap());
    assert!(!reference.is_empty());
    let (mut difference, mut largest) = (0.0, f64::MIN_POSITIVE);
    for (g, r) in got.into_iter().zip(reference) {
        if !(g.is_finite() && r.is_finite()) {
            return f64::INFINITY;
        }
        difference = f64::max(difference, (g - r).abs());
        largest = f64::max(largest, r.abs());
    }
    difference / largest
}

/// A function of two matrices, with its output flattened to a matrix so that maps and row sums share the checks.
pub(crate) type Pair = fn(Tensor<2>, Tensor<2>) -> Tensor<2>;

/// Value of `f(a, b)` and the gradients of its sum weighted by `weights` (a plain sum would hide errors).
pub(crate) fn value_and_gradients(
    f: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<2>,
    a: &Tensor<2>,
    b: &Tensor<2>,
    weights: &Tensor<2>,
) -> (Tensor<2>, [Option<Tensor<2>>; 2]) {
    let y = f(a.clone(), b.clone());
    let value = y.clone().inner();
    let mut gradients = (y * weights.clone()).sum().backward();
    (value, [a, b].map(|leaf| leaf.grad_remove(&mut gradients)))
}
