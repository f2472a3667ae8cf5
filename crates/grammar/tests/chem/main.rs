//! Chemistry against the answers of `RDKit`, as files, and against itself.
#![allow(missing_docs)]

use unbiased_grammar::chem::{Chemistry, Fragments, Native};
use unbiased_grammar::languages::{Language, molecules::Molecules};
use unbiased_grammar::{AttributeGrammar, Draws, GrammarError, bits, sample};

/// SMILES, whether `RDKit` takes it, and if so log P, weight, sizes of rings; by `tools/compare_rdkit.py golden`.
const RDKIT: &str = include_str!("rdkit.tsv");

#[test]
fn answers_are_those_of_rdkit() {
    let chemistry = Native::default();
    let (mut valid, mut invalid) = (0, 0);
    for line in RDKIT.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let smiles = fields[0];
        let molecule = chemistry.read(smiles);
        if fields[1] == "0" {
            assert!(molecule.is_err(), "{smiles} should be refused");
            invalid += 1;
            continue;
        }
        let molecule = molecule.unwrap_or_else(|error| panic!("{smiles}: {error}"));
        let number = |at: usize| fields[at].parse::<f64>().unwrap();
        let log_p = chemistry.log_p(&molecule);
        assert!((log_p - number(2)).abs() < 1e-3, "{smiles}: {log_p}");
        let weight = molecule.weight();
        assert!((weight - number(3)).abs() < 1e-2, "{smiles}: {weight}");
        let rings = fields[4].split(',').filter(|size| !size.is_empty());
        let rings: Vec<usize> = rings.map(|size| size.parse().unwrap()).collect();
        assert_eq!(chemistry.rings(&molecule), rings, "{smiles}");
        valid += 1;
    }
    assert!(valid > 250 && invalid > 150, "{valid} {invalid}");
}

/// Deuterium counts as the hydrogen that it is, on the molecule and in the sum; figures by `RDKit`, whose weights of isotopes are finer than ours.
#[test]
fn deuterium_is_a_hydrogen_of_its_neighbour() {
    let chemistry = Native::default();
    for (smiles, log_p) in [
        ("[2H]OC", -0.3915),
        ("[2H]O[2H]", -0.8247),
        ("[2H]C", 0.6361),
        ("[2H]N", 0.162),
        ("[2H]OC([2H])=O", -0.2992),
        ("C[2H]", 0.6361),
    ] {
        let ours = chemistry.log_p(&chemistry.read(smiles).unwrap());
        assert!((ours - log_p).abs() < 1e-4, "{smiles}: {ours}");
    }
}

/// Each text fails for one reason alone: without that check, it would pass.
#[test]
fn each_check_has_its_place_and_reason() {
    let chemistry = Native::default();
    for (smiles, place, reason) in [
        ("CC(C)(C)(C)C", 1, "takes no 5 bonds"),
        ("C[O](C)C", 1, "takes no 3 bonds"),
        ("c1cccc1", 8, "double bonds"),
        ("cC", 0, "on no ring"),
        ("C1CC", 1, "not closed"),
        ("C(C", 1, "not closed"),
        ("C)", 1, "no branch"),
        ("C11", 2, "joins two atoms"),
        ("C1C1", 3, "bonded already"),
        ("C==C", 2, "joins two atoms"),
        ("C-", 2, "joins two atoms"),
        ("CX", 1, "no atom"),
        ("[Xx]", 1, "no element"),
        ("[C", 2, "bracket"),
        ("", 0, "an atom is missing"),
    ] {
        match chemistry.read(smiles) {
            Err(GrammarError::Molecule { at, message }) => {
                assert!(message.contains(reason), "{smiles}: {message}");
                if reason != "double bonds" {
                    assert_eq!(at, place, "{smiles}: {message}");
                }
            }
            other => panic!("{smiles}: {other:?}"),
        }
    }
}

#[test]
fn every_decode_is_a_molecule() {
    let grammar = Language::named("zinc_right").unwrap().grammar();
    let whole = AttributeGrammar::new(&grammar, Molecules::new(&grammar));
    let chemistry = Native::default();
    let mut draws = Draws::new(5);
    let mut aromatic = 0;
    for budget in [5, 9, 20, 41, 80, 160, 277] {
        for round in 0..300 {
            let logits: Vec<f32> = (0..whole.width())
                .map(|_| (6.0 * draws.uniform() - 3.0) as f32 * f32::from(round % 2 == 0))
                .collect();
            let mut decoder = whole.decode(budget).unwrap();
            while !decoder.is_finished() {
                assert!(bits::count(decoder.mask()) > 0, "a dead end");
                let choice = sample(&logits, decoder.mask(), &mut draws);
                decoder.push(choice).unwrap();
            }
            let text = grammar.text_of(&decoder.productions().unwrap()).unwrap();
            let molecule = chemistry
                .read(&text)
                .unwrap_or_else(|error| panic!("{text}: {error}"));
            aromatic += usize::from(molecule.aromatic().any(|aromatic| aromatic));
        }
    }
    assert!(aromatic > 50, "{aromatic}");
}

/// The rules are needed: without them, of the texts that the grammar alone decodes, few are molecules.
#[test]
fn few_decodes_without_rules_are_molecules() {
    let grammar = Language::named("zinc_right").unwrap().grammar();
    let codec = unbiased_grammar::Codec::new(&grammar);
    let chemistry = Native::default();
    let mut draws = Draws::new(6);
    let mut valid = 0;
    for _ in 0..300 {
        let mut decoder = codec.budgeted(80).unwrap();
        while !decoder.is_finished() {
            let logits = vec![0.0; codec.width()];
            decoder.push(sample(&logits, decoder.mask(), &mut draws));
        }
        let text = grammar.text_of(decoder.productions()).unwrap();
        valid += usize::from(chemistry.read(&text).is_ok());
    }
    assert!(valid < 150, "{valid}");
}

#[test]
fn forms_are_equal_exactly_for_equal_molecules() {
    let chemistry = Native::default();
    let form = |smiles: &str| chemistry.canonical(&chemistry.read(smiles).unwrap());
    for (a, b) in [
        ("CCO", "OCC"),
        ("c1ccccc1C", "CC1=CC=CC=C1"),
        ("CN(=O)=O", "C[N+](=O)[O-]"),
        ("C[C@H](N)O", "O[C@@H](N)C"),
        ("F/C=C/F", "F\\C=C\\F"),
        ("F/C=C/F", "C(\\F)=C/F"),
        ("C[C@H](C)O", "CC(C)O"),
        ("C[C@@H]1C[C@H](C)C1", "C[C@H]1C[C@@H](C)C1"),
        ("[H]C([H])([H])C", "CC"),
    ] {
        assert_eq!(form(a), form(b), "{a} {b}");
    }
    for (a, b) in [
        ("CCO", "COC"),
        ("C[C@H](N)O", "C[C@@H](N)O"),
        ("F/C=C/F", "F/C=C\\F"),
        ("C[C@@H]1C[C@@H](C)C1", "C[C@H]1C[C@@H](C)C1"),
        ("[13CH4]", "C"),
        ("C1CCCCC1", "C1CCCC1C"),
    ] {
        assert_ne!(form(a), form(b), "{a} {b}");
    }
}

/// Phenol by hand: with an empty table every fragment counts -4, there are 7 atoms and 11 kinds of fragments.
#[test]
fn accessibility_follows_its_formula() {
    let chemistry = Native::with_fragments(Fragments::read("").unwrap());
    let score = |smiles: &str| {
        let molecule = chemistry.read(smiles).unwrap();
        chemistry.accessibility(&molecule).unwrap()
    };
    let raw = -4.0 - (7_f64.powf(1.005) - 7.0);
    let scaled = 11.0 - (raw + 5.0) / 6.5 * 9.0;
    let expected = 8.0 + (scaled - 8.0_f64).ln();
    assert!((score("Oc1ccccc1") - expected).abs() < 1e-9);
    // A centre makes it harder.
    assert!(score("CC(N)O") > score("CCCO"));
    assert!(
        Native::default()
            .accessibility(&chemistry.read("C").unwrap())
            .is_none()
    );
    assert!(Fragments::read("0.5 12 x").is_err());
    assert_eq!(Fragments::read("0.5 12 13\n-1 14").unwrap().len(), 3);
}

#[test]
fn texts_made_to_hurt_end_in_bounded_time() {
    let chemistry = Native::default();
    let start = std::time::Instant::now();
    let ring = |n: usize| format!("C1{}C1", "C".repeat(n));
    let rings = (10..75)
        .map(|n| format!("C%{n}"))
        .collect::<Vec<_>>()
        .concat();
    let closings = (10..75)
        .map(|n| format!("CC%{n}"))
        .collect::<Vec<_>>()
        .concat();
    // Buckminsterfullerene and its like have all atoms alike.
    let ladder: String = "C1CC2CC1CC2".repeat(20);
    for text in [
        "C".repeat(100_000),
        "(".repeat(100_000),
        "[".repeat(1000),
        "C(".repeat(500) + "C" + &")".repeat(500),
        ring(500),
        rings.clone() + &closings,
        "C(F)(F)".repeat(60) + "F",
        "c1ccccc1-".repeat(60) + "C",
        ladder,
        "[CH+++++++++++++++++++++++++++]".into(),
        "C%".into(),
        "C1%01".into(),
        "é".into(),
        "[é]".into(),
        "[99999999C]".into(),
    ] {
        if let Ok(molecule) = chemistry.read(&text) {
            let _ = (chemistry.canonical(&molecule), chemistry.log_p(&molecule));
        }
    }
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

/// Any bytes, and pieces of SMILES in any order.
#[test]
fn random_text_never_panics() {
    let chemistry = Native::with_fragments(Fragments::default());
    let pieces = [
        "C",
        "c",
        "n",
        "[nH]",
        "[N+]",
        "[O-]",
        "=",
        "#",
        "-",
        "/",
        "\\",
        ":",
        "(",
        ")",
        "1",
        "2",
        "%10",
        "%",
        "[",
        "]",
        "@",
        "@@",
        "H",
        "+",
        ".",
        "Cl",
        "Br",
        "[H]",
        "[2H]",
        "$",
        "o",
        "s",
        "S(=O)(=O)",
        "P",
        "é",
        "[C@H]",
        "[C@@]",
        "B",
        "I",
        "3",
        "[Na+]",
        "c1ccccc1",
        "C1CC1",
        "0",
    ];
    let mut draws = Draws::new(8);
    let mut valid = 0;
    for _ in 0..30_000 {
        let text: String = (0..=draws.below(25))
            .map(|_| pieces[draws.below(pieces.len())])
            .collect();
        if let Ok(molecule) = chemistry.read(&text) {
            valid += 1;
            let _ = chemistry.canonical(&molecule);
            assert!(chemistry.penalised_log_p(&molecule).is_finite(), "{text}");
        }
    }
    assert!(valid > 500, "{valid}");
}
