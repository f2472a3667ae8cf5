//! The few tensor operations of [Burn](https://burn.dev) that profiling showed must be hand-written, each with a composed fallback.
//!
//! # Should I use this crate?
//!
//! Yes, if you train models with recurrent layers, sigmoids, tanhs, softmaxes, likelihoods from logits or Adam on the CPU with Burn's Flex
//! backend: these operations are scalar there, and cost more than the matrix products of a small model; a recurrent layer is dozens of
//! them per step. The functions here take and return ordinary tensors, are differentiable, and give the same results on every other backend,
//! where they are made of ordinary operations. No, if you only use a GPU.
//!
//! # Operations
//!
//! | operation | equation | gradient |
//! |---|---|---|
//! | [`bernoulli_log_lik`] | `Σ_j x_j l_j − softplus(l_j)`, per row | x − σ(l) towards the logits, l towards the targets |
//! | [`bernoulli_kl`] | `Σ_j σ(q_j)(q_j − p_j) + softplus(p_j) − softplus(q_j)`, per row | σ(q)σ(−q)(q − p) towards q, σ(p) − σ(q) towards p |
//! | [`categorical_log_lik`] | `Σ_j t_j (l_j − ln Σ_k e^{l_k})`, per row | t − Σt·softmax(l) towards the logits, l − ln Σ e^l towards the targets |
//! | [`discretised_logistic`] | `ln[σ((x + h − μ)/s) − σ((x − h − μ)/s)]`, open at both ends | by hand, towards all three |
//! | [`softmax`], [`log_softmax`], [`logsumexp`] | over the last axis | from the saved output |
//! | [`sigmoid`], [`tanh`], [`softplus`], [`log_sigmoid`], [`exp`], [`log`] | element by element | from the saved output or input |
//! | [`lstm()`], [`Lstm`], [`gru()`], [`Gru`] | a whole sequence at once, from and to states, with a mask; LSTM also with layer norms | by hand, towards all inputs |
//! | [`conv2d()`], [`Conv2d`], [`conv_transpose2d`], [`ConvTranspose2d`] | with strides, paddings and [`KernelMask`]s | by hand, towards all three inputs |
//! | [`lstm_cell`] | the gates of one step of an LSTM, from sums that the caller made | by hand, towards both inputs |
//! | [`noise()`] | uniform, logistic, Gumbel, normal or exponential numbers, each a function of its place | none |
//! | [`linear()`], [`Linear`] | `f(x·W + b)` with f = identity, tanh, sigmoid, relu or softplus ([`Activation`]) | by hand, towards all three inputs |
//! | [`custom_gradient`] | any, of a result computed in any way | a function of the caller |
//! | [`HostNumbers`] | the numbers of a tensor as a slice, on Flex without a copy | none |
//! | [`FusedAdam`] | Adam, ε after or before the bias correction ([`Epsilon`]) | |
//!
//! Each has a kernel for **Flex in single precision**, plain and under autodiff: one pass over the data, vectors of the widest kind the CPU has
//! (AVX-512, AVX2 with FMA, or what the target guarantees: SSE2, NEON), chosen at run time, so that one binary serves every x86-64 CPU;
//! more than one thread from 1 Mi elements on (Adam from 64 Ki; recurrent layers split the batch from 1 Mi products on, affine maps their
//! columns from 8 Mi). Views are made contiguous first. Results do not depend on the number of threads, except in affine maps, whose products
//! are Burn's.
//! **Every other backend and float type** runs the composed form, public in [`composed`]; so does Flex for empty tensors.
//!
//! [`noise()`] is drawn on the host for every device, and has the same bits with and without `flex`, which adds instruction sets and threads.
//!
//! The kernels and the composed forms agree to 1e-5 of the largest value and usually to 1e-6. NaN passes through both. Logits of ±10⁴ give
//! finite values and gradients. With infinite logits the maps reach their limits, and the sums are NaN where their formula is (∞ − ∞).
//!
//! # Example
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use unbiased_kernels::{bernoulli_kl, bernoulli_log_lik};
//!
//! let device = Device::flex().autodiff();
//! let logits = Tensor::<2>::from_floats([[0.0, 2.0, -2.0], [1.0, 0.0, 3.0]], &device).require_grad();
//! let pixels = Tensor::<2>::from_floats([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]], &device);
//!
//! let log_lik = bernoulli_log_lik(logits.clone(), pixels); // [2], nats
//! // A prior of one row serves all rows.
//! let kl = bernoulli_kl(logits.clone(), Tensor::zeros([1, 3], &device));
//! let mut gradients = (kl - log_lik).mean().backward();
//!
//! let slope = logits.grad_remove(&mut gradients).unwrap().into_data();
//! assert!((slope.try_to_vec::<f32>().unwrap()[0] - (0.5 - 1.0) / 2.0).abs() < 1e-6);
//! ```
//!
//! # Features
//!
//! `flex`, `ndarray`, `wgpu`, `vulkan`, `metal`, `cuda` switch on the Burn backend of that name; only `flex` adds kernels. None is on by
//! default: without `flex` the crate is the composed forms and needs no backend.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)
)]
#![deny(clippy::undocumented_unsafe_blocks)]

mod adam;
#[cfg(feature = "flex")]
pub mod balance;
pub mod composed;
mod conv;
mod custom_gradient;
#[cfg(feature = "flex")]
mod flex;
mod gru;
mod host;
mod linear;
mod lstm;
mod noise;
mod ops;

pub use adam::{Epsilon, FusedAdam, FusedAdamConfig};
pub use conv::{Conv2d, ConvTranspose2d, KernelMask, conv_transpose2d, conv2d};
pub use custom_gradient::custom_gradient;
pub use gru::{Gru, GruConfig, GruWeights, gru, gru_step};
pub use host::HostNumbers;
pub use linear::{Activation, Linear, linear};
pub use lstm::{
    Lstm, LstmConfig, LstmLayerNorm, LstmNorms, LstmWeights, lstm, lstm_cell, lstm_step,
};
pub use noise::{NoiseLaw, noise, substream, uniforms};
pub use ops::{
    bernoulli_kl, bernoulli_log_lik, categorical_log_lik, discretised_logistic, exp, log,
    log_sigmoid, log_softmax, logsumexp, sigmoid, softmax, softplus, tanh,
};
