//! The program language of the Syntax-Directed VAE, as its authors' decoder checks it.
//!
//! Dai, Tian, Dai, Skiena & Song, "Syntax-Directed Variational Autoencoder for Structured Data", 2018. `v1=sin(v0);v2=v1-1;return:v2`:
//! * a variable is read only if it is the input `v0` or was assigned before;
//! * a statement assigns to a fresh variable, chosen after its right-hand side;
//! * `return` is the last statement and nothing else is; at most ten statements.

use super::productions::{block, nonterminal, production};
use crate::attribute::{Attributes, keep};
use crate::grammar::Grammar;

/// Most statements of a program, `return` among them.
pub const MAX_STATEMENTS: u8 = 10;

/// What a node of a program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Bit `i`: `v_i` has a value.
    pub assigned: u16,
    /// How many statements there may be here.
    pub statements: u8,
    /// Whether the program ends here.
    pub last: bool,
    /// Whether a variable here is assigned to.
    pub writes: bool,
}

/// The attributes of programs.
#[derive(Debug, Clone)]
pub struct Programs {
    stat_list: u16,
    stat: u16,
    var_id: u16,
    more: u16,
    one: u16,
    returns: u16,
    assigns: u16,
    assign: u16,
    names: (u16, u16),
    /// Decisions by which an assignment is longer than a return.
    longer: u32,
}

impl Programs {
    /// The attributes of the language `programs`.
    ///
    /// # Panics
    /// When the grammar is another.
    #[must_use]
    pub fn new(grammar: &Grammar) -> Self {
        let least = |name| {
            grammar
                .fewest_productions(nonterminal(grammar, name))
                .unwrap_or(0)
        };
        Self {
            stat_list: nonterminal(grammar, "stat_list"),
            stat: nonterminal(grammar, "stat"),
            var_id: nonterminal(grammar, "var_id"),
            more: production(grammar, "stat_list -> stat_list ';' stat"),
            one: production(grammar, "stat_list -> stat"),
            returns: production(grammar, "stat -> return_stat"),
            assigns: production(grammar, "stat -> assign_stat"),
            assign: production(grammar, "assign_stat -> lhs '=' rhs"),
            names: block(grammar, "var_id"),
            longer: least("assign_stat") - least("return_stat"),
        }
    }
}

impl Attributes for Programs {
    type Inherited = Scope;
    /// Variables that have a value afterwards.
    type Synthesized = u16;

    fn root(&self) -> Scope {
        Scope {
            assigned: 1,
            statements: MAX_STATEMENTS,
            last: true,
            writes: false,
        }
    }

    /// The target of an assignment comes after its right-hand side.
    fn order(&self, production: u16, at: usize) -> usize {
        if production == self.assign {
            1 - at
        } else {
            at
        }
    }

    fn allow(&self, nonterminal: u16, scope: &Scope, _free: u32, allowed: &mut [u64]) {
        let forbid = |production: u16, allowed: &mut [u64]| {
            crate::bits::remove(allowed, usize::from(production));
        };
        if nonterminal == self.var_id {
            let set = if scope.writes {
                !scope.assigned
            } else {
                scope.assigned
            };
            keep(allowed, self.names.0, self.names.1, set.into());
        } else if nonterminal == self.stat_list && scope.statements == 1 {
            forbid(self.more, allowed);
        } else if nonterminal == self.stat {
            forbid(
                if scope.last {
                    self.assigns
                } else {
                    self.returns
                },
                allowed,
            );
        }
    }

    fn inherit(
        &self,
        production: u16,
        child: usize,
        scope: &Scope,
        siblings: &[Option<u16>],
    ) -> Scope {
        let mut scope = *scope;
        if production == self.more && child == 0 {
            (scope.last, scope.statements) = (false, scope.statements - 1);
        } else if production == self.more {
            scope.assigned = siblings[0].unwrap_or(scope.assigned);
        } else if production == self.assign {
            scope.writes = child == 0;
        }
        scope
    }

    fn synthesize(
        &self,
        production: u16,
        scope: &Scope,
        children: &[Option<u16>],
    ) -> Result<u16, String> {
        let (first, count) = self.names;
        if (first..first + count).contains(&production) {
            return Ok(scope.assigned | 1 << (production - first));
        }
        // The target of an assignment is its first child; elsewhere the last child knows most.
        let known = if production == self.assign {
            children.first()
        } else {
            children.last()
        };
        Ok(known.copied().flatten().unwrap_or(scope.assigned))
    }

    const HAS_EXTRA: bool = true;

    fn extra(&self, production: u16, child: usize, scope: &Scope) -> u32 {
        let assigns = match production {
            p if p == self.more => child == 0 || !scope.last,
            p if p == self.one => !scope.last,
            _ => false,
        };
        if assigns { self.longer } else { 0 }
    }
}
