//! Smallest sets of smallest rings.
//!
//! Horton, "A polynomial-time algorithm to find the shortest cycle basis of a graph", 1987: for every atom and bond the ring of two shortest
//! paths; from the shortest on, a ring is kept if it is no sum (over GF(2), of sets of bonds) of those kept before.
//! Relevant are the rings that are no sum of shorter ones (Vismara 1997).

use crate::bits;
use crate::error::GrammarError;

use super::molecule::Bond;

/// Most independent rings of one molecule.
pub const MAX_RINGS: usize = 64;
/// Most relevant rings that are listed; cages have a few more than independent ones.
const MAX_RELEVANT: usize = 256;

/// A smallest set, and all rings that some such set holds.
pub(super) type Rings = (Vec<Vec<u16>>, Vec<Vec<u16>>);

/// For every bond, whether it lies on a ring.
pub(super) fn on_rings(atoms: usize, bonds: &[Bond], bonds_of: &[Vec<u16>]) -> Vec<bool> {
    // A bond of the depth-first tree is a bridge if nothing below it reaches above it.
    let mut ring = vec![true; bonds.len()];
    let (mut order, mut low) = (vec![usize::MAX; atoms], vec![usize::MAX; atoms]);
    let mut count = 0;
    for root in 0..atoms as u16 {
        if order[usize::from(root)] != usize::MAX {
            continue;
        }
        let mut open = vec![(root, u16::MAX, 0)];
        (order[usize::from(root)], low[usize::from(root)]) = (count, count);
        count += 1;
        while let Some(&mut (atom, by, ref mut next)) = open.last_mut() {
            let here = usize::from(atom);
            if let Some(&bond) = bonds_of[here].get(*next) {
                *next += 1;
                let other = bonds[usize::from(bond)].other(atom);
                if bond == by {
                } else if order[usize::from(other)] == usize::MAX {
                    (order[usize::from(other)], low[usize::from(other)]) = (count, count);
                    count += 1;
                    open.push((other, bond, 0));
                } else {
                    low[here] = low[here].min(order[usize::from(other)]);
                }
                continue;
            }
            open.pop();
            if let Some(&(parent, ..)) = open.last() {
                let parent = usize::from(parent);
                ring[usize::from(by)] = low[here] <= order[parent];
                low[parent] = low[parent].min(low[here]);
            }
        }
    }
    ring
}

/// Finds the rings.
///
/// # Errors
/// There are more than [`MAX_RINGS`].
pub(super) fn find(
    atoms: usize,
    bonds: &[Bond],
    bonds_of: &[Vec<u16>],
    on_ring: &[bool],
) -> Result<Rings, GrammarError> {
    let rank = rank(atoms, bonds, on_ring);
    if rank > MAX_RINGS {
        return Err(GrammarError::Limit {
            what: "the number of rings",
            limit: MAX_RINGS,
        });
    }
    let (mut basis, mut relevant) = (Vec::with_capacity(rank), Vec::new());
    if rank == 0 {
        return Ok((basis, relevant));
    }
    let mut candidates = candidates(atoms, bonds, bonds_of, on_ring);
    candidates.sort_by_key(Vec::len);
    // Each row is reduced by those before it; `lead` is its first bond.
    let mut rows: Vec<(usize, Vec<u64>)> = Vec::with_capacity(rank);
    let (mut shorter, mut length) = (0, 0);
    for ring in candidates {
        if ring.len() > length {
            if basis.len() == rank {
                break;
            }
            (shorter, length) = (rows.len(), ring.len());
        }
        let mut set = vec![0; bonds.len().div_ceil(64)];
        for (at, &atom) in ring.iter().enumerate() {
            let next = ring[(at + 1) % ring.len()];
            let of = &bonds_of[usize::from(atom)];
            let bond = of
                .iter()
                .find(|&&bond| bonds[usize::from(bond)].other(atom) == next);
            bits::insert(&mut set, usize::from(*bond.expect("neighbours in a ring")));
        }
        let mut reduce = |rows: &[(usize, Vec<u64>)]| {
            for (lead, row) in rows {
                if bits::contains(&set, *lead) {
                    set.iter_mut().zip(row).for_each(|(a, b)| *a ^= b);
                }
            }
            bits::ones(&set).next()
        };
        if reduce(&rows[..shorter]).is_none() {
            continue;
        }
        if relevant.len() < MAX_RELEVANT {
            relevant.push(ring.clone());
        }
        if let Some(lead) = reduce(&rows[shorter..]) {
            rows.push((lead, set));
            basis.push(ring);
        }
    }
    Ok((basis, relevant))
}

/// Bonds on rings, less what a forest of them has.
fn rank(atoms: usize, bonds: &[Bond], on_ring: &[bool]) -> usize {
    let mut root: Vec<usize> = (0..atoms).collect();
    let find = |root: &mut Vec<usize>, mut at: usize| {
        while root[at] != at {
            root[at] = root[root[at]];
            at = root[at];
        }
        at
    };
    let mut rank = 0;
    for (bond, _) in bonds.iter().zip(on_ring).filter(|&(_, &on)| on) {
        let [a, b] = bond.ends.map(|end| find(&mut root, usize::from(end)));
        rank += usize::from(a == b);
        root[a] = b;
    }
    rank
}

/// Horton's candidates, each from its greatest atom only.
fn candidates(
    atoms: usize,
    bonds: &[Bond],
    bonds_of: &[Vec<u16>],
    on_ring: &[bool],
) -> Vec<Vec<u16>> {
    let mut found = Vec::new();
    let (mut parent, mut distance) = (vec![u16::MAX; atoms], vec![u32::MAX; atoms]);
    for start in 0..atoms as u16 {
        // Shortest paths among atoms not greater than `start`: a shortest ring through it as its greatest atom uses no other.
        distance.fill(u32::MAX);
        distance[usize::from(start)] = 0;
        let mut queue = vec![start];
        let mut at = 0;
        while let Some(&atom) = queue.get(at) {
            at += 1;
            for &bond in &bonds_of[usize::from(atom)] {
                let other = bonds[usize::from(bond)].other(atom);
                if on_ring[usize::from(bond)]
                    && other < start
                    && distance[usize::from(other)] == u32::MAX
                {
                    distance[usize::from(other)] = distance[usize::from(atom)] + 1;
                    parent[usize::from(other)] = atom;
                    queue.push(other);
                }
            }
        }
        let path = |mut atom: u16| {
            let mut path = vec![atom];
            while atom != start {
                atom = parent[usize::from(atom)];
                path.push(atom);
            }
            path
        };
        for (bond, _) in bonds.iter().zip(on_ring).filter(|&(_, &on)| on) {
            let [a, b] = bond.ends;
            let reached = |end: u16| distance[usize::from(end)] != u32::MAX;
            let tree = |x: u16, y: u16| x != start && parent[usize::from(x)] == y;
            if !reached(a) || !reached(b) || tree(a, b) || tree(b, a) {
                continue;
            }
            let (mut ring, other) = (path(a), path(b));
            if ring[..ring.len() - 1]
                .iter()
                .any(|atom| other.contains(atom))
            {
                continue;
            }
            ring.extend(other[..other.len() - 1].iter().rev());
            if ring.len() > 2 {
                found.push(ring);
            }
        }
    }
    found
}
