//! Small scenes in f64: the transformer against a naive sampler, the sum over the count against enumeration, gradients
//! against finite differences, and every estimator of presence against the gradient of the sum over the count.

#![expect(unreachable_pub, reason = "a test binary exports nothing")]

mod count;
mod estimators;
mod scenes;
mod support;
mod transformer;
