//! `unbiased estimators`: bias, variance and cost of every estimator on one problem.

use std::fmt::Write;
use std::fs;

use indicatif::ProgressBar;
use toml::Table;
use unbiased_estimators::problem::Problem;
use unbiased_estimators::{Comparison, ComparisonSettings, EstimatorError, Measurement, compare};

use crate::cli::EstimatorsArgs;
use crate::config::from_table;
use crate::error::Failure;
use crate::progress::number;
use crate::{device, out};

/// Compares estimators with the exact gradient.
///
/// # Errors
/// The problem cannot be read, an estimator is unknown, or none of those asked for is defined for the problem.
pub fn run(args: &EstimatorsArgs) -> Result<(), Failure> {
    let problem = read(args)?;
    let settings = ComparisonSettings {
        draws: args.draws,
        tune_steps: args.tune_steps,
        seed: args.seed,
    };
    let device = device::open("auto")?.device;
    let spinner = ProgressBar::new_spinner();
    let comparison = compare(&problem, &args.estimators, settings, &device, |name| {
        spinner.set_message(format!("measuring {name}"));
        spinner.tick();
    });
    spinner.finish_and_clear();
    let comparison = comparison.map_err(|error| match error {
        EstimatorError::NotFinite { .. } => Failure::Failed(error.into()),
        _ => Failure::usage(error.to_string()),
    })?;
    if comparison.estimators.is_empty() {
        return Err(Failure::usage(format!(
            "no estimator is left for {}\n{}",
            args.problem.display(),
            refusals(&comparison).trim_end()
        )));
    }
    if args.json {
        let text = serde_json::to_string_pretty(&comparison).map_err(anyhow::Error::from)?;
        return Ok(out::result(text)?);
    }
    Ok(out::result(table(&comparison).trim_end())?)
}

fn read(args: &EstimatorsArgs) -> Result<Problem, Failure> {
    let path = args.problem.display();
    let text = fs::read_to_string(&args.problem)
        .map_err(|error| Failure::usage(format!("cannot read {path}: {error}")))?;
    let table: Table = text
        .parse()
        .map_err(|error| Failure::usage(format!("{path} is not TOML: {error}")))?;
    from_table(&table).map_err(|error| Failure::usage(format!("{path}: {error}")))
}

/// What people read: one line per estimator, the cheapest in variance times evaluations first.
fn table(comparison: &Comparison) -> String {
    let mut text = String::new();
    let Comparison {
        exact, settings, ..
    } = comparison;
    let _ = writeln!(text, "exact value {}, gradient", number(exact.value));
    for (name, gradient) in comparison.coordinates.iter().zip(&exact.gradient) {
        let _ = writeln!(text, "  {name:<16} {}", number(*gradient));
    }
    let _ = writeln!(
        text,
        "\n{} estimates each, seed {}, {} steps of tuning; bias in standard errors at the worst coordinate\n",
        settings.draws, settings.seed, settings.tune_steps
    );
    let _ = writeln!(
        text,
        "{:<18}{:>6}  {:>11}  {:>11}  {:>11}  {:>9}  variance per coordinate",
        "estimator", "evals", "bias", "variance", "var x evals", "seconds",
    );
    let mut estimators: Vec<&Measurement> = comparison.estimators.iter().collect();
    let price = |m: &Measurement| m.total_variance() * m.evaluations;
    estimators.sort_by(|a, b| a.biased.cmp(&b.biased).then(price(a).total_cmp(&price(b))));
    for m in estimators {
        let z = m
            .bias_in_errors(exact)
            .into_iter()
            .fold(
                0.0_f64,
                |worst, z| {
                    if z.abs() > worst.abs() { z } else { worst }
                },
            );
        let variance: Vec<String> = m.variance.iter().map(|&v| number(v)).collect();
        let _ = writeln!(
            text,
            "{:<18}{:>6}  {:>11}  {:>11}  {:>11}  {:>9}  {}",
            m.name,
            m.evaluations,
            format!("{z:+.1}{}", if m.biased { " biased" } else { "" }),
            number(m.total_variance()),
            number(price(m)),
            format!("{:.2}", m.seconds),
            variance.join(" "),
        );
    }
    if !comparison.refused.is_empty() {
        let _ = write!(text, "\nnot defined here\n{}", refusals(comparison));
    }
    text
}

fn refusals(comparison: &Comparison) -> String {
    let lines = comparison.refused.iter();
    lines.fold(String::new(), |mut text, refusal| {
        let _ = writeln!(text, "  {:<16}  {}", refusal.name, refusal.reason);
        text
    })
}
