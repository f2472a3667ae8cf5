//! What tells a user that a control variate or a baseline does not do its work.
//!
//! Running means of `||g0||^2` and `||g||^2`, without and with the control terms `k = g - g0`, and of `m = r . k` averaged over rows, for
//! a fixed `r`. `E[k] = 0` whatever the control variate has learnt, so `m` is a martingale difference: a running mean of it that
//! lies many standard errors from zero says that a baseline or control variate sees its own choice, or that the program
//! is not continuous in relaxed values. Then the estimate is biased.

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};

use crate::{law::row_sum, owned::RunningMean};

const DECAY: f64 = 0.999;
/// Weight of the running means from which on they are believed: 2,300 updates, each of a choice or of all choices of a
/// loop.
const ENOUGH: f64 = 0.9;
/// Standard errors at which a mean is called different from zero. Nominally one false alarm in 5e8.
const CRITICAL: f64 = 6.0;

/// Running means over the choices of one site.
#[derive(Module, Debug)]
pub struct Watch {
    plain: RunningMean,
    estimate: RunningMean,
    control: RunningMean,
    control_square: RunningMean,
}

impl Watch {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(device: &Device) -> Self {
        let mean = || RunningMean::new(DECAY, device);
        Self {
            plain: mean(),
            estimate: mean(),
            control: mean(),
            control_square: mean(),
        }
    }

    /// Takes in `g0` and `g` of one choice, `[rows, width]`.
    pub(crate) fn take_in(&mut self, plain: &Tensor<2>, estimate: &Tensor<2>) {
        let [rows, width] = plain.dims();
        let r: Vec<f64> = (0..width).map(|j| libm::cos(2.4 * j as f64)).collect();
        let device = plain.device();
        let r = Tensor::<2>::from_data(TensorData::new(r, [1, width]), (&device, plain.dtype()));
        let m = ((estimate.clone() - plain.clone()) * r).sum() / rows as f64;
        self.plain.update(row_sum(plain.clone().square()));
        self.estimate.update(row_sum(estimate.clone().square()));
        self.control_square.update(m.clone().square());
        self.control.update(m);
    }

    /// `ln E||g||^2 - ln E||g0||^2`, `[1]`: below zero where the control variate helps.
    pub(crate) fn ln_gain(&self) -> Tensor<1> {
        let ln = |mean: &RunningMean| mean.value().clamp_min(1e-30).log();
        ln(&self.estimate) - ln(&self.plain)
    }

    /// `|E m|` in standard errors of the running mean.
    fn drift(&self) -> f64 {
        let number = |mean: &RunningMean| mean.value().into_scalar::<f64>();
        let mean = number(&self.control);
        let variance = number(&self.control_square) - mean * mean;
        // An exponential mean of independent terms has (1 - d) / (1 + d) of their variance.
        mean.abs() / (variance.max(0.0) * (1.0 - DECAY) / (1.0 + DECAY) + 1e-60).sqrt()
    }

    /// What a user should know, each with a way out; waits for the device.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.plain.weight() < ENOUGH {
            return warnings;
        }
        let gain = self.ln_gain().into_scalar::<f64>().exp();
        if gain > 1.0 {
            warnings.push(format!(
                "the control variate does not help: it multiplies the second moment of the gradient by {gain:.3} (a larger or smaller `optimizer.estimator_lr`, more `hidden` units, or `rloo`)"
            ));
        }
        let drift = self.drift();
        if drift > CRITICAL {
            warnings.push(format!(
                "the control terms do not have mean zero ({drift:.1} standard errors), so the gradient is biased: the context of the site depends on its own choice, or costs or masks jump in relaxed values (`Abilities::relaxed`)"
            ));
        }
        warnings
    }
}
