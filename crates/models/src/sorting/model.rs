//! The networks.

use burn::{
    module::{Initializer, Module, Param},
    nn::{Linear, LinearConfig},
    tensor::{Device, Tensor, activation},
};

use super::config::{Head, OrderLaw, SortingConfig};
use crate::init::{Init, initialise_with};

/// Scores elements for places.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a run has one")]
pub enum Sorter {
    /// [`Head::Paper`].
    Paper(Perceptron),
    /// [`Head::Affine`].
    Affine(Slopes),
}

/// `w₂ relu(w₁ x + b₁) + b₂` of each number x.
#[derive(Module, Debug)]
pub struct Perceptron {
    first: Linear,
    second: Linear,
}

/// `a_j x`, x standardised within its list, `a_j = 1/n Σ_{k ≤ j} softplus(s_k)`.
#[derive(Module, Debug)]
pub struct Slopes {
    /// s, `[places]`.
    steps: Param<Tensor<1>>,
}

impl Sorter {
    /// A network for lists of `config.n` numbers. Weights are drawn as in the paper's code, uniform on `±√(6/(fan_in + fan_out))`.
    #[must_use]
    pub fn new(config: &SortingConfig, seed: u64, device: &Device) -> Self {
        let places = match config.law {
            OrderLaw::GumbelSinkhorn => config.n,
            OrderLaw::PlackettLuce => 1,
        };
        match config.head {
            Head::Paper => {
                let layer = |d_in, d_out| {
                    let config = LinearConfig::new(d_in, d_out);
                    config.with_initializer(Initializer::Zeros).init(device)
                };
                let net = Perceptron {
                    first: layer(1, config.hidden),
                    second: layer(config.hidden, places),
                };
                Self::Paper(initialise_with(net, seed, glorot_uniform))
            }
            Head::Affine => Self::Affine(Slopes {
                steps: Param::from_tensor(Tensor::zeros([places], device)),
            }),
        }
    }

    /// Scores of the elements of lists `[batch, n]`, `[batch, n·places]`.
    #[must_use]
    pub fn scores(&self, x: Tensor<2>) -> Tensor<2> {
        let [batch, n] = x.dims();
        let scores = match self {
            Self::Paper(net) => {
                let hidden = activation::relu(net.first.forward(x.reshape([batch * n, 1])));
                net.second.forward(hidden)
            }
            Self::Affine(slopes) => {
                let steps = activation::softplus(slopes.steps.val(), 1.0);
                let places = steps.dims()[0];
                let a = steps.cumsum(0) / places as f64;
                standardised(x).reshape([batch * n, 1]) * a.unsqueeze::<2>()
            }
        };
        let places = scores.dims()[1];
        scores.reshape([batch, n * places])
    }

    /// The same network in double precision; waits for the device.
    ///
    /// # Panics
    /// If the device cannot be read.
    #[must_use]
    pub fn on_host(&self) -> HostSorter {
        fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f64> {
            x.into_data().iter::<f64>().collect()
        }
        match self {
            Self::Paper(net) => {
                let bias = |layer: &Linear| {
                    let bias = layer.bias.as_ref().expect("made with a bias");
                    numbers(bias.val())
                };
                HostSorter(Weights::Paper {
                    first: numbers(net.first.weight.val()),
                    first_bias: bias(&net.first),
                    second: numbers(net.second.weight.val()),
                    second_bias: bias(&net.second),
                })
            }
            Self::Affine(slopes) => {
                let mut a = 0.0;
                let steps: Vec<f64> = numbers(slopes.steps.val());
                let places = steps.len() as f64;
                let slopes = steps.iter().map(|&s: &f64| {
                    // softplus
                    a += (s.max(0.0) + libm::log1p(libm::exp(-s.abs()))) / places;
                    a
                });
                HostSorter(Weights::Affine(slopes.collect()))
            }
        }
    }
}

/// Weights uniform on `±√(6/(fan_in + fan_out))`, biases zero (Glorot & Bengio, 2010).
fn glorot_uniform(_path: &str, shape: &[usize]) -> Init {
    match *shape {
        [d_in, d_out] => Init::Uniform {
            bound: (6.0 / (d_in + d_out) as f64).sqrt(),
        },
        _ => Init::Constant(0.0),
    }
}

/// Every list with mean 0 and variance 1.
fn standardised(x: Tensor<2>) -> Tensor<2> {
    let centred = x.clone() - x.mean_dim(1);
    let variance = centred.clone().square().mean_dim(1);
    // Lists without spread stay 0.
    centred / variance.sqrt().clamp_min(1e-20)
}

/// A [`Sorter`] in double precision: where numbers are close together, single precision cannot tell them apart.
#[derive(Debug, Clone)]
pub struct HostSorter(Weights);

#[derive(Debug, Clone)]
enum Weights {
    Paper {
        first: Vec<f64>,
        first_bias: Vec<f64>,
        second: Vec<f64>,
        second_bias: Vec<f64>,
    },
    Affine(Vec<f64>),
}

impl HostSorter {
    /// The scores of the elements of one list, rows after each other, as [`Sorter::scores`].
    #[must_use]
    pub fn scores(&self, x: &[f64]) -> Vec<f64> {
        match &self.0 {
            Weights::Paper {
                first,
                first_bias,
                second,
                second_bias,
            } => {
                let places = second_bias.len();
                let mut scores = Vec::with_capacity(x.len() * places);
                for &x in x {
                    let at = scores.len();
                    scores.extend_from_slice(second_bias);
                    let units = first
                        .iter()
                        .zip(first_bias)
                        .zip(second.chunks_exact(places));
                    for ((w, b), row) in units {
                        let hidden = (w * x + b).max(0.0);
                        for (score, w) in scores[at..].iter_mut().zip(row) {
                            *score += hidden * w;
                        }
                    }
                }
                scores
            }
            Weights::Affine(slopes) => {
                let n = x.len() as f64;
                let mean = x.iter().sum::<f64>() / n;
                let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
                let scale = variance.sqrt().max(1e-20);
                let rows = x.iter().map(|x| (x - mean) / scale);
                rows.flat_map(|x| slopes.iter().map(move |a| a * x))
                    .collect()
            }
        }
    }
}
