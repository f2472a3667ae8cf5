//! What nodes hand down to their children and sum up from them.

use super::allow::form;
use super::atoms::{Kind, Symbol};
use super::state::Later;
use super::steps::Behind;
use super::{Digit, Edge, Form, Molecules, Next, Said, Site, Spelt};

impl Molecules {
    /// A branch on the atom at hand, before its bond.
    pub(super) fn into_branch(site: &Site) -> Site {
        let behind = Behind::new(site.atom, site.must, site.more);
        let marked = if site.more {
            Self::may_mark(&site.state, site.atom)
        } else {
            0
        };
        Site {
            outside: site.outside + marked,
            later: behind.later,
            follows: behind.follows,
            must: behind.must,
            enters: true,
            digit: Digit::Isotope,
            reserve: 0,
            ..*site
        }
    }

    pub(super) fn digit_of(digit: Digit) -> Option<usize> {
        match digit {
            Digit::Closes(digit) => Some(usize::from(digit)),
            _ => None,
        }
    }

    pub(super) fn hand_down(
        &self,
        production: u16,
        child: usize,
        site: &Site,
        siblings: &[Option<Said>],
    ) -> Site {
        let said = |at: usize| siblings[at].expect("children come from left to right");
        let place = |among: &[u16]| among.iter().position(|&p| p == production);
        let mut next = *site;
        if let Some(at) = place(&self.chains) {
            Self::along_chain(&mut next, at, child, siblings);
        } else if let Some(at) = place(&self.atoms) {
            (next.rings, next.branches) = ((at & 1) as u8, (at >> 1) as u8);
            if child == 0 {
                next.costs = self.kind_costs(&next);
                next.spelt.form = Form::Bare;
                next.reserve = 0;
            } else {
                (next.state, next.atom) = (said(child - 1).state, said(child - 1).atom);
                (next.closed, next.reserve) = (0, 0);
            }
        } else if let Some(at) = place(&self.rbs).or_else(|| place(&self.bbs)) {
            next.reserve = 0;
            if child == 1 {
                (next.state, next.atom) = (said(0).state, said(0).atom);
                next.closed = said(0).closed;
            } else {
                next.more = at == 1;
                if next.more
                    && let Some((state, atom)) = Self::one_more(site.state, site.atom)
                {
                    (next.state, next.atom) = (state, atom);
                }
            }
        } else if self.branches.contains(&production) {
            next = Self::into_branch(site);
            next.edge = if child == 1 {
                Edge::Marked(said(0).order)
            } else {
                Edge::Plain
            };
        } else if place(&self.ringbonds).is_some() {
            let digit = Self::digit_of(site.digit);
            if child == 1 {
                next.mark = said(0).order;
                next.reserve = self.bond_cost(site, digit, next.mark);
            } else if production == self.ringbonds[0] {
                next.mark = 0;
                next.reserve = self.bond_cost(site, digit, 0);
            }
        } else {
            self.inside_atom(&mut next, production, child, siblings);
        }
        next
    }

    /// A chain: the atom, the bond, the rest.
    fn along_chain(next: &mut Site, at: usize, child: usize, siblings: &[Option<Said>]) {
        next.next = [Next::Nothing, Next::Atom, Next::Bond][at];
        next.reserve = 0;
        if child == 0 {
            return;
        }
        let Some(said) = siblings[0] else {
            return;
        };
        (next.state, next.atom) = (said.state, said.atom);
        (next.later, next.follows, next.enters) = (Later::Nothing, false, false);
        next.digit = Digit::Isotope;
        next.edge = match siblings[child - 1] {
            Some(bond) if child == 2 => Edge::Marked(bond.order),
            _ => Edge::Plain,
        };
        // What the atom has left may still raise the order of its ring bonds.
        let atom = next.atom;
        if !atom.kind.aromatic && child == at {
            let spare = atom.spare().saturating_sub(next.edge.order() - 1);
            let own = |opener: u16| opener == atom.depth;
            for ring in next.state.rings.iter_mut().filter(|ring| own(ring.opener)) {
                ring.spare = spare;
            }
        }
    }

    /// The parts of an atom.
    fn inside_atom(
        &self,
        next: &mut Site,
        production: u16,
        child: usize,
        siblings: &[Option<Said>],
    ) {
        let bai = self.bais.iter().find(|&&(bai, _)| bai == production);
        let previous = child.checked_sub(1).and_then(|at| siblings[at]);
        if let Some(&(_, open)) = bai {
            next.spelt.form = form(open);
            next.digit = Digit::Isotope;
        }
        if let Some(previous) = previous {
            let spelt = Spelt {
                form: next.spelt.form,
                ..previous.spelt
            };
            next.spelt = spelt;
        }
        if production == self.bahs[0] && child == 0 {
            next.spelt.ionic = true;
        }
        if production == self.hcounts[1] {
            next.digit = Digit::Hydrogens;
        }
        if production == self.charges[1] {
            next.digit = Digit::Charge(-1);
        }
        if production == self.charges[3] {
            next.digit = Digit::Charge(1);
        }
        // Isotopes and handedness leave the rest open; all others weigh it themselves.
        let aside = child == 0
            && (production == self.bais[0].0
                || production == self.bais[2].0
                || production == self.bacs[0]
                || production == self.bacs[2]);
        if aside {
            next.reserve = next.cheapest_of(self.spelling_left(production, next));
        } else if !self.isotopes.contains(&production) {
            next.reserve = 0;
        }
    }

    pub(super) fn sum_up(
        &self,
        production: u16,
        site: &Site,
        children: &[Option<Said>],
    ) -> Result<Said, String> {
        let last = children.last().copied().flatten();
        let own = Said {
            state: site.state,
            atom: site.atom,
            order: 0,
            closed: site.closed,
            spelt: site.spelt,
        };
        let mut said = last.unwrap_or(own);
        let is = |(first, count): (u16, u16)| (first..first + count).contains(&production);
        let impossible = || "this leaves no molecule".to_owned();
        if is(self.digits) {
            let digit = usize::from(production - self.digits.0);
            let next = match site.digit {
                Digit::Opens => Self::open(*site, digit, site.mark),
                Digit::Closes(_) => {
                    Self::ring_bond(site, Some(digit), site.mark).ok_or_else(impossible)?
                }
                _ => *site,
            };
            (said.state, said.atom, said.closed) = (next.state, next.atom, next.closed);
            said.order = digit as u8 + 1;
        } else if is(self.bonds) {
            said.order = self.order(production);
        } else if production == self.chains[0] {
            said.state = said
                .state
                .ended(said.atom.depth, site.must)
                .ok_or_else(impossible)?;
        } else if self.branches.contains(&production) {
            let order = children[0].filter(|_| children.len() == 2);
            let order = order.map_or(1, |bond| bond.order);
            said.atom = site.atom;
            said.atom.bonds += if site.atom.kind.aromatic {
                0
            } else {
                order - 1
            };
            said.state.leave(&site.state);
        } else if self.written.contains(&production) {
            let spelt = said.spelt;
            let kinds = if production == self.written[0] {
                self.with_charge(spelt, spelt.charge)
            } else {
                self.symbol_of(spelt).bare
            };
            let kind = Kind::of(kinds).ok_or_else(impossible)?;
            (said.state, said.atom) = Self::born(site, kind).ok_or_else(impossible)?;
        } else {
            self.spell(production, site, children, &mut said);
        }
        Ok(said)
    }

    /// What the parts of an atom say of it.
    fn spell(&self, production: u16, site: &Site, children: &[Option<Said>], said: &mut Said) {
        let inside = |(first, symbols): &(u16, Vec<Symbol>)| {
            let at = production.checked_sub(*first)?;
            (usize::from(at) < symbols.len()).then_some(at as u8)
        };
        let number = children
            .last()
            .copied()
            .flatten()
            .map_or(1, |digit| digit.order);
        if let Some(symbol) = inside(&self.aliphatics) {
            (said.spelt.aromatic, said.spelt.symbol) = (false, symbol);
        } else if let Some(symbol) = inside(&self.aromatics) {
            (said.spelt.aromatic, said.spelt.symbol) = (true, symbol);
        } else if self.hcounts.contains(&production) {
            said.spelt = site.spelt;
            said.spelt.hydrogens = number;
        } else if let Some(at) = self.charges.iter().position(|&p| p == production) {
            said.spelt = site.spelt;
            said.spelt.charge = if at < 2 {
                -(number as i8)
            } else {
                number as i8
            };
        }
    }
}
