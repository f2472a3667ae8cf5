//! What an [`Ntm`](super::Ntm) is made of.

use serde::{Deserialize, Serialize};
use unbiased_estimators::Objective;

/// The network that drives the heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Controller {
    /// Long short-term memory, one or more layers.
    Lstm,
    /// tanh layers without a state: everything that is remembered is in the memory.
    FeedForward,
}

/// How a head finds its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// The weighting of the paper: differentiable, no choice.
    Soft,
    /// One row, drawn from the weighting of the paper.
    Slot,
    /// One row: that of the step before moved by -1, 0 or +1, and only the move is drawn. No content addressing.
    Shift,
}

/// What a read sees. The paper leaves it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// All heads address the memory of the step before, and reads see it.
    ReadFirst,
    /// Write heads address and write first; reads address and see the result.
    WriteFirst,
}

/// The weighting of every head before the first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InitialAddress {
    /// One-hot at row 0: a defined start for location addressing.
    First,
    /// The softmax of learned logits, one set per head.
    Learned,
}

/// The memory before the first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InitialMemory {
    /// 1e-6 everywhere (Collier & Beel, 2018: learns about twice as fast as the next best of the others).
    Constant,
    /// Learned, from normal numbers of standard deviation 0.1.
    Learned,
}

/// Architecture and objective. The defaults are the small machine of `ntm/copy`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NtmConfig {
    /// The network that drives the heads.
    pub controller: Controller,
    /// Units of its layers.
    pub hidden: Vec<usize>,
    /// Rows of the memory, N.
    pub slots: usize,
    /// Numbers in a row, W.
    pub width: usize,
    /// Read heads.
    pub read_heads: usize,
    /// Write heads.
    pub write_heads: usize,
    /// How a head finds its row.
    pub address: Address,
    /// What a read sees.
    pub order: Order,
    /// The weightings before the first step.
    pub initial_address: InitialAddress,
    /// The memory before the first step.
    pub initial_memory: InitialMemory,
    /// At the start, how much the logit of a move by +1 of a write head exceeds the others. Without it, heads whose moves are drawn
    /// learn to stay where they are.
    pub initial_advance: f64,
    /// What is optimised: the expected cost, or a bound of several samples of the addresses.
    pub objective: Objective,
}

impl Default for NtmConfig {
    fn default() -> Self {
        Self {
            controller: Controller::Lstm,
            hidden: vec![64],
            slots: 32,
            width: 16,
            read_heads: 1,
            write_heads: 1,
            address: Address::Soft,
            order: Order::ReadFirst,
            initial_address: InitialAddress::First,
            initial_memory: InitialMemory::Constant,
            initial_advance: 0.0,
            objective: Objective::default(),
        }
    }
}

/// A setting that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: expected {expected}, got {got}")]
pub struct NtmConfigError {
    /// The setting.
    pub key: &'static str,
    /// What is allowed.
    pub expected: &'static str,
    /// What was given.
    pub got: String,
}

/// Most heads of one kind: each has a site of its own name.
pub const MOST_HEADS: usize = 8;

impl NtmConfig {
    /// Checks sizes and combinations.
    ///
    /// # Errors
    /// The first setting out of range.
    pub fn check(&self) -> Result<(), NtmConfigError> {
        let error = |key, expected, got: String| Err(NtmConfigError { key, expected, got });
        if self.hidden.is_empty() || self.hidden.contains(&0) {
            let got = format!("{:?}", self.hidden);
            return error("hidden", "at least one layer, each of at least 1", got);
        }
        if self.slots < 2 {
            return error("slots", "at least 2", self.slots.to_string());
        }
        if self.width == 0 {
            return error("width", "at least 1", "0".into());
        }
        for (key, heads) in [
            ("read_heads", self.read_heads),
            ("write_heads", self.write_heads),
        ] {
            if !(1..=MOST_HEADS).contains(&heads) {
                return error(key, "1 to 8", heads.to_string());
            }
        }
        if self.address == Address::Shift && self.initial_address == InitialAddress::Learned {
            return error(
                "initial_address",
                "\"first\" where only moves are drawn, so that every address is one row",
                "\"learned\"".into(),
            );
        }
        if !(-20.0..=20.0).contains(&self.initial_advance) {
            let got = self.initial_advance.to_string();
            return error("initial_advance", "a number between -20 and 20", got);
        }
        match self.objective {
            Objective::LogMeanWeight { k: 0 } => error("objective.k", "at least 1", "0".into()),
            Objective::Expected { discount } if !(discount > 0.0 && discount <= 1.0) => {
                error("objective.discount", "in (0, 1]", discount.to_string())
            }
            _ => Ok(()),
        }
    }

    /// Heads of both kinds.
    #[must_use]
    pub fn heads(&self) -> usize {
        self.read_heads + self.write_heads
    }
}
