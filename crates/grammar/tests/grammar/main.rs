//! The crate from outside: notations, parsing against oracles, counting, codecs, attributes, languages, hostile input.
#![allow(missing_docs)]

mod attributes;
mod counting;
mod decoding;
mod fuzz;
mod hostile;
mod json;
mod lists;
mod mini_c;
mod molecule_rules;
mod molecules;
mod notations;
mod parsing;
mod programs;
mod random_grammar;
