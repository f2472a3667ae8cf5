//! The referee of the estimators, in f64: exact gradients by enumeration, exact expectations of estimators by sums and
//! quadrature, Monte Carlo where the noise has too many dimensions, and mutants that all of this must catch.

#![expect(unreachable_pub, reason = "a test binary exports nothing")]

mod a2c;
mod antithetic;
mod bounds;
mod class_mutants;
mod classes;
mod control_variates;
mod enumeration;
mod estimate;
mod expectations;
mod grid;
mod hand;
mod laws;
mod moments;
mod monte_carlo;
mod mutants;
mod nodes;
#[path = "../programs/mod.rs"]
mod programs;
mod refusals;
mod relaxed;
mod slopes;
mod small;
mod stacked;
mod straight_through;
mod surrogates;
mod tuning;
