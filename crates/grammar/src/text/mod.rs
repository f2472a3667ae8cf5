//! Grammars from text: four notations, one meaning.
//!
//! | notation | looks like | terminals |
//! |---|---|---|
//! | [`Format::Nltk`] | `S -> S '+' T \| T [0.3]` | as quoted, found by longest match |
//! | [`Format::Bnf`] | `<s> ::= <s> "+" <t>` | as quoted, found by longest match |
//! | [`Format::Ebnf`] | `root ::= expr ("=" expr)*` (GBNF) | single characters |
//! | [`Format::Lark`] | `start: item ("," item)*` | single characters |
//!
//! `?`, `*`, `+`, `{m,n}`, groups and classes become plain productions of nonterminals of their own, so that a mask stays one row per
//! nonterminal; [`Grammar::desugared`] is the way back. A class of more than [`MAX_SPELLED_CLASS`] characters stays a terminal that stands for any of
//! them, cut so that no two terminals share a character.

mod bnf;
mod classes;
mod cursor;
mod ebnf;
mod expression;
mod lark;
mod lower;
mod nltk;
mod regex;

use crate::error::GrammarError;
use crate::grammar::Grammar;

/// Most bytes of a grammar.
pub const MAX_TEXT: usize = 1 << 20;
/// Deepest nesting of parentheses in a grammar.
pub const MAX_NESTING: usize = 64;
/// Wider classes of characters stay terminals.
pub const MAX_SPELLED_CLASS: usize = 128;

/// A notation for grammars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `S -> 'a' S | 'b' [0.5]`, one rule per line; `#` begins a comment, `%start S` names the start symbol.
    Nltk,
    /// `<s> ::= "a" <s> | "b"`; `;` begins a comment.
    Bnf,
    /// `root ::= "a"* [b-d]{1,2} (e | f)?`, the GBNF of llama.cpp; `#` begins a comment.
    Ebnf,
    /// `start: "a"* NAME ("," item)~1..3`, `NAME: /[a-z]+/`, `%ignore " "`; `//` begins a comment.
    Lark,
}

impl Format {
    /// The notation of a text, judged by the sign behind its first name.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut cursor = cursor::Cursor::new(text);
        while let Some(next) = cursor.peek() {
            if cursor.eat("->") {
                return Self::Nltk;
            } else if cursor.eat("::=") {
                let before = text[..cursor.at() - 3].trim_end();
                return if before.ends_with('>') {
                    Self::Bnf
                } else {
                    Self::Ebnf
                };
            } else if cursor.eat(":") {
                return Self::Lark;
            } else if next == '#' || next == ';' || cursor.looking_at("//") {
                cursor.skip_line();
            } else {
                cursor.bump();
            }
        }
        Self::Nltk
    }
}

impl Grammar {
    /// Reads a grammar in the notation that it seems to be in ([`Format::of`]).
    ///
    /// # Errors
    /// The text is no grammar of that notation, is too large, or its start symbol derives nothing.
    pub fn read(text: &str) -> Result<Self, GrammarError> {
        Self::read_as(text, Format::of(text))
    }

    /// Reads a grammar.
    ///
    /// # Errors
    /// The text is no grammar of this notation, is too large, or its start symbol derives nothing.
    pub fn read_as(text: &str, format: Format) -> Result<Self, GrammarError> {
        if text.len() > MAX_TEXT {
            return Err(GrammarError::Limit {
                what: "the number of bytes of a grammar",
                limit: MAX_TEXT,
            });
        }
        let source = match format {
            Format::Nltk => nltk::read(text)?,
            Format::Bnf => bnf::read(text)?,
            Format::Ebnf => ebnf::read(text)?,
            Format::Lark => lark::read(text)?,
        };
        Self::new(lower::lower(text, &source)?)
    }
}
