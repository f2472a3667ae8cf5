//! What systems share on the way between host and device: batches up, pictures down, and means that stay there.

use anyhow::Context;
use burn::tensor::{Device, Tensor, TensorData};

use crate::bundle::Bundle;

/// Numbers of `count` rows as a tensor, `[count, numbers / count]`.
pub(crate) fn rows(numbers: Vec<f32>, count: usize, device: &Device) -> Tensor<2> {
    let width = numbers.len() / count;
    Tensor::from_data(TensorData::new(numbers, [count, width]), device)
}

/// The numbers of a tensor; waits for the device.
pub(crate) fn host<const D: usize>(x: Tensor<D>) -> anyhow::Result<Vec<f32>> {
    Ok(x.into_data_as::<f32>().try_to_vec::<f32>()?)
}

/// A mean that stays on the device until it is read.
pub(crate) struct Average {
    sum: Tensor<1>,
    count: u64,
}

impl Average {
    pub(crate) fn new(device: &Device) -> Self {
        Self {
            sum: Tensor::zeros([1], device),
            count: 0,
        }
    }

    /// Takes in the costs of a batch, one number per example.
    pub(crate) fn add(&mut self, costs: &Tensor<1>) {
        self.sum = self.sum.clone() + costs.clone().sum();
        self.count += costs.dims()[0] as u64;
    }

    pub(crate) fn read(&self) -> f64 {
        f64::from(self.sum.clone().into_scalar::<f32>()) / self.count as f64
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::new(&self.sum.device());
    }

    /// Puts it into a bundle under `name`.
    pub(crate) fn put(&self, name: &str, bundle: &mut Bundle) {
        bundle.put_tensor(name, self.sum.to_data());
        bundle.put_number(format!("{name}_count"), self.count);
    }

    /// Takes up each of `averages` under its name.
    pub(crate) fn load_all(
        bundle: Bundle,
        averages: &mut [(&str, &mut Self)],
    ) -> anyhow::Result<()> {
        for (name, average) in averages.iter_mut() {
            average.count = bundle.number(&format!("{name}_count"))?;
        }
        let (mut tensors, _) = bundle.into_parts();
        for (name, average) in averages {
            let data = tensors
                .remove(*name)
                .with_context(|| format!("it holds no tensor `{name}`"))?;
            average.sum = Tensor::from_data(data, &average.sum.device());
        }
        Ok(())
    }
}
