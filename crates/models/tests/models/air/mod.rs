//! Attend-infer-repeat: the transformer against a naive sampler, the sum over the count against enumeration, every estimator of presence
//! against the gradient of that sum.

mod count;
mod estimators;
mod scenes;
mod support;
mod transformer;
