//! A small C: names are declared before they are used, once per scope, and types agree.
//!
//! * a name is known from the end of its declaration to the end of its block; an inner block may declare it anew;
//! * an initializer does not see the name it initializes;
//! * `int` and `bool` are not mixed: `+ - * / % < > <= >=` take integers, `&& || !` and conditions take booleans, `==` and `!=` two of the same type,
//!   which is a lazy attribute: it is decided before the operands are made.

use super::productions::{block, nonterminal, production};
use crate::attribute::{Attributes, keep};
use crate::bits;
use crate::grammar::Grammar;
use crate::tree::Tree;

/// A type of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Integers.
    Int,
    /// Truth values.
    Bool,
}

/// What a name is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Read,
    Write,
    Declare,
}

/// What a node of a program knows. Sets of names have bit 0 for `a`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Names of integers.
    pub ints: u32,
    /// Names of truth values.
    pub bools: u32,
    /// Names declared in this block.
    pub here: u32,
    /// The type that an expression has to have here.
    pub expects: Type,
    name: Use,
}

/// What a node says: the names known behind it, and the name or type that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    scope: Scope,
    name: u8,
    kind: Type,
}

impl Scope {
    fn names(&self, kind: Type) -> u32 {
        match kind {
            Type::Int => self.ints,
            Type::Bool => self.bools,
        }
    }

    fn with(self, name: u8, kind: Type) -> Self {
        let mut scope = self.without(name);
        match kind {
            Type::Int => scope.ints |= 1 << name,
            Type::Bool => scope.bools |= 1 << name,
        }
        scope.here |= 1 << name;
        scope
    }

    fn without(mut self, name: u8) -> Self {
        self.ints &= !(1 << name);
        self.bools &= !(1 << name);
        self
    }

    fn kind_of(&self, name: u8) -> Type {
        if self.bools >> name & 1 == 1 {
            Type::Bool
        } else {
            Type::Int
        }
    }
}

/// What a production does to attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The children of the first run through the scope, and so does what they say.
    Through,
    Program,
    Declaration,
    Assignment,
    Conditional,
    Block,
    Kind(Type),
    Name(u8),
    /// An expression: what its operands have to be, if not what it is itself.
    Operands(Option<Type>),
}

/// The attributes of the language.
#[derive(Debug, Clone)]
pub struct MiniC {
    roles: Vec<Role>,
    /// What an expression's production gives; `None` if it gives what it is expected to.
    gives: Vec<Option<Type>>,
    /// Masks of productions that can give an `Int`, and a `Bool`.
    typed: [Vec<u64>; 2],
    same: u16,
    item: u16,
    primary: u16,
    name: u16,
    names: (u16, u16),
    reads_name: usize,
    more: u16,
    declares: usize,
    assigns: usize,
}

impl MiniC {
    /// The attributes of the language `mini_c`.
    ///
    /// # Panics
    /// When the grammar is another.
    #[must_use]
    pub fn new(grammar: &Grammar) -> Self {
        let names = block(grammar, "name");
        let all = 0..grammar.productions() as u16;
        let (roles, gives): (Vec<_>, Vec<_>) = all.map(|p| meaning(grammar, p, names.0)).unzip();
        let typed = [Type::Int, Type::Bool].map(|kind| {
            let mut mask = vec![0; bits::words(grammar.productions() + 3)];
            for (production, gives) in gives.iter().enumerate() {
                if gives.is_none_or(|gives| gives == kind) {
                    bits::insert(&mut mask, production);
                }
            }
            mask
        });
        let production = |shown| usize::from(production(grammar, shown));
        Self {
            roles,
            gives,
            typed,
            same: nonterminal(grammar, "same"),
            item: nonterminal(grammar, "item"),
            primary: nonterminal(grammar, "primary"),
            name: nonterminal(grammar, "name"),
            names,
            more: self::production(grammar, "items -> item items"),
            reads_name: production("primary -> name"),
            declares: production("item -> declaration"),
            assigns: production("item -> assignment"),
        }
    }
}

/// What a production does, and the type it gives.
fn meaning(grammar: &Grammar, production: u16, first_name: u16) -> (Role, Option<Type>) {
    use Type::{Bool, Int};
    let lhs = grammar.name(grammar.lhs(production));
    let shown = grammar.show(production);
    let operator = shown.split('\'').nth(1).map(str::trim);
    match (lhs, operator) {
        ("program", _) => (Role::Program, None),
        ("declaration", _) => (Role::Declaration, None),
        ("assignment", _) => (Role::Assignment, None),
        ("condition" | "loop", _) => (Role::Conditional, None),
        ("block", _) => (Role::Block, None),
        ("type", Some("int")) => (Role::Kind(Int), None),
        ("type", _) => (Role::Kind(Bool), None),
        ("name", _) => (Role::Name((production - first_name) as u8), None),
        ("items" | "item", _) => (Role::Through, None),
        // Expects what its lazy attribute says, whatever it gives.
        ("same", _) => (Role::Operands(None), None),
        (_, Some("||" | "&&" | "!")) => (Role::Operands(Some(Bool)), Some(Bool)),
        (_, Some("<" | ">" | "<=" | ">=")) => (Role::Operands(Some(Int)), Some(Bool)),
        (_, Some("+" | "-" | "*" | "/" | "%")) => (Role::Operands(Some(Int)), Some(Int)),
        (_, Some("true" | "false")) => (Role::Operands(None), Some(Bool)),
        ("primary", Some("0")) => (Role::Operands(None), Some(Int)),
        _ if shown == "equality -> same" => (Role::Operands(None), Some(Bool)),
        _ if shown == "primary -> number" => (Role::Operands(None), Some(Int)),
        _ => (Role::Operands(None), None),
    }
}

impl Attributes for MiniC {
    type Inherited = Scope;
    type Synthesized = Said;

    fn root(&self) -> Scope {
        Scope {
            ints: 0,
            bools: 0,
            here: 0,
            expects: Type::Int,
            name: Use::Read,
        }
    }

    fn values(&self) -> usize {
        2
    }

    fn is_lazy(&self, nonterminal: u16) -> bool {
        nonterminal == self.same
    }

    fn offer(&self, _nonterminal: u16, _scope: &Scope, _free: u32, mut offer: impl FnMut(u16)) {
        offer(0);
        offer(1);
    }

    fn promise(&self, _nonterminal: u16, scope: &mut Scope, value: u16) {
        scope.expects = if value == 0 { Type::Int } else { Type::Bool };
    }

    /// The type of the first operand: that of the first production on the way down that gives one.
    fn realised(&self, tree: &Tree, node: u32, scope: &Scope) -> u16 {
        let mut at = tree.children(node)[0];
        loop {
            let production = usize::from(tree.nodes()[at as usize].production);
            let gives = match self.roles[production] {
                Role::Name(name) => Some(scope.kind_of(name)),
                _ => self.gives[production],
            };
            match (gives, tree.children(at).first()) {
                (Some(gives), _) => return u16::from(gives == Type::Bool),
                (None, Some(&child)) => at = child,
                (None, None) => return 0,
            }
        }
    }

    fn allow(&self, nonterminal: u16, scope: &Scope, _free: u32, allowed: &mut [u64]) {
        if nonterminal == self.name {
            let set = match scope.name {
                Use::Read => scope.names(scope.expects),
                Use::Write => scope.ints | scope.bools,
                Use::Declare => !scope.here,
            };
            return keep(allowed, self.names.0, self.names.1, set.into());
        }
        if nonterminal == self.item {
            if scope.here == (1 << self.names.1) - 1 {
                bits::remove(allowed, self.declares);
            }
            if scope.ints | scope.bools == 0 {
                bits::remove(allowed, self.assigns);
            }
            return;
        }
        for (word, typed) in allowed.iter_mut().zip(&self.typed[scope.expects as usize]) {
            *word &= typed;
        }
        if nonterminal == self.primary && scope.names(scope.expects) == 0 {
            bits::remove(allowed, self.reads_name);
        }
    }

    fn inherit(
        &self,
        production: u16,
        child: usize,
        scope: &Scope,
        siblings: &[Option<Said>],
    ) -> Scope {
        let said = |at: usize| siblings[at].expect("children come from left to right");
        let reads = |scope: Scope, expects: Type| Scope {
            expects,
            name: Use::Read,
            ..scope
        };
        match (self.roles[usize::from(production)], child) {
            (Role::Program, 1) => reads(said(0).scope, Type::Int),
            (Role::Through, 1) => said(0).scope,
            (Role::Declaration, 1) => Scope {
                name: Use::Declare,
                ..*scope
            },
            (Role::Declaration, 2) => reads(scope.without(said(1).name), said(0).kind),
            (Role::Assignment, 0) => Scope {
                name: Use::Write,
                ..*scope
            },
            (Role::Assignment, 1) => reads(*scope, said(0).kind),
            (Role::Conditional, 0) => reads(*scope, Type::Bool),
            (Role::Block, _) => Scope { here: 0, ..*scope },
            (Role::Operands(Some(expects)), _) => reads(*scope, expects),
            _ => *scope,
        }
    }

    fn synthesize(
        &self,
        production: u16,
        scope: &Scope,
        children: &[Option<Said>],
    ) -> Result<Said, String> {
        let child = |at: usize| children[at].expect("all children have been evaluated");
        let said = Said {
            scope: *scope,
            name: 0,
            kind: scope.expects,
        };
        Ok(match self.roles[usize::from(production)] {
            Role::Name(name) => Said {
                name,
                kind: scope.kind_of(name),
                ..said
            },
            Role::Kind(kind) => Said { kind, ..said },
            Role::Declaration => Said {
                scope: scope.with(child(1).name, child(0).kind),
                ..said
            },
            Role::Through => children.last().copied().flatten().unwrap_or(said),
            _ => said,
        })
    }

    const HAS_EXTRA: bool = true;

    /// The shortest statement is an assignment; without a name it is a declaration, one decision longer.
    fn extra(&self, production: u16, child: usize, scope: &Scope) -> u32 {
        u32::from(production == self.more && child == 0 && scope.ints | scope.bools == 0)
    }
}
