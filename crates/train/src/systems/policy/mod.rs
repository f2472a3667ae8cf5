//! Training of policies; environments, networks and their papers are in [`unbiased_models::policy`].

mod actor;
mod ppo;
mod probe;
mod returns;
mod settings;
mod watch;

pub(super) use settings::PolicySettings;
