//! Attend, Infer, Repeat: a scene as a number of objects, each with a place and an appearance.
//!
//! Source: Eslami, Heess, Weber, Tassa, Szepesvari, Kavukcuoglu & Hinton, "Attend, Infer, Repeat: Fast Scene
//! Understanding with Generative Models", 2016. `input = "residual"` is its variant DAIR.
//!
//! Generation: `n ~ p(n)` on `0..=N`; for each `i <= n` a place `z_where = (ln s, t_x, t_y)` and an appearance
//! `z_what ~ N(0, I)`; `y_i = paste(sigma(decoder(z_what)), z_where)` and `x ~ N(sum_i y_i, sigma^2 I)`.
//!
//! Inference, `N` steps of an LSTM: `z_pres,i ~ Bern(p_i) z_pres,i-1`, `z_where,i ~ N`, `g_i = crop(x, z_where,i)`,
//! `z_what,i ~ N(encoder(g_i))`, `n = sum_i z_pres,i`.
//!
//! `ELBO = E_q[ln p(x | z) - sum_{i <= n} KL(where_i) + KL(what_i)] - KL(q(n) || p(n))`
//!
//! The divergence of the count is taken step by step: with `pi_i = P(n >= i | n >= i-1)` the chain rule of the
//! divergence gives `KL(q(n) || p(n)) = sum_i q(n >= i-1) KL(Bern(p_i) || Bern(pi_i))`, so a presence bit with the
//! prior `pi_i`, counted where the step before was present, has it in expectation. `p(n) = k^n / sum_j k^j`, hence
//! `logit pi_i = ln sum_{j=1}^{N-i+1} k^j`; `ln k` is a number that a program is given and may change from step to step.
//!
//! [`Counting::Sampled`] draws the presence bits, by whatever estimator. [`Counting::Summed`] sums over the count: the
//! latents of step `i` exist only if steps `1..i` are present, so the `N + 1` outcomes lie on one path with all bits
//! forced to 1, and with the partial sums `C_n = sum_{i <= n} y_i`
//!
//! `ELBO = sum_n q(n) ln p(x | C_n) - sum_i q(n >= i) (KL(where_i) + KL(what_i)) - KL(q(n) || p(n))`
//!
//! which is differentiable in everything and has pathwise choices only.
//!
//! Shapes: images `[batch, side * side]`, row-major, 0 to 1; places `[rows, 3]`; all costs in nats.

mod config;
mod loss;
mod model;
mod transform;

pub use config::{AirConfig, AirConfigError, CountPrior, Input};
pub use loss::{AirProgram, Counting, Explanation};
pub use model::Air;
pub use transform::Window;
