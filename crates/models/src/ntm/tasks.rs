//! The five tasks of Graves et al., 2014, section 4: sequences from a seed, and what the best predictor pays for them.
//!
//! All sequences of a batch have one length, so that nothing is masked; the length is drawn per batch. A number depends
//! on (seed, batch, row, place) alone and is the same on every platform.
//!
//! | task | steps | inputs | outputs that count |
//! |---|---|---|---|
//! | copy of L vectors | 2 L + 1 | bits, delimiter | the L vectors, after the delimiter |
//! | repeat copy of L vectors, R times | L + R L + 2 | bits, delimiter, count | the vectors R times, then the end marker |
//! | associative recall among n items of 3 vectors | 4 n + 8 | bits, item delimiter, query delimiter | the item after the queried one |
//! | N-grams, L bits | L - 1 | the bit | the next bit, from where it has a whole context |
//! | priority sort of L vectors, K kept | L + 1 + K | bits, priority, delimiter | the K vectors of highest priority, in order |
//!
//! The input is zero while the machine answers. The count of a repeat copy has mean 0 and variance 1 over the training
//! range. The contexts of N-grams have probabilities from Beta(1/2, 1/2), which is the law of `sin^2(pi u / 2)`; the
//! bits before the first whole context are fair coins and do not count.

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::loss::Sequences;
use crate::init::uniform;

/// Which task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskName {
    /// Put out what came in.
    Copy,
    /// Put it out as often as the last input says.
    RepeatCopy,
    /// Put out the item that followed the one shown again.
    AssociativeRecall,
    /// Predict the next bit of a source with a random table.
    Ngrams,
    /// Put out the vectors of highest priority, in order.
    PrioritySort,
}

/// Sizes of a task. Settings that a task does not know are ignored by it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TaskConfig {
    /// Which task.
    pub name: TaskName,
    /// Bits of a vector.
    pub bits: usize,
    /// Shortest and longest training sequence: vectors (`copy`, `repeat_copy`, `priority_sort`), items
    /// (`associative_recall`), bits (`ngrams`).
    pub lengths: [usize; 2],
    /// Fewest and most repetitions in training: `repeat_copy`.
    pub repeats: [usize; 2],
    /// Bits of a context: `ngrams`.
    pub context: usize,
    /// Vectors to put out: `priority_sort`.
    pub kept: usize,
}

impl Default for TaskConfig {
    fn default() -> Self {
        Self {
            name: TaskName::Copy,
            bits: 8,
            lengths: [1, 20],
            repeats: [1, 10],
            context: 5,
            kept: 16,
        }
    }
}

/// A setting that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: expected {expected}, got {got}")]
pub struct TaskConfigError {
    /// The setting.
    pub key: &'static str,
    /// What is allowed.
    pub expected: &'static str,
    /// What was given.
    pub got: String,
}

/// How long the sequences of a batch are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Vectors, items or bits.
    pub length: usize,
    /// Repetitions, of a repeat copy.
    pub repeats: usize,
}

/// Which batch of a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// Seed.
    pub seed: u64,
    /// Number of the batch.
    pub batch: u64,
}

/// Vectors of an item in associative recall.
const ITEM: usize = 3;

/// Sequences of one length on the host, step by step.
#[derive(Debug, Clone, PartialEq)]
pub struct Episodes {
    /// Sequences.
    pub rows: usize,
    /// Numbers in an input.
    pub inputs_width: usize,
    /// Numbers in an output.
    pub outputs_width: usize,
    /// `[steps, rows, inputs_width]`.
    pub inputs: Vec<f32>,
    /// `[steps, rows, outputs_width]` of bits; zero where it does not count.
    pub targets: Vec<f32>,
    /// Whether the output of a step counts.
    pub counts: Vec<bool>,
}

impl TaskConfig {
    /// Checks sizes.
    ///
    /// # Errors
    /// The first setting out of range.
    pub fn check(&self) -> Result<(), TaskConfigError> {
        let error = |key, expected, got| Err(TaskConfigError { key, expected, got });
        if self.bits == 0 {
            return error("bits", "at least 1", "0".into());
        }
        if self.context > 16 {
            return error("context", "at most 16", self.context.to_string());
        }
        let least = match self.name {
            TaskName::Copy | TaskName::RepeatCopy => 1,
            TaskName::AssociativeRecall => 2,
            TaskName::Ngrams => self.context.max(1) + 1,
            TaskName::PrioritySort => self.kept.max(1),
        };
        let range = |key, [low, high]: [usize; 2], least, expected| {
            if (least..=high).contains(&low) {
                Ok(())
            } else {
                error(key, expected, format!("[{low}, {high}]"))
            }
        };
        range(
            "lengths",
            self.lengths,
            least,
            "[least, most] with at least 1 vector, 2 items, a bit more than a context, or `kept` vectors",
        )?;
        if self.kept == 0 {
            return error("kept", "at least 1", "0".into());
        }
        range("repeats", self.repeats, 1, "[least, most] of at least 1")
    }

    /// Numbers in an input.
    #[must_use]
    pub fn inputs(&self) -> usize {
        match self.name {
            TaskName::Copy => self.bits + 1,
            TaskName::RepeatCopy | TaskName::AssociativeRecall | TaskName::PrioritySort => {
                self.bits + 2
            }
            TaskName::Ngrams => 1,
        }
    }

    /// Numbers in an output.
    #[must_use]
    pub fn outputs(&self) -> usize {
        match self.name {
            TaskName::Copy | TaskName::AssociativeRecall | TaskName::PrioritySort => self.bits,
            TaskName::RepeatCopy => self.bits + 1,
            TaskName::Ngrams => 1,
        }
    }

    /// The longest training sequences.
    #[must_use]
    pub fn largest(&self) -> Size {
        Size {
            length: self.lengths[1],
            repeats: self.repeats[1],
        }
    }

    /// All sizes of the training: every length, and of a repeat copy with every number of repetitions.
    #[must_use]
    pub fn sizes(&self) -> Vec<Size> {
        let repeats = match self.name {
            TaskName::RepeatCopy => self.repeats[0]..=self.repeats[1],
            _ => self.repeats[1]..=self.repeats[1],
        };
        (self.lengths[0]..=self.lengths[1])
            .flat_map(|length| repeats.clone().map(move |repeats| Size { length, repeats }))
            .collect()
    }

    /// The count of a repeat copy as an input: mean 0, variance 1 over the training range.
    fn count(&self, repeats: usize) -> f32 {
        let [low, high] = self.repeats.map(|n| n as f64);
        let values = high - low + 1.0;
        let deviation = libm::sqrt((values * values - 1.0) / 12.0);
        let centred = repeats as f64 - f64::midpoint(low, high);
        (if deviation > 0.0 {
            centred / deviation
        } else {
            centred
        }) as f32
    }

    /// `rows` sequences of one size.
    #[must_use]
    pub fn generate(&self, size: Size, rows: usize, stream: Stream) -> Episodes {
        let steps = self.steps(size);
        let mut episodes = Episodes {
            rows,
            inputs_width: self.inputs(),
            outputs_width: self.outputs(),
            inputs: vec![0.0; steps * rows * self.inputs()],
            targets: vec![0.0; steps * rows * self.outputs()],
            counts: vec![false; steps],
        };
        for row in 0..rows {
            let mut one = Row {
                episodes: &mut episodes,
                index: row,
                key: stream.seed ^ SALT,
                batch: stream.batch,
            };
            match self.name {
                TaskName::Copy => self.copy(&mut one, size),
                TaskName::RepeatCopy => self.repeat_copy(&mut one, size),
                TaskName::AssociativeRecall => self.recall(&mut one, size),
                TaskName::Ngrams => self.ngrams(&mut one, size),
                TaskName::PrioritySort => self.sort(&mut one, size),
            }
        }
        episodes
    }

    /// Steps of a sequence.
    #[must_use]
    pub fn steps(&self, Size { length, repeats }: Size) -> usize {
        match self.name {
            TaskName::Copy => 2 * length + 1,
            TaskName::RepeatCopy => length + 1 + length * repeats + 1,
            TaskName::AssociativeRecall => length * (ITEM + 1) + (ITEM + 2) + ITEM,
            TaskName::Ngrams => length - 1,
            TaskName::PrioritySort => length + 1 + self.kept,
        }
    }

    fn vector(&self, row: &Row<'_>, number: usize) -> Vec<f32> {
        let bit = |place| row.coin(&[VECTOR, number as u64, place as u64]);
        (0..self.bits).map(bit).collect()
    }

    fn copy(&self, row: &mut Row<'_>, Size { length, .. }: Size) {
        row.input(length, self.bits, 1.0);
        for i in 0..length {
            let vector = self.vector(row, i);
            row.inputs(i, &vector);
            row.targets(length + 1 + i, &vector);
        }
    }

    fn repeat_copy(&self, row: &mut Row<'_>, Size { length, repeats }: Size) {
        row.input(length, self.bits, 1.0);
        row.input(length, self.bits + 1, self.count(repeats));
        for i in 0..length {
            let vector = self.vector(row, i);
            row.inputs(i, &vector);
            for repeat in 0..repeats {
                row.targets(length + 1 + repeat * length + i, &vector);
            }
        }
        let mut end = vec![0.0; self.bits + 1];
        end[self.bits] = 1.0;
        row.targets(length + 1 + repeats * length, &end);
    }

    fn recall(&self, row: &mut Row<'_>, Size { length: items, .. }: Size) {
        let query = row.below(&[QUERY], items - 1);
        let after_items = items * (ITEM + 1);
        let answer = after_items + ITEM + 2;
        for item in 0..items {
            row.input(item * (ITEM + 1), self.bits, 1.0);
            for i in 0..ITEM {
                let vector = self.vector(row, item * ITEM + i);
                row.inputs(item * (ITEM + 1) + 1 + i, &vector);
                if item == query {
                    row.inputs(after_items + 1 + i, &vector);
                }
                if item == query + 1 {
                    row.targets(answer + i, &vector);
                }
            }
        }
        row.input(after_items, self.bits + 1, 1.0);
        row.input(after_items + ITEM + 1, self.bits + 1, 1.0);
    }

    fn ngrams(&self, row: &mut Row<'_>, Size { length, .. }: Size) {
        let mut context = 0_usize;
        let mask = (1 << self.context) - 1;
        for t in 0..length {
            let p = if t < self.context {
                0.5
            } else {
                let angle = std::f64::consts::FRAC_PI_2 * row.uniform(&[TABLE, context as u64]);
                libm::sin(angle).powi(2)
            };
            let bit = row.uniform(&[VECTOR, t as u64]) < p;
            let value = f32::from(u8::from(bit));
            if t + 1 < length {
                row.input(t, 0, value);
            }
            if t >= self.context.max(1) {
                row.targets(t - 1, &[value]);
            }
            context = (context << 1 | usize::from(bit)) & mask;
        }
    }

    fn sort(&self, row: &mut Row<'_>, Size { length, .. }: Size) {
        let mut vectors: Vec<(f64, Vec<f32>)> = Vec::with_capacity(length);
        for i in 0..length {
            let priority = 2.0 * row.uniform(&[PRIORITY, i as u64]) - 1.0;
            let vector = self.vector(row, i);
            row.inputs(i, &vector);
            row.input(i, self.bits, priority as f32);
            vectors.push((priority, vector));
        }
        row.input(length, self.bits + 1, 1.0);
        vectors.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        for (i, (_, vector)) in vectors.iter().take(self.kept).enumerate() {
            row.targets(length + 1 + i, vector);
        }
    }

    /// What the best predictor that knows the task pays for each sequence, in bits: 0 where the answer is certain. Of
    /// N-grams, `P(1 | c) = (N1(c) + 1/2) / (N0(c) + N1(c) + 1)`, which is exact (Murphy, "Machine Learning", 2012; Graves et
    /// al., 2014, equation 10).
    #[must_use]
    pub fn yardstick_bits(&self, episodes: &Episodes) -> Vec<f64> {
        let row = |row| match self.name {
            TaskName::Ngrams => ngram_bits(&episodes.bit_sequence(row), self.context),
            _ => 0.0,
        };
        (0..episodes.rows).map(row).collect()
    }
}

/// Bits that the Bayes-optimal predictor pays for all but the first `context` (at least one) bits.
#[must_use]
pub fn ngram_bits(sequence: &[bool], context: usize) -> f64 {
    let mask = (1_usize << context) - 1;
    let mut counts = vec![[0.5_f64; 2]; 1 << context];
    let mut seen = 0_usize;
    let mut bits = 0.0;
    for (t, &bit) in sequence.iter().enumerate() {
        if t >= context {
            let count = &mut counts[seen];
            // Without a context the first bit is not predicted, but it teaches.
            if t >= 1 {
                bits -= libm::log2(count[usize::from(bit)] / (count[0] + count[1]));
            }
            count[usize::from(bit)] += 1.0;
        }
        seen = (seen << 1 | usize::from(bit)) & mask;
    }
    bits
}

/// Keeps the numbers of tasks apart from those of initial values.
const SALT: u64 = 0x6e74_6d20_7461_736b;
const VECTOR: u64 = 0;
const QUERY: u64 = 1;
const TABLE: u64 = 2;
const PRIORITY: u64 = 3;

/// One sequence that is being written, and its numbers.
struct Row<'a> {
    episodes: &'a mut Episodes,
    index: usize,
    key: u64,
    batch: u64,
}

impl Row<'_> {
    fn uniform(&self, place: &[u64]) -> f64 {
        let address = [&[self.batch, self.index as u64], place].concat();
        uniform(self.key, &address)
    }

    fn coin(&self, place: &[u64]) -> f32 {
        f32::from(u8::from(self.uniform(place) < 0.5))
    }

    /// Uniform in `0..n`.
    fn below(&self, place: &[u64], n: usize) -> usize {
        ((self.uniform(place) * n as f64) as usize).min(n - 1)
    }

    fn input(&mut self, step: usize, channel: usize, value: f32) {
        let width = self.episodes.inputs_width;
        let place = (step * self.episodes.rows + self.index) * width + channel;
        self.episodes.inputs[place] = value;
    }

    fn inputs(&mut self, step: usize, values: &[f32]) {
        for (channel, &value) in values.iter().enumerate() {
            self.input(step, channel, value);
        }
    }

    fn targets(&mut self, step: usize, values: &[f32]) {
        let width = self.episodes.outputs_width;
        let place = (step * self.episodes.rows + self.index) * width;
        self.episodes.targets[place..place + values.len()].copy_from_slice(values);
        self.episodes.counts[step] = true;
    }
}

impl Episodes {
    /// Steps.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.counts.len()
    }

    /// Bits of a sequence that count.
    #[must_use]
    pub fn counted_bits(&self) -> usize {
        self.counts.iter().filter(|&&counts| counts).count() * self.outputs_width
    }

    /// The input of `row` in a step.
    #[must_use]
    pub fn input(&self, step: usize, row: usize) -> &[f32] {
        &self.inputs[(step * self.rows + row) * self.inputs_width..][..self.inputs_width]
    }

    /// The target of `row` in a step, if its output counts.
    #[must_use]
    pub fn target(&self, step: usize, row: usize) -> Option<&[f32]> {
        let start = (step * self.rows + row) * self.outputs_width;
        self.counts[step].then(|| &self.targets[start..start + self.outputs_width])
    }

    /// The bits of an N-gram sequence.
    fn bit_sequence(&self, row: usize) -> Vec<bool> {
        let last = self.steps() - 1;
        let inputs = (0..=last).map(|step| self.input(step, row)[0] > 0.5);
        inputs
            .chain(self.target(last, row).map(|bit| bit[0] > 0.5))
            .collect()
    }

    /// The same on `device`.
    #[must_use]
    pub fn upload(&self, device: &Device) -> Sequences {
        let step = |values: &[f32], width, step| {
            let size = self.rows * width;
            let data = values[step * size..(step + 1) * size].to_vec();
            Tensor::from_data(TensorData::new(data, [self.rows, width]), device)
        };
        let steps = 0..self.steps();
        Sequences {
            inputs: steps
                .clone()
                .map(|t| step(&self.inputs, self.inputs_width, t))
                .collect(),
            targets: steps
                .map(|t| self.counts[t].then(|| step(&self.targets, self.outputs_width, t)))
                .collect(),
        }
    }
}
