//! Attribute grammars: what a context-free grammar cannot say, said while a text is made.
//!
//! Knuth, "Semantics of Context-Free Languages", 1968: an *inherited* attribute of a node is a function of its parent and of siblings evaluated
//! before, a *synthesized* one of its children. Checking a finished tree computes them and looks. Making a tree needs them earlier: before a production
//! is chosen, the inherited attributes say which may be. Where that depends on what a subtree will be, the subtree's attribute is drawn
//! first and handed down as a promise, a *stochastic lazy* attribute (Dai, Tian, Dai, Skiena & Song, "Syntax-Directed Variational Autoencoder
//! for Structured Data", 2018). A derivation is then a sequence of decisions, values of lazy attributes among them:
//!
//! `p(x) = prod_t p(decision_t | earlier decisions, mask_t)`
//!
//! [`Attributes`] says all of that once. [`AttributeGrammar`] uses it three ways: [`AttributeGrammar::check`] for a finished tree (the offline check),
//! [`AttributeGrammar::decode`] for masks while a tree is made (the online one), [`AttributeGrammar::replay`] for the decisions and masks of a known
//! tree (what training needs).
//!
//! | choice | number |
//! |---|---|
//! | production `r` | `r` |
//! | value `v` of a lazy attribute | `D + v` |
//! | padding | `D + L` |

mod decode;
mod replay;
mod rules;
mod walk;

pub use decode::{Decision, Directed};
pub use replay::Decisions;
pub use rules::Rules;

use std::fmt::Debug;

use crate::analysis::fewest;
use crate::codec::MaskTable;
use crate::grammar::Grammar;
use crate::tree::Tree;

/// Meaning on top of a grammar. States that run through a text from left to right (names declared, rings open) are inherited by the first
/// child, synthesized by it and inherited by the next.
pub trait Attributes {
    /// What a node knows before it is expanded.
    type Inherited: Clone + Debug;
    /// What a node says when it is complete.
    type Synthesized: Clone + Debug;

    /// What the root inherits.
    fn root(&self) -> Self::Inherited;

    /// Which child of a production is evaluated in place `at`: a permutation of the children, left to right unless stated.
    fn order(&self, _production: u16, at: usize) -> usize {
        at
    }

    /// Takes productions that the attributes forbid out of the mask. `free` decisions are left beyond this one and beyond what everything else
    /// that is open needs at least; productions whose own needs exceed that by the grammar alone are gone already.
    fn allow(&self, nonterminal: u16, inherited: &Self::Inherited, free: u32, allowed: &mut [u64]);

    /// What a child inherits; `siblings` holds what the children that were evaluated before have synthesized.
    fn inherit(
        &self,
        production: u16,
        child: usize,
        inherited: &Self::Inherited,
        siblings: &[Option<Self::Synthesized>],
    ) -> Self::Inherited;

    /// What a node synthesizes once all of its children have.
    ///
    /// # Errors
    /// The node breaks a rule that shows only now, or a promise of a lazy attribute; masks have to make that impossible.
    fn synthesize(
        &self,
        production: u16,
        inherited: &Self::Inherited,
        children: &[Option<Self::Synthesized>],
    ) -> Result<Self::Synthesized, String>;

    /// How many values lazy attributes have, all together.
    fn values(&self) -> usize {
        0
    }

    /// Whether a nonterminal has a lazy attribute, decided before its production.
    fn is_lazy(&self, _nonterminal: u16) -> bool {
        false
    }

    /// Names the values that the lazy attribute may take. `free` decisions are left beyond what this node and everything open needs at least.
    fn offer(
        &self,
        _nonterminal: u16,
        _inherited: &Self::Inherited,
        _free: u32,
        _offer: impl FnMut(u16),
    ) {
    }

    /// Hands the chosen value to the node.
    fn promise(&self, _nonterminal: u16, _inherited: &mut Self::Inherited, _value: u16) {}

    /// The value that a node of a finished tree has for its lazy attribute.
    fn realised(&self, _tree: &Tree, _node: u32, _inherited: &Self::Inherited) -> u16 {
        0
    }

    /// Decisions beyond the grammar's fewest that the state handed on here may still cost, at most: every ring that is open must be closed.
    fn reserve(&self, _inherited: &Self::Inherited) -> u32 {
        0
    }

    /// Whether [`Attributes::extra`] is ever more than 0.
    const HAS_EXTRA: bool = false;

    /// Decisions beyond the grammar's fewest that a child needs because of what it will inherit. A function of the node alone, not of its children.
    fn extra(&self, _production: u16, _child: usize, _inherited: &Self::Inherited) -> u32 {
        0
    }
}

/// A grammar together with its attributes.
#[derive(Debug, Clone)]
pub struct AttributeGrammar<'g, A> {
    grammar: &'g Grammar,
    attributes: A,
    table: MaskTable,
    /// Fewest decisions that finish a nonterminal, lazy attributes included.
    least: Vec<u32>,
    /// Nonterminals of all right-hand sides.
    children: Vec<u16>,
    children_at: Vec<u32>,
}

impl<'g, A: Attributes> AttributeGrammar<'g, A> {
    /// Prepares the masks.
    #[must_use]
    pub fn new(grammar: &'g Grammar, attributes: A) -> Self {
        let price = |nonterminal| 1 + u32::from(attributes.is_lazy(nonterminal));
        let (least, _) = fewest(grammar, |_| true, price);
        let (mut children, mut children_at) = (Vec::new(), vec![0]);
        for production in 0..grammar.productions() as u16 {
            children.extend(grammar.children(production));
            children_at.push(children.len() as u32);
        }
        let width = grammar.productions() + attributes.values() + 1;
        let table = MaskTable::new(grammar, width, |production| {
            let costs = grammar
                .children(production)
                .map(|child| least[usize::from(child)]);
            costs.fold(0, u32::saturating_add)
        });
        Self {
            grammar,
            attributes,
            table,
            least,
            children,
            children_at,
        }
    }

    /// The grammar.
    #[must_use]
    pub fn grammar(&self) -> &'g Grammar {
        self.grammar
    }

    /// The attributes.
    #[must_use]
    pub fn attributes(&self) -> &A {
        &self.attributes
    }

    /// How many choices a row has: productions, values of lazy attributes, padding.
    #[must_use]
    pub fn width(&self) -> usize {
        self.grammar.productions() + self.attributes.values() + 1
    }

    /// Words of 64 bits in a mask.
    #[must_use]
    pub fn words(&self) -> usize {
        self.table.words
    }

    /// The choice behind the end of a derivation.
    #[must_use]
    pub fn padding(&self) -> u16 {
        (self.width() - 1) as u16
    }

    fn children(&self, production: u16) -> &[u16] {
        let at = usize::from(production);
        &self.children[self.children_at[at] as usize..self.children_at[at + 1] as usize]
    }

    /// What all children of a node need at least.
    fn needs(&self, production: u16, inherited: &A::Inherited) -> u32 {
        let children = 0..self.children(production).len();
        children
            .map(|child| self.need(production, child, inherited))
            .fold(0, u32::saturating_add)
    }

    /// What a child of a node needs at least.
    fn need(&self, production: u16, child: usize, inherited: &A::Inherited) -> u32 {
        let least = self.least[usize::from(self.children(production)[child])];
        least.saturating_add(self.attributes.extra(production, child, inherited))
    }
}

/// Keeps, of `count` productions from `first` on, those whose bit is set.
pub(crate) fn keep(allowed: &mut [u64], first: u16, count: u16, set: u64) {
    for at in 0..count {
        if set >> at & 1 == 0 {
            crate::bits::remove(allowed, usize::from(first + at));
        }
    }
}
