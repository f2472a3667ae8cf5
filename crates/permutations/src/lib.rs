//! Learning permutations: relaxations, laws and exact counterparts.
//!
//! **Nothing is here yet.** The crate keeps the place and the name; what it will hold:
//!
//! * Sinkhorn balancing and its gradient, and the assignment problem it relaxes
//!   (Mena, Belanger, Linderman & Snoek, "Learning Latent Permutations with Gumbel-Sinkhorn Networks", 2018);
//! * Gumbel-Sinkhorn samples and their rounding;
//! * reparameterizations of the Birkhoff polytope
//!   (Linderman, Mena, Cooper, Paninski & Cunningham, "Reparameterizing the Birkhoff Polytope", 2018);
//! * the Plackett-Luce law;
//! * soft sorting.
//!
//! With a feature `sites` a permutation will be a choice of a stochastic program, so that estimators can train through it.

mod assignment;
pub mod birkhoff;
mod error;
mod gumbel;
mod sinkhorn;
pub mod sorting;

pub use assignment::{
    Assignment, Assignments, assign, assign_batch, assign_batch_from, assign_from,
};
pub use error::Error;
pub use gumbel::{GumbelSinkhorn, gumbel_matching, straight_through};
pub use sinkhorn::{Acceleration, Balanced, Sinkhorn, SinkhornGradient, Stop};
