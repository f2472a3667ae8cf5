//! `unbiased list`: what can be trained, and what it should give.

use std::fmt::Write;

use serde::Serialize;

use crate::cli::ListArgs;
use crate::config::{About, Expect, Origin, RunConfig};
use crate::error::Failure;
use crate::invocation::program;
use crate::out;
use crate::system::SystemEntry;
use crate::systems::SYSTEMS;

#[derive(Serialize)]
struct SystemItem {
    name: &'static str,
    summary: &'static str,
    default_config: &'static str,
    configs: Vec<ConfigItem>,
}

#[derive(Serialize)]
struct ConfigItem {
    name: &'static str,
    #[serde(flatten)]
    about: About,
    steps: u64,
    expect: Vec<Expect>,
}

/// Prints the systems and their configurations.
///
/// # Errors
/// Stdout cannot be written.
pub fn run(args: &ListArgs) -> Result<(), Failure> {
    let items = SYSTEMS.iter().map(item).collect::<Result<Vec<_>, _>>()?;
    if args.json {
        let text = serde_json::to_string_pretty(&items).map_err(anyhow::Error::from)?;
        return Ok(out::result(text)?);
    }
    Ok(out::result(table(&items))?)
}

fn item(entry: &SystemEntry) -> Result<SystemItem, Failure> {
    let configs = entry.configs.iter().map(|&(name, text)| {
        let origin = Origin {
            system: entry.name.to_owned(),
            config: name.to_owned(),
            ..Origin::default()
        };
        let config = RunConfig::resolve(entry, text, origin, &[])?;
        Ok(ConfigItem {
            name,
            about: config.about,
            steps: config.schedule.steps,
            expect: config.expect,
        })
    });
    Ok(SystemItem {
        name: entry.name,
        summary: entry.summary,
        default_config: entry.default_config,
        configs: configs.collect::<Result<_, Failure>>()?,
    })
}

fn table(items: &[SystemItem]) -> String {
    let mut text = String::new();
    for system in items {
        let _ = writeln!(text, "{}  {}", system.name, system.summary);
        for config in &system.configs {
            let default = if config.name == system.default_config {
                "  (default)"
            } else {
                ""
            };
            let _ = writeln!(text, "  {}/{}{default}", system.name, config.name);
            let rows = [
                ("", config.about.title.clone()),
                ("paper", config.about.paper.clone()),
                ("reproduces", config.about.reproduces.clone()),
                (
                    "expect",
                    config
                        .expect
                        .iter()
                        .map(bound)
                        .collect::<Vec<_>>()
                        .join("; "),
                ),
                ("time", config.about.wall_time.clone()),
                ("data", config.about.data.clone()),
            ];
            for (label, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
                let _ = writeln!(text, "    {label:<11} {value}");
            }
        }
        text.push('\n');
    }
    let _ = write!(text, "Train one with: {} train SYSTEM[/CONFIG]", program());
    text
}

fn bound(expect: &Expect) -> String {
    let mut text = expect
        .split
        .map_or_else(String::new, |split| format!("{split} "));
    text.push_str(&expect.metric);
    if let Some(bound) = expect.at_least {
        let _ = write!(text, " >= {bound}");
    }
    if let Some(bound) = expect.at_most {
        let _ = write!(text, " <= {bound}");
    }
    if let Some(paper) = expect.paper {
        let _ = write!(text, " (paper: {paper})");
    }
    text
}
