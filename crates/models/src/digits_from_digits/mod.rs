//! Digits of one class put together from the pieces of a digit of another.
//!
//! Source: Mena, Belanger, Linderman & Snoek, "Learning Latent Permutations with Gumbel-Sinkhorn Networks", 2018, section 5.3.
//!
//! A digit is cut into N = side² pieces so small that they have no place of their own, `X̃` `[N, pixels]`. Asked for a class c, a network
//! gives each piece a row of scores, one for each place; a permutation is drawn around them and
//!
//! `E[1/(N pixels) |Pᵀ X̃ − Y|²]`
//!
//! is made small, `Y` being any digit of class c. Nothing says which piece goes where: there are as many right answers as there are digits of
//! that class with so much ink. The network is that of the jigsaw puzzles with one affine map for each class, the one that was asked for being
//! switched on; it sees each piece alone, so other orders of the pieces give the same rows in another order.
//!
//! How well it does is for a [`Judge`] to say, a small network that has learnt to read whole digits and is left alone since.
//!
//! Shapes: pieces `[batch, N, pixels]`; classes `[batch]`, whole numbers below [`CLASSES`]; scores `[batch, N²]`, row i for the i-th piece.

mod config;
mod judge;
mod loss;
mod model;

pub use config::DigitsConfig;
pub use judge::Judge;
pub use loss::DigitsProgram;
pub use model::DigitMaker;

/// Classes of digits.
pub const CLASSES: usize = 10;
