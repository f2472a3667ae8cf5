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
//! | `prediction_gain` | the size that Exp3.S chooses for `L(x, theta) - L(x, theta')`: how much better the batch is predicted after the update that it made |
//! | `self_prediction_gain` | that of `L(x', theta) - L(x', theta')`, on another batch of the same size: unbiased, and dearer |
//!
//! Gains are per step of a sequence, since a step is what time is spent on. Each size is an arm of its own ([`Bandit`]).
//!
//! Sources: Collier & Beel, "Implementing Neural Turing Machines", 2018 (names and `look_back`); Zaremba & Sutskever,
//! "Reinforcement Learning Neural Turing Machines", 2015 (the law of `look_back_and_forward`, 100 steps). Theirs judges by the zero-one
//! error, ours by the cost per bit, which the estimator has anyway. Graves et al., "Automated Curriculum Learning for Neural Networks", 2017 (gains).

use serde::{Deserialize, Serialize};

use super::{
    bandit::Bandit,
    tasks::{Size, TaskConfig},
};
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
    /// What gains most on the batch itself.
    PredictionGain,
    /// What gains most on another batch.
    SelfPredictionGain,
}

/// Cost per counted bit, in bits, below which a level is learnt.
const LEARNT: f64 = 0.1;
/// Steps between two levels, at least.
const PATIENCE: u64 = 100;
const SALT: u64 = 0x6c65_7665_6c20_6e74;

/// How far the training has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Curriculum {
    /// How sizes are chosen.
    pub name: CurriculumName,
    /// Largest length above the least.
    pub level: usize,
    /// The step of the last rise.
    pub risen: u64,
    /// What chooses by gain: one arm per size of [`TaskConfig::sizes`].
    pub bandit: Option<Bandit>,
}

impl Curriculum {
    /// At the first level, with no gains known.
    #[must_use]
    pub fn new(name: CurriculumName, task: &TaskConfig) -> Self {
        use CurriculumName::{PredictionGain, SelfPredictionGain};
        Self {
            name,
            level: 0,
            risen: 0,
            bandit: matches!(name, PredictionGain | SelfPredictionGain)
                .then(|| Bandit::new(task.sizes().len())),
        }
    }

    /// Whether it has levels, and so has to know how well the batches were predicted.
    #[must_use]
    pub fn has_levels(&self) -> bool {
        use CurriculumName::{LookBack, LookBackAndForward, Naive};
        matches!(self.name, Naive | LookBack | LookBackAndForward)
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
            CurriculumName::PredictionGain | CurriculumName::SelfPredictionGain => {
                let bandit = self.bandit.as_ref().expect("a curriculum by gain");
                task.sizes()[bandit.arm(number(4))]
            }
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

    /// Takes in that the update by a batch of this size gained so many nats per sequence.
    ///
    /// # Panics
    /// If the curriculum does not choose by gain, or the size is none of the training.
    pub fn gained(&mut self, task: &TaskConfig, seed: u64, size: Size, nats: f64) {
        let bandit = self.bandit.as_mut().expect("a curriculum by gain");
        let arm = task.sizes().iter().position(|&s| s == size);
        let per_step = nats / task.steps(size) as f64;
        bandit.observe(arm.expect("a size of the training"), per_step, seed ^ SALT);
    }

    /// Steps of a sequence, on average over the policy of a curriculum by gain.
    #[must_use]
    pub fn mean_steps(&self, task: &TaskConfig) -> Option<f64> {
        let policy = self.bandit.as_ref()?.policy();
        let sizes = task.sizes().into_iter().zip(policy);
        Some(sizes.map(|(size, p)| p * task.steps(size) as f64).sum())
    }
}

fn limited([low, high]: [usize; 2], level: usize) -> [usize; 2] {
    [low, low.saturating_add(level).min(high)]
}
