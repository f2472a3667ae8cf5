//! The command line.

mod data;

use std::fmt::Write;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::commands;
use crate::config::Override;
use crate::data::Split;
use crate::error::Failure;
use crate::out;
use crate::systems::SYSTEMS;

pub use self::data::{
    DataCommand, DataFetchArgs, DataGenerateArgs, DataImportArgs, DataListArgs, DataPathArgs,
    DataVerifyArgs,
};

/// Deep learning through the parts that back-propagation cannot see.
///
/// Every stochastic choice of every model is a site; every estimator that is defined for it can train it,
/// on any device. Systems and what they reproduce: `unbiased list`.
#[derive(Debug, Parser)]
#[command(name = "unbiased", version, propagate_version = true, after_help = systems_help())]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show systems and configurations: paper, figure to expect, time, data
    List(ListArgs),
    /// Train a system, or go on with a run
    Train(TrainArgs),
    /// Print the figures of a trained run as JSON
    Eval(EvalArgs),
    /// Draw samples from a trained run
    Sample(SampleArgs),
    /// Compare runs with the figures their configurations promise
    Check(CheckArgs),
    /// Write one self-contained page about runs: figures, curves, pictures, configurations
    Report(ReportArgs),
    /// Write the weights of a trained run as a safetensors file
    Export(ExportArgs),
    /// Compare estimators on one problem: bias, variance and cost against the exact gradient
    Estimators(EstimatorsArgs),
    /// Check grammars, parse texts, count derivations, draw texts
    #[command(subcommand)]
    Grammar(GrammarCommand),
    /// Download, check and draw data sets
    #[command(subcommand)]
    Data(DataCommand),
    /// Print a script that completes this command line in a shell
    #[command(after_help = COMPLETIONS_HELP)]
    Completions(CompletionsArgs),
}

const COMPLETIONS_HELP: &str = "\
For this session of bash:  source <(unbiased completions bash)
For every one of zsh:      unbiased completions zsh > ~/.zfunc/_unbiased   (with ~/.zfunc in fpath)
For every one of fish:     unbiased completions fish > ~/.config/fish/completions/unbiased.fish";

/// Arguments of `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `train`.
#[derive(Debug, Args)]
#[command(after_help = systems_help())]
pub struct TrainArgs {
    /// What to train; without a configuration, the default one, which needs no download
    #[arg(value_name = "SYSTEM[/CONFIG]")]
    pub target: Option<String>,
    /// Read the configuration from a file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Change one key of the configuration, such as schedule.steps=500; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<Override>,
    /// Train with another estimator, everywhere or at one site; may be repeated
    #[arg(long, value_name = "[SITE=]NAME")]
    pub estimator: Vec<String>,
    /// Device to train on: auto, flex, ndarray, wgpu, vulkan, metal or cuda
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub device: String,
    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true, value_parser = seed)]
    pub seed: u64,
    /// Train once for each seed from A up to, not including, B
    #[arg(long, value_name = "A..B", value_parser = seeds, conflicts_with = "seed")]
    pub seeds: Option<Range<u64>>,
    /// Folder of the run (default: `runs/<system>-<config>-s<seed>`)
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Stop early, after this step, with all schedules unchanged
    #[arg(long, value_name = "STEP", allow_negative_numbers = true)]
    pub until: Option<u64>,
    /// Go on with the run in this folder, under its own configuration
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = [
            "target", "config", "set", "estimator", "seed", "seeds", "out", "data_dir", "weights", "smoke", "dry_run",
        ]
    )]
    pub resume: Option<PathBuf>,
    /// Where real data sets lie, besides `$UNBIASED_DATA` and the user's cache
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Start from the weights in this safetensors file, as `export` writes it
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Make it a trial of a few seconds: apply the configuration's table `smoke`
    #[arg(long)]
    pub smoke: bool,
    /// Print the complete configuration and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Show errors and warnings only
    #[arg(long, short)]
    pub quiet: bool,
}

/// Arguments of `eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Folder of the run
    pub run: PathBuf,
    /// Part of the data
    #[arg(long, value_enum, default_value_t = Split::Test)]
    pub split: Split,
    /// Device to evaluate on
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub device: String,
    /// Where real data sets lie
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Arguments of `sample`.
#[derive(Debug, Args)]
pub struct SampleArgs {
    /// Folder of the run
    pub run: PathBuf,
    /// How many samples
    #[arg(short, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    pub n: usize,
    /// Device to sample on
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub device: String,
    /// Where real data sets lie
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Folders of runs, or folders that hold one run per seed
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
}

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Folders of runs, or folders that hold one run per seed
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// File to write (default: `report.html`; with `--markdown`, standard output)
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write tables in Markdown instead of a page
    #[arg(long)]
    pub markdown: bool,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Folder of the run
    pub run: PathBuf,
    /// File to write
    #[arg(long, short, value_name = "FILE", default_value = "model.safetensors")]
    pub output: PathBuf,
}

/// Arguments of `estimators`.
#[derive(Debug, Args)]
pub struct EstimatorsArgs {
    /// TOML file that describes the problem
    pub problem: PathBuf,
    /// Only these estimators, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub estimators: Vec<String>,
    /// Independent estimates per estimator
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = at_least_two)]
    pub draws: usize,
    /// Steps for tuning the estimators that have parameters of their own
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub tune_steps: usize,
    /// Seed of the noise
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true, value_parser = seed)]
    pub seed: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    pub shell: Shell,
}

/// What to do with a grammar.
#[derive(Debug, Subcommand)]
pub enum GrammarCommand {
    /// Look for symbols that cannot be used as one may think; with a text, check its attributes
    Check(GrammarCheckArgs),
    /// Show the derivation of a text
    Parse(GrammarParseArgs),
    /// Count derivations of bounded length
    Count(GrammarCountArgs),
    /// Draw texts
    Sample(GrammarSampleArgs),
}

/// Which grammar.
#[derive(Debug, Args)]
pub struct GrammarArgs {
    /// File with a grammar (NLTK arrows, BNF, EBNF or Lark), or a built-in language: `equations`, `json`, `lists`, `mini_c`, `programs`, `zinc`, `zinc_right`
    #[arg(long, value_name = "FILE|NAME")]
    pub grammar: String,
    /// Let spaces stand between the terminals of a text; built-in languages know by themselves
    #[arg(long)]
    pub skip_spaces: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `grammar check`.
#[derive(Debug, Args)]
pub struct GrammarCheckArgs {
    /// Which grammar
    #[command(flatten)]
    pub grammar: GrammarArgs,
    /// Text whose attributes are checked; only languages with rules beyond their grammar have any
    #[arg(allow_hyphen_values = true)]
    pub text: Option<String>,
}

/// Arguments of `grammar parse`.
#[derive(Debug, Args)]
pub struct GrammarParseArgs {
    /// Which grammar
    #[command(flatten)]
    pub grammar: GrammarArgs,
    /// Text to parse
    #[arg(allow_hyphen_values = true)]
    pub text: String,
}

/// Arguments of `grammar count`.
#[derive(Debug, Args)]
pub struct GrammarCountArgs {
    /// Which grammar
    #[command(flatten)]
    pub grammar: GrammarArgs,
    /// Most productions of a derivation
    #[arg(long, value_name = "T")]
    pub max_productions: usize,
}

/// Arguments of `grammar sample`.
#[derive(Debug, Args)]
pub struct GrammarSampleArgs {
    /// Which grammar
    #[command(flatten)]
    pub grammar: GrammarArgs,
    /// How many texts
    #[arg(short, value_name = "N", default_value_t = 10, value_parser = at_least_one)]
    pub n: usize,
    /// Most productions of a derivation; under attributes, most decisions
    #[arg(long, value_name = "T", default_value_t = 50)]
    pub max_productions: usize,
    /// What to draw from
    #[arg(long, value_enum, default_value_t = Drawing::Uniform)]
    pub from: Drawing,
    /// Seed of the draws
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true, value_parser = seed)]
    pub seed: u64,
}

/// What texts are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Drawing {
    /// All derivations of at most T productions, each as likely
    Uniform,
    /// The grammar's probabilities; derivations of more than T productions are drawn again
    Probabilities,
    /// What the language's attributes allow, choice by choice
    Attributes,
}

/// Seeds fit into the whole numbers of TOML.
fn seed(text: &str) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|&seed| i64::try_from(seed).is_ok())
        .ok_or_else(|| "expected a whole number from 0 to 2^63 - 1".to_owned())
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text
        .split_once("..")
        .ok_or_else(|| "expected A..B, such as 0..3 for the seeds 0, 1 and 2".to_owned())?;
    let range = seed(from)?..seed(to)?;
    if range.is_empty() {
        return Err(format!("{text} holds no seed: B is not included"));
    }
    Ok(range)
}

fn at_least_one(text: &str) -> Result<usize, String> {
    count(text, 1)
}

fn at_least_two(text: &str) -> Result<usize, String> {
    count(text, 2)
}

fn count(text: &str, least: usize) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|&n| n >= least)
        .ok_or_else(|| format!("expected a whole number, at least {least}"))
}

/// The whole command line, to be written down for shells.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// The systems, one a line.
#[must_use]
pub fn systems_help() -> String {
    let width = SYSTEMS.iter().map(|entry| entry.name.len()).max();
    let width = width.unwrap_or_default();
    let mut text = "Systems:\n".to_owned();
    for entry in &SYSTEMS {
        let _ = writeln!(text, "  {:<width$}  {}", entry.name, entry.summary);
    }
    text.truncate(text.trim_end().len());
    text
}

fn dispatch(command: &Command) -> Result<(), Failure> {
    match command {
        Command::List(args) => commands::list::run(args),
        Command::Train(args) => commands::train::run(args),
        Command::Eval(args) => commands::eval::run(args),
        Command::Sample(args) => commands::sample::run(args),
        Command::Check(args) => commands::check::run(args),
        Command::Report(args) => commands::report::run(args),
        Command::Export(args) => commands::export::run(args),
        Command::Estimators(args) => commands::estimators::run(args),
        Command::Grammar(command) => commands::grammar::run(command),
        Command::Data(command) => commands::data::run(command),
        Command::Completions(args) => commands::completions::run(args),
    }
}

/// Parses the command line, does what it says and gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    // A panic has printed its message by then; it still is a failure, with the exit code of one.
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| dispatch(&cli.command)));
    match outcome.unwrap_or_else(|_| Err(Failure::Failed(anyhow::anyhow!("the program panicked"))))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            match &failure {
                Failure::Interrupted { .. } | Failure::Stopped(_) => out::note(&failure),
                _ => out::note(format_args!("error: {failure}")),
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn seed_ranges_are_half_open_and_never_empty() {
        assert_eq!(seeds("2..5"), Ok(2..5));
        for bad in ["3", "3..3", "5..2", "a..b", "..2", "-1..2", "0..=2"] {
            assert!(seeds(bad).is_err(), "{bad}");
        }
    }
}
