//! Standard atomic weights, and electrons of the outer shell.

/// Atomic number, weight in g/mol, outer electrons.
const TABLE: &[(u8, f64, u8)] = &[
    (1, 1.008, 1),
    (2, 4.003, 2),
    (3, 6.941, 1),
    (4, 9.012, 2),
    (5, 10.812, 3),
    (6, 12.011, 4),
    (7, 14.007, 5),
    (8, 15.999, 6),
    (9, 18.998, 7),
    (10, 20.18, 8),
    (11, 22.99, 1),
    (12, 24.305, 2),
    (13, 26.982, 3),
    (14, 28.086, 4),
    (15, 30.974, 5),
    (16, 32.067, 6),
    (17, 35.453, 7),
    (18, 39.948, 8),
    (19, 39.098, 1),
    (20, 40.078, 2),
    (32, 72.61, 4),
    (33, 74.922, 5),
    (34, 78.96, 6),
    (35, 79.904, 7),
    (36, 83.8, 8),
    (50, 118.711, 4),
    (51, 121.76, 5),
    (52, 127.6, 6),
    (53, 126.904, 7),
    (54, 131.29, 8),
];

fn row(number: u8) -> (f64, u8) {
    let row = TABLE.iter().find(|&&(element, ..)| element == number);
    row.map_or((0.0, 0), |&(_, weight, outer)| (weight, outer))
}

/// Standard atomic weight, in g/mol.
pub(super) fn weight(number: u8) -> f64 {
    row(number).0
}

/// Electrons of the outer shell.
pub(super) fn outer(number: u8) -> u8 {
    row(number).1
}
