//! Neural Turing machines: addressing by hand, gradients, hard addresses against enumeration, tasks and curricula.

mod bandit;
mod hard;
mod machine;
mod support;
mod tasks;
