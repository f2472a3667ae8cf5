//! All derivations of a text at once, span by span: whether there is one, how many there are, and their probability.
//!
//! Cocke, Younger & Kasami's table over productions with a dot, which is a binary form of the grammar that keeps its production numbers
//! (Lange & Leiss, "To CNF or not to CNF?", 2009). `value(A, i, j)` sums over derivations of the terminals from `i` to `j`:
//!
//! `value(A, i, j) = sum_r w_r value(r, 0, i, j)`, `value(r, d, i, j) = sum_m value(X_d, i, m) value(r, d + 1, m, j)`
//!
//! What depends on the same span (`m = i`, `m = j`: unit and empty productions) is iterated to its fixed point. `O(n^3 |G|)` always: the oracle of
//! the parser's tests, and the inside algorithm of probabilistic grammars.

use num_bigint::BigUint;

use crate::error::GrammarError;
use crate::grammar::{Grammar, Symbol};

/// Most entries of the table.
const MAX_CELLS: usize = 1 << 22;
/// Most rounds towards a fixed point of probabilities.
const MAX_ROUNDS: usize = 10_000;
/// Most sums of the whole table: a minute for counts, less for others.
const MAX_SUMS: usize = 1 << 30;

/// What is summed over derivations.
trait Value: Clone {
    fn zero() -> Self;
    fn one() -> Self;
    fn weight(grammar: &Grammar, production: u16) -> Self;
    fn is_zero(&self) -> bool;
    fn plus(&mut self, other: Self);
    fn times(&self, other: &Self) -> Self;
    /// Whether another round changed nothing.
    fn same(&self, newer: &Self) -> bool;
    /// What a value that changes round after round, although nothing acyclic is left, comes to.
    fn unbounded(self) -> Self;
}

impl Value for bool {
    fn zero() -> Self {
        false
    }
    fn one() -> Self {
        true
    }
    fn weight(_: &Grammar, _: u16) -> Self {
        true
    }
    fn is_zero(&self) -> bool {
        !self
    }
    fn plus(&mut self, other: Self) {
        *self |= other;
    }
    fn times(&self, other: &Self) -> Self {
        *self && *other
    }
    fn same(&self, newer: &Self) -> bool {
        self == newer
    }
    fn unbounded(self) -> Self {
        self
    }
}

/// A number of derivations; `None` is infinity.
#[derive(Debug, Clone, PartialEq)]
struct Count(Option<BigUint>);

impl Value for Count {
    fn zero() -> Self {
        Self(Some(BigUint::ZERO))
    }
    fn one() -> Self {
        Self(Some(1_u32.into()))
    }
    fn weight(_: &Grammar, _: u16) -> Self {
        Self::one()
    }
    fn is_zero(&self) -> bool {
        self.0 == Some(BigUint::ZERO)
    }
    fn plus(&mut self, other: Self) {
        self.0 = self.0.take().zip(other.0).map(|(a, b)| a + b);
    }
    fn times(&self, other: &Self) -> Self {
        if self.is_zero() || other.is_zero() {
            return Self::zero();
        }
        Self(self.0.as_ref().zip(other.0.as_ref()).map(|(a, b)| a * b))
    }
    fn same(&self, newer: &Self) -> bool {
        self == newer
    }
    fn unbounded(self) -> Self {
        Self(None)
    }
}

/// A probability as its logarithm.
#[derive(Debug, Clone)]
struct Ln(f64);

impl Value for Ln {
    fn zero() -> Self {
        Self(f64::NEG_INFINITY)
    }
    fn one() -> Self {
        Self(0.0)
    }
    fn weight(grammar: &Grammar, production: u16) -> Self {
        Self(grammar.probability(production).ln())
    }
    fn is_zero(&self) -> bool {
        self.0 == f64::NEG_INFINITY
    }
    fn plus(&mut self, other: Self) {
        let (low, high) = if self.0 < other.0 {
            (self.0, other.0)
        } else {
            (other.0, self.0)
        };
        if high != f64::NEG_INFINITY {
            self.0 = high + (low - high).exp().ln_1p();
        }
    }
    fn times(&self, other: &Self) -> Self {
        Self(self.0 + other.0)
    }
    fn same(&self, newer: &Self) -> bool {
        self.0 == newer.0 || (self.0 - newer.0).abs() < 1e-14
    }
    fn unbounded(self) -> Self {
        self
    }
}

impl Grammar {
    /// Whether a sequence of terminals is of the language.
    ///
    /// # Errors
    /// The table would have more than about four million entries, or take more than about 2^30 sums.
    pub fn recognizes(&self, terminals: &[u16]) -> Result<bool, GrammarError> {
        table::<bool>(self, terminals)
    }

    /// How many derivations a sequence of terminals has; `None` if infinitely many.
    ///
    /// # Errors
    /// The table would have more than about four million entries, or take more than about 2^30 sums.
    pub fn derivations_of(&self, terminals: &[u16]) -> Result<Option<BigUint>, GrammarError> {
        Ok(table::<Count>(self, terminals)?.0)
    }

    /// The logarithm of the probability of a sequence of terminals, over all of its derivations: the inside probability of the start symbol.
    ///
    /// # Errors
    /// The table would have more than about four million entries, or take more than about 2^30 sums.
    pub fn ln_inside(&self, terminals: &[u16]) -> Result<f64, GrammarError> {
        Ok(table::<Ln>(self, terminals)?.0)
    }
}

/// The table is flat: per span the nonterminals, then the productions with a dot.
struct Table<'g, V> {
    grammar: &'g Grammar,
    /// The first dotted production of every production.
    first: Vec<usize>,
    width: usize,
    length: usize,
    cells: Vec<V>,
    sums: usize,
}

fn table<V: Value>(grammar: &Grammar, terminals: &[u16]) -> Result<V, GrammarError> {
    let mut width = grammar.nonterminals();
    let mut first = Vec::new();
    for production in 0..grammar.productions() {
        first.push(width);
        width += grammar.rhs(production as u16).len() + 1;
    }
    let length = terminals.len();
    let cells = (length + 1)
        .checked_mul(length + 1)
        .and_then(|spans| spans.checked_mul(width));
    let Some(cells) = cells.filter(|&cells| cells <= MAX_CELLS) else {
        return Err(GrammarError::Limit {
            what: "the number of entries of the table of all spans",
            limit: MAX_CELLS,
        });
    };
    let mut table = Table {
        grammar,
        first,
        width,
        length,
        cells: vec![V::zero(); cells],
        sums: 0,
    };
    for size in 0..=length {
        for start in 0..=length - size {
            table.fill(start, start + size, terminals)?;
        }
    }
    Ok(table.at(usize::from(grammar.start()), 0, length).clone())
}

impl<V: Value> Table<'_, V> {
    fn cell(&self, what: usize, start: usize, end: usize) -> usize {
        (start * (self.length + 1) + end) * self.width + what
    }

    fn at(&self, what: usize, start: usize, end: usize) -> &V {
        &self.cells[self.cell(what, start, end)]
    }

    fn fill(&mut self, start: usize, end: usize, terminals: &[u16]) -> Result<(), GrammarError> {
        let grammar = self.grammar;
        self.sums += self.width * (end - start);
        // What comes from shorter spans is known.
        let mut known = vec![V::zero(); self.width];
        for production in 0..grammar.productions() as u16 {
            let rhs = grammar.rhs(production);
            let first = self.first[usize::from(production)];
            for (dot, symbol) in rhs.iter().enumerate() {
                let rest = first + dot + 1;
                known[first + dot] = match *symbol {
                    Symbol::Terminal(terminal) => {
                        if start < end && terminals[start] == terminal {
                            self.at(rest, start + 1, end).clone()
                        } else {
                            V::zero()
                        }
                    }
                    Symbol::Nonterminal(nonterminal) => {
                        let mut sum = V::zero();
                        for middle in start + 1..end {
                            let left = self.at(usize::from(nonterminal), start, middle);
                            if !left.is_zero() {
                                sum.plus(left.times(self.at(rest, middle, end)));
                            }
                        }
                        sum
                    }
                };
            }
            if start == end {
                // Nothing is left behind the last symbol.
                known[first + rhs.len()] = V::one();
            }
        }
        self.settle(start, end, &known)
    }

    fn settle(&mut self, start: usize, end: usize, known: &[V]) -> Result<(), GrammarError> {
        let grammar = self.grammar;
        let acyclic = grammar.nonterminals() + 2;
        for round in 0..MAX_ROUNDS {
            let mut changed = false;
            self.sums += self.width;
            if self.sums > MAX_SUMS {
                return Err(GrammarError::Limit {
                    what: "the number of sums over spans",
                    limit: MAX_SUMS,
                });
            }
            for nonterminal in 0..grammar.nonterminals() as u16 {
                let mut sum = V::zero();
                for &production in grammar.productions_of(nonterminal) {
                    let first = self.first[usize::from(production)];
                    self.suffixes(production, start, end, known);
                    sum.plus(V::weight(grammar, production).times(self.at(first, start, end)));
                }
                let cell = self.cell(usize::from(nonterminal), start, end);
                if !self.cells[cell].same(&sum) {
                    changed = true;
                    self.cells[cell] = if round > acyclic {
                        sum.unbounded()
                    } else {
                        sum
                    };
                }
            }
            if !changed {
                break;
            }
        }
        Ok(())
    }

    /// The dotted productions of one production, the dot moving to the front.
    fn suffixes(&mut self, production: u16, start: usize, end: usize, known: &[V]) {
        let grammar = self.grammar;
        let first = self.first[usize::from(production)];
        let rhs = grammar.rhs(production);
        let last = self.cell(first + rhs.len(), start, end);
        self.cells[last] = known[first + rhs.len()].clone();
        for (dot, symbol) in rhs.iter().enumerate().rev() {
            let mut sum = known[first + dot].clone();
            if let Symbol::Nonterminal(nonterminal) = *symbol {
                let (what, rest) = (usize::from(nonterminal), first + dot + 1);
                sum.plus(self.at(what, start, end).times(self.at(rest, end, end)));
                if start < end {
                    sum.plus(self.at(what, start, start).times(self.at(rest, start, end)));
                }
            }
            let cell = self.cell(first + dot, start, end);
            self.cells[cell] = sum;
        }
    }
}
