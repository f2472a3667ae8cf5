//! Figures of a machine on sequences that it was not trained on, and on longer ones.

use std::cell::RefCell;

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use unbiased_estimators::{Address, Draw, Key, Noise, Program, Run, Source, Weighing, execute};
use unbiased_models::ntm::{
    Episodes, InitialAddress, InitialMemory, Ntm, NtmConfig, NtmProgram, Sequences, Size, State,
    Stream, TaskConfig, TaskName,
};

use super::{bits, label};
use crate::config::ConfigError;
use crate::data::Split;
use crate::system::Metrics;

/// How hard addresses are made in an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Addresses {
    /// Drawn, as in training; the same noise in every run.
    Sampled,
    /// The most probable one of each step.
    Mode,
}

/// The `[evaluation]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Evaluation {
    /// Batches of the training sizes, spread evenly over them.
    batches: usize,
    /// Sequences in a batch.
    rows: usize,
    /// Other lengths in a full evaluation, each with the most repetitions of the training.
    lengths: Vec<usize>,
    /// Other repetitions in a full evaluation, each with the longest length of the training.
    repeats: Vec<usize>,
    /// Rows of the memory for them; as in training when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    slots: Option<usize>,
    /// How hard addresses are made.
    addresses: Addresses,
}

impl Default for Evaluation {
    fn default() -> Self {
        Self {
            batches: 20,
            rows: 32,
            lengths: Vec::new(),
            repeats: Vec::new(),
            slots: None,
            addresses: Addresses::Sampled,
        }
    }
}

/// The seed of the sequences of a split: the same in every run, so that runs differ by what they learnt only.
pub(super) fn seed(split: Split) -> u64 {
    match split {
        Split::Train => 0x6576_616c_0000,
        Split::Valid => 0x6576_616c_0001,
        Split::Test => 0x6576_616c_0002,
    }
}

/// Every uniform 1/2: all classes get the same Gumbel noise, and the most probable one wins.
struct Middle;

impl Source for Middle {
    fn fill(&self, _: Address<'_>, out: &mut [f64]) {
        out.fill(0.5);
    }
}

/// A machine after a step: weightings, and the logits of its output where that counts.
pub(super) struct Step {
    pub(super) address: Tensor<3>,
    pub(super) logits: Option<Tensor<2>>,
}

/// Every step of one run of `model` on `sequences`, addresses drawn exactly, and the cost of every sequence in nats.
pub(super) fn observe(model: &Ntm, sequences: &Sequences, noise: &Noise) -> (Vec<Step>, Tensor<1>) {
    let program = Observed {
        program: NtmProgram::new(model, sequences),
        steps: RefCell::new(Vec::with_capacity(sequences.inputs.len())),
    };
    let hard = |_: usize, _: &Key| Draw::Hard;
    let trace = execute(&program, 1, 1, Weighing::Analytic, &hard, noise);
    (program.steps.into_inner(), trace.cost())
}

/// A program that keeps what it saw.
struct Observed<'a> {
    program: NtmProgram<'a>,
    steps: RefCell<Vec<Step>>,
}

impl Program for Observed<'_> {
    fn batch(&self) -> usize {
        self.program.batch()
    }

    fn device(&self) -> Device {
        self.program.device()
    }

    fn run(&self, run: &mut Run<'_>) {
        let mut steps = self.steps.borrow_mut();
        self.program.watch(run, |state: &State, logits| {
            steps.push(Step {
                address: state.address.clone(),
                logits: logits.cloned(),
            });
        });
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        self.program.frozen()
    }
}

/// Sums over the sequences of a batch.
struct Outcome {
    bits: f64,
    errors: f64,
}

impl Evaluation {
    pub(super) fn check(&self, task: &TaskConfig, model: &NtmConfig) -> Result<(), ConfigError> {
        if let Some(slots) = self.slots {
            let free = model.initial_address == InitialAddress::First
                && model.initial_memory == InitialMemory::Constant;
            if slots < 2 || !free {
                return Err(ConfigError::value(
                    "evaluation.slots",
                    slots,
                    "at least 2, and no learned initial memory or address, whose size is fixed",
                ));
            }
        }
        for (key, value) in [("batches", self.batches), ("rows", self.rows)] {
            if value == 0 {
                let key = format!("evaluation.{key}");
                return Err(ConfigError::value(&key, 0, "at least 1"));
            }
        }
        for size in self.other(task) {
            let one = TaskConfig {
                lengths: [size.length; 2],
                repeats: [size.repeats; 2],
                ..task.clone()
            };
            one.check().map_err(|e| {
                ConfigError::value(&format!("evaluation.{}", e.key), e.got, e.expected)
            })?;
        }
        Ok(())
    }

    /// The sizes beyond those of the training.
    fn other(&self, task: &TaskConfig) -> Vec<Size> {
        let most = task.largest();
        let lengths = self.lengths.iter().map(|&length| Size { length, ..most });
        let repeats = self.repeats.iter().map(|&repeats| Size { repeats, ..most });
        lengths.chain(repeats).collect()
    }

    /// What is pictured: the largest size of the training, and the first length and the first repetitions beyond it.
    pub(super) fn pictured(&self, task: &TaskConfig) -> Vec<(String, Size)> {
        let repeats = task.name == TaskName::RepeatCopy;
        let most = task.largest();
        let first_length = self.lengths.first().map(|&length| Size { length, ..most });
        let first_repeats = self
            .repeats
            .first()
            .map(|&repeats| Size { repeats, ..most });
        [Some(most), first_length, first_repeats]
            .into_iter()
            .flatten()
            .map(|size| (label(size, repeats), size))
            .collect()
    }

    /// The machine for sizes beyond those of the training.
    pub(super) fn enlarged(&self, model: &Ntm) -> Ntm {
        match self.slots {
            Some(slots) => model.clone().with_slots(slots),
            None => model.clone(),
        }
    }

    pub(super) fn noise(&self, batch: u64) -> Noise {
        match self.addresses {
            Addresses::Sampled => Noise::new(seed(Split::Train), batch),
            Addresses::Mode => Noise::from_source(Middle),
        }
    }

    /// Figures on sequences of a split; `full` with those of other sizes.
    pub(super) fn figures(
        &self,
        model: &Ntm,
        task: &TaskConfig,
        split: Split,
        full: bool,
        device: &Device,
    ) -> anyhow::Result<Metrics> {
        let sizes = task.sizes();
        let (mut cost, mut errors, mut yardstick, mut coin) = (0.0, 0.0, 0.0, 0.0);
        for batch in 0..self.batches {
            let size = sizes[batch * sizes.len().max(self.batches) / self.batches % sizes.len()];
            let episodes = self.episodes(task, size, split, batch);
            let outcome = self.outcome(model, &episodes, batch, device)?;
            cost += outcome.bits;
            errors += outcome.errors;
            yardstick += task.yardstick_bits(&episodes).iter().sum::<f64>();
            coin += (episodes.rows * episodes.counted_bits()) as f64;
        }
        let sequences = (self.batches * self.rows) as f64;
        let mut metrics = Metrics::new()
            .loss("bits_per_sequence", cost / sequences)
            .figure("errors_per_sequence", errors / sequences)
            .figure("yardstick_bits", yardstick / sequences)
            .figure("coin_bits", coin / sequences);
        if full {
            let repeats = task.name == TaskName::RepeatCopy;
            let model = self.enlarged(model);
            for (index, size) in self.other(task).into_iter().enumerate() {
                let batch = self.batches + index;
                let episodes = self.episodes(task, size, split, batch);
                let outcome = self.outcome(&model, &episodes, batch, device)?;
                let (name, rows) = (label(size, repeats), self.rows as f64);
                metrics = metrics
                    .figure(format!("errors_{name}"), outcome.errors / rows)
                    .figure(format!("bits_{name}"), outcome.bits / rows);
            }
        }
        Ok(metrics)
    }

    fn episodes(&self, task: &TaskConfig, size: Size, split: Split, batch: usize) -> Episodes {
        let stream = Stream {
            seed: seed(split),
            batch: batch as u64,
        };
        task.generate(size, self.rows, stream)
    }

    fn outcome(
        &self,
        model: &Ntm,
        episodes: &Episodes,
        batch: usize,
        device: &Device,
    ) -> anyhow::Result<Outcome> {
        let sequences = episodes.upload(device);
        let (steps, costs) = observe(model, &sequences, &self.noise(batch as u64));
        let mut wrong: Vec<Tensor<1>> = Vec::with_capacity(steps.len());
        for (step, target) in steps.iter().zip(&sequences.targets) {
            if let (Some(logits), Some(target)) = (&step.logits, target) {
                let guess = logits.clone().greater_scalar(0.0).float();
                wrong.push((guess - target.clone()).abs().sum());
            }
        }
        let errors = Tensor::cat(wrong, 0).into_data_as::<f32>();
        let errors = errors.try_to_vec::<f32>()?.into_iter().map(f64::from).sum();
        Ok(Outcome {
            bits: bits(costs.sum().into_scalar::<f64>()),
            errors,
        })
    }
}
