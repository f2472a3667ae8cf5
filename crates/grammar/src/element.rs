//! Elements: what of them the valence model and the descriptors need.

/// One element.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) symbol: &'static str,
    pub(crate) number: u8,
    /// Standard atomic weight.
    pub(crate) weight: f64,
    /// Electrons of the outer shell.
    pub(crate) outer: u8,
    /// Sums of bond orders that a neutral atom takes, the usual one first; `ANY` at the end where there is no upper end.
    pub(crate) valences: &'static [u8],
}

/// No upper end.
pub(crate) const ANY: u8 = u8::MAX;

const fn element(
    symbol: &'static str,
    number: u8,
    weight: f64,
    outer: u8,
    valences: &'static [u8],
) -> Element {
    Element {
        symbol,
        number,
        weight,
        outer,
        valences,
    }
}

/// Main-group elements: those of drug-like molecules, their counter-ions, and what charges make of them (N+ is bound like C).
const ELEMENTS: &[Element] = &[
    element("H", 1, 1.008, 1, &[1]),
    element("He", 2, 4.003, 2, &[0]),
    element("Li", 3, 6.941, 1, &[1, ANY]),
    element("Be", 4, 9.012, 2, &[2]),
    element("B", 5, 10.812, 3, &[3]),
    element("C", 6, 12.011, 4, &[4]),
    element("N", 7, 14.007, 5, &[3]),
    element("O", 8, 15.999, 6, &[2]),
    element("F", 9, 18.998, 7, &[1]),
    element("Ne", 10, 20.180, 8, &[0]),
    element("Na", 11, 22.990, 1, &[1, ANY]),
    element("Mg", 12, 24.305, 2, &[2, ANY]),
    element("Al", 13, 26.982, 3, &[3]),
    element("Si", 14, 28.086, 4, &[4]),
    element("P", 15, 30.974, 5, &[3, 5]),
    element("S", 16, 32.067, 6, &[2, 4, 6]),
    element("Cl", 17, 35.453, 7, &[1]),
    element("Ar", 18, 39.948, 8, &[0]),
    element("K", 19, 39.098, 1, &[1, ANY]),
    element("Ca", 20, 40.078, 2, &[2, ANY]),
    element("Ge", 32, 72.61, 4, &[4]),
    element("As", 33, 74.922, 5, &[3, 5]),
    element("Se", 34, 78.96, 6, &[2, 4, 6]),
    element("Br", 35, 79.904, 7, &[1]),
    element("Kr", 36, 83.80, 8, &[0]),
    element("Sn", 50, 118.711, 4, &[2, 4]),
    element("Sb", 51, 121.760, 5, &[3, 5]),
    element("Te", 52, 127.60, 6, &[2, 4, 6]),
    element("I", 53, 126.904, 7, &[1, 3, 5]),
    element("Xe", 54, 131.29, 8, &[0, 2, 4, 6]),
];

/// The element of an atomic number, if it is known here.
pub(crate) fn by_number(number: i32) -> Option<&'static Element> {
    ELEMENTS
        .iter()
        .find(|element| i32::from(element.number) == number)
}

/// The element of a symbol as it is written when not aromatic.
pub(crate) fn by_symbol(symbol: &str) -> Option<&'static Element> {
    ELEMENTS.iter().find(|element| element.symbol == symbol)
}

/// Sums of bond orders that an atom with a charge takes, ascending; `[ANY]` where nothing is known. A charged atom is bound like the
/// neutral one with as many electrons.
pub(crate) fn valences(number: u8, charge: i32) -> &'static [u8] {
    by_number(i32::from(number) - charge).map_or(&[ANY], |element| element.valences)
}

/// The largest sum of bond orders, hydrogens included, that an atom with a charge takes.
///
/// Sulphur and its heavier kin, and phosphorus with two charges, stay hypervalent as anions, although the halogen with as many electrons is not.
pub(crate) fn largest_valence(number: u8, charge: i32) -> u8 {
    let electrons = i32::from(number) - charge;
    let hypervalent = (electrons > 16 && matches!(number, 15 | 16))
        || (electrons > 34 && matches!(number, 33 | 34));
    if hypervalent {
        let own = valences(number, 0).last().copied().unwrap_or(ANY);
        return u8::try_from(i32::from(own) + charge).unwrap_or(0);
    }
    if (number, charge) == (1, -1) {
        return 2;
    }
    valences(number, charge).last().copied().unwrap_or(ANY)
}
