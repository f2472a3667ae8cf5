//! Learning permutations: relaxations, laws and exact counterparts.
//!
//! # Matchings
//!
//! | what | entry | source |
//! |---|---|---|
//! | soft matchings, their gradients, potentials | [`Sinkhorn`] | Sinkhorn and Knopp, 1967; Cuturi, 2013 |
//! | the best matching, with its duals | [`assign`], [`assign_batch`] | Jonker and Volgenant, 1987 |
//! | random matchings | [`gumbel_matching`], [`GumbelSinkhorn`] | Mena, Belanger, Linderman and Snoek, 2018 |
//! | means of matchings under noise, Fenchel-Young loss | [`PerturbedMatching`] | Berthet, Blondel, Teboul, Cuturi, Vert and Bach, 2020 |
//! | mixtures of few matchings | [`sparse_map()`] | Niculae, Martins, Blondel and Cardie, 2018 |
//!
//! Matrices of scores are `[.., n, m]`; row i is matched with column j where the plan has a 1, and the list form of that is `list[i] = j`.
//! Scores are maximised, and −∞ forbids a pair.

mod assignment;
mod error;
mod gumbel;
mod perturbed;
mod sinkhorn;
mod sparse_map;

pub use assignment::{
    Assignment, Assignments, assign, assign_batch, assign_batch_from, assign_from,
};
pub use error::Error;
pub use gumbel::{GumbelSinkhorn, gumbel_matching, straight_through};
pub use perturbed::{Perturbation, PerturbedMatching};
pub use sinkhorn::{Acceleration, Balanced, Sinkhorn, SinkhornGradient, Stop};
pub use sparse_map::{SparseMap, sparse_map};
