//! The networks.

use burn::{
    module::{Initializer, Module, Param},
    nn::{Linear, LinearConfig},
    tensor::{Device, Tensor, activation::relu},
};
use unbiased_estimators::law::{Categorical, Gaussian, Law};
use unbiased_kernels::tanh;

use super::{
    Actions, Environment,
    config::{Activation, PolicyConfig},
};
use crate::init::{Init, initialise_with, lecun_uniform};

/// Affine maps with an activation between them, `[rows, d_in] -> [rows, d_out]`.
#[derive(Module, Debug)]
pub struct Net {
    layers: Vec<Linear>,
    #[module(skip)]
    activation: Activation,
}

impl Net {
    pub(super) fn new(
        d_in: usize,
        hidden: &[usize],
        d_out: usize,
        activation: Activation,
        device: &Device,
    ) -> Self {
        let widths: Vec<usize> = std::iter::once(d_in)
            .chain(hidden.iter().copied())
            .chain(std::iter::once(d_out))
            .collect();
        let layer = |w: &[usize]| {
            LinearConfig::new(w[0], w[1])
                .with_initializer(Initializer::Zeros)
                .init(device)
        };
        Self {
            layers: widths.windows(2).map(layer).collect(),
            activation,
        }
    }

    /// Applies the maps.
    ///
    /// # Panics
    /// Never: a net has at least one map.
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let (last, inner) = self.layers.split_last().expect("at least one map");
        let hidden = inner.iter().fold(x, |x, layer| {
            let x = layer.forward(x);
            match self.activation {
                Activation::Relu => relu(x),
                Activation::Tanh => tanh(x),
            }
        });
        last.forward(hidden)
    }
}

/// From what an agent sees to the parameters of the law of its action.
#[derive(Module, Debug)]
pub struct Policy {
    /// Logits, or means.
    net: Net,
    /// Of continuous actions, `[1, n]`.
    log_std: Option<Param<Tensor<2>>>,
    #[module(skip)]
    actions: Actions,
}

impl Policy {
    /// A policy for `environment`, its weights a function of `seed`: uniform on ±1/√(fan in), biases 0.
    #[must_use]
    pub fn new(
        config: &PolicyConfig,
        environment: &dyn Environment,
        seed: u64,
        device: &Device,
    ) -> Self {
        let policy = Self::blank(config, environment, device);
        let log_std = config.log_std;
        initialise_with(policy, seed, |path, shape| start(path, shape, log_std))
    }

    /// Before its values are drawn.
    pub(super) fn blank(
        config: &PolicyConfig,
        environment: &dyn Environment,
        device: &Device,
    ) -> Self {
        let actions = environment.actions();
        let n = actions.width();
        let (features, hidden) = (environment.features(), &config.hidden);
        Self {
            net: Net::new(features, hidden, n, config.activation, device),
            log_std: matches!(actions, Actions::Continuous(_))
                .then(|| Param::from_tensor(Tensor::zeros([1, n], device))),
            actions,
        }
    }

    /// What the agent may do.
    #[must_use]
    pub fn actions(&self) -> Actions {
        self.actions
    }

    /// The law of an action.
    #[must_use]
    pub fn law(&self) -> Box<dyn Law> {
        match self.actions {
            Actions::Discrete(classes) => Box::new(Categorical { classes }),
            Actions::Continuous(_) => Box::new(Gaussian),
        }
    }

    /// Parameters of the law of the action, `[rows, features] -> [rows, params]`.
    #[must_use]
    pub fn forward(&self, seen: Tensor<2>) -> Tensor<2> {
        let params = self.net.forward(seen);
        match &self.log_std {
            None => params,
            Some(log_std) => {
                let shape = params.dims();
                Tensor::cat(vec![params, log_std.val().expand(shape)], 1)
            }
        }
    }
}

/// The law of an initial value.
pub(super) fn start(path: &str, shape: &[usize], log_std: f64) -> Init {
    if path.ends_with("log_std") {
        Init::Constant(log_std)
    } else {
        lecun_uniform(path, shape)
    }
}
