//! The smallest problem of the field: one bit and `E[(b - t)^2]`.
//!
//! Source: Tucker et al., "REBAR", 2017, section 5.1; Grathwohl et al., "Backpropagation through the Void", 2018,
//! figure 1 (`t = 0.499`).
//!
//! `L(a) = p (1 - t)^2 + (1 - p) t^2`, `p = sigma(a)`, least at `p = 0` for `t < 1/2`: `t^2`.

use std::borrow::Cow;

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, activation::sigmoid},
};
use unbiased_estimators::{Program, Run, Site};

/// The logit of the bit.
#[derive(Module, Debug)]
pub struct Toy {
    /// `a`, `[1, 1]`.
    pub logit: Param<Tensor<2>>,
    /// `t`.
    pub target: f64,
}

impl Toy {
    /// Starts at `a = 0`.
    #[must_use]
    pub fn new(target: f64, device: &Device) -> Self {
        Self {
            logit: Param::from_tensor(Tensor::zeros([1, 1], device)),
            target,
        }
    }

    /// `p = sigma(a)`, `[1, 1]`.
    #[must_use]
    pub fn probability(&self) -> Tensor<2> {
        sigmoid(self.logit.val())
    }
}

/// `batch` independent draws of the bit.
#[derive(Debug, Clone)]
pub struct ToyProgram<'a> {
    model: Cow<'a, Toy>,
    batch: usize,
}

impl<'a> ToyProgram<'a> {
    /// `batch` draws.
    #[must_use]
    pub fn new(model: &'a Toy, batch: usize) -> Self {
        Self {
            model: Cow::Borrowed(model),
            batch,
        }
    }
}

impl Program for ToyProgram<'_> {
    fn batch(&self) -> usize {
        self.batch
    }

    fn device(&self) -> Device {
        self.model.logit.val().device()
    }

    fn run(&self, run: &mut Run<'_>) {
        let logit = self.model.logit.val().expand([self.batch, 1]);
        let b = run.bernoulli("bit", Site::new(run.rows(logit)));
        let cost = (b.value - self.model.target).square();
        run.cost("square", cost.squeeze_dim::<1>(1), run.mark());
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(ToyProgram {
            model: Cow::Owned(self.model.valid()),
            batch: self.batch,
        })
    }
}
