//! One derivation out of a finished chart, and whether there is another.
//!
//! The chart is walked from the end of the text to its start, children from right to left and a node behind its children: the reverse of the
//! leftmost derivation.

use super::MAX_DERIVATION;
use super::chart::{Chart, EMPTY, LEAP, NONE, SCANNED};
use super::tables::{Next, ROOT, Tables};
use crate::error::GrammarError;
use crate::grammar::{Grammar, Symbol};

/// A place where a derivation could be another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fork {
    /// The item that comes about in two ways, or that steps over a symbol that is empty in two ways.
    pub(super) item: u32,
    empty: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Derivation {
    /// Production of a node, and the item whose symbols left of the dot are still to be walked.
    frames: Vec<(u16, u32)>,
    chain: Vec<u32>,
    empties: Vec<(u16, bool)>,
}

impl Derivation {
    /// Writes the productions of one derivation, first to last, behind what is in `out`; the other way at `fork` where that is given.
    /// Returns the shortest part of the text at which the derivation could be another.
    pub(super) fn walk(
        &mut self,
        (grammar, tables, chart): (&Grammar, &Tables, &Chart),
        root: u32,
        mut turn: Option<Fork>,
        out: &mut Vec<u16>,
    ) -> Result<Option<Fork>, GrammarError> {
        let (begin, mut found, mut shortest) = (out.len(), None, usize::MAX);
        let state = |item: u32| tables.states[chart.items[item as usize].state as usize];
        self.frames.clear();
        self.frames.push((ROOT, root));
        while let Some((production, cursor)) = self.frames.last_mut() {
            let at = *cursor;
            if at == NONE || chart.items[at as usize].cause == NONE {
                if *production != ROOT {
                    out.push(*production);
                }
                self.frames.pop();
                continue;
            }
            let item = chart.items[at as usize];
            let (mut before, mut cause) = (item.before, item.cause);
            let mut fork = |empty: bool| {
                let length = chart.end_of(at) - item.origin as usize;
                if length < shortest {
                    (shortest, found) = (length, Some(Fork { item: at, empty }));
                }
            };
            if item.other != NONE {
                fork(false);
                if turn
                    == Some(Fork {
                        item: at,
                        empty: false,
                    })
                {
                    (before, cause) = chart.others[item.other as usize];
                    turn = None;
                }
            }
            if cause == SCANNED {
                *cursor = before;
            } else if cause == EMPTY {
                *cursor = before;
                let Next::Nonterminal(nonterminal) = tables.states[item.state as usize - 1].next
                else {
                    unreachable!("only nonterminals are empty");
                };
                if grammar.analysis.empty_ambiguous[usize::from(nonterminal)] {
                    fork(true);
                }
                let other = turn
                    == Some(Fork {
                        item: at,
                        empty: true,
                    });
                if other {
                    turn = None;
                }
                self.empty(grammar, nonterminal, other, out)?;
            } else if before == LEAP {
                // Every item of the chain finishes the next; the last of them stands behind the top.
                self.chain.clear();
                let (mut set, mut lhs) = (chart.items[cause as usize].origin, state(cause).lhs);
                while let Some(waiting) = chart.only(tables, set, lhs) {
                    self.chain.push(waiting);
                    let link = chart.items[waiting as usize];
                    if (link.state + 1, link.origin) == (item.state, item.origin) {
                        break;
                    }
                    (set, lhs) = (link.origin, state(waiting).lhs);
                }
                *cursor = self.chain.pop().expect("a leap has a chain");
                let links = self.chain.iter().rev();
                self.frames
                    .extend(links.map(|&link| (state(link).production, link)));
                self.frames.push((state(cause).production, cause));
            } else {
                *cursor = before;
                self.frames.push((state(cause).production, cause));
            }
            if out.len() > MAX_DERIVATION {
                return Err(too_long());
            }
        }
        out[begin..].reverse();
        Ok(found)
    }

    /// A shortest derivation of the empty text, or one that differs from it, written backwards.
    fn empty(
        &mut self,
        grammar: &Grammar,
        root: u16,
        mut other: bool,
        out: &mut Vec<u16>,
    ) -> Result<(), GrammarError> {
        let analysis = &grammar.analysis;
        let nullable =
            |symbol: &Symbol| matches!(symbol, Symbol::Nonterminal(n) if analysis.is_nullable(*n));
        // A node waits until its children, the last of them first, have been written.
        self.empties.clear();
        self.empties.push((root, false));
        while let Some((number, is_production)) = self.empties.pop() {
            if is_production {
                out.push(number);
                continue;
            }
            let shortest = analysis.shortest_empty[usize::from(number)];
            let mut production = shortest;
            if other {
                let mut choices = grammar.productions_of(number).iter();
                let another =
                    choices.find(|&&p| p != shortest && grammar.rhs(p).iter().all(nullable));
                if let Some(&another) = another {
                    (production, other) = (another, false);
                }
            }
            self.empties.push((production, true));
            self.empties
                .extend(grammar.children(production).map(|child| (child, false)));
            if out.len() + self.empties.len() > MAX_DERIVATION {
                return Err(too_long());
            }
        }
        Ok(())
    }
}

fn too_long() -> GrammarError {
    GrammarError::Limit {
        what: "the number of productions of a derivation",
        limit: MAX_DERIVATION,
    }
}
