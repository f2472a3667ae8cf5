//! From what a text says to a checked molecule.

use super::molecule::{Bond, Molecule, NONE};
use super::smiles::{self, Drawing};
use super::{aromatic, canonical, kekule, rings, valence};
use crate::error::GrammarError;

/// Reads a SMILES, fills hydrogens in, places double bonds, finds rings and what is aromatic.
///
/// # Errors
/// The text is no SMILES, or no molecule: the place and the reason.
pub(super) fn build(text: &str) -> Result<Molecule, GrammarError> {
    let mut drawing = smiles::read(text)?;
    absorb_hydrogens(&mut drawing);
    let Drawing {
        atoms,
        bonds,
        order,
        handed,
    } = drawing;
    let mut bonds_of = vec![Vec::new(); atoms.len()];
    for (at, bond) in bonds.iter().enumerate() {
        for end in bond.ends {
            bonds_of[usize::from(end)].push(at as u16);
        }
    }
    let mut molecule = Molecule {
        atoms,
        bonds,
        bonds_of,
        rings: Vec::new(),
        relevant: Vec::new(),
    };
    separate_charges(&mut molecule);
    valence::fill(&mut molecule)?;
    let count = molecule.atoms.len();
    let on_ring = rings::on_rings(count, &molecule.bonds, &molecule.bonds_of);
    let found = rings::find(count, &molecule.bonds, &molecule.bonds_of, &on_ring)?;
    (molecule.rings, molecule.relevant) = found;
    kekule::localise(&mut molecule, &on_ring)?;
    valence::confirm(&mut molecule)?;
    valence::leave_radicals(&mut molecule);
    aromatic::perceive(&mut molecule, &on_ring);
    set_centres(&mut molecule, order, &handed);
    Ok(molecule)
}

/// Hydrogens that are written as atoms become a number of their neighbour, as they are elsewhere; not if they say more (deuterium, a proton, H2).
fn absorb_hydrogens(drawing: &mut Drawing) {
    let count = drawing.atoms.len();
    let mut kept = vec![true; count];
    for (at, kept) in kept.iter_mut().enumerate() {
        let atom = &drawing.atoms[at];
        let plain = (atom.element, atom.charge, atom.isotope, atom.hydrogens) == (1, 0, 0, 0);
        let [other] = drawing.order[at][..] else {
            continue;
        };
        let bond = drawing
            .bonds
            .iter()
            .find(|bond| bond.ends.contains(&(at as u16)));
        let single = bond.is_some_and(|bond| bond.order == 1 && !bond.aromatic);
        if !plain || !single || drawing.atoms[usize::from(other)].element == 1 {
            continue;
        }
        *kept = false;
        let other = usize::from(other);
        drawing.atoms[other].hydrogens = drawing.atoms[other].hydrogens.saturating_add(1);
        for neighbour in &mut drawing.order[other] {
            if *neighbour == at as u16 {
                *neighbour = NONE;
            }
        }
    }
    if kept.iter().all(|&kept| kept) {
        return;
    }
    let mut number = vec![NONE; count];
    for (new, old) in (0..count).filter(|&at| kept[at]).enumerate() {
        number[old] = new as u16;
    }
    let renumber = |atom: u16| number.get(usize::from(atom)).copied().unwrap_or(NONE);
    drawing.bonds.retain_mut(|bond| {
        bond.ends = bond.ends.map(renumber);
        !bond.ends.contains(&NONE)
    });
    for order in &mut drawing.order {
        for atom in order.iter_mut() {
            *atom = renumber(*atom);
        }
    }
    let mut keep = kept.iter();
    drawing.atoms.retain(|_| *keep.next().unwrap_or(&true));
    let mut keep = kept.iter();
    drawing.order.retain(|_| *keep.next().unwrap_or(&true));
    let mut keep = kept.iter();
    drawing.handed.retain(|_| *keep.next().unwrap_or(&true));
}

/// Writes out the charges of nitro groups, azides and oxo acids of halogens, which are often drawn with five or more bonds instead.
fn separate_charges(molecule: &mut Molecule) {
    for at in 0..molecule.atoms.len() as u16 {
        let atom = &molecule.atoms[usize::from(at)];
        if atom.charge != 0 || !matches!(atom.element, 7 | 17 | 35 | 53) {
            continue;
        }
        let nitrogen = atom.element == 7;
        let halves = |bond: Bond| {
            if bond.aromatic {
                3
            } else {
                2 * u32::from(bond.order)
            }
        };
        let sum: u32 = molecule.neighbours(at).map(|(_, bond)| halves(bond)).sum();
        let sum = sum + 2 * u32::from(atom.hydrogens);
        let mut found = Vec::new();
        for &bond in &molecule.bonds_of[usize::from(at)] {
            let Bond { order, .. } = molecule.bonds[usize::from(bond)];
            let other = molecule.bonds[usize::from(bond)].other(at);
            let neighbour = &molecule.atoms[usize::from(other)];
            let movable = match (nitrogen, neighbour.element) {
                (_, 8) => order == 2,
                (true, 7) => order == 3,
                (true, _) => false,
                (false, _) => {
                    found.clear();
                    break;
                }
            };
            if movable && (neighbour.charge == 0 || !nitrogen) {
                found.push((bond, other));
            }
        }
        let drawn_so = if nitrogen {
            found.truncate(1);
            sum == 10
        } else {
            matches!(sum, 6 | 10 | 14)
        };
        for (bond, other) in found.into_iter().filter(|_| drawn_so) {
            molecule.bonds[usize::from(bond)].order -= 1;
            molecule.atoms[usize::from(at)].charge += 1;
            molecule.atoms[usize::from(other)].charge -= 1;
        }
    }
}

/// Keeps the handedness of atoms that can have one: four different places, one of them perhaps a hydrogen or a lone pair.
fn set_centres(molecule: &mut Molecule, order: Vec<Vec<u16>>, handed: &[Option<bool>]) {
    for (at, mut neighbours) in order.into_iter().enumerate() {
        let Some(clockwise) = handed[at] else {
            continue;
        };
        let atom = &molecule.atoms[at];
        let places = molecule.degree(at as u16) + usize::from(atom.hydrogens);
        let small_ring = molecule
            .rings
            .iter()
            .any(|ring| ring.len() == 3 && ring.contains(&(at as u16)));
        let pyramid = match atom.element {
            7 => small_ring && atom.charge == 0,
            15 | 16 | 33 | 34 => true,
            _ => false,
        };
        let possible = match places {
            4 => atom.hydrogens < 2,
            3 => atom.hydrogens == 0 && pyramid,
            _ => false,
        };
        if !possible || neighbours.len() != places {
            continue;
        }
        if clockwise {
            neighbours.swap(places - 2, places - 1);
        }
        molecule.atoms[at].centre = Some(neighbours);
    }
    drop_idle_centres(molecule);
}

/// Drops handedness between neighbours that are alike, unless another centre may tell them apart: on a ring with it, or anywhere beyond the two.
fn drop_idle_centres(molecule: &mut Molecule) {
    let classes = canonical::classes(molecule);
    loop {
        let stated = |atom: u16| molecule.atoms[usize::from(atom)].centre.is_some();
        let idle = |&at: &u16| {
            let near: Vec<u16> = molecule.neighbours(at).map(|(n, _)| n).collect();
            let class = |atom: u16| classes[usize::from(atom)];
            let pairs = near.iter().enumerate();
            let mut alike = pairs.flat_map(|(k, &a)| near[..k].iter().map(move |&b| (a, b)));
            alike.any(|(a, b)| {
                let mut rings = molecule.rings.iter().filter(|ring| ring.contains(&at));
                let beside = |other: u16| other != at && stated(other);
                let told_apart = match rings.find(|ring| ring.contains(&a) && ring.contains(&b)) {
                    Some(ring) => ring.iter().any(|&other| beside(other)),
                    None => (0..molecule.atoms.len() as u16).any(beside),
                };
                class(a) == class(b) && !told_apart
            })
        };
        let all = 0..molecule.atoms.len() as u16;
        let dropped: Vec<u16> = all.filter(|&at| stated(at)).filter(idle).collect();
        if dropped.is_empty() {
            return;
        }
        for at in dropped {
            molecule.atoms[usize::from(at)].centre = None;
        }
    }
}
