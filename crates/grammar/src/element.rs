//! Elements and the bonds that they take.

/// One element.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) symbol: &'static str,
    pub(crate) number: u8,
    /// Sums of bond orders that a neutral atom takes, the usual one first; `ANY` at the end where there is no upper end.
    pub(crate) valences: &'static [u8],
}

/// No upper end.
pub(crate) const ANY: u8 = u8::MAX;

const fn element(symbol: &'static str, number: u8, valences: &'static [u8]) -> Element {
    Element {
        symbol,
        number,
        valences,
    }
}

/// Main-group elements: those of drug-like molecules, their counter-ions, and what charges make of them (N+ is bound like C).
const ELEMENTS: &[Element] = &[
    element("H", 1, &[1]),
    element("He", 2, &[0]),
    element("Li", 3, &[1, ANY]),
    element("Be", 4, &[2]),
    element("B", 5, &[3]),
    element("C", 6, &[4]),
    element("N", 7, &[3]),
    element("O", 8, &[2]),
    element("F", 9, &[1]),
    element("Ne", 10, &[0]),
    element("Na", 11, &[1, ANY]),
    element("Mg", 12, &[2, ANY]),
    element("Al", 13, &[3]),
    element("Si", 14, &[4]),
    element("P", 15, &[3, 5]),
    element("S", 16, &[2, 4, 6]),
    element("Cl", 17, &[1]),
    element("Ar", 18, &[0]),
    element("K", 19, &[1, ANY]),
    element("Ca", 20, &[2, ANY]),
    element("Ge", 32, &[4]),
    element("As", 33, &[3, 5]),
    element("Se", 34, &[2, 4, 6]),
    element("Br", 35, &[1]),
    element("Kr", 36, &[0]),
    element("Sn", 50, &[2, 4]),
    element("Sb", 51, &[3, 5]),
    element("Te", 52, &[2, 4, 6]),
    element("I", 53, &[1, 3, 5]),
    element("Xe", 54, &[0, 2, 4, 6]),
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
