//! Productions with a dot, numbered so that moving the dot adds 1.

use crate::grammar::{Grammar, Symbol};

/// What stands behind the dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Nonterminal(u16),
    Terminal(u16),
    Done,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    pub(super) next: Next,
    pub(super) production: u16,
    pub(super) lhs: u16,
}

/// The production `-> start` that every parse begins with, and its left-hand side.
pub(super) const ROOT: u16 = u16::MAX;

#[derive(Debug, Clone)]
pub(super) struct Tables {
    pub(super) states: Vec<State>,
    /// The state of a production with the dot in front; the root's is the last.
    pub(super) first: Vec<u32>,
}

impl Tables {
    pub(super) fn new(grammar: &Grammar) -> Self {
        let (mut states, mut first) = (Vec::new(), Vec::new());
        let mut add = |production: u16, lhs: u16, rhs: &[Symbol]| {
            first.push(states.len() as u32);
            let next = rhs.iter().map(|symbol| match *symbol {
                Symbol::Nonterminal(nonterminal) => Next::Nonterminal(nonterminal),
                Symbol::Terminal(terminal) => Next::Terminal(terminal),
            });
            states.extend(next.chain([Next::Done]).map(|next| State {
                next,
                production,
                lhs,
            }));
        };
        for production in 0..grammar.productions() as u16 {
            add(production, grammar.lhs(production), grammar.rhs(production));
        }
        add(ROOT, ROOT, &[Symbol::Nonterminal(grammar.start())]);
        Self { states, first }
    }

    pub(super) fn root(&self) -> u32 {
        self.first[self.first.len() - 1]
    }
}
