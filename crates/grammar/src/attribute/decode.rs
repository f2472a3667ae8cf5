//! The online check: masks while a text is made.

use super::walk::{Made, Walk};
use super::{AttributeGrammar, Attributes};
use crate::bits;
use crate::error::GrammarError;

/// What is decided next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A production of this nonterminal.
    Production(u16),
    /// The lazy attribute of this nonterminal.
    Lazy(u16),
    /// Nothing: only padding is left.
    Finished,
}

/// One text in the making, under attributes.
#[derive(Debug, Clone)]
pub struct Directed<'a, A: Attributes> {
    whole: &'a AttributeGrammar<'a, A>,
    walk: Walk<A>,
    mask: Vec<u64>,
    left: u32,
}

impl<A: Attributes> AttributeGrammar<'_, A> {
    /// A decoder that is finished within so many decisions, whatever it is given.
    ///
    /// # Errors
    /// No derivation is that short.
    pub fn decode(&self, decisions: u32) -> Result<Directed<'_, A>, GrammarError> {
        let mut directed = Directed {
            whole: self,
            walk: Walk::new(self),
            mask: vec![0; self.words()],
            left: decisions,
        };
        directed.walk.mask(self, decisions, &mut directed.mask);
        if bits::count(&directed.mask) == 0 {
            let message =
                format!("no derivation has {decisions} decisions or fewer; give a larger budget");
            return Err(GrammarError::Grammar { message });
        }
        Ok(directed)
    }
}

impl<A: Attributes> Directed<'_, A> {
    /// What is decided next.
    #[must_use]
    pub fn decision(&self) -> Decision {
        match &self.walk.turn {
            None => Decision::Finished,
            Some(turn) if turn.lazy => Decision::Lazy(turn.nonterminal),
            Some(turn) => Decision::Production(turn.nonterminal),
        }
    }

    /// What may be decided now; never empty if the attributes keep what they promise.
    #[must_use]
    pub fn mask(&self) -> &[u64] {
        &self.mask
    }

    /// The only choice, if there is only one: a model need not be asked.
    #[must_use]
    pub fn forced(&self) -> Option<u16> {
        let mut choices = bits::ones(&self.mask);
        let first = choices.next()?;
        choices.next().is_none().then_some(first as u16)
    }

    /// What the node whose turn it is inherits, for a model that wants to see it.
    #[must_use]
    pub fn inherited(&self) -> Option<&A::Inherited> {
        self.walk.turn.as_ref().map(|turn| &turn.inherited)
    }

    /// Decides; padding after the end changes nothing.
    ///
    /// # Errors
    /// A node breaks a rule although the masks allowed it: the attributes contradict themselves.
    ///
    /// # Panics
    /// When the mask does not hold the choice.
    pub fn push(&mut self, choice: u16) -> Result<(), GrammarError> {
        let allowed = usize::from(choice) < self.whole.width()
            && bits::contains(&self.mask, usize::from(choice));
        assert!(
            allowed,
            "expected a choice that the mask allows, got {choice}"
        );
        let productions = self.whole.grammar.productions() as u16;
        match self.decision() {
            Decision::Finished => return Ok(()),
            Decision::Lazy(_) => self.walk.promise(self.whole, choice - productions),
            Decision::Production(_) => {
                let expanded = self.walk.expand(self.whole, choice);
                expanded.map_err(|(at, message)| GrammarError::Attribute {
                    at: at as usize,
                    message,
                })?;
            }
        }
        self.left -= 1;
        self.walk.mask(self.whole, self.left, &mut self.mask);
        Ok(())
    }

    /// Whether the text is complete.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.walk.turn.is_none()
    }

    /// What the root has synthesized, when the text is complete.
    #[must_use]
    pub fn synthesized(&self) -> Option<&A::Synthesized> {
        self.walk.result.as_ref()
    }

    /// The leftmost derivation, when the text is complete.
    #[must_use]
    pub fn productions(&self) -> Option<Vec<u16>> {
        self.is_finished()
            .then(|| leftmost(self.whole, &self.walk.made))
    }
}

/// From the order of evaluation to that of the text.
fn leftmost<A: Attributes>(whole: &AttributeGrammar<'_, A>, made: &[Made]) -> Vec<u16> {
    let mut first = Vec::with_capacity(made.len());
    let mut total = 0;
    for node in made {
        first.push(total);
        total += whole.children(node.production).len();
    }
    let mut children = vec![0; total];
    for (at, node) in made.iter().enumerate().skip(1) {
        children[first[node.parent as usize] + node.slot as usize] = at;
    }
    let (mut productions, mut open) = (Vec::with_capacity(made.len()), vec![0]);
    while let Some(at) = open.pop() {
        let production = made[at].production;
        productions.push(production);
        let arity = whole.children(production).len();
        open.extend(children[first[at]..first[at] + arity].iter().rev());
    }
    productions
}
