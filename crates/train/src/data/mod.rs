//! Data sets and generators.
