//! What an [`Air`](super::Air) is made of.

use serde::{Deserialize, Serialize};
use unbiased_estimators::Objective;

/// What the inference network sees at each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// The image, the same at every step.
    Image,
    /// The image minus what has been drawn so far (DAIR).
    Residual,
}

/// The law of the number of objects, `p(n) = k^n / sum_j k^j` on `0..=steps`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CountPrior {
    /// `k` at first.
    pub start: f64,
    /// `k` in the end.
    pub end: f64,
    /// Training steps that `k` stays at its first value.
    pub hold: u64,
    /// Training steps over which `ln k` then moves to the last value, in equal parts; 0 jumps.
    pub anneal: u64,
}

impl Default for CountPrior {
    fn default() -> Self {
        Self {
            start: 0.01,
            end: 0.01,
            hold: 0,
            anneal: 0,
        }
    }
}

impl CountPrior {
    /// `ln k` at a training step, counted from 1.
    #[must_use]
    pub fn ln_odds(&self, step: u64) -> f64 {
        let (start, end) = (libm::log(self.start), libm::log(self.end));
        if step <= self.hold {
            return start;
        }
        let done = step - self.hold;
        if done >= self.anneal {
            return end;
        }
        start + (end - start) * done as f64 / self.anneal as f64
    }

    /// `ln k` of the law that remains, for evaluation.
    #[must_use]
    pub fn last_ln_odds(&self) -> f64 {
        libm::log(self.end)
    }

    /// `logit P(n >= i | n >= i - 1)` for `i = 1..=steps`.
    #[must_use]
    pub fn presence_logits(ln_odds: f64, steps: usize) -> Vec<f64> {
        (1..=steps)
            .map(|i| {
                let terms = (1..=steps - i + 1).map(|j| j as f64 * ln_odds);
                let max = terms.clone().fold(f64::NEG_INFINITY, f64::max);
                max + libm::log(terms.map(|term| libm::exp(term - max)).sum())
            })
            .collect()
    }
}

/// Architecture, priors and objective. The defaults are a reduced model for scenes of 32x32.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AirConfig {
    /// Rows and columns of an image.
    pub canvas: usize,
    /// Rows and columns of an object before it is put in its place.
    pub window: usize,
    /// `N`, the most objects of a scene.
    pub steps: usize,
    /// Widths of the layers between the image and the LSTM; empty: the LSTM sees pixels.
    pub embed: Vec<usize>,
    /// Units of the LSTM.
    pub lstm: usize,
    /// Units of the layer between the LSTM and presence and place.
    pub predict: usize,
    /// Numbers of an appearance.
    pub what: usize,
    /// Widths of the layers of the encoder of a glimpse, and in reverse of the decoder.
    pub glimpse: Vec<usize>,
    /// What the inference network sees.
    pub input: Input,
    /// Standard deviation of a pixel.
    pub sigma: f64,
    /// Size of an object as a share of the canvas where its prior is centred, `e^E[ln s]`.
    pub scale: f64,
    /// Prior standard deviation of `ln s`.
    pub scale_std: f64,
    /// Prior standard deviation of a position; the canvas is [-1, 1].
    pub position_std: f64,
    /// Law of the number of objects.
    pub count_prior: CountPrior,
    /// `eps`: probabilities of presence are `eps/2 + (1 - eps) sigma(.)`, so that no count is ever given up.
    pub exploration: f64,
    /// Logit of presence at the start.
    pub presence_bias: f64,
    /// Logit of the pixels of an object at the start.
    pub decoder_bias: f64,
    /// Posterior standard deviation of a place at the start.
    pub place_std: f64,
    /// What is optimised.
    pub objective: Objective,
}

impl Default for AirConfig {
    fn default() -> Self {
        Self {
            canvas: 32,
            window: 16,
            steps: 3,
            embed: vec![200],
            lstm: 128,
            predict: 100,
            what: 20,
            glimpse: vec![100],
            input: Input::Image,
            sigma: 0.3,
            scale: 0.45,
            scale_std: 0.1,
            position_std: 0.5,
            count_prior: CountPrior::default(),
            exploration: 1e-3,
            presence_bias: 1.0,
            decoder_bias: -2.0,
            place_std: 0.1,
            objective: Objective::default(),
        }
    }
}

/// A setting that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: expected {expected}, got {got}")]
pub struct AirConfigError {
    /// The setting.
    pub key: &'static str,
    /// What is allowed.
    pub expected: &'static str,
    /// What was given.
    pub got: String,
}

impl AirConfig {
    /// Checks sizes and ranges.
    ///
    /// # Errors
    /// The first setting out of range.
    pub fn check(&self) -> Result<(), AirConfigError> {
        let error = |key, expected, got: String| Err(AirConfigError { key, expected, got });
        for (key, size) in [
            ("canvas", self.canvas),
            ("window", self.window),
            ("lstm", self.lstm),
            ("predict", self.predict),
            ("what", self.what),
        ] {
            if size == 0 {
                return error(key, "at least 1", size.to_string());
            }
        }
        if !(1..=16).contains(&self.steps) {
            return error("steps", "1 to 16", self.steps.to_string());
        }
        for (key, widths) in [("embed", &self.embed), ("glimpse", &self.glimpse)] {
            if widths.contains(&0) {
                return error(key, "widths of at least 1", format!("{widths:?}"));
            }
        }
        for (key, value) in [
            ("sigma", self.sigma),
            ("scale", self.scale),
            ("scale_std", self.scale_std),
            ("position_std", self.position_std),
            ("place_std", self.place_std),
            ("count_prior.start", self.count_prior.start),
            ("count_prior.end", self.count_prior.end),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                return error(key, "a number above 0", value.to_string());
            }
        }
        if !(0.0..1.0).contains(&self.exploration) {
            return error("exploration", "in [0, 1)", self.exploration.to_string());
        }
        for (key, value) in [
            ("presence_bias", self.presence_bias),
            ("decoder_bias", self.decoder_bias),
        ] {
            if !value.is_finite() {
                return error(key, "a finite number", value.to_string());
            }
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

    /// Pixels of an image.
    #[must_use]
    pub fn pixels(&self) -> usize {
        self.canvas * self.canvas
    }

    /// Columns of the description of an object that the LSTM is given back: place, appearance, presence.
    pub(super) fn object(&self) -> usize {
        3 + self.what + 1
    }
}
