//! The offline check, and a known tree as the decisions that would have made it.

use super::walk::Walk;
use super::{AttributeGrammar, Attributes};
use crate::bits;
use crate::error::GrammarError;
use crate::tree::Tree;

/// The decisions behind a tree, with the mask of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decisions {
    /// In the order of evaluation.
    pub choices: Vec<u16>,
    /// As many words for each as the grammar's masks have.
    pub masks: Vec<u64>,
}

impl Decisions {
    /// Without those that had no alternative.
    #[must_use]
    pub fn without_forced(&self) -> Self {
        let words = self
            .masks
            .len()
            .checked_div(self.choices.len())
            .unwrap_or(1)
            .max(1);
        let (mut choices, mut masks) = (Vec::new(), Vec::new());
        for (&choice, mask) in self.choices.iter().zip(self.masks.chunks(words)) {
            if bits::count(mask) > 1 {
                choices.push(choice);
                masks.extend_from_slice(mask);
            }
        }
        Self { choices, masks }
    }
}

impl<A: Attributes> AttributeGrammar<'_, A> {
    /// Checks a finished tree; what its root synthesizes.
    ///
    /// # Errors
    /// The first node, in the order of evaluation, that breaks a rule.
    ///
    /// # Panics
    /// When the tree is of another grammar.
    pub fn check(&self, tree: &Tree) -> Result<A::Synthesized, GrammarError> {
        self.visit(tree, u32::MAX, |_, _| ())
    }

    /// The decisions that make a tree, with the masks that a decoder of unlimited length would have shown.
    ///
    /// # Errors
    /// As [`AttributeGrammar::check`].
    ///
    /// # Panics
    /// When the tree is of another grammar.
    pub fn replay(&self, tree: &Tree) -> Result<Decisions, GrammarError> {
        self.replay_within(tree, u32::MAX)
    }

    /// The same with the masks of a decoder of so many decisions.
    ///
    /// # Errors
    /// As [`AttributeGrammar::check`], or the tree does not fit.
    ///
    /// # Panics
    /// When the tree is of another grammar.
    pub fn replay_within(&self, tree: &Tree, decisions: u32) -> Result<Decisions, GrammarError> {
        let mut found = Decisions {
            choices: Vec::new(),
            masks: Vec::new(),
        };
        self.visit(tree, decisions, |choice, mask| {
            found.choices.push(choice);
            found.masks.extend_from_slice(mask);
        })?;
        Ok(found)
    }

    fn visit(
        &self,
        tree: &Tree,
        decisions: u32,
        mut see: impl FnMut(u16, &[u64]),
    ) -> Result<A::Synthesized, GrammarError> {
        let mut walk = Walk::new(self);
        let mut mask = vec![0; self.words()];
        // For every node made, the node of the tree.
        let mut original: Vec<u32> = Vec::with_capacity(tree.nodes().len());
        let mut left = decisions;
        while let Some(turn) = &walk.turn {
            let node = turn.parent.map_or(0, |(parent, slot)| {
                tree.children(original[parent as usize])[slot as usize]
            });
            let production = tree.nodes()[node as usize].production;
            let choice = if turn.lazy {
                self.grammar.productions() as u16
                    + self.attributes.realised(tree, node, &turn.inherited)
            } else {
                production
            };
            let (lazy, nonterminal) = (turn.lazy, turn.nonterminal);
            walk.mask(self, left, &mut mask);
            if !bits::contains(&mask, usize::from(choice)) {
                let message = if lazy {
                    format!(
                        "what `{}` comes to is not possible here",
                        self.grammar.name(nonterminal)
                    )
                } else {
                    format!("`{}` is not allowed here", self.grammar.show(production))
                };
                return Err(GrammarError::Attribute {
                    at: node as usize,
                    message,
                });
            }
            see(choice, &mask);
            left = left.saturating_sub(u32::from(decisions != u32::MAX));
            if lazy {
                walk.promise(self, choice - self.grammar.productions() as u16);
            } else {
                original.push(node);
                walk.expand(self, production).map_err(|(made, message)| {
                    GrammarError::Attribute {
                        at: original[made as usize] as usize,
                        message,
                    }
                })?;
            }
        }
        Ok(walk
            .result
            .expect("a walk without a turn has reached the root again"))
    }
}
