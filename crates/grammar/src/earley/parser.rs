//! Text to derivation.

use super::chart::Chart;
use super::derive::{Derivation, Fork};
use super::tables::Tables;
use crate::bits;
use crate::error::GrammarError;
use crate::grammar::Grammar;
use crate::lexer::Token;

/// Most terminals that an error names.
const MAX_NAMED: usize = 12;

/// One derivation of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parse {
    /// The leftmost derivation: production numbers in the order of expansion, which is the tree in pre-order.
    pub productions: Vec<u16>,
    /// Another derivation of the same text, if there is one.
    pub ambiguity: Option<Ambiguity>,
}

/// A second derivation of a text, and the shortest part at which it was seen to differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ambiguity {
    /// The nonterminal whose production is at work there.
    pub nonterminal: u16,
    /// The first byte of the part.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
    /// The other derivation, of the whole text.
    pub other: Vec<u16>,
}

/// Parses texts of one grammar; its memory is used again for every text.
///
/// ```
/// use unbiased_grammar::{Grammar, Parser};
///
/// let grammar = Grammar::read("S -> S '+' T | T\nT -> 'x' | '1'")?;
/// let parse = Parser::new(&grammar).parse("x+1")?;
/// assert_eq!(parse.productions, [0, 1, 2, 3]);
/// assert!(parse.ambiguity.is_none());
/// # Ok::<(), unbiased_grammar::GrammarError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Parser<'g> {
    grammar: &'g Grammar,
    tables: Tables,
    chart: Chart,
    derivation: Derivation,
    tokens: Vec<Token>,
}

impl<'g> Parser<'g> {
    /// A parser of a grammar.
    #[must_use]
    pub fn new(grammar: &'g Grammar) -> Self {
        let tables = Tables::new(grammar);
        Self {
            grammar,
            tables,
            chart: Chart::default(),
            derivation: Derivation::default(),
            tokens: Vec::new(),
        }
    }

    /// Parses a text.
    ///
    /// # Errors
    /// The text is not of the language, with the first place where it leaves it; or it is too much work.
    pub fn parse(&mut self, text: &str) -> Result<Parse, GrammarError> {
        let mut productions = Vec::new();
        let fork = self.run(text, &mut productions)?;
        let ambiguity = fork
            .map(|(root, fork)| self.ambiguity(root, fork, text))
            .transpose()?;
        Ok(Parse {
            productions,
            ambiguity,
        })
    }

    /// Parses a text into `productions`, which is emptied first; says whether the text has another derivation.
    ///
    /// # Errors
    /// As [`Parser::parse`].
    pub fn parse_into(
        &mut self,
        text: &str,
        productions: &mut Vec<u16>,
    ) -> Result<bool, GrammarError> {
        Ok(self.run(text, productions)?.is_some())
    }

    /// The terminals of the text that was parsed last.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    fn run(
        &mut self,
        text: &str,
        productions: &mut Vec<u16>,
    ) -> Result<Option<(u32, Fork)>, GrammarError> {
        productions.clear();
        self.grammar.tokenize_into(text, &mut self.tokens)?;
        self.chart.start(self.grammar, &self.tables)?;
        for at in 0..self.tokens.len() {
            let terminal = self.tokens[at].terminal;
            if !self.chart.push(self.grammar, &self.tables, terminal)? {
                return Err(self.unexpected(text, at));
            }
        }
        let Some(root) = self.chart.accepted(&self.tables) else {
            return Err(self.unexpected(text, self.tokens.len()));
        };
        let chart = (self.grammar, &self.tables, &self.chart);
        let fork = self.derivation.walk(chart, root, None, productions)?;
        Ok(fork.map(|fork| (root, fork)))
    }

    fn ambiguity(&mut self, root: u32, fork: Fork, text: &str) -> Result<Ambiguity, GrammarError> {
        let mut other = Vec::new();
        let chart = (self.grammar, &self.tables, &self.chart);
        self.derivation.walk(chart, root, Some(fork), &mut other)?;
        let item = self.chart.items[fork.item as usize];
        let start = self.byte(item.origin as usize, text);
        let end = self.chart.end_of(fork.item);
        let end = if end == 0 {
            start
        } else {
            self.tokens[end - 1].end as usize
        };
        let lhs = self.tables.states[item.state as usize].lhs;
        let nonterminal = if lhs == super::tables::ROOT {
            self.grammar.start()
        } else {
            lhs
        };
        Ok(Ambiguity {
            nonterminal,
            start,
            end: end.max(start),
            other,
        })
    }

    fn byte(&self, token: usize, text: &str) -> usize {
        self.tokens
            .get(token)
            .map_or(text.len(), |token| token.start as usize)
    }

    fn unexpected(&self, text: &str, at: usize) -> GrammarError {
        let mut set = vec![0; self.grammar.analysis.words];
        self.chart.allowed(self.grammar, &self.tables, &mut set);
        let count = bits::count(&set);
        let mut named: Vec<String> = bits::ones(&set)
            .take(MAX_NAMED)
            .map(|terminal| self.grammar.terminals()[terminal].to_string())
            .collect();
        if count > MAX_NAMED {
            named.push(format!("one of {} others", count - MAX_NAMED));
        }
        if self.chart.accepted(&self.tables).is_some() {
            named.push("the end of the text".into());
        }
        let found = match self.tokens.get(at) {
            Some(token) => self.grammar.terminals()[usize::from(token.terminal)].to_string(),
            None => "the end of the text".into(),
        };
        GrammarError::Parse {
            at: self.byte(at, text),
            found,
            expected: named.join(" or "),
        }
    }
}
