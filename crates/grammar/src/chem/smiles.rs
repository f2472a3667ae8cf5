//! Reads SMILES into a graph; what is written, before any chemistry.
//!
//! Weininger, "SMILES, a chemical language and information system", 1988, in the reading that toolkits agree on. Where the ends of a ring bond
//! state different orders, that of the opening end holds.

use super::molecule::{Atom, Bond, NONE};
use crate::element;
use crate::error::GrammarError;

/// Most atoms of one molecule.
pub const MAX_ATOMS: usize = 512;
/// Neighbours that are not known yet: the ring bond's number is added.
const PENDING: u16 = 0x8000;

/// What the text says.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    pub(super) atoms: Vec<Atom>,
    pub(super) bonds: Vec<Bond>,
    /// Neighbours of every atom, in the order of the text; `NONE` where a hydrogen stands that has no symbol of its own.
    pub(super) order: Vec<Vec<u16>>,
    /// Which atoms state a handedness, and whether it is clockwise.
    pub(super) handed: Vec<Option<bool>>,
}

/// A bond as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symbol {
    Order(u8),
    Aromatic,
    Slant(i8),
}

struct Ring {
    atom: u16,
    symbol: Option<Symbol>,
    at: usize,
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    drawing: Drawing,
    current: Option<u16>,
    bond: Option<Symbol>,
    /// Where branches started, and their places in the text.
    branches: Vec<(u16, usize)>,
    rings: Vec<Option<Ring>>,
}

/// An error at a place of the text.
pub(super) fn refuse(at: usize, message: impl Into<String>) -> GrammarError {
    GrammarError::Molecule {
        at,
        message: message.into(),
    }
}

/// Reads a text.
///
/// # Errors
/// It is no SMILES, or has more than [`MAX_ATOMS`] atoms.
pub(super) fn read(text: &str) -> Result<Drawing, GrammarError> {
    let mut reader = Reader {
        text: text.as_bytes(),
        at: 0,
        drawing: Drawing::default(),
        current: None,
        bond: None,
        branches: Vec::new(),
        rings: (0..100).map(|_| None).collect(),
    };
    reader.read()?;
    Ok(reader.drawing)
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    /// A number of at most so many digits.
    fn number(&mut self, digits: usize) -> Option<u32> {
        let start = self.at;
        while self.at - start < digits && self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let digits = self.text[start..self.at].iter();
        (self.at > start).then(|| digits.fold(0, |n, digit| 10 * n + u32::from(digit - b'0')))
    }

    fn read(&mut self) -> Result<(), GrammarError> {
        // Whether only an atom, or a bond and an atom, can come.
        let mut fresh = true;
        while let Some(byte) = self.peek() {
            let at = self.at;
            match byte {
                b'(' => {
                    let current = self.ready(fresh)?;
                    self.at += 1;
                    self.branches.push((current, at));
                    fresh = true;
                    if self.peek() == Some(b'.') {
                        return Err(refuse(self.at, "a branch hangs on its atom"));
                    }
                }
                b')' => {
                    self.ready(fresh)?;
                    let (atom, _) = self
                        .branches
                        .pop()
                        .ok_or_else(|| refuse(at, "no branch to close"))?;
                    self.current = Some(atom);
                    self.at += 1;
                }
                b'.' => {
                    self.ready(fresh)?;
                    self.at += 1;
                    (self.current, fresh) = (None, true);
                }
                b'0'..=b'9' | b'%' => {
                    if fresh {
                        return Err(refuse(at, "a ring bond needs an atom before it"));
                    }
                    self.ring_bond()?;
                }
                b'-' | b'=' | b'#' | b'$' | b':' | b'/' | b'\\' => {
                    if self.current.is_none() || self.bond.is_some() {
                        return Err(refuse(at, "a bond joins two atoms"));
                    }
                    self.at += 1;
                    self.bond = Some(match byte {
                        b'-' => Symbol::Order(1),
                        b'=' => Symbol::Order(2),
                        b'#' => Symbol::Order(3),
                        b'$' => Symbol::Order(4),
                        b':' => Symbol::Aromatic,
                        b'/' => Symbol::Slant(1),
                        _ => Symbol::Slant(-1),
                    });
                }
                _ => {
                    self.atom()?;
                    fresh = false;
                }
            }
        }
        self.ready(fresh)?;
        if let Some(&(_, at)) = self.branches.last() {
            return Err(refuse(at, "this branch is not closed"));
        }
        if let Some(ring) = self.rings.iter().flatten().next() {
            return Err(refuse(ring.at, "this ring is not closed"));
        }
        Ok(())
    }

    /// The atom at hand, where nothing is owed to the text.
    fn ready(&self, fresh: bool) -> Result<u16, GrammarError> {
        match (self.current, self.bond) {
            (Some(current), None) if !fresh => Ok(current),
            (Some(_), Some(_)) => Err(refuse(self.at, "a bond joins two atoms")),
            _ => Err(refuse(self.at, "an atom is missing here")),
        }
    }

    fn atom(&mut self) -> Result<(), GrammarError> {
        let at = self.at;
        let mut handed = None;
        let atom = if self.take(b'[') {
            let (atom, clockwise) = self.bracket(at)?;
            handed = clockwise;
            atom
        } else {
            self.organic()?
        };
        let here = self.drawing.atoms.len();
        if here == MAX_ATOMS {
            return Err(GrammarError::Limit {
                what: "the number of atoms",
                limit: MAX_ATOMS,
            });
        }
        let here = here as u16;
        let stated = atom.bracket && atom.hydrogens > 0;
        self.drawing.atoms.push(atom);
        self.drawing.order.push(Vec::new());
        self.drawing.handed.push(handed);
        if let Some(parent) = self.current {
            let symbol = self.bond.take();
            self.join(parent, here, symbol);
            self.drawing.order[usize::from(parent)].push(here);
            self.drawing.order[usize::from(here)].push(parent);
        }
        if stated {
            self.drawing.order[usize::from(here)].push(NONE);
        }
        self.current = Some(here);
        Ok(())
    }

    fn organic(&mut self) -> Result<Atom, GrammarError> {
        let rest = &self.text[self.at..];
        let (symbol, aromatic) = match rest {
            [b'C', b'l', ..] => ("Cl", false),
            [b'B', b'r', ..] => ("Br", false),
            [b'B', ..] => ("B", false),
            [b'C', ..] => ("C", false),
            [b'N', ..] => ("N", false),
            [b'O', ..] => ("O", false),
            [b'P', ..] => ("P", false),
            [b'S', ..] => ("S", false),
            [b'F', ..] => ("F", false),
            [b'I', ..] => ("I", false),
            [b'b', ..] => ("B", true),
            [b'c', ..] => ("C", true),
            [b'n', ..] => ("N", true),
            [b'o', ..] => ("O", true),
            [b'p', ..] => ("P", true),
            [b's', ..] => ("S", true),
            _ => return Err(refuse(self.at, "no atom starts so")),
        };
        let at = self.at;
        self.at += symbol.len();
        Ok(plain(symbol, aromatic, at))
    }

    fn bracket(&mut self, at: usize) -> Result<(Atom, Option<bool>), GrammarError> {
        let isotope = self.number(3).unwrap_or(0) as u16;
        let (symbol, aromatic) = self.symbol()?;
        let mut atom = plain(symbol, aromatic, at);
        (atom.bracket, atom.isotope) = (true, isotope);
        let mut handed = None;
        if self.take(b'@') {
            handed = Some(self.take(b'@'));
            if self.text[self.at..].starts_with(b"TH") {
                self.at += 2;
                handed = match self.number(1) {
                    Some(1) => Some(false),
                    Some(2) => Some(true),
                    _ => return Err(refuse(self.at, "a tetrahedron is TH1 or TH2")),
                };
            }
        }
        if self.take(b'H') {
            atom.hydrogens = self.number(1).unwrap_or(1) as u8;
        }
        for (sign, unit) in [(b'+', 1_i8), (b'-', -1)] {
            if self.take(sign) {
                let mut charge = 1;
                if let Some(number) = self.number(2) {
                    charge = number as i8;
                } else {
                    while self.take(sign) {
                        charge += 1;
                        if charge > 15 {
                            return Err(refuse(self.at, "no atom has such a charge"));
                        }
                    }
                }
                atom.charge = unit * charge;
                break;
            }
        }
        if self.take(b':') && self.number(9).is_none() {
            return Err(refuse(self.at, "an atom class is a number"));
        }
        if !self.take(b']') {
            return Err(refuse(
                self.at,
                "a bracket is isotope, symbol, handedness, hydrogens, charge, class",
            ));
        }
        Ok((atom, handed))
    }

    fn symbol(&mut self) -> Result<(&'static str, bool), GrammarError> {
        let rest = &self.text[self.at..];
        for length in [2, 1] {
            let Some(bytes) = rest.get(..length) else {
                continue;
            };
            let written = String::from_utf8_lossy(bytes);
            if let Some(element) = element::by_symbol(&written) {
                self.at += length;
                return Ok((element.symbol, false));
            }
            let aromatic = matches!(
                &*written,
                "b" | "c" | "n" | "o" | "p" | "s" | "se" | "as" | "te" | "si"
            );
            if aromatic {
                let mut upper = written.into_owned();
                upper[..1].make_ascii_uppercase();
                if let Some(element) = element::by_symbol(&upper) {
                    self.at += length;
                    return Ok((element.symbol, true));
                }
            }
        }
        Err(refuse(self.at, "no element that is known here"))
    }

    fn ring_bond(&mut self) -> Result<(), GrammarError> {
        let at = self.at;
        let number = if self.take(b'%') {
            let two = self
                .number(2)
                .filter(|_| self.at == at + 3)
                .ok_or_else(|| refuse(at, "`%` stands before two digits"))?;
            two as usize
        } else {
            self.number(1).unwrap_or(0) as usize
        };
        let (here, symbol) = (self.current.unwrap_or(0), self.bond.take());
        let Some(opened) = self.rings[number].take() else {
            self.drawing.order[usize::from(here)].push(PENDING + number as u16);
            self.rings[number] = Some(Ring {
                atom: here,
                symbol,
                at,
            });
            return Ok(());
        };
        if opened.atom == here {
            return Err(refuse(at, "a ring bond joins two atoms"));
        }
        let mut neighbours = self.drawing.order[usize::from(here)].iter();
        if neighbours.any(|&other| other == opened.atom) {
            return Err(refuse(at, "these atoms are bonded already"));
        }
        let pending = PENDING + number as u16;
        for other in &mut self.drawing.order[usize::from(opened.atom)] {
            if *other == pending {
                *other = here;
            }
        }
        self.drawing.order[usize::from(here)].push(opened.atom);
        // A slant is seen from the end where it stands.
        match (opened.symbol, symbol) {
            (None, Some(Symbol::Slant(_))) => self.join(here, opened.atom, symbol),
            (first, second) => self.join(opened.atom, here, first.or(second)),
        }
        Ok(())
    }

    fn join(&mut self, from: u16, to: u16, symbol: Option<Symbol>) {
        let both = [from, to].map(|atom| self.drawing.atoms[usize::from(atom)].aromatic);
        let (order, aromatic, slant) = match symbol {
            None => (1, both == [true; 2], 0),
            Some(Symbol::Aromatic) => (1, true, 0),
            Some(Symbol::Order(order)) => (order, false, 0),
            Some(Symbol::Slant(slant)) => (1, false, slant),
        };
        self.drawing.bonds.push(Bond {
            ends: [from, to],
            order,
            aromatic,
            slant,
        });
    }
}

fn plain(symbol: &'static str, aromatic: bool, at: usize) -> Atom {
    Atom {
        element: element::by_symbol(symbol).map_or(0, |element| element.number),
        charge: 0,
        isotope: 0,
        hydrogens: 0,
        valence: 0,
        radicals: 0,
        aromatic,
        bracket: false,
        centre: None,
        at,
    }
}
