//! What every estimator takes and gives.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::{
    noise::Noise,
    owned::Owned,
    program::{Key, Program},
};

/// What is minimised, given the costs that a program reports. It belongs to the model, not to the estimator.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Objective {
    /// `E[sum of costs]`. With `discount < 1`, a cost counts for an earlier choice by `discount^(choices in between)`,
    /// as is usual for policies: then the estimate is that of the discounted policy gradient, which is no gradient.
    Expected {
        /// In (0, 1].
        discount: f64,
    },
    /// `-E[ln 1/k sum_k w_k]`, the importance-weighted bound of `k` samples (Burda, Grosse & Salakhutdinov, 2016).
    LogMeanWeight {
        /// Samples in the bound.
        k: usize,
    },
}

impl Default for Objective {
    fn default() -> Self {
        Self::Expected { discount: 1.0 }
    }
}

/// One estimate of an objective and of its gradient.
#[derive(Debug, Clone)]
pub struct Estimate {
    /// `[1]`, a mean over examples. Its value means nothing; its gradient is the estimate for every model parameter.
    pub surrogate: Tensor<1>,
    /// The objective of every example, `[batch]`, without gradient.
    pub cost: Tensor<1>,
    /// `[1]`, the mean squared logit-level gradient. Trains the estimator's own parameters, and only those.
    pub tuning: Option<Tensor<1>>,
    /// Log-weights `[k, batch]` of a bound with several samples, without gradient.
    pub log_weights: Option<Tensor<2>>,
    /// The estimate at the logits of each choice that has one, `[rows, width]`: its mean over rows enters the gradient.
    pub logit_gradients: Vec<(Key, Tensor<2>)>,
    /// What can be logged.
    pub report: Diagnostics,
}

/// What an estimator has to say about itself.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    /// Evaluations of the objective per example, exact or relaxed.
    pub evaluations: f64,
    /// Temperatures, control scales and the like by name, `[1]` each; reading them waits for the device.
    pub scalars: Vec<(String, Tensor<1>)>,
}

/// Gives gradients of an objective of a program.
pub trait Estimator {
    /// One estimate. All tensors of the program live on an autodiff device.
    fn estimate(&mut self, program: &dyn Program, noise: &Noise) -> Estimate;

    /// Whether the expectation of the estimate differs from the gradient.
    fn is_biased(&self) -> bool;

    /// The estimator's own parameters and running averages: to be trained on [`Estimate::tuning`] by an optimizer of
    /// their own, and stored with the model.
    fn owned(&self) -> Owned {
        Owned::default()
    }

    /// Puts trained or loaded parameters back.
    fn set_owned(&mut self, _owned: Owned) {}

    /// What a user should know of what the estimator owns, site by site, each with a way out: a control variate that does
    /// not help, control terms whose mean is not zero, a temperature that has run away. Waits for the device.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// Stops adapting: running averages stay as they are and nothing is computed for tuning.
    fn freeze(&mut self) {}
}
