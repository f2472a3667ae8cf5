//! Names of neurons.

mod bound;
mod energy;
mod evidence;
mod search;
mod support;
