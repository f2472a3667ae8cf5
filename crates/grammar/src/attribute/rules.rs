//! Attributes whose types are of no interest: a language chosen at run time, from a shell.

use super::{AttributeGrammar, Attributes};
use crate::bits;
use crate::draws::Draws;
use crate::error::GrammarError;
use crate::tree::Tree;

/// What can be asked of any grammar with attributes.
pub trait Rules {
    /// Checks a finished tree.
    ///
    /// # Errors
    /// The first node, in the order of evaluation, that breaks a rule.
    fn check(&self, tree: &Tree) -> Result<(), GrammarError>;

    /// Draws a leftmost derivation of at most so many decisions, each decision uniform among what is allowed.
    ///
    /// # Errors
    /// No derivation is that short.
    fn draw(&self, decisions: u32, draws: &mut Draws) -> Result<Vec<u16>, GrammarError>;
}

impl<A: Attributes> Rules for AttributeGrammar<'_, A> {
    fn check(&self, tree: &Tree) -> Result<(), GrammarError> {
        self.check(tree).map(|_| ())
    }

    fn draw(&self, decisions: u32, draws: &mut Draws) -> Result<Vec<u16>, GrammarError> {
        let mut decoder = self.decode(decisions)?;
        loop {
            if let Some(productions) = decoder.productions() {
                return Ok(productions);
            }
            let allowed = bits::count(decoder.mask());
            let Some(choice) = bits::ones(decoder.mask()).nth(draws.below(allowed.max(1))) else {
                let message = "the attributes lead to a dead end".into();
                return Err(GrammarError::Grammar { message });
            };
            decoder.push(choice as u16)?;
        }
    }
}
