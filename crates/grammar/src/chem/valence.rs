//! The valence model: how many bonds an atom takes, and how many hydrogens are implied.
//!
//! An atom outside brackets is filled up with hydrogens to the least of its valences that holds its bonds. In brackets it has what is stated; a
//! sum of orders above its largest valence is refused, one below means radicals. In an aromatic ring each bond counts one and a half, and the
//! sum is rounded to a valence near by, since one half of it or all of it will turn out not to be there.

use super::molecule::Molecule;
use super::smiles::refuse;
use crate::element::{self, ANY};
use crate::error::GrammarError;

/// Writes the implied hydrogens and valences.
///
/// # Errors
/// An atom has more bonds than it can have.
pub(super) fn fill(molecule: &mut Molecule) -> Result<(), GrammarError> {
    for at in 0..molecule.atoms.len() as u16 {
        let (bonds, hydrogens) = implied(molecule, at)?;
        let atom = &mut molecule.atoms[usize::from(at)];
        atom.hydrogens += hydrogens;
        atom.valence = bonds as u8 + hydrogens;
    }
    Ok(())
}

/// The bonds of an atom, and its hydrogens beyond those stated.
fn implied(molecule: &Molecule, at: u16) -> Result<(u32, u8), GrammarError> {
    let atom = &molecule.atoms[usize::from(at)];
    let charge = i32::from(atom.charge);
    let valences = element::valences(atom.element, charge);
    let usual = f64::from(valences[0]);
    let mut sum = f64::from(atom.hydrogens);
    let mut aromatic = false;
    for (_, bond) in molecule.neighbours(at) {
        sum += if bond.aromatic {
            1.5
        } else {
            f64::from(bond.order)
        };
        aromatic |= bond.aromatic;
    }
    if aromatic && sum > usual {
        let fitting = valences.iter().map(|&valence| f64::from(valence));
        let below = fitting
            .filter(|&valence| valence <= sum)
            .fold(usual, f64::max);
        if sum - below <= 1.5 {
            sum = below;
        }
    }
    // Halves are rounded up.
    let sum = (sum + 0.1).round() as u32;
    let largest = element::largest_valence(atom.element, charge);
    if largest != ANY && sum > u32::from(largest) {
        return Err(too_many(molecule, at, sum));
    }
    if atom.bracket {
        return Ok((sum, 0));
    }
    if aromatic {
        // Above the usual valence it must be one of the others exactly, with no room for hydrogens.
        let exact = valences.iter().any(|&valence| u32::from(valence) == sum);
        return match u32::from(valences[0]).checked_sub(sum) {
            Some(room) => Ok((sum, room as u8)),
            None if exact => Ok((sum, 0)),
            None => Err(too_many(molecule, at, sum)),
        };
    }
    let valence = valences.iter().find(|&&valence| u32::from(valence) >= sum);
    Ok((sum, valence.map_or(0, |&valence| valence - sum as u8)))
}

fn too_many(molecule: &Molecule, at: u16, sum: u32) -> GrammarError {
    let atom = &molecule.atoms[usize::from(at)];
    let symbol = atom.element().symbol;
    refuse(
        atom.at,
        format!("{symbol} with charge {} takes no {sum} bonds", atom.charge),
    )
}

/// Looks again once double bonds have their places, and fills up what rounding hid. As toolkits do, it lets a triple bond in an aromatic ring pass.
///
/// # Errors
/// An atom that was written as aromatic has more bonds than it can have.
pub(super) fn confirm(molecule: &mut Molecule) -> Result<(), GrammarError> {
    for at in 0..molecule.atoms.len() as u16 {
        let atom = &molecule.atoms[usize::from(at)];
        let charge = i32::from(atom.charge);
        let sum = molecule.valence(at);
        let largest = element::largest_valence(atom.element, charge);
        if largest != ANY && sum > u32::from(largest) {
            if molecule.neighbours(at).any(|(_, bond)| bond.order == 3) {
                continue;
            }
            return Err(too_many(molecule, at, sum));
        }
        if !atom.bracket {
            let valences = element::valences(atom.element, charge);
            let valence = valences.iter().find(|&&valence| u32::from(valence) >= sum);
            let missing = valence.map_or(0, |&valence| valence - sum as u8);
            let atom = &mut molecule.atoms[usize::from(at)];
            atom.hydrogens += missing;
            atom.valence = sum as u8 + missing;
        }
    }
    Ok(())
}

/// Writes the radicals of atoms in brackets whose bonds are known.
pub(super) fn leave_radicals(molecule: &mut Molecule) {
    for at in 0..molecule.atoms.len() as u16 {
        let atom = &molecule.atoms[usize::from(at)];
        if !atom.bracket {
            continue;
        }
        let sum = molecule.valence(at);
        let valences = element::valences(atom.element, i32::from(atom.charge));
        let valence = valences.iter().find(|&&valence| u32::from(valence) >= sum);
        let radicals = valence
            .filter(|&&valence| valence != ANY)
            .map_or(0, |&valence| valence - sum as u8);
        molecule.atoms[usize::from(at)].radicals = radicals;
    }
}
