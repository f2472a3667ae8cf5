//! What a text is as a row of choices, and who says which choices a step may take.

use serde::{Deserialize, Serialize};
use unbiased_grammar::GrammarError;

/// Which masks a text is written under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Masks {
    /// What the notation allows; a text may be unfinished when the steps are over.
    Plain,
    /// Only what can still be finished: every text is complete within its steps.
    Budgeted,
}

/// Turns a text into choices; an error where it is not of the language.
pub type Reader<'n> = Box<dyn FnMut(&str) -> Result<Vec<u16>, GrammarError> + 'n>;

/// Texts as rows of choices; the last choice is padding.
///
/// The model knows nothing else of a language, so that grammars, grammars with attributes and plain characters train alike.
pub trait Notation {
    /// How many choices there are, padding included.
    fn width(&self) -> usize;

    /// How many things a step can be about, the end of the text included: nonterminals, say.
    fn contexts(&self) -> usize;

    /// Turns texts into choices, without padding; made once for many texts.
    fn reader(&self) -> Reader<'_>;

    /// A text in the making, of so many steps at most.
    ///
    /// # Errors
    /// Nothing can be finished within them, where that is asked for.
    fn writer(&self, steps: usize, masks: Masks) -> Result<Box<dyn Writer + '_>, GrammarError>;
}

/// One text in the making. Writing a known text again shows the masks that it is trained under.
pub trait Writer {
    /// What the next step is about, below [`Notation::contexts`].
    fn context(&self) -> u16;

    /// The choices that the next step may take, as bits; none when there is no step left.
    fn mask(&self) -> &[u64];

    /// Takes a choice; padding after the end changes nothing.
    ///
    /// # Panics
    /// When the mask does not hold it.
    fn push(&mut self, choice: u16);

    /// Whether only padding is left.
    fn is_finished(&self) -> bool;

    /// The text, when it is finished.
    fn text(&self) -> Option<String>;
}
