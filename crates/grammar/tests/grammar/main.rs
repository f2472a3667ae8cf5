//! The crate from outside: notations, parsing against oracles, counting, codecs, attributes, languages, hostile input.
#![allow(missing_docs)]

mod counting;
mod decoding;
mod hostile;
mod molecules;
mod notations;
mod parsing;
mod random_grammar;
