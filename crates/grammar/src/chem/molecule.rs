//! A molecule as a graph: atoms with their hydrogens, bonds with their orders.

use super::weights;
use crate::element::{self, Element};

/// No atom; among the neighbours of a centre, its implicit hydrogen or lone pair.
pub(super) const NONE: u16 = u16::MAX;

/// One atom other than the hydrogens that belong to others.
#[derive(Debug, Clone)]
pub(super) struct Atom {
    /// Atomic number.
    pub(super) element: u8,
    pub(super) charge: i8,
    /// Mass number, 0 where none is stated.
    pub(super) isotope: u16,
    /// All hydrogens, stated or implied.
    pub(super) hydrogens: u8,
    /// Sum of bond orders and hydrogens; in aromatic rings, as the valence model rounds it.
    pub(super) valence: u8,
    /// Electrons that bind nothing although they could.
    pub(super) radicals: u8,
    /// As written before perception, as perceived after it.
    pub(super) aromatic: bool,
    /// In brackets: what is not stated is not there.
    pub(super) bracket: bool,
    /// Neighbours in the order in which the text names them, if the text states a handedness: seen from the first, the others run
    /// anticlockwise.
    pub(super) centre: Option<Vec<u16>>,
    /// Byte of the text.
    pub(super) at: usize,
}

impl Atom {
    pub(super) fn element(&self) -> &'static Element {
        element::by_number(i32::from(self.element)).expect("only known elements are read")
    }
}

/// A bond; `order` counts electron pairs, also where it is part of an aromatic ring.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bond {
    pub(super) ends: [u16; 2],
    pub(super) order: u8,
    pub(super) aromatic: bool,
    /// Whether the text puts the second end above (1) or below (-1) the first.
    pub(super) slant: i8,
}

impl Bond {
    pub(super) fn other(self, atom: u16) -> u16 {
        self.ends[usize::from(self.ends[0] == atom)]
    }
}

/// A molecule that has passed all checks.
#[derive(Debug, Clone)]
pub struct Molecule {
    pub(super) atoms: Vec<Atom>,
    pub(super) bonds: Vec<Bond>,
    /// Bonds of every atom, in the order of the text.
    pub(super) bonds_of: Vec<Vec<u16>>,
    /// A smallest set of smallest rings, as atoms in order.
    pub(super) rings: Vec<Vec<u16>>,
    /// All rings that some such set holds.
    pub(super) relevant: Vec<Vec<u16>>,
}

impl Molecule {
    /// Atoms other than hydrogens (those that stand for themselves are counted).
    #[must_use]
    pub fn atoms(&self) -> usize {
        self.atoms.len()
    }

    /// Bonds between them.
    #[must_use]
    pub fn bonds(&self) -> usize {
        self.bonds.len()
    }

    /// Sizes of a smallest set of smallest rings, ascending; the sizes are the same for every such set.
    #[must_use]
    pub fn rings(&self) -> Vec<usize> {
        let mut sizes: Vec<usize> = self.rings.iter().map(Vec::len).collect();
        sizes.sort_unstable();
        sizes
    }

    /// Whether each atom is aromatic, in the order of the text.
    pub fn aromatic(&self) -> impl Iterator<Item = bool> {
        self.atoms.iter().map(|atom| atom.aromatic)
    }

    /// Standard molecular weight, in g/mol. An isotope weighs its mass number.
    #[must_use]
    pub fn weight(&self) -> f64 {
        let weigh = |atom: &Atom| {
            let own = match atom.isotope {
                0 => weights::weight(atom.element),
                isotope => f64::from(isotope),
            };
            own + 1.008 * f64::from(atom.hydrogens)
        };
        self.atoms.iter().map(weigh).sum()
    }

    /// Neighbours of an atom, with the bonds to them.
    pub(super) fn neighbours(&self, atom: u16) -> impl Iterator<Item = (u16, Bond)> {
        self.bonds_of[usize::from(atom)].iter().map(move |&bond| {
            let bond = self.bonds[usize::from(bond)];
            (bond.other(atom), bond)
        })
    }

    pub(super) fn degree(&self, atom: u16) -> usize {
        self.bonds_of[usize::from(atom)].len()
    }

    pub(super) fn bond_between(&self, a: u16, b: u16) -> Option<u16> {
        let mut bonds = self.bonds_of[usize::from(a)].iter().copied();
        bonds.find(|&bond| self.bonds[usize::from(bond)].other(a) == b)
    }

    /// Sum of bond orders of an atom, hydrogens included.
    pub(super) fn valence(&self, atom: u16) -> u32 {
        let bonds = self.neighbours(atom).map(|(_, bond)| u32::from(bond.order));
        bonds.sum::<u32>() + u32::from(self.atoms[usize::from(atom)].hydrogens)
    }
}
