//! Models with parts that back-propagation cannot see, one folder per system, each from its paper.
//!
//! | system | what | paper |
//! |---|---|---|
//! | [`ntm`] | neural Turing machines, with soft or hard addresses | Graves et al. 2014; Zaremba & Sutskever 2015 |
//! | [`policy`] | policies for a cart with a pole, Acrobot and a pendulum | Mnih et al. 2016; Grathwohl et al. 2018; Schulman et al. 2017 |
//! | [`air`] | scenes of several objects, attend-infer-repeat | Eslami et al. 2016 |
//! | [`sbn`] | belief networks and discrete variational autoencoders | Mnih & Gregor 2014; Tucker et al. 2017 |
//! | [`gvae`] | variational autoencoders of texts that have a grammar | Kusner, Paige & Hernández-Lobato 2017 |
//! | [`latent_search`] | not a system: Bayesian optimisation in a latent space, and local search without one | Kusner, Paige & Hernández-Lobato 2017 |
//! | [`bilevel`] | problems in two levels, by implicit differentiation or as an expectation | Pedregosa 2016; Franceschi et al. 2017 |
//! | [`birkhoff_matching`] | points matched to their centres: relaxed posteriors beside the exact one | Linderman et al. 2018 |
//! | [`sorting`] | lists put in order by a latent permutation | Mena et al. 2018 |
//! | [`jigsaw`] | pictures from shuffled pieces | Mena et al. 2018 |
//! | [`digits_from_digits`] | digits of one class from the pieces of another | Mena et al. 2018 |
//! | [`neuron_identification`] | names of the recorded neurons of worms | Linderman et al. 2018; Mena et al. 2018 |
//! | [`toy`] | one bit, `E[(b - t)^2]` | Grathwohl et al. 2018 |
//!
//! A system is a Burn module and a program for `unbiased-estimators`; it trains with any estimator that is defined for
//! it. Nothing here reads files or prints.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)
)]

pub mod air;
pub mod bilevel;
pub mod birkhoff_matching;
pub mod digits_from_digits;
pub mod gvae;
mod init;
pub mod jigsaw;
pub mod latent_search;
mod matching;
pub mod neuron_identification;
pub mod ntm;
pub mod policy;
pub mod sbn;
pub mod sorting;
pub mod toy;

pub use init::{Init, initialise, initialise_with, lecun_uniform};
pub use matching::Matching;
