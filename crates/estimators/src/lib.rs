//! Gradients of expectations over random and discrete choices.
//!
//! A model with choices is written once, as a [`Program`] that asks a [`Run`] for choices and reports what they cost. An
//! [`Estimator`] decides how each choice is made, how often the program runs, and what the gradient is.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)
)]

mod backward;
mod comparison;
mod config;
mod control;
mod coupling;
mod error;
mod estimator;
mod exact;
pub mod law;
mod names;
mod noise;
mod owned;
pub mod problem;
mod program;
pub mod rules;
mod sited;
mod stacked;
mod trace;
mod watch;

pub use backward::{Backward, Chosen};
pub use comparison::{Comparison, ComparisonSettings, Measurement, Reference, Refusal, compare};
pub use config::EstimatorConfig;
pub use control::{ControlNet, ControlVariate, Latent, Parameters};
pub use coupling::{Coupling, First, Opposite};
pub use error::EstimatorError;
pub use estimator::{Diagnostics, Estimate, Estimator, Objective};
pub use exact::{Exact, MOST_STATES};
pub use names::ESTIMATORS;
pub use noise::{Address, Noise, NoiseLaw, Role, Source};
pub use owned::{ControlParameters, Owned, OwnedRule, RunningMean};
pub use program::{Abilities, Choice, Key, Mark, Program, Run, Site};
pub use sited::Sited;
pub use trace::{Draw, Part, Schema, SiteRecord, SiteSchema, Term, Trace, Weighing, execute};
pub use watch::Watch;
