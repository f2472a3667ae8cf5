//! Every derivation of bounded depth, one after the other.
//!
//! A nonterminal at depth `d` is expanded into symbols at depth `d - 1`; a terminal needs depth 1. Derivations come in the order of their production
//! numbers, the leftmost choice varying slowest: the order of the data set of the Grammar VAE.

use num_bigint::BigUint;

use crate::error::GrammarError;
use crate::grammar::{Grammar, Symbol};

/// Most productions of the longest derivation of a depth.
const MAX_LENGTH: u64 = 1 << 20;

/// Derivations in order; each is the sequence of its productions.
#[derive(Debug, Clone)]
pub struct Derivations<'g> {
    grammar: &'g Grammar,
    /// Least depth at which a nonterminal can end; `u32::MAX` if at none.
    least: Vec<u32>,
    productions: Vec<u16>,
    /// For every production so far, the nonterminals that were open before it: where they begin in `open`.
    opened: Vec<(u32, u32)>,
    started: bool,
    depth: u32,
    finished: bool,
    /// Open nonterminals as a list per node: (nonterminal, depth, next).
    open: Vec<(u16, u32, u32)>,
}

const NONE: u32 = u32::MAX;

impl Grammar {
    /// All derivations of at most this depth.
    ///
    /// # Errors
    /// A derivation of this depth may have more than a million productions.
    pub fn derivations(&self, depth: u32) -> Result<Derivations<'_>, GrammarError> {
        longest(self, depth)?;
        let least = least_depths(self);
        Ok(Derivations {
            grammar: self,
            finished: least[usize::from(self.start())] > depth,
            least,
            productions: Vec::new(),
            opened: Vec::new(),
            started: false,
            depth,
            open: Vec::new(),
        })
    }

    /// How many derivations have at most this depth.
    ///
    /// # Errors
    /// A derivation of this depth may have more than a million productions.
    pub fn count_to_depth(&self, depth: u32) -> Result<BigUint, GrammarError> {
        longest(self, depth)?;
        let mut counts = vec![BigUint::ZERO; self.nonterminals()];
        for depth in 1..=depth {
            let next = (0..self.nonterminals() as u16).map(|nonterminal| {
                let productions = self.productions_of(nonterminal).iter();
                let ways = productions.map(|&production| {
                    let solid = self
                        .rhs(production)
                        .iter()
                        .any(|s| matches!(s, Symbol::Terminal(_)));
                    if solid && depth < 2 {
                        return BigUint::ZERO;
                    }
                    self.children(production)
                        .map(|child| &counts[usize::from(child)])
                        .product()
                });
                ways.sum()
            });
            counts = next.collect();
        }
        Ok(counts[usize::from(self.start())].clone())
    }
}

/// Checks that no derivation of a depth is too long: they grow exponentially with the depth.
fn longest(grammar: &Grammar, depth: u32) -> Result<(), GrammarError> {
    let mut lengths = vec![0_u64; grammar.nonterminals()];
    for _ in 0..depth {
        let next: Vec<u64> = (0..grammar.nonterminals() as u16)
            .map(|nonterminal| {
                let lengths = grammar
                    .productions_of(nonterminal)
                    .iter()
                    .map(|&production| {
                        let children = grammar.children(production);
                        children
                            .map(|child| lengths[usize::from(child)])
                            .fold(1, u64::saturating_add)
                    });
                lengths.max().unwrap_or(0)
            })
            .collect();
        if next[usize::from(grammar.start())] > MAX_LENGTH {
            let what = "the number of productions of the longest derivation of this depth";
            return Err(GrammarError::Limit {
                what,
                limit: MAX_LENGTH as usize,
            });
        }
        if next == lengths {
            break;
        }
        lengths = next;
    }
    Ok(())
}

fn least_depth(grammar: &Grammar, production: u16, least: &[u32]) -> u32 {
    let symbols = grammar.rhs(production).iter().map(|symbol| match symbol {
        Symbol::Terminal(_) => 1,
        Symbol::Nonterminal(child) => least[usize::from(*child)],
    });
    symbols.max().unwrap_or(0).saturating_add(1)
}

/// Rounds of depth 1, 2, …: a nonterminal that no round up to their number reached never ends.
fn least_depths(grammar: &Grammar) -> Vec<u32> {
    let mut least = vec![u32::MAX; grammar.nonterminals()];
    loop {
        let mut changed = false;
        for production in 0..grammar.productions() as u16 {
            let depth = least_depth(grammar, production, &least);
            let known = &mut least[usize::from(grammar.lhs(production))];
            if depth < *known {
                (*known, changed) = (depth, true);
            }
        }
        if !changed {
            return least;
        }
    }
}

impl Derivations<'_> {
    /// The next derivation, or `None` after the last.
    pub fn next_productions(&mut self) -> Option<&[u16]> {
        if self.finished {
            return None;
        }
        let front = if self.started {
            self.advance()
        } else {
            Some(self.root())
        };
        self.started = true;
        let Some(front) = front else {
            self.finished = true;
            return None;
        };
        self.complete(front);
        Some(&self.productions)
    }

    fn root(&mut self) -> u32 {
        self.open.push((self.grammar.start(), self.depth, NONE));
        0
    }

    /// Replaces the last production that can be replaced; the list of nonterminals that are then open.
    fn advance(&mut self) -> Option<u32> {
        while let Some(last) = self.productions.pop() {
            let (node, length) = self.opened.pop()?;
            self.open.truncate(length as usize);
            let (nonterminal, depth, _) = self.open[node as usize];
            let choices = self.grammar.productions_of(nonterminal);
            let next = choices
                .iter()
                .find(|&&p| p > last && least_depth(self.grammar, p, &self.least) <= depth);
            if let Some(&next) = next {
                return Some(self.expand(node, next));
            }
        }
        None
    }

    /// Takes the first production that fits, again and again.
    fn complete(&mut self, mut front: u32) {
        while front != NONE {
            let (nonterminal, depth, _) = self.open[front as usize];
            let mut choices = self.grammar.productions_of(nonterminal).iter();
            let fits = |&&p: &&u16| least_depth(self.grammar, p, &self.least) <= depth;
            let first = choices
                .find(fits)
                .expect("a nonterminal is opened only where it can end");
            front = self.expand(front, *first);
        }
    }

    fn expand(&mut self, node: u32, production: u16) -> u32 {
        let (_, depth, mut front) = self.open[node as usize];
        self.opened.push((node, self.open.len() as u32));
        self.productions.push(production);
        for child in self.grammar.children(production).rev() {
            self.open.push((child, depth - 1, front));
            front = self.open.len() as u32 - 1;
        }
        front
    }
}
