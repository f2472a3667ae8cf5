//! The beginning of a text, and the terminals that may come next: what a decoder of terminals needs.

use super::chart::Chart;
use super::tables::Tables;
use crate::error::GrammarError;
use crate::grammar::Grammar;

/// A beginning of some text of the language, terminal by terminal.
///
/// ```
/// use unbiased_grammar::{Grammar, Prefix, bits};
///
/// let grammar = Grammar::read("S -> '(' S ')' | 'x'")?;
/// let mut prefix = Prefix::new(&grammar)?;
/// let next = |prefix: &mut Prefix| -> Vec<&str> {
///     bits::ones(prefix.allowed()).map(|terminal| grammar.terminals()[terminal].text()).collect()
/// };
/// assert_eq!(next(&mut prefix), ["(", "x"]);
/// assert!(prefix.push(grammar.terminal("(").unwrap())?);
/// assert!(!prefix.push(grammar.terminal(")").unwrap())?);
/// assert!(prefix.push(grammar.terminal("x").unwrap())?);
/// assert_eq!(next(&mut prefix), [")"]);
/// assert!(!prefix.is_complete());
/// # Ok::<(), unbiased_grammar::GrammarError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Prefix<'g> {
    grammar: &'g Grammar,
    tables: Tables,
    chart: Chart,
    allowed: Vec<u64>,
}

impl<'g> Prefix<'g> {
    /// The empty beginning.
    ///
    /// # Errors
    /// The grammar is too much work.
    pub fn new(grammar: &'g Grammar) -> Result<Self, GrammarError> {
        let tables = Tables::new(grammar);
        let mut chart = Chart::default();
        chart.start(grammar, &tables)?;
        Ok(Self {
            grammar,
            tables,
            chart,
            allowed: vec![0; grammar.analysis.words],
        })
    }

    /// How many terminals there are so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chart.len()
    }

    /// Whether there is no terminal yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The terminals that may come next, as a set of their numbers ([`crate::bits`]).
    pub fn allowed(&mut self) -> &[u64] {
        self.allowed.fill(0);
        self.chart
            .allowed(self.grammar, &self.tables, &mut self.allowed);
        &self.allowed
    }

    /// Whether the text may end here.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.chart.accepted(&self.tables).is_some()
    }

    /// Adds a terminal; says whether it may come here. If not, nothing changes.
    ///
    /// # Errors
    /// The text has become too much work.
    ///
    /// # Panics
    /// When there is no such terminal.
    pub fn push(&mut self, terminal: u16) -> Result<bool, GrammarError> {
        let terminals = self.grammar.terminals().len();
        assert!(
            usize::from(terminal) < terminals,
            "expected a terminal below {terminals}, got {terminal}"
        );
        self.chart.push(self.grammar, &self.tables, terminal)
    }

    /// Takes the last terminal back, if there is one.
    pub fn pop(&mut self) {
        self.chart.pop();
    }
}
