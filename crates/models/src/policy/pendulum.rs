//! An inverted pendulum on a cart that is pushed with any force.
//!
//! The task of Grathwohl et al., 2018 (`InvertedPendulum`: keep the pole within 0.2 rad, reward 1 per step, at most
//! 1,000 steps), whose dynamics are those of a physics engine. The dynamics here are our own: the equations of
//! [`CartPole`](super::CartPole) with the force `10 N * clip(a, -1, 1)`, and the end of the track as a second way to
//! fail. Figures are not comparable step by step, only as the same kind of task.

use super::{
    cartpole::{FORCE, TRACK, euler},
    environment::{Actions, Environment, Outcome, spread},
};

/// Where the pole has fallen, rad.
const FALLEN: f64 = 0.2;

/// The inverted pendulum with its time limit.
#[derive(Debug, Clone, Copy)]
pub struct Pendulum {
    /// Steps after which an episode is cut.
    pub cap: usize,
}

impl Default for Pendulum {
    fn default() -> Self {
        Self { cap: 1000 }
    }
}

impl Environment for Pendulum {
    fn actions(&self) -> Actions {
        Actions::Continuous(1)
    }

    fn state(&self) -> usize {
        4
    }

    fn features(&self) -> usize {
        4
    }

    fn cap(&self) -> usize {
        self.cap
    }

    fn solved_at(&self) -> f64 {
        0.95 * self.cap as f64
    }

    fn reset(&self, state: &mut [f64]) {
        spread(state, 0.01);
    }

    fn step(&self, state: &mut [f64], action: &[f64]) -> Outcome {
        euler(state, FORCE * action[0].clamp(-1.0, 1.0));
        Outcome {
            reward: 1.0,
            terminated: state[0].abs() > TRACK || state[2].abs() > FALLEN,
        }
    }

    fn observe(&self, state: &[f64], features: &mut [f64]) {
        features.copy_from_slice(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_full_force_it_is_the_cart_with_two_actions() {
        for (force, action) in [(1.0, [0.0, 1.0]), (-7.0, [1.0, 0.0])] {
            let (mut a, mut b) = ([0.01, 0.02, 0.03, 0.04], [0.01, 0.02, 0.03, 0.04]);
            Pendulum::default().step(&mut a, &[force]);
            super::super::CartPole::V0.step(&mut b, &action);
            assert_eq!(a, b);
        }
        let mut half = [0.0; 4];
        Pendulum::default().step(&mut half, &[0.5]);
        let mut full = [0.0; 4];
        Pendulum::default().step(&mut full, &[1.0]);
        assert!((half[1] * 2.0 - full[1]).abs() < 1e-15 && half[1] > 0.0);
    }

    #[test]
    fn it_ends_at_its_own_angle() {
        for (angle, ends) in [(0.199, false), (0.201, true), (-0.201, true)] {
            let mut state = [0.0, 0.0, angle, 0.0];
            assert_eq!(
                Pendulum::default().step(&mut state, &[0.0]).terminated,
                ends
            );
        }
    }
}
