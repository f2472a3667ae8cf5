//! Jigsaw puzzles: putting the shuffled pieces of a picture back.
//!
//! Source: Mena, Belanger, Linderman & Snoek, "Learning Latent Permutations with Gumbel-Sinkhorn Networks", 2018, section 5.2.
//!
//! A picture is cut into N = side² pieces, `X` `[N, pixels]`, and shuffled, `X̃ = P X`. A network gives each of the shuffled pieces a row of
//! scores, one for each place; a permutation is drawn around them and
//!
//! `E[1/(N pixels) |Pᵀ X̃ − X|²]`
//!
//! is made small. Two networks: that of the paper sees each piece alone (one convolution), so it knows how pieces of a place look;
//! the other compares them (self-attention between all pieces). With both, other orders of the same pieces give the same rows in another order.
//!
//! Pieces that look alike, as the blank ones of a digit, cannot be told apart: errors are counted by what a place shows, not by which piece lies there.
//!
//! Shapes: pieces `[batch, N, pixels]`; scores `[batch, N²]`, row i for the i-th shuffled piece.

mod config;
mod loss;
mod model;
mod puzzles;

pub use config::{JigsawConfig, Network};
pub use loss::JigsawProgram;
pub(crate) use loss::arrange;
pub use model::Jigsaw;
pub use puzzles::{Grid, shuffle};
