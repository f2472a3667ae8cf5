//! What a [`Gvae`](super::Gvae) is made of.

use serde::{Deserialize, Serialize};
use unbiased_estimators::Objective;

use crate::sbn::{Latent, Prior};

/// What reads a row of choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncoderKind {
    /// Convolutions over the steps, padding included, and a layer of `ReLU` (the paper's).
    Convolutional,
    /// A GRU; its state behind the last choice before padding.
    Gru,
    /// The same with an LSTM.
    Lstm,
}

/// What a step of the decoder sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecoderKind {
    /// The latent alone (the paper's): all steps at once, independent but for the masks.
    Parallel,
    /// Also the choice before and what the step is about.
    Autoregressive,
}

/// What is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// `-E[sum_t ln p(r_t | z)] + weight KL`, a bound where the weight is 1.
    Paper,
    /// What the published code minimises, in its own unit, which is not nats: with D choices and L latents
    /// `(1/D) sum_t sum_k BCE(x_tk, p_tk) + (1/L) KL`, `z = mu + 0.01 sigma eps`. No bound. Gaussian latents only.
    OriginalCode,
}

/// Standard deviation of the noise of the published code.
pub const CODE_NOISE: f64 = 0.01;

/// The weight of the divergence: at one value for a while, then in a line to the other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KlWeight {
    /// At first.
    pub start: f64,
    /// In the end.
    pub end: f64,
    /// Training steps that it stays at its first value.
    pub hold: u64,
    /// Training steps of the line; 0 jumps.
    pub steps: u64,
}

impl Default for KlWeight {
    fn default() -> Self {
        Self {
            start: 1.0,
            end: 1.0,
            hold: 0,
            steps: 0,
        }
    }
}

impl KlWeight {
    /// The weight at a training step, counted from 1.
    #[must_use]
    pub fn at(&self, step: u64) -> f64 {
        if step <= self.hold {
            return self.start;
        }
        let done = step - 1 - self.hold;
        if done >= self.steps {
            return self.end;
        }
        self.start + (self.end - self.start) * done as f64 / self.steps as f64
    }
}

/// Architecture and objective. The defaults are the paper's network for equations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GvaeConfig {
    /// What reads a row.
    pub encoder: EncoderKind,
    /// Number and width of the filters of each convolution.
    pub filters: Vec<[usize; 2]>,
    /// Units of the layer behind the convolutions, or of the recurrent encoder.
    pub features: usize,
    /// Law of the latents.
    pub latent: Latent,
    /// How many there are.
    pub latents: usize,
    /// Classes of a categorical latent.
    pub classes: usize,
    /// Law of the latents before a text is seen; Gaussians have the standard one.
    pub prior: Prior,
    /// What a step of the decoder sees.
    pub decoder: DecoderKind,
    /// Units of the `ReLU` layer between the latent and the decoder.
    pub embed: usize,
    /// Units of a layer of the decoder's GRU.
    pub hidden: usize,
    /// Its layers.
    pub layers: usize,
    /// What is minimised.
    pub loss: Loss,
    /// The weight of the divergence in the paper's loss.
    pub kl: KlWeight,
    /// One bound per sample, or one of several.
    pub objective: Objective,
}

impl Default for GvaeConfig {
    fn default() -> Self {
        Self {
            encoder: EncoderKind::Convolutional,
            filters: vec![[2, 2], [3, 3], [4, 4]],
            features: 100,
            latent: Latent::Gaussian,
            latents: 25,
            classes: 8,
            prior: Prior::Fixed,
            decoder: DecoderKind::Parallel,
            embed: 25,
            hidden: 100,
            layers: 3,
            loss: Loss::Paper,
            kl: KlWeight::default(),
            objective: Objective::default(),
        }
    }
}

/// What a notation and the length of its rows ask of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Choices of a row.
    pub steps: usize,
    /// How many choices there are, padding included.
    pub width: usize,
    /// How many things a step can be about.
    pub contexts: usize,
}

/// A setting that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: expected {expected}, got {got}")]
pub struct GvaeConfigError {
    /// The setting.
    pub key: &'static str,
    /// What is allowed.
    pub expected: &'static str,
    /// What was given.
    pub got: String,
}

impl GvaeConfig {
    /// Checks sizes and combinations for rows of so many steps.
    ///
    /// # Errors
    /// The first setting out of range.
    pub fn check(&self, steps: usize) -> Result<(), GvaeConfigError> {
        let error = |key, expected, got: String| Err(GvaeConfigError { key, expected, got });
        for (key, size) in [
            ("features", self.features),
            ("latents", self.latents),
            ("embed", self.embed),
            ("hidden", self.hidden),
            ("layers", self.layers),
        ] {
            if size == 0 {
                return error(key, "at least 1", "0".into());
            }
        }
        if self.encoder == EncoderKind::Convolutional {
            let got = || format!("{:?}", self.filters);
            if self.filters.iter().flatten().any(|&size| size == 0) {
                return error("filters", "numbers and widths of at least 1", got());
            }
            if self.left_of(steps) == 0 {
                return error("filters", "together narrower than a row of choices", got());
            }
        }
        if self.latent == Latent::Categorical && self.classes < 2 {
            return error("classes", "at least 2", self.classes.to_string());
        }
        if self.latent == Latent::Gaussian && self.prior == Prior::Learned {
            return error(
                "prior",
                "\"fixed\" for Gaussian latents: another mean and scale is another unit",
                "\"learned\"".into(),
            );
        }
        for (key, weight) in [("kl.start", self.kl.start), ("kl.end", self.kl.end)] {
            if !(weight.is_finite() && weight >= 0.0) {
                return error(key, "at least 0", weight.to_string());
            }
        }
        if self.loss == Loss::OriginalCode && self.latent != Latent::Gaussian {
            return error(
                "loss",
                "\"paper\" for discrete latents",
                "\"original_code\"".into(),
            );
        }
        match self.objective {
            Objective::LogMeanWeight { k: 0 } => error("objective.k", "at least 1", "0".into()),
            Objective::LogMeanWeight { .. }
                if self.loss != Loss::Paper || self.kl != KlWeight::default() =>
            {
                error(
                    "objective",
                    "\"expected\" unless the loss is the paper's and the weight of the divergence 1 throughout",
                    "\"log_mean_weight\"".into(),
                )
            }
            Objective::Expected { discount } if discount != 1.0 => error(
                "objective.discount",
                "1: the terms of a bound are not discounted",
                discount.to_string(),
            ),
            _ => Ok(()),
        }
    }

    /// Steps that are left of a row behind the convolutions.
    pub(super) fn left_of(&self, steps: usize) -> usize {
        let lost: usize = self.filters.iter().map(|[_, width]| width - 1).sum();
        steps.saturating_sub(lost)
    }

    /// Columns of the latents' value.
    #[must_use]
    pub fn value_width(&self) -> usize {
        match self.latent {
            Latent::Categorical => self.latents * self.classes,
            Latent::Bernoulli | Latent::Gaussian => self.latents,
        }
    }

    /// Columns of their parameters.
    #[must_use]
    pub fn param_width(&self) -> usize {
        match self.latent {
            Latent::Bernoulli => self.latents,
            Latent::Categorical => self.latents * self.classes,
            Latent::Gaussian => 2 * self.latents,
        }
    }
}
