//! log P, octanol to water, as a sum over atoms.
//!
//! Wildman & Crippen, "Prediction of physicochemical parameters by atomic contributions", 1999: 68 types of atoms, each with its contribution. An atom
//! has the first type that fits, in an order that puts some special cases before the general ones.

use super::molecule::{Bond, Molecule};

const H: u8 = 1;
const C: u8 = 6;
const N: u8 = 7;
const O: u8 = 8;
const P: u8 = 15;
const S: u8 = 16;

/// An atom as its neighbours see it.
#[derive(Clone, Copy)]
struct Near {
    atom: u16,
    element: u8,
    aromatic: bool,
    order: u8,
    /// Whether the bond is aromatic.
    shared: bool,
    charge: i8,
}

impl Near {
    fn new(molecule: &Molecule, atom: u16, bond: Bond) -> Self {
        let it = &molecule.atoms[usize::from(atom)];
        // A triple bond stays one on an aromatic ring.
        let shared = bond.aromatic && bond.order < 3;
        Self {
            atom,
            element: it.element,
            aromatic: it.aromatic,
            order: if shared { 0 } else { bond.order },
            shared,
            charge: it.charge,
        }
    }

    /// Over a single or an aromatic bond.
    fn plain(self) -> bool {
        self.order <= 1
    }

    fn is(self, element: u8) -> bool {
        self.element == element && !self.aromatic
    }

    fn heavy_chain(self) -> bool {
        !self.aromatic && self.element != H
    }

    /// N, O, P, S or a halogen, outside aromatic rings.
    fn hetero(self) -> bool {
        !self.aromatic && matches!(self.element, 7 | 8 | 9 | 15 | 16 | 17 | 35 | 53)
    }

    /// What no other type speaks of: a metal, boron, silicon.
    fn odd(self) -> bool {
        self.heavy_chain() && self.element != C && !self.hetero()
    }
}

/// An atom with its neighbours.
struct Site<'m> {
    molecule: &'m Molecule,
    atom: u16,
    near: Vec<Near>,
    /// All of them, also those that are atoms of their own: deuterium, a proton between two atoms.
    hydrogens: u8,
    charge: i8,
}

impl<'m> Site<'m> {
    fn new(molecule: &'m Molecule, atom: u16) -> Self {
        let near = molecule.neighbours(atom);
        let near: Vec<Near> = near
            .map(|(other, bond)| Near::new(molecule, other, bond))
            .collect();
        let it = &molecule.atoms[usize::from(atom)];
        let own = near.iter().filter(|near| near.element == H).count();
        Self {
            molecule,
            atom,
            hydrogens: it.hydrogens.saturating_add(own as u8),
            near,
            charge: it.charge,
        }
    }

    fn count(&self, fits: impl Fn(Near) -> bool) -> usize {
        self.near.iter().filter(|&&near| fits(near)).count()
    }

    fn has(&self, fits: impl Fn(Near) -> bool) -> bool {
        self.near.iter().any(|&near| fits(near))
    }

    /// Whether different neighbours fit two conditions.
    fn two(&self, first: impl Fn(Near) -> bool, second: impl Fn(Near) -> bool) -> bool {
        let (a, b) = (self.count(&first), self.count(&second));
        let both = self.count(|near| first(near) && second(near));
        a > 0 && b > 0 && (a > 1 || b > 1 || both == 0)
    }

    fn places(&self) -> usize {
        self.count(|near| near.element != H) + usize::from(self.hydrogens)
    }
}

/// log P of a molecule.
pub(super) fn log_p(molecule: &Molecule) -> f64 {
    let mut sum = 0.0;
    for (at, atom) in molecule.atoms.iter().enumerate() {
        let site = Site::new(molecule, at as u16);
        sum += match (atom.element, atom.aromatic) {
            (C, false) => carbon(&site),
            (C, true) => aromatic_carbon(&site),
            (N, aromatic) => nitrogen(&site, aromatic),
            (O, aromatic) => oxygen(&site, aromatic),
            (S, true) => 0.6237,
            (S, false) => {
                let bound = site.has(|n| n.order == 2 && [N, O, P, S].iter().any(|&e| n.is(e)));
                let charged = matches!(atom.charge, -4..=-1 | 1..=3 | 5 | 6);
                if charged || bound { -0.0024 } else { 0.6482 }
            }
            (P, _) => 0.8612,
            (9, _) if atom.charge == 0 => 0.4202,
            (17, _) if atom.charge == 0 => 0.6895,
            (35, _) if atom.charge == 0 => 0.8456,
            (53, _) if atom.charge == 0 => 0.8857,
            (9 | 17 | 35 | 53, _) if atom.charge == -1 => -2.996,
            (53, _) if (1..=3).contains(&atom.charge) => -2.996,
            (3 | 11 | 19, _) if atom.charge == 1 => -2.996,
            (3..=5 | 11..=14 | 19..=20 | 32..=34 | 50..=52, _) => -0.3808,
            (H, _) => free_hydrogen(&site),
            _ => 0.0,
        };
        sum += f64::from(atom.hydrogens) * hydrogen(&site);
    }
    sum
}

/// C1 to C7, C8 to C12, C26, C27.
fn carbon(site: &Site) -> f64 {
    let hydrogens = site.hydrogens;
    let four = site.places() == 4;
    let chain = |n: Near| n.plain() && n.is(C);
    let hetero = |n: Near| n.plain() && n.hetero();
    let any = |n: Near| n.plain() && n.heavy_chain();
    let double_c = |n: Near| n.order == 2 && n.is(C);
    let ring = |n: Near| n.plain() && n.aromatic;
    let (chains, anys) = (site.count(chain), site.count(any));
    match hydrogens {
        4 => return 0.1441,
        3 if chains >= 1 => return 0.1441,
        2 if chains >= 2 => return 0.1441,
        1 if chains >= 3 => return 0.0,
        _ if chains >= 4 => return 0.0,
        3 if site.has(hetero) => return -0.2035,
        2 if four && site.two(hetero, any) => return -0.2035,
        1 if four && site.has(hetero) && anys >= 3 => return -0.2051,
        0 if four && site.has(hetero) && anys >= 4 => return -0.2051,
        _ => {}
    }
    if site.has(|n| n.order == 2 && n.heavy_chain() && n.element != C) {
        return -0.2783;
    }
    if site.has(double_c) {
        let enough = match hydrogens {
            2 => true,
            1 => anys >= 1,
            0 => anys >= 2,
            _ => false,
        };
        if enough || site.count(double_c) >= 2 {
            return 0.1551;
        }
    }
    if site.places() == 2 && site.has(|n| n.order == 3 && n.heavy_chain()) {
        return 0.0017;
    }
    if site.has(ring) {
        match hydrogens {
            3 if site.has(|n| ring(n) && n.element == C) => return 0.08452,
            3 => return -0.1444,
            2 if four => return -0.0516,
            1 if four => return 0.1193,
            0 if four => return -0.0967,
            _ => {}
        }
        let aromatic = site.count(ring);
        let with_carbon = site.has(|n| ring(n) && n.element == C);
        if site.has(double_c) && (anys > 0 || (aromatic > 1 && with_carbon) || hydrogens == 1) {
            return 0.264;
        }
    }
    if site.has(|n| n.order == 2 && n.aromatic && n.element == C) {
        return 0.264;
    }
    if four && site.has(|n| n.plain() && n.odd()) {
        return 0.2148;
    }
    0.08129
}

/// C13 to C25.
fn aromatic_carbon(site: &Site) -> f64 {
    if site.hydrogens == 0 && site.has(|n| n.order == 1 && (n.odd() || n.is(P))) {
        return -0.5443;
    }
    for (halogen, value) in [(9, 0.0), (17, 0.245), (35, 0.198), (53, 0.0)] {
        if site.has(|n| n.plain() && n.element == halogen) {
            return value;
        }
    }
    if site.hydrogens == 1 {
        return 0.1581;
    }
    let shared = site.count(|n| n.shared && n.aromatic);
    if shared >= 3 {
        return 0.2955;
    }
    if shared == 2 {
        if site.has(|n| n.order == 1 && n.aromatic) {
            return 0.2713;
        }
        for (element, value) in [(C, 0.136), (N, 0.4619), (O, 0.5437), (S, 0.1893)] {
            if site.has(|n| n.order == 1 && n.is(element)) {
                return value;
            }
        }
        if site.has(|n| n.order == 2 && (n.is(C) || n.is(N) || n.is(O))) {
            return -0.8186;
        }
    }
    0.08129
}

/// N1 to N14.
fn nitrogen(site: &Site, aromatic: bool) -> f64 {
    let (hydrogens, charge) = (site.hydrogens, site.charge);
    if aromatic {
        return match charge {
            0 => -0.3239,
            1.. => -1.119,
            _ => -0.4806,
        };
    }
    let chain = site.count(|n| n.plain() && n.heavy_chain());
    let ring = site.count(|n| n.plain() && n.aromatic);
    let double = site.has(|n| n.order == 2 && n.element != H);
    let triple = site.has(|n| n.order == 3 && n.heavy_chain());
    if charge == 0 {
        return match hydrogens {
            2 if chain >= 1 => -1.019,
            1 if chain >= 2 => -0.7096,
            2 if ring >= 1 => -1.027,
            1 if ring >= 1 && chain + ring >= 2 => -0.5188,
            1 if double => 0.08387,
            _ if double && chain + ring >= 1 => 0.1836,
            _ if chain >= 3 => -0.3187,
            _ if ring >= 1 && chain >= 1 && chain + ring >= 3 => -0.4458,
            _ if ring >= 3 => -0.4458,
            _ if triple => 0.01508,
            _ => -0.4806,
        };
    }
    if charge < 0 {
        return if charge >= -3 { 0.2887 } else { -0.4806 };
    }
    if charge > 3 {
        return -0.4806;
    }
    if (1..=3).contains(&hydrogens) {
        return -1.95;
    }
    let double_chain = |n: Near| n.order == 2 && n.heavy_chain();
    let heavy = |n: Near| n.plain() && n.element != H;
    let imine = |n: Near| n.order == 2 && n.element == C;
    let diazo = |n: Near| n.order == 2 && n.element == N;
    if hydrogens == 0 {
        if chain >= 4 || (site.has(double_chain) && chain >= 1 && site.count(heavy) >= 2) {
            return -0.3396;
        }
        if site.has(imine) && site.has(diazo) {
            return -0.3396;
        }
    }
    let azide = |n: Near| n.order == 2 && n.is(N);
    if triple || site.two(|n| azide(n) && n.charge < 0, azide) {
        return 0.2887;
    }
    -0.4806
}

/// O1 to O12.
fn oxygen(site: &Site, aromatic: bool) -> f64 {
    if aromatic {
        return 0.1552;
    }
    let charge = site.charge;
    if matches!(site.hydrogens, 1 | 2) {
        return -0.2893;
    }
    let chain = site.count(|n| n.plain() && n.heavy_chain());
    let ring = site.count(|n| n.plain() && n.aromatic);
    if chain >= 2 {
        return -0.0684;
    }
    if ring >= 1 && chain + ring >= 2 {
        return -0.4195;
    }
    let alone = site.places() == 1 && (-3..0).contains(&charge);
    let bound = |element: u8| site.has(|n| n.plain() && n.element == element);
    if site.has(|n| n.order == 2 && matches!(n.element, N | O)) || (alone && bound(N)) {
        return 0.0335;
    }
    let oxide = site.has(|n| n.order == 2 && n.element == S && n.charge == 0);
    if (alone && charge > -3 && bound(S)) || (charge == 0 && oxide) {
        return -0.3339;
    }
    let partner = site.near.first().map(|n| Site::new(site.molecule, n.atom));
    let Some(partner) = partner else {
        return -0.1188;
    };
    let there = |n: &Near| n.atom != site.atom;
    let others: Vec<Near> = partner.near.iter().copied().filter(there).collect();
    let to = |fits: &dyn Fn(Near) -> bool| others.iter().any(|&n| fits(n));
    let carboxyl = |n: Near| n.order == 2 && n.is(O);
    let first = site.near[0];
    if charge == -1 && first.plain() && first.is(C) && to(&carboxyl) {
        return -1.326;
    }
    if alone && first.plain() && first.element != H && !first.is(N) && !first.is(S) {
        return -1.189;
    }
    if first.order != 2 || first.element != C {
        return -0.1188;
    }
    if first.aromatic {
        return 0.1788;
    }
    let plain: Vec<Near> = others.iter().copied().filter(|n| n.plain()).collect();
    let one = |fits: &dyn Fn(Near) -> bool| plain.iter().any(|&n| fits(n));
    let chain = |n: Near| n.is(C);
    let carbonyl = Site {
        near: plain.clone(),
        ..partner
    };
    match carbonyl.hydrogens {
        1 if one(&|n| n.is(C) || n.is(N) || n.is(O)) => return -0.1526,
        2 => return -0.1526,
        _ => {}
    }
    if carbonyl.two(chain, Near::heavy_chain) {
        return -0.1526;
    }
    if others.len() == 1 && carbonyl.hydrogens == 0 && to(&carboxyl) {
        return -0.1526;
    }
    let ring = |n: Near| n.aromatic;
    let ring_carbon = |n: Near| n.aromatic && n.element == C;
    if (carbonyl.hydrogens == 1 && one(&ring_carbon))
        || carbonyl.two(|n| n.element == C, ring)
        || carbonyl.two(ring_carbon, Near::heavy_chain)
    {
        return 0.1129;
    }
    let other = |n: Near| n.element != H && n.element != C;
    if carbonyl.two(other, other) {
        return 0.4833;
    }
    -0.1188
}

/// H1 to H4: a hydrogen of this atom.
fn hydrogen(site: &Site) -> f64 {
    let atom = &site.molecule.atoms[usize::from(site.atom)];
    match (atom.element, atom.aromatic) {
        (C | H, _) => 0.123,
        (O, false) => hydroxyl(site),
        (N, _) => 0.2142,
        _ => -0.2677,
    }
}

/// A hydrogen that stands for itself: of H2, deuterium, a proton between two atoms, or alone.
fn free_hydrogen(site: &Site) -> f64 {
    if site.hydrogens > 0 || site.has(|n| n.element == C) {
        return 0.123;
    }
    match site.near.first() {
        Some(near) => hydrogen(&Site::new(site.molecule, near.atom)),
        None => 0.1125,
    }
}

/// Alcohols and acids, by what else the oxygen holds.
fn hydroxyl(site: &Site) -> f64 {
    let plain = |n: &Near| n.plain() && n.element != H;
    let plain: Vec<Near> = site.near.iter().copied().filter(plain).collect();
    let partner = |n: &Near| Site::new(site.molecule, n.atom);
    let alcohol = |n: &Near| match n.element {
        C => n.aromatic || partner(n).places() == 4,
        N | O | S => false,
        _ => true,
    };
    if site.hydrogens > 1 || plain.iter().any(alcohol) {
        return -0.2677;
    }
    if plain.iter().any(|n| n.element == N) {
        return 0.2142;
    }
    let double = |m: Near| m.order == 2 && (matches!(m.element, C | N) || m.is(O) || m.is(S));
    let acid = |n: &Near| n.is(O) || n.is(S) || (n.is(C) && partner(n).has(double));
    if plain.iter().any(acid) {
        return 0.298;
    }
    0.1125
}
