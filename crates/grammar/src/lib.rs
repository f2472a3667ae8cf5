//! Context-free grammars for models that generate structured text: programs, expressions, molecules.

mod analysis;
pub mod bits;
mod check;
mod draws;
mod error;
mod grammar;
mod lexer;
mod text;

pub use check::Report;
pub use draws::Draws;
pub use error::GrammarError;
pub use grammar::{Desugared, Grammar, Symbol, Terminal};
pub use lexer::Token;
pub use text::Format;

mod earley;
pub use earley::{Ambiguity, Parse, Parser, Prefix};
mod count;
mod cyk;
mod enumerate;
mod pcfg;
mod tree;
pub use count::Counts;
pub use enumerate::Derivations;
pub use tree::{Node, Tree};
mod codec;
mod pick;
pub use codec::{Batch, Codec, Decoder};
pub use pick::{argmax, log_prob, sample};
mod attribute;
pub mod languages;
pub use attribute::{AttributeGrammar, Attributes, Decision, Decisions, Directed};
