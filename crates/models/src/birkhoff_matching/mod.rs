//! Noisy points matched to their centres: a posterior over permutations that is known exactly, and variational ones beside it.
//!
//! Source: Linderman, Mena, Cooper, Paninski and Cunningham, "Reparameterizing the Birkhoff Polytope for Variational Permutation
//! Inference", 2018, section 4 and its table of mean distances.
//!
//! Centres `x_i ~ N(0, I₂)`; each of as many observations is one centre with noise of variance σ², their order unknown. With a uniform prior
//!
//! `p(P | y) ∝ exp ⟨P, S⟩`, `S_ij = −|y_j − x_i|²/(2σ²)`
//!
//! and for six points its 720 probabilities are simply computed. A relaxed posterior q(X) is fitted to each problem by its bound
//!
//! `E_q[ln p(y | X) + ln p(X) − ln q(X)]`, `y_j ~ N(Σ_i X_ij x_i, σ²)`, `p(X) = Π ½ (N(X_ij; 0, η²) + N(X_ij; 1, η²))`
//!
//! sampled, and rounded to permutations, whose frequencies are compared with the true probabilities. How far a law is from another is
//! `√(1 − Σ √(p q))`, which the paper calls the Bhattacharyya distance. Frequencies of few samples are away from any law: [`Rival::Exact`]
//! measures how far.
//!
//! | file | what |
//! |---|---|
//! | [`Problem`], [`Evidence`] | a problem and its exact posterior; many of them on a device |
//! | [`Posterior`], [`MatchingProgram`] | relaxed posteriors, one for each problem, and their bound |
//! | [`Rival`] | laws that need no training |
//!
//! Shapes: n points a problem, problems are the batch; X is `[problems, n, n]`, a row for each centre, a column for each observation.

mod config;
mod loss;
mod model;
mod problem;
mod rivals;

pub use config::{MatchingConfig, Relaxation};
pub use loss::MatchingProgram;
pub use model::Posterior;
pub use problem::{Evidence, Problem};
pub use rivals::Rival;
