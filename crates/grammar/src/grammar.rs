//! A context-free grammar as flat arrays: symbols and productions are small numbers in the order of the text.
//!
//! `G = (V, Sigma, R, S)`: nonterminals, terminals, productions `r: alpha -> beta`, start symbol. The production number is what
//! derivations, masks and models are made of; it is the position in the text the grammar was read from.

use std::fmt;

use crate::analysis::Analysis;
use crate::error::GrammarError;
use crate::lexer::Lexer;

/// Most productions of a grammar, so that a number fits 16 bits with room for padding and attribute values.
pub const MAX_PRODUCTIONS: usize = 32_768;
/// Most terminals of a grammar.
pub const MAX_TERMINALS: usize = 4_096;
/// Most symbols on all right-hand sides together.
pub const MAX_SYMBOLS: usize = 262_144;
/// Most characters of a terminal.
pub const MAX_TERMINAL_LENGTH: usize = 256;

/// One symbol of a right-hand side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Symbol {
    /// Stands for what one of its productions says.
    Nonterminal(u16),
    /// Stands for itself.
    Terminal(u16),
}

/// A terminal: a string, or any one character of a class that was too wide to be written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    pub(crate) text: String,
    /// Sorted, disjoint, inclusive; empty for a string.
    pub(crate) class: Vec<(char, char)>,
}

impl Terminal {
    /// The string, or one character that stands for the class.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The ranges of characters, both ends included, if this is a class.
    #[must_use]
    pub fn class(&self) -> &[(char, char)] {
        &self.class
    }
}

impl fmt::Display for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.class.is_empty() {
            return write!(f, "'{}'", self.text.escape_debug());
        }
        f.write_str("[")?;
        for &(low, high) in &self.class {
            if low == high {
                write!(f, "{}", low.escape_debug())?;
            } else {
                write!(f, "{}-{}", low.escape_debug(), high.escape_debug())?;
            }
        }
        f.write_str("]")
    }
}

/// What a nonterminal that was not in the text stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desugared {
    /// The expression as it was written.
    pub text: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// A nonterminal as it is drafted.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) desugared: Option<Desugared>,
}

/// What a reader of text hands over.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) nonterminals: Vec<Named>,
    pub(crate) terminals: Vec<Terminal>,
    pub(crate) productions: Vec<(u16, Vec<Symbol>)>,
    /// One per production, or none at all.
    pub(crate) probabilities: Vec<f64>,
    pub(crate) start: u16,
}

/// A context-free grammar.
#[derive(Debug, Clone)]
pub struct Grammar {
    nonterminals: Vec<Named>,
    terminals: Vec<Terminal>,
    start: u16,
    lhs: Vec<u16>,
    rhs: Vec<Symbol>,
    rhs_at: Vec<u32>,
    by_lhs: Vec<u16>,
    by_lhs_at: Vec<u32>,
    probabilities: Vec<f64>,
    pub(crate) analysis: Analysis,
    pub(crate) lexer: Lexer,
    skips_spaces: bool,
}

impl Grammar {
    pub(crate) fn new(draft: Draft) -> Result<Self, GrammarError> {
        let limits = [
            (
                "the number of productions",
                draft.productions.len(),
                MAX_PRODUCTIONS,
            ),
            (
                "the number of nonterminals",
                draft.nonterminals.len(),
                MAX_PRODUCTIONS,
            ),
            (
                "the number of terminals",
                draft.terminals.len(),
                MAX_TERMINALS,
            ),
            (
                "the number of symbols on right-hand sides",
                draft.productions.iter().map(|(_, rhs)| rhs.len()).sum(),
                MAX_SYMBOLS,
            ),
            (
                "the number of characters of a terminal",
                draft
                    .terminals
                    .iter()
                    .map(|t| t.text.len())
                    .max()
                    .unwrap_or(0),
                MAX_TERMINAL_LENGTH,
            ),
        ];
        for (what, size, limit) in limits {
            if size > limit {
                return Err(GrammarError::Limit { what, limit });
            }
        }
        let mut grammar = Self {
            start: draft.start,
            lhs: draft.productions.iter().map(|&(lhs, _)| lhs).collect(),
            rhs: Vec::new(),
            rhs_at: vec![0],
            by_lhs: Vec::new(),
            by_lhs_at: vec![0],
            probabilities: draft.probabilities,
            analysis: Analysis::default(),
            lexer: Lexer::new(&draft.terminals),
            nonterminals: draft.nonterminals,
            terminals: draft.terminals,
            skips_spaces: false,
        };
        for (_, rhs) in &draft.productions {
            grammar.rhs.extend_from_slice(rhs);
            grammar.rhs_at.push(grammar.rhs.len() as u32);
        }
        grammar.index_left_sides();
        grammar.analysis = Analysis::new(&grammar);
        if grammar.analysis.fewest[usize::from(grammar.start)] == u32::MAX {
            return Err(GrammarError::Grammar {
                message: format!(
                    "`{}` derives no text at all: every one of its productions needs a symbol without an end; \
                     give it a production of terminals only",
                    grammar.name(grammar.start)
                ),
            });
        }
        Ok(grammar)
    }

    /// Productions in the order of their left-hand sides, each group in the order of the text.
    fn index_left_sides(&mut self) {
        let mut order: Vec<u16> = (0..self.lhs.len() as u16).collect();
        order.sort_by_key(|&production| self.lhs[usize::from(production)]);
        let mut at = 0;
        for nonterminal in 0..self.nonterminals.len() {
            while order
                .get(at)
                .is_some_and(|&p| usize::from(self.lhs[usize::from(p)]) == nonterminal)
            {
                at += 1;
            }
            self.by_lhs_at.push(at as u32);
        }
        self.by_lhs = order;
    }

    /// How many productions there are, the `D` of a one-hot without padding.
    #[must_use]
    pub fn productions(&self) -> usize {
        self.lhs.len()
    }

    /// How many nonterminals there are.
    #[must_use]
    pub fn nonterminals(&self) -> usize {
        self.nonterminals.len()
    }

    /// All terminals; a terminal is its position here.
    #[must_use]
    pub fn terminals(&self) -> &[Terminal] {
        &self.terminals
    }

    /// The start symbol.
    #[must_use]
    pub fn start(&self) -> u16 {
        self.start
    }

    /// The left-hand side of a production.
    #[must_use]
    pub fn lhs(&self, production: u16) -> u16 {
        self.lhs[usize::from(production)]
    }

    /// The right-hand side of a production.
    #[must_use]
    pub fn rhs(&self, production: u16) -> &[Symbol] {
        let at = usize::from(production);
        &self.rhs[self.rhs_at[at] as usize..self.rhs_at[at + 1] as usize]
    }

    /// The nonterminals on the right-hand side of a production, left to right.
    #[must_use]
    pub fn children(&self, production: u16) -> impl DoubleEndedIterator<Item = u16> + '_ {
        self.rhs(production)
            .iter()
            .filter_map(|symbol| match symbol {
                Symbol::Nonterminal(nonterminal) => Some(*nonterminal),
                Symbol::Terminal(_) => None,
            })
    }

    /// The productions of a nonterminal, in the order of the text.
    #[must_use]
    pub fn productions_of(&self, nonterminal: u16) -> &[u16] {
        let at = usize::from(nonterminal);
        &self.by_lhs[self.by_lhs_at[at] as usize..self.by_lhs_at[at + 1] as usize]
    }

    /// The name of a nonterminal; one that stands for a part of a rule is called after the rule, with a number.
    #[must_use]
    pub fn name(&self, nonterminal: u16) -> &str {
        &self.nonterminals[usize::from(nonterminal)].name
    }

    /// The nonterminal of a name.
    #[must_use]
    pub fn nonterminal(&self, name: &str) -> Option<u16> {
        let at = self
            .nonterminals
            .iter()
            .position(|named| named.name == name)?;
        Some(at as u16)
    }

    /// The terminal of a text.
    #[must_use]
    pub fn terminal(&self, text: &str) -> Option<u16> {
        let at = self
            .terminals
            .iter()
            .position(|terminal| terminal.class.is_empty() && terminal.text == text)?;
        Some(at as u16)
    }

    /// The expression that a nonterminal without a rule of its own stands for: the map back from `?`, `*`, `+`, `{m,n}`, groups and
    /// classes of characters.
    #[must_use]
    pub fn desugared(&self, nonterminal: u16) -> Option<&Desugared> {
        self.nonterminals[usize::from(nonterminal)]
            .desugared
            .as_ref()
    }

    /// Whether the grammar states probabilities.
    #[must_use]
    pub fn is_probabilistic(&self) -> bool {
        !self.probabilities.is_empty()
    }

    /// The probability of a production given its left-hand side: as stated, else the same for all.
    #[must_use]
    pub fn probability(&self, production: u16) -> f64 {
        match self.probabilities.get(usize::from(production)) {
            Some(&probability) => probability,
            None => 1.0 / self.productions_of(self.lhs(production)).len() as f64,
        }
    }

    /// Lets spaces, tabs and line ends stand between terminals in texts that are read. Spaces at the ends of a terminal become layout: they
    /// are written, and need not be there. Of terminals that differ in their layout alone the first is found.
    #[must_use]
    pub fn skipping_spaces(mut self) -> Self {
        self.skips_spaces = true;
        let mut terminals = self.terminals.clone();
        for terminal in &mut terminals {
            let solid = terminal.text.trim();
            if !solid.is_empty() {
                terminal.text = solid.to_owned();
            }
        }
        self.lexer = Lexer::new(&terminals);
        self
    }

    /// Whether texts may have spaces between terminals.
    #[must_use]
    pub fn skips_spaces(&self) -> bool {
        self.skips_spaces
    }

    /// Whether production numbers determine the text: no terminal is a class of characters, none is skipped.
    #[must_use]
    pub fn determines_text(&self) -> bool {
        self.terminals
            .iter()
            .all(|terminal| terminal.class.is_empty())
    }

    /// The fewest productions that finish a nonterminal; `None` if it never ends.
    #[must_use]
    pub fn fewest_productions(&self, nonterminal: u16) -> Option<u32> {
        let fewest = self.analysis.fewest[usize::from(nonterminal)];
        (fewest != u32::MAX).then_some(fewest)
    }

    /// Whether a production can be part of a finished derivation of its left-hand side.
    #[must_use]
    pub fn is_productive(&self, production: u16) -> bool {
        self.children(production)
            .all(|child| self.analysis.fewest[usize::from(child)] != u32::MAX)
    }

    /// A production as it would be written: `S -> S '+' T`.
    #[must_use]
    pub fn show(&self, production: u16) -> String {
        let mut text = format!("{} ->", self.name(self.lhs(production)));
        for symbol in self.rhs(production) {
            text.push(' ');
            match symbol {
                Symbol::Nonterminal(nonterminal) => text.push_str(self.name(*nonterminal)),
                Symbol::Terminal(terminal) => {
                    text.push_str(&self.terminals[usize::from(*terminal)].to_string());
                }
            }
        }
        text
    }
}
