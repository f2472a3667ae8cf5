//! A form that two texts share exactly if they are the same molecule.
//!
//! Atoms are coloured by what they are, then by the colours around them until nothing changes (Morgan 1965). Where colours are shared, one atom after
//! the other is singled out, and of the numberings that result the one that spells the molecule least is kept. Two numberings that spell alike
//! show a symmetry, which spares its likes (`McKay`, "Practical graph isomorphism", 1981).
//!
//! Handedness and the sides of double bonds are part of the spelling, relative to the numbers of neighbours; where a molecule
//! has symmetries that reverse what the text states, the least spelling is the same for both readings, so that only real stereo counts.

use super::molecule::{Bond, Molecule, NONE};

/// Most numberings that are compared. Beyond it, which no molecule of chemistry is known to need, equal molecules may get different forms.
const MOST_LEAVES: usize = 5_000;
/// Rings smaller than this hold their double bonds to one side.
const SMALL_RING: usize = 8;

/// A double bond with a neighbour at each end, and whether these lie on the same side.
struct Sided {
    bond: [u16; 2],
    neighbours: [u16; 2],
    same: bool,
}

/// The canonical form.
pub(super) fn canonical(molecule: &Molecule) -> Vec<u32> {
    let mut search = Search {
        molecule,
        sided: sided(molecule),
        first: None,
        best: None,
        leaves: 0,
        orbit: (0..molecule.atoms.len()).collect(),
    };
    let colours = refine(molecule, &start(molecule));
    search.visit(&colours, true);
    search.best.map_or_else(Vec::new, |(code, _)| code)
}

/// Classes of atoms that nothing around them tells apart, stereo left aside.
pub(super) fn classes(molecule: &Molecule) -> Vec<u32> {
    refine(molecule, &start(molecule))
}

/// Mixes words, the same everywhere; that two mixtures agree by chance would only leave more numberings to compare.
fn hash(words: impl IntoIterator<Item = u32>) -> u64 {
    words
        .into_iter()
        .fold(0x9e37_79b9_7f4a_7c15, |mixed: u64, word| {
            let mixed = (mixed ^ u64::from(word)).wrapping_mul(0xff51_afd7_ed55_8ccd);
            mixed ^ mixed >> 32
        })
}

fn kind(molecule: &Molecule, atom: usize) -> [u32; 5] {
    let it = &molecule.atoms[atom];
    [
        u32::from(it.element),
        (i32::from(it.charge) + 128) as u32,
        u32::from(it.isotope),
        u32::from(it.hydrogens),
        u32::from(it.aromatic),
    ]
}

fn start(molecule: &Molecule) -> Vec<u32> {
    let kinds: Vec<u64> = (0..molecule.atoms.len())
        .map(|atom| hash(kind(molecule, atom)))
        .collect();
    ranks(&kinds)
}

/// Places among the sorted, shared by equals: the number of smaller ones.
fn ranks<T: Ord>(keys: &[T]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|&a, &b| keys[a].cmp(&keys[b]));
    let mut ranks = vec![0; keys.len()];
    for (at, pair) in order.iter().enumerate() {
        let same = at > 0 && keys[order[at - 1]] == keys[*pair];
        ranks[*pair] = if same {
            ranks[order[at - 1]]
        } else {
            at as u32
        };
    }
    ranks
}

fn order_of(bond: Bond) -> u32 {
    if bond.aromatic {
        5
    } else {
        u32::from(bond.order)
    }
}

fn refine(molecule: &Molecule, colours: &[u32]) -> Vec<u32> {
    let mut colours = colours.to_vec();
    let mut around = Vec::new();
    loop {
        let keys: Vec<(u32, u64)> = (0..colours.len())
            .map(|atom| {
                around.clear();
                let near = molecule.neighbours(atom as u16);
                around.extend(near.map(|(n, bond)| (order_of(bond), colours[usize::from(n)])));
                around.sort_unstable();
                let words = around.iter().flat_map(|&(order, colour)| [order, colour]);
                (colours[atom], hash(words))
            })
            .collect();
        let refined = ranks(&keys);
        if refined == colours {
            return colours;
        }
        colours = refined;
    }
}

type Numbering = (Vec<u32>, Vec<u32>);

struct Search<'m> {
    molecule: &'m Molecule,
    sided: Vec<Sided>,
    /// The spelling and the numbering that were found first, and the best.
    first: Option<Numbering>,
    best: Option<Numbering>,
    leaves: usize,
    /// Atoms that symmetries exchange, as a forest.
    orbit: Vec<usize>,
}

/// Where the search goes on.
#[derive(PartialEq)]
enum Next {
    Sibling,
    /// A symmetry was found: everything below the first way is known.
    FirstWay,
    Stop,
}

impl Search<'_> {
    fn root(&mut self, mut at: usize) -> usize {
        while self.orbit[at] != at {
            self.orbit[at] = self.orbit[self.orbit[at]];
            at = self.orbit[at];
        }
        at
    }

    fn visit(&mut self, colours: &[u32], first_way: bool) -> Next {
        let mut sizes = vec![0_usize; colours.len()];
        for &colour in colours {
            sizes[colour as usize] += 1;
        }
        let shared = (0..sizes.len()).filter(|&colour| sizes[colour] > 1);
        let Some(cell) = shared.min_by_key(|&colour| sizes[colour]) else {
            return self.leaf(colours);
        };
        let cell = cell as u32;
        let members: Vec<usize> = (0..colours.len()).filter(|&a| colours[a] == cell).collect();
        for (at, &member) in members.iter().enumerate() {
            if first_way {
                let root = self.root(member);
                let mut earlier = members[..at].iter();
                if earlier.any(|&other| self.root(other) == root) {
                    continue;
                }
            }
            // The others of the cell come behind the one that is singled out.
            let mut single = colours.to_vec();
            for &other in &members {
                single[other] += u32::from(other != member);
            }
            let single = refine(self.molecule, &single);
            match self.visit(&single, first_way && at == 0) {
                Next::Stop => return Next::Stop,
                Next::FirstWay if !first_way => return Next::FirstWay,
                _ => {}
            }
        }
        Next::Sibling
    }

    fn leaf(&mut self, numbers: &[u32]) -> Next {
        self.leaves += 1;
        let code = self.spell(numbers);
        let Some((first, first_numbers)) = &self.first else {
            self.first = Some((code.clone(), numbers.to_vec()));
            self.best = Some((code, numbers.to_vec()));
            return Next::Sibling;
        };
        if self.leaves >= MOST_LEAVES {
            return Next::Stop;
        }
        if *first == code {
            let mut atom_of = vec![0; numbers.len()];
            for (atom, &number) in numbers.iter().enumerate() {
                atom_of[number as usize] = atom;
            }
            let pairs: Vec<(usize, usize)> = first_numbers
                .iter()
                .enumerate()
                .map(|(atom, &number)| (atom, atom_of[number as usize]))
                .collect();
            for (a, b) in pairs {
                let (a, b) = (self.root(a), self.root(b));
                self.orbit[a] = b;
            }
            return Next::FirstWay;
        }
        if self.best.as_ref().is_some_and(|(best, _)| code < *best) {
            self.best = Some((code, numbers.to_vec()));
        }
        Next::Sibling
    }

    /// The molecule in the order of a numbering: atoms with their bonds to earlier ones, then handedness, then sides.
    fn spell(&self, numbers: &[u32]) -> Vec<u32> {
        let molecule = self.molecule;
        let mut atom_of = vec![0; numbers.len()];
        for (atom, &number) in numbers.iter().enumerate() {
            atom_of[number as usize] = atom;
        }
        let mut code = Vec::with_capacity(8 * numbers.len());
        let mut stereo = Vec::new();
        for (number, &atom) in atom_of.iter().enumerate() {
            code.extend(kind(molecule, atom));
            let start = code.len();
            for (other, bond) in molecule.neighbours(atom as u16) {
                let other = numbers[usize::from(other)];
                if (other as usize) < number {
                    code.push(other << 3 | order_of(bond));
                }
            }
            code[start..].sort_unstable();
            code.push(u32::MAX);
            if let Some(centre) = &molecule.atoms[atom].centre {
                let number_of = |&n: &u16| match n {
                    NONE => u32::MAX,
                    n => numbers[usize::from(n)],
                };
                let order: Vec<u32> = centre.iter().map(number_of).collect();
                stereo.push(2 * number as u32 + u32::from(is_odd(&order)));
            }
        }
        code.extend(stereo);
        code.push(u32::MAX);
        let mut sides: Vec<[u32; 3]> = Vec::with_capacity(self.sided.len());
        for Sided {
            bond,
            neighbours,
            same,
        } in &self.sided
        {
            let mut same = *same;
            for (end, &neighbour) in [(0, &neighbours[0]), (1, &neighbours[1])] {
                let near = molecule.neighbours(bond[end]).map(|(n, _)| n);
                let others = near.filter(|n| *n != bond[1 - end]);
                let least = others.min_by_key(|&n| numbers[usize::from(n)]);
                same ^= least != Some(neighbour);
            }
            let mut ends = bond.map(|atom| numbers[usize::from(atom)]);
            ends.sort_unstable();
            sides.push([ends[0], ends[1], u32::from(same)]);
        }
        sides.sort_unstable();
        code.extend(sides.into_iter().flatten());
        code
    }
}

/// Whether an odd number of exchanges sorts it.
fn is_odd(order: &[u32]) -> bool {
    let pairs = (0..order.len()).flat_map(|a| (0..a).map(move |b| (b, a)));
    pairs.filter(|&(b, a)| order[b] > order[a]).count() % 2 == 1
}

/// Double bonds whose ends both have a neighbour on a stated side.
fn sided(molecule: &Molecule) -> Vec<Sided> {
    let mut found = Vec::new();
    for bond in molecule
        .bonds
        .iter()
        .filter(|bond| bond.order == 2 && !bond.aromatic)
    {
        let small = molecule
            .rings
            .iter()
            .any(|ring| ring.len() < SMALL_RING && bond.ends.iter().all(|end| ring.contains(end)));
        if small {
            continue;
        }
        // Whether a neighbour of this end lies above it.
        let above = |end: u16| {
            let near = molecule.neighbours(end);
            let mut slanted = near.filter(|(_, bond)| bond.slant != 0);
            slanted.next().map(|(other, bond)| {
                let upwards = (bond.slant > 0) == (bond.ends[0] == end);
                (other, upwards)
            })
        };
        let [a, b] = bond.ends;
        if let (Some((x, x_above)), Some((y, y_above))) = (above(a), above(b)) {
            found.push(Sided {
                bond: [a, b],
                neighbours: [x, y],
                same: x_above == y_above,
            });
        }
    }
    found
}
