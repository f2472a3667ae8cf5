//! Run configurations: one TOML file is one claim.
//!
//! The program itself owns the sections `[about]`, `[schedule]`, `[smoke]`, `[[expect]]` and, in the copy
//! that a run keeps, `[run]`. Every other section belongs to the system that is trained and has its type there.
//! Everything has a default; nothing unknown is let through.

mod de;
mod edit;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

pub use de::{ConfigError, closest, from_table};
pub use edit::Override;

use crate::data::Split;
use crate::system::SystemEntry;

/// What a configuration is for, in words.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct About {
    /// One line.
    pub title: String,
    /// Authors, title, year.
    pub paper: String,
    /// Which figure or table, and the value to expect.
    pub reproduces: String,
    /// How long it takes, and on what.
    pub wall_time: String,
    /// Data it needs; empty when it is generated.
    pub data: String,
}

/// When things happen, in optimisation steps. Zero means never; the end of the run always counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Steps in all.
    pub steps: u64,
    /// Between two lines of training figures.
    pub log_every: u64,
    /// Between two evaluations on `eval_splits`.
    pub eval_every: u64,
    /// Between two checkpoints.
    pub checkpoint_every: u64,
    /// Between two sets of samples.
    pub sample_every: u64,
    /// Samples drawn each time.
    pub samples: usize,
    /// Splits evaluated during the run.
    pub eval_splits: Vec<Split>,
    /// Splits evaluated in full when the last step is done.
    pub final_splits: Vec<Split>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            steps: 1_000,
            log_every: 100,
            eval_every: 0,
            checkpoint_every: 500,
            sample_every: 0,
            samples: 64,
            eval_splits: vec![Split::Valid],
            final_splits: vec![Split::Train, Split::Valid, Split::Test],
        }
    }
}

/// A figure that the run should reach, and where the bound comes from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// Name of the figure, as in `metrics.jsonl`.
    pub metric: String,
    /// The split it is measured on; the last training line when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// Upper bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// Lower bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// Conditions under which the bound holds: keys of the configuration, or `device`.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub when: Table,
    /// The published value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paper: Option<f64>,
    /// Where the bound comes from.
    pub origin: String,
    /// Wall time of the run that the bound was taken from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_s: Option<f64>,
}

/// Where a resolved configuration comes from; the `[run]` section of a run folder.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Origin {
    /// Name of the system.
    pub system: String,
    /// Name of the configuration, or the file it was read from.
    pub config: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Whether the `[smoke]` overrides were applied.
    pub smoke: bool,
    /// What the command line changed, in order.
    pub overrides: Vec<String>,
    /// The `--data-dir` of the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// The `--weights` of the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
}

/// The sections that the program itself reads.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Shell {
    about: About,
    schedule: Schedule,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    expect: Vec<Expect>,
    #[serde(skip_serializing_if = "Table::is_empty")]
    smoke: Table,
    run: Origin,
}

const SHELL_SECTIONS: [&str; 5] = ["about", "schedule", "expect", "smoke", "run"];

/// A configuration with every default filled in and every override applied.
#[derive(Debug, Clone, PartialEq)]
pub struct RunConfig {
    /// What it is for.
    pub about: About,
    /// When things happen.
    pub schedule: Schedule,
    /// The figures to reach.
    pub expect: Vec<Expect>,
    /// Where it comes from.
    pub run: Origin,
    /// The system's own sections, complete.
    pub system: Table,
}

impl RunConfig {
    /// Resolves the text of a configuration for `entry`.
    ///
    /// `[smoke]` comes first where `origin.smoke` is set, then `overrides` in their order.
    ///
    /// # Errors
    /// Any key or value that is not allowed, named in full.
    pub fn resolve(
        entry: &SystemEntry,
        text: &str,
        mut origin: Origin,
        overrides: &[Override],
    ) -> Result<Self, ConfigError> {
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
            ConfigError::other(format!("{} is not valid TOML: {error}", origin.config))
        })?;
        if let Some(Value::Table(smoke)) = table.remove("smoke")
            && origin.smoke
        {
            edit::merge(&mut table, smoke);
        }
        for change in overrides {
            change.apply(&mut table, &settable(entry))?;
        }
        origin.overrides = overrides.iter().map(ToString::to_string).collect();
        Self::from_whole(entry, table, Some(origin))
    }

    /// Reads back the configuration that a run folder keeps.
    ///
    /// # Errors
    /// The file is not a configuration of a known system.
    pub fn stored(
        text: &str,
        find: impl Fn(&str) -> Option<&'static SystemEntry>,
    ) -> Result<(&'static SystemEntry, Self), ConfigError> {
        let table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| ConfigError::other(error))?;
        let name = table
            .get("run")
            .and_then(|run| run.get("system"))
            .and_then(Value::as_str)
            .ok_or_else(|| ConfigError::other("it has no `run.system`"))?;
        let entry = find(name)
            .ok_or_else(|| ConfigError::other(format!("no system is called `{name}`")))?;
        Ok((entry, Self::from_whole(entry, table, None)?))
    }

    fn from_whole(
        entry: &SystemEntry,
        table: Table,
        origin: Option<Origin>,
    ) -> Result<Self, ConfigError> {
        let mut shell = Table::new();
        let mut system = Table::new();
        let known = settable(entry);
        for (key, value) in table {
            if SHELL_SECTIONS.contains(&key.as_str()) {
                shell.insert(key, value);
            } else if known.contains(&key) {
                system.insert(key, value);
            } else {
                return Err(ConfigError::unknown_key(vec![key], &value, known));
            }
        }
        let Shell {
            about,
            schedule,
            expect,
            run: stored,
            ..
        } = from_table(&shell)?;
        if schedule.steps == 0 {
            return Err(ConfigError::value("schedule.steps", 0, "at least 1"));
        }
        if !stored.system.is_empty() && stored.system != entry.name {
            return Err(ConfigError::other(format!(
                "this is a configuration of `{}`, not of `{}`",
                stored.system, entry.name
            )));
        }
        Ok(Self {
            about,
            schedule,
            expect,
            run: origin.unwrap_or(stored),
            system: (entry.resolve)(&system)?,
        })
    }

    /// The whole configuration as TOML, ready to be read back.
    ///
    /// # Panics
    /// Never: every part came out of a TOML table.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let shell = Shell {
            about: self.about.clone(),
            schedule: self.schedule.clone(),
            expect: self.expect.clone(),
            smoke: Table::new(),
            run: self.run.clone(),
        };
        let mut table = Table::try_from(&shell).expect("the shell's sections are TOML");
        table.extend(self.system.clone());
        toml::to_string(&table).expect("a table is TOML")
    }

    /// What must agree between a checkpoint and the run that loads it: everything that shapes the model and
    /// the sequence of steps.
    #[must_use]
    pub fn identity(&self) -> String {
        let mut table = self.system.clone();
        table.insert("system".to_owned(), self.run.system.clone().into());
        table.insert("seed".to_owned(), self.run.seed.to_string().into());
        toml::to_string(&table).unwrap_or_default()
    }

    /// Where `--data-dir` pointed.
    #[must_use]
    pub fn data_dir(&self) -> Option<&Path> {
        self.run.data_dir.as_deref()
    }
}

/// The sections that a file or `--set` may change.
fn settable(entry: &SystemEntry) -> Vec<String> {
    let mut sections = vec!["schedule".to_owned()];
    if let Ok(defaults) = (entry.resolve)(&Table::new()) {
        sections.extend(defaults.into_iter().map(|(key, _)| key));
    }
    sections
}
