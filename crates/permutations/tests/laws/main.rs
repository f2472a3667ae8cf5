//! Laws of rankings in f64: densities, slopes, conditional noise, and every estimator on a Plackett-Luce choice against enumeration.

#![expect(unreachable_pub, reason = "a test binary exports nothing")]

mod estimators;
mod grid;
mod mallows;
mod mallows_choice;
mod plackett_luce;
mod polytope;
mod refusals;
mod support;
