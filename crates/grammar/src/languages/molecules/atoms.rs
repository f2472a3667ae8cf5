//! The atoms that the grammar can write, and the room that each has for bonds.

use crate::element;
use crate::grammar::Grammar;

use super::super::productions::block;

/// Most bonds of an atom.
pub(super) const MOST: u8 = 6;
/// Kinds of atoms: how much room one has (0 to 6), outside aromatic rings and, from 2 to 4, in them.
pub(super) const KINDS: usize = 10;

/// What an atom is for its surroundings: whether it is aromatic, and how many bonds it has room for, the second one of a double bond included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) aromatic: bool,
    pub(super) room: u8,
}

impl Kind {
    pub(super) fn all() -> impl Iterator<Item = Self> + Clone {
        (0..KINDS).map(Self::at)
    }

    fn at(index: usize) -> Self {
        let aromatic = index > usize::from(MOST);
        let room = if aromatic { index - 5 } else { index } as u8;
        Self { aromatic, room }
    }

    /// The kinds that can stand for all others where only some atom is asked for.
    pub(super) fn widest() -> [Self; 4] {
        [(false, MOST), (true, 4), (true, 3), (true, 2)]
            .map(|(aromatic, room)| Self { aromatic, room })
    }

    pub(super) fn index(self) -> usize {
        usize::from(self.room) + if self.aromatic { 5 } else { 0 }
    }

    /// The first of a set.
    pub(super) fn of(kinds: Kinds) -> Option<Self> {
        Self::all().find(|kind| kinds & kind.bit() != 0)
    }

    fn bit(self) -> Kinds {
        1 << self.index()
    }

    /// Most neighbours.
    pub(super) fn neighbours(self) -> u8 {
        if self.aromatic {
            self.room.min(3)
        } else {
            self.room
        }
    }
}

/// A set of kinds.
pub(super) type Kinds = u16;

/// Kinds of a symbol, by what stands beside it in brackets.
#[derive(Debug, Clone)]
pub(super) struct Symbol {
    /// Outside brackets.
    pub(super) bare: Kinds,
    /// With so many hydrogens and no charge.
    pub(super) neutral: [Kinds; 9],
    /// With so many hydrogens and a charge from -8 to 8.
    pub(super) charged: [[Kinds; 17]; 9],
    /// With so many hydrogens and a charge of one.
    pub(super) unit: [Kinds; 9],
    /// With so many hydrogens and any charge but 0.
    pub(super) ionic: [Kinds; 9],
}

impl Symbol {
    fn new(text: &str) -> Self {
        let aromatic = text.starts_with(|first: char| first.is_ascii_lowercase());
        let mut name = text.to_owned();
        name[..1].make_ascii_uppercase();
        let number = element::by_symbol(&name).map_or(0, |element| element.number);
        let kind = |hydrogens: usize, charge: i32| {
            let valence = if aromatic {
                element::valences(number, charge)[0]
            } else {
                element::largest_valence(number, charge)
            };
            if valence == element::ANY {
                return 0;
            }
            // Iodine with more than one bond is drawn in several ways, which toolkits change into one another.
            let most = match (aromatic, name.as_str(), charge) {
                (true, ..) => 4,
                (_, "I", 0) => 1,
                _ => MOST,
            };
            match valence.checked_sub(hydrogens as u8) {
                Some(room) if room >= 2 || !aromatic => Kind {
                    aromatic,
                    room: room.min(most),
                }
                .bit(),
                _ => 0,
            }
        };
        let neutral: [Kinds; 9] = std::array::from_fn(|hydrogens| kind(hydrogens, 0));
        let charged: [[Kinds; 17]; 9] = std::array::from_fn(|hydrogens| {
            std::array::from_fn(|charge| match charge as i32 - 8 {
                charge @ -1..=1 => kind(hydrogens, charge),
                _ => 0,
            })
        });
        let ionic = charged.map(|of: [Kinds; 17]| {
            let others = of.iter().enumerate().filter(|&(charge, _)| charge != 8);
            others.fold(0, |set, (_, kinds)| set | kinds)
        });
        Self {
            unit: charged.map(|of: [Kinds; 17]| of[7] | of[9]),
            bare: neutral[0],
            neutral,
            charged,
            ionic,
        }
    }

    /// With at least one hydrogen.
    pub(super) fn hydrides(&self) -> Kinds {
        self.neutral[1..].iter().fold(0, |set, kinds| set | kinds)
    }

    /// With at least one hydrogen and a charge.
    pub(super) fn charged_hydrides(&self) -> Kinds {
        self.ionic[1..].iter().fold(0, |set, kinds| set | kinds)
    }

    /// With hydrogens, a charge, or both.
    pub(super) fn dressed(&self) -> Kinds {
        self.hydrides() | self.ionic[0] | self.charged_hydrides()
    }
}

/// The symbols of a nonterminal, from its first production on.
pub(super) fn symbols(grammar: &Grammar, name: &str) -> (u16, Vec<Symbol>) {
    let (first, count) = block(grammar, name);
    let symbols = (first..first + count).map(|production| {
        let shown = grammar.show(production);
        let text = shown.split('\'').nth(1).unwrap_or_default().to_owned();
        Symbol::new(&text)
    });
    (first, symbols.collect())
}
