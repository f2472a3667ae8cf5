//! The grammar of JSON by name.

use crate::grammar::{Grammar, Symbol};
use crate::languages::productions::{block, nonterminal, production};

/// Nonterminals and productions by name.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) value: u16,
    pub(super) object: u16,
    pub(super) members: u16,
    pub(super) member: u16,
    pub(super) number: u16,
    pub(super) key: u16,
    pub(super) chars: u16,
    pub(super) char: u16,
    pub(super) plain: u16,
    pub(super) whole: u16,
    pub(super) to_object: u16,
    pub(super) kinds: [u16; 7],
    pub(super) int: u16,
    pub(super) empty_object: u16,
    pub(super) full_object: u16,
    pub(super) one_member: u16,
    pub(super) more_members: u16,
    pub(super) full_member: u16,
    pub(super) full_key: u16,
    pub(super) end: u16,
    pub(super) letter: u16,
    pub(super) is_plain: u16,
    pub(super) full_array: u16,
    pub(super) one_item: u16,
    pub(super) more_items: u16,
    /// Which production of `plain` is which byte's.
    pub(super) plain_of: [u16; 128],
}

impl Names {
    pub(super) fn new(grammar: &Grammar) -> Self {
        let n = |name| nonterminal(grammar, name);
        let p = |shown| production(grammar, shown);
        let mut plain_of = [u16::MAX; 128];
        let plains = block(grammar, "plain");
        for production in plains.0..plains.0 + plains.1 {
            if let [Symbol::Terminal(terminal)] = *grammar.rhs(production) {
                plain_of[usize::from(
                    grammar.terminals()[usize::from(terminal)].text().as_bytes()[0],
                )] = production;
            }
        }
        let kinds = grammar.productions_of(n("value"));
        Self {
            value: n("value"),
            object: n("object"),
            members: n("members"),
            member: n("member"),
            number: n("number"),
            key: n("key"),
            chars: n("chars"),
            char: n("char"),
            plain: n("plain"),
            whole: p("json -> ws value ws"),
            to_object: p("value -> object"),
            kinds: kinds.try_into().expect("seven kinds of values"),
            int: p("number -> int"),
            empty_object: p("object -> '{' ws '}'"),
            full_object: p("object -> '{' ws members '}'"),
            one_member: p("members -> member"),
            more_members: p("members -> member ',' ws members"),
            full_member: p("member -> key ws ':' ws value ws"),
            full_key: p("key -> '\\\"' chars '\\\"'"),
            end: p("chars ->"),
            letter: p("chars -> char chars"),
            is_plain: p("char -> plain"),
            full_array: p("array -> '[' ws items ']'"),
            one_item: p("items -> value ws"),
            more_items: p("items -> value ws ',' ws items"),
            plain_of,
        }
    }
}
