//! Counts, samples and probabilities against enumeration.

use std::collections::HashMap;

use unbiased_grammar::{Counts, Draws, Format, Grammar, Parser};

use crate::random_grammar::random_grammar;

const EQUATIONS: &str = include_str!("../../languages/equations.cfg");

/// All derivations of at most so many productions, by brute force.
fn all(grammar: &Grammar, most: usize) -> Vec<Vec<u16>> {
    let (mut found, mut stack) = (Vec::new(), vec![(Vec::new(), vec![grammar.start()])]);
    while let Some((productions, open)) = stack.pop() {
        let Some((&next, rest)) = open.split_last() else {
            found.push(productions);
            continue;
        };
        // Every open nonterminal needs a production.
        if productions.len() + open.len() > most {
            continue;
        }
        for &production in grammar.productions_of(next) {
            let mut productions: Vec<u16> = productions.clone();
            productions.push(production);
            let mut open = rest.to_vec();
            open.extend(grammar.children(production).rev());
            stack.push((productions, open));
        }
    }
    found
}

#[test]
fn counts_are_those_of_enumeration() {
    let mut draws = Draws::new(3);
    let mut total = 0;
    for _ in 0..300 {
        let Some(grammar) = random_grammar(&mut draws) else {
            continue;
        };
        let most = 6;
        let found = all(&grammar, most);
        let counts = Counts::new(&grammar, most).unwrap();
        assert_eq!(*counts.at_most(), found.len().into(), "{grammar:?}");
        for size in 0..=most {
            let here = found.iter().filter(|d| d.len() == size).count();
            assert_eq!(*counts.exactly(grammar.start(), size), here.into());
        }
        total += found.len();
    }
    assert!(total > 2_000, "{total}");
}

#[test]
fn samples_are_uniform() {
    let grammar = Grammar::read("S -> S S | 'a' | T 'b' |\nT -> S").unwrap();
    let counts = Counts::new(&grammar, 6).unwrap();
    let found = all(&grammar, 6);
    let mut seen: HashMap<Vec<u16>, u32> = found.iter().map(|d| (d.clone(), 0)).collect();
    let (mut draws, mean) = (Draws::new(4), 1000);
    for _ in 0..found.len() * mean {
        *seen
            .get_mut(&counts.sample(&mut draws).unwrap())
            .expect("a derivation of at most six productions") += 1;
    }
    // Six standard deviations of a count of mean 1000.
    assert!(
        seen.len() > 30 && seen.values().all(|&n| n.abs_diff(mean as u32) < 190),
        "{seen:?}"
    );
}

#[test]
fn equations_to_a_depth_are_as_many_as_published() {
    let grammar = Grammar::read(EQUATIONS).unwrap();
    for (depth, count) in [(2, 0), (3, 4), (4, 52), (5, 2_512), (6, 1_205_920)] {
        assert_eq!(
            grammar.count_to_depth(depth).unwrap(),
            (count as u32).into()
        );
        let mut derivations = grammar.derivations(depth).unwrap();
        let mut listed = 0;
        while derivations.next_productions().is_some() {
            listed += 1;
        }
        assert_eq!(listed, count);
    }
}

#[test]
fn the_first_hundred_thousand_equations_are_those_of_the_published_set() {
    let grammar = Grammar::read(EQUATIONS).unwrap();
    let mut derivations = grammar.derivations(6).unwrap();
    let mut texts = Vec::new();
    while texts.len() < 100_000 {
        texts.push(
            grammar
                .text_of(derivations.next_productions().unwrap())
                .unwrap(),
        );
    }
    assert_eq!(texts[0], "x+x+(x)+(x+x)");
    assert_eq!(texts[99_999], "1/3+(x)+3");
    for known in [
        "1/3+(x)+sin(x*x)",
        "1/2+x+sin(x*x)",
        "x/1+sin(3)+sin(x*x)",
        "x/x+(x)+sin(x*x)",
    ] {
        assert!(texts.iter().any(|text| text == known));
    }
    let mut parser = Parser::new(&grammar);
    let longest = texts
        .iter()
        .map(|text| parser.parse(text).unwrap().productions.len())
        .max();
    assert_eq!(longest, Some(14));
}

#[test]
fn probabilities_of_derivations_sum_to_those_of_texts() {
    let text = "S -> S S [0.2] | 'a' [0.3] | T [0.4] | [0.1]\nT -> 'a' [0.5] | 'b' S [0.5]";
    let grammar = Grammar::read_as(text, Format::Nltk).unwrap();
    // The empty text has infinitely many derivations: e = 0.2 e^2 + 0.1.
    let empty = (1.0 - (1.0_f64 - 4.0 * 0.2 * 0.1).sqrt()) / 0.4;
    assert!((grammar.ln_inside(&[]).unwrap() - empty.ln()).abs() < 1e-12);
    // With S -> a in two ways: p = 0.3 + 0.4 0.5 + 2 0.2 e p.
    let a = 0.5 / (1.0 - 0.4 * empty);
    let terminal = grammar.terminal("a").unwrap();
    assert!((grammar.ln_inside(&[terminal]).unwrap() - a.ln()).abs() < 1e-12);
    // Draws of single texts come as often.
    let (mut draws, n) = (Draws::new(5), 200_000);
    let hits = (0..n).filter(|_| {
        let drawn = grammar.sample(1000, &mut draws);
        drawn.is_some_and(|d| grammar.text_of(&d).unwrap() == "a")
    });
    let frequency = hits.count() as f64 / f64::from(n);
    assert!(
        (frequency - a).abs() < 6.0 * (a * (1.0 - a) / f64::from(n)).sqrt(),
        "{frequency} {a}"
    );
}

#[test]
fn an_unambiguous_text_has_the_probability_of_its_derivation() {
    let grammar = Grammar::read(EQUATIONS).unwrap();
    let parse = Parser::new(&grammar).parse("1/3+(x)+sin(x*x)").unwrap();
    let terminals: Vec<u16> = grammar
        .tokenize("1/3+(x)+sin(x*x)")
        .unwrap()
        .iter()
        .map(|t| t.terminal)
        .collect();
    let inside = grammar.ln_inside(&terminals).unwrap();
    assert!((inside - grammar.ln_probability(&parse.productions)).abs() < 1e-12);
    // 14 productions: five of S and seven of T choices.
    assert!(inside < -20.0);
}

#[test]
fn derivations_end_as_often_as_branching_processes_do() {
    // z = p z^2 + 1 - p: ends surely up to p = 1/2, with (1 - p) / p beyond.
    let ends = |p: f64| {
        let text = format!("S -> S S [{p}] | 'a' [{}]", 1.0 - p);
        Grammar::read_as(&text, Format::Nltk).unwrap().ends()[0]
    };
    assert!((ends(0.25) - 1.0).abs() < 1e-12);
    assert!((ends(0.75) - 1.0 / 3.0).abs() < 1e-12);
}

#[test]
fn zinc_counts_have_hundreds_of_digits() {
    let grammar = Grammar::read(include_str!("../../languages/zinc.cfg")).unwrap();
    let counts = Counts::new(&grammar, 277).unwrap();
    assert!(counts.at_most().to_string().len() > 100);
    let mut draws = Draws::new(6);
    let mut parser = Parser::new(&grammar);
    for _ in 0..20 {
        let drawn = counts.sample(&mut draws).unwrap();
        assert!(drawn.len() <= 277);
        let parse = parser.parse(&grammar.text_of(&drawn).unwrap()).unwrap();
        assert_eq!(parse.productions, drawn);
    }
}
