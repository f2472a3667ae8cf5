//! Policies in f64: the estimate of a policy gradient through the whole program against enumeration of an environment
//! small enough for it, masks against rows by themselves, and the parts of PPO against their definitions.

#![expect(unreachable_pub, reason = "a test binary exports nothing")]

mod estimates;
mod ppo;
mod support;
mod walk;
