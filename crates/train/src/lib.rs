//! The training program of Unbiased as a library: data, configurations, the loop and the systems.
//!
//! | module | what |
//! |--------|------|
//! | [`cli`], [`commands`] | the command line, one module per command |
//! | [`config`] | run configurations and what the command line changes in them |
//! | [`system`], [`systems`] | what the loop asks of a system; the systems |
//! | [`train_loop`], [`checkpoint`], [`metrics_log`], [`summary`], [`run_dir`] | a run and its folder |
//! | [`learner`] | a model, its estimator and the optimizers of both |
//! | [`optimizer`], [`bundle`], [`weights`] | parameters that move, are stored reproducibly, leave and come back |
//! | [`report`], [`verdict`] | a page about runs, and whether they kept their promises |
//! | [`data`] | data sets and generators |
//! | [`device`] | the only place that names backends |

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)
)]

pub mod bundle;
pub mod checkpoint;
pub mod cli;
pub mod commands;
pub mod config;
pub mod data;
pub mod device;
pub mod error;
pub mod files;
pub mod interrupt;
pub mod invocation;
pub mod learner;
pub mod metrics_log;
pub mod optimizer;
pub mod out;
pub mod progress;
pub mod report;
pub mod run_dir;
pub mod summary;
pub mod system;
pub mod systems;
pub mod train_loop;
mod transfer;
pub mod verdict;
pub mod weights;
