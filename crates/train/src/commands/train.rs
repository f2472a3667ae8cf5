//! `unbiased train`: starts runs and goes on with them.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::checkpoint::{Checkpoint, Checkpoints};
use crate::cli::{TrainArgs, systems_help};
use crate::config::{Origin, Override, RunConfig, closest};
use crate::device::{self, OpenDevice};
use crate::error::Failure;
use crate::invocation::{arguments, program, quote};
use crate::metrics_log::MetricsLog;
use crate::progress::Progress;
use crate::run_dir::RunDir;
use crate::summary::{Status, Summary};
use crate::system::{BuildContext, System, SystemEntry};
use crate::systems::{self, SYSTEMS};
use crate::train_loop::{TrainLoop, resume_command};
use crate::{interrupt, out, weights};

/// Trains what the command line asks for.
///
/// # Errors
/// The worst of its runs.
pub fn run(args: &TrainArgs) -> Result<(), Failure> {
    if let Some(run) = &args.resume {
        return resume(run, args);
    }
    let plan = Plan::new(args)?;
    if args.dry_run {
        device::choose(&args.device)?;
        return Ok(out::result(
            plan.config(plan.seeds.start)?.to_toml().trim_end(),
        )?);
    }
    if plan.seeds.clone().count() == 1 && args.seeds.is_none() {
        return start(&plan, plan.seeds.start, &plan.single_folder(args), args);
    }
    several(&plan, args)
}

/// Runs one seed after the other; the worst exit code counts.
fn several(plan: &Plan<'_>, args: &TrainArgs) -> Result<(), Failure> {
    let base = plan.folder_of_seeds(args);
    let mut worst: Option<Failure> = None;
    for seed in plan.seeds.clone() {
        let outcome = start(plan, seed, &base.join(format!("s{seed}")), args);
        match outcome {
            Ok(()) => {}
            // Whoever interrupts one seed wants the others to stop as well.
            Err(failure @ Failure::Interrupted { .. }) => {
                let rest = seed + 1..plan.seeds.end;
                if !rest.is_empty() {
                    out::note(format_args!("seeds {rest:?} were not started"));
                }
                return Err(failure);
            }
            Err(failure) => {
                out::note(format_args!("seed {seed}: {failure}"));
                if worst
                    .as_ref()
                    .is_none_or(|w| w.exit_code() < failure.exit_code())
                {
                    worst = Some(failure);
                }
            }
        }
    }
    worst.map_or(Ok(()), Err)
}

/// What a command line without `--resume` asks for.
struct Plan<'a> {
    entry: &'static SystemEntry,
    /// Name of the configuration, or the path of its file.
    name: String,
    text: String,
    overrides: Vec<Override>,
    seeds: Range<u64>,
    args: &'a TrainArgs,
}

impl<'a> Plan<'a> {
    fn new(args: &'a TrainArgs) -> Result<Self, Failure> {
        let target = args.target.as_deref().ok_or_else(nothing_named)?;
        let (system, config) = match target.split_once('/') {
            Some((system, config)) => (system, Some(config)),
            None => (target, None),
        };
        let entry = find_system(system)?;
        let (name, text) = match (&args.config, config) {
            (None, config) => {
                let name = config.unwrap_or(entry.default_config);
                (name.to_owned(), embedded(entry, name)?.to_owned())
            }
            (Some(file), None) => {
                let text = fs::read_to_string(file).map_err(|error| {
                    Failure::usage(format!("cannot read {}: {error}", file.display()))
                })?;
                (file.display().to_string(), text)
            }
            (Some(file), Some(name)) => {
                return Err(Failure::usage(format!(
                    "`{system}/{name}` and --config {} are two configurations; \
                     give one: `train {system} --config FILE`",
                    file.display()
                )));
            }
        };
        let plan = Self {
            entry,
            name,
            text,
            overrides: overrides(args)?,
            seeds: args
                .seeds
                .clone()
                .unwrap_or_else(|| args.seed..args.seed.saturating_add(1)),
            args,
        };
        let config = plan.config(plan.seeds.start)?;
        check_until(args.until, 0, &config)?;
        Ok(plan)
    }

    fn config(&self, seed: u64) -> Result<RunConfig, Failure> {
        let data_dir = absolute("--data-dir", self.args.data_dir.as_deref())?;
        let weights = absolute("--weights", self.args.weights.as_deref())?;
        let origin = Origin {
            system: self.entry.name.to_owned(),
            config: self.name.clone(),
            seed,
            smoke: self.args.smoke,
            overrides: Vec::new(),
            data_dir,
            weights,
        };
        let config = RunConfig::resolve(self.entry, &self.text, origin, &self.overrides);
        Ok(config?)
    }

    /// `runs/<system>-<config>-s<seed>`, and what else tells the run from its neighbours.
    fn single_folder(&self, args: &TrainArgs) -> PathBuf {
        let seed = format!("-s{}", self.seeds.start);
        args.out.clone().unwrap_or_else(|| self.folder(&seed))
    }

    fn folder_of_seeds(&self, args: &TrainArgs) -> PathBuf {
        args.out.clone().unwrap_or_else(|| self.folder(""))
    }

    fn folder(&self, seed: &str) -> PathBuf {
        let config = Path::new(&self.name).file_stem().map_or_else(
            || self.name.clone(),
            |stem| match &self.args.config {
                Some(_) => stem.to_string_lossy().into_owned(),
                None => self.name.clone(),
            },
        );
        let mut name = format!("{}-{config}{seed}", self.entry.name);
        for estimator in &self.args.estimator {
            name.push('-');
            name.push_str(&estimator.replace(['=', '/', '\\'], "-"));
        }
        if self.args.smoke {
            name.push_str("-smoke");
        }
        Path::new("runs").join(name)
    }
}

/// What to train, for those who have not said.
fn nothing_named() -> Failure {
    let program = program();
    Failure::usage(format!(
        "say what to train: SYSTEM[/CONFIG]\n\n{}\n\n\
         A good first choice, half a minute and no download:\n  {program} train sbn\n\
         Every configuration, with what it should give and how long it takes:\n  {program} list",
        systems_help()
    ))
}

fn find_system(name: &str) -> Result<&'static SystemEntry, Failure> {
    systems::find(name).ok_or_else(|| {
        let names: Vec<String> = SYSTEMS.iter().map(|entry| entry.name.to_owned()).collect();
        let hint = closest(name, &names)
            .map_or_else(String::new, |close| format!("; did you mean `{close}`?"));
        Failure::usage(format!(
            "no system is called `{name}`{hint}\n  systems: {}; `{} list` says more",
            names.join(", "),
            program()
        ))
    })
}

fn embedded(entry: &SystemEntry, name: &str) -> Result<&'static str, Failure> {
    entry.config(name).ok_or_else(|| {
        let names: Vec<String> = entry.configs.iter().map(|(n, _)| (*n).to_owned()).collect();
        let hint = closest(name, &names)
            .map_or_else(String::new, |close| format!("; did you mean `{close}`?"));
        Failure::usage(format!(
            "`{}` has no configuration `{name}`{hint}\n  configurations: {}; a file of your own goes with --config FILE",
            entry.name,
            names.join(", ")
        ))
    })
}

/// What `--set` and `--estimator` change, in that order.
fn overrides(args: &TrainArgs) -> Result<Vec<Override>, Failure> {
    let general: Vec<&str> = args
        .estimator
        .iter()
        .map(String::as_str)
        .filter(|choice| !choice.contains('='))
        .collect();
    if general.len() > 1 {
        return Err(Failure::usage(format!(
            "--estimator was given several times ({}); one site gets its own by --estimator SITE=NAME",
            general.join(", ")
        )));
    }
    let estimators = args
        .estimator
        .iter()
        .map(|choice| match choice.split_once('=') {
            Some((site, name)) => Override::new(&format!("estimator.sites.{site}"), name),
            None => Override::new("estimator.name", choice.as_str()),
        });
    Ok(args.set.iter().cloned().chain(estimators).collect())
}

fn absolute(option: &str, path: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    path.map(std::path::absolute)
        .transpose()
        .map_err(|error| Failure::usage(format!("{option}: {error}")))
}

/// The step to stop at.
fn check_until(until: Option<u64>, done: u64, config: &RunConfig) -> Result<u64, Failure> {
    let steps = config.schedule.steps;
    match until {
        None => Ok(steps),
        Some(until) if until > steps => Err(Failure::usage(format!(
            "--until {until} is beyond the end of the schedule: schedule.steps is {steps}"
        ))),
        Some(until) if until <= done => Err(Failure::usage(format!(
            "--until {until} has been passed: {done} steps are done"
        ))),
        Some(until) => Ok(until),
    }
}

fn start(plan: &Plan<'_>, seed: u64, folder: &Path, args: &TrainArgs) -> Result<(), Failure> {
    let config = plan.config(seed)?;
    let until = check_until(args.until, 0, &config)?;
    RunDir::refuse_occupied(folder)?;
    let device = device::open(&args.device)?;
    let system = build(plan.entry, &config, &device, None)?;
    let dir = RunDir::create(folder, &config)?;
    let ready = Ready {
        dir,
        config,
        device,
        system,
        last: None,
    };
    train(ready, until, args.quiet)
}

fn resume(folder: &Path, args: &TrainArgs) -> Result<(), Failure> {
    let (dir, entry, config) = RunDir::reopen(folder)?;
    let last = Checkpoints::of(folder, &config).latest(|reason| out::note(reason))?;
    let done = last.as_ref().map_or(0, |checkpoint| checkpoint.step);
    let at_end = done == config.schedule.steps && args.until.is_none_or(|until| until == done);
    if at_end && Summary::read(folder).is_ok_and(|summary| summary.status == Status::Done) {
        out::note(format_args!(
            "{} is complete: {done} steps are done",
            folder.display()
        ));
        return Ok(());
    }
    let until = if at_end {
        done
    } else {
        check_until(args.until, done, &config)?
    };
    let device = device::open(&args.device)?;
    let system = build(entry, &config, &device, last.as_ref())?;
    let ready = Ready {
        dir,
        config,
        device,
        system,
        last,
    };
    train(ready, until, args.quiet)
}

/// The system as it was at the checkpoint `last`, or as it starts.
fn build(
    entry: &SystemEntry,
    config: &RunConfig,
    device: &OpenDevice,
    last: Option<&Checkpoint>,
) -> Result<Box<dyn System>, Failure> {
    let context = BuildContext {
        device: device.device.clone(),
        data_dir: config.data_dir().map(Path::to_owned),
        seed: config.run.seed,
    };
    let mut system = (entry.build)(&config.system, &context)?;
    match (last, &config.run.weights) {
        (Some(checkpoint), _) => system.load(&checkpoint.path)?,
        (None, Some(file)) => weights::import(file, system.as_mut())
            .map_err(|error| Failure::usage(format!("--weights: {error:#}")))?,
        (None, None) => {}
    }
    Ok(system)
}

/// Everything a run consists of.
struct Ready {
    dir: RunDir,
    config: RunConfig,
    device: OpenDevice,
    system: Box<dyn System>,
    /// The checkpoint that the system comes from; none at the beginning.
    last: Option<Checkpoint>,
}

/// Trains up to step `until`.
fn train(mut ready: Ready, until: u64, quiet: bool) -> Result<(), Failure> {
    interrupt::install("stopping after this step");
    let folder = ready.dir.path();
    let checkpoints = Checkpoints::of(folder, &ready.config);
    checkpoints.set_aside_after(ready.last.as_ref().map(|checkpoint| checkpoint.step))?;
    let done = ready.last.as_ref().map_or(0, |checkpoint| checkpoint.step);
    let (log, records) = MetricsLog::open(folder, done)?;
    let command = format!("{} {}", program(), arguments());
    let data = ready.system.data();
    let mut summary = Summary::new(&ready.config, ready.device.name, data, command);
    summary.take_records(&records);

    let progress = Progress::new(quiet, done, until);
    let run = &ready.config.run;
    let from = if done > 0 {
        format!(", from step {done}")
    } else {
        String::new()
    };
    progress.say(&format!(
        "{}/{} seed {} on {} -> {}{from}",
        run.system,
        run.config,
        run.seed,
        ready.device.name,
        folder.display()
    ));
    TrainLoop {
        dir: &ready.dir,
        config: &ready.config,
        checkpoints: &checkpoints,
        last: ready.last,
        log,
        summary,
        progress,
        warned: BTreeSet::new(),
    }
    .run(ready.system.as_mut(), until)?;
    if !quiet {
        let shown = quote(&folder.to_string_lossy());
        if until < ready.config.schedule.steps {
            out::note(format_args!(
                "stopped at step {until}; go on with\n  {}",
                resume_command(folder)
            ));
        } else {
            out::note(format_args!("done; next: {} check {shown}", program()));
        }
    }
    Ok(())
}
