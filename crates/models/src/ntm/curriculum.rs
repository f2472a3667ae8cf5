//! Which sizes are trained on: all alike, or longer ones as the shorter ones are learnt.
//!
//! A level allows lengths (and repetitions) up to its number above the least of the training range. The adaptive curricula
//! raise it by one when a batch of exactly that size was predicted well, at most once in 100 steps.
//!
//! | name | a batch has |
//! |---|---|
//! | `none` | the largest size |
//! | `uniform` | a size uniform over the range |
//! | `naive` | the largest size of the level |
//! | `look_back` | that, or in 1 of 10 batches a size uniform up to it |
//! | `look_back_and_forward` | with `e` geometric, `P(e) = 2^-(e+1)`: 65 % the largest size of level + e, 25 % uniform up to it, 10 % uniform over the whole range |
//!
//! Sources: Collier & Beel, "Implementing Neural Turing Machines", 2018 (names and `look_back`); Zaremba & Sutskever,
//! "Reinforcement Learning Neural Turing Machines", 2015 (the law of `look_back_and_forward`, 100 steps). Theirs judges by the zero-one
//! error, ours by the cost per bit, which the estimator has anyway.

use serde::{Deserialize, Serialize};

use super::tasks::{Size, TaskConfig};
use crate::init::uniform;

/// How sizes are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CurriculumName {
    /// The largest size.
    None,
    /// Uniform.
    #[default]
    Uniform,
    /// The largest size of the level.
    Naive,
    /// Sometimes a smaller one.
    LookBack,
    /// Sometimes a smaller or a larger one.
    LookBackAndForward,
}

/// Cost per counted bit, in bits, below which a level is learnt.
const LEARNT: f64 = 0.1;
/// Steps between two levels, at least.
const PATIENCE: u64 = 100;
const SALT: u64 = 0x6c65_7665_6c20_6e74;

/// How far the training has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Curriculum {
    /// How sizes are chosen.
    pub name: CurriculumName,
    /// Largest length above the least.
    pub level: usize,
    /// The step of the last rise.
    pub risen: u64,
}

impl Curriculum {
    /// At the first level.
    #[must_use]
    pub fn new(name: CurriculumName) -> Self {
        Self {
            name,
            level: 0,
            risen: 0,
        }
    }

    /// Whether it has to know how the batches went.
    #[must_use]
    pub fn is_adaptive(&self) -> bool {
        !matches!(self.name, CurriculumName::None | CurriculumName::Uniform)
    }

    /// The size of batch `step` under `seed`.
    #[must_use]
    pub fn size(&self, task: &TaskConfig, seed: u64, step: u64) -> Size {
        let number = |role: u64| uniform(seed ^ SALT, &[step, role]);
        let between = |[low, high]: [usize; 2], role| {
            let values = (high - low + 1) as f64;
            (low + (number(role) * values) as usize).min(high)
        };
        // Every size of a level, or its largest one; length and repetitions are drawn apart.
        let up_to = |level: usize| Size {
            length: between(limited(task.lengths, level), 0),
            repeats: between(limited(task.repeats, level), 1),
        };
        let top = |level: usize| Size {
            length: limited(task.lengths, level)[1],
            repeats: limited(task.repeats, level)[1],
        };
        match self.name {
            CurriculumName::None => task.largest(),
            CurriculumName::Uniform => up_to(usize::MAX),
            CurriculumName::LookBack if number(2) < 0.1 => up_to(self.level),
            CurriculumName::Naive | CurriculumName::LookBack => top(self.level),
            CurriculumName::LookBackAndForward => {
                // floor(-log2 u) is geometric with P(e) = 2^-(e+1).
                let level = self.level + -libm::floor(libm::log2(number(3))) as usize - 1;
                match number(2) {
                    u if u < 0.1 => up_to(usize::MAX),
                    u if u < 0.35 => up_to(level),
                    _ => top(level),
                }
            }
        }
    }

    /// Takes in that a batch of this size cost so many bits per counted bit.
    pub fn observe(&mut self, task: &TaskConfig, step: u64, size: Size, bits_per_bit: f64) {
        let range = |[low, high]: [usize; 2]| high - low;
        let highest = range(task.lengths).max(range(task.repeats));
        let of_level = Size {
            length: limited(task.lengths, self.level)[1],
            repeats: limited(task.repeats, self.level)[1],
        };
        if self.level < highest
            && size == of_level
            && bits_per_bit < LEARNT
            && step >= self.risen + PATIENCE
        {
            self.level += 1;
            self.risen = step;
        }
    }
}

fn limited([low, high]: [usize; 2], level: usize) -> [usize; 2] {
    [low, low.saturating_add(level).min(high)]
}
