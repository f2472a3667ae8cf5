//! What follows from the productions alone: which symbols end, which are empty, what they begin with.
//!
//! Everything is linear in the size of the grammar (times the words of a set of terminals), so a grammar from outside can be as
//! nasty as it likes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::bits;
use crate::grammar::{Grammar, Symbol};

/// Larger counts of productions are not told apart.
const MANY: u32 = u32::MAX - 1;

#[derive(Debug, Clone, Default)]
pub(crate) struct Analysis {
    /// Fewest productions that finish a nonterminal; `u32::MAX` if none do.
    pub(crate) fewest: Vec<u32>,
    /// The same for derivations of the empty text.
    pub(crate) fewest_empty: Vec<u32>,
    /// The production a shortest derivation of the empty text starts with; never ends in a circle.
    pub(crate) shortest_empty: Vec<u16>,
    /// Whether the empty text has more than one derivation.
    pub(crate) empty_ambiguous: Vec<bool>,
    pub(crate) reachable: Vec<bool>,
    pub(crate) left_recursive: Vec<bool>,
    /// Whether the nonterminal derives itself alone.
    pub(crate) cyclic: Vec<bool>,
    /// Words of a set of terminals.
    pub(crate) words: usize,
    /// Sets of terminals that a production, or a nonterminal, can begin with.
    pub(crate) first: Vec<u64>,
    pub(crate) first_of: Vec<u64>,
}

impl Analysis {
    pub(crate) fn new(grammar: &Grammar) -> Self {
        let (fewest, _) = fewest(grammar, |_| true, |_| 1);
        let (fewest_empty, shortest_empty) = fewest_where_empty(grammar);
        let nullable = |nonterminal: u16| fewest_empty[usize::from(nonterminal)] != u32::MAX;
        let corners = graph(grammar, |rhs, edges| {
            for symbol in rhs {
                let Symbol::Nonterminal(nonterminal) = *symbol else {
                    break;
                };
                edges.push(nonterminal);
                if !nullable(nonterminal) {
                    break;
                }
            }
        });
        let units = graph(grammar, |rhs, edges| {
            let solid =
                |symbol: &&Symbol| !matches!(symbol, Symbol::Nonterminal(n) if nullable(*n));
            let rest: Vec<_> = rhs.iter().filter(solid).take(2).collect();
            match rest[..] {
                [] => edges.extend(rhs.iter().copied().filter_map(nonterminal_of)),
                [symbol] => edges.extend(nonterminal_of(*symbol)),
                _ => {}
            }
        });
        let components = corners.components();
        let mut analysis = Self {
            left_recursive: corners.on_cycles(&components),
            cyclic: units.on_cycles(&units.components()),
            reachable: reachable(grammar),
            empty_ambiguous: empty_ambiguous(grammar, &fewest_empty),
            words: bits::words(grammar.terminals().len()).max(1),
            ..Self::default()
        };
        analysis.first_sets(grammar, &components, nullable);
        Self {
            fewest,
            fewest_empty,
            shortest_empty,
            ..analysis
        }
    }

    pub(crate) fn is_nullable(&self, nonterminal: u16) -> bool {
        self.fewest_empty[usize::from(nonterminal)] != u32::MAX
    }

    pub(crate) fn first_of(&self, nonterminal: u16) -> &[u64] {
        let at = usize::from(nonterminal) * self.words;
        &self.first_of[at..at + self.words]
    }

    /// Components arrive with what they lead to before them, so one pass is enough.
    fn first_sets(
        &mut self,
        grammar: &Grammar,
        components: &[Vec<u16>],
        nullable: impl Fn(u16) -> bool,
    ) {
        let words = self.words;
        self.first = vec![0; grammar.productions() * words];
        self.first_of = vec![0; grammar.nonterminals() * words];
        let begin = |first_of: &[u64], production: u16, set: &mut [u64]| {
            for symbol in grammar.rhs(production) {
                match *symbol {
                    Symbol::Terminal(terminal) => {
                        bits::insert(set, usize::from(terminal));
                        break;
                    }
                    Symbol::Nonterminal(nonterminal) => {
                        let at = usize::from(nonterminal) * words;
                        bits::union(set, &first_of[at..at + words]);
                        if !nullable(nonterminal) {
                            break;
                        }
                    }
                }
            }
        };
        let mut set = vec![0; words];
        for component in components {
            set.fill(0);
            for &production in component.iter().flat_map(|&n| grammar.productions_of(n)) {
                begin(&self.first_of, production, &mut set);
            }
            for &nonterminal in component {
                let at = usize::from(nonterminal) * words;
                self.first_of[at..at + words].copy_from_slice(&set);
            }
        }
        for production in 0..grammar.productions() {
            let at = production * words;
            begin(
                &self.first_of,
                production as u16,
                &mut self.first[at..at + words],
            );
        }
    }
}

fn nonterminal_of(symbol: Symbol) -> Option<u16> {
    match symbol {
        Symbol::Nonterminal(nonterminal) => Some(nonterminal),
        Symbol::Terminal(_) => None,
    }
}

/// Knuth, "A Generalization of Dijkstra's Algorithm", 1977: nonterminals are settled in the order of their fewest productions.
pub(crate) fn fewest(
    grammar: &Grammar,
    counts: impl Fn(u16) -> bool,
    price: impl Fn(u16) -> u32,
) -> (Vec<u32>, Vec<u16>) {
    let mut cost = vec![u32::MAX; grammar.nonterminals()];
    let mut by = vec![u16::MAX; grammar.nonterminals()];
    let mut missing = vec![0_u32; grammar.productions()];
    let prices = (0..grammar.productions() as u16).map(|production| price(grammar.lhs(production)));
    let mut sum: Vec<u32> = prices.collect();
    let mut users = vec![Vec::new(); grammar.nonterminals()];
    let mut queue = BinaryHeap::new();
    for production in (0..grammar.productions() as u16).filter(|&p| counts(p)) {
        for child in grammar.children(production) {
            missing[usize::from(production)] += 1;
            users[usize::from(child)].push(production);
        }
        if missing[usize::from(production)] == 0 {
            queue.push(Reverse((sum[usize::from(production)], production)));
        }
    }
    while let Some(Reverse((price, production))) = queue.pop() {
        let lhs = usize::from(grammar.lhs(production));
        if cost[lhs] != u32::MAX {
            continue;
        }
        (cost[lhs], by[lhs]) = (price, production);
        for &user in &users[lhs] {
            let at = usize::from(user);
            missing[at] -= 1;
            sum[at] = sum[at].saturating_add(price).min(MANY);
            if missing[at] == 0 {
                queue.push(Reverse((sum[at], user)));
            }
        }
    }
    (cost, by)
}

fn fewest_where_empty(grammar: &Grammar) -> (Vec<u32>, Vec<u16>) {
    let empty = |production: u16| {
        grammar
            .rhs(production)
            .iter()
            .all(|symbol| matches!(symbol, Symbol::Nonterminal(_)))
    };
    fewest(grammar, empty, |_| 1)
}

/// Two productions of a nonterminal give the empty text, or one does through a child of which that is true.
fn empty_ambiguous(grammar: &Grammar, fewest_empty: &[u32]) -> Vec<bool> {
    let empty = |production: u16| {
        grammar.rhs(production).iter().all(|symbol| match symbol {
            Symbol::Nonterminal(n) => fewest_empty[usize::from(*n)] != u32::MAX,
            Symbol::Terminal(_) => false,
        })
    };
    let mut found = vec![false; grammar.nonterminals()];
    let mut ways = vec![0_u32; grammar.nonterminals()];
    let mut users = vec![Vec::new(); grammar.nonterminals()];
    for production in (0..grammar.productions() as u16).filter(|&p| empty(p)) {
        ways[usize::from(grammar.lhs(production))] += 1;
        for child in grammar.children(production) {
            users[usize::from(child)].push(grammar.lhs(production));
        }
    }
    let mut queue: Vec<u16> = (0..grammar.nonterminals() as u16)
        .filter(|&n| ways[usize::from(n)] > 1)
        .collect();
    while let Some(nonterminal) = queue.pop() {
        if !std::mem::replace(&mut found[usize::from(nonterminal)], true) {
            queue.extend_from_slice(&users[usize::from(nonterminal)]);
        }
    }
    found
}

fn reachable(grammar: &Grammar) -> Vec<bool> {
    let mut found = vec![false; grammar.nonterminals()];
    let mut queue = vec![grammar.start()];
    found[usize::from(grammar.start())] = true;
    while let Some(nonterminal) = queue.pop() {
        for &production in grammar.productions_of(nonterminal) {
            for child in grammar.children(production) {
                if !std::mem::replace(&mut found[usize::from(child)], true) {
                    queue.push(child);
                }
            }
        }
    }
    found
}

/// A graph over the nonterminals.
struct Graph {
    edges: Vec<u16>,
    at: Vec<u32>,
}

fn graph(grammar: &Grammar, mut add: impl FnMut(&[Symbol], &mut Vec<u16>)) -> Graph {
    let mut graph = Graph {
        edges: Vec::new(),
        at: vec![0],
    };
    for nonterminal in 0..grammar.nonterminals() as u16 {
        for &production in grammar.productions_of(nonterminal) {
            add(grammar.rhs(production), &mut graph.edges);
        }
        graph.at.push(graph.edges.len() as u32);
    }
    graph
}

impl Graph {
    fn next(&self, node: u16) -> &[u16] {
        &self.edges[self.at[usize::from(node)] as usize..self.at[usize::from(node) + 1] as usize]
    }

    /// Strongly connected components, what they lead to first: Tarjan, "Depth-First Search and Linear Graph Algorithms", 1972, with a
    /// stack of its own.
    fn components(&self) -> Vec<Vec<u16>> {
        let nodes = self.at.len() - 1;
        let mut components = Vec::new();
        let (mut index, mut low) = (vec![0_u32; nodes], vec![0_u32; nodes]);
        let mut waiting = vec![false; nodes];
        let (mut path, mut stack, mut counter) = (Vec::new(), Vec::new(), 0);
        for root in 0..nodes as u16 {
            if index[usize::from(root)] == 0 {
                path.push((root, 0));
            }
            while let Some(&mut (node, ref mut edge)) = path.last_mut() {
                let at = usize::from(node);
                if *edge == 0 {
                    counter += 1;
                    (index[at], low[at], waiting[at]) = (counter, counter, true);
                    stack.push(node);
                }
                if let Some(&to) = self.next(node).get(*edge) {
                    *edge += 1;
                    if index[usize::from(to)] == 0 {
                        path.push((to, 0));
                    } else if waiting[usize::from(to)] {
                        low[at] = low[at].min(index[usize::from(to)]);
                    }
                    continue;
                }
                path.pop();
                if let Some(&(parent, _)) = path.last() {
                    low[usize::from(parent)] = low[usize::from(parent)].min(low[at]);
                }
                if low[at] == index[at] {
                    let from = stack
                        .iter()
                        .rposition(|&n| n == node)
                        .expect("a root of a component is on the stack");
                    let component = stack.split_off(from);
                    for &member in &component {
                        waiting[usize::from(member)] = false;
                    }
                    components.push(component);
                }
            }
        }
        components
    }

    fn on_cycles(&self, components: &[Vec<u16>]) -> Vec<bool> {
        let mut found = vec![false; self.at.len() - 1];
        for component in components {
            let cycle = component.len() > 1 || self.next(component[0]).contains(&component[0]);
            for &member in component {
                found[usize::from(member)] = cycle;
            }
        }
        found
    }
}
