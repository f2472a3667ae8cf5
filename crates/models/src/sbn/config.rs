//! What an [`Sbn`](super::Sbn) is made of.

use serde::{Deserialize, Serialize};
use unbiased_estimators::Objective;

/// The law of the latent variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latent {
    /// Bits.
    Bernoulli,
    /// One-hot choices among `classes`.
    Categorical,
    /// Normals, trained pathwise: the continuous baseline.
    Gaussian,
}

/// The law of the top layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// Learned logits (of a Gaussian: mean and ln standard deviation), zero at the start.
    Learned,
    /// Zero logits: uniform, or standard normal.
    Fixed,
}

/// What is modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// The whole image.
    Density,
    /// The lower half of the image given the upper half.
    LowerHalf,
}

/// Architecture and objective. The defaults are `linear 1` of Tucker et al., 2017.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SbnConfig {
    /// Law of the latents.
    pub latent: Latent,
    /// Latent variables per stochastic layer, from the data upwards.
    pub layers: Vec<usize>,
    /// Classes of a categorical latent.
    pub classes: usize,
    /// Widths of the tanh layers between two stochastic layers, in both directions; empty is linear.
    pub hidden: Vec<usize>,
    /// Law of the top layer.
    pub prior: Prior,
    /// Variance of the uniform initial weights, times the number of inputs of their map. 2 in the code of Tucker et al.
    pub weight_variance: f64,
    /// What is modelled.
    pub task: Task,
    /// What is optimised.
    pub objective: Objective,
}

impl Default for SbnConfig {
    fn default() -> Self {
        Self {
            latent: Latent::Bernoulli,
            layers: vec![200],
            classes: 10,
            hidden: Vec::new(),
            prior: Prior::Learned,
            weight_variance: 1.0 / 3.0,
            task: Task::Density,
            objective: Objective::default(),
        }
    }
}

/// A setting that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: expected {expected}, got {got}")]
pub struct SbnConfigError {
    /// The setting.
    pub key: &'static str,
    /// What is allowed.
    pub expected: &'static str,
    /// What was given.
    pub got: String,
}

impl SbnConfig {
    /// Checks sizes.
    ///
    /// # Errors
    /// The first setting out of range.
    pub fn check(&self) -> Result<(), SbnConfigError> {
        let error = |key, expected, got: String| Err(SbnConfigError { key, expected, got });
        if !(1..=8).contains(&self.layers.len()) || self.layers.contains(&0) {
            let got = format!("{:?}", self.layers);
            return error("layers", "1 to 8 layers, each of at least 1", got);
        }
        if self.hidden.contains(&0) {
            return error(
                "hidden",
                "widths of at least 1",
                format!("{:?}", self.hidden),
            );
        }
        if self.latent == Latent::Categorical && self.classes < 2 {
            return error("classes", "at least 2", self.classes.to_string());
        }
        if !(self.weight_variance.is_finite() && self.weight_variance >= 0.0) {
            let got = self.weight_variance.to_string();
            return error("weight_variance", "at least 0", got);
        }
        match self.objective {
            Objective::LogMeanWeight { k: 0 } => error("objective.k", "at least 1", "0".into()),
            Objective::Expected { discount } if discount != 1.0 => error(
                "objective.discount",
                "1: the terms of a bound are not discounted",
                discount.to_string(),
            ),
            _ => Ok(()),
        }
    }

    /// Columns of the value of a layer of `n` latents.
    #[must_use]
    pub fn value_width(&self, n: usize) -> usize {
        match self.latent {
            Latent::Categorical => n * self.classes,
            Latent::Bernoulli | Latent::Gaussian => n,
        }
    }

    /// Columns of the parameters of a layer of `n` latents.
    #[must_use]
    pub fn param_width(&self, n: usize) -> usize {
        match self.latent {
            Latent::Bernoulli => n,
            Latent::Categorical => n * self.classes,
            Latent::Gaussian => 2 * n,
        }
    }
}
