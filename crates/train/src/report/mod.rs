//! One self-contained page about one or several runs: figures, curves, pictures, configurations.

mod chart;
mod html;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::config::RunConfig;
use crate::error::Failure;
use crate::metrics_log::{self, Record};
use crate::progress::{duration, number};
use crate::run_dir::stored_config;
use crate::summary::Summary;
use chart::{Curve, Points, chart, colour};
use html::{escape, page, picture, table};

/// Pictures shown per run: the last ones.
const PICTURES: usize = 4;

/// A run as the report sees it.
struct Run {
    path: PathBuf,
    config: RunConfig,
    summary: Summary,
    records: Vec<Record>,
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

    /// What runs have in common that differ by their seed only.
    fn group(&self) -> String {
        let run = &self.config.run;
        let mut words = vec![format!("{}/{}", run.system, run.config)];
        if run.smoke {
            words.push("--smoke".to_owned());
        }
        words.extend(run.overrides.iter().cloned());
        words.push(format!("on {}", self.summary.device));
        words.join(" ")
    }
}

/// The page for the runs in `paths`.
///
/// # Errors
/// A folder that is not a run, or cannot be read.
pub fn report(paths: &[PathBuf]) -> Result<String, Failure> {
    let runs = paths
        .iter()
        .map(|path| Run::read(path))
        .collect::<Result<Vec<_>, _>>()?;
    let mut body = overview(&runs);
    body.push_str(&figures(&runs));
    body.push_str(&curves(&runs));
    for run in &runs {
        body.push_str(&pictures(run)?);
    }
    body.push_str("<h2>Configurations</h2>\n");
    for run in &runs {
        let _ = writeln!(
            body,
            "<details><summary>{}</summary><pre>{}</pre></details>",
            escape(&run.path.display().to_string()),
            escape(&run.config.to_toml())
        );
    }
    let systems: BTreeSet<&str> = runs
        .iter()
        .map(|run| run.config.run.system.as_str())
        .collect();
    let systems: Vec<&str> = systems.into_iter().collect();
    Ok(page(&format!("Unbiased: {}", systems.join(", ")), &body))
}

fn overview(runs: &[Run]) -> String {
    let head = [
        "run", "what", "seed", "data", "status", "steps", "steps/s", "time",
    ];
    let rows: Vec<Vec<String>> = runs
        .iter()
        .enumerate()
        .map(|(index, run)| {
            let summary = &run.summary;
            vec![
                format!(
                    "<span class=\"key\" style=\"background:{}\"></span>{}",
                    colour(index),
                    escape(&run.path.display().to_string())
                ),
                escape(&run.group()),
                summary.seed.to_string(),
                escape(&summary.data),
                format!("{:?}", summary.status).to_lowercase(),
                format!("{} of {}", summary.steps, summary.steps_planned),
                number(summary.steps_per_second),
                duration(summary.wall_s),
            ]
        })
        .collect();
    format!("<h2>Runs</h2>\n{}", table(&head.map(str::to_owned), &rows))
}

/// The last figures, with mean and standard deviation over the seeds of a group.
fn figures(runs: &[Run]) -> String {
    let mut groups: BTreeMap<String, Vec<&Run>> = BTreeMap::new();
    for run in runs {
        groups.entry(run.group()).or_default().push(run);
    }
    let mut names: BTreeSet<(&str, &str)> = BTreeSet::new();
    for run in runs {
        for (split, figures) in &run.summary.last {
            names.extend(figures.keys().map(|name| (split.as_str(), name.as_str())));
        }
    }
    let mut head = vec!["split".to_owned(), "figure".to_owned()];
    head.extend(groups.iter().map(|(group, runs)| {
        let seeds = if runs.len() == 1 { "seed" } else { "seeds" };
        format!("{}<br>{} {seeds}", escape(group), runs.len())
    }));
    let rows: Vec<Vec<String>> = names
        .into_iter()
        .map(|(split, name)| {
            let mut row = vec![split.to_owned(), escape(name)];
            row.extend(groups.values().map(|runs| {
                let values: Vec<f64> = runs
                    .iter()
                    .filter_map(|run| Some(run.summary.last.get(split)?.get(name)?.value))
                    .collect();
                mean_and_deviation(&values)
            }));
            row
        })
        .collect();
    format!("<h2>Last figures</h2>\n{}", table(&head, &rows))
}

/// `mean ± standard deviation`, the latter with n - 1 and only where there are several values.
fn mean_and_deviation(values: &[f64]) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    match values.len() {
        0 => String::new(),
        1 => number(mean),
        _ => {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            format!(
                "{} ± {}",
                number(mean),
                number((squares / (n - 1.0)).sqrt())
            )
        }
    }
}

/// One chart per split and figure, all runs in it.
fn curves(runs: &[Run]) -> String {
    // By split and figure, then by place of the run.
    let mut charts: BTreeMap<(String, String), BTreeMap<usize, Points>> = BTreeMap::new();
    for (index, run) in runs.iter().enumerate() {
        for record in run.records.iter().filter(|record| !record.full) {
            for (name, value) in record.figures() {
                let key = (record.split.to_string(), name.to_owned());
                let points = charts.entry(key).or_default().entry(index).or_default();
                points.push((record.step as f64, value));
            }
        }
    }
    let mut html = "<h2>Curves</h2>\n".to_owned();
    for ((split, name), by_run) in charts {
        let curves: Vec<Curve> = by_run
            .into_iter()
            .map(|(run, points)| Curve { run, points })
            .collect();
        html.push_str(&chart(&format!("{split} {name}"), &curves));
    }
    html
}

/// The last pictures of a run.
fn pictures(run: &Run) -> Result<String, Failure> {
    let folder = run.path.join("samples");
    let Ok(entries) = fs::read_dir(&folder) else {
        return Ok(String::new());
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "png"))
        .collect();
    files.sort();
    let mut html = String::new();
    for file in files.iter().skip(files.len().saturating_sub(PICTURES)) {
        let png = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        html.push_str(&picture(
            &file.file_name().unwrap_or_default().to_string_lossy(),
            &png,
        ));
    }
    if html.is_empty() {
        return Ok(html);
    }
    Ok(format!(
        "<h2>Pictures of {}</h2>\n{html}",
        escape(&run.path.display().to_string())
    ))
}

#[cfg(test)]
mod tests {
    use super::mean_and_deviation;

    /// Mean (1 + 2 + 6)/3 = 3, squares 4 + 1 + 9 = 14, deviation √(14/2) = 2.6458.
    #[test]
    fn the_spread_is_that_of_a_sample() {
        assert_eq!(mean_and_deviation(&[1.0, 2.0, 6.0]), "3.0000 ± 2.6458");
        assert_eq!(mean_and_deviation(&[2.0]), "2.0000");
        assert_eq!(mean_and_deviation(&[]), "");
    }
}
