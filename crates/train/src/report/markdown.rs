//! The summaries as Markdown: what `docs/results.md` is made of.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::runs::Group;
use crate::data::Split;
use crate::progress::duration;
use crate::verdict::Verdict;

/// A section for each configuration, a table of figures in it, and the commands below.
pub(super) fn markdown(groups: &[Group]) -> String {
    let mut text = "# Results\n".to_owned();
    let mut names: Vec<String> = Vec::new();
    for group in groups {
        let run = &group.first().config.run;
        let name = format!("{}/{}", run.system, run.config);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for name in names {
        let of_name: Vec<&Group> = groups
            .iter()
            .filter(|group| {
                let run = &group.first().config.run;
                format!("{}/{}", run.system, run.config) == name
            })
            .collect();
        section(&mut text, &name, &of_name);
    }
    text
}

fn section(text: &mut String, name: &str, groups: &[&Group]) {
    let about = &groups[0].first().config.about;
    let _ = write!(text, "\n## {name}\n\n{}", about.title);
    if !about.paper.is_empty() {
        let _ = write!(text, " ({})", about.paper);
    }
    text.push_str(".\n\n| run | seeds | figure | ours | promised | paper | verdict |\n|---|---|---|---|---|---|---|\n");
    for group in groups {
        for row in rows(group) {
            let cells: Vec<String> = row
                .into_iter()
                .map(|cell| cell.replace('|', "\\|"))
                .collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
    }
    text.push('\n');
    for group in groups {
        let first = &group.first().summary;
        let _ = writeln!(
            text,
            "* `{}`: {}, {} of {} steps, {} each. `{}`",
            group.label,
            first.data,
            first.steps,
            first.steps_planned,
            duration(group.wall_s().mean),
            first.command
        );
    }
}

/// What a group has to show: the promised figures, or where nothing was promised to it all figures of the data kept furthest apart.
fn rows(group: &Group) -> Vec<[String; 7]> {
    let mut rows = Vec::new();
    for expect in &group.first().config.expect {
        let verdict = match group.verdict(expect) {
            Verdict::Met => "met".to_owned(),
            Verdict::Missed => "**missed**".to_owned(),
            Verdict::AboutOthers(_) => continue,
            Verdict::NotComparable(reason) => format!("not comparable: {reason}"),
        };
        let split = expect.split.unwrap_or(Split::Train);
        let above = expect.at_most.map(|bound| format!("≤ {bound}"));
        let below = expect.at_least.map(|bound| format!("≥ {bound}"));
        rows.push([
            group.label.clone(),
            group.seeds(),
            format!("{split} {}", expect.metric),
            group.last(split, &expect.metric).to_string(),
            above.or(below).unwrap_or_default(),
            expect
                .paper
                .map(|paper| paper.to_string())
                .unwrap_or_default(),
            verdict,
        ]);
    }
    if rows.is_empty() {
        let split = [Split::Test, Split::Valid, Split::Train]
            .into_iter()
            .find(|split| group.first().summary.last.contains_key(&split.to_string()));
        let Some(split) = split else {
            return rows;
        };
        let names: BTreeSet<&String> = group
            .runs
            .iter()
            .filter_map(|run| run.summary.last.get(&split.to_string()))
            .flat_map(|figures| figures.keys())
            .collect();
        rows.extend(names.into_iter().map(|name| {
            [
                group.label.clone(),
                group.seeds(),
                format!("{split} {name}"),
                group.last(split, name).to_string(),
                String::new(),
                String::new(),
                String::new(),
            ]
        }));
    }
    rows
}
