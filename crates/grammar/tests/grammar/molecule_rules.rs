//! The rules of molecules: rings against a scanner that builds the graph, valence and aromaticity by examples; `tests/chem` asks chemistry.

use std::collections::{HashMap, HashSet};

use unbiased_grammar::AttributeGrammar;
use unbiased_grammar::languages::{Language, molecules::Molecules};

use crate::attributes::{decode_many, passes};
use crate::molecules::zinc;

/// Whether all rings close, between atoms that are not bonded already, with orders that agree.
fn is_right(text: &str) -> bool {
    let mut bonds: HashSet<(usize, usize)> = HashSet::new();
    let mut open: HashMap<char, (usize, char)> = HashMap::new();
    let (mut atoms, mut current, mut branches, mut bond) = (0, None, Vec::new(), ' ');
    let mut letters = text.chars().peekable();
    let order = |bond: char| match bond {
        '/' | '\\' => '-',
        other => other,
    };
    while let Some(letter) = letters.next() {
        match letter {
            '(' => branches.push(current),
            ')' => current = branches.pop().unwrap(),
            '-' | '=' | '#' | '/' | '\\' => {
                bond = letter;
                continue;
            }
            '1'..='9' => {
                let here: usize = current.unwrap();
                match open.remove(&letter) {
                    None => {
                        open.insert(letter, (here, order(bond)));
                    }
                    Some((other, stated)) => {
                        let agree = stated == ' ' || bond == ' ' || stated == order(bond);
                        if other == here
                            || !agree
                            || !bonds.insert((other.min(here), other.max(here)))
                        {
                            return false;
                        }
                    }
                }
            }
            _ => {
                if letter == '[' {
                    letters.by_ref().find(|&c| c == ']');
                } else if matches!(
                    (letter, letters.peek()),
                    ('C', Some('l')) | ('B', Some('r'))
                ) {
                    letters.next();
                }
                if let Some(parent) = current {
                    bonds.insert((parent, atoms));
                }
                current = Some(atoms);
                atoms += 1;
            }
        }
        bond = ' ';
    }
    open.is_empty()
}

#[test]
fn decoded_molecules_close_their_rings() {
    let grammar = Language::named("zinc_right").unwrap().grammar();
    let whole = AttributeGrammar::new(&grammar, Molecules::new(&grammar));
    let mut most = 0;
    for budget in [5, 12, 16, 20, 25, 30, 45, 70, 150, 400] {
        for text in decode_many(&whole, budget, 300, u64::from(budget)) {
            assert!(is_right(&text), "{text}");
            most = most.max(text.matches(['8']).count());
        }
    }
    assert!(most > 1);
}

#[test]
fn rings_that_do_not_close_are_refused() {
    let grammar = Language::named("zinc_right").unwrap().grammar();
    let whole = AttributeGrammar::new(&grammar, Molecules::new(&grammar));
    for (text, right) in [
        ("c1ccccc1", true),
        ("C1CC12CC2", true),
        ("C1CC1C1CC1", true),
        ("C12CC1C2", true),
        ("C1CC=1", true),
        ("C=1CC=1", true),
        ("C/1CC\\1", true),
        ("C1CC(C1)", true),
        ("[13CH3][C@@H]1CC[NH2+]1", true),
        ("C1CC", false),
        ("C1C1", false),
        ("C11", false),
        ("C12CC12", false),
        ("C=1CC-1", false),
        ("C1CC(C1)C1", false),
    ] {
        assert_eq!(is_right(text), right, "{text}");
        assert_eq!(passes(&whole, text), right, "{text}");
    }
}

/// Each is a text of the grammar whose rings close; what is wrong is chemistry.
#[test]
fn atoms_with_too_many_bonds_are_refused() {
    let grammar = Language::named("zinc_right").unwrap().grammar();
    let whole = AttributeGrammar::new(&grammar, Molecules::new(&grammar));
    for (text, right) in [
        ("CC(C)(C)C", true),
        ("CC(C)(C)(C)C", false),
        ("C=C=C", true),
        ("C=C(C)=C", false),
        ("N#C", true),
        ("O#C", false),
        ("[O+]#[C-]", true),
        ("CN(C)(C)C", false),
        ("C[N+](C)(C)C", true),
        ("[CH4]", true),
        ("[CH4]C", false),
        ("[CH3-]", true),
        ("FC(F)(F)S(=O)(=O)O", true),
        ("CI(C)C", false),
        ("CClC", false),
        ("C=1CC(C)C=1(C)", true),
        ("C=1CC(C)C=1(C)C", false),
        ("C1(C)(C)CC=1", false),
        ("C[N+2]", false),
    ] {
        assert_eq!(passes(&whole, text), right, "{text}");
    }
}

#[test]
fn aromatic_rings_without_double_bonds_to_place_are_refused() {
    let grammar = Language::named("zinc_right").unwrap().grammar();
    let whole = AttributeGrammar::new(&grammar, Molecules::new(&grammar));
    for (text, right) in [
        ("c1cccc1", false),
        ("c1cc[nH]c1", true),
        ("c1ccnc1", false),
        ("n1(C)cccc1", true),
        ("c1ccn2cccc2c1", true),
        ("c1cccoc1", false),
        ("O=c1ccocc1", true),
        ("O=c1ccccc1", false),
        ("c1ccc2ccccc2c1", true),
        ("c1ccc2cccc2c1", false),
        ("c1cc2cccc2c1", true),
        ("c1ccc2c(c1)=C1CCCCC1=2", true),
        ("c1ccc2c(c1)=CC=CC=2", true),
        ("cc", false),
        ("Cc", false),
        ("CC(c1ccccc1)c1ccccc1", true),
        ("c1ccccc1-c1ccccc1", true),
        ("c1ccccc1c1ccccc1", false),
        ("c1ccc2c(c1)Cc1ccccc1-2", true),
        ("c1cc[nH+]cc1", true),
        ("c1cc[n-]c1", true),
        ("c1c[n-]ccc1", false),
        ("Cc1ccc(c(c1)C)C", true),
        ("c1cc(=O)[nH]c1", false),
        ("c1c(=O)[nH]cc1", false),
        ("c1cc(=O)[nH]cc1", true),
        ("c1ccccc1=O", false),
        ("c1(C)(C)cccc1", false),
    ] {
        assert_eq!(passes(&whole, text), right, "{text}");
    }
}

#[test]
fn published_molecules_are_molecules() {
    let Some(text) = zinc() else {
        eprintln!("skipped: UNBIASED_DATA holds no zinc250k");
        return;
    };
    let grammar = Language::named("zinc_right").unwrap().grammar();
    let whole = AttributeGrammar::new(&grammar, Molecules::new(&grammar));
    for line in text.lines().step_by(50) {
        assert!(is_right(line) && passes(&whole, line), "{line}");
    }
}
