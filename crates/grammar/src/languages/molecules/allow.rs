//! Masks: which productions a node may take.

use super::atoms::{Kinds, Symbol};
use super::state::NONE;
use super::steps::affordable;
use super::{DIGITS, Digit, Edge, Form, Molecules, NEVER, Site, Spelt};
use crate::attribute::keep;
use crate::bits;

/// Kinds that an atom may come to have, and how many decisions more than the fewest it takes to spell them.
pub(super) type Spelling = [(Kinds, u32); 2];

impl Site {
    /// What the cheapest of these spellings will take.
    pub(super) fn cheapest_of(&self, spelling: Spelling) -> u32 {
        let costs = spelling.map(|(kinds, more)| self.cheapest(kinds).saturating_add(more));
        costs[0].min(costs[1])
    }

    /// What the cheapest of these kinds will take.
    fn cheapest(&self, kinds: Kinds) -> u32 {
        let costs = self.costs.iter().enumerate();
        let costs = costs.filter(|&(kind, _)| kinds >> kind & 1 == 1);
        costs.map(|(_, &cost)| cost).min().unwrap_or(NEVER)
    }
}

impl Molecules {
    pub(super) fn mask(&self, nonterminal: u16, site: &Site, free: u32, allowed: &mut [u64]) {
        let budget = free.saturating_add(site.reserve);
        let left = |production: u16| budget.checked_sub(self.needs[usize::from(production)]);
        let mut among = |productions: &[u16], fits: &dyn Fn(usize) -> bool| {
            keep_where(allowed, productions, fits);
        };
        match nonterminal {
            n if n == self.chain => among(&self.chains, &|at| {
                left(self.chains[at]).is_some_and(|left| self.chain_fits(site, at, left))
            }),
            n if n == self.branched_atom => among(&self.atoms, &|at| {
                let site = Site {
                    rings: (at & 1) as u8,
                    branches: (at >> 1) as u8,
                    ..*site
                };
                let kinds = super::Kind::widest();
                left(self.atoms[at]).is_some_and(|left| {
                    kinds
                        .iter()
                        .any(|&kind| affordable(self.kind_cost(&site, kind), left))
                })
            }),
            n if n == self.rb => among(&self.rbs, &|at| {
                left(self.rbs[at])
                    .is_some_and(|left| affordable(self.ring_bonds_cost(site, at == 1), left))
            }),
            n if n == self.bb => among(&self.bbs, &|at| {
                let grown = if at == 0 {
                    Some((site.state, site.atom))
                } else {
                    Self::one_more(site.state, site.atom)
                };
                grown
                    .zip(left(self.bbs[at]))
                    .is_some_and(|((state, atom), left)| {
                        let cost = self.settled(state, atom, site.must, 1 + at as u8);
                        affordable(cost, left)
                    })
            }),
            n if n == self.branch => {
                let inside = Self::into_branch(site);
                let outside = inside.outside - site.outside;
                among(&self.branches, &|at| {
                    let edges = [
                        Edge::Plain,
                        Edge::Marked(1),
                        Edge::Marked(2),
                        Edge::Marked(3),
                    ];
                    let edges = if at == 0 { &edges[..1] } else { &edges[1..] };
                    let left = left(self.branches[at]).and_then(|left| left.checked_sub(outside));
                    left.is_some_and(|left| {
                        edges
                            .iter()
                            .any(|&edge| self.edge_fits(&inside, edge, left))
                    })
                });
            }
            n if n == self.bond => self.mask_bond(site, budget, allowed),
            n if n == self.ringbond => among(&self.ringbonds, &|at| {
                let digit = Self::digit_of(site.digit);
                let marks = if at == 0 { 0..=0 } else { 1..=2 };
                left(self.ringbonds[at]).is_some_and(|left| {
                    let mut costs = marks.map(|mark| self.bond_cost(site, digit, mark));
                    costs.any(|cost| affordable(cost, left))
                })
            }),
            n if n == self.digit => self.mask_digit(site, budget, allowed),
            _ => self.mask_atom(nonterminal, site, budget, allowed),
        }
    }

    /// The parts of an atom.
    fn mask_atom(&self, nonterminal: u16, site: &Site, budget: u32, allowed: &mut [u64]) {
        let atoms = |production: u16, spelling: Spelling| {
            let left = budget.checked_sub(self.needs[usize::from(production)]);
            left.is_some_and(|left| affordable(site.cheapest_of(spelling), left))
        };
        match nonterminal {
            n if n == self.atom => keep_where(allowed, &self.written, &|at| {
                let kinds = match at {
                    0 => self.spellings(Form::Open),
                    1 => union(&self.aliphatics.1, Form::Bare),
                    _ => union(&self.aromatics.1, Form::Bare),
                };
                atoms(self.written[at], kinds)
            }),
            n if n == self.bai => keep_where(
                allowed,
                &self.bais.map(|(production, _)| production),
                &|at| {
                    let (production, open) = self.bais[at];
                    atoms(production, self.spellings(form(open)))
                },
            ),
            n if n == self.symbol => keep_where(allowed, &self.symbols, &|at| {
                let (_, symbols) = [&self.aliphatics, &self.aromatics][at];
                atoms(self.symbols[at], union(symbols, site.spelt.form))
            }),
            n if n == self.aliphatic || n == self.aromatic => {
                let (first, symbols) = if n == self.aliphatic {
                    &self.aliphatics
                } else {
                    &self.aromatics
                };
                let fits = symbols.iter().enumerate().filter(|(at, symbol)| {
                    atoms(first + *at as u16, symbol.within(site.spelt.form))
                });
                let set = fits.fold(0, |set, (at, _)| set | 1 << at);
                keep(allowed, *first, symbols.len() as u16, set);
            }
            n if n == self.bac => keep_where(allowed, &self.bacs, &|at| {
                atoms(self.bacs[at], self.behind_symbol(site.spelt, at))
            }),
            n if n == self.bah => keep_where(allowed, &self.bahs, &|at| {
                atoms(self.bahs[at], self.beside_symbol(site.spelt, at))
            }),
            n if n == self.hcount => keep_where(allowed, &self.hcounts, &|at| {
                let most = if at == 0 { 1 } else { 8 };
                let all = (1..=most).map(|count| self.with_hydrogens(site.spelt, count));
                atoms(self.hcounts[at], either(all))
            }),
            n if n == self.charge => keep_where(allowed, &self.charges, &|at| {
                let sign = if at < 2 { -1 } else { 1 };
                let most = if at % 2 == 0 { 1 } else { 8 };
                let all = (1..=most).map(|size| self.with_charge(site.spelt, sign * size));
                atoms(self.charges[at], [(union_of(all), 0), (0, 0)])
            }),
            _ => {}
        }
    }

    /// Bonds of rings, else to chains.
    fn mask_bond(&self, site: &Site, budget: u32, allowed: &mut [u64]) {
        let ring = matches!(site.digit, Digit::Opens | Digit::Closes(_));
        let fits = |order: u8| {
            if ring {
                let cost = self.bond_cost(site, Self::digit_of(site.digit), order);
                order < 3 && affordable(cost, budget)
            } else {
                self.edge_fits(site, Edge::Marked(order), budget)
            }
        };
        let fits = [fits(1), fits(2), fits(3)];
        let (first, count) = self.bonds;
        let bonds = (0..count).filter(|at| fits[usize::from(self.order(first + at)) - 1]);
        keep(
            allowed,
            first,
            count,
            bonds.fold(0, |set, at| set | 1 << at),
        );
    }

    fn mask_digit(&self, site: &Site, budget: u32, allowed: &mut [u64]) {
        let fits = |at: usize| match site.digit {
            Digit::Isotope => true,
            Digit::Opens => site.state.rings[at].opener == NONE,
            Digit::Closes(digit) => usize::from(digit) == at,
            Digit::Hydrogens => {
                let spelling = self.with_hydrogens(site.spelt, at + 1);
                affordable(site.cheapest_of(spelling), budget)
            }
            Digit::Charge(sign) => {
                let kinds = self.with_charge(site.spelt, sign * (at as i8 + 1));
                affordable(site.cheapest(kinds), budget)
            }
        };
        let set = (0..DIGITS).filter(|&at| fits(at));
        let set = set.fold(0, |set, at| set | 1 << at);
        keep(allowed, self.digits.0, self.digits.1, set);
    }

    /// What an atom may still come to be behind an isotope or a handedness.
    pub(super) fn spelling_left(&self, production: u16, next: &Site) -> Spelling {
        let at = self.bacs.iter().position(|&bac| bac == production);
        at.map_or_else(
            || self.spellings(next.spelt.form),
            |at| self.behind_symbol(next.spelt, at),
        )
    }

    /// What all symbols may come to be.
    fn spellings(&self, form: Form) -> Spelling {
        let classes = [&self.aliphatics, &self.aromatics];
        either(classes.into_iter().map(|(_, symbols)| union(symbols, form)))
    }

    /// By the productions of `BAC`: with hydrogens or a charge, or handed alone.
    fn behind_symbol(&self, spelt: Spelt, at: usize) -> Spelling {
        let symbol = self.symbol_of(spelt);
        if at == 2 {
            return [(symbol.neutral[0], 0), (0, 0)];
        }
        let short = symbol.neutral[1] | symbol.unit[0];
        [(short, 0), (symbol.dressed(), 3)]
    }

    /// By the productions of `BAH`: hydrogens and a charge, a charge, hydrogens.
    fn beside_symbol(&self, spelt: Spelt, at: usize) -> Spelling {
        let symbol = self.symbol_of(spelt);
        match at {
            0 => [(symbol.unit[1], 0), (symbol.charged_hydrides(), 2)],
            1 => symbol.ions(0),
            _ => [(symbol.neutral[1], 0), (symbol.hydrides(), 1)],
        }
    }

    fn with_hydrogens(&self, spelt: Spelt, count: usize) -> Spelling {
        let symbol = self.symbol_of(spelt);
        if spelt.ionic {
            symbol.ions(count)
        } else {
            [(symbol.neutral[count], 0), (0, 0)]
        }
    }

    pub(super) fn with_charge(&self, spelt: Spelt, charge: i8) -> Kinds {
        let hydrogens = usize::from(spelt.hydrogens);
        self.symbol_of(spelt).charged[hydrogens][(charge + 8) as usize]
    }
}

impl Symbol {
    /// What it may come to be: in brackets, handed alone takes the fewest decisions, hydrogens and a charge with a digit each up to four more.
    fn within(&self, form: Form) -> Spelling {
        match form {
            Form::Bare => [(self.bare, 0), (0, 0)],
            Form::Alone => [(self.neutral[0], 0), (0, 0)],
            Form::Open => [(self.neutral[0], 0), (self.dressed(), 4)],
        }
    }

    /// With so many hydrogens and a charge, whose digit is one decision more.
    fn ions(&self, hydrogens: usize) -> Spelling {
        [(self.unit[hydrogens], 0), (self.ionic[hydrogens], 1)]
    }
}

/// Takes away those that do not fit.
fn keep_where(allowed: &mut [u64], productions: &[u16], fits: &dyn Fn(usize) -> bool) {
    for (at, &production) in productions.iter().enumerate() {
        if bits::contains(allowed, usize::from(production)) && !fits(at) {
            bits::remove(allowed, usize::from(production));
        }
    }
}

pub(super) fn form(open: bool) -> Form {
    if open { Form::Open } else { Form::Alone }
}

fn union(symbols: &[Symbol], form: Form) -> Spelling {
    either(symbols.iter().map(|symbol| symbol.within(form)))
}

/// Spellings of which any will do; each has the same decisions more.
fn either(spellings: impl Iterator<Item = Spelling>) -> Spelling {
    spellings.fold([(0, 0); 2], |[a, b], [c, d]| {
        [(a.0 | c.0, a.1.max(c.1)), (b.0 | d.0, b.1.max(d.1))]
    })
}

fn union_of(kinds: impl Iterator<Item = Kinds>) -> Kinds {
    kinds.fold(0, |set, kinds| set | kinds)
}
