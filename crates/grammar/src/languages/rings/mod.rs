//! Rings of SMILES: every ring bond that is opened is closed, and what it closes is a bond.
//!
//! Constraints 2 and 3 of Dai, Tian, Dai, Skiena & Song, "Syntax-Directed Variational Autoencoder for Structured Data", 2018, on the grammar
//! `zinc_right`; no chemistry:
//! * a digit opens a ring bond, its next use closes it, and then it is free again; at the end none is open;
//! * a ring bond joins two atoms that are neither the same nor bonded already, by the chain or by another ring bond;
//! * where both ends state an order it is the same (beyond the authors' code).
//!
//! Whether a ring bond opens or closes, and which, is its lazy attribute: 0 opens, `k` closes digit `k`.
//!
//! The text ends with an atom whose own end is the text's: the last of a chain, or of its last branch. By then everything must be closed, so every
//! choice is weighed against the decisions that closing will still take: `RING` for each open ring, and `ATOM` for each further atom where several
//! rings were opened on one atom, or on the one before. Other nodes keep that much in reserve.

mod state;

use super::productions::{block, nonterminal, production};
use crate::attribute::{Attributes, keep};
use crate::bits;
use crate::grammar::Grammar;
use crate::tree::Tree;
use state::{DIGITS, NONE, State};

/// What cannot be paid.
const NEVER: u32 = u32::MAX;

/// What a digit is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Digit {
    /// A count or an isotope.
    Free,
    Opens,
    Closes(u8),
}

/// What a node of a molecule knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    state: State,
    /// The atom at hand, or the one about to be made.
    here: u16,
    /// The atom that it is bonded to.
    parent: u16,
    /// The atom that what ends the text will be bonded to.
    main: u16,
    /// Whether the text ends with this node.
    last: bool,
    /// Whether another ring bond of the atom follows.
    more: bool,
    digit: Digit,
    order: u8,
    reserve: u32,
}

/// What a node says: the rings open behind it, its atom, a bond's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    state: State,
    atom: u16,
    order: u8,
}

/// The attributes of `zinc_right`.
#[derive(Debug, Clone)]
pub struct Rings {
    chain: u16,
    branched_atom: u16,
    rb: u16,
    ringbond: u16,
    bond: u16,
    digit: u16,
    /// Productions of `chain`: the end, another atom, another behind a bond.
    chains: [u16; 3],
    /// Productions of `branched_atom`: with neither, ring bonds, branches, both.
    atoms: [u16; 4],
    /// Productions of `RB` and of `BB`: one, more.
    rbs: [u16; 2],
    bbs: [u16; 2],
    branches: [u16; 2],
    ringbonds: [u16; 2],
    bonds: (u16, u16),
    digits: (u16, u16),
    atom_block: (u16, u16),
    /// Fewest decisions of a production's children.
    needs: Vec<u32>,
    ring_cost: u32,
    atom_cost: u32,
}

impl Rings {
    /// The attributes of the language `zinc_right`.
    ///
    /// # Panics
    /// When the grammar is another.
    #[must_use]
    pub fn new(grammar: &Grammar) -> Self {
        let n = |name| nonterminal(grammar, name);
        let p = |shown| production(grammar, shown);
        let ringbond = n("ringbond");
        let price = |symbol| 1 + u32::from(symbol == ringbond);
        let (least, _) = crate::analysis::fewest(grammar, |_| true, price);
        let needs = (0..grammar.productions() as u16).map(|production| {
            grammar
                .children(production)
                .map(|child| least[usize::from(child)])
                .sum()
        });
        Self {
            chain: n("chain"),
            branched_atom: n("branched_atom"),
            rb: n("RB"),
            ringbond,
            bond: n("bond"),
            digit: n("DIGIT"),
            chains: [
                p("chain -> branched_atom"),
                p("chain -> branched_atom chain"),
                p("chain -> branched_atom bond chain"),
            ],
            atoms: [
                p("branched_atom -> atom"),
                p("branched_atom -> atom RB"),
                p("branched_atom -> atom BB"),
                p("branched_atom -> atom RB BB"),
            ],
            rbs: [p("RB -> ringbond"), p("RB -> ringbond RB")],
            bbs: [p("BB -> branch"), p("BB -> branch BB")],
            branches: [
                p("branch -> '(' chain ')'"),
                p("branch -> '(' bond chain ')'"),
            ],
            ringbonds: [p("ringbond -> DIGIT"), p("ringbond -> bond DIGIT")],
            bonds: block(grammar, "bond"),
            digits: block(grammar, "DIGIT"),
            atom_block: block(grammar, "atom"),
            needs: needs.collect(),
            ring_cost: least[usize::from(n("RB"))],
            atom_cost: least[usize::from(n("chain"))],
        }
    }

    /// Decisions beyond the fewest that close everything, when what ends the text is bonded to `parent`.
    fn closing(&self, state: &State, parent: u16) -> u32 {
        let further = state.atoms(parent).saturating_sub(1);
        self.ring_cost * state.open() + self.atom_cost * further
    }

    /// The same for what follows a node, which ends the text or not.
    fn after(&self, site: &Site, state: &State) -> u32 {
        self.closing(state, if site.last { site.here } else { site.main })
    }

    /// Ring bonds of one atom, of which one is paid for: what they and everything behind them take beyond that.
    fn bonds_of(&self, site: &Site, state: State, then: impl Fn(&State) -> u32) -> u32 {
        let mut closed = state;
        for digit in 0..DIGITS {
            if closed.closable(digit, site.here, site.parent) {
                closed = closed.close(digit);
            }
        }
        let count = state.open() - closed.open();
        if count > 0 {
            return then(&closed).saturating_add(self.ring_cost * (count - 1));
        }
        state
            .free_digit()
            .map_or(NEVER, |digit| then(&state.opened(digit, site.here, 0)))
    }

    /// What an atom with this production takes beyond the fewest decisions of the production.
    fn atom(&self, site: &Site, production: u16) -> u32 {
        let (state, [plain, rings, branches, both]) = (&site.state, self.atoms);
        // A branch that ends the text hangs on this atom.
        let branched = |state: &State| self.after(site, state);
        match production {
            p if p == plain && site.last => {
                if state.open() == 0 {
                    0
                } else {
                    NEVER
                }
            }
            p if p == rings && site.last => self.last_bonds(site, state.open()),
            p if p == plain => self.after(site, state),
            p if p == branches => branched(state),
            p if p == rings || p == both => self.bonds_of(site, *state, branched),
            _ => 0,
        }
    }

    /// All open rings closed by the last atom, one of them paid for.
    fn last_bonds(&self, site: &Site, open: u32) -> u32 {
        let closable = (0..DIGITS).filter(|&digit| site.state.opener[digit] != NONE);
        let all = closable
            .clone()
            .all(|digit| site.state.closable(digit, site.here, site.parent));
        if open == 0 || !all || site.state.atoms(site.parent) > 1 {
            return NEVER;
        }
        self.ring_cost * (open - 1)
    }

    /// What one more ring bond, opening (`None`) or closing, takes beyond its own decisions and, if another follows, the fewest of that.
    fn act(&self, site: &Site, digit: Option<usize>) -> u32 {
        let state = match digit {
            Some(digit) if !site.state.closable(digit, site.here, site.parent) => return NEVER,
            Some(digit) => site.state.close(digit),
            None if site.last => return NEVER,
            None => match site.state.free_digit() {
                Some(free) => site.state.opened(free, site.here, 0),
                None => return NEVER,
            },
        };
        match (site.last, site.more) {
            (true, false) => {
                if state.open() == 0 {
                    0
                } else {
                    NEVER
                }
            }
            (true, true) => self.last_bonds(&Site { state, ..*site }, state.open()),
            (false, false) => self.after(site, &state),
            (false, true) => self.bonds_of(site, state, |state| self.after(site, state)),
        }
    }

    /// The cheapest of all ways for one more ring bond.
    fn cheapest(&self, site: &Site, more: bool) -> u32 {
        let site = Site { more, ..*site };
        let closing = (0..DIGITS).map(|digit| self.act(&site, Some(digit)));
        closing
            .chain([self.act(&site, None)])
            .min()
            .unwrap_or(NEVER)
    }

    /// What a chain takes beyond the fewest decisions of its production.
    fn chained(&self, site: &Site, production: u16) -> u32 {
        let atom = Site {
            here: site.state.next,
            state: State {
                closed: [NONE; DIGITS],
                ..site.state
            },
            ..*site
        };
        let end = production == self.chains[0];
        if !site.last {
            // The first atom is plain or has ring bonds, whichever is cheaper.
            return self.first(&atom);
        }
        if end {
            let ways = self.atoms.map(|production| {
                let beyond =
                    self.needs[usize::from(production)] - self.needs[usize::from(self.atoms[0])];
                self.atom(&atom, production).saturating_add(beyond)
            });
            return ways.into_iter().min().unwrap_or(NEVER);
        }
        self.first(&Site {
            last: false,
            main: atom.here,
            ..atom
        })
    }

    /// An atom that does not end the text: plain, or with ring bonds.
    fn first(&self, atom: &Site) -> u32 {
        let with_rings = self
            .atom(atom, self.atoms[1])
            .saturating_add(self.ring_cost);
        self.atom(atom, self.atoms[0]).min(with_rings)
    }

    fn order(&self, bond: u16) -> u8 {
        // - = # / \
        [1, 2, 3, 1, 1][usize::from(bond - self.bonds.0)]
    }
}

impl Attributes for Rings {
    type Inherited = Site;
    type Synthesized = Said;

    fn root(&self) -> Site {
        let state = State {
            opener: [NONE; DIGITS],
            order: [0; DIGITS],
            closed: [NONE; DIGITS],
            next: 0,
        };
        Site {
            state,
            here: NONE,
            parent: NONE,
            main: NONE,
            last: true,
            more: false,
            digit: Digit::Free,
            order: 0,
            reserve: 0,
        }
    }

    fn values(&self) -> usize {
        DIGITS + 1
    }

    fn is_lazy(&self, nonterminal: u16) -> bool {
        nonterminal == self.ringbond
    }

    fn offer(&self, _nonterminal: u16, site: &Site, free: u32, mut offer: impl FnMut(u16)) {
        let affordable = |cost: u32| cost != NEVER && cost <= free;
        if affordable(self.act(site, None)) {
            offer(0);
        }
        for digit in 0..DIGITS {
            if affordable(self.act(site, Some(digit))) {
                offer(digit as u16 + 1);
            }
        }
    }

    fn promise(&self, _nonterminal: u16, site: &mut Site, value: u16) {
        let digit = usize::from(value).checked_sub(1);
        site.reserve = self.act(site, digit);
        site.digit = digit.map_or(Digit::Opens, |digit| Digit::Closes(digit as u8));
    }

    fn realised(&self, tree: &Tree, node: u32, site: &Site) -> u16 {
        let digit = tree
            .children(node)
            .last()
            .map(|&child| tree.nodes()[child as usize].production);
        let digit = digit.map_or(0, |production| production - self.digits.0);
        if site.state.opener[usize::from(digit)] == NONE {
            0
        } else {
            digit + 1
        }
    }

    fn allow(&self, nonterminal: u16, site: &Site, free: u32, allowed: &mut [u64]) {
        if nonterminal == self.digit {
            let set = match site.digit {
                Digit::Free => return,
                Digit::Opens => {
                    let free = (0..DIGITS).filter(|&digit| site.state.opener[digit] == NONE);
                    free.fold(0, |set, digit| set | 1 << digit)
                }
                Digit::Closes(digit) => 1 << digit,
            };
            return keep(allowed, self.digits.0, self.digits.1, set);
        }
        if nonterminal == self.bond {
            if let Digit::Closes(digit) = site.digit
                && let order @ 1.. = site.state.order[usize::from(digit)]
            {
                let same =
                    (0..self.bonds.1).filter(|&bond| self.order(self.bonds.0 + bond) == order);
                keep(
                    allowed,
                    self.bonds.0,
                    self.bonds.1,
                    same.fold(0, |set, bond| set | 1 << bond),
                );
            }
            return;
        }
        let productions: &[u16] = match nonterminal {
            n if n == self.chain => &self.chains,
            n if n == self.branched_atom => &self.atoms,
            n if n == self.rb => &self.rbs,
            _ => return,
        };
        for &production in productions {
            let cost = match nonterminal {
                n if n == self.chain => self.chained(site, production),
                n if n == self.branched_atom => self.atom(site, production),
                _ => self.cheapest(site, production == self.rbs[1]),
            };
            if cost.saturating_add(self.needs[usize::from(production)]) > free || cost == NEVER {
                bits::remove(allowed, usize::from(production));
            }
        }
    }

    fn inherit(
        &self,
        production: u16,
        child: usize,
        site: &Site,
        siblings: &[Option<Said>],
    ) -> Site {
        let said = |at: usize| siblings[at].expect("children come from left to right");
        let mut next = Site {
            reserve: site.reserve,
            ..*site
        };
        if let Some(kind) = self.chains.iter().position(|&p| p == production) {
            if child == 0 {
                next.here = site.state.next;
                next.state.closed = [NONE; DIGITS];
                if kind > 0 && site.last {
                    (next.last, next.main) = (false, next.here);
                }
                next.reserve = 0;
            } else {
                let atom = said(0).atom;
                next.state = said(child - 1).state;
                (next.here, next.parent) = (atom, atom);
                // A bond, then a chain, which weighs its own choices.
                let chain = child == kind;
                next.reserve = if chain {
                    0
                } else {
                    self.after(&next, &next.state)
                };
            }
        } else if let Some(kind) = self.atoms.iter().position(|&p| p == production) {
            if child > 0 {
                next.state = said(child - 1).state;
            }
            let ring = kind % 2 == 1 && child == 1;
            next.last = site.last && kind == child;
            if kind == 3 {
                next.last = site.last && child == 2;
            } else if kind == 2 {
                next.last = site.last && child == 1;
            }
            if site.last && !next.last {
                next.main = site.here;
            }
            next.reserve = match child {
                0 => self.atom(site, production),
                _ if ring => 0,
                _ => self.after(&next, &next.state),
            };
        } else if self.rbs.contains(&production) {
            if child == 1 {
                next.state = said(0).state;
            }
            next.more = production == self.rbs[1];
            next.reserve = 0;
        } else if self.bbs.contains(&production) {
            if child == 1 {
                next.state = said(0).state;
            }
            next.last = site.last && child + 1 == if production == self.bbs[0] { 1 } else { 2 };
            if site.last && !next.last {
                next.main = site.here;
            }
            next.reserve = self.after(&next, &next.state);
        } else if self.branches.contains(&production) {
            next.parent = site.here;
            let chain = child == usize::from(production == self.branches[1]);
            next.reserve = if chain { 0 } else { site.reserve };
        } else if production == self.ringbonds[1] && child == 1 {
            next.order = said(0).order;
        }
        next
    }

    fn synthesize(
        &self,
        production: u16,
        site: &Site,
        children: &[Option<Said>],
    ) -> Result<Said, String> {
        let said = Said {
            state: site.state,
            atom: site.here,
            order: 0,
        };
        let last = children.last().copied().flatten();
        let is = |(first, count): (u16, u16)| (first..first + count).contains(&production);
        if is(self.digits) {
            let digit = usize::from(production - self.digits.0);
            let state = match site.digit {
                Digit::Free => site.state,
                Digit::Opens => site.state.opened(digit, site.here, site.order),
                Digit::Closes(_) => site.state.close(digit),
            };
            return Ok(Said { state, ..said });
        }
        if is(self.bonds) {
            return Ok(Said {
                order: self.order(production),
                ..said
            });
        }
        if is(self.atom_block) {
            let state = State {
                next: site.here.wrapping_add(1),
                ..site.state
            };
            return Ok(Said { state, ..said });
        }
        // Digits inside an atom leave rings alone; everywhere else what is open runs through.
        Ok(Said {
            state: last.map_or(site.state, |last| last.state),
            ..said
        })
    }

    fn reserve(&self, site: &Site) -> u32 {
        site.reserve
    }
}
