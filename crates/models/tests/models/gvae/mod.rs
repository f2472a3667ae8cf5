//! The Grammar VAE on a language of a few texts.

mod attributed;
mod equations;
mod gradients;
mod loss;
mod support;
mod texts;
