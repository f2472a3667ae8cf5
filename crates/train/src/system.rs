//! What the training loop asks of a system, and how a system is registered.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::{SerializeMap, Serializer};
use toml::Table;

use crate::config::{ConfigError, from_table};
use crate::data::Split;
use crate::error::Failure;

/// Figures by name, in a fixed order. Names carry their units: `elbo_nats`, `grad_ln_variance`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics {
    entries: Vec<(String, f64)>,
    losses: Vec<usize>,
}

impl Metrics {
    /// No figures yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a figure that may take any value: a logarithm of a variance may well be infinite.
    #[must_use]
    pub fn figure(mut self, name: impl Into<String>, value: f64) -> Self {
        self.entries.push((name.into(), value));
        self
    }

    /// Adds a figure that must be finite: the run stops when it is not.
    #[must_use]
    pub fn loss(mut self, name: impl Into<String>, value: f64) -> Self {
        self.losses.push(self.entries.len());
        self.entries.push((name.into(), value));
        self
    }

    /// Adds all figures of `other`.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        let offset = self.entries.len();
        self.losses
            .extend(other.losses.iter().map(|index| index + offset));
        self.entries.extend(other.entries);
        self
    }

    /// All figures in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.entries
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
    }

    /// All figures, those that must be finite before the others.
    pub fn losses_first(&self) -> impl Iterator<Item = (&str, f64)> {
        let at = |index: usize| (self.entries[index].0.as_str(), self.entries[index].1);
        let others = (0..self.entries.len()).filter(|index| !self.losses.contains(index));
        self.losses.iter().copied().chain(others).map(at)
    }

    /// The figure of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.iter()
            .find_map(|(other, value)| (other == name).then_some(value))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The first loss that is not finite.
    #[must_use]
    pub fn diverged(&self) -> Option<StepError> {
        self.losses.iter().find_map(|&index| {
            let (term, value) = self.entries[index].clone();
            (!value.is_finite()).then_some(StepError::Diverged { term, value })
        })
    }
}

impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.entries.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, &value)?;
        }
        map.end()
    }
}

/// Why a step could not be completed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// A quantity that must be finite is not.
    #[error("{term} is {value}")]
    Diverged {
        /// Its name.
        term: String,
        /// NaN or an infinity.
        value: f64,
    },
    /// Anything else: an unreadable file, a full disk.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

/// A system that has been built on a device and is being trained.
///
/// Everything it does is a function of its settings, its seed and the step: after `save` and `load` it goes on
/// exactly as if it had never stopped.
pub trait System {
    /// Performs the optimisation step number `step`, counted from 1.
    ///
    /// `wanted` is false when nobody reads the figures of this step, so nothing need come back from the device.
    ///
    /// # Errors
    /// A loss that is not finite, or whatever else prevents the step.
    fn step(&mut self, step: u64, wanted: bool) -> Result<Option<Metrics>, StepError>;

    /// Figures on a split, `full` when they are the final ones; none when the system has no such split.
    ///
    /// # Errors
    /// Whatever prevents the evaluation.
    fn evaluate(&mut self, split: Split, full: bool) -> anyhow::Result<Metrics>;

    /// Writes `n` samples into `dir`, in files whose names carry `step`; none when the system has no samples.
    ///
    /// # Errors
    /// A file that cannot be written.
    fn samples(&mut self, dir: &Path, step: u64, n: usize) -> anyhow::Result<Vec<PathBuf>>;

    /// What the last full evaluation has to say beyond its figures: what it is and a text, which is kept with the samples.
    fn findings(&self) -> Option<(&'static str, &str)> {
        None
    }

    /// Writes everything needed to go on into the empty folder `dir`.
    ///
    /// # Errors
    /// A file that cannot be written, or a parameter that is not finite.
    fn save(&self, dir: &Path) -> Result<(), StepError>;

    /// Takes up what `save` wrote.
    ///
    /// # Errors
    /// Files that are missing or do not fit.
    fn load(&mut self, dir: &Path) -> anyhow::Result<()>;

    /// What a user should know of how the estimator does, each with a way out.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// What it is trained on, in one line; names the binarization where there is one.
    fn data(&self) -> String;
}

/// What a system is built from, besides its settings.
#[derive(Debug, Clone)]
pub struct BuildContext {
    /// Device to train on, without autodiff.
    pub device: Device,
    /// The `--data-dir` of the command line.
    pub data_dir: Option<PathBuf>,
    /// Seed of everything random.
    pub seed: u64,
}

/// The settings of a system: its sections of a configuration.
pub trait Settings: Serialize + DeserializeOwned {
    /// Refuses values that are of the right type and make no sense.
    ///
    /// # Errors
    /// The first such value.
    fn check(&self) -> Result<(), ConfigError>;

    /// Builds the system: its model, optimizers and data.
    ///
    /// # Errors
    /// `Failure::Usage` where data is missing or settings contradict each other.
    fn build(self, context: &BuildContext) -> Result<Box<dyn System>, Failure>;
}

/// Name and text of a configuration that is part of the program.
pub type EmbeddedConfig = (&'static str, &'static str);

/// Builds a system from its resolved sections.
pub type Build = fn(&Table, &BuildContext) -> Result<Box<dyn System>, Failure>;

/// A system as the program knows it.
#[derive(Debug)]
pub struct SystemEntry {
    /// Name on the command line.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// The configuration of a bare `train <name>`; it needs no download.
    pub default_config: &'static str,
    /// Name and text of each embedded configuration.
    pub configs: &'static [EmbeddedConfig],
    /// Checks the system's sections and fills in every default.
    pub resolve: fn(&Table) -> Result<Table, ConfigError>,
    /// Builds the system from its resolved sections.
    pub build: Build,
}

impl SystemEntry {
    /// Registers a system whose settings are `S`; the first configuration is the default one.
    #[must_use]
    pub const fn new<S: Settings>(
        name: &'static str,
        summary: &'static str,
        configs: &'static [EmbeddedConfig],
    ) -> Self {
        Self {
            name,
            summary,
            default_config: configs[0].0,
            configs,
            resolve: resolve::<S>,
            build: build::<S>,
        }
    }

    /// The text of an embedded configuration.
    #[must_use]
    pub fn config(&self, name: &str) -> Option<&'static str> {
        self.configs
            .iter()
            .find_map(|(other, text)| (*other == name).then_some(*text))
    }
}

fn resolve<S: Settings>(table: &Table) -> Result<Table, ConfigError> {
    let settings: S = from_table(table)?;
    settings.check()?;
    Table::try_from(&settings).map_err(ConfigError::other)
}

fn build<S: Settings>(table: &Table, context: &BuildContext) -> Result<Box<dyn System>, Failure> {
    from_table::<S>(table)?.build(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_losses_have_to_be_finite() {
        let fine = Metrics::new()
            .loss("loss_nats", 1.0)
            .figure("grad_ln_variance", f64::NEG_INFINITY);
        assert!(fine.diverged().is_none());
        let bad = fine.loss("kl_nats", f64::NAN);
        assert!(
            matches!(bad.diverged(), Some(StepError::Diverged { term, .. }) if term == "kl_nats")
        );
    }

    #[test]
    fn figures_are_written_in_their_order() {
        let metrics = Metrics::new().figure("z", 1.0).figure("a", 0.5);
        let text = serde_json::to_string(&metrics).unwrap();
        assert_eq!(text, r#"{"z":1.0,"a":0.5}"#);
    }
}
