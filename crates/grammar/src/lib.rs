//! Context-free grammars for models that generate structured text: programs, expressions, molecules.
//!
//! **Should I use this crate?** If something that learns is to write text that is always of a language: yes. It reads a grammar at run time, numbers its
//! productions, turns texts into production numbers and back, and says at every step which productions may come next: by the grammar, within a budget of
//! steps, and under rules that no context-free grammar can state (names declared before use, types, rings that close). If you want to parse a
//! programming language into your own tree, take a parser generator. If you want to mask the tokens of a large language model, take llguidance.
//!
//! | to | take | after |
//! |---|---|---|
//! | read a grammar: NLTK, BNF, EBNF (GBNF), Lark | [`Grammar::read`], [`Grammar::read_as`] | |
//! | find what is wrong with it | [`Grammar::check`] | |
//! | parse a text, see ambiguity | [`Parser`] | Earley 1970, Leo 1991, Aycock & Horspool 2002 |
//! | know what terminal may come next | [`Prefix`] | the same |
//! | count the derivations of a text, or its probability | [`Grammar::derivations_of`], [`Grammar::ln_inside`] | Cocke, Younger & Kasami |
//! | count derivations of bounded length, draw one uniformly | [`Counts`] | Nijenhuis & Wilf 1978 |
//! | draw from a probabilistic grammar | [`Grammar::sample`] | |
//! | list derivations of bounded depth | [`Grammar::derivations`] | |
//! | mask a model's choices, within a budget | [`Codec`], [`Decoder`], [`Batch`] | Kusner, Paige & Hernández-Lobato 2017 |
//! | pick from masked logits | [`sample()`], [`argmax`], [`log_prob`] | |
//! | add rules beyond the grammar | [`Attributes`], [`AttributeGrammar`] | Knuth 1968; Dai, Tian, Dai, Skiena & Song 2018 |
//! | use a language that is there already | [`languages`] | |
//! | have masks as tensors (feature `burn`) | `device` | |
//! | know what a molecule is (feature `chem`) | `chem` | Weininger 1988; Horton 1987; Edmonds 1965; Wildman & Crippen 1999; Ertl & Schuffenhauer 2009 |
//!
//! A complete program, from grammar to texts that are always right:
//!
//! ```
//! use unbiased_grammar::languages::{Language, mini_c::MiniC};
//! use unbiased_grammar::{AttributeGrammar, Draws, GrammarError, Parser, Tree, sample};
//!
//! fn main() -> Result<(), GrammarError> {
//!     let grammar = Language::named("mini_c")?.grammar();
//!     let whole = AttributeGrammar::new(&grammar, MiniC::new(&grammar));
//!     let mut draws = Draws::new(1);
//!     let mut decoder = whole.decode(120)?;
//!     while !decoder.is_finished() {
//!         let logits = vec![0.0; whole.width()]; // a model's
//!         let choice = sample(&logits, decoder.mask(), &mut draws);
//!         decoder.push(choice)?;
//!     }
//!     let text = grammar.text_of(&decoder.productions().expect("it is finished"))?;
//!     println!("{text}");
//!
//!     let parse = Parser::new(&grammar).parse("int main(void) { int a = 1; return a == 1; }")?;
//!     let error = whole.check(&Tree::new(&grammar, &parse.productions)?).unwrap_err();
//!     assert!(error.to_string().contains("is not allowed here"));
//!     Ok(())
//! }
//! ```
//!
//! Everything is flat arrays and small numbers; no step allocates, nothing recurses. Texts and grammars may come from anywhere: what is too large
//! or too much work is a [`GrammarError`], never a panic. Randomness is an argument ([`Draws`]).

mod analysis;
mod attribute;
pub mod bits;
mod check;
#[cfg(feature = "chem")]
pub mod chem;
mod codec;
mod count;
mod cyk;
#[cfg(feature = "burn")]
pub mod device;
mod draws;
mod earley;
mod element;
mod enumerate;
mod error;
mod grammar;
pub mod languages;
mod lexer;
mod pcfg;
mod pick;
mod text;
mod tree;

pub use attribute::{AttributeGrammar, Attributes, Decision, Decisions, Directed, Rules};
pub use check::Report;
pub use codec::{Batch, Codec, Decoder};
pub use count::Counts;
pub use draws::Draws;
pub use earley::{Ambiguity, MAX_DERIVATION, MAX_ITEMS, MAX_STEPS, Parse, Parser, Prefix};
pub use enumerate::Derivations;
pub use error::GrammarError;
pub use grammar::{
    Desugared, Grammar, MAX_PRODUCTIONS, MAX_SYMBOLS, MAX_TERMINAL_LENGTH, MAX_TERMINALS, Symbol,
    Terminal,
};
pub use lexer::Token;
pub use pick::{argmax, log_prob, sample};
pub use text::{Format, MAX_NESTING, MAX_SPELLED_CLASS, MAX_TEXT};
pub use tree::{Node, Tree};
