//! The variational posterior.

use burn::module::{Module, Param};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData, activation};

use super::config::{Method, NeuronConfig};
use super::worms::Population;

/// Parameters of the laws of weights and names.
#[derive(Module, Debug)]
pub struct Posterior {
    /// Means and ln standard deviations of the weights of all connections, in units of the prior's standard deviation, `[1, 2 E]`.
    weights: Param<Tensor<2>>,
    /// X of each worm, `[worms, N²]`; those of pairs that may not be are not used.
    scores: Param<Tensor<2>>,
    /// Of the rounding law: V, as logits of its share of the largest, `[worms, N²]`.
    spread: Option<Param<Tensor<2>>>,
}

/// Where the ln standard deviations of weights start.
const WEIGHT_LN_SD: f64 = -2.0;

/// What is known and recorded, on a device.
#[derive(Debug, Clone)]
pub struct Recordings {
    /// N.
    pub(super) neurons: usize,
    /// Standard deviation of the weights.
    pub(super) weight_sd: f64,
    /// Where in a matrix of weights, `[N²]`, each connection is, `[E]`.
    pub(super) connections: Tensor<1, Int>,
    pub(super) worms: Vec<Recording>,
}

/// One worm.
#[derive(Debug, Clone)]
pub(super) struct Recording {
    /// Statistics, `[N, N]`.
    pub(super) s00: Tensor<2>,
    pub(super) s10: Tensor<2>,
    pub(super) s11: f64,
    pub(super) steps: usize,
    /// Pairs of neuron and name that may not be, `[1, N²]`.
    pub(super) forbidden: Tensor<2, Bool>,
}

impl Recordings {
    /// Copies a population to `device`.
    #[must_use]
    pub fn new(population: &Population, device: &Device) -> Self {
        let n = population.connectome.neurons();
        let places = population.connectome.connections();
        let places: Vec<i32> = places.map(|[i, j]| (i * n + j) as i32).collect();
        let matrix = |s: &[f64]| {
            let values: Vec<f64> = s.to_vec();
            Tensor::<1>::from_floats(&values[..], device).reshape([n, n])
        };
        let worms = population.worms.iter().map(|worm| Recording {
            s00: matrix(&worm.activity.s00),
            s10: matrix(&worm.activity.s10),
            s11: worm.activity.s11,
            steps: worm.activity.steps,
            forbidden: {
                let forbidden: Vec<bool> = worm.candidates.iter().map(|c| !c).collect();
                Tensor::from_data(TensorData::new(forbidden, [1, n * n]), device)
            },
        });
        Self {
            neurons: n,
            weight_sd: population.weight_sd,
            connections: Tensor::from_ints(&places[..], device),
            worms: worms.collect(),
        }
    }

    /// Numbers recorded after the first time.
    #[must_use]
    pub fn numbers(&self) -> usize {
        self.worms.iter().map(|worm| worm.steps).sum::<usize>() * self.neurons
    }
}

impl Posterior {
    /// All weights 0 in the mean, all candidates alike.
    #[must_use]
    pub fn new(config: &NeuronConfig, recordings: &Recordings, device: &Device) -> Self {
        let connections = recordings.connections.dims()[0];
        let means = Tensor::zeros([1, connections], device);
        let ln_sds = Tensor::full([1, connections], WEIGHT_LN_SD, device);
        let none = || {
            let shape = [recordings.worms.len(), recordings.neurons.pow(2)];
            Param::from_tensor(Tensor::zeros(shape, device))
        };
        Self {
            weights: Param::from_tensor(Tensor::cat(vec![means, ln_sds], 1)),
            scores: none(),
            spread: (config.method == Method::Rounding).then(none),
        }
    }

    /// Parameters of the law of the weights, `[1, 2 E]`.
    pub(super) fn weights(&self) -> Tensor<2> {
        self.weights.val()
    }

    /// X of one worm, `[1, N²]`; −∞ where a pair may not be.
    pub(super) fn scores(&self, worm: usize, forbidden: Tensor<2, Bool>) -> Tensor<2> {
        let scores = self.scores.val().narrow(0, worm, 1);
        scores.mask_fill(forbidden, f64::NEG_INFINITY)
    }

    /// ln V of one worm, `[1, N²]`, V at most `largest`.
    ///
    /// # Panics
    /// Without the rounding law.
    pub(super) fn ln_deviation(&self, worm: usize, largest: f64) -> Tensor<2> {
        let spread = self.spread.as_ref().expect("of the rounding law");
        activation::log_sigmoid(spread.val().narrow(0, worm, 1)) + largest.ln()
    }

    /// X of all worms, `[worms, N²]`, without gradient.
    #[must_use]
    pub fn all_scores(&self) -> Tensor<2> {
        self.scores.val().inner()
    }
}
