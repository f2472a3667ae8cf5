//! What each token does to the state, and what the plan costs from there.

use super::atoms::{KINDS, Kind};
use super::state::{DIGITS, HERE, Later, NONE, Ring, State, pushed};
use super::{Atom, Edge, Molecules, NEVER, Next, Site};

impl Molecules {
    /// What it takes to close one ring: a carbon, and one more that closes it.
    fn ring(&self) -> u32 {
        self.ring_cost + 2 * self.atom_cost
    }

    /// The plan from before a chain that hangs on an atom, in decisions beyond the fewest.
    fn plan(&self, state: &State, atom: Atom, must: u16) -> u32 {
        let all = self.ring() * state.open();
        let lacks = state.ways.all().iter().all(|way| way & HERE != 0);
        let closes = state.opened_from(must).next().is_some() || state.pending != NONE;
        if all == 0 || lacks || !closes {
            return all;
        }
        // Behind an ordinary atom that opened nothing the next may close a ring at once.
        let ready = !atom.kind.aromatic && state.opened_from(atom.depth).next().is_none();
        all - self.atom_cost * if ready { 2 } else { 1 }
    }

    /// The atom of a kind that a site is about to write, with the state behind its symbol; `None` if it cannot be.
    pub(super) fn born(site: &Site, kind: Kind) -> Option<(State, Atom)> {
        let (mut state, parent) = (site.state, site.atom);
        let order = site.edge.order();
        let follows = u8::from(site.next != Next::Nothing);
        let others = site.rings + site.branches + follows;
        let atom = Atom {
            kind,
            depth: parent.depth + 1,
            bonds: others + if kind.aromatic { order.min(1) } else { order },
            next: site.next,
        };
        if atom.bonds > kind.neighbours() || atom.depth > NONE - 2 {
            return None;
        }
        if kind.aromatic
            && (order > 2 || (order == 2 && (parent.kind.aromatic || !atom.exocyclic())))
        {
            return None;
        }
        let shared = site.edge == Edge::Plain && parent.kind.aromatic && kind.aromatic;
        let exocyclic = order == 2 && parent.kind.aromatic;
        let needs = kind.aromatic && atom.bonds < kind.room;
        let waits = site.later != Later::Nothing;
        state.ways = state.ways.map(|way| {
            let lacks = way & HERE != 0;
            // The way with the parent lacking its double bond or not, and this atom having one or not.
            let with = |lacking: bool, has: bool| {
                let way = if lacking { way | HERE } else { way & !HERE };
                let way = if site.enters { pushed(way)? } else { way };
                if (lacking && !waits) || (has && !needs) {
                    return None;
                }
                Some(if needs && !has {
                    way | HERE
                } else {
                    way & !HERE
                })
            };
            if shared && lacks {
                [with(false, true), with(true, false)]
            } else if exocyclic {
                [if lacks { with(false, false) } else { None }, None]
            } else {
                [with(lacks, kind.aromatic && order == 2), None]
            }
        });
        if site.enters {
            state.enter(parent.depth, site.later, site.follows);
        }
        if kind.aromatic {
            state.require(if shared { parent.depth } else { atom.depth });
        }
        Some((state, atom))
    }

    /// Where the atom at hand may get its double bond once its ring bonds are done.
    pub(super) fn later(atom: Atom, branches: bool) -> Later {
        let open = branches || atom.next == Next::Bond;
        if open && atom.exocyclic() {
            Later::Free
        } else if branches || atom.next == Next::Atom {
            Later::Ring
        } else {
            Later::Nothing
        }
    }

    /// What is left to pay behind the ring bonds of an atom; `NEVER` if that is no way on.
    pub(super) fn settled(&self, state: State, atom: Atom, must: u16, branches: u8) -> u32 {
        if branches == 0 && atom.next == Next::Nothing {
            return state
                .ended(atom.depth, must)
                .map_or(NEVER, |state| self.ring() * state.open());
        }
        let later = Self::later(atom, branches > 0);
        let Some(state) = state.viable(atom.depth, later) else {
            return NEVER;
        };
        if branches == 0 {
            return self.plan(&state, atom, must);
        }
        let Some(state) = state.enterable() else {
            return NEVER;
        };
        let more = branches > 1;
        let marked = if more {
            Self::may_mark(&state, atom)
        } else {
            u32::from(state.viable(atom.depth, Later::Ring).is_none())
        };
        self.before_branch(&state, atom, must, more) + marked
    }

    /// The decision for `=` in a later branch, where the double bond may come to that.
    pub(super) fn may_mark(state: &State, atom: Atom) -> u32 {
        let lacks = state.ways.all().iter().any(|way| way & HERE != 0);
        u32::from(lacks && atom.exocyclic() && atom.next != Next::Bond)
    }

    /// The plan before a branch.
    fn before_branch(&self, state: &State, atom: Atom, must: u16, more: bool) -> u32 {
        let mut inside = *state;
        let behind = Behind::new(atom, must, more);
        if behind.follows {
            inside.pending = NONE;
        }
        self.plan(&inside, atom, behind.must)
    }

    /// One more bond of an atom than was sure to come; `None` if it has no room.
    pub(super) fn one_more(mut state: State, mut atom: Atom) -> Option<(State, Atom)> {
        if atom.spare() == 0 {
            return None;
        }
        atom.bonds += 1;
        if atom.kind.aromatic && atom.bonds == atom.kind.room {
            // With three neighbours it is pyrrole's nitrogen, which has no double bond.
            state.ways = state
                .ways
                .map(|way| [(way & HERE != 0).then_some(way & !HERE), None]);
        }
        Some((state, atom))
    }

    /// Opens (`None`) or closes a ring bond on the atom at hand, with a stated order (0: none).
    pub(super) fn ring_bond(site: &Site, digit: Option<usize>, mark: u8) -> Option<Site> {
        let aromatic = site.atom.kind.aromatic;
        let roomy = !aromatic && site.atom.spare() > 0;
        let Some(digit) = digit else {
            let last = site.branches == 0 && site.atom.next == Next::Nothing;
            if last || (mark == 2 && !roomy) {
                return None;
            }
            let digit = site.state.free_digit()?;
            return Some(Self::open(*site, digit, mark));
        };
        let ring = site.state.rings[digit];
        if ring.opener >= site.atom.depth - 1 || site.closed >> digit & 1 == 1 {
            return None;
        }
        let order = match (ring.order, mark) {
            (stated, 0) => stated.max(1),
            (0, mark) => mark,
            (stated, mark) if stated == mark => mark,
            _ => return None,
        };
        let raised = ring.order == 0 && order == 2;
        if (order == 2 && !roomy) || (raised && ring.spare == 0) {
            return None;
        }
        let mut next = *site;
        for (at, other) in next.state.rings.iter_mut().enumerate() {
            if other.opener == ring.opener {
                other.spare -= u8::from(raised);
                next.closed |= 1 << at;
            }
        }
        let shared = ring.aromatic && ring.order == 0 && mark == 0 && aromatic;
        let exocyclic = ring.aromatic && raised;
        let bit = 1 << digit;
        next.state.ways = next.state.ways.map(|way| {
            let (double, lacks) = (way & bit != 0, way & HERE != 0);
            let way = way & !bit;
            let kept = match (double, shared, exocyclic) {
                (true, true, _) => lacks.then_some(way & !HERE),
                (true, false, true) | (false, _, false) => Some(way),
                _ => None,
            };
            [kept, None]
        });
        next.state.closed(digit);
        next.atom.bonds += u8::from(order == 2);
        Some(next)
    }

    /// Opens a ring bond with this digit.
    pub(super) fn open(mut site: Site, digit: usize, mark: u8) -> Site {
        let atom = &mut site.atom;
        let aromatic = atom.kind.aromatic;
        let bit = 1 << digit;
        site.state.ways = site.state.ways.map(|way| {
            let double = (aromatic && mark == 0 && way & HERE != 0).then_some((way | bit) & !HERE);
            [Some(way), double]
        });
        site.state.rings[digit] = Ring {
            opener: atom.depth,
            order: mark,
            aromatic,
            spare: u8::from(atom.exocyclic()),
        };
        atom.bonds += u8::from(mark == 2);
        site
    }

    /// What so many ring bonds that are sure to come take beyond their fewest decisions, and all behind them; the cheapest way to go on.
    fn bonds_cost(&self, site: &Site, bonds: u8) -> u32 {
        if site.branches == 0 && site.atom.next == Next::Nothing {
            return self.last_bonds(site, bonds);
        }
        if bonds == 0 {
            return self.settled(site.state, site.atom, site.must, site.branches);
        }
        let digits = [None].into_iter().chain((0..DIGITS).map(Some));
        digits
            .map(|digit| Self::cheapest_mark(site, digit, |next| self.bonds_cost(next, bonds - 1)))
            .min()
            .unwrap_or(NEVER)
    }

    /// The same on an atom behind which nothing follows: all rings of its chain close here, and perhaps one of another.
    fn last_bonds(&self, site: &Site, bonds: u8) -> u32 {
        if let Some(digit) = site.state.opened_from(site.must).next() {
            return self.last_bond(site, digit, bonds);
        }
        let done = if bonds == 0 {
            self.settled(site.state, site.atom, site.must, 0)
        } else {
            NEVER
        };
        if done != NEVER {
            return done;
        }
        let others = (0..DIGITS).map(|digit| self.last_bond(site, digit, bonds));
        others.min().unwrap_or(NEVER)
    }

    fn last_bond(&self, site: &Site, digit: usize, bonds: u8) -> u32 {
        let (mut here, mut price) = (*site, 0);
        if bonds == 0 {
            // Beyond what is sure to come.
            let Some((state, atom)) = Self::one_more(site.state, site.atom) else {
                return NEVER;
            };
            (here.state, here.atom, price) = (state, atom, self.ring_cost);
        }
        let rest = |next: &Site| self.last_bonds(next, bonds.saturating_sub(1));
        Self::cheapest_mark(&here, Some(digit), rest).saturating_add(price)
    }

    /// A ring bond without a mark, else with one, and what follows.
    fn cheapest_mark(site: &Site, digit: Option<usize>, rest: impl Fn(&Site) -> u32) -> u32 {
        for mark in 0..=2 {
            if let Some(next) = Self::ring_bond(site, digit, mark) {
                let cost = rest(&next).saturating_add(u32::from(mark > 0));
                if cost != NEVER {
                    return cost;
                }
            }
        }
        NEVER
    }

    /// What the ring bond at hand takes, beyond its own fewest decisions and those of what is sure to follow, but for its mark.
    pub(super) fn bond_cost(&self, site: &Site, digit: Option<usize>, mark: u8) -> u32 {
        Self::ring_bond(site, digit, mark).map_or(NEVER, |next| self.behind_bond(&next, site.more))
    }

    /// Behind a ring bond: at least one more, or the end of them.
    fn behind_bond(&self, site: &Site, more: bool) -> u32 {
        if more {
            self.bonds_cost(site, 1)
        } else {
            self.settled(site.state, site.atom, site.must, site.branches)
        }
    }

    /// The same with the cheapest mark.
    pub(super) fn any_bond_cost(&self, site: &Site, digit: Option<usize>) -> u32 {
        let marks = (0..=2).map(|mark| {
            self.bond_cost(site, digit, mark)
                .saturating_add(u32::from(mark > 0))
        });
        marks.min().unwrap_or(NEVER)
    }

    /// What the ring bonds at hand take: one, or at least two.
    pub(super) fn ring_bonds_cost(&self, site: &Site, more: bool) -> u32 {
        let mut site = *site;
        if more {
            let Some(grown) = Self::one_more(site.state, site.atom) else {
                return NEVER;
            };
            (site.state, site.atom) = grown;
        }
        let digits = [None].into_iter().chain((0..DIGITS).map(Some));
        digits
            .map(|digit| Self::cheapest_mark(&site, digit, |next| self.behind_bond(next, more)))
            .min()
            .unwrap_or(NEVER)
    }

    /// What an atom of a kind takes, with the ring bonds and branches that it is sure to have.
    pub(super) fn kind_cost(&self, site: &Site, kind: Kind) -> u32 {
        let Some((state, atom)) = Self::born(site, kind) else {
            return NEVER;
        };
        if site.rings == 0 {
            return self.settled(state, atom, site.must, site.branches);
        }
        let here = Site {
            state,
            atom,
            closed: 0,
            ..*site
        };
        self.bonds_cost(&here, 1)
    }

    /// The same for all kinds.
    pub(super) fn kind_costs(&self, site: &Site) -> [u32; KINDS] {
        let mut costs = [NEVER; KINDS];
        if site.rings > 0 {
            for kind in Kind::all() {
                costs[kind.index()] = self.kind_cost(site, kind);
            }
            return costs;
        }
        // Without ring bonds it does not matter how much room an ordinary atom has beyond its bonds.
        let [widest, aromatic @ ..] = Kind::widest();
        let bonds = Self::born(site, widest).map_or(u8::MAX, |(_, atom)| atom.bonds);
        let cost = self.kind_cost(site, widest);
        for kind in Kind::all().filter(|kind| !kind.aromatic && kind.room >= bonds) {
            costs[kind.index()] = cost;
        }
        for kind in aromatic {
            costs[kind.index()] = self.kind_cost(site, kind);
        }
        costs
    }

    /// Whether a chain of this production can be paid with so many decisions beyond its fewest.
    pub(super) fn chain_fits(&self, site: &Site, at: usize, budget: u32) -> bool {
        let mut site = *site;
        site.next = [Next::Nothing, Next::Atom, Next::Bond][at];
        let plain = self.needs[usize::from(self.atoms[0])];
        (0..4).any(|shape| {
            site.rings = (shape & 1) as u8;
            site.branches = (shape >> 1) as u8;
            let needs = self.needs[usize::from(self.atoms[shape])] - plain;
            let kinds = Kind::widest();
            needs <= budget
                && kinds
                    .iter()
                    .any(|&kind| affordable(self.kind_cost(&site, kind), budget - needs))
        })
    }

    /// Whether any chain can be.
    pub(super) fn some_chain_fits(&self, site: &Site, budget: u32) -> bool {
        (0..3).any(|at| {
            let needs = |at: usize| self.needs[usize::from(self.chains[at])];
            budget
                .checked_sub(needs(at) - needs(0))
                .is_some_and(|budget| self.chain_fits(site, at, budget))
        })
    }

    /// Whether the bond to a chain may have this order, and the chain be paid.
    pub(super) fn edge_fits(&self, site: &Site, edge: Edge, budget: u32) -> bool {
        let atom = site.atom;
        let holds = match (edge.order(), atom.kind.aromatic) {
            (..=1, _) => true,
            (order, false) => atom.spare() >= order - 1,
            (order, true) => order == 2 && atom.exocyclic(),
        };
        holds && self.some_chain_fits(&Site { edge, ..*site }, budget)
    }
}

/// Whether a cost is one that can be paid.
pub(super) fn affordable(cost: u32, budget: u32) -> bool {
    cost != NEVER && cost <= budget
}

/// What follows behind a branch.
pub(super) struct Behind {
    /// Where the atom may get its double bond there.
    pub(super) later: Later,
    /// Whether anything follows at all.
    pub(super) follows: bool,
    /// The depth from which rings must close in the branch.
    pub(super) must: u16,
}

impl Behind {
    pub(super) fn new(atom: Atom, must: u16, more: bool) -> Self {
        let follows = more || atom.next != Next::Nothing;
        Self {
            later: Molecules::later(atom, more),
            follows,
            must: if follows { atom.depth + 1 } else { must },
        }
    }
}
