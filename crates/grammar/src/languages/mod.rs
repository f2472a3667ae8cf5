//! Languages that come with the crate: grammars as files in `languages/`, and what a grammar cannot say as attributes.
//!
//! | name | language | attributes |
//! |---|---|---|
//! | `equations` | arithmetic expressions of the Grammar VAE | – |
//! | `json` | JSON in ASCII | [`json::Json`]: a schema |
//! | `lists` | straight-line programs over lists, five functions | [`lists::Lists`]: defined before used, types agree |
//! | `mini_c` | a small C | [`mini_c::MiniC`]: declared before used, scopes, types agree |
//! | `programs` | straight-line programs of the Syntax-Directed VAE | [`programs::Programs`]: assigned before read, once |
//! | `zinc` | SMILES of the ZINC 250k set, lists recurse to the left | – |
//! | `zinc_right` | the same, lists recurse to the right | [`molecules::Molecules`]: valence, rings, aromaticity |

pub mod json;
pub mod lists;
pub mod mini_c;
pub mod molecules;
mod productions;
pub mod programs;

use std::sync::OnceLock;

use crate::attribute::{AttributeGrammar, Rules};
use crate::error::GrammarError;
use crate::grammar::Grammar;

/// A language that comes with the crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Language {
    /// How it is called.
    pub name: &'static str,
    /// Its grammar.
    pub text: &'static str,
    spaced: bool,
}

/// All languages.
pub const LANGUAGES: [Language; 7] = [
    Language::new(
        "equations",
        include_str!("../../languages/equations.cfg"),
        true,
    ),
    Language::new("json", include_str!("../../languages/json.gbnf"), false),
    Language::new("lists", include_str!("../../languages/lists.cfg"), true),
    Language::new("mini_c", include_str!("../../languages/mini_c.cfg"), true),
    Language::new(
        "programs",
        include_str!("../../languages/programs.cfg"),
        true,
    ),
    Language::new("zinc", include_str!("../../languages/zinc.cfg"), false),
    Language::new(
        "zinc_right",
        include_str!("../../languages/zinc_right.cfg"),
        false,
    ),
];

impl Language {
    const fn new(name: &'static str, text: &'static str, spaced: bool) -> Self {
        Self { name, text, spaced }
    }

    /// The language of a name.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn named(name: &str) -> Result<Self, GrammarError> {
        let found = LANGUAGES.into_iter().find(|language| language.name == name);
        found.ok_or_else(|| {
            let known: Vec<&str> = LANGUAGES.iter().map(|language| language.name).collect();
            GrammarError::Unknown {
                kind: "language",
                name: name.into(),
                known: known.join(", "),
            }
        })
    }

    /// Its grammar.
    #[must_use]
    pub fn grammar(self) -> Grammar {
        let grammar = Grammar::read(self.text).expect("the crate's own grammars are tested");
        if self.spaced {
            grammar.skipping_spaces()
        } else {
            grammar
        }
    }

    /// Its grammar, made on first use and kept: for what outlives every scope, such as a model in training.
    ///
    /// # Panics
    /// When the language is none of [`LANGUAGES`], which cannot be made.
    #[must_use]
    pub fn kept(self) -> &'static Grammar {
        static KEPT: [OnceLock<Grammar>; LANGUAGES.len()] =
            [const { OnceLock::new() }; LANGUAGES.len()];
        let place = LANGUAGES.iter().position(|&known| known == self);
        KEPT[place.expect("a language of the list")].get_or_init(|| self.grammar())
    }

    /// Its attributes, if it has any; of JSON without a schema, which is a setting of [`json::Json`].
    ///
    /// # Panics
    /// When the grammar is another's.
    #[must_use]
    pub fn rules(self, grammar: &Grammar) -> Option<Box<dyn Rules + '_>> {
        Some(match self.name {
            "lists" => Box::new(AttributeGrammar::new(grammar, lists::Lists::new(grammar))),
            "mini_c" => Box::new(AttributeGrammar::new(grammar, mini_c::MiniC::new(grammar))),
            "programs" => Box::new(AttributeGrammar::new(
                grammar,
                programs::Programs::new(grammar),
            )),
            "zinc_right" => Box::new(AttributeGrammar::new(
                grammar,
                molecules::Molecules::new(grammar),
            )),
            _ => return None,
        })
    }
}
