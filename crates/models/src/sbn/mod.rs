//! Sigmoid belief networks and discrete variational autoencoders.
//!
//! Sources: Mnih & Gregor, "Neural Variational Inference and Learning in Belief Networks", 2014; the protocol of Tucker
//! et al., "REBAR", 2017, and Grathwohl et al., "Backpropagation through the Void", 2018 (`linear 1`, `linear 2`,
//! `nonlinear`); structured prediction as in Raiko et al., "Techniques for Learning Binary Stochastic Feedforward
//! Neural Networks", 2015.
//!
//! Density: `x -> b_1 -> .. -> b_L` by the encoder, `b_L -> .. -> b_1 -> x` by the decoder, and
//!
//! `ln p(x) >= E_q[ln p(x | b_1) + sum_l ln p(b_l | b_{l+1}) - ln q(b_l | b_{l-1})]`, `p(b_L)` with learned logits.
//!
//! Structured prediction: `upper half -> b_1 -> .. -> b_L -> lower half`, `ln p(y | x) >= E[ln p(y | b_L)]`, the choices
//! drawn from the model itself.
//!
//! Inputs of a net are centred: `x - mean`, bits as `2b - 1`. Latents are Bernoulli, categorical (one-hot blocks) or
//! Gaussian (the continuous baseline).
//!
//! Shapes: pixels `[batch, pixels]` in {0, 1}; latents `[copies * batch, width]`; all costs in nats.

mod config;
mod loss;
mod model;

pub use config::{Latent, Prior, SbnConfig, SbnConfigError, Task};
pub use loss::SbnProgram;
pub use model::{Sbn, Stack};
