//! Policies: the estimate of a policy gradient through the whole program against enumeration of an environment small enough for it,
//! masks against rows by themselves, and the parts of PPO against their definitions.

mod estimates;
mod ppo;
mod walk;
