//! Molecules: SMILES that are molecules, not only by their grammar.
//!
//! The constraints of Dai, Tian, Dai, Skiena & Song, "Syntax-Directed Variational Autoencoder for Structured Data", 2018, on the grammar `zinc_right`, and what their
//! code leaves out:
//! * *valence*: no atom has more bonds, hydrogens included, than its element and charge allow;
//! * *rings*: a digit opens a ring bond, its next use closes it, and at the end none is open; it joins two atoms that are neither the same nor bonded already; ends
//!   that both state an order state the same;
//! * *aromaticity* (beyond the authors): aromatic atoms and the unmarked bonds between them lie on rings, and double bonds can be placed so that each such
//!   atom that needs one has exactly one.
//!
//! SMILES are taken as toolkits write them, walking the molecule in depth: a ring closes below the atom where it was opened, in the same chain or a branch of
//! it. A bond between aromatic atoms that is on no ring is written `-`. There are no triple ring bonds, no double bonds between two aromatic atoms.
//!
//! Whether a ring bond opens or closes, and which, is its lazy attribute: 0 opens, `k` closes digit `k`.
//!
//! Double bonds of aromatic rings are not decided: all ways to place them that are still possible go along (`state.rs`), and what would leave none is masked. As the text
//! must end in time, every choice is weighed against a plan that finishes from wherever it leads: a chain of single-bonded carbons, every second of which closes one ring, as `c` where
//! a double bond waits for that ring. The plan is what a state costs beyond the grammar's fewest decisions.

mod allow;
mod atoms;
mod flow;
mod state;
mod steps;

use super::productions::{block, nonterminal, production};
use crate::attribute::Attributes;
use crate::grammar::Grammar;
use crate::tree::Tree;
use atoms::{KINDS, Kind, Symbol};
use state::{DIGITS, Later, NONE, State};
use steps::affordable;

/// What cannot be paid.
const NEVER: u32 = u32::MAX;

/// What a digit is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Digit {
    Isotope,
    Hydrogens,
    Charge(i8),
    Opens,
    Closes(u8),
}

/// The bond to an atom that is about to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    /// There is none: the first atom.
    None,
    Plain,
    Marked(u8),
}

impl Edge {
    fn order(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Plain => 1,
            Self::Marked(order) => order,
        }
    }
}

/// What follows an atom in its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Nothing,
    Atom,
    Bond,
}

/// An atom that is written, but for what hangs on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Atom {
    kind: Kind,
    /// How many atoms lie on the way to it; 0 before the first.
    depth: u16,
    /// Orders of its bonds, those included that are sure to come; in aromatic rings, neighbours.
    bonds: u8,
    next: Next,
}

impl Atom {
    fn spare(self) -> u8 {
        self.kind.neighbours().saturating_sub(self.bonds)
    }

    /// Whether it could have a double bond to an atom outside its ring.
    fn exocyclic(self) -> bool {
        self.kind.aromatic && self.kind.room >= 4 && self.bonds >= 3
    }
}

/// Where a symbol stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Bare,
    /// In brackets, with neither hydrogens nor charge.
    Alone,
    /// In brackets, with one of handedness, hydrogens, charge.
    Open,
}

/// An atom as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spelt {
    form: Form,
    aromatic: bool,
    symbol: u8,
    hydrogens: u8,
    charge: i8,
    /// Whether a charge is sure to come.
    ionic: bool,
}

/// What a node of a molecule knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    state: State,
    /// The atom at hand; for what is about to be written, the one that it hangs on.
    atom: Atom,
    edge: Edge,
    /// Rings that were opened at this depth or below must close before the chain ends.
    must: u16,
    /// What may follow, behind the chain at hand, on the atom that it hangs on.
    later: Later,
    /// Whether anything does.
    follows: bool,
    /// Whether the chain at hand is a branch and its first atom is still to come.
    enters: bool,
    next: Next,
    /// Ring bonds and branches that the atom to be written is sure to have.
    rings: u8,
    branches: u8,
    /// Digits of rings that may not close on the atom at hand, since one of the same opener did.
    closed: u8,
    /// Whether another ring bond, or another branch, follows.
    more: bool,
    digit: Digit,
    /// The order that the bond of a ring states, 0 if none.
    mark: u8,
    /// For each kind of atom, what it will take beyond the fewest decisions.
    costs: [u32; KINDS],
    spelt: Spelt,
    /// What is left to pay behind the node, and behind the chain around it.
    reserve: u32,
    outside: u32,
}

/// What a node says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    state: State,
    atom: Atom,
    /// Of a bond, its order; of a digit, the number.
    order: u8,
    closed: u8,
    spelt: Spelt,
}

/// The attributes of `zinc_right`.
#[derive(Debug, Clone)]
pub struct Molecules {
    chain: u16,
    branched_atom: u16,
    atom: u16,
    bai: u16,
    bac: u16,
    bah: u16,
    symbol: u16,
    aliphatic: u16,
    aromatic: u16,
    hcount: u16,
    charge: u16,
    rb: u16,
    ringbond: u16,
    bb: u16,
    branch: u16,
    bond: u16,
    digit: u16,
    /// Productions of `chain`: the end, another atom, another behind a bond.
    chains: [u16; 3],
    /// Productions of `branched_atom`: with neither, ring bonds, branches, both.
    atoms: [u16; 4],
    /// Productions of `atom`: in brackets, aliphatic, aromatic.
    written: [u16; 3],
    /// Productions of `symbol`: aliphatic, aromatic.
    symbols: [u16; 2],
    /// Productions of `RB` and of `BB`: one, more.
    rbs: [u16; 2],
    bbs: [u16; 2],
    branches: [u16; 2],
    ringbonds: [u16; 2],
    bonds: (u16, u16),
    digits: (u16, u16),
    /// Productions of `BAI`, and whether each has hydrogens or a charge.
    bais: [(u16, bool); 4],
    isotopes: [u16; 3],
    /// Productions of `BAC`: handed with hydrogens or charge, these alone, handed alone.
    bacs: [u16; 3],
    /// Productions of `BAH`: hydrogens and charge, charge, hydrogens.
    bahs: [u16; 3],
    hcounts: [u16; 2],
    /// Productions of `charge`: -1, -n, +1, +n.
    charges: [u16; 4],
    aliphatics: (u16, Vec<Symbol>),
    aromatics: (u16, Vec<Symbol>),
    /// Fewest decisions of a production's children.
    needs: Vec<u32>,
    ring_cost: u32,
    atom_cost: u32,
}

impl Molecules {
    /// The attributes of the language `zinc_right`.
    ///
    /// # Panics
    /// When the grammar is another.
    #[must_use]
    pub fn new(grammar: &Grammar) -> Self {
        let n = |name| nonterminal(grammar, name);
        let p = |shown: &str| production(grammar, shown);
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
            atom: n("atom"),
            bai: n("BAI"),
            bac: n("BAC"),
            bah: n("BAH"),
            symbol: n("symbol"),
            aliphatic: n("aliphatic_organic"),
            aromatic: n("aromatic_organic"),
            hcount: n("hcount"),
            charge: n("charge"),
            rb: n("RB"),
            ringbond,
            bb: n("BB"),
            branch: n("branch"),
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
            written: [
                p("atom -> bracket_atom"),
                p("atom -> aliphatic_organic"),
                p("atom -> aromatic_organic"),
            ],
            symbols: [
                p("symbol -> aliphatic_organic"),
                p("symbol -> aromatic_organic"),
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
            bais: [
                (p("BAI -> isotope symbol BAC"), true),
                (p("BAI -> symbol BAC"), true),
                (p("BAI -> isotope symbol"), false),
                (p("BAI -> symbol"), false),
            ],
            isotopes: [
                p("isotope -> DIGIT"),
                p("isotope -> DIGIT DIGIT"),
                p("isotope -> DIGIT DIGIT DIGIT"),
            ],
            bacs: [p("BAC -> chiral BAH"), p("BAC -> BAH"), p("BAC -> chiral")],
            bahs: [
                p("BAH -> hcount charge"),
                p("BAH -> charge"),
                p("BAH -> hcount"),
            ],
            hcounts: [p("hcount -> 'H'"), p("hcount -> 'H' DIGIT")],
            charges: [
                p("charge -> '-'"),
                p("charge -> '-' DIGIT"),
                p("charge -> '+'"),
                p("charge -> '+' DIGIT"),
            ],
            aliphatics: atoms::symbols(grammar, "aliphatic_organic"),
            aromatics: atoms::symbols(grammar, "aromatic_organic"),
            needs: needs.collect(),
            ring_cost: least[usize::from(n("RB"))],
            atom_cost: least[usize::from(n("chain"))],
        }
    }

    fn order(&self, bond: u16) -> u8 {
        // - = # / \
        [1, 2, 3, 1, 1][usize::from(bond - self.bonds.0)]
    }

    fn symbol_of(&self, spelt: Spelt) -> &Symbol {
        let (_, symbols) = if spelt.aromatic {
            &self.aromatics
        } else {
            &self.aliphatics
        };
        &symbols[usize::from(spelt.symbol)]
    }
}

impl Attributes for Molecules {
    type Inherited = Site;
    type Synthesized = Said;

    fn root(&self) -> Site {
        Site {
            state: State::START,
            atom: Atom {
                kind: Kind {
                    aromatic: false,
                    room: 0,
                },
                depth: 0,
                bonds: 0,
                next: Next::Nothing,
            },
            edge: Edge::None,
            must: 0,
            later: Later::Nothing,
            follows: false,
            enters: false,
            next: Next::Nothing,
            rings: 0,
            branches: 0,
            closed: 0,
            more: false,
            digit: Digit::Isotope,
            mark: 0,
            costs: [0; KINDS],
            spelt: Spelt {
                form: Form::Bare,
                aromatic: false,
                symbol: 0,
                hydrogens: 0,
                charge: 0,
                ionic: false,
            },
            reserve: 0,
            outside: 0,
        }
    }

    fn values(&self) -> usize {
        DIGITS + 1
    }

    fn is_lazy(&self, nonterminal: u16) -> bool {
        nonterminal == self.ringbond
    }

    fn offer(&self, _nonterminal: u16, site: &Site, free: u32, mut offer: impl FnMut(u16)) {
        for value in 0..=DIGITS {
            if affordable(self.any_bond_cost(site, value.checked_sub(1)), free) {
                offer(value as u16);
            }
        }
    }

    fn promise(&self, _nonterminal: u16, site: &mut Site, value: u16) {
        let digit = usize::from(value).checked_sub(1);
        site.digit = digit.map_or(Digit::Opens, |digit| Digit::Closes(digit as u8));
    }

    fn realised(&self, tree: &Tree, node: u32, site: &Site) -> u16 {
        let digit = tree
            .children(node)
            .last()
            .map(|&child| tree.nodes()[child as usize].production);
        let digit = digit.map_or(0, |production| production - self.digits.0);
        if site.state.rings[usize::from(digit)].opener == NONE {
            0
        } else {
            digit + 1
        }
    }

    fn allow(&self, nonterminal: u16, site: &Site, free: u32, allowed: &mut [u64]) {
        self.mask(nonterminal, site, free, allowed);
    }

    fn inherit(
        &self,
        production: u16,
        child: usize,
        site: &Site,
        siblings: &[Option<Said>],
    ) -> Site {
        self.hand_down(production, child, site, siblings)
    }

    fn synthesize(
        &self,
        production: u16,
        site: &Site,
        children: &[Option<Said>],
    ) -> Result<Said, String> {
        self.sum_up(production, site, children)
    }

    fn reserve(&self, site: &Site) -> u32 {
        site.reserve + site.outside
    }
}
