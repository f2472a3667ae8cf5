//! The models in f64 at small sizes: objectives and equations by hand or by enumeration, gradients against finite differences, estimators
//! against exact gradients. One binary, since the float type of the device is set for the whole process.

#![expect(unreachable_pub, reason = "a test binary exports nothing")]

mod air;
mod bilevel;
mod birkhoff_matching;
mod digits_from_digits;
mod gvae;
mod jigsaw;
mod neuron_identification;
mod ntm;
mod policy;
mod sbn;
mod sorting;
mod support;
