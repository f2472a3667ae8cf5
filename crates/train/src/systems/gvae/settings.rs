//! The sections of a `gvae` configuration.

use serde::{Deserialize, Serialize};
use unbiased_estimators::EstimatorConfig;
use unbiased_models::gvae::{GvaeConfig, Masks};
use unbiased_models::sbn::Latent;

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
    pub(super) search: Search,
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

/// The `[search]` section: the search for a better equation, part of the final figures on the test split. The defaults are the paper's, but for the
/// Gaussian process and the way uphill.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Search {
    /// Searches, each with training codes of its own; 0 for none.
    pub(super) seeds: usize,
    /// Batches of a search.
    pub(super) iterations: usize,
    /// Points of a batch.
    pub(super) batch: usize,
    /// Texts that are drawn at a point; the most frequent one is scored.
    pub(super) decodes: usize,
    /// Training texts of a search, nine tenths of them for the Gaussian process and the rest to test it.
    pub(super) points: usize,
    /// Inducing points of the process, drawn from its data.
    pub(super) inducing: usize,
    /// Steps of Adam for the parameters of its kernel, before every batch.
    pub(super) fit_steps: usize,
    /// Places that are looked at before the best is taken uphill.
    pub(super) candidates: usize,
    /// How often it is looked further uphill.
    pub(super) ascent: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            seeds: 0,
            iterations: 5,
            batch: 50,
            decodes: 25,
            points: 5000,
            inducing: 100,
            fit_steps: 100,
            candidates: 10_000,
            ascent: 30,
        }
    }
}

impl Search {
    /// Of the training texts those that the process learns from.
    pub(super) fn learnt(&self) -> usize {
        self.points - self.points / 10
    }

    /// Whether there can be such a search in the latent space of `settings`.
    fn check(&self, settings: &GvaeSettings) -> Result<(), ConfigError> {
        for (key, value) in [
            ("search.iterations", self.iterations),
            ("search.batch", self.batch),
            ("search.decodes", self.decodes),
            ("search.inducing", self.inducing),
            ("search.candidates", self.candidates),
        ] {
            if value == 0 {
                return Err(ConfigError::value(key, 0, "at least 1"));
            }
        }
        if self.points < 10 {
            let expected = "at least 10: a tenth is held out";
            return Err(ConfigError::value("search.points", self.points, expected));
        }
        if self.inducing > self.learnt() {
            let expected = format!("at most nine tenths of search.points, {}", self.learnt());
            return Err(ConfigError::value(
                "search.inducing",
                self.inducing,
                expected,
            ));
        }
        if self.seeds > 0 && settings.data.name != "equations" {
            let expected = "0, or data.name = \"equations\": nothing else has scores to search for";
            return Err(ConfigError::value("search.seeds", self.seeds, expected));
        }
        if self.seeds > 0 && settings.model.latent != Latent::Gaussian {
            let expected =
                "0, or model.latent = \"gaussian\": a search needs latents that are real numbers";
            return Err(ConfigError::value("search.seeds", self.seeds, expected));
        }
        Ok(())
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
        self.search.check(self)?;
        self.estimator.validate().map_err(ConfigError::other)?;
        self.optimizer.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_needs_scores_and_latents_that_are_numbers() {
        let refused = |change: fn(&mut GvaeSettings)| {
            let mut settings = GvaeSettings::default();
            settings.search.seeds = 1;
            settings.check_all().expect("equations, Gaussian latents");
            change(&mut settings);
            settings.check_all().expect_err("refused").to_string()
        };
        let programs = refused(|s| s.data.name = "programs".into());
        assert!(programs.contains("search.seeds") && programs.contains("equations"));
        let bits = refused(|s| s.model.latent = Latent::Bernoulli);
        assert!(bits.contains("search.seeds") && bits.contains("gaussian"));
        let inducing = refused(|s| s.search.points = 50);
        assert!(inducing.contains("search.inducing") && inducing.contains("45"));
    }
}
