//! The grammars of molecules against the published numbering and the published set.

use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use unbiased_grammar::languages::Language;
use unbiased_grammar::{GrammarError, Parser};

/// The lines of the ZINC set, if `UNBIASED_DATA` has it.
pub(crate) fn zinc() -> Option<String> {
    let folder = PathBuf::from(std::env::var_os("UNBIASED_DATA")?);
    let file =
        std::fs::File::open(folder.join("zinc250k/250k_rndm_zinc_drugs_clean.smi.gz")).ok()?;
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).ok()?;
    Some(text)
}

#[test]
fn benzene_has_its_published_derivation() {
    let grammar = Language::named("zinc").unwrap().grammar();
    let parse = Parser::new(&grammar).parse("c1ccccc1").unwrap();
    let mut expected = vec![0, 73, 73, 73, 73, 73, 72];
    expected.extend([63, 3, 14, 67, 60, 37]);
    expected.extend([62, 3, 14].repeat(4));
    expected.extend([63, 3, 14, 67, 60, 37]);
    assert_eq!(parse.productions, expected);
    assert!(parse.ambiguity.is_none());
}

#[test]
fn texts_outside_the_grammar_are_refused_with_their_place() {
    let grammar = Language::named("zinc").unwrap().grammar();
    let mut parser = Parser::new(&grammar);
    for (text, place) in [
        ("CC.C", 2),
        ("C[Si]C", 3),
        ("C%12", 1),
        ("C:C", 1),
        ("C9", 1),
        ("C1CC(", 5),
        ("", 0),
        ("C C", 1),
    ] {
        match parser.parse(text) {
            Err(GrammarError::Token { at, .. } | GrammarError::Parse { at, .. }) => {
                assert_eq!(at, place, "{text}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn published_molecules_parse_in_one_way_and_come_back() {
    let Some(text) = zinc() else {
        eprintln!("skipped: UNBIASED_DATA holds no zinc250k");
        return;
    };
    for name in ["zinc", "zinc_right"] {
        let grammar = Language::named(name).unwrap().grammar();
        let (mut parser, mut productions) = (Parser::new(&grammar), Vec::new());
        let mut longest = 0;
        for line in text.lines().step_by(10) {
            let ambiguous = parser
                .parse_into(line, &mut productions)
                .unwrap_or_else(|e| panic!("{line}: {e}"));
            assert!(!ambiguous, "{line}");
            assert_eq!(grammar.text_of(&productions).unwrap(), line);
            longest = longest.max(productions.len());
        }
        assert!(longest <= 277, "{longest}");
    }
}
