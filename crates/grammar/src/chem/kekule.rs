//! Double bonds for atoms that were written as aromatic.
//!
//! Every such atom that still lacks a bond needs exactly one double bond, to a neighbour in the same position: a perfect matching over the aromatic bonds that lie on
//! rings. Edmonds, "Paths, trees, and flowers", 1965.

use std::collections::VecDeque;

use super::molecule::Molecule;
use super::smiles::refuse;
use crate::element;
use crate::error::GrammarError;

const NONE: usize = usize::MAX;

/// Gives every aromatic bond an order, and takes the marks away: what is aromatic is perceived anew.
///
/// # Errors
/// An aromatic atom is on no ring, or there is no way to place the double bonds.
pub(super) fn localise(molecule: &mut Molecule, on_ring: &[bool]) -> Result<(), GrammarError> {
    for (atom, bonds) in molecule.atoms.iter().zip(&molecule.bonds_of) {
        if atom.aromatic && !bonds.iter().any(|&bond| on_ring[usize::from(bond)]) {
            return Err(refuse(atom.at, "an aromatic atom that is on no ring"));
        }
    }
    let lacking: Vec<bool> = (0..molecule.atoms.len() as u16)
        .map(|at| lacks_bond(molecule, at))
        .collect();
    let mut edges = vec![Vec::new(); lacking.len()];
    for (bond, _) in molecule.bonds.iter().zip(on_ring).filter(|&(_, &on)| on) {
        let [a, b] = bond.ends.map(usize::from);
        if bond.aromatic && lacking[a] && lacking[b] {
            edges[a].push(b);
            edges[b].push(a);
        }
    }
    let partner = matching(&edges);
    if let Some(left) = (0..lacking.len()).find(|&at| lacking[at] && partner[at] == NONE) {
        return Err(refuse(
            molecule.atoms[left].at,
            "no way to place the double bonds of its aromatic ring",
        ));
    }
    for bond in &mut molecule.bonds {
        let [a, b] = bond.ends.map(usize::from);
        if bond.aromatic {
            bond.order = 1 + u8::from(partner[a] == b);
            bond.aromatic = false;
        }
    }
    for atom in &mut molecule.atoms {
        atom.aromatic = false;
    }
    Ok(())
}

/// Whether an aromatic atom needs a double bond to one of its aromatic neighbours: its bonds, each counted once, fall short of a valence.
fn lacks_bond(molecule: &Molecule, at: u16) -> bool {
    let atom = &molecule.atoms[usize::from(at)];
    let mut aromatic = atom.aromatic;
    let mut sum = i32::from(atom.hydrogens);
    for (_, bond) in molecule.neighbours(at) {
        aromatic |= bond.aromatic;
        sum += i32::from(bond.order);
    }
    if !aromatic {
        return false;
    }
    let degree = molecule.degree(at) as i32 + i32::from(atom.hydrogens);
    let charge = i32::from(atom.charge);
    // Boron and its kin gain a bond with a negative charge, carbon loses one with either.
    let gain = match atom.element {
        5 | 13 => -charge,
        6 => -charge.abs(),
        _ => charge,
    };
    let valences = element::valences(atom.element, 0).iter();
    let mut valences = valences.map(|&valence| i32::from(valence) + gain);
    // The first valence that holds what is there.
    let Some(valence) = valences.find(|&valence| valence >= i32::from(atom.valence)) else {
        return false;
    };
    let exact = valence == sum + 1 || (atom.bracket && valence == sum + 2);
    degree < valence && exact
}

/// A largest matching; the partner of every node.
fn matching(edges: &[Vec<usize>]) -> Vec<usize> {
    let mut partner = vec![NONE; edges.len()];
    for start in 0..edges.len() {
        if partner[start] == NONE {
            let free = edges[start].iter().find(|&&other| partner[other] == NONE);
            if let Some(&other) = free {
                (partner[start], partner[other]) = (other, start);
            }
        }
    }
    for start in 0..edges.len() {
        if partner[start] == NONE && !edges[start].is_empty() {
            augment(edges, &mut partner, start);
        }
    }
    partner
}

/// Looks for a path from a free node to another along which matched and unmatched bonds alternate, and swaps them.
fn augment(edges: &[Vec<usize>], partner: &mut [usize], start: usize) {
    let count = edges.len();
    let (mut parent, mut base) = (vec![NONE; count], (0..count).collect::<Vec<_>>());
    let mut even = vec![false; count];
    let mut queue = VecDeque::from([start]);
    even[start] = true;
    while let Some(node) = queue.pop_front() {
        for &other in &edges[node] {
            if base[node] == base[other] || partner[node] == other {
                continue;
            }
            if other == start || (partner[other] != NONE && parent[partner[other]] != NONE) {
                // An odd ring: all of it becomes one even node.
                let stem = common_base(node, other, &base, &parent, partner);
                let mut blossom = vec![false; count];
                for (from, to) in [(node, other), (other, node)] {
                    mark(from, to, stem, &base, &mut parent, partner, &mut blossom);
                }
                for at in 0..count {
                    if blossom[base[at]] {
                        base[at] = stem;
                        if !even[at] {
                            even[at] = true;
                            queue.push_back(at);
                        }
                    }
                }
            } else if parent[other] == NONE {
                parent[other] = node;
                if partner[other] == NONE {
                    let mut at = other;
                    while at != NONE {
                        let before = parent[at];
                        let next = partner[before];
                        (partner[at], partner[before]) = (before, at);
                        at = next;
                    }
                    return;
                }
                even[partner[other]] = true;
                queue.push_back(partner[other]);
            }
        }
    }
}

fn common_base(a: usize, b: usize, base: &[usize], parent: &[usize], partner: &[usize]) -> usize {
    let mut seen = vec![false; base.len()];
    let mut at = a;
    loop {
        at = base[at];
        seen[at] = true;
        if partner[at] == NONE {
            break;
        }
        at = parent[partner[at]];
    }
    let mut at = b;
    loop {
        at = base[at];
        if seen[at] {
            return at;
        }
        at = parent[partner[at]];
    }
}

fn mark(
    mut at: usize,
    mut child: usize,
    stem: usize,
    base: &[usize],
    parent: &mut [usize],
    partner: &[usize],
    blossom: &mut [bool],
) {
    while base[at] != stem {
        blossom[base[at]] = true;
        blossom[base[partner[at]]] = true;
        parent[at] = child;
        child = partner[at];
        at = parent[partner[at]];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Draws;

    /// The size of a largest matching by trying everything.
    fn largest(edges: &[Vec<usize>], used: &mut Vec<bool>, from: usize) -> usize {
        if from == edges.len() {
            return 0;
        }
        let mut best = largest(edges, used, from + 1);
        if !used[from] {
            for &other in edges[from].iter().filter(|&&other| other > from) {
                if !used[other] {
                    used[other] = true;
                    best = best.max(1 + largest(edges, used, from + 1));
                    used[other] = false;
                }
            }
        }
        best
    }

    #[test]
    fn matchings_are_largest() {
        let mut draws = Draws::new(3);
        for _ in 0..3000 {
            let count = 1 + draws.below(9);
            let mut edges = vec![Vec::new(); count];
            for a in 0..count {
                for b in a + 1..count {
                    if draws.below(3) == 0 {
                        edges[a].push(b);
                        edges[b].push(a);
                    }
                }
            }
            let partner = matching(&edges);
            let matched = (0..count).filter(|&at| partner[at] != NONE).count();
            for at in (0..count).filter(|&at| partner[at] != NONE) {
                assert!(edges[at].contains(&partner[at]) && partner[partner[at]] == at);
            }
            assert_eq!(matched / 2, largest(&edges, &mut vec![false; count], 0));
        }
    }
}
