//! Parsing of any context-free grammar, as the grammar stands.
//!
//! Earley, "An Efficient Context-Free Parsing Algorithm", 1970; empty symbols after Aycock & Horspool, "Practical Earley Parsing", 2002; right recursion in
//! linear time after Leo, "A General Context-Free Parsing Algorithm Running in Linear Time on Every LR(k) Grammar without Using Lookahead", 1991.
//!
//! `O(n^3)` in general, `O(n^2)` for unambiguous grammars, `O(n)` for LR-regular ones. Nothing recurses; items and steps are bounded
//! ([`MAX_ITEMS`], [`MAX_STEPS`]), so that any text on any grammar ends in a derivation or an error.

mod chart;
mod derive;
mod parser;
mod prefix;
mod tables;

pub use parser::{Ambiguity, Parse, Parser};
pub use prefix::Prefix;

/// Most items of a chart, about 200 MB.
pub const MAX_ITEMS: usize = 1 << 23;
/// Most steps of a parse, a few seconds.
pub const MAX_STEPS: u64 = 1 << 28;
/// Most productions of a derivation.
pub const MAX_DERIVATION: usize = 1 << 24;
