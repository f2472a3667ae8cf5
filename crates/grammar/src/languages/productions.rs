//! Production numbers by what they say, so that attributes do not depend on the order of a file.

use crate::grammar::Grammar;

/// The nonterminal of a name.
///
/// # Panics
/// When the grammar has none: these are the crate's own grammars.
pub(super) fn nonterminal(grammar: &Grammar, name: &str) -> u16 {
    grammar
        .nonterminal(name)
        .unwrap_or_else(|| panic!("expected a grammar with `{name}`"))
}

/// The production that is written so.
///
/// # Panics
/// When the grammar has none: these are the crate's own grammars.
pub(super) fn production(grammar: &Grammar, shown: &str) -> u16 {
    let mut all = 0..grammar.productions() as u16;
    all.find(|&p| grammar.show(p) == shown)
        .unwrap_or_else(|| panic!("expected a grammar with `{shown}`"))
}

/// The first production of a nonterminal and how many there are; they lie together.
///
/// # Panics
/// When they do not.
pub(super) fn block(grammar: &Grammar, name: &str) -> (u16, u16) {
    let productions = grammar.productions_of(nonterminal(grammar, name));
    let (first, count) = (productions[0], productions.len() as u16);
    assert_eq!(
        productions[productions.len() - 1],
        first + count - 1,
        "expected the productions of `{name}` together"
    );
    (first, count)
}
