//! The variance of a gradient at fixed parameters.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// ln of the variance of the gradient of `surrogate(0..n)` in the parameters of `model`, averaged over parameters.
pub(super) fn ln_variance<M: Module>(
    model: &M,
    n: u64,
    mut surrogate: impl FnMut(u64) -> Tensor<1>,
) -> f64 {
    let (mut mean, mut square): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    for repeat in 0..n {
        let mut gradients = surrogate(repeat).backward();
        let gradients = GradientsParams::from_module(&mut gradients, model);
        let mut flat = Flatten {
            gradients: &gradients,
            values: Vec::with_capacity(mean.len()),
        };
        model.visit(&mut flat);
        mean.resize(flat.values.len(), 0.0);
        square.resize(flat.values.len(), 0.0);
        // Welford's recursion.
        let count = (repeat + 1) as f64;
        for ((mean, square), g) in mean.iter_mut().zip(&mut square).zip(flat.values) {
            let before = g - *mean;
            *mean += before / count;
            *square += before * (g - *mean);
        }
    }
    let total: f64 = square.iter().sum();
    libm::log(total / ((n - 1) as f64 * square.len() as f64))
}

/// All gradients of a module in the order of its parameters, 0 where there is none.
struct Flatten<'a> {
    gradients: &'a GradientsParams,
    values: Vec<f64>,
}

impl ModuleVisitor for Flatten<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let values = gradient.into_data_as::<f64>().try_to_vec::<f64>();
            self.values.extend(values.expect("converted to f64"));
        } else {
            let n = param.val().shape().num_elements();
            self.values.extend(std::iter::repeat_n(0.0, n));
        }
    }
}
