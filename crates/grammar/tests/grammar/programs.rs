//! The program language of the Syntax-Directed VAE.

use std::collections::HashSet;

use unbiased_grammar::AttributeGrammar;
use unbiased_grammar::languages::{Language, programs::Programs};

use crate::attributes::{decode_many, masks_are_exact, passes};

/// The rules in plain code, on the text.
fn is_right(text: &str) -> bool {
    let statements: Vec<&str> = text.split(';').collect();
    let mut assigned: HashSet<char> = HashSet::from(['0']);
    let reads = |part: &str, assigned: &HashSet<char>| {
        let mut letters = part.chars();
        while let Some(letter) = letters.next() {
            if letter == 'v' && !assigned.contains(&letters.next().unwrap()) {
                return false;
            }
        }
        true
    };
    for (at, statement) in statements.iter().enumerate() {
        let last = at + 1 == statements.len();
        if let Some(returned) = statement.strip_prefix("return:") {
            if !last || !reads(returned, &assigned) {
                return false;
            }
        } else {
            let (target, value) = statement.split_once('=').unwrap();
            if last || !reads(value, &assigned) || !assigned.insert(target.chars().nth(1).unwrap())
            {
                return false;
            }
        }
    }
    statements.len() <= 10
}

#[test]
fn decoded_programs_are_right() {
    let grammar = Language::named("programs").unwrap().grammar();
    let whole = AttributeGrammar::new(&grammar, Programs::new(&grammar));
    let mut lengths = HashSet::new();
    for budget in [7, 8, 20, 21, 40, 80, 300] {
        for text in decode_many(&whole, budget, 1500, budget.into()) {
            assert!(is_right(&text), "{text}");
            lengths.insert(text.split(';').count());
        }
    }
    assert_eq!(lengths.len(), 10);
}

#[test]
fn masks_of_programs_are_exact() {
    let grammar = Language::named("programs").unwrap().grammar();
    let whole = AttributeGrammar::new(&grammar, Programs::new(&grammar));
    // One statement, and an assignment before it.
    assert_eq!(masks_are_exact(&whole, 7), 1);
    assert!(masks_are_exact(&whole, 20) > 100);
}

#[test]
fn programs_that_break_a_rule_are_refused() {
    let grammar = Language::named("programs").unwrap().grammar();
    let whole = AttributeGrammar::new(&grammar, Programs::new(&grammar));
    let eleven: Vec<String> = (1..10).map(|i| format!("v{i}=-v0;")).collect();
    let eleven = eleven.concat();
    for (text, right) in [
        ("return:v0", true),
        ("v1=sin(v0);v2=exp(v1);v3=v2-1;return:v3", true),
        ("v6=sin(v0);v5=exp(3);v4=v0*v6;return:v6", true),
        ("return:v1", false),
        ("v1=v2+1;return:v1", false),
        ("v1=v1+1;return:v1", false),
        ("v1=v0+1;v1=v0+2;return:v1", false),
        ("v0=v0+1;return:v0", false),
        ("v1=v0+1", false),
        ("return:v0;return:v0", false),
        ("return:v0;v1=-v0", false),
        (&(eleven.clone() + "return:v9"), true),
        (&(eleven + "v1=-v0;return:v9"), false),
    ] {
        assert_eq!(passes(&whole, text), right, "{text}");
        assert_eq!(is_right(text), right, "{text}");
    }
}
