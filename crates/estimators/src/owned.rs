//! The parameters that estimators own.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use crate::{
    control::Parameters,
    rules::{nvil::Nvil, rebar::RebarParameters},
    watch::Watch,
};

/// All parameters and running averages of an estimator, rule by rule.
#[derive(Module, Debug, Default)]
pub struct Owned {
    /// One entry per rule that owns something, in order of first use of its site.
    pub rules: Vec<OwnedRule>,
}

/// What one rule owns.
#[expect(clippy::large_enum_variant, reason = "one per site")]
#[derive(Module, Debug)]
pub enum OwnedRule {
    /// A moving average.
    Average(RunningMean),
    /// A baseline network.
    Nvil(Nvil),
    /// A control variate.
    Control(ControlParameters),
}

/// What a control variate owns; the parts that it does not have are missing.
#[derive(Module, Debug)]
pub struct ControlParameters {
    /// Scale and temperature of the relaxed objective.
    pub objective: Option<RebarParameters>,
    /// The network.
    pub net: Option<Parameters>,
    /// The state-value baseline.
    pub baseline: Option<Nvil>,
    /// What it has seen of itself.
    pub watch: Watch,
}

/// An exponential moving average that forgets its start: `m <- d m + (1 - d) x`, and its weight likewise.
#[derive(Module, Debug)]
pub struct RunningMean {
    /// The means, then their weight.
    state: Param<Tensor<1>>,
    decay: f64,
    held: bool,
}

impl RunningMean {
    /// An average with nothing in it.
    #[must_use]
    pub fn new(decay: f64, device: &Device) -> Self {
        Self::of(1, decay, device)
    }

    /// Averages of `n` numbers that are taken in together.
    #[must_use]
    pub fn of(n: usize, decay: f64, device: &Device) -> Self {
        Self {
            state: fixed(vec![0.0; n + 1], device),
            decay,
            held: false,
        }
    }

    fn state(&self) -> (Tensor<1>, Tensor<1>) {
        let state = self.state.val().inner();
        let n = state.dims()[0] - 1;
        (state.clone().slice([0..n]), state.slice([n..n + 1]))
    }

    /// The means so far, `[n]`; zero at the start.
    #[must_use]
    pub fn value(&self) -> Tensor<1> {
        let (means, weight) = self.state();
        means / weight.clamp_min(1e-30)
    }

    /// How much it has seen: 0 at the start, tends to 1.
    pub(crate) fn weight(&self) -> f64 {
        self.state().1.into_scalar::<f64>()
    }

    /// Takes nothing in from now on.
    pub fn hold(&mut self) {
        self.held = true;
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held
    }

    /// Takes in the mean of `x`.
    pub fn update(&mut self, x: Tensor<1>) {
        if !self.held {
            self.take_in(x.inner().mean());
        }
    }

    /// Takes in the mean of each column of `[rows, n]`.
    pub fn update_each(&mut self, x: Tensor<2>) {
        if !self.held {
            self.take_in(x.inner().mean_dim(0).squeeze_dim::<1>(0));
        }
    }

    fn take_in(&mut self, means: Tensor<1>) {
        let one = Tensor::ones([1], (&means.device(), means.dtype()));
        let new = Tensor::cat(vec![means, one], 0) * (1.0 - self.decay);
        let decay = self.decay;
        let state = self.state.clone();
        self.state = state.map(|old| {
            let next = old.clone().inner() * decay + new;
            if old.is_autodiff() {
                Tensor::from_inner(next)
            } else {
                next
            }
        });
    }
}

/// A stored parameter that is not trained.
fn fixed(values: Vec<f32>, device: &Device) -> Param<Tensor<1>> {
    let n = values.len();
    let tensor = Tensor::from_data(TensorData::new(values, [n]), device);
    Param::from_tensor(tensor).set_require_grad(false)
}

/// A trained parameter of one number.
pub(crate) fn scalar_parameter(value: f32, device: &Device) -> Param<Tensor<1>> {
    Param::from_tensor(Tensor::from_data(TensorData::new(vec![value], [1]), device))
}
