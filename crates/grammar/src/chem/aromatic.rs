//! Which rings are aromatic.
//!
//! Hückel's rule, 4n + 2 electrons, for rings and for systems of up to six rings fused along bonds. What an atom gives: one electron if it has a
//! double bond on the ring, or off the ring to an atom that is not more electronegative; none if that atom is; two if it has a lone pair
//! and no double bond.

use super::molecule::Molecule;
use super::weights;
use crate::element;

/// Largest ring that takes part in a fused system.
const LARGEST: usize = 24;
/// Most rings that are weighed together.
const TOGETHER: usize = 6;
/// Most sets of rings that are weighed in one system.
const MOST_SETS: usize = 20_000;

/// Marks the atoms and bonds of aromatic rings.
pub(super) fn perceive(molecule: &mut Molecule, on_ring: &[bool]) {
    let gives: Vec<Option<u32>> = (0..molecule.atoms.len() as u16)
        .map(|at| electrons(molecule, at, on_ring))
        .collect();
    let candidates = molecule.relevant.iter().filter(|ring| {
        let all = ring.iter().all(|&atom| gives[usize::from(atom)].is_some());
        all && ring.len() <= LARGEST
    });
    let rings: Vec<(Vec<u16>, Vec<u16>)> = candidates
        .map(|ring| {
            let ends = ring.iter().zip(ring.iter().cycle().skip(1));
            let mut bonds: Vec<u16> = ends
                .filter_map(|(&a, &b)| molecule.bond_between(a, b))
                .collect();
            bonds.sort_unstable();
            (ring.clone(), bonds)
        })
        .collect();
    let fused = |a: usize, b: usize| rings[a].1.iter().any(|bond| rings[b].1.contains(bond));
    let neighbours: Vec<Vec<usize>> = (0..rings.len())
        .map(|a| {
            (0..rings.len())
                .filter(|&b| b != a && fused(a, b))
                .collect()
        })
        .collect();
    let mut seen = vec![false; rings.len()];
    for first in 0..rings.len() {
        if seen[first] {
            continue;
        }
        let mut system = vec![first];
        seen[first] = true;
        let mut at = 0;
        while let Some(&ring) = system.get(at) {
            at += 1;
            for &other in &neighbours[ring] {
                if !std::mem::replace(&mut seen[other], true) {
                    system.push(other);
                }
            }
        }
        system.sort_unstable();
        weigh(molecule, &rings, &neighbours, &system, &gives);
    }
}

/// Weighs connected sets of rings, small ones first, until all bonds of the system are aromatic.
fn weigh(
    molecule: &mut Molecule,
    rings: &[(Vec<u16>, Vec<u16>)],
    neighbours: &[Vec<usize>],
    system: &[usize],
    gives: &[Option<u32>],
) {
    let mut left: Vec<u16> = system
        .iter()
        .flat_map(|&r| rings[r].1.iter().copied())
        .collect();
    left.sort_unstable();
    left.dedup();
    let mut sets: Vec<Vec<usize>> = system.iter().map(|&ring| vec![ring]).collect();
    for size in 1..=TOGETHER.min(system.len()) {
        for set in &sets {
            let (atoms, bonds) = outline(rings, set);
            let sum: u32 = atoms
                .iter()
                .filter_map(|&atom| gives[usize::from(atom)])
                .sum();
            if sum == 2 || (sum >= 6 && sum % 4 == 2) {
                for atom in set.iter().flat_map(|&ring| &rings[ring].0) {
                    molecule.atoms[usize::from(*atom)].aromatic = true;
                }
                for bond in bonds {
                    molecule.bonds[usize::from(bond)].aromatic = true;
                    left.retain(|&other| other != bond);
                }
            }
        }
        if left.is_empty() || size == TOGETHER {
            break;
        }
        let mut larger: Vec<Vec<usize>> = Vec::new();
        for set in &sets {
            for &other in set.iter().flat_map(|&ring| &neighbours[ring]) {
                if !set.contains(&other) {
                    let mut set = set.clone();
                    set.push(other);
                    set.sort_unstable();
                    larger.push(set);
                }
            }
            if larger.len() > MOST_SETS {
                break;
            }
        }
        larger.sort_unstable();
        larger.dedup();
        sets = larger;
    }
}

/// Atoms that lie on one or two rings of a set, and bonds that lie on one.
fn outline(rings: &[(Vec<u16>, Vec<u16>)], set: &[usize]) -> (Vec<u16>, Vec<u16>) {
    let pick = |all: Vec<u16>, most: usize| {
        let mut all = all;
        all.sort_unstable();
        let runs = all.chunk_by(|a, b| a == b);
        runs.filter(|run| run.len() <= most)
            .map(|run| run[0])
            .collect()
    };
    let atoms = set.iter().flat_map(|&r| rings[r].0.iter().copied());
    let bonds = set.iter().flat_map(|&r| rings[r].1.iter().copied());
    (pick(atoms.collect(), 2), pick(bonds.collect(), 1))
}

/// Electrons that an atom gives to a ring; none at all if it cannot be part of an aromatic one.
fn electrons(molecule: &Molecule, at: u16, on_ring: &[bool]) -> Option<u32> {
    let atom = &molecule.atoms[usize::from(at)];
    let of = &molecule.bonds_of[usize::from(at)];
    if !of.iter().any(|&bond| on_ring[usize::from(bond)]) {
        return None;
    }
    let (element, charge) = (atom.element(), i32::from(atom.charge));
    if element.number > 18 && !matches!(element.number, 34 | 52) {
        return None;
    }
    let usual = i32::from(element.valences[0]);
    let bonds = of.len() as i32;
    let degree = bonds + i32::from(atom.hydrogens);
    if usual <= 1 || degree > 3 {
        return None;
    }
    let valence = i32::from(atom.valence);
    if valence > i32::from(element::valences(element.number, charge)[0]) {
        return None;
    }
    if atom.radicals > 0 && (element.number != 6 || charge != 0) {
        return None;
    }
    let multiple = of
        .iter()
        .map(|&bond| (bond, &molecule.bonds[usize::from(bond)]));
    let multiple: Vec<_> = multiple.filter(|(_, bond)| bond.order > 1).collect();
    if multiple.len() > 1 {
        return None;
    }
    let outside = multiple
        .iter()
        .find(|&&(bond, _)| !on_ring[usize::from(bond)]);
    let steals = outside.is_some_and(|(_, bond)| {
        let other = molecule.atoms[usize::from(bond.other(at))].element;
        let (theirs, own) = (weights::outer(other), weights::outer(element.number));
        theirs > own || (theirs == own && other < element.number)
    });
    let pairs = (i32::from(weights::outer(element.number)) - usual - charge).max(0);
    let mut free = usual - degree + pairs - i32::from(atom.radicals);
    if free > 1 && valence - i32::from(atom.hydrogens) - bonds > 1 {
        free = 1;
    }
    match free {
        ..0 => None,
        0 if outside.is_some() => Some(0),
        0 => (!multiple.is_empty()).then_some(1),
        1 if outside.is_some() => Some(u32::from(!steals)),
        1 if !multiple.is_empty() => Some(1),
        1 => (charge == 1).then_some(0),
        _ => Some(if (free - i32::from(steals)) % 2 == 1 {
            1
        } else {
            2
        }),
    }
}
