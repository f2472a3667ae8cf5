//! Sinkhorn balancing, assignment, and what is built on them, on Flex in both precisions.

mod assignment;
mod gumbel;
mod sinkhorn;
mod sinkhorn_gradients;
mod support;
