//! Derivation trees, and what production numbers say: the way between numbers, tree and text.

use std::fmt::Write;

use crate::error::GrammarError;
use crate::grammar::{Grammar, Symbol};

/// A node: one production at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// The production.
    pub production: u16,
    /// The parent's index; the root's is its own.
    pub parent: u32,
    /// Which child of the parent it is, among nonterminals, from 0.
    pub slot: u32,
    /// Where its children begin in the list of all children.
    children: u32,
}

/// A derivation tree; nodes in pre-order, so that the root is 0 and the productions read in order are the leftmost derivation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    nodes: Vec<Node>,
    children: Vec<u32>,
}

impl Tree {
    /// The tree of a leftmost derivation.
    ///
    /// # Errors
    /// A production does not expand the nonterminal whose turn it is, or the derivation is not finished, or goes on when it is.
    pub fn new(grammar: &Grammar, productions: &[u16]) -> Result<Self, GrammarError> {
        let mut tree = Self {
            nodes: Vec::with_capacity(productions.len()),
            children: Vec::new(),
        };
        let mut open = vec![(grammar.start(), 0, 0)];
        for (at, &production) in productions.iter().enumerate() {
            let Some((nonterminal, parent, slot)) = open.pop() else {
                return Err(wrong(at, "the derivation is finished before it"));
            };
            if usize::from(production) >= grammar.productions()
                || grammar.lhs(production) != nonterminal
            {
                return Err(wrong(
                    at,
                    format!(
                        "expected a production of `{}`, got {production}",
                        grammar.name(nonterminal)
                    ),
                ));
            }
            let children = tree.children.len() as u32;
            if at > 0 {
                let list = tree.nodes[parent as usize].children;
                tree.children[(list + slot) as usize] = at as u32;
            }
            tree.nodes.push(Node {
                production,
                parent,
                slot,
                children,
            });
            let from = open.len();
            for (slot, child) in grammar.children(production).enumerate() {
                tree.children.push(0);
                open.push((child, at as u32, slot as u32));
            }
            open[from..].reverse();
        }
        match open.last() {
            None => Ok(tree),
            Some(&(nonterminal, ..)) => Err(wrong(
                productions.len(),
                format!(
                    "the derivation ends with `{}` open",
                    grammar.name(nonterminal)
                ),
            )),
        }
    }

    /// All nodes, in pre-order.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The children of a node, one for each nonterminal of its production, left to right.
    #[must_use]
    pub fn children(&self, node: u32) -> &[u32] {
        let from = self.nodes[node as usize].children as usize;
        let to = self
            .nodes
            .get(node as usize + 1)
            .map_or(self.children.len(), |next| next.children as usize);
        &self.children[from..to]
    }

    /// The leftmost derivation.
    #[must_use]
    pub fn productions(&self) -> Vec<u16> {
        self.nodes.iter().map(|node| node.production).collect()
    }

    /// The tree as JSON: `{"symbol": "S", "production": 0, "children": [...]}`, terminals as strings. However deep, it is written without
    /// recursion.
    #[must_use]
    pub fn to_json(&self, grammar: &Grammar) -> String {
        enum Task {
            Node(u32),
            Text(&'static str),
            Terminal(u16),
        }
        let mut text = String::new();
        let mut tasks = vec![Task::Node(0)];
        while let Some(task) = tasks.pop() {
            match task {
                Task::Text(part) => text.push_str(part),
                Task::Terminal(terminal) => {
                    quote(grammar.terminals()[usize::from(terminal)].text(), &mut text);
                }
                Task::Node(at) => {
                    let production = self.nodes[at as usize].production;
                    text.push_str("{\"symbol\":");
                    quote(grammar.name(grammar.lhs(production)), &mut text);
                    let _ = write!(text, ",\"production\":{production},\"children\":[");
                    tasks.push(Task::Text("]}"));
                    let mut children = self.children(at).iter().rev();
                    for (index, symbol) in grammar.rhs(production).iter().enumerate().rev() {
                        tasks.push(match *symbol {
                            Symbol::Terminal(terminal) => Task::Terminal(terminal),
                            Symbol::Nonterminal(_) => {
                                Task::Node(*children.next().expect("a child for every nonterminal"))
                            }
                        });
                        if index > 0 {
                            tasks.push(Task::Text(","));
                        }
                    }
                }
            }
        }
        text
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn wrong(at: usize, message: impl Into<String>) -> GrammarError {
    GrammarError::Derivation {
        at,
        message: message.into(),
    }
}

impl Grammar {
    /// The text of a leftmost derivation; a class of characters is written as the character that stands for it.
    ///
    /// # Errors
    /// The numbers are no finished derivation of the start symbol.
    pub fn text_of(&self, productions: &[u16]) -> Result<String, GrammarError> {
        let mut text = String::new();
        let mut open = vec![Symbol::Nonterminal(self.start())];
        let mut next = productions.iter().enumerate();
        while let Some(symbol) = open.pop() {
            match symbol {
                Symbol::Terminal(terminal) => {
                    text.push_str(self.terminals()[usize::from(terminal)].text());
                }
                Symbol::Nonterminal(nonterminal) => {
                    let name = self.name(nonterminal);
                    let Some((at, &production)) = next.next() else {
                        return Err(wrong(
                            productions.len(),
                            format!("the derivation ends with `{name}` open"),
                        ));
                    };
                    if usize::from(production) >= self.productions()
                        || self.lhs(production) != nonterminal
                    {
                        return Err(wrong(
                            at,
                            format!("expected a production of `{name}`, got {production}"),
                        ));
                    }
                    open.extend(self.rhs(production).iter().rev());
                }
            }
        }
        match next.next() {
            None => Ok(text),
            Some((at, _)) => Err(wrong(at, "the derivation is finished before it")),
        }
    }
}
