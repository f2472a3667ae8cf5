//! What an environment is.

use std::fmt::Debug;

/// What an agent may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actions {
    /// One of `n`; a row of values is one-hot.
    Discrete(usize),
    /// `n` numbers.
    Continuous(usize),
}

impl Actions {
    /// Numbers in one action.
    #[must_use]
    pub fn width(self) -> usize {
        match self {
            Self::Discrete(n) | Self::Continuous(n) => n,
        }
    }

    /// Parameters of the law of one action: logits, or means and ln standard deviations.
    #[must_use]
    pub fn params(self) -> usize {
        match self {
            Self::Discrete(n) => n,
            Self::Continuous(n) => 2 * n,
        }
    }
}

/// What a step led to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// Reward of the step.
    pub reward: f64,
    /// Whether the episode is over: the state has no future. A time limit is no such end.
    pub terminated: bool,
}

/// The dynamics of one episode. A state is a few numbers in f64; everything else is a constant.
pub trait Environment: Debug {
    /// What the agent may do.
    fn actions(&self) -> Actions;

    /// Numbers in a state, which are also the uniforms that a start takes.
    fn state(&self) -> usize;

    /// Numbers that the agent sees.
    fn features(&self) -> usize;

    /// Steps after which an episode is cut.
    fn cap(&self) -> usize;

    /// The mean return of 100 episodes above which the environment counts as solved.
    fn solved_at(&self) -> f64;

    /// Turns uniforms on (0, 1) into a start, in place.
    fn reset(&self, state: &mut [f64]);

    /// One step from `state`, in place. `action` is one-hot or a list of numbers.
    fn step(&self, state: &mut [f64], action: &[f64]) -> Outcome;

    /// What the agent sees.
    fn observe(&self, state: &[f64], features: &mut [f64]);
}

/// Spreads uniforms on (0, 1) over (-bound, bound).
pub(super) fn spread(state: &mut [f64], bound: f64) {
    for x in state {
        *x = bound * (2.0 * *x - 1.0);
    }
}

/// Which entry of a one-hot action is set.
///
/// # Panics
/// If none is.
pub(super) fn chosen(action: &[f64]) -> usize {
    let set = action.iter().position(|&x| x > 0.5);
    set.unwrap_or_else(|| panic!("a one-hot action, got {action:?}"))
}
