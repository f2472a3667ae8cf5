//! Variational autoencoders of texts that have a grammar.
//!
//! Source: Kusner, Paige & Hernández-Lobato, "Grammar Variational Autoencoder", 2017. A text is the row of productions `r_1 .. r_T` that derives it,
//! filled up with padding; the decoder draws a production at every step among those that a mask allows, so that what it writes is of the language:
//!
//! `ln p(r) >= E_q(z|r)[sum_t ln p(r_t | z, mask_t)] - KL(q(z | r) || p(z))`
//!
//! `p(r_t | ..) = exp(f_t[r_t]) / sum over allowed r of exp(f_t[r])`
//!
//! | part | choices |
//! |---|---|
//! | [`Notation`] | what the rows are and who makes the masks: [`Derivations`] of a grammar, plain or within a budget of steps; decisions under its attributes, [`Attributed`]; [`Characters`] without masks, the baseline |
//! | encoder | convolutions (the paper's), a GRU, an LSTM |
//! | latent | Gaussian, trained pathwise; Bernoulli or categorical, with any estimator |
//! | decoder | `parallel`: a GRU that gets `z` at every step and never what was chosen (the paper's); `autoregressive`: it gets the choice before and what the step is about |
//! | loss | `paper`: the bound above, its divergence warmed up; `original_code`: what the published code minimises, see [`Loss`] |
//!
//! Given `z`, the steps of the parallel decoder are independent apart from the masks, so the latent has to hold the whole text; the other can
//! leave parts of it to chance.
//!
//! Shapes: rows of choices `[rows, steps]` on the host; one-hot `[rows, steps, width]`; latents `[copies * rows, latents]`; all costs in nats.

mod attributed;
mod batch;
mod characters;
mod config;
mod decoder;
mod derivations;
mod encoder;
mod equations;
mod loss;
mod model;
mod notation;
mod programs;
mod write;

pub use attributed::Attributed;
pub use batch::Batch;
pub use characters::Characters;
pub use config::{
    CODE_NOISE, DecoderKind, EncoderKind, GvaeConfig, GvaeConfigError, KlWeight, Loss, Sizes,
};
pub use decoder::Decoder;
pub use derivations::Derivations;
pub use encoder::{Convolutions, Encoder};
pub use equations::{Expression, places, score, target};
pub use loss::GvaeProgram;
pub use model::Gvae;
pub use notation::{Masks, Notation, Reader, Writer};
pub use programs::{StraightLine, golden, program_score};
pub use write::{Pick, write};
