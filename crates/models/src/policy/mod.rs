//! Policies trained by the gradient of their expected return, in environments that are black boxes.
//!
//! Sources: Williams, "Simple Statistical Gradient-Following Algorithms", 1992; Mnih et al., "Asynchronous Methods for
//! Deep Reinforcement Learning", 2016 (A2C); Grathwohl, Choi, Wu, Roeder & Duvenaud, "Backpropagation through the
//! Void", 2018, section 3.4 and appendix (LAX and RELAX, the setting of the small networks); Schulman, Wolski,
//! Dhariwal, Radford & Klimov, "Proximal Policy Optimization Algorithms", 2017 ([`ppo`]).
//!
//! An episode is a program: at every step it asks for the site `action`, whose parameters the policy gives from the
//! observation, and reports the cost `-r_t`. What is minimised is
//!
//! `E[sum_t gamma^t (-r_t)] - w sum_t H(pi(. | s_t))`
//!
//! in the usual form of a policy gradient: a reward counts for an earlier action by `gamma` to the steps in between,
//! states count alike however late they come. The entropy is differentiated directly and is no part of a return.
//!
//! An environment ([`Environment`]) is plain Rust in f64. It runs once: the program is a black box that can be neither
//! replayed nor differentiated, and estimators that need either are refused. Rows are parallel environments
//! ([`Episodes`]); a row whose episode has ended is masked.
//!
//! Shapes: observations `[rows, features]`, actions `[rows, n]` (one-hot, or numbers), one cost `[rows]` per step.

mod acrobot;
mod cartpole;
mod config;
mod environment;
mod episodes;
mod loss;
mod model;
mod pendulum;
mod play;
pub mod ppo;

pub use acrobot::Acrobot;
pub use cartpole::CartPole;
pub use config::{Activation, EnvironmentKind, PolicyConfig, PolicyConfigError};
pub use environment::{Actions, Environment, Outcome};
pub use episodes::{Episode, Episodes, Status};
pub use loss::{Extent, PolicyProgram, SITE};
pub use model::{Net, Policy};
pub use pendulum::Pendulum;
pub use play::{Mode, act, play};
