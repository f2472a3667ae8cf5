//! Cart-pole: a pole on a cart that is pushed left or right.
//!
//! Source: Barto, Sutton & Anderson, "Neuronlike Adaptive Elements That Can Solve Difficult Learning Control Problems",
//! 1983, with the constants and the time limits of `CartPole-v0` and `-v1`.
//!
//! `temp = (F + m l theta'^2 sin theta) / M`, `M` cart and pole together,
//! `theta'' = (g sin theta - cos theta temp) / (l (4/3 - m cos^2 theta / M))`, `x'' = temp - m l theta'' cos theta / M`,
//! explicit Euler: positions move by the *old* velocities. State `(x, x', theta, theta')` in m, m/s, rad, rad/s.

use super::environment::{Actions, Environment, Outcome, chosen, spread};

/// Of gravity, m/s².
const GRAVITY: f64 = 9.8;
/// Of the cart, kg.
const CART: f64 = 1.0;
/// Of the pole, kg.
const POLE: f64 = 0.1;
/// Half the length of the pole, m.
const HALF_LENGTH: f64 = 0.5;
/// Of a push, N.
pub(super) const FORCE: f64 = 10.0;
/// One step, s.
const STEP_S: f64 = 0.02;
/// Where the track ends, m.
pub(super) const TRACK: f64 = 2.4;

/// The next state under the force `force` in newtons.
pub(super) fn euler(state: &mut [f64], force: f64) {
    let [_, v, angle, spin] = [state[0], state[1], state[2], state[3]];
    let (sin, cos) = (libm::sin(angle), libm::cos(angle));
    let total = CART + POLE;
    let temp = (force + POLE * HALF_LENGTH * spin * spin * sin) / total;
    let turn =
        (GRAVITY * sin - cos * temp) / (HALF_LENGTH * (4.0 / 3.0 - POLE * cos * cos / total));
    let push = temp - POLE * HALF_LENGTH * turn * cos / total;
    for (x, slope) in state.iter_mut().zip([v, push, spin, turn]) {
        *x += STEP_S * slope;
    }
}

/// Cart-pole with its time limit. Actions: 0 pushes left, 1 right. Reward 1 per step, the last one included.
#[derive(Debug, Clone, Copy)]
pub struct CartPole {
    /// Steps after which an episode is cut.
    pub cap: usize,
}

impl CartPole {
    /// 200 steps, solved at 195.
    pub const V0: Self = Self { cap: 200 };
    /// 500 steps, solved at 475.
    pub const V1: Self = Self { cap: 500 };
}

impl Environment for CartPole {
    fn actions(&self) -> Actions {
        Actions::Discrete(2)
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
        if self.cap == Self::V0.cap {
            195.0
        } else {
            0.95 * self.cap as f64
        }
    }

    fn reset(&self, state: &mut [f64]) {
        spread(state, 0.05);
    }

    fn step(&self, state: &mut [f64], action: &[f64]) -> Outcome {
        let sign = if chosen(action) == 1 { 1.0 } else { -1.0 };
        euler(state, sign * FORCE);
        Outcome {
            reward: 1.0,
            terminated: state[0].abs() > TRACK || state[2].abs() > 12.0_f64.to_radians(),
        }
    }

    fn observe(&self, state: &[f64], features: &mut [f64]) {
        features.copy_from_slice(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT: [f64; 2] = [1.0, 0.0];
    const RIGHT: [f64; 2] = [0.0, 1.0];

    #[test]
    fn one_step_gives_the_known_numbers() {
        let mut state = [0.01, 0.02, 0.03, 0.04];
        let outcome = CartPole::V0.step(&mut state, &RIGHT);
        let want = [0.0104, 0.214_679_196, 0.0308, -0.243_068_718];
        for (got, want) in state.iter().zip(want) {
            assert!((got - want).abs() < 1e-9, "{state:?}");
        }
        assert_eq!((outcome.reward, outcome.terminated), (1.0, false));
        // The control: the other action, and positions that move by the new velocities.
        let mut other = [0.01, 0.02, 0.03, 0.04];
        CartPole::V0.step(&mut other, &LEFT);
        assert!((other[1] - want[1]).abs() > 0.1);
        assert!((0.01 + 0.02 * state[1] - want[0]).abs() > 1e-3);
    }

    #[test]
    fn pushed_to_the_right_from_rest_it_falls_in_nine_steps() {
        let mut state = [0.0; 4];
        for step in 1..=9 {
            let outcome = CartPole::V0.step(&mut state, &RIGHT);
            assert_eq!(outcome.terminated, step == 9, "step {step}: {state:?}");
        }
        assert!((state[2] + 0.215_186).abs() < 1e-6, "{state:?}");
    }

    #[test]
    fn it_is_symmetric_and_ends_where_the_track_does() {
        let (mut a, mut b) = ([0.3, -0.2, 0.05, 0.4], [-0.3, 0.2, -0.05, -0.4]);
        CartPole::V0.step(&mut a, &RIGHT);
        CartPole::V0.step(&mut b, &LEFT);
        assert!(a.iter().zip(b).all(|(a, b)| (a + b).abs() < 1e-15));
        let mut edge = [2.39, 1.0, 0.0, 0.0];
        assert!(CartPole::V0.step(&mut edge, &RIGHT).terminated);
        let mut start = [0.0, 1.0, 0.5, 0.75];
        CartPole::V0.reset(&mut start);
        assert_eq!(start, [-0.05, 0.05, 0.0, 0.025]);
    }
}
