//! How hard a molecule is to make, from 1 (easy) to 10.
//!
//! Ertl & Schuffenhauer, "Estimation of synthetic accessibility score of drug-like molecules based on molecular complexity and fragment contributions",
//! 2009, as amended by its authors (density of fragments, one step for macrocycles). What fragments contribute is a table of some 700,000 numbers,
//! counted over a large public collection; it is not part of this crate but read from a file ([`Fragments`]).
//!
//! A fragment is an atom with everything up to two bonds away, known by a number of 32 bits (extended-connectivity fingerprints, Rogers & Hahn 2010; the numbers are
//! those of the Morgan generator of `RDKit`, by which the published table is keyed).

use std::collections::{BTreeMap, HashMap, HashSet};

use super::canonical;
use super::molecule::Molecule;
use super::weights;
use crate::error::GrammarError;

/// Contribution of a fragment that the table does not hold.
const UNKNOWN: f64 = -4.0;

/// What fragments contribute.
#[derive(Debug, Clone, Default)]
pub struct Fragments {
    scores: HashMap<u32, f32>,
}

impl Fragments {
    /// Reads a table: on each line a contribution and the numbers of all fragments that have it, between spaces.
    ///
    /// # Errors
    /// A line that holds anything else.
    pub fn read(text: &str) -> Result<Self, GrammarError> {
        let mut scores = HashMap::new();
        for (at, line) in text.lines().enumerate() {
            let mut words = line.split_whitespace();
            let Some(score) = words.next() else {
                continue;
            };
            let wrong = || GrammarError::Syntax {
                line: at + 1,
                column: 1,
                message: "a line holds a contribution and the numbers of fragments".into(),
            };
            let score: f32 = score.parse().map_err(|_| wrong())?;
            for fragment in words {
                scores.insert(fragment.parse().map_err(|_| wrong())?, score);
            }
        }
        Ok(Self { scores })
    }

    /// How many fragments it knows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Whether it knows none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }
}

/// The score of a molecule.
pub(super) fn accessibility(molecule: &Molecule, fragments: &Fragments) -> f64 {
    let found = fragments_of(molecule);
    let total: u32 = found.values().sum();
    if total == 0 {
        return 1.0;
    }
    let score = |id: &u32| fragments.scores.get(id).map_or(UNKNOWN, |&s| f64::from(s));
    let known: f64 = found.iter().map(|(id, &n)| f64::from(n) * score(id)).sum();
    let atoms = molecule.atoms.len() as f64;
    let complexity = penalty(molecule);
    let density = (0.5 * (atoms / found.len() as f64).ln()).max(0.0);
    let raw = known / f64::from(total) - complexity + density;
    let scaled = 11.0 - (raw + 5.0) / 6.5 * 9.0;
    let smooth = if scaled > 8.0 {
        8.0 + (scaled - 8.0).ln()
    } else {
        scaled
    };
    smooth.clamp(1.0, 10.0)
}

/// Size, stereo centres, spiro atoms, bridgeheads, macrocycles.
fn penalty(molecule: &Molecule) -> f64 {
    let atoms = molecule.atoms.len() as f64;
    let (spiro, bridgeheads) = joints(molecule);
    let macrocycle = molecule.relevant.iter().any(|ring| ring.len() > 8);
    let counts = [
        centres(molecule),
        spiro,
        bridgeheads,
        usize::from(macrocycle),
    ];
    let logs = counts.map(|count| (count as f64 + 1.0).log10());
    atoms.powf(1.005) - atoms + logs.iter().sum::<f64>()
}

/// Atoms that two rings share alone, and ends of what two rings share beyond one bond.
fn joints(molecule: &Molecule) -> (usize, usize) {
    let (mut spiro, mut bridgeheads) = (HashSet::new(), HashSet::new());
    let rings = &molecule.relevant;
    for (at, a) in rings.iter().enumerate() {
        for b in &rings[..at] {
            let shared: Vec<u16> = a.iter().copied().filter(|atom| b.contains(atom)).collect();
            if let [atom] = shared[..] {
                spiro.insert(atom);
            }
            let bonds = |ring: &[u16]| {
                let next = ring.iter().cycle().skip(1);
                let pairs = ring.iter().zip(next).map(|(&x, &y)| (x.min(y), x.max(y)));
                pairs.collect::<HashSet<_>>()
            };
            let (a, b) = (bonds(a), bonds(b));
            let common: Vec<_> = a.intersection(&b).collect();
            if common.len() > 1 {
                let mut ends: BTreeMap<u16, usize> = BTreeMap::new();
                for &&(x, y) in &common {
                    *ends.entry(x).or_default() += 1;
                    *ends.entry(y).or_default() += 1;
                }
                bridgeheads.extend(ends.into_iter().filter(|&(_, n)| n == 1).map(|(a, _)| a));
            }
        }
    }
    (spiro.len(), bridgeheads.len())
}

/// Atoms that are handed, stated or not: four places that differ, or on a ring whose two ways round differ by a stated handedness alone.
fn centres(molecule: &Molecule) -> usize {
    let classes = canonical::classes(molecule);
    let stated = |atom: u16| molecule.atoms[usize::from(atom)].centre.is_some();
    let is_centre = |at: u16| {
        let atom = &molecule.atoms[usize::from(at)];
        let places = molecule.degree(at) + usize::from(atom.hydrogens);
        let doubled = molecule.neighbours(at).any(|(_, bond)| bond.order > 1);
        let rings = molecule.rings.iter().filter(|ring| ring.contains(&at));
        let possible = match (places, atom.element) {
            (4, 15 | 16) => atom.hydrogens < 2,
            (4, _) => atom.hydrogens < 2 && !doubled,
            (3, 7) => atom.hydrogens == 0 && !doubled && rings.clone().any(|r| r.len() == 3),
            (3, 16 | 34) => atom.hydrogens == 0,
            // A phosphine counts whatever it carries.
            (3, 15) => return true,
            _ => false,
        };
        let near: Vec<u16> = molecule.neighbours(at).map(|(n, _)| n).collect();
        let class = |atom: u16| classes[usize::from(atom)];
        let mut pairs = near
            .iter()
            .enumerate()
            .flat_map(|(k, &a)| near[..k].iter().map(move |&b| (a, b)))
            .filter(|&(a, b)| class(a) == class(b));
        let told_apart = |(a, b): (u16, u16)| {
            let ring = rings
                .clone()
                .find(|ring| ring.contains(&a) && ring.contains(&b));
            ring.is_some_and(|ring| ring.iter().any(|&other| other != at && stated(other)))
        };
        possible && pairs.all(told_apart)
    };
    (0..molecule.atoms.len() as u16)
        .filter(|&at| is_centre(at))
        .count()
}

fn combine(seed: u32, value: u32) -> u32 {
    let mixed = value
        .wrapping_add(0x9e37_79b9)
        .wrapping_add(seed << 6)
        .wrapping_add(seed >> 2);
    seed ^ mixed
}

/// How often each fragment occurs, each set of bonds counted once.
pub(super) fn fragments_of(molecule: &Molecule) -> BTreeMap<u32, u32> {
    let mut found = BTreeMap::new();
    let atoms = molecule.atoms.len();
    let mut current: Vec<u32> = (0..atoms as u16)
        .map(|at| invariant(molecule, at))
        .collect();
    for &id in &current {
        *found.entry(id).or_insert(0) += 1;
    }
    let words = molecule.bonds.len().div_ceil(64);
    let mut covers = vec![vec![0_u64; words]; atoms];
    let mut dead = vec![false; atoms];
    let mut seen: HashSet<Vec<u64>> = HashSet::new();
    for layer in 0..2 {
        let (mut next, mut wider) = (vec![0; atoms], covers.clone());
        let mut round = Vec::new();
        for at in 0..atoms {
            let bonds = &molecule.bonds_of[at];
            if dead[at] || bonds.is_empty() {
                dead[at] = true;
                continue;
            }
            let mut around: Vec<(u32, u32)> = Vec::new();
            for &bond in bonds {
                let it = &molecule.bonds[usize::from(bond)];
                let other = usize::from(it.other(at as u16));
                crate::bits::insert(&mut wider[at], usize::from(bond));
                crate::bits::union(&mut wider[at], &covers[other]);
                let kind = if it.aromatic { 12 } else { u32::from(it.order) };
                around.push((kind, current[other]));
            }
            around.sort_unstable_by_key(|&(kind, id)| (kind, id));
            let start = combine(layer, current[at]);
            next[at] = around.iter().fold(start, |seed, &(kind, id)| {
                combine(seed, combine(combine(0, kind), id))
            });
            dead[at] = seen.contains(&wider[at]);
            round.push((wider[at].clone(), next[at], at));
        }
        round.sort_unstable();
        for (cover, id, at) in round {
            if seen.insert(cover) {
                *found.entry(id).or_insert(0) += 1;
            } else {
                dead[at] = true;
            }
        }
        (current, covers) = (next, wider);
    }
    found
}

/// What an atom is: element, degree, hydrogens, charge, isotope, whether it is on a ring.
fn invariant(molecule: &Molecule, at: u16) -> u32 {
    let atom = &molecule.atoms[usize::from(at)];
    let hydrogens = u32::from(atom.hydrogens);
    let excess = match atom.isotope {
        0 => 0,
        mass => (f64::from(mass) - weights::weight(atom.element)) as i32,
    };
    let mut parts = vec![
        u32::from(atom.element),
        molecule.degree(at) as u32 + hydrogens,
        hydrogens,
        i32::from(atom.charge) as u32,
        excess as u32,
    ];
    if molecule.relevant.iter().any(|ring| ring.contains(&at)) {
        parts.push(1);
    }
    parts.into_iter().fold(0, combine)
}
