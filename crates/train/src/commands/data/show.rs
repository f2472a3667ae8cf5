//! How sizes and the progress of files are shown.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::data::Verdict;
use crate::data::fetch::Event;
use crate::out;

/// A length as people write it: `9.9 MB`.
pub(super) fn size(bytes: u64) -> String {
    let units = ["kB", "MB", "GB"];
    let mut value = bytes as f64 / 1e3;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < units.len() {
        value /= 1e3;
        unit += 1;
    }
    if bytes < 1000 {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {}", units[unit])
    }
}

/// What a look at a file said.
pub(super) fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Good(kind) => format!("right ({kind})"),
        Verdict::LengthOnly => "of the right length; no checksum is published".into(),
        Verdict::Missing => "missing".into(),
        Verdict::Wrong { found, expected } => format!("WRONG: {found}, expected {expected}"),
    }
}

/// Shows files as they come: a bar on a terminal, lines elsewhere.
pub(super) struct Files {
    quiet: bool,
    bar: Option<ProgressBar>,
}

impl Files {
    pub(super) fn new(quiet: bool) -> Self {
        Self { quiet, bar: None }
    }

    pub(super) fn say(&self, line: &str) {
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => bar.println(line),
            None => out::note(line),
        }
    }

    pub(super) fn show(&mut self, event: &Event<'_>) {
        match event {
            Event::Begun { file, bytes, from } => {
                let length = bytes.map_or_else(|| "size unknown".to_owned(), size);
                self.clear();
                self.say(&format!("{file}: {length} from {from}"));
                if !self.quiet && std::io::stderr().is_terminal() {
                    self.bar = Some(bar(*bytes));
                }
            }
            Event::Arrived(bytes) => {
                if let Some(bar) = &self.bar {
                    bar.set_position(*bytes);
                }
            }
            Event::Trouble { problem, .. } => self.say(&format!("  {problem}")),
            Event::Done {
                file,
                before,
                verdict: found,
            } => {
                self.clear();
                let there = if *before {
                    "is there already"
                } else {
                    "is there"
                };
                self.say(&format!("{file}: {there}, {}", verdict(found)));
            }
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar(bytes: Option<u64>) -> ProgressBar {
    let Some(bytes) = bytes else {
        let spinner = ProgressBar::new_spinner();
        spinner.set_style(style("{spinner} {decimal_bytes}  {decimal_bytes_per_sec}"));
        spinner.enable_steady_tick(Duration::from_millis(200));
        return spinner;
    };
    let template =
        "{bar:24} {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left";
    let bar = ProgressBar::new(bytes).with_style(style(template));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is well formed")
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_three_digits_and_a_unit() {
        let shown = [0, 999, 1000, 28_881, 9_912_422, 999_949_999, 999_950_000].map(size);
        assert_eq!(
            shown,
            [
                "0 B", "999 B", "1.0 kB", "28.9 kB", "9.9 MB", "999.9 MB", "1.0 GB"
            ]
        );
    }
}
