//! What a user sees while a run goes on: a bar with live figures on a terminal, plain lines elsewhere.

use std::fmt;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::data::Split;
use crate::out;
use crate::system::Metrics;

/// Shows how far a run has come.
#[derive(Debug)]
pub enum Progress {
    /// Nothing but warnings and errors.
    Quiet,
    /// One line per set of figures.
    Plain {
        /// Steps in all.
        steps: u64,
    },
    /// A bar that is redrawn.
    Bar(ProgressBar),
}

impl Progress {
    /// The right form for where stderr goes.
    ///
    /// # Panics
    /// Never: the template is a constant.
    #[must_use]
    pub fn new(quiet: bool, done: u64, steps: u64) -> Self {
        if quiet {
            return Self::Quiet;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Plain { steps };
        }
        let template = "{bar:16} {pos}/{len}  {rate}  {eta} left  {wide_msg}";
        let style = ProgressStyle::with_template(template)
            .expect("the template is well formed")
            .with_key(
                "rate",
                |state: &ProgressState, line: &mut dyn fmt::Write| {
                    // A line that cannot be drawn is drawn again soon.
                    let _ = write!(line, "{:.0}/s", state.per_sec());
                },
            );
        let bar = ProgressBar::new(steps)
            .with_position(done)
            .with_style(style);
        bar.reset_eta();
        bar.enable_steady_tick(Duration::from_millis(500));
        Self::Bar(bar)
    }

    /// A step is done.
    pub fn step(&self, step: u64) {
        if let Self::Bar(bar) = self {
            bar.set_position(step);
        }
    }

    /// Figures have been measured; with the time left when they are those of a training step.
    pub fn figures(&self, step: u64, split: Split, metrics: &Metrics, left_s: Option<f64>) {
        match (self, left_s) {
            (Self::Quiet, _) => {}
            // Losses first: a terminal is narrow.
            (Self::Bar(bar), Some(_)) => bar.set_message(words(metrics.losses_first())),
            (Self::Bar(bar), None) => {
                bar.println(format!("step {step}  {split}  {}", words(metrics.iter())));
            }
            (Self::Plain { steps }, left_s) => {
                let left = left_s.map_or_else(String::new, |s| format!("  {} left", duration(s)));
                out::note(format_args!(
                    "step {step}/{steps}  {split}  {}{left}",
                    words(metrics.iter())
                ));
            }
        }
    }

    /// A remark.
    pub fn say(&self, message: &str) {
        match self {
            Self::Quiet => {}
            Self::Plain { .. } => out::note(message),
            Self::Bar(bar) => bar.println(message),
        }
    }

    /// All steps are done and the final evaluation begins.
    pub fn evaluating(&self) {
        if let Self::Bar(bar) = self {
            bar.set_message("final evaluation");
        }
    }

    /// The run is over.
    pub fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish();
            // The bar leaves the cursor at the end of its line.
            out::note("");
        }
    }
}

fn words<'a>(figures: impl Iterator<Item = (&'a str, f64)>) -> String {
    let words: Vec<String> = figures
        .map(|(name, value)| format!("{name} {}", number(value)))
        .collect();
    words.join("  ")
}

/// Five significant digits.
#[must_use]
pub fn number(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 || !value.is_finite() || !(1e-3..1e6).contains(&magnitude) {
        return format!("{value:.4e}").replace("0.0000e0", "0");
    }
    let decimals = (4 - magnitude.log10().floor() as i64).clamp(0, 7);
    format!("{value:.*}", decimals as usize)
}

/// Seconds as a person writes them.
#[must_use]
pub fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    match (s / 3600, s / 60 % 60, s % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_five_digits_and_times_have_units() {
        assert_eq!(number(0.249_012_3), "0.24901");
        assert_eq!(number(-123.456_78), "-123.46");
        assert_eq!(number(1.234e-9), "1.2340e-9");
        assert_eq!(number(0.0), "0");
        assert_eq!(duration(59.4), "59 s");
        assert_eq!(duration(3_725.0), "1 h 2 min");
    }
}
