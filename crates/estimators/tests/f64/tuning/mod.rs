//! What estimators own: the gradient that trains it, that nothing else receives, and that it survives being stored.

mod from_outside;
mod gradients;
mod owned;
mod warnings;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Gradients, Tensor},
};
use unbiased_estimators::{Estimate, Estimator, Noise, Owned};

use crate::{
    estimate::{example, numbers},
    programs::Model,
};

const ROWS: usize = 16;

fn run(estimator: &mut dyn Estimator, model: &dyn Model) -> Estimate {
    let program = example(model, &model.parameters(), ROWS);
    estimator.estimate(&program, &Noise::new(9, 4))
}

/// Gradients of everything trainable that is owned, number by number; zero where there is none.
pub fn owned_gradients(owned: &Owned, gradients: &Gradients) -> Vec<f64> {
    struct Visit<'a>(&'a Gradients, Vec<f64>);
    impl ModuleVisitor for Visit<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            if !value.is_require_grad() {
                return;
            }
            let gradient = value
                .grad(self.0)
                .unwrap_or_else(|| value.clone().inner().zeros_like());
            self.1.extend(numbers(gradient));
        }
    }
    let mut visit = Visit(gradients, Vec::new());
    owned.visit(&mut visit);
    visit.1
}

/// Adds `shift` to the `index`-th number owned.
fn shifted(owned: Owned, index: usize, shift: f64) -> Owned {
    struct Shift(usize, usize, f64);
    impl ModuleMapper for Shift {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if !param.val().is_require_grad() {
                return param;
            }
            let start = self.1;
            let n = param.val().shape().num_elements();
            self.1 += n;
            if !(start..start + n).contains(&self.0) {
                return param;
            }
            param.map(|old| {
                let (shape, leaf) = (old.shape(), old.is_require_grad());
                let mut values = numbers(old.clone());
                values[self.0 - start] += self.2;
                let device = old.device().without_autodiff();
                let new = Tensor::<1>::from_data(values.as_slice(), &device).reshape(shape);
                let new = Tensor::from_inner(new);
                if leaf { new.require_grad() } else { new }
            })
        }
    }
    owned.map(&mut Shift(index, 0, shift))
}

/// Distance of two vectors relative to the second.
fn relative(got: &[f64], want: &[f64]) -> f64 {
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
    let distance = norm(&mut got.iter().zip(want).map(|(g, w)| g - w));
    distance / norm(&mut want.iter().copied())
}
