//! x
#![deny(missing_docs)]
mod adam;
pub mod composed;
#[cfg(feature = "flex")]
mod flex;
mod ops;
pub use adam::{FusedAdam, FusedAdamConfig};
pub use ops::{bernoulli_kl, bernoulli_log_lik, sigmoid, softplus, tanh};
