//! `summary.json`: what came out of a run, and how.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::config::RunConfig;
use crate::data::Split;
use crate::files;
use crate::metrics_log::Record;

/// Version of the framework, as pinned in the workspace.
const BURN: &str = "0.22.1";

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Started, and not ended by itself.
    Running,
    /// Stopped by the user.
    Interrupted,
    /// Stopped at `--until`.
    Stopped,
    /// A loss was not finite.
    Diverged,
    /// An error ended it.
    Failed,
    /// All steps and the final evaluation are done.
    Done,
}

/// A figure and the step it was measured at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct At {
    /// The figure.
    pub value: f64,
    /// Steps done.
    pub step: u64,
}

/// Both ends of what a figure has been; which of them is good depends on the figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// The lowest.
    pub lowest: At,
    /// The highest.
    pub highest: At,
}

/// Versions that figures may depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// This program.
    pub unbiased: String,
    /// The tensor framework.
    pub burn: String,
}

/// The contents of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How far the run has come.
    pub status: Status,
    /// Name of the system.
    pub system: String,
    /// Name of the configuration.
    pub config: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Whether it ran with the `[smoke]` overrides.
    pub smoke: bool,
    /// What the command line changed.
    pub overrides: Vec<String>,
    /// Name of the device.
    pub device: String,
    /// What it was trained on.
    pub data: String,
    /// Steps done.
    pub steps: u64,
    /// Steps in all.
    pub steps_planned: u64,
    /// Seconds since the run began, interruptions not counted.
    pub wall_s: f64,
    /// Optimisation steps per second, evaluation and checkpoints not counted, since the run was last started.
    pub steps_per_second: f64,
    /// Versions that figures may depend on.
    pub versions: Versions,
    /// The command that was last used.
    pub command: String,
    /// The last figures on each split.
    #[serde(rename = "final")]
    pub last: BTreeMap<String, BTreeMap<String, At>>,
    /// The lowest and highest figures on each split, final evaluations not counted.
    pub best: BTreeMap<String, BTreeMap<String, Range>>,
}

impl Summary {
    /// The summary of a run that is about to start or go on.
    #[must_use]
    pub fn new(config: &RunConfig, device: &str, data: String, command: String) -> Self {
        Self {
            status: Status::Running,
            system: config.run.system.clone(),
            config: config.run.config.clone(),
            seed: config.run.seed,
            smoke: config.run.smoke,
            overrides: config.run.overrides.clone(),
            device: device.to_owned(),
            data,
            steps: 0,
            steps_planned: config.schedule.steps,
            wall_s: 0.0,
            steps_per_second: 0.0,
            versions: Versions {
                unbiased: env!("CARGO_PKG_VERSION").to_owned(),
                burn: BURN.to_owned(),
            },
            command,
            last: BTreeMap::new(),
            best: BTreeMap::new(),
        }
    }

    /// Takes figures in; those that are not finite are left out.
    pub fn take<'a>(
        &mut self,
        split: Split,
        step: u64,
        full: bool,
        figures: impl Iterator<Item = (&'a str, f64)>,
    ) {
        let last = self.last.entry(split.to_string()).or_default();
        let best = self.best.entry(split.to_string()).or_default();
        for (name, value) in figures.filter(|(_, value)| value.is_finite()) {
            let at = At { value, step };
            last.insert(name.to_owned(), at);
            if full {
                continue;
            }
            let range = best.entry(name.to_owned()).or_insert(Range {
                lowest: at,
                highest: at,
            });
            if value < range.lowest.value {
                range.lowest = at;
            }
            if value > range.highest.value {
                range.highest = at;
            }
        }
    }

    /// Takes in the lines that an earlier part of the run wrote.
    pub fn take_records(&mut self, records: &[Record]) {
        for record in records {
            self.take(record.split, record.step, record.full, record.figures());
        }
        self.wall_s = records.last().map_or(0.0, |record| record.wall_s);
    }

    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, run: &Path) -> anyhow::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        files::replace(&run.join("summary.json"), &text)
    }

    /// Reads the file of a run.
    ///
    /// # Errors
    /// There is none yet, or it is damaged.
    pub fn read(run: &Path) -> anyhow::Result<Self> {
        let path = run.join("summary.json");
        let bytes =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&bytes).with_context(|| format!("cannot read {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_framework_version_is_the_one_in_the_manifest() {
        let manifest = include_str!("../../../Cargo.toml");
        assert!(manifest.contains(&format!("burn = {{ version = \"={BURN}\"")));
    }
}
