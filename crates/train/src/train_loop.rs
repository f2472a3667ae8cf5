//! The loop: steps, figures, samples, checkpoints, and every way to stop.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use crate::checkpoint::{Checkpoint, Checkpoints};
use crate::config::RunConfig;
use crate::data::Split;
use crate::error::Failure;
use crate::files;
use crate::interrupt;
use crate::invocation::{program, quote};
use crate::metrics_log::{Line, MetricsLog};
use crate::progress::Progress;
use crate::run_dir::RunDir;
use crate::summary::{Status, Summary};
use crate::system::{Metrics, StepError, System};

/// A run that is ready to go on.
#[derive(Debug)]
pub struct TrainLoop<'a> {
    /// Its folder.
    pub dir: &'a RunDir,
    /// Its configuration.
    pub config: &'a RunConfig,
    /// Where its checkpoints go.
    pub checkpoints: &'a Checkpoints,
    /// The checkpoint it starts from.
    pub last: Option<Checkpoint>,
    /// Figures, cut back to that checkpoint.
    pub log: MetricsLog,
    /// What has come out so far.
    pub summary: Summary,
    /// What the user sees.
    pub progress: Progress,
    /// Warnings that have been given.
    pub warned: BTreeSet<String>,
}

/// Time spent, and on what.
struct Clock {
    started: Instant,
    /// Seconds of earlier parts of the run.
    before_s: f64,
    steps_s: f64,
    steps: u64,
}

impl Clock {
    fn wall_s(&self) -> f64 {
        // Milliseconds are enough, and easier to read.
        ((self.before_s + self.started.elapsed().as_secs_f64()) * 1e3).round() / 1e3
    }

    fn steps_per_second(&self) -> f64 {
        if self.steps == 0 {
            return 0.0;
        }
        self.steps as f64 / self.steps_s.max(1e-9)
    }
}

impl TrainLoop<'_> {
    /// Trains up to step `until`, evaluates when that is the end of the schedule, and leaves a summary in any case.
    ///
    /// # Errors
    /// Every way in which a run does not reach its end.
    pub fn run(mut self, system: &mut dyn System, until: u64) -> Result<(), Failure> {
        let mut clock = Clock {
            started: Instant::now(),
            before_s: self.summary.wall_s,
            steps_s: 0.0,
            steps: 0,
        };
        self.summary.steps = self.done();
        self.summary.write(self.dir.path())?;
        let outcome = self.advance(system, until, &mut clock);
        self.progress.finish();
        let status = match &outcome {
            Ok(()) if until < self.config.schedule.steps => Status::Stopped,
            Ok(()) => Status::Done,
            Err(Failure::Interrupted { .. }) => Status::Interrupted,
            Err(Failure::Diverged { .. }) => Status::Diverged,
            Err(_) => Status::Failed,
        };
        let written = self.summarise(status, &clock);
        outcome?;
        Ok(written?)
    }

    fn done(&self) -> u64 {
        self.last.as_ref().map_or(0, |checkpoint| checkpoint.step)
    }

    fn summarise(&mut self, status: Status, clock: &Clock) -> anyhow::Result<()> {
        self.summary.status = status;
        self.summary.wall_s = clock.wall_s();
        self.summary.steps_per_second = clock.steps_per_second();
        self.summary.write(self.dir.path())
    }

    fn advance(
        &mut self,
        system: &mut dyn System,
        until: u64,
        clock: &mut Clock,
    ) -> Result<(), Failure> {
        let schedule = &self.config.schedule;
        let due = |every: u64, step: u64| every > 0 && step.is_multiple_of(every);
        for step in self.done() + 1..=until {
            let at_end = step == schedule.steps;
            let log_due = at_end || due(schedule.log_every, step);
            // A checkpoint is only worth writing when the losses before it were finite.
            let checkpoint_due = at_end || due(schedule.checkpoint_every, step);
            let before = Instant::now();
            let metrics = system.step(step, log_due || checkpoint_due);
            clock.steps_s += before.elapsed().as_secs_f64();
            clock.steps += 1;
            self.summary.steps = step;
            let metrics = metrics.map_err(|error| self.failure(step, error))?;
            if let Some(metrics) = metrics {
                self.check(step, &metrics)?;
                if log_due {
                    let left = (until - step) as f64 / clock.steps_per_second();
                    self.record(step, Split::Train, false, &metrics, clock, Some(left))?;
                }
            }
            self.progress.step(step);
            if due(schedule.eval_every, step) {
                for &split in &schedule.eval_splits {
                    self.evaluate(system, step, split, false, clock)?;
                }
            }
            if schedule.samples > 0 && (at_end || due(schedule.sample_every, step)) {
                self.sample(system, step)?;
            }
            let stop = interrupt::requested();
            if checkpoint_due || stop || step == until {
                self.checkpoint(system, step, clock)?;
                self.warn(&*system);
            }
            if stop {
                return Err(self.interrupted(step));
            }
        }
        if until == schedule.steps {
            self.progress.evaluating();
            for &split in &schedule.final_splits {
                self.evaluate(system, until, split, true, clock)?;
                if let Some((what, text)) = system.findings() {
                    let file = self.dir.samples()?.join(format!("{until:08}-{what}.txt"));
                    files::replace(&file, text.as_bytes())?;
                }
                if interrupt::requested() {
                    return Err(self.interrupted(until));
                }
            }
        }
        Ok(())
    }

    fn evaluate(
        &mut self,
        system: &mut dyn System,
        step: u64,
        split: Split,
        full: bool,
        clock: &Clock,
    ) -> Result<(), Failure> {
        let metrics = system.evaluate(split, full)?;
        if metrics.is_empty() {
            return Ok(());
        }
        self.check(step, &metrics)?;
        self.record(step, split, full, &metrics, clock, None)
    }

    fn sample(&self, system: &mut dyn System, step: u64) -> Result<(), Failure> {
        let folder = self.dir.samples()?;
        system.samples(&folder, step, self.config.schedule.samples)?;
        Ok(())
    }

    /// Says what the estimator has to say of itself, each thing once: the words before the colon and the first number
    /// tell one from another.
    fn warn(&mut self, system: &dyn System) {
        for warning in system.warnings() {
            let kind: String = warning
                .chars()
                .take_while(|c| !c.is_ascii_digit())
                .collect();
            if self.warned.insert(kind) {
                self.progress.say(&format!("warning: {warning}"));
            }
        }
    }

    fn checkpoint(&mut self, system: &dyn System, step: u64, clock: &Clock) -> Result<(), Failure> {
        // Figures first: a checkpoint vouches for everything up to its step.
        self.log.sync()?;
        let checkpoint = self
            .checkpoints
            .write(step, system)
            .map_err(|error| self.failure(step, error))?;
        self.last = Some(checkpoint);
        Ok(self.summarise(Status::Running, clock)?)
    }

    fn record(
        &mut self,
        step: u64,
        split: Split,
        full: bool,
        metrics: &Metrics,
        clock: &Clock,
        left: Option<f64>,
    ) -> Result<(), Failure> {
        self.log.write(&Line {
            step,
            wall_s: clock.wall_s(),
            split,
            full,
            metrics,
        })?;
        self.summary.take(split, step, full, metrics.iter());
        self.progress.figures(step, split, metrics, left);
        Ok(())
    }

    fn check(&self, step: u64, metrics: &Metrics) -> Result<(), Failure> {
        match metrics.diverged() {
            Some(error) => Err(self.failure(step, error)),
            None => Ok(()),
        }
    }

    fn failure(&self, step: u64, error: StepError) -> Failure {
        match error {
            StepError::Diverged { term, value } => Failure::Diverged {
                step,
                seed: self.config.run.seed,
                term,
                value,
                checkpoint: self.last.as_ref().map(|checkpoint| checkpoint.path.clone()),
            },
            StepError::Other(error) => Failure::Failed(error),
        }
    }

    fn interrupted(&self, step: u64) -> Failure {
        Failure::Interrupted {
            step,
            resume: resume_command(self.dir.path()),
        }
    }
}

/// The command that goes on with the run in `path`.
#[must_use]
pub fn resume_command(path: &Path) -> String {
    format!(
        "{} train --resume {}",
        program(),
        quote(&path.to_string_lossy())
    )
}
