//! The Grammar VAE on a language of a few texts.

mod equations;
mod gradients;
mod loss;
mod support;
mod texts;
