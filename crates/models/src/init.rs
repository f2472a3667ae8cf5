//! Initial values of parameters as a function of a seed.
//!
//! The framework draws them from a generator shared by the whole process, at first use. Here each value
//! depends on the seed, the path of its parameter and its place in it, and on nothing else: not on the order
//! of construction, the threads or the device.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};
use unbiased_kernels::substream;

/// The law that a parameter is drawn from.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Init {
    /// The same value everywhere.
    Constant(f64),
    /// Uniform on (-bound, bound).
    Uniform {
        /// Half the width.
        bound: f64,
    },
    /// Normal around zero.
    Normal {
        /// Standard deviation.
        std: f64,
    },
}

/// Draws every float parameter of `module` as [`lecun_uniform`] has it.
pub fn initialise<M: Module>(module: M, seed: u64) -> M {
    initialise_with(module, seed, lecun_uniform)
}

/// Draws every float parameter of `module` from the law that `rule` gives for its path (`encoder.weight`) and shape.
pub fn initialise_with<M: Module>(
    module: M,
    seed: u64,
    rule: impl Fn(&str, &[usize]) -> Init,
) -> M {
    module.map(&mut Initialiser {
        path: Vec::new(),
        seed,
        rule,
    })
}

/// Weights uniform on `±1/√fan_in`, everything of rank one zero.
///
/// `fan_in` is the first axis of a matrix (`[d_in, d_out]`) and the product of all but the first of a filter.
#[must_use]
pub fn lecun_uniform(_path: &str, shape: &[usize]) -> Init {
    let fan_in: usize = match shape {
        [] | [_] => return Init::Constant(0.0),
        [d_in, _] => *d_in,
        [_, rest @ ..] => rest.iter().product(),
    };
    Init::Uniform {
        bound: 1.0 / (fan_in.max(1) as f64).sqrt(),
    }
}

struct Initialiser<F> {
    path: Vec<String>,
    seed: u64,
    rule: F,
}

impl<F: Fn(&str, &[usize]) -> Init> ModuleMapper for Initialiser<F> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        let shape = param.lazy_shape();
        let law = (self.rule)(&path, &shape);
        let key = substream(self.seed, fnv1a(&path));
        let values: Vec<f32> = (0..shape.num_elements() as u64)
            .map(|index| draw(law, key, index) as f32)
            .collect();
        let tensor = Tensor::from_data(TensorData::new(values, shape), &param.lazy_device());
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}

fn draw(law: Init, key: u64, index: u64) -> f64 {
    let uniform = |role: u64| uniform(key, &[index, role]);
    match law {
        Init::Constant(value) => value,
        Init::Uniform { bound } => bound * (2.0 * uniform(0) - 1.0),
        // Box and Muller.
        Init::Normal { std } => {
            let radius = libm::sqrt(-2.0 * libm::log(uniform(0)));
            std * radius * libm::cos(std::f64::consts::TAU * uniform(1))
        }
    }
}

/// A number strictly between 0 and 1 that depends on its address and on nothing else.
pub(crate) fn uniform(key: u64, address: &[u64]) -> f64 {
    let bits = address.iter().copied().fold(substream(key, 0), substream);
    ((bits >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
}

/// The FNV-1a hash (Fowler, Noll & Vo): a path as a key.
fn fnv1a(path: &str) -> u64 {
    path.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    fn weights(seed: u64) -> Vec<f32> {
        let layer: Linear = LinearConfig::new(100, 50).init(&Device::flex());
        let layer = initialise(layer, seed);
        layer.weight.val().into_data().try_to_vec().unwrap()
    }

    #[test]
    fn equal_seeds_give_equal_weights_and_others_do_not() {
        assert_eq!(weights(3), weights(3));
        assert_ne!(weights(3), weights(4));
    }

    /// 5,000 draws: the standard error of the mean is 0.0577/√5000 = 0.0008, of the variance 0.0000421.
    #[test]
    fn weights_have_the_moments_of_their_law() {
        let w = weights(0);
        let n = w.len() as f64;
        let mean = w.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let variance = w.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < 5.0 * 0.0008, "{mean}");
        assert!(
            (variance - 0.01 / 3.0).abs() < 5.0 * 0.000_042_1,
            "{variance}"
        );
        assert!(w.iter().all(|x| x.abs() <= 0.1));
    }

    #[test]
    fn normal_draws_have_their_standard_deviation() {
        let layer: Linear = LinearConfig::new(100, 50).init(&Device::flex());
        let layer = initialise_with(layer, 1, |_, _| Init::Normal { std: 2.0 });
        let w: Vec<f32> = layer.weight.val().into_data().try_to_vec().unwrap();
        let variance = w.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / w.len() as f64;
        // Standard error of the variance: 4·√(2/5000) = 0.08.
        assert!((variance - 4.0).abs() < 0.4, "{variance}");
    }

    #[test]
    fn parameters_keep_requiring_gradients() {
        let device = Device::flex().autodiff();
        let layer: Linear = initialise(LinearConfig::new(2, 2).init(&device), 1);
        assert!(layer.weight.val().is_require_grad());
    }
}
