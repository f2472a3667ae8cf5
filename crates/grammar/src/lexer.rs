//! Longest match over the terminals: at every place of a text the longest terminal that stands there.
//!
//! A terminal that is a prefix of another (`C` of `Cl`) gives way. Classes of characters come second; they hold no character that is a
//! terminal of its own. The terminals lie in one trie over bytes, so a token costs its own length.

use crate::error::GrammarError;
use crate::grammar::{Grammar, Terminal};

const NONE: u32 = u32::MAX;

/// One terminal in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// The terminal's number.
    pub terminal: u16,
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct Lexer {
    /// What every byte leads to from the root.
    root: Box<[u32; 256]>,
    /// Edges of the other nodes, grouped by node, sorted by byte.
    edges: Vec<(u8, u32)>,
    edges_at: Vec<u32>,
    /// The terminal that ends at a node.
    terminal: Vec<u32>,
    /// Sorted, disjoint.
    classes: Vec<(char, char, u16)>,
}

impl Lexer {
    pub(crate) fn new(terminals: &[Terminal]) -> Self {
        let mut words: Vec<(&[u8], u16)> = Vec::new();
        let mut classes = Vec::new();
        for (at, terminal) in terminals.iter().enumerate() {
            if terminal.class.is_empty() {
                words.push((terminal.text.as_bytes(), at as u16));
            } else {
                let ranges = terminal.class.iter();
                classes.extend(ranges.map(|&(low, high)| (low, high, at as u16)));
            }
        }
        classes.sort_unstable();
        words.sort_unstable();
        words.dedup_by_key(|(word, _)| *word);
        let mut lexer = Self {
            root: Box::new([NONE; 256]),
            edges: Vec::new(),
            edges_at: vec![0],
            terminal: Vec::new(),
            classes,
        };
        lexer.grow(&words);
        lexer
    }

    /// Breadth first, so that the edges of a node lie together: a node is a run of sorted words with a prefix in common.
    fn grow(&mut self, words: &[(&[u8], u16)]) {
        let mut nodes = vec![(0, words.len(), 0)];
        let mut next = 0;
        while next < nodes.len() {
            let (mut from, to, depth) = nodes[next];
            let mut terminal = NONE;
            if from < to && words[from].0.len() == depth {
                terminal = u32::from(words[from].1);
                from += 1;
            }
            self.terminal.push(terminal);
            while from < to {
                let byte = words[from].0[depth];
                let run = words[from..to].partition_point(|(word, _)| word[depth] == byte);
                let child = nodes.len() as u32;
                nodes.push((from, from + run, depth + 1));
                if next == 0 {
                    self.root[usize::from(byte)] = child;
                }
                self.edges.push((byte, child));
                from += run;
            }
            self.edges_at.push(self.edges.len() as u32);
            next += 1;
        }
    }

    /// The longest terminal at the start of a text and its length in bytes.
    fn longest(&self, text: &str) -> Option<(u16, usize)> {
        let bytes = text.as_bytes();
        let mut node = self.root[usize::from(*bytes.first()?)];
        let (mut found, mut depth) = (None, 1);
        while node != NONE {
            if self.terminal[node as usize] != NONE {
                found = Some((self.terminal[node as usize] as u16, depth));
            }
            let edges =
                self.edges_at[node as usize] as usize..self.edges_at[node as usize + 1] as usize;
            let Some(&byte) = bytes.get(depth) else { break };
            let edges = &self.edges[edges];
            node = edges
                .binary_search_by_key(&byte, |edge| edge.0)
                .map_or(NONE, |at| edges[at].1);
            depth += 1;
        }
        found.or_else(|| {
            let first = text.chars().next()?;
            let after = self.classes.partition_point(|&(low, _, _)| low <= first);
            let &(_, high, terminal) = self.classes[..after].last()?;
            (first <= high).then_some((terminal, first.len_utf8()))
        })
    }
}

impl Grammar {
    /// Cuts a text into terminals, the longest at every place, into `tokens`, which is emptied first.
    ///
    /// # Errors
    /// Some place is the start of no terminal, or the text is longer than 4 GiB.
    pub fn tokenize_into(&self, text: &str, tokens: &mut Vec<Token>) -> Result<(), GrammarError> {
        tokens.clear();
        if u32::try_from(text.len()).is_err() {
            return Err(GrammarError::Limit {
                what: "the number of bytes of a text",
                limit: u32::MAX as usize,
            });
        }
        let mut at = 0;
        while at < text.len() {
            let Some((terminal, length)) = self.lexer.longest(&text[at..]) else {
                if self.skips_spaces() && text.as_bytes()[at].is_ascii_whitespace() {
                    at += 1;
                    continue;
                }
                let found = text[at..].chars().take(8).collect();
                return Err(GrammarError::Token { at, found });
            };
            tokens.push(Token {
                terminal,
                start: at as u32,
                end: (at + length) as u32,
            });
            at += length;
        }
        Ok(())
    }

    /// Cuts a text into terminals, the longest at every place.
    ///
    /// # Errors
    /// Some place is the start of no terminal, or the text is longer than 4 GiB.
    pub fn tokenize(&self, text: &str) -> Result<Vec<Token>, GrammarError> {
        let mut tokens = Vec::new();
        self.tokenize_into(text, &mut tokens)?;
        Ok(tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Format;

    fn texts(grammar: &str, text: &str) -> Vec<String> {
        let grammar = Grammar::read_as(grammar, Format::Nltk).unwrap();
        let tokens = grammar.tokenize(text).unwrap();
        tokens
            .iter()
            .map(|t| text[t.start as usize..t.end as usize].to_owned())
            .collect()
    }

    #[test]
    fn the_longest_terminal_wins() {
        let grammar = "S -> 'C' | 'Cl' | 'l' | '@' | '@@' | 'c' | 'abcd' | 'ab' | 'cx'";
        assert_eq!(texts(grammar, "CClC@@@"), ["C", "Cl", "C", "@@", "@"]);
        // `abc` begins `abcd` and is none: back to `ab`.
        assert_eq!(texts(grammar, "abcabcd"), ["ab", "c", "abcd"]);
    }

    #[test]
    fn a_place_without_terminal_is_named() {
        let grammar = Grammar::read_as("S -> 'a' S | 'a'", Format::Nltk).unwrap();
        let error = grammar.tokenize("aaäa").unwrap_err();
        assert_eq!(
            error,
            GrammarError::Token {
                at: 2,
                found: "äa".into()
            }
        );
        assert!(grammar.tokenize("a a").is_err());
        assert_eq!(
            grammar.skipping_spaces().tokenize(" a\n a ").unwrap().len(),
            2
        );
    }
}
