//! Data sets: where they come from, how their pixels are made binary, in which order they are seen.
//!
//! | part | what |
//! |------|------|
//! | [`ImageSet::load`] | a set by name: generated ([`glyphs`]), from files ([`catalogue`]) or a folder of pictures, split in three |
//! | [`ImageSet::pixels`] | rows ready to upload, under the [`Binarization`] that was asked for |
//! | [`Celegans::load`] | neurons of a worm and their connections, from files |
//! | [`TextSet`] | texts of a language: equations and programs, generated, or molecules |
//! | [`scenes`] | several digits on a canvas, with their number known |
//! | [`Order`] | shuffled minibatches, a function of the seed and the step number |
//! | [`cifar`], [`smiles`] | colour images, molecules |
//! | [`png::write_grid`] | pictures |
//! | [`state`](fn@state), [`verify`](fn@verify), [`fetch`] | what is there of a set, whether it is right, getting it |
//! | [`generate`] | what the program draws itself, as files |
//!
//! Everything random here is counter-based: a number is a function of its address (what for, seed,
//! split, item, round), computed with operations that give the same bits on every platform.

mod amat;
mod binarization;
mod celegans;
mod checksum;
pub mod cifar;
mod config;
pub mod equations;
mod error;
pub mod fetch;
mod folder;
pub mod generate;
pub mod glyphs;
mod idx;
mod image_set;
mod images;
mod locate;
mod manifest;
mod mat;
mod mt19937;
mod npy;
mod npz;
mod omniglot;
mod order;
pub mod png;
pub mod programs;
pub mod scenes;
pub mod smiles;
mod source;
mod stream;
#[cfg(test)]
mod test_support;
mod text;
mod text_set;
mod verify;
#[cfg(test)]
mod yardsticks;

pub use binarization::Binarization;
pub use celegans::Celegans;
pub use checksum::Checksum;
pub use config::{DataConfig, Split};
pub use error::{DataError, Missing, NotFetched};
pub use image_set::ImageSet;
pub use images::Images;
pub use locate::{folder, search_path};
pub use manifest::{Archive, Form, Items, Manifest, ManifestFile, Unpacked, catalogue};
pub use order::Order;
pub use text_set::{Cut, TextConfig, TextSet};
pub use verify::{State, Verdict, state, verify};
