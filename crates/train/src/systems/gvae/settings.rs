//! The sections of a `gvae` configuration.

use serde::{Deserialize, Serialize};
use unbiased_estimators::EstimatorConfig;
use unbiased_models::gvae::{GvaeConfig, Masks};

use crate::config::ConfigError;
use crate::data::TextConfig;
use crate::optimizer::OptimizerConfig;

/// All sections.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::systems) struct GvaeSettings {
    pub(super) data: TextConfig,
    pub(super) notation: NotationSettings,
    pub(super) model: GvaeConfig,
    pub(super) estimator: EstimatorConfig,
    pub(super) optimizer: OptimizerConfig,
    pub(super) training: Training,
    pub(super) evaluation: Evaluation,
}

/// What a row of choices is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum NotationKind {
    /// Derivations in the grammar of the texts.
    Grammar,
    /// Decisions under the attributes of their language.
    Attributes,
    /// Characters, without masks.
    Characters,
}

/// The `[notation]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct NotationSettings {
    /// What a row of choices is.
    pub(super) kind: NotationKind,
    /// Which masks a model is trained and reconstructs under.
    pub(super) masks: Masks,
    /// Choices of a row.
    pub(super) steps: usize,
}

impl Default for NotationSettings {
    fn default() -> Self {
        Self {
            kind: NotationKind::Grammar,
            masks: Masks::Plain,
            steps: 15,
        }
    }
}

/// The `[training]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Training {
    /// Texts per step.
    pub(super) batch: usize,
    /// How often an autoregressive decoder is not shown the choice before a step.
    pub(super) word_dropout: f64,
    /// Whether `grad_ln_variance` is kept track of; reads every gradient in every step.
    pub(super) gradient_variance: bool,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            batch: 600,
            word_dropout: 0.0,
            gradient_variance: false,
        }
    }
}

/// The `[evaluation]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Evaluation {
    /// Texts that are encoded and written again, the first ones of the split.
    pub(super) reconstructions: usize,
    /// Texts that are written from the prior.
    pub(super) prior_samples: usize,
}

impl Default for Evaluation {
    fn default() -> Self {
        Self {
            reconstructions: 1000,
            prior_samples: 1000,
        }
    }
}

impl GvaeSettings {
    pub(super) fn check_all(&self) -> Result<(), ConfigError> {
        let positive = [
            ("notation.steps", self.notation.steps),
            ("training.batch", self.training.batch),
            (
                "evaluation.reconstructions",
                self.evaluation.reconstructions,
            ),
            ("evaluation.prior_samples", self.evaluation.prior_samples),
        ];
        for (key, value) in positive {
            if value == 0 {
                return Err(ConfigError::value(key, 0, "at least 1"));
            }
        }
        let dropout = self.training.word_dropout;
        if !(0.0..=1.0).contains(&dropout) {
            return Err(ConfigError::value(
                "training.word_dropout",
                dropout,
                "in [0, 1]",
            ));
        }
        self.model
            .check(self.notation.steps)
            .map_err(|e| ConfigError::value(&format!("model.{}", e.key), e.got, e.expected))?;
        self.estimator.validate().map_err(ConfigError::other)?;
        self.optimizer.check()
    }
}
