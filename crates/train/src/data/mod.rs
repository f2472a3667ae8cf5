//! Data sets: where they come from, how their pixels are made binary, in which order they are seen.
//!
//! | part | what |
//! |------|------|
//! | [`ImageSet::load`] | a set by name: generated ([`glyphs`]) or from files ([`catalogue`]), split in three |
//! | [`ImageSet::pixels`] | rows ready to upload, under the [`Binarization`] that was asked for |
//! | [`TextSet`] | texts of a language: equations and programs, generated, or molecules |
//! | [`scenes`] | several digits on a canvas, with their number known |
//! | [`Order`] | shuffled minibatches, a function of the seed and the step number |
//! | [`png::write_grid`] | pictures |
//!
//! Everything random here is counter-based: a number is a function of its address (what for, seed,
//! split, item, round), computed with operations that give the same bits on every platform.

mod amat;
mod binarization;
mod config;
pub mod equations;
mod error;
pub mod glyphs;
mod idx;
mod image_set;
mod images;
mod locate;
mod manifest;
mod order;
pub mod png;
pub mod programs;
pub mod scenes;
mod source;
mod stream;
#[cfg(test)]
mod test_support;
mod text_set;
#[cfg(test)]
mod yardsticks;

pub use binarization::Binarization;
pub use config::{DataConfig, Split};
pub use error::{DataError, Missing};
pub use image_set::ImageSet;
pub use images::Images;
pub use manifest::{Items, Manifest, ManifestFile, catalogue, texts};
pub use order::Order;
pub use text_set::{Cut, TextConfig, TextSet};
