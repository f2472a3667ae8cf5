//! The networks.

use burn::{
    module::{Initializer, Module, Param},
    nn::{Linear, LinearConfig, LstmState},
    tensor::{
        Device, Tensor, TensorData,
        activation::{relu, sigmoid},
    },
};
use unbiased_estimators::{Key, Noise, NoiseLaw, Role};
use unbiased_kernels::{lstm_cell, sigmoid as fast_sigmoid};

use super::{
    config::AirConfig,
    transform::{Window, constant},
};
use crate::init::{Init, initialise_with, lecun_uniform};

fn affine(d_in: usize, d_out: usize, device: &Device) -> Linear {
    LinearConfig::new(d_in, d_out)
        .with_initializer(Initializer::Zeros)
        .init(device)
}

/// Affine maps with `max(0, .)` between them.
#[derive(Module, Debug)]
struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    fn new(widths: &[usize], device: &Device) -> Self {
        let layers = widths.windows(2).map(|w| affine(w[0], w[1], device));
        Self {
            layers: layers.collect(),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let last = self.layers.len().saturating_sub(1);
        let layers = self.layers.iter().enumerate();
        layers.fold(x, |x, (index, layer)| {
            let y = layer.forward(x);
            if index == last { y } else { relu(y) }
        })
    }
}

/// An LSTM cell (Hochreiter & Schmidhuber, 1997; forget gates as in Gers et al., 2000) with its gates side by side, in
/// the order input, forget, candidate, output.
#[derive(Module, Debug)]
struct Lstm {
    /// From what the network sees, with the bias of the gates.
    input: Linear,
    /// From the object before and the hidden state, `[object + h, 4 h]`.
    recurrent: Param<Tensor<2>>,
}

/// A model of scenes with its inference network; see the [module](super).
#[derive(Module, Debug)]
pub struct Air {
    embed: Mlp,
    lstm: Lstm,
    predict: Linear,
    presence: Linear,
    place: Linear,
    encoder: Mlp,
    decoder: Mlp,
    #[module(skip)]
    config: AirConfig,
}

impl Air {
    /// A network whose weights are a function of `seed`.
    ///
    /// # Panics
    /// If the settings do not pass [`AirConfig::check`].
    #[must_use]
    pub fn new(config: &AirConfig, seed: u64, device: &Device) -> Self {
        config.check().expect("checked settings");
        let c = config;
        let glimpse = c.window * c.window;
        let widths = |ends: [usize; 2], inner: &mut dyn Iterator<Item = usize>| {
            let mut widths = vec![ends[0]];
            widths.extend(inner);
            widths.push(ends[1]);
            widths
        };
        let mut embed = vec![c.pixels()];
        embed.extend(&c.embed);
        let seen = embed[embed.len() - 1];
        let model = Self {
            embed: Mlp::new(&embed, device),
            lstm: Lstm {
                input: affine(seen, 4 * c.lstm, device),
                recurrent: Param::from_tensor(Tensor::zeros(
                    [c.object() + c.lstm, 4 * c.lstm],
                    device,
                )),
            },
            predict: affine(c.lstm, c.predict, device),
            presence: affine(c.predict, 1, device),
            place: affine(c.predict, 6, device),
            encoder: Mlp::new(
                &widths([glimpse, 2 * c.what], &mut c.glimpse.iter().copied()),
                device,
            ),
            decoder: Mlp::new(
                &widths([c.what, glimpse], &mut c.glimpse.iter().rev().copied()),
                device,
            ),
            config: config.clone(),
        };
        let mut model = initialise_with(model, seed, |path, shape| match path {
            "presence.bias" => Init::Constant(c.presence_bias),
            _ => lecun_uniform(path, shape),
        });
        let bias = |values: Vec<f64>| {
            let data = TensorData::new(values.clone(), [values.len()]);
            Some(Param::from_tensor(Tensor::from_data(data, device)))
        };
        let spread = c.place_std.ln();
        model.place.bias = bias(vec![c.scale.ln(), 0.0, 0.0, spread, spread, spread]);
        // Forget gates begin open.
        let gates = (0..4 * c.lstm).map(|gate| f64::from(u8::from(gate / c.lstm == 1)));
        model.lstm.input.bias = bias(gates.collect());
        let last = model.decoder.layers.len() - 1;
        model.decoder.layers[last].bias = bias(vec![c.decoder_bias; glimpse]);
        model
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &AirConfig {
        &self.config
    }

    /// The moves between canvas and window.
    #[must_use]
    pub fn window(&self) -> Window {
        Window {
            canvas: self.config.canvas,
            window: self.config.window,
        }
    }

    /// Features of what is seen, `[rows, pixels] -> [rows, features]`.
    pub(super) fn features(&self, seen: Tensor<2>) -> Tensor<2> {
        if self.config.embed.is_empty() {
            return seen;
        }
        relu(self.embed.forward(seen))
    }

    /// The part of the gates that comes from the features, `[rows, 4 lstm]`.
    pub(super) fn gates(&self, features: Tensor<2>) -> Tensor<2> {
        self.lstm.input.forward(features)
    }

    /// States before the first step, `[rows, lstm]` each.
    pub(super) fn start(&self, rows: usize, device: &Device) -> LstmState<2> {
        let zeros = Tensor::zeros([rows, self.config.lstm], device);
        LstmState::new(zeros.clone(), zeros)
    }

    /// One step of the LSTM; `object` describes the object before, `[rows, 3 + what + 1]`.
    pub(super) fn advance(
        &self,
        gates: Tensor<2>,
        object: Tensor<2>,
        state: LstmState<2>,
    ) -> LstmState<2> {
        let carried = Tensor::cat(vec![object, state.hidden], 1);
        let gates = gates + carried.matmul(self.lstm.recurrent.val());
        lstm_cell(gates, state.cell)
    }

    /// Logit of presence `[rows, 1]` and the parameters of the place `[rows, 6]`.
    pub(super) fn heads(&self, hidden: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let predicted = relu(self.predict.forward(hidden));
        let logit = explored(
            self.presence.forward(predicted.clone()),
            self.config.exploration,
        );
        (logit, self.place.forward(predicted))
    }

    /// Parameters of the appearance, `[rows, 2 what]`, from a glimpse `[rows, window * window]`.
    pub(super) fn describe(&self, glimpse: Tensor<2>) -> Tensor<2> {
        self.encoder.forward(glimpse)
    }

    /// The object of an appearance, `[rows, what] -> [rows, window * window]`, 0 to 1.
    #[must_use]
    pub fn draw(&self, what: Tensor<2>) -> Tensor<2> {
        fast_sigmoid(self.decoder.forward(what))
    }

    /// Parameters of the prior of a place, `[1, 6]`.
    pub(super) fn place_prior(&self, device: &Device) -> Tensor<2> {
        let c = &self.config;
        let position = libm::log(c.position_std);
        let values = vec![
            libm::log(c.scale),
            0.0,
            0.0,
            libm::log(c.scale_std),
            position,
            position,
        ];
        constant(values, [1, 6], device)
    }

    /// Scenes with these numbers of objects, places and appearances from their priors, `[counts, pixels]`, as means of
    /// the pixels.
    ///
    /// # Panics
    /// If a scene is to have more objects than there are steps.
    #[must_use]
    pub fn sample(&self, counts: &[usize], noise: &Noise) -> Tensor<2> {
        let model = self.valid();
        let c = &model.config;
        let n = counts.len();
        let most = counts.iter().copied().max().unwrap_or(0);
        assert!(most <= c.steps, "at most {} objects, got {most}", c.steps);
        let device = model.predict.weight.val().device();
        let draw = |name: &str, step: usize, width: usize| {
            let key = Key::new(name, step);
            noise.draw(
                NoiseLaw::Normal,
                &key,
                Role::Choice,
                1,
                1,
                n,
                width,
                &device,
            )
        };
        let prior = model.place_prior(&device);
        let (mean, log_std) = (prior.clone().narrow(1, 0, 3), prior.narrow(1, 3, 3));
        let mut canvas = Tensor::zeros([n, c.pixels()], &device);
        for step in 0..most {
            let present = counts
                .iter()
                .map(|&count| f64::from(u8::from(step < count)));
            let present = constant(present.collect(), [n, 1], &device);
            let place = mean.clone() + log_std.clone().exp() * draw("sample place", step, 3);
            let what = model.draw(draw("sample what", step, c.what));
            canvas = canvas + present * model.window().paste(what, place);
        }
        canvas
    }
}

/// The logit of `eps/2 + (1 - eps) sigma(logit)`.
fn explored(logit: Tensor<2>, eps: f64) -> Tensor<2> {
    if eps == 0.0 {
        return logit;
    }
    let mix = |p: Tensor<2>| p * (1.0 - eps) + eps / 2.0;
    mix(sigmoid(logit.clone())).log() - mix(sigmoid(logit.neg())).log()
}
