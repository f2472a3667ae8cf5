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
    module::Module,
    nn::{Linear, LinearConfig},
    tensor::{Device, Tensor},
};

use super::{At, Gradient, Rule};
use crate::{
    estimator::Objective,
    owned::{OwnedRule, RunningMean},
    trace::{Schema, SiteSchema},
};

/// REINFORCE with a baseline network over the context of the site.
#[derive(Module, Debug)]
pub struct Nvil {
    hidden: Linear,
    output: Linear,
    average: RunningMean,
}

impl Nvil {
    /// A baseline over `features` columns of context.
    #[must_use]
    pub fn new(features: usize, hidden: usize, decay: f64, device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(features, hidden).init(device),
            output: LinearConfig::new(hidden, 1)
                .with_initializer(burn::module::Initializer::Zeros)
                .init(device),
            average: RunningMean::new(decay, device),
        }
    }

    /// `C(x)`, `[rows, features] -> [rows]`.
    #[must_use]
    pub fn forward(&self, context: Tensor<2>) -> Tensor<1> {
        let hidden = self.hidden.forward(context).tanh();
        self.output.forward(hidden).squeeze_dim::<1>(1)
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
        let context = at.context().expect("checked: the site has a context");
        let centred = at.cost_to_go() - self.average.value();
        let baseline = self.forward(context);
        let gradient = Gradient {
            tuning: Some((baseline.clone() - centred.clone()).square().mean()),
            ..Gradient::score(at, centred - baseline.inner())
        };
        self.average.update(at.cost_to_go());
        Some(gradient)
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

    fn scalars(&self) -> Vec<(&'static str, Tensor<1>)> {
        vec![("baseline", self.average.value())]
    }
}
