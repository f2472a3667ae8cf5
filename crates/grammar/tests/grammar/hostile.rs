//! Texts and grammars made to hurt: each ends in a result or an error, in bounded time, without overflowing a stack.

use std::time::Instant;

use unbiased_grammar::{Counts, Draws, Format, Grammar, GrammarError, Parser, Prefix};

/// Runs on a thread whose stack is small, so that recursion would show.
fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new()
        .stack_size(128 * 1024)
        .spawn(f)
        .unwrap();
    thread.join().unwrap();
}

#[test]
fn deep_nesting_is_no_recursion() {
    on_a_small_stack(|| {
        let grammar = Grammar::read("S -> '(' S ')' | 'x' | '[' S").unwrap();
        for text in [
            "(".repeat(300_000) + "x" + &")".repeat(300_000),
            "[".repeat(500_000) + "x",
        ] {
            let parse = Parser::new(&grammar).parse(&text).unwrap();
            assert_eq!(grammar.text_of(&parse.productions).unwrap(), text);
            let tree = unbiased_grammar::Tree::new(&grammar, &parse.productions).unwrap();
            assert!(tree.to_json(&grammar).len() > text.len());
        }
    });
}

#[test]
fn exponential_ambiguity_is_seen_at_once() {
    on_a_small_stack(|| {
        // Catalan(199) derivations.
        let grammar = Grammar::read("S -> S S | 'a'").unwrap();
        let parse = Parser::new(&grammar).parse(&"a".repeat(200)).unwrap();
        assert!(parse.ambiguity.is_some());
        // Cubic work ends in an error.
        let long = Parser::new(&grammar).parse(&"a".repeat(100_000));
        assert!(matches!(long, Err(GrammarError::Limit { .. })));
    });
}

#[test]
fn empty_derivations_of_exponential_size_are_refused() {
    on_a_small_stack(|| {
        let rules: Vec<String> = (0..60)
            .map(|i| format!("A{i} -> A{} A{}\n", i + 1, i + 1))
            .collect();
        let rules = rules.concat();
        let grammar = Grammar::read(&(rules + "A60 -> ")).unwrap();
        assert!(matches!(
            Parser::new(&grammar).parse(""),
            Err(GrammarError::Limit { .. })
        ));
        assert!(grammar.fewest_productions(0).unwrap() > 1 << 30);
        assert!(Counts::new(&grammar, 200).is_ok());
        let limit = |result: Result<(), GrammarError>| {
            assert!(matches!(result, Err(GrammarError::Limit { .. })));
        };
        limit(Counts::new(&grammar, usize::MAX).map(|_| ()));
        limit(grammar.derivations(100).map(|_| ()));
        limit(grammar.count_to_depth(u32::MAX).map(|_| ()));
    });
}

#[test]
fn large_grammars_are_read_in_linear_time_or_refused() {
    on_a_small_stack(|| {
        let start = Instant::now();
        // A chain that is settled last to first, a ladder of empty symbols, and a rule with too many symbols.
        let chain: Vec<String> = (0..30_000)
            .map(|i| format!("N{i} -> N{} 'a' | N{} N{i} \n", i + 1, i + 1))
            .collect();
        let chain = chain.concat();
        let grammar = Grammar::read_as(&(chain.clone() + "N30000 -> 'b'"), Format::Nltk);
        assert!(matches!(grammar, Err(GrammarError::Limit { .. })));
        let chain: Vec<String> = (0..16_000)
            .map(|i| format!("N{i} -> N{} '{i}' |\n", i + 1))
            .collect();
        let chain = chain.concat();
        assert!(matches!(
            Grammar::read(&(chain + "N16000 -> 'b'")),
            Err(GrammarError::Limit { .. })
        ));
        let chain: Vec<String> = (0..16_000)
            .map(|i| format!("N{i} -> N{} '{}' |\n", i + 1, i % 4000))
            .collect();
        let chain = chain.concat();
        let grammar = Grammar::read(&(chain + "N16000 -> 'b'")).unwrap();
        assert!(Parser::new(&grammar).parse("b01").is_err());
        assert!(Prefix::new(&grammar).is_ok());
        let bomb = "root ::= (((((\"a\"{999999}){999999}){999999})))";
        assert!(matches!(
            Grammar::read(bomb),
            Err(GrammarError::Limit { .. })
        ));
        let bomb = "root ::= ((((((\"a\"{9,30}){9,30}){9,30}){9,30}){9,30}){9,30})";
        assert!(matches!(
            Grammar::read(bomb),
            Err(GrammarError::Limit { .. })
        ));
        let nested = format!(
            "root ::= {}\"a\"{}",
            "(".repeat(100_000),
            ")".repeat(100_000)
        );
        assert!(matches!(
            Grammar::read(&nested),
            Err(GrammarError::Syntax { .. })
        ));
        let long = format!("S -> '{}'", "a".repeat(1000));
        assert!(matches!(
            Grammar::read(&long),
            Err(GrammarError::Limit { .. })
        ));
        let huge = " ".repeat(2 << 20);
        assert!(matches!(
            Grammar::read(&huge),
            Err(GrammarError::Limit { .. })
        ));
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    });
}

/// Pieces of all notations in any order; whatever comes out as a grammar is parsed with.
#[test]
fn random_text_never_panics() {
    on_a_small_stack(|| {
        let pieces = [
            "S",
            "A",
            "root",
            "start",
            " ",
            " -> ",
            "->",
            " ::= ",
            "::=",
            ": ",
            ":",
            "|",
            " | ",
            "'a'",
            "\"b\"",
            "'",
            "\"",
            "<s>",
            "<",
            ">",
            "(",
            ")",
            "[a-z]",
            "[^",
            "]",
            "[",
            "{2,3}",
            "{",
            "}",
            "?",
            "*",
            "+",
            ".",
            "/x+/",
            "/",
            "\\",
            "\n",
            "\n",
            "#",
            "%ignore ",
            "%start S",
            "~2..3",
            "[0.5]",
            "é",
            "\u{10ffff}",
            "\0",
            "//",
            ";",
            "NAME",
            "..",
            "i",
            "\\x4",
            "9999999",
        ];
        let mut draws = Draws::new(11);
        let mut read = 0;
        for _ in 0..20_000 {
            let head = [
                "",
                "S -> 'a' | ",
                "root ::= \"a\" | ",
                "start: \"a\" | ",
                "<s> ::= 'a' | ",
            ][draws.below(5)];
            let text: String = (0..draws.below(12))
                .map(|_| pieces[draws.below(pieces.len())])
                .collect();
            let text = head.to_owned() + &text;
            for format in [Format::Nltk, Format::Bnf, Format::Ebnf, Format::Lark] {
                let Ok(grammar) = Grammar::read_as(&text, format) else {
                    continue;
                };
                read += 1;
                let _ = grammar.check();
                let mut parser = Parser::new(&grammar);
                for text in ["", "a", "ab", "bbaa", "é(x"] {
                    if let Ok(parse) = parser.parse(text) {
                        let written = grammar.text_of(&parse.productions).unwrap();
                        assert!(
                            !grammar.determines_text() || written == text,
                            "{written:?} {text:?} {grammar:?}"
                        );
                    }
                }
                if let Some(drawn) = Counts::new(&grammar, 12).unwrap().sample(&mut draws) {
                    let text = grammar.text_of(&drawn).unwrap();
                    if parser.parse(&text).is_err() {
                        // Terminals that run together are cut elsewhere by longest match.
                        assert!(
                            matches!(format, Format::Nltk | Format::Bnf),
                            "{text:?} {grammar:?}"
                        );
                    }
                }
            }
        }
        assert!(read > 2_000, "{read}");
    });
}
