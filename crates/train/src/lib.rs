//! The training program of Unbiased as a library: data, configurations, the loop and the systems.

pub mod data;
