//! Runs as a report sees them, and what those have in common that differ by their seed only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::config::{Expect, RunConfig};
use crate::data::Split;
use crate::error::Failure;
use crate::metrics_log::{self, Record};
use crate::progress::number;
use crate::run_dir::stored_config;
use crate::summary::Summary;
use crate::verdict::{Verdict, judge};

/// Everything that a run folder says of a run.
pub(super) struct Run {
    pub(super) path: PathBuf,
    pub(super) config: RunConfig,
    pub(super) summary: Summary,
    pub(super) records: Vec<Record>,
}

impl Run {
    fn read(path: &Path) -> Result<Self, Failure> {
        let (_, config) = stored_config(path)?;
        Ok(Self {
            path: path.to_owned(),
            config,
            summary: Summary::read(path)?,
            records: metrics_log::read(path)?,
        })
    }

    /// What was trained and how, in the words of the command line; the seed is not among them.
    fn words(&self) -> Vec<String> {
        let run = &self.config.run;
        let mut words = vec![format!("{}/{}", run.system, run.config)];
        if run.smoke {
            words.push("--smoke".to_owned());
        }
        words.extend(run.overrides.iter().map(|change| {
            let name = change.strip_prefix("estimator.name=");
            name.map_or_else(|| change.clone(), |name| name.trim_matches('"').to_owned())
        }));
        if run.weights.is_some() {
            words.push("--weights".to_owned());
        }
        words.push(format!("on {}", self.summary.device));
        words
    }

    fn last(&self, split: Split, name: &str) -> Option<f64> {
        let figures = self.summary.last.get(&split.to_string())?;
        Some(figures.get(name)?.value)
    }
}

/// Runs that differ by their seed only.
pub(super) struct Group {
    /// System, configuration, and what tells the group from the others.
    pub(super) label: String,
    pub(super) runs: Vec<Run>,
}

/// All runs of a report.
pub(super) struct Runs {
    pub(super) groups: Vec<Group>,
    /// What all of them have in common, in the words of the command line.
    pub(super) common: Vec<String>,
}

impl Runs {
    /// The runs in `paths`, in the order they were named.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut found: Vec<(Vec<String>, Vec<Run>)> = Vec::new();
        for path in paths {
            let run = Run::read(path)?;
            let words = run.words();
            match found.iter_mut().find(|(other, _)| *other == words) {
                Some((_, runs)) => runs.push(run),
                None => found.push((words, vec![run])),
            }
        }
        let everywhere = |word: &String| found.iter().all(|(words, _)| words[1..].contains(word));
        let first = found.first().map_or(&[][..], |(words, _)| &words[1..]);
        let common: Vec<String> = first
            .iter()
            .filter(|&word| everywhere(word))
            .cloned()
            .collect();
        let label = |words: Vec<String>| {
            let own = words.into_iter().filter(|word| !common.contains(word));
            own.collect::<Vec<_>>().join(" ")
        };
        let groups = found.into_iter().map(|(words, runs)| Group {
            label: label(words),
            runs,
        });
        Ok(Self {
            groups: groups.collect(),
            common,
        })
    }
}

impl Group {
    /// A run like all others of the group but for the seed.
    pub(super) fn first(&self) -> &Run {
        &self.runs[0]
    }

    /// The last value of a figure, over the seeds.
    pub(super) fn last(&self, split: Split, name: &str) -> Spread {
        self.runs
            .iter()
            .filter_map(|run| run.last(split, name))
            .collect()
    }

    /// Seconds a run took, over the seeds.
    pub(super) fn wall_s(&self) -> Spread {
        self.runs.iter().map(|run| run.summary.wall_s).collect()
    }

    /// Whether every seed kept a promise; the first reason where one cannot be compared.
    pub(super) fn verdict(&self, expect: &Expect) -> Verdict {
        let mut verdict = Verdict::Met;
        for run in &self.runs {
            match judge(expect, &run.config, &run.summary).0 {
                Verdict::Met => {}
                Verdict::Missed => verdict = Verdict::Missed,
                reason @ (Verdict::AboutOthers(_) | Verdict::NotComparable(_)) => return reason,
            }
        }
        verdict
    }

    /// The seeds, as `0, 1, 2`.
    pub(super) fn seeds(&self) -> String {
        let seeds: Vec<String> = self
            .runs
            .iter()
            .map(|run| run.summary.seed.to_string())
            .collect();
        seeds.join(", ")
    }
}

/// Values of one figure over seeds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Spread {
    pub(super) n: usize,
    pub(super) mean: f64,
    /// Standard deviation with n − 1; 0 for a single value.
    pub(super) sd: f64,
}

impl FromIterator<f64> for Spread {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let n = values.len();
        if n == 0 {
            return Self::default();
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let sd = if n > 1 {
            (squares / (n as f64 - 1.0)).sqrt()
        } else {
            0.0
        };
        Self { n, mean, sd }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.n {
            0 => Ok(()),
            1 => write!(f, "{}", number(self.mean)),
            // Rounding alone can make equal values differ.
            _ if self.sd <= 1e-12 * self.mean.abs() => write!(f, "{} ± 0", number(self.mean)),
            // Two digits of the spread, and the mean as far as they go.
            _ => {
                let digits = (1 - self.sd.log10().floor() as i64).clamp(0, 9) as usize;
                write!(f, "{:.digits$} ± {:.digits$}", self.mean, self.sd)
            }
        }
    }
}

/// The settings of a run by their dotted keys: all but its seed and its promises.
pub(super) fn settings(config: &RunConfig) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    if let Ok(schedule) = Table::try_from(&config.schedule) {
        flatten("schedule", &schedule, &mut flat);
    }
    for (section, value) in &config.system {
        match value {
            Value::Table(table) => flatten(section, table, &mut flat),
            other => {
                flat.insert(section.clone(), other.to_string());
            }
        }
    }
    flat
}

fn flatten(prefix: &str, table: &Table, flat: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let key = format!("{prefix}.{key}");
        match value {
            Value::Table(table) => flatten(&key, table, flat),
            other => {
                flat.insert(key, other.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean (1 + 2 + 6)/3 = 3, squares 4 + 1 + 9 = 14, deviation √(14/2) = 2.6458.
    #[test]
    fn the_spread_is_that_of_a_sample() {
        let of = |values: &[f64]| values.iter().copied().collect::<Spread>().to_string();
        assert_eq!(of(&[1.0, 2.0, 6.0]), "3.0 ± 2.6");
        assert_eq!(of(&[141.5, 141.54]), "141.520 ± 0.028");
        assert_eq!(of(&[0.1 + 0.2, 0.3]), "0.30000 ± 0");
        assert_eq!(of(&[2.0]), "2.0000");
        assert_eq!(of(&[]), "");
    }

    #[test]
    fn settings_have_dotted_keys() {
        let table: Table = "a = 1\n[b]\nc = \"x\"".parse().unwrap();
        let mut flat = BTreeMap::new();
        flatten("m", &table, &mut flat);
        let flat: Vec<_> = flat.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(flat, ["m.a=1", "m.b.c=\"x\""]);
    }
}
