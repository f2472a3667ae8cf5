//! Exact numbers of derivations by their number of productions, and derivations drawn so that each is as likely.
//!
//! `N(A, t) = sum_{r: A -> beta} C(beta, t - 1)`, `C(B beta, t) = sum_s N(B, s) C(beta, t - s)`, `C(empty, 0) = 1`, over the nonterminals of a right-hand
//! side; right-hand sides that end alike share their sums. A draw goes the same way down: length, production, lengths of the children
//! (Nijenhuis & Wilf, "Combinatorial Algorithms", 1978).

use std::collections::HashMap;

use num_bigint::BigUint;

use crate::draws::Draws;
use crate::error::GrammarError;
use crate::grammar::Grammar;

/// Most multiplications of two 64-bit words: a few seconds.
const MAX_WORK: u64 = 1 << 32;
/// Most bytes of all numbers.
const MAX_BYTES: u64 = 1 << 30;

/// What the nonterminals behind a point of a right-hand side are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Rest {
    Nothing,
    One(u16),
    Several { first: u16, rest: u32 },
}

/// Numbers of derivations of every nonterminal.
#[derive(Debug, Clone)]
pub struct Counts<'g> {
    grammar: &'g Grammar,
    max_productions: usize,
    /// `N(A, t)` at `A * (T + 1) + t`.
    derivations: Vec<BigUint>,
    /// What each production's right-hand side is.
    rhs: Vec<Rest>,
    /// The rests of several nonterminals, what they consist of, and `C(rest, t)`.
    several: Vec<(u16, Rest)>,
    splits: Vec<BigUint>,
    at_most: BigUint,
}

impl<'g> Counts<'g> {
    /// Counts derivations of at most so many productions.
    ///
    /// # Errors
    /// It would take more than a few seconds or a gigabyte.
    pub fn new(grammar: &'g Grammar, max_productions: usize) -> Result<Self, GrammarError> {
        let (rhs, several) = rests(grammar);
        let width = max_productions.saturating_add(1);
        let cells = width.saturating_mul(grammar.nonterminals() + several.len());
        if (cells as u64).saturating_mul(24) > MAX_BYTES {
            return Err(too_much());
        }
        let mut counts = Self {
            grammar,
            max_productions,
            derivations: vec![BigUint::ZERO; width * grammar.nonterminals()],
            rhs,
            splits: vec![BigUint::ZERO; width * several.len()],
            several,
            at_most: BigUint::ZERO,
        };
        let (mut work, mut bytes) = (0, 0);
        for t in 1..=max_productions {
            for nonterminal in 0..grammar.nonterminals() as u16 {
                let mut sum = BigUint::ZERO;
                for &production in grammar.productions_of(nonterminal) {
                    if let Some(ways) = counts.ways(counts.rhs[usize::from(production)], t - 1) {
                        sum += ways;
                    }
                }
                bytes += sum.bits() / 8;
                counts.derivations[usize::from(nonterminal) * width + t] = sum;
            }
            for at in 0..counts.several.len() {
                let sum = counts.split(at, t, &mut work);
                bytes += sum.bits() / 8;
                counts.splits[at * width + t] = sum;
                if work > MAX_WORK || bytes > MAX_BYTES {
                    return Err(too_much());
                }
            }
            let total = &counts.at_most + counts.exactly(grammar.start(), t);
            counts.at_most = total;
        }
        Ok(counts)
    }

    /// How many derivations of the start symbol have at most `T` productions.
    #[must_use]
    pub fn at_most(&self) -> &BigUint {
        &self.at_most
    }

    /// How many derivations of a nonterminal have exactly so many productions.
    ///
    /// # Panics
    /// When that is more than was counted.
    #[must_use]
    pub fn exactly(&self, nonterminal: u16, productions: usize) -> &BigUint {
        let most = self.max_productions;
        assert!(
            productions <= most,
            "expected at most {most} productions, got {productions}"
        );
        &self.derivations[usize::from(nonterminal) * (most + 1) + productions]
    }

    /// Draws one of the derivations of at most `T` productions, each as likely; `None` if there are none.
    pub fn sample(&self, draws: &mut Draws) -> Option<Vec<u16>> {
        if self.at_most == BigUint::ZERO {
            return None;
        }
        let (mut index, mut size) = (draws.below_big(&self.at_most), 0);
        while index >= *self.exactly(self.grammar.start(), size) {
            index -= self.exactly(self.grammar.start(), size);
            size += 1;
        }
        let mut productions = Vec::with_capacity(size);
        let mut open = vec![(self.grammar.start(), size)];
        let mut sizes = Vec::new();
        while let Some((nonterminal, size)) = open.pop() {
            let production = self.draw_production(nonterminal, size, draws);
            productions.push(production);
            sizes.clear();
            self.draw_sizes(
                self.rhs[usize::from(production)],
                size - 1,
                &mut sizes,
                draws,
            );
            let children = self.grammar.children(production).rev();
            open.extend(children.zip(sizes.iter().rev().copied()));
        }
        Some(productions)
    }

    fn draw_production(&self, nonterminal: u16, size: usize, draws: &mut Draws) -> u16 {
        let mut index = draws.below_big(self.exactly(nonterminal, size));
        for &production in self.grammar.productions_of(nonterminal) {
            if let Some(ways) = self.ways(self.rhs[usize::from(production)], size - 1) {
                if index < *ways {
                    return production;
                }
                index -= ways;
            }
        }
        unreachable!("the ways of the productions sum to the number of derivations")
    }

    fn draw_sizes(
        &self,
        mut rest: Rest,
        mut size: usize,
        sizes: &mut Vec<usize>,
        draws: &mut Draws,
    ) {
        while let Rest::Several { first, rest: at } = rest {
            let width = self.max_productions + 1;
            let mut index = draws.below_big(&self.splits[at as usize * width + size]);
            rest = self.several[at as usize].1;
            for taken in 1..size {
                let Some(others) = self.ways(rest, size - taken) else {
                    continue;
                };
                let ways = self.exactly(first, taken) * others;
                if index < ways {
                    sizes.push(taken);
                    size -= taken;
                    break;
                }
                index -= ways;
            }
        }
        if let Rest::One(_) = rest {
            sizes.push(size);
        }
    }

    /// `C(rest, t)`; `None` for 0.
    fn ways(&self, rest: Rest, t: usize) -> Option<&BigUint> {
        static ONE: std::sync::LazyLock<BigUint> = std::sync::LazyLock::new(|| 1_u32.into());
        let ways = match rest {
            Rest::Nothing if t == 0 => &ONE,
            Rest::Nothing => return None,
            Rest::One(nonterminal) => self.exactly(nonterminal, t),
            Rest::Several { rest, .. } => {
                &self.splits[rest as usize * (self.max_productions + 1) + t]
            }
        };
        (*ways != BigUint::ZERO).then_some(ways)
    }

    fn split(&self, at: usize, t: usize, work: &mut u64) -> BigUint {
        let (first, rest) = self.several[at];
        let mut sum = BigUint::ZERO;
        for taken in 1..t {
            let derivations = self.exactly(first, taken);
            if *derivations == BigUint::ZERO {
                continue;
            }
            if let Some(others) = self.ways(rest, t - taken) {
                *work += (derivations.bits() / 64 + 1) * (others.bits() / 64 + 1);
                sum += derivations * others;
            }
        }
        *work += t as u64;
        sum
    }
}

/// What every right-hand side is, equal ends shared.
fn rests(grammar: &Grammar) -> (Vec<Rest>, Vec<(u16, Rest)>) {
    let mut several = Vec::new();
    let mut known = HashMap::new();
    let all = (0..grammar.productions() as u16).map(|production| {
        grammar
            .children(production)
            .rev()
            .fold(Rest::Nothing, |rest, first| match rest {
                Rest::Nothing => Rest::One(first),
                rest => *known.entry((first, rest)).or_insert_with(|| {
                    several.push((first, rest));
                    Rest::Several {
                        first,
                        rest: several.len() as u32 - 1,
                    }
                }),
            })
    });
    (all.collect(), several)
}

fn too_much() -> GrammarError {
    GrammarError::Limit {
        what: "counting derivations, in multiplications of words,",
        limit: MAX_WORK as usize,
    }
}
