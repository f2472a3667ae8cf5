//! What systems with a latent matching are told alike.

use serde::{Deserialize, Serialize};
use unbiased_models::Matching;

use crate::config::ConfigError;

/// The `[training]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Training {
    /// Examples per step.
    pub(super) batch: usize,
    /// Permutations that are drawn for each.
    pub(super) samples: usize,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            batch: 10,
            samples: 5,
        }
    }
}

/// Refuses values that make no sense.
pub(super) fn check(matching: &Matching, training: &Training) -> Result<(), ConfigError> {
    check_law(matching)?;
    for (key, value) in [
        ("training.batch", training.batch),
        ("training.samples", training.samples),
    ] {
        if value == 0 {
            return Err(ConfigError::value(key, value, "at least 1"));
        }
    }
    Ok(())
}

/// The same for the law alone.
pub(super) fn check_law(matching: &Matching) -> Result<(), ConfigError> {
    let Matching {
        temperature,
        iterations,
        noise,
    } = *matching;
    let is_positive = |x: f64| x > 0.0 && x.is_finite();
    for (key, value, good, expected) in [
        (
            "model.matching.temperature",
            temperature,
            is_positive(temperature),
            "a number above 0",
        ),
        (
            "model.matching.iterations",
            iterations as f64,
            iterations > 0,
            "at least 1",
        ),
        (
            "model.matching.noise",
            noise,
            noise == 0.0 || is_positive(noise),
            "at least 0",
        ),
    ] {
        if !good {
            return Err(ConfigError::value(key, value, expected));
        }
    }
    Ok(())
}
