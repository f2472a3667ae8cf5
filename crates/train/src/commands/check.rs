//! `unbiased check`: did a run reach the figures its configuration promises?

use crate::cli::CheckArgs;
use crate::config::Expect;
use crate::error::Failure;
use crate::progress::number;
use crate::run_dir::{runs_in, stored_config};
use crate::summary::Summary;
use crate::verdict::{Verdict, judge};
use crate::{data::Split, out};

/// Compares every run with its `[[expect]]` entries.
///
/// # Errors
/// A figure was missed, or a run cannot be read.
pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    let mut missed = 0;
    for run in args.runs.iter().flat_map(|path| runs_in(path)) {
        let (_, config) = stored_config(&run)?;
        let summary = Summary::read(&run)?;
        if config.expect.is_empty() {
            let name = &config.run.config;
            out::result(format_args!(
                "{}: `{name}` promises no figure",
                run.display()
            ))?;
        }
        for expect in &config.expect {
            let (verdict, value) = judge(expect, &config, &summary);
            missed += usize::from(verdict == Verdict::Missed);
            out::result(format_args!(
                "{}: {}",
                run.display(),
                line(expect, &verdict, value)
            ))?;
        }
    }
    if missed > 0 {
        let figures = if missed == 1 {
            "figure was"
        } else {
            "figures were"
        };
        return Err(Failure::Failed(anyhow::anyhow!(
            "{missed} {figures} missed"
        )));
    }
    Ok(())
}

fn line(expect: &Expect, verdict: &Verdict, value: Option<f64>) -> String {
    let split = expect.split.unwrap_or(Split::Train);
    let mut words = vec![match verdict {
        Verdict::Met => "met".to_owned(),
        Verdict::Missed => "MISSED".to_owned(),
        Verdict::AboutOthers(reason) | Verdict::NotComparable(reason) => {
            format!("not comparable ({reason})")
        }
    }];
    words.push(format!("{split} {}", expect.metric));
    words.extend(value.map(|value| format!("= {}", number(value))));
    words.extend(expect.at_most.map(|bound| format!("(at most {bound})")));
    words.extend(expect.at_least.map(|bound| format!("(at least {bound})")));
    words.extend(expect.paper.map(|paper| format!("(paper: {paper})")));
    words.join(" ")
}
