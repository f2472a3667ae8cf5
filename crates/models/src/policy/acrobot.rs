//! Acrobot: two links that hang from a joint; only the joint between them has a motor. Swing the tip up.
//!
//! Source: Sutton, "Generalization in Reinforcement Learning: Successful Examples Using Sparse Coarse Coding", 1996,
//! with the equations of Sutton & Barto, "Reinforcement Learning: An Introduction", 1998 (there is a variant in which
//! the second acceleration lacks a term), as in `Acrobot-v1`.
//!
//! `d1 = m lc^2 + m (l^2 + lc^2 + 2 l lc cos t2) + 2 I`, `d2 = m (lc^2 + l lc cos t2) + I`,
//! `phi2 = m lc g cos(t1 + t2 - pi/2)`,
//! `phi1 = -m l lc t2'^2 sin t2 - 2 m l lc t2' t1' sin t2 + (m lc + m l) g cos(t1 - pi/2) + phi2`,
//! `t2'' = (torque + d2/d1 phi1 - m l lc t1'^2 sin t2 - phi2) / (m lc^2 + I - d2^2/d1)`, `t1'' = -(d2 t2'' + phi1) / d1`,
//! one Runge-Kutta step of the fourth order. State `(t1, t2, t1', t2')` in rad and rad/s; `t1 = 0` hangs down.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use super::environment::{Actions, Environment, Outcome, chosen, spread};

const GRAVITY: f64 = 9.8;
/// Of either link: mass kg, length m, inertia kg m²; the centre lies halfway.
const MASS: f64 = 1.0;
const LENGTH: f64 = 1.0;
const CENTRE: f64 = 0.5;
const INERTIA: f64 = 1.0;
/// One step, s.
const STEP_S: f64 = 0.2;
/// Largest speeds, rad/s.
const FASTEST: [f64; 2] = [4.0 * PI, 9.0 * PI];

/// The time derivative of the state.
fn slope(state: [f64; 4], torque: f64) -> [f64; 4] {
    let [t1, t2, v1, v2] = state;
    let (sin, cos) = (libm::sin(t2), libm::cos(t2));
    let lever = MASS * LENGTH * CENTRE;
    let d1 = MASS * CENTRE * CENTRE
        + MASS * (LENGTH * LENGTH + CENTRE * CENTRE + 2.0 * LENGTH * CENTRE * cos)
        + 2.0 * INERTIA;
    let d2 = MASS * (CENTRE * CENTRE + LENGTH * CENTRE * cos) + INERTIA;
    let phi2 = MASS * CENTRE * GRAVITY * libm::cos(t1 + t2 - FRAC_PI_2);
    let phi1 = -lever * v2 * v2 * sin - 2.0 * lever * v2 * v1 * sin
        + (MASS * CENTRE + MASS * LENGTH) * GRAVITY * libm::cos(t1 - FRAC_PI_2)
        + phi2;
    let a2 = (torque + d2 / d1 * phi1 - lever * v1 * v1 * sin - phi2)
        / (MASS * CENTRE * CENTRE + INERTIA - d2 * d2 / d1);
    let a1 = -(d2 * a2 + phi1) / d1;
    [v1, v2, a1, a2]
}

fn ahead(state: [f64; 4], slope: [f64; 4], time_s: f64) -> [f64; 4] {
    std::array::from_fn(|i| state[i] + time_s * slope[i])
}

/// `angle` in [-pi, pi).
fn wrap(angle: f64) -> f64 {
    (angle + PI).rem_euclid(TAU) - PI
}

/// Acrobot with its time limit of 500 steps. Actions: torque -1, 0 or 1 Nm. Reward -1 per step, 0 for the step that
/// brings the tip one link's length above the joint.
#[derive(Debug, Clone, Copy)]
pub struct Acrobot {
    /// Steps after which an episode is cut.
    pub cap: usize,
}

impl Default for Acrobot {
    fn default() -> Self {
        Self { cap: 500 }
    }
}

impl Environment for Acrobot {
    fn actions(&self) -> Actions {
        Actions::Discrete(3)
    }

    fn state(&self) -> usize {
        4
    }

    fn features(&self) -> usize {
        6
    }

    fn cap(&self) -> usize {
        self.cap
    }

    fn solved_at(&self) -> f64 {
        -100.0
    }

    fn reset(&self, state: &mut [f64]) {
        spread(state, 0.1);
    }

    fn step(&self, state: &mut [f64], action: &[f64]) -> Outcome {
        let torque = chosen(action) as f64 - 1.0;
        let s = [state[0], state[1], state[2], state[3]];
        let k1 = slope(s, torque);
        let k2 = slope(ahead(s, k1, 0.5 * STEP_S), torque);
        let k3 = slope(ahead(s, k2, 0.5 * STEP_S), torque);
        let k4 = slope(ahead(s, k3, STEP_S), torque);
        let mean = std::array::from_fn(|i| (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]) / 6.0);
        let [t1, t2, v1, v2] = ahead(s, mean, STEP_S);
        state.copy_from_slice(&[
            wrap(t1),
            wrap(t2),
            v1.clamp(-FASTEST[0], FASTEST[0]),
            v2.clamp(-FASTEST[1], FASTEST[1]),
        ]);
        let up = -libm::cos(state[0]) - libm::cos(state[0] + state[1]) > 1.0;
        Outcome {
            reward: if up { 0.0 } else { -1.0 },
            terminated: up,
        }
    }

    fn observe(&self, state: &[f64], features: &mut [f64]) {
        let [t1, t2, v1, v2] = [state[0], state[1], state[2], state[3]];
        features.copy_from_slice(&[
            libm::cos(t1),
            libm::sin(t1),
            libm::cos(t2),
            libm::sin(t2),
            v1,
            v2,
        ]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_step_gives_the_known_numbers() {
        let mut state = [0.0; 4];
        let outcome = Acrobot::default().step(&mut state, &[0.0, 0.0, 1.0]);
        let want = [-0.013_262_967, 0.034_287_229, -0.128_661_853, 0.334_501_090];
        for (got, want) in state.iter().zip(want) {
            assert!((got - want).abs() < 1e-9, "{state:?}");
        }
        assert_eq!((outcome.reward, outcome.terminated), (-1.0, false));
        // The control: a step of Euler's is another one.
        let euler = ahead([0.0; 4], slope([0.0; 4], 1.0), STEP_S);
        assert!((euler[0] - want[0]).abs() > 1e-3);
    }

    /// Without torque and away from the limits of speed, energy is conserved but for the error of the integrator.
    #[test]
    fn energy_is_conserved_without_torque() {
        let energy = |s: &[f64]| {
            let [t1, t2, v1, v2] = [s[0], s[1], s[2], s[3]];
            let d2 = MASS * (CENTRE * CENTRE + LENGTH * CENTRE * t2.cos()) + INERTIA;
            let d1 = MASS * CENTRE * CENTRE
                + MASS * (LENGTH * LENGTH + CENTRE * CENTRE + 2.0 * LENGTH * CENTRE * t2.cos())
                + 2.0 * INERTIA;
            let kinetic = 0.5 * d1 * v1 * v1
                + d2 * v1 * v2
                + 0.5 * (MASS * CENTRE * CENTRE + INERTIA) * v2 * v2;
            let height =
                -(MASS * CENTRE + MASS * LENGTH) * t1.cos() - MASS * CENTRE * (t1 + t2).cos();
            kinetic + GRAVITY * height
        };
        let mut state = [0.4, -0.3, 0.2, 0.1];
        let start = energy(&state);
        for _ in 0..20 {
            Acrobot::default().step(&mut state, &[0.0, 1.0, 0.0]);
        }
        assert!(
            (energy(&state) - start).abs() < 0.02,
            "{start} {}",
            energy(&state)
        );
    }

    #[test]
    fn it_ends_when_the_tip_is_up_and_the_last_step_is_free() {
        let mut up = [PI, 0.0, 0.0, 0.0];
        let outcome = Acrobot::default().step(&mut up, &[0.0, 1.0, 0.0]);
        assert_eq!((outcome.reward, outcome.terminated), (0.0, true));
        let mut fast = [0.0, 0.0, 40.0, -40.0];
        Acrobot::default().step(&mut fast, &[0.0, 1.0, 0.0]);
        assert!(fast[2].abs() <= FASTEST[0] && fast[3].abs() <= FASTEST[1]);
        assert!((wrap(PI + 0.1) - (0.1 - PI)).abs() < 1e-12);
    }
}
