//! The page: what ran, what it promised, figures, curves, samples, configurations.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use anyhow::Context;

use super::chart::{Curve, Level, Point, chart, colour};
use super::html::{escape, folded, listing, page, picture, table};
use super::runs::{Group, Run, Runs, Spread, settings};
use crate::data::Split;
use crate::error::Failure;
use crate::progress::{duration, number};
use crate::verdict::Verdict;

const SPLITS: [Split; 3] = [Split::Train, Split::Valid, Split::Test];
/// Lines of a text sample that are shown.
const LINES: usize = 40;

/// The whole page.
pub(super) fn html(runs: &Runs) -> Result<String, Failure> {
    let groups = &runs.groups;
    let mut body = head(runs);
    body.push_str(&overview(groups));
    body.push_str(&promises(groups));
    body.push_str(&figures(groups));
    body.push_str(&curves(groups));
    body.push_str(&samples(groups)?);
    body.push_str(&differences(groups));
    body.push_str(&configurations(groups));
    Ok(page(&title(groups), &body))
}

fn title(groups: &[Group]) -> String {
    let systems: BTreeSet<&str> = groups
        .iter()
        .map(|group| group.first().config.run.system.as_str())
        .collect();
    let systems: Vec<&str> = systems.into_iter().collect();
    format!("Unbiased: {}", systems.join(", "))
}

/// What the configurations say they are, each once.
fn head(runs: &Runs) -> String {
    let groups = &runs.groups;
    let mut html = format!("<h1>{}</h1>\n", escape(&title(groups)));
    let abouts: BTreeSet<_> = groups
        .iter()
        .map(|group| {
            let about = &group.first().config.about;
            let parts = [&about.title, &about.paper, &about.reproduces];
            let parts: Vec<&str> = parts
                .into_iter()
                .map(String::as_str)
                .filter(|part| !part.is_empty())
                .collect();
            parts.join(". ")
        })
        .collect();
    for about in abouts {
        let _ = writeln!(html, "<p class=\"about\">{}</p>", escape(&about));
    }
    let _ = writeln!(
        html,
        "<p class=\"about\">All {}.</p>",
        escape(&runs.common.join(", "))
    );
    html
}

/// The name of a group beside its colour.
fn key(index: usize, group: &Group) -> String {
    format!(
        "<span class=\"key {}\"></span>{}",
        colour(index),
        escape(&group.label)
    )
}

fn overview(groups: &[Group]) -> String {
    let head = [
        "what", "data", "status", "seeds", "steps", "steps/s", "time",
    ];
    let rows: Vec<Vec<String>> = groups
        .iter()
        .enumerate()
        .map(|(index, group)| {
            let states: BTreeSet<String> = group
                .runs
                .iter()
                .map(|run| format!("{:?}", run.summary.status).to_lowercase())
                .collect();
            let states: Vec<String> = states.into_iter().collect();
            let speed: Spread = group
                .runs
                .iter()
                .map(|run| run.summary.steps_per_second)
                .collect();
            let first = &group.first().summary;
            vec![
                key(index, group),
                escape(&first.data),
                states.join(", "),
                group.seeds(),
                format!("{} of {}", first.steps, first.steps_planned),
                number(speed.mean),
                duration(group.wall_s().mean),
            ]
        })
        .collect();
    format!(
        "<h2>Runs</h2>\n{}",
        table(3, &head.map(str::to_owned), &rows)
    )
}

/// Promised figures beside the papers' and ours.
fn promises(groups: &[Group]) -> String {
    let head = ["what", "figure", "ours", "promised", "paper", "verdict"];
    let mut rows = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        for expect in &group.first().config.expect {
            let verdict = match group.verdict(expect) {
                Verdict::Met => "<span class=\"met\">met</span>".to_owned(),
                Verdict::Missed => "<span class=\"missed\">missed</span>".to_owned(),
                // A promise to another estimator than the one that ran is not of interest here.
                Verdict::AboutOthers(_) => continue,
                Verdict::NotComparable(reason) => {
                    format!(
                        "<span class=\"soft\">not comparable: {}</span>",
                        escape(&reason)
                    )
                }
            };
            let split = expect.split.unwrap_or(Split::Train);
            let bound = expect
                .at_most
                .map(|bound| format!("≤ {bound}"))
                .or(expect.at_least.map(|bound| format!("≥ {bound}")));
            rows.push(vec![
                key(index, group),
                format!("{split} {}", escape(&expect.metric)),
                group.last(split, &expect.metric).to_string(),
                bound.unwrap_or_default(),
                expect
                    .paper
                    .map(|paper| paper.to_string())
                    .unwrap_or_default(),
                verdict,
            ]);
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<h2>Promised figures</h2>\n{}",
        table(2, &head.map(str::to_owned), &rows)
    )
}

/// The last figures, with mean and standard deviation over the seeds of a group.
fn figures(groups: &[Group]) -> String {
    let mut head = vec!["split".to_owned(), "figure".to_owned()];
    head.extend(
        groups
            .iter()
            .enumerate()
            .map(|(index, group)| key(index, group)),
    );
    let mut rows = Vec::new();
    for split in SPLITS {
        let names: BTreeSet<&str> = groups
            .iter()
            .flat_map(|group| &group.runs)
            .filter_map(|run| run.summary.last.get(&split.to_string()))
            .flat_map(|figures| figures.keys().map(String::as_str))
            .collect();
        for name in names {
            let mut row = vec![split.to_string(), escape(name)];
            row.extend(
                groups
                    .iter()
                    .map(|group| group.last(split, name).to_string()),
            );
            rows.push(row);
        }
    }
    format!(
        "<h2>Last figures</h2>\n<p class=\"about\">Mean ± standard deviation over seeds.</p>\n{}",
        table(2, &head, &rows)
    )
}

/// A chart for each figure: those that were measured on data kept apart first, then what is known of training only.
fn curves(groups: &[Group]) -> String {
    let mut charts: BTreeMap<String, Vec<Curve>> = BTreeMap::new();
    for (index, group) in groups.iter().enumerate() {
        for ((name, split), points) in points(group) {
            charts.entry(name).or_default().push(Curve {
                group: index,
                title: format!("{}: {split}", group.label),
                split: split.to_string(),
                points,
            });
        }
    }
    // Counters and constants say nothing over the steps; their last values are in the table.
    charts.retain(|name, curves| {
        let moves = |curve: &Curve| {
            let first = curve.points[0].mean;
            curve.points.len() == 1 || curve.points.iter().any(|point| point.mean != first)
        };
        name != "epoch" && curves.iter().any(moves)
    });
    let apart = |curves: &[Curve]| curves.iter().any(|curve| curve.split != "train");
    let (evaluated, trained): (Vec<_>, Vec<_>) =
        charts.iter().partition(|(_, curves)| apart(curves));
    let mut html = String::new();
    let about = "Over steps; train is drawn through, valid dashed, test dotted. Bands are ± one standard deviation over seeds, dotted levels a paper's.";
    for (heading, about, charts) in [
        ("Curves", about, evaluated),
        ("Curves of training", "", trained),
    ] {
        if charts.is_empty() {
            continue;
        }
        let _ = writeln!(
            html,
            "<h2>{heading}</h2>\n<p class=\"about\">{}{about}</p>\n<div class=\"charts\">",
            legend(groups),
        );
        for (name, curves) in charts {
            html.push_str(&chart(name, curves, &levels(groups, name)));
        }
        html.push_str("</div>\n");
    }
    html
}

fn legend(groups: &[Group]) -> String {
    let mut html = String::new();
    for (index, group) in groups.iter().enumerate() {
        let _ = write!(html, "{}<br>", key(index, group));
    }
    html
}

/// Each figure on each split over the steps, final evaluations not counted: they may be of other parts of the data.
fn points(group: &Group) -> BTreeMap<(String, Split), Vec<Point>> {
    let mut values: BTreeMap<(String, Split), BTreeMap<u64, Vec<f64>>> = BTreeMap::new();
    for record in group.runs.iter().flat_map(|run| &run.records) {
        if record.full {
            continue;
        }
        for (name, value) in record.figures() {
            let by_step = values.entry((name.to_owned(), record.split)).or_default();
            by_step.entry(record.step).or_default().push(value);
        }
    }
    let curve = |by_step: BTreeMap<u64, Vec<f64>>| {
        let point = |(step, values): (u64, Vec<f64>)| {
            let Spread { mean, sd, .. } = values.into_iter().collect();
            Point {
                step: step as f64,
                mean,
                sd,
            }
        };
        by_step.into_iter().map(point).collect()
    };
    values
        .into_iter()
        .map(|(key, by_step)| (key, curve(by_step)))
        .collect()
}

/// Published values of a figure.
fn levels(groups: &[Group], name: &str) -> Vec<Level> {
    let mut levels: Vec<Level> = Vec::new();
    for group in groups {
        for expect in &group.first().config.expect {
            let holds = !matches!(group.verdict(expect), Verdict::AboutOthers(_));
            if let Some(value) = expect.paper.filter(|_| expect.metric == name && holds) {
                let title = format!("paper: {value} ({})", group.label);
                if levels.iter().all(|level| level.value != value) {
                    levels.push(Level { title, value });
                }
            }
        }
    }
    levels
}

/// The last samples of the first seed of each group; those of other seeds to unfold.
fn samples(groups: &[Group]) -> Result<String, Failure> {
    let mut html = String::new();
    for (index, group) in groups.iter().enumerate() {
        let mut shown = String::new();
        for (place, run) in group.runs.iter().enumerate() {
            let of_run = samples_of(run)?;
            if of_run.is_empty() {
                continue;
            }
            let of_run = format!("<div class=\"pictures\">{of_run}</div>");
            if place == 0 {
                shown.push_str(&of_run);
            } else {
                shown.push_str(&folded(&format!("seed {}", run.summary.seed), &of_run));
            }
        }
        if !shown.is_empty() {
            let _ = writeln!(html, "<h2>Samples: {}</h2>\n{shown}", key(index, group));
        }
    }
    Ok(html)
}

/// The last file of each kind: names are steps, then what it shows.
fn samples_of(run: &Run) -> Result<String, Failure> {
    let Ok(entries) = fs::read_dir(run.path.join("samples")) else {
        return Ok(String::new());
    };
    let mut last: BTreeMap<String, PathBuf> = BTreeMap::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let kind = name
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .to_owned();
        if last.get(&kind).is_none_or(|other| *other < path) {
            last.insert(kind, path);
        }
    }
    let mut html = String::new();
    for path in last.values() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let extension = path.extension().unwrap_or_default();
        let bytes = || fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        if extension == "png" {
            html.push_str(&picture(&name, &bytes()?));
        } else if extension == "txt" {
            let text = String::from_utf8_lossy(&bytes()?).into_owned();
            let lines: Vec<&str> = text.lines().take(LINES).collect();
            html.push_str(&listing(&name, &lines.join("\n")));
        }
    }
    Ok(html)
}

/// The settings in which the groups differ.
fn differences(groups: &[Group]) -> String {
    if groups.len() < 2 {
        return String::new();
    }
    let of_groups: Vec<BTreeMap<String, String>> = groups
        .iter()
        .map(|group| settings(&group.first().config))
        .collect();
    let keys: BTreeSet<&String> = of_groups.iter().flat_map(BTreeMap::keys).collect();
    let mut head = vec!["setting".to_owned()];
    head.extend(
        groups
            .iter()
            .enumerate()
            .map(|(index, group)| key(index, group)),
    );
    let rows: Vec<Vec<String>> = keys
        .into_iter()
        .filter(|&key| {
            of_groups
                .iter()
                .any(|of| of.get(key) != of_groups[0].get(key))
        })
        .map(|key| {
            let mut row = vec![format!("<code>{}</code>", escape(key))];
            let absent = "<span class=\"soft\">–</span>".to_owned();
            row.extend(of_groups.iter().map(|of| {
                of.get(key)
                    .map_or_else(|| absent.clone(), |value| escape(value))
            }));
            row
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<h2>Where they differ</h2>\n{}",
        table(rows[0].len(), &head, &rows)
    )
}

fn configurations(groups: &[Group]) -> String {
    let mut html = "<h2>Commands and configurations</h2>\n".to_owned();
    for run in groups.iter().flat_map(|group| &group.runs) {
        let summary = &run.summary;
        let text = format!(
            "# {}\n# unbiased {}, burn {}, {}\n\n{}",
            summary.command,
            summary.versions.unbiased,
            summary.versions.burn,
            summary.device,
            run.config.to_toml()
        );
        let text = format!("<pre>{}</pre>", escape(&text));
        html.push_str(&folded(&run.path.display().to_string(), &text));
    }
    html
}
