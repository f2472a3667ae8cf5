//! Neural Turing machines: a controller with a memory that it addresses by content and by location.
//!
//! Source: Graves, Wayne & Danihelka, "Neural Turing Machines", 2014. Hard addresses after Zaremba & Sutskever,
//! "Reinforcement Learning Neural Turing Machines", 2015, and Gulcehre et al., "Dynamic Neural Turing Machine with
//! Soft and Hard Addressing Schemes", 2016.
//!
//! Per step, with memory `M` of N rows of W numbers, for each head with key `k`, strength `beta = softplus`, gate `g = sigma`, shift
//! `s = softmax`, sharpening `gamma = 1 + softplus`:
//!
//! ```text
//! h      = controller(x_t, r_{t-1})
//! w_c(i) = softmax_i(beta cos(k, M(i)))                by content
//! w_g    = g w_c + (1 - g) w_{t-1}                     or as before
//! w_s(i) = sum_j w_g(j) s(i - j mod N)                 shifted by -1, 0, +1
//! w(i)   = w_s(i)^gamma / sum_j w_s(j)^gamma           sharpened
//! r      = sum_i w(i) M(i)                             read heads
//! M(i)   = M(i) prod_h (1 - w_h(i) e_h) + sum_h w_h(i) a_h    write heads, e = sigma
//! y_t    = linear(h, r)                                logits of the output bits
//! ```
//!
//! [`Address::Soft`] is this. With [`Address::Slot`] the head is at one row, drawn from `w`, and that one-hot row is what the next step
//! starts from. With [`Address::Shift`] only the shift is drawn, from `s`: `w = w_{t-1}` moved by it, so that the address stays one row for
//! ever; there is no content addressing. Both are sites, `read0`, `write0`, ..., one occurrence per step; every weighting is
//! a sum of products with the choices, so relaxed runs are continuous.
//!
//! The cost is `-ln p(y | x)` of the bits that count, reported step by step, so that a choice answers for later bits only. The addresses
//! have no posterior: they are drawn from the model itself, the log-weight of a sample is its log-likelihood, and the
//! bound of k samples is `E[ln 1/k sum_k p(y | x, addresses_k)] <= ln p(y | x)`.
//!
//! Numerics: pre-activations of the heads are held in [-20, 20]; both norms of the cosine have 1e-6 added under the root; sharpening is
//! done on logarithms with the largest entry at 0.
//!
//! Shapes: a batch of sequences of one length; `[rows, ..]` per step, rows copy-major; costs in nats.

pub mod addressing;
mod bandit;
mod config;
mod curriculum;
mod loss;
mod model;
mod tasks;

pub use bandit::Bandit;
pub use config::{
    Address, Controller, InitialAddress, InitialMemory, MOST_HEADS, NtmConfig, NtmConfigError,
    Order,
};
pub use curriculum::{Curriculum, CurriculumName};
pub use loss::{NtmProgram, Sequences};
pub use model::{CLAMP, Choose, Ntm, State};
pub use tasks::{Episodes, Size, Stream, TaskConfig, TaskConfigError, TaskName, ngram_bits};
