//! `metrics.jsonl`: one line per set of figures, in the order they were measured.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::data::Split;
use crate::system::Metrics;

/// A line as it is written.
#[derive(Debug)]
pub struct Line<'a> {
    /// Steps done.
    pub step: u64,
    /// Seconds since the run began, interruptions not counted.
    pub wall_s: f64,
    /// What was measured on.
    pub split: Split,
    /// Whether this is the final evaluation of the whole split.
    pub full: bool,
    /// The figures.
    pub metrics: &'a Metrics,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("step", &self.step)?;
        map.serialize_entry("wall_s", &self.wall_s)?;
        map.serialize_entry("split", &self.split)?;
        if self.full {
            map.serialize_entry("full", &true)?;
        }
        for (name, value) in self.metrics.iter() {
            map.serialize_entry(name, &value)?;
        }
        map.end()
    }
}

/// A line as it is read back.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Record {
    /// Steps done.
    pub step: u64,
    /// Seconds since the run began.
    pub wall_s: f64,
    /// What was measured on.
    pub split: Split,
    /// Whether this is the final evaluation of the whole split.
    #[serde(default)]
    pub full: bool,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

impl Record {
    /// The figures of the line by name; those that were not finite are absent.
    pub fn figures(&self) -> impl Iterator<Item = (&str, f64)> {
        self.rest
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.as_f64()?)))
    }
}

/// The file, open for appending.
#[derive(Debug)]
pub struct MetricsLog {
    path: PathBuf,
    file: File,
}

impl MetricsLog {
    /// Opens the file of a run folder, cut back to the lines of the first `step` steps.
    ///
    /// Final evaluations go too: a run that goes on measures them again. So does a last line that was only half written.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(run: &Path, step: u64) -> anyhow::Result<(Self, Vec<Record>)> {
        let path = path_in(run);
        let open = || -> anyhow::Result<_> {
            let kept: Vec<(String, Record)> = match fs::read(&path) {
                Ok(bytes) => whole_lines(&bytes)
                    .filter(|(_, record)| record.step <= step && !record.full)
                    .collect(),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
                Err(error) => return Err(error.into()),
            };
            let mut text = String::new();
            for (line, _) in &kept {
                text.push_str(line);
                text.push('\n');
            }
            crate::files::replace(&path, text.as_bytes())?;
            let file = OpenOptions::new().append(true).open(&path)?;
            Ok((file, kept.into_iter().map(|(_, record)| record).collect()))
        };
        let (file, records) = open().with_context(|| format!("cannot open {}", path.display()))?;
        Ok((Self { path, file }, records))
    }

    /// Appends a line.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, line: &Line<'_>) -> anyhow::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        self.file
            .write_all(text.as_bytes())
            .with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Makes every line so far durable.
    ///
    /// # Errors
    /// The file cannot be synced.
    pub fn sync(&self) -> anyhow::Result<()> {
        self.file
            .sync_data()
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// The lines of a run so far.
///
/// # Errors
/// The file cannot be read.
pub fn read(run: &Path) -> anyhow::Result<Vec<Record>> {
    let path = path_in(run);
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(whole_lines(&bytes).map(|(_, record)| record).collect())
}

fn path_in(run: &Path) -> PathBuf {
    run.join("metrics.jsonl")
}

/// Every line that was written to its end.
fn whole_lines(bytes: &[u8]) -> impl Iterator<Item = (String, Record)> {
    bytes
        .split_inclusive(|&byte| byte == b'\n')
        .filter_map(|line| {
            let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
            Some((line.to_owned(), serde_json::from_str(line).ok()?))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_after_the_checkpoint_and_half_lines_are_cut() {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, _) = MetricsLog::open(dir.path(), 0).unwrap();
        for (step, full) in [(10, false), (20, false), (20, true), (30, false)] {
            let metrics = Metrics::new().figure("b", 0.1).figure("a", f64::NAN);
            log.write(&Line {
                step,
                wall_s: 0.5,
                split: Split::Train,
                full,
                metrics: &metrics,
            })
            .unwrap();
        }
        let path = path_in(dir.path());
        let mut text = fs::read_to_string(&path).unwrap();
        let first = r#"{"step":10,"wall_s":0.5,"split":"train","b":0.1,"a":null}"#;
        assert_eq!(text.lines().next(), Some(first));
        text.push_str(r#"{"step":20,"wall_s":0.5,"spl"#);
        fs::write(&path, text).unwrap();

        let (_, records) = MetricsLog::open(dir.path(), 20).unwrap();
        let steps: Vec<u64> = records.iter().map(|record| record.step).collect();
        assert_eq!(steps, [10, 20]);
        assert_eq!(records[0].figures().collect::<Vec<_>>(), [("b", 0.1)]);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
    }
}
