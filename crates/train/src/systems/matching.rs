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
    let Training { batch, samples } = *training;
    at_least_1([("training.batch", batch), ("training.samples", samples)])
}

/// Refuses a law that cannot be: the same for the law alone.
pub(super) fn check_law(matching: &Matching) -> Result<(), ConfigError> {
    let Matching {
        temperature,
        iterations,
        noise,
    } = *matching;
    above_0([("model.matching.temperature", temperature)])?;
    at_least_1([("model.matching.iterations", iterations)])?;
    if !(noise >= 0.0 && noise.is_finite()) {
        let expected = "at least 0";
        return Err(ConfigError::value("model.matching.noise", noise, expected));
    }
    Ok(())
}

/// Refuses a law that is not random, for methods that pay for what it knows.
pub(super) fn check_divergence(matching: &Matching) -> Result<(), ConfigError> {
    let expected = "above 0, without noise the divergence is infinite";
    match matching.noise {
        0.0 => Err(ConfigError::value("model.matching.noise", 0.0, expected)),
        _ => Ok(()),
    }
}

/// Refuses zeros.
pub(super) fn at_least_1<const N: usize>(
    values: [(&'static str, usize); N],
) -> Result<(), ConfigError> {
    match values.into_iter().find(|(_, value)| *value == 0) {
        None => Ok(()),
        Some((key, value)) => Err(ConfigError::value(key, value, "at least 1")),
    }
}

/// Refuses what is not positive, or not finite.
pub(super) fn above_0<const N: usize>(values: [(&'static str, f64); N]) -> Result<(), ConfigError> {
    let positive = |value: f64| value > 0.0 && value.is_finite();
    match values.into_iter().find(|(_, value)| !positive(*value)) {
        None => Ok(()),
        Some((key, value)) => Err(ConfigError::value(key, value, "a number above 0")),
    }
}
