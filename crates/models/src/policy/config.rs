//! What a [`Policy`](super::Policy) is made of and where it acts.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::{Acrobot, CartPole, Environment, Pendulum};

/// The environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentKind {
    /// [`CartPole::V0`]: 200 steps.
    CartpoleV0,
    /// [`CartPole::V1`]: 500 steps.
    CartpoleV1,
    /// [`Acrobot`].
    Acrobot,
    /// [`Pendulum`].
    Pendulum,
}

/// What lies between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(0, x)`.
    Relu,
    /// Hyperbolic tangent.
    Tanh,
}

/// Environment, policy network and objective. The defaults are the discrete setting of Grathwohl et al., 2018.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyConfig {
    /// Where it acts.
    pub environment: EnvironmentKind,
    /// Time limit in steps, where it is not the usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cap: Option<usize>,
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// What lies between the layers.
    pub activation: Activation,
    /// ln standard deviation of continuous actions at the start; it is learned and does not depend on the state.
    pub log_std: f64,
    /// Discount of rewards, per step.
    pub discount: f64,
    /// Weight of the entropy bonus, per step, in units of reward per nat.
    pub entropy: f64,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            environment: EnvironmentKind::CartpoleV0,
            cap: None,
            hidden: vec![10, 10],
            activation: Activation::Relu,
            log_std: 0.0,
            discount: 0.99,
            entropy: 0.01,
        }
    }
}

/// A setting that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: expected {expected}, got {got}")]
pub struct PolicyConfigError {
    /// The setting.
    pub key: &'static str,
    /// What is allowed.
    pub expected: &'static str,
    /// What was given.
    pub got: String,
}

impl PolicyConfig {
    /// Checks sizes and ranges.
    ///
    /// # Errors
    /// The first setting out of range.
    pub fn check(&self) -> Result<(), PolicyConfigError> {
        let error = |key, expected, got: String| Err(PolicyConfigError { key, expected, got });
        if self.cap == Some(0) {
            return error("cap", "at least 1 step", "0".into());
        }
        if self.hidden.contains(&0) {
            let got = format!("{:?}", self.hidden);
            return error("hidden", "widths of at least 1", got);
        }
        if !self.log_std.is_finite() {
            return error("log_std", "a finite number", self.log_std.to_string());
        }
        if !(self.discount > 0.0 && self.discount <= 1.0) {
            return error("discount", "in (0, 1]", self.discount.to_string());
        }
        if !(self.entropy >= 0.0 && self.entropy.is_finite()) {
            return error("entropy", "at least 0", self.entropy.to_string());
        }
        Ok(())
    }

    /// The environment with its time limit.
    #[must_use]
    pub fn environment(&self) -> Rc<dyn Environment> {
        let cap = |usual: usize| self.cap.unwrap_or(usual);
        match self.environment {
            EnvironmentKind::CartpoleV0 => Rc::new(CartPole {
                cap: cap(CartPole::V0.cap),
            }),
            EnvironmentKind::CartpoleV1 => Rc::new(CartPole {
                cap: cap(CartPole::V1.cap),
            }),
            EnvironmentKind::Acrobot => Rc::new(Acrobot {
                cap: cap(Acrobot::default().cap),
            }),
            EnvironmentKind::Pendulum => Rc::new(Pendulum {
                cap: cap(Pendulum::default().cap),
            }),
        }
    }
}
