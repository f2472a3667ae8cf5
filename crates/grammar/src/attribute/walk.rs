//! A tree under evaluation: the order of nodes, what each inherits and synthesizes, and what is still owed.

use super::{AttributeGrammar, Attributes};
use crate::bits;

/// No production needs as many decisions.
const PLENTY: u32 = 1 << 24;

/// A node whose production is known.
#[derive(Debug, Clone)]
struct Frame<I> {
    node: u32,
    production: u16,
    slot: u32,
    /// How many children have been begun.
    begun: u32,
    /// Where the children's synthesized attributes are.
    values: u32,
    inherited: I,
}

/// A node whose turn it is.
#[derive(Debug, Clone)]
pub(super) struct Turn<I> {
    pub(super) nonterminal: u16,
    /// The parent's index among the nodes, and which child this is; the root has neither.
    pub(super) parent: Option<(u32, u32)>,
    /// Whether the decision is about its lazy attribute.
    pub(super) lazy: bool,
    pub(super) inherited: I,
}

/// A node in the order of evaluation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made {
    pub(super) production: u16,
    pub(super) parent: u32,
    pub(super) slot: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Walk<A: Attributes> {
    frames: Vec<Frame<A::Inherited>>,
    values: Vec<Option<A::Synthesized>>,
    pub(super) made: Vec<Made>,
    pub(super) turn: Option<Turn<A::Inherited>>,
    /// What the root has synthesized.
    pub(super) result: Option<A::Synthesized>,
    /// What everything open but the node whose turn it is needs at least.
    owed: u32,
}

impl<A: Attributes> Walk<A> {
    pub(super) fn new(whole: &AttributeGrammar<'_, A>) -> Self {
        let start = whole.grammar.start();
        let turn = Turn {
            nonterminal: start,
            parent: None,
            lazy: whole.attributes.is_lazy(start),
            inherited: whole.attributes.root(),
        };
        Self {
            frames: Vec::new(),
            values: Vec::new(),
            made: Vec::new(),
            turn: Some(turn),
            result: None,
            owed: 0,
        }
    }

    /// Writes what may be decided now, `left` decisions before the end.
    pub(super) fn mask(&self, whole: &AttributeGrammar<'_, A>, left: u32, mask: &mut [u64]) {
        let Some(turn) = &self.turn else {
            mask.fill(0);
            bits::insert(mask, usize::from(whole.padding()));
            return;
        };
        let attributes = &whole.attributes;
        let spoken_for = self
            .owed
            .saturating_add(attributes.reserve(&turn.inherited));
        if turn.lazy {
            mask.fill(0);
            let needs = whole.least[usize::from(turn.nonterminal)];
            let Some(free) = left.checked_sub(spoken_for.saturating_add(needs)) else {
                return;
            };
            let first = whole.grammar.productions();
            attributes.offer(turn.nonterminal, &turn.inherited, free, |value| {
                bits::insert(mask, first + usize::from(value));
            });
            return;
        }
        let Some(free) = left.checked_sub(spoken_for.saturating_add(1)) else {
            return mask.fill(0);
        };
        mask.copy_from_slice(whole.table.row(turn.nonterminal, free.min(u32::MAX - 1)));
        if A::HAS_EXTRA && free < PLENTY {
            for (at, word) in mask.iter_mut().enumerate() {
                for bit in bits::ones(&[*word]) {
                    let production = (at * 64 + bit) as u16;
                    if whole.needs(production, &turn.inherited) > free {
                        *word &= !(1 << bit);
                    }
                }
            }
        }
        attributes.allow(turn.nonterminal, &turn.inherited, free, mask);
    }

    /// Decides the lazy attribute of the node whose turn it is.
    pub(super) fn promise(&mut self, whole: &AttributeGrammar<'_, A>, value: u16) {
        if let Some(turn) = &mut self.turn {
            whole
                .attributes
                .promise(turn.nonterminal, &mut turn.inherited, value);
            turn.lazy = false;
        }
    }

    /// Decides the production of the node whose turn it is, and goes to the next.
    ///
    /// # Errors
    /// A node that is now complete breaks a rule; its number among the nodes made, and the rule.
    pub(super) fn expand(
        &mut self,
        whole: &AttributeGrammar<'_, A>,
        production: u16,
    ) -> Result<(), (u32, String)> {
        let Some(turn) = self.turn.take() else {
            return Ok(());
        };
        let (parent, slot) = turn.parent.unwrap_or((0, 0));
        let node = self.made.len() as u32;
        self.made.push(Made {
            production,
            parent,
            slot,
        });
        let arity = whole.children(production).len();
        self.owed = self
            .owed
            .saturating_add(whole.needs(production, &turn.inherited));
        let values = self.values.len() as u32;
        self.values.resize_with(self.values.len() + arity, || None);
        self.frames.push(Frame {
            node,
            production,
            slot,
            begun: 0,
            values,
            inherited: turn.inherited,
        });
        self.advance(whole)
    }

    fn advance(&mut self, whole: &AttributeGrammar<'_, A>) -> Result<(), (u32, String)> {
        let attributes = &whole.attributes;
        while let Some(frame) = self.frames.last_mut() {
            let children = whole.children(frame.production);
            let siblings = &self.values[frame.values as usize..];
            if (frame.begun as usize) < children.len() {
                let child = attributes.order(frame.production, frame.begun as usize);
                frame.begun += 1;
                self.owed =
                    self.owed
                        .saturating_sub(whole.need(frame.production, child, &frame.inherited));
                let nonterminal = children[child];
                self.turn = Some(Turn {
                    nonterminal,
                    parent: Some((frame.node, child as u32)),
                    lazy: attributes.is_lazy(nonterminal),
                    inherited: attributes.inherit(
                        frame.production,
                        child,
                        &frame.inherited,
                        siblings,
                    ),
                });
                return Ok(());
            }
            let value = attributes.synthesize(frame.production, &frame.inherited, siblings);
            let value = value.map_err(|message| (frame.node, message))?;
            let slot = frame.slot;
            self.values.truncate(frame.values as usize);
            self.frames.pop();
            match self.frames.last() {
                Some(parent) => self.values[(parent.values + slot) as usize] = Some(value),
                None => self.result = Some(value),
            }
        }
        Ok(())
    }
}
