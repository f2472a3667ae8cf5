//! Names of recorded neurons, from how they act on each other.
//!
//! Sources: Linderman, Mena, Cooper, Paninski & Cunningham, "Reparameterizing the Birkhoff Polytope for Variational Permutation Inference",
//! 2018, section 5; Mena, Belanger, Linderman & Snoek, "Learning Latent Permutations with Gumbel-Sinkhorn Networks", 2018, section 5.4.
//!
//! The connectome of *C. elegans* is known, and where its neurons lie; how strong connections are is not. In each worm j all N neurons are
//! recorded, in an order that is not known,
//!
//! `Y_t = P_j W P_jᵀ Y_t₋₁ + ε`, `ε ~ N(0, I)`,
//!
//! P a permutation matrix (row: recorded neuron, column: name) and W the weights, the same in all worms, `N(0, s²)` on the connections and 0
//! elsewhere. Each neuron may have the names whose places are near its own, and some names are given. What is sought is the posterior of W
//! and all P. With `S₁₀ = Σ Y_t Y_t₋₁ᵀ`, `S₀₀ = Σ Y_t₋₁ Y_t₋₁ᵀ` and `Q = P W Pᵀ`,
//!
//! `ln p(Y | P, W) = −½ [T N ln 2π + tr S₁₁ − 2⟨Q, S₁₀⟩ + ⟨Q S₀₀, Q⟩]`,
//!
//! so a worm costs a few products of N × N matrices, however long it was recorded.
//!
//! Variational methods ([`NeuronProgram`]) put relaxed matrices for P; [`map`] and [`Chain`] work with permutations.
//!
//! Shapes: names as matrices `[samples, N²]`, row after row; N × N matrices of the host row after row.

mod config;
mod connectome;
mod energy;
mod law;
mod loss;
pub mod map;
mod mcmc;
mod model;
mod regression;
mod worms;

pub use config::{Method, NeuronConfig};
pub use connectome::Connectome;
pub use energy::Energy;
pub use law::Rows;
pub use loss::NeuronProgram;
pub use mcmc::{Chain, Swaps, random_names};
pub use model::{Posterior, Recordings};
pub use regression::{draw_weights, log_evidence, mean_weights, places};
pub use worms::{Activity, Population, RecordingConfig, Worm};
