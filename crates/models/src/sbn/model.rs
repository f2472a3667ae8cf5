//! The networks.

use burn::{
    module::{Initializer, Module, Param},
    nn::LinearConfig,
    tensor::{Device, Tensor, TensorData, activation::sigmoid},
};
use unbiased_estimators::{Key, Noise, Role, law};
use unbiased_kernels::{Activation, Linear};

use super::config::{Latent, Prior, SbnConfig, Task};
use crate::init::{Init, initialise_with, lecun_uniform};

/// Affine maps with tanh between them, `[rows, d_in] -> [rows, d_out]`.
#[derive(Module, Debug)]
pub struct Stack {
    layers: Vec<Linear>,
}

impl Stack {
    fn new(d_in: usize, hidden: &[usize], d_out: usize, device: &Device) -> Self {
        let widths: Vec<usize> = std::iter::once(d_in)
            .chain(hidden.iter().copied())
            .chain(std::iter::once(d_out))
            .collect();
        let layer = |(index, w): (usize, &[usize])| {
            let config = LinearConfig::new(w[0], w[1]).with_initializer(Initializer::Zeros);
            let last = index == hidden.len();
            Linear::new(&config, device).with(if last {
                Activation::Identity
            } else {
                Activation::Tanh
            })
        };
        Self {
            layers: widths.windows(2).enumerate().map(layer).collect(),
        }
    }

    /// Applies the maps.
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let hidden = self.hidden(x);
        self.output(hidden)
    }

    /// What the last map is applied to.
    #[must_use]
    pub fn hidden(&self, x: Tensor<2>) -> Tensor<2> {
        let inner = &self.layers[..self.layers.len() - 1];
        inner.iter().fold(x, |x, layer| layer.forward(x))
    }

    /// Applies the last map.
    ///
    /// # Panics
    /// Never: a stack has at least one map.
    #[must_use]
    pub fn output(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.layers
            .last()
            .expect("at least one map")
            .forward(hidden)
    }

    /// Sets the bias of the last map.
    fn set_output_bias(&mut self, bias: Vec<f32>, device: &Device) {
        let last = self.layers.last_mut().expect("at least one map");
        let data = TensorData::new(bias, [last.weight.lazy_shape()[1]]);
        last.bias = Some(Param::from_tensor(Tensor::from_data(data, device)));
    }
}

/// A belief network with its inference network; see the [module](super).
#[derive(Module, Debug)]
pub struct Sbn {
    /// Towards the top: `upwards[l]` gives the parameters of layer `l`.
    pub upwards: Vec<Stack>,
    /// Towards the data: `downwards[0]` gives pixels, `downwards[l]` the prior of layer `l - 1`. In structured
    /// prediction there is only `downwards[0]`, from the top.
    pub downwards: Vec<Stack>,
    /// Parameters of the law of the top layer, `[1, width]`.
    pub prior: Param<Tensor<2>>,
    /// Mean of the input pixels, `[1, inputs]`; not trained.
    pub mean: Param<Tensor<2>>,
    #[module(skip)]
    config: SbnConfig,
}

impl Sbn {
    /// A network for images with these mean pixel values, `mean` in [0, 1], its weights a function of `seed`. The bias
    /// of the pixels starts at the logit of their mean, clipped to [.001, .999].
    ///
    /// # Panics
    /// If the settings do not pass [`SbnConfig::check`].
    #[must_use]
    pub fn new(config: &SbnConfig, mean: &[f32], seed: u64, device: &Device) -> Self {
        config.check().expect("checked settings");
        let (inputs, outputs) = match config.task {
            Task::Density => (mean, mean),
            Task::LowerHalf => mean.split_at(mean.len() / 2),
        };
        let hidden = &config.hidden;
        let stack = |d_in, d_out| Stack::new(d_in, hidden, d_out, device);
        let mut upwards = Vec::new();
        let mut below = inputs.len();
        for &n in &config.layers {
            upwards.push(stack(below, config.param_width(n)));
            below = config.value_width(n);
        }
        let top = config.layers[config.layers.len() - 1];
        let downwards =
            match config.task {
                Task::LowerHalf => vec![stack(config.value_width(top), outputs.len())],
                Task::Density => {
                    let mut downwards =
                        vec![stack(config.value_width(config.layers[0]), outputs.len())];
                    downwards.extend(config.layers.windows(2).map(|pair| {
                        stack(config.value_width(pair[1]), config.param_width(pair[0]))
                    }));
                    downwards
                }
            };
        let prior = Tensor::zeros([1, config.param_width(top)], device);
        let learned = config.prior == Prior::Learned && config.task == Task::Density;
        let model = Self {
            upwards,
            downwards,
            prior: Param::from_tensor(prior),
            mean: Param::from_tensor(Tensor::zeros([1, inputs.len()], device)),
            config: config.clone(),
        };
        let scale = (3.0 * config.weight_variance).sqrt();
        let mut model = initialise_with(model, seed, |path, shape| {
            match lecun_uniform(path, shape) {
                // A row of numbers, not a map from one input.
                _ if path == "prior" => Init::Constant(0.0),
                Init::Uniform { bound } => Init::Uniform {
                    bound: bound * scale,
                },
                law => law,
            }
        });
        model.prior = model.prior.set_require_grad(learned);
        let data = TensorData::new(inputs.to_vec(), [1, inputs.len()]);
        model.mean = Param::from_tensor(Tensor::from_data(data, device)).set_require_grad(false);
        let logits = outputs
            .iter()
            .map(|p| p.clamp(0.001, 0.999))
            .map(|p| (p / (1.0 - p)).ln());
        model.downwards[0].set_output_bias(logits.collect(), device);
        model
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &SbnConfig {
        &self.config
    }

    /// Parts of an image `[rows, pixels]`: what the network sees and what it models.
    #[must_use]
    pub fn parts(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        match self.config.task {
            Task::Density => (x.clone(), x),
            Task::LowerHalf => {
                let half = x.dims()[1] / 2;
                let rest = x.dims()[1] - half;
                (x.clone().narrow(1, 0, half), x.narrow(1, half, rest))
            }
        }
    }

    /// What a net sees of a latent value: bits as `2b - 1`, others as they are.
    #[must_use]
    pub fn centred(&self, value: Tensor<2>) -> Tensor<2> {
        match self.config.latent {
            Latent::Bernoulli => value * 2.0 - 1.0,
            Latent::Categorical | Latent::Gaussian => value,
        }
    }

    /// Pixel probabilities given the values of the layer below all others, `[rows, width] -> [rows, pixels]`.
    #[must_use]
    pub fn pixels(&self, value: Tensor<2>) -> Tensor<2> {
        sigmoid(self.downwards[0].forward(self.centred(value)))
    }

    /// `n` images from the top down, as pixel probabilities `[n, pixels]`.
    ///
    /// # Panics
    /// In structured prediction, where there is nothing to start from.
    #[must_use]
    pub fn sample(&self, n: usize, noise: &Noise) -> Tensor<2> {
        assert_eq!(
            self.config.task,
            Task::Density,
            "structured prediction starts from data"
        );
        let model = self.valid();
        let prior = model.prior.val();
        let mut params = prior.clone().expand([n, prior.dims()[1]]);
        for layer in (0..self.config.layers.len()).rev() {
            let key = Key::new("sample", layer);
            let value = model.draw(params, &key, noise);
            params = model.downwards[layer].forward(model.centred(value));
        }
        sigmoid(params)
    }

    fn draw(&self, params: Tensor<2>, key: &Key, noise: &Noise) -> Tensor<2> {
        let law: &dyn law::Law = match self.config.latent {
            Latent::Bernoulli => &law::Bernoulli,
            Latent::Categorical => &law::Categorical {
                classes: self.config.classes,
            },
            Latent::Gaussian => &law::Gaussian,
        };
        let [rows, width] = params.dims();
        let width = law.width(width);
        let noise = noise.draw(
            law.noise(),
            key,
            Role::Choice,
            1,
            1,
            rows,
            width,
            &params.device(),
        );
        law.sample(params, noise)
    }
}
