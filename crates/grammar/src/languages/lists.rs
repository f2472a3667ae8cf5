//! A typed language of lists with five functions: the machinery of attributes at work for program synthesis.
//!
//! `v2=sort(v0);v3=head(v2);v4=add(v3,v1)`: the first statement defines `v2`, each next one the next variable; a variable is used only behind its definition,
//! and only as the type it has. What remains is straight-line code that always runs.

use super::productions::{block, nonterminal, production};
use crate::attribute::{Attributes, keep};
use crate::bits;
use crate::grammar::Grammar;

/// The first variable that a program defines; before it are the inputs, a list and an integer.
const FIRST: u8 = 2;
/// How many variables there are.
const VARIABLES: u8 = 10;

/// What a node of a program knows. Bit `i` of the sets stands for `v_i`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Variables that are lists.
    pub lists: u16,
    /// Variables that are integers.
    pub integers: u16,
    /// The variable that is defined next.
    pub next: u8,
    wants_list: bool,
}

/// The attributes of the language.
#[derive(Debug, Clone)]
pub struct Lists {
    program: u16,
    source: u16,
    target: u16,
    /// The production that reads a list.
    list: u16,
    statement: u16,
    more: u16,
    sources: (u16, u16),
    targets: (u16, u16),
    calls: (u16, u16),
    /// For every production of `call`, whether it gives a list.
    gives_list: Vec<bool>,
}

impl Lists {
    /// The attributes of the language `lists`.
    ///
    /// # Panics
    /// When the grammar is another.
    #[must_use]
    pub fn new(grammar: &Grammar) -> Self {
        let calls = block(grammar, "call");
        let gives = |p: u16| {
            let shown = grammar.show(p);
            ["sort(", "take("]
                .iter()
                .any(|function| shown.contains(function))
        };
        Self {
            program: nonterminal(grammar, "program"),
            source: nonterminal(grammar, "source"),
            target: nonterminal(grammar, "target"),
            list: production(grammar, "list -> 'v' source"),
            statement: grammar.productions_of(nonterminal(grammar, "statement"))[0],
            more: grammar.productions_of(nonterminal(grammar, "program"))[1],
            sources: block(grammar, "source"),
            targets: block(grammar, "target"),
            gives_list: (calls.0..calls.0 + calls.1).map(gives).collect(),
            calls,
        }
    }
}

impl Attributes for Lists {
    type Inherited = Known;
    /// What is known behind a node; of a call, with what it defines.
    type Synthesized = Known;

    fn root(&self) -> Known {
        Known {
            lists: 1,
            integers: 2,
            next: FIRST,
            wants_list: false,
        }
    }

    fn allow(&self, nonterminal: u16, known: &Known, _free: u32, allowed: &mut [u64]) {
        if nonterminal == self.source {
            let set = if known.wants_list {
                known.lists
            } else {
                known.integers
            };
            keep(allowed, self.sources.0, self.sources.1, set.into());
        } else if nonterminal == self.target {
            keep(allowed, self.targets.0, self.targets.1, 1 << known.next);
        } else if nonterminal == self.program && known.next + 1 == VARIABLES {
            bits::remove(allowed, usize::from(self.more));
        }
    }

    fn inherit(
        &self,
        production: u16,
        child: usize,
        known: &Known,
        siblings: &[Option<Known>],
    ) -> Known {
        if production == self.more && child == 1 {
            return siblings[0].unwrap_or(*known);
        }
        // A list is a variable of that type; whatever else reads a variable reads an integer.
        Known {
            wants_list: production == self.list,
            ..*known
        }
    }

    fn synthesize(
        &self,
        production: u16,
        known: &Known,
        children: &[Option<Known>],
    ) -> Result<Known, String> {
        let mut known = *known;
        if production == self.statement || production == self.more {
            return Ok(children.last().copied().flatten().unwrap_or(known));
        }
        let call = usize::from(production).checked_sub(usize::from(self.calls.0));
        if let Some(&list) = call.and_then(|call| self.gives_list.get(call)) {
            let set = if list {
                &mut known.lists
            } else {
                &mut known.integers
            };
            *set |= 1 << known.next;
            known.next += 1;
        }
        Ok(known)
    }
}
