//! NVIL: REINFORCE with a learned, input-dependent baseline.
//!
//! Source: Mnih & Gregor, "Neural Variational Inference and Learning in Belief Networks", 2014, sections 2.3 and 2.4.
//!
//! `g = (f(b) - C(x) - c) * d ln p(b; a) / d a`, `C` trained on `(f(b) - C(x) - c)^2`
//!
//! | unbiased | f differentiable | calls of f | extra parameters                |
//! |----------|------------------|------------|---------------------------------|
//! | yes      | not needed       | 1          | a net of one hidden layer, `c`  |
//!
//! Shapes: context `[rows, features]` -> `C` `[rows]`. `f` is the local signal: costs downstream of the site only.
//! Differences from the paper: no variance normalisation of the signal, which would scale this part of the gradient
//! against the rest; a hidden layer of 100 tanh units, as in the code of Tucker et al., 2017, output weights zero at
//! the start so that the baseline begins as `c` alone.

use burn::{
    module::{Module, Param},
    nn::Linear,
    tensor::{Device, Tensor},
};
use unbiased_kernels::tanh;

use super::{At, Gradient, Rule};
use crate::{
    estimator::Objective,
    noise::{Noise, NoiseLaw, Role},
    owned::{OwnedRule, RunningMean},
    program::Key,
    trace::{Schema, SiteSchema},
    watch::Watch,
};

/// REINFORCE with a baseline network over the context of the site.
#[derive(Module, Debug)]
pub struct Nvil {
    hidden: Linear,
    output: Linear,
    pub(super) average: RunningMean,
    watch: Watch,
}

impl Nvil {
    /// A baseline over `features` columns of context.
    #[must_use]
    pub fn new(features: usize, hidden: usize, decay: f64, device: &Device) -> Self {
        // Uniform on +-1/sqrt(features), from keyed noise and not from the generator that the whole process shares.
        let plain = device.clone().without_autodiff();
        let uniform = Noise::new(0, 0).draw(
            NoiseLaw::Uniform,
            &Key::new("nvil", 0),
            Role::Other(0),
            features,
            features,
            1,
            hidden,
            &plain,
        );
        let scale = 1.0 / (features as f64).sqrt();
        Self {
            hidden: linear((uniform * 2.0 - 1.0) * scale, device),
            output: linear(Tensor::zeros([hidden, 1], &plain), device),
            average: RunningMean::new(decay, device),
            watch: Watch::new(device),
        }
    }

    /// `f - C(x) - c`, and its mean square on the tape of `C` unless it has stopped learning; `f` in every row.
    pub(super) fn signal(&self, at: &At<'_>, f: Tensor<1>) -> (Tensor<1>, Option<Tensor<1>>) {
        let context = at.context().expect("checked: the site has a context");
        let centred = f - self.average.value();
        let baseline = self.forward(context);
        let learns = !self.average.is_held();
        (
            centred.clone() - baseline.clone().inner(),
            learns.then(|| (baseline - centred).square().mean()),
        )
    }

    /// `C(x)`, `[rows, features] -> [rows]`.
    #[must_use]
    pub fn forward(&self, context: Tensor<2>) -> Tensor<1> {
        let hidden = tanh(self.hidden.forward(context));
        self.output.forward(hidden).squeeze_dim::<1>(1)
    }
}

/// A layer with these weights, `[in, out]`, and no bias at first.
fn linear(weight: Tensor<2>, device: &Device) -> Linear {
    let weight = if device.is_autodiff() {
        weight.autodiff()
    } else {
        weight
    };
    let bias = Tensor::zeros([weight.dims()[1]], device);
    Linear {
        weight: Param::from_tensor(weight),
        bias: Some(Param::from_tensor(bias)),
    }
}

impl Rule for Nvil {
    fn check(&self, site: &SiteSchema, _: &Schema, _: &Objective) -> Result<(), String> {
        match site.context {
            Some(_) => Ok(()),
            None => Err("the site gives no context to its baseline; use `moving-average`".into()),
        }
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let (signal, tuning) = self.signal(at, at.cost_to_go());
        let gradient = Gradient::score(at, signal);
        if tuning.is_some() {
            let plain = Gradient::score(at, at.cost_to_go());
            self.watch.take_in(&plain.logits, &gradient.logits);
        }
        Some(Gradient { tuning, ..gradient })
    }

    fn stacks(&self) -> bool {
        true
    }

    fn observe(&mut self, at: &At<'_>) {
        self.average.update(at.cost_to_go());
    }

    fn owned(&self) -> Option<OwnedRule> {
        Some(OwnedRule::Nvil(self.clone()))
    }

    fn set_owned(&mut self, owned: OwnedRule) {
        let OwnedRule::Nvil(nvil) = owned else {
            panic!("NVIL got {owned:?}");
        };
        *self = nvil;
    }

    fn freeze(&mut self) {
        self.average.hold();
    }

    fn scalars(&self) -> Vec<(&'static str, Tensor<1>)> {
        vec![("baseline", self.average.value())]
    }

    fn warnings(&self) -> Vec<String> {
        self.watch.warnings()
    }
}
