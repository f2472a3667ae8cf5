//! The parser against the table of all spans, on random grammars and by hand.

use unbiased_grammar::{Draws, Format, Grammar, GrammarError, Parser, Prefix, Tree, bits};

use crate::random_grammar::{random_grammar, texts};

fn terminals(grammar: &Grammar, text: &str) -> Option<Vec<u16>> {
    Some(
        grammar
            .tokenize(text)
            .ok()?
            .iter()
            .map(|token| token.terminal)
            .collect(),
    )
}

#[test]
fn parses_exactly_the_language_and_sees_every_ambiguity() {
    let mut draws = Draws::new(7);
    let (mut accepted, mut ambiguous, mut endless) = (0, 0, 0);
    for _ in 0..3000 {
        let Some(grammar) = random_grammar(&mut draws) else {
            continue;
        };
        let mut parser = Parser::new(&grammar);
        for text in texts(5) {
            let Some(terminals) = terminals(&grammar, &text) else {
                continue;
            };
            let derivations = grammar.derivations_of(&terminals).unwrap();
            let one = derivations.as_ref().is_some_and(|n| *n == 1_u32.into());
            let none = derivations.as_ref().is_some_and(|n| *n == 0_u32.into());
            assert_eq!(grammar.recognizes(&terminals).unwrap(), !none);
            match parser.parse(&text) {
                Err(error) => assert!(none, "{error} for {text:?} of {grammar:?}"),
                Ok(parse) => {
                    assert!(!none, "{text:?} is not of {grammar:?}");
                    accepted += 1;
                    assert_eq!(grammar.text_of(&parse.productions).unwrap(), text);
                    assert_eq!(
                        Tree::new(&grammar, &parse.productions)
                            .unwrap()
                            .productions(),
                        parse.productions
                    );
                    assert_eq!(
                        parse.ambiguity.is_none(),
                        one,
                        "{derivations:?} of {text:?} by {grammar:?}"
                    );
                    endless += u32::from(derivations.is_none());
                    if let Some(ambiguity) = parse.ambiguity {
                        ambiguous += 1;
                        assert_ne!(
                            ambiguity.other, parse.productions,
                            "{text:?} by {grammar:?}"
                        );
                        assert_eq!(grammar.text_of(&ambiguity.other).unwrap(), text);
                        assert!(ambiguity.start <= ambiguity.end && ambiguity.end <= text.len());
                    }
                }
            }
        }
    }
    // Each case has been met often.
    assert!(
        accepted > 10_000 && ambiguous > 1_000 && endless > 500,
        "{accepted} {ambiguous} {endless}"
    );
}

#[test]
fn a_prefix_allows_exactly_what_can_be_finished() {
    let mut draws = Draws::new(8);
    for _ in 0..400 {
        let Some(grammar) = random_grammar(&mut draws) else {
            continue;
        };
        // Productions that never end would allow terminals that lead nowhere.
        if (0..grammar.productions() as u16).any(|p| !grammar.is_productive(p)) {
            continue;
        }
        let members: Vec<String> = texts(8)
            .filter(|text| {
                terminals(&grammar, text).is_some_and(|t| grammar.recognizes(&t).unwrap())
            })
            .collect();
        let mut prefix = Prefix::new(&grammar).unwrap();
        for text in texts(3) {
            let Some(read) = terminals(&grammar, &text) else {
                continue;
            };
            let mut possible = true;
            for &terminal in &read {
                possible = possible && prefix.push(terminal).unwrap();
            }
            if possible {
                assert_eq!(prefix.is_complete(), members.contains(&text));
                let allowed: Vec<&str> = bits::ones(prefix.allowed())
                    .map(|terminal| grammar.terminals()[terminal].text())
                    .collect();
                for next in ["a", "b"] {
                    let longer = format!("{text}{next}");
                    if members.iter().any(|member| member.starts_with(&longer)) {
                        assert!(
                            allowed.contains(&next),
                            "{next} after {text} of {grammar:?}"
                        );
                    }
                    let could = grammar.terminal(next).is_some_and(|t| {
                        let could = prefix.push(t).unwrap();
                        if could {
                            prefix.pop();
                        }
                        could
                    });
                    assert_eq!(
                        could,
                        allowed.contains(&next),
                        "{next} after {text} of {grammar:?}"
                    );
                }
            } else {
                assert!(!members.iter().any(|member| member.starts_with(&text)));
            }
            while !prefix.is_empty() {
                prefix.pop();
            }
        }
    }
}

#[test]
fn right_recursion_leaves_a_chart_that_grows_with_the_text_only() {
    // Quadratic charts would have 10^10 items here.
    let grammar = Grammar::read_as("S -> 'a' S | 'a' | 'b' E S\nE ->", Format::Nltk).unwrap();
    let text = "ab".repeat(50_000) + "a";
    let parse = Parser::new(&grammar).parse(&text).unwrap();
    assert!(parse.ambiguity.is_none());
    assert_eq!(grammar.text_of(&parse.productions).unwrap(), text);
}

#[test]
fn errors_name_the_place_and_what_could_stand_there() {
    let grammar = Grammar::read("S -> S '+' T | T\nT -> 'x' | '(' S ')'").unwrap();
    let error = Parser::new(&grammar).parse("x+(x").unwrap_err();
    assert_eq!(
        error.to_string(),
        "byte 4: the end of the text where '+' or ')' would go on"
    );
    let error = Parser::new(&grammar).parse("x)").unwrap_err();
    let expected = "'+' or the end of the text".to_owned();
    assert_eq!(
        error,
        GrammarError::Parse {
            at: 1,
            found: "')'".into(),
            expected
        }
    );
    assert_eq!(
        Parser::new(&grammar).parse("x&").unwrap_err(),
        GrammarError::Token {
            at: 1,
            found: "&".into()
        }
    );
    assert!(Parser::new(&grammar).parse("").is_err());
}

#[test]
fn an_ambiguity_is_shown_where_it_is() {
    let grammar = Grammar::read("S -> 'x' A 'y' | 'z'\nA -> A '-' A | 'a'").unwrap();
    let ambiguity = Parser::new(&grammar)
        .parse("xa-a-ay")
        .unwrap()
        .ambiguity
        .unwrap();
    assert_eq!((ambiguity.start, ambiguity.end), (1, 6));
    assert_eq!(grammar.name(ambiguity.nonterminal), "A");
    assert!(
        Parser::new(&grammar)
            .parse("xa-ay")
            .unwrap()
            .ambiguity
            .is_none()
    );
}
