//! Four notations, their desugaring and their errors.

use unbiased_grammar::{Format, Grammar, GrammarError, Parser};

fn accepts(grammar: &Grammar, text: &str) -> bool {
    Parser::new(grammar).parse(text).is_ok()
}

#[test]
fn nltk_keeps_numbers_weights_and_escapes() {
    let text = "# comment\n%start B\nA -> 'x' \"it's\" | B # more\n  | '\\\\' [1]\n";
    assert!(
        Grammar::read(text).is_err(),
        "one alternative of three has a probability"
    );
    let text =
        "# comment\n%start B\nA -> 'x' \"it's\" | B # more\n  | '\\\\'\nB -> A [0.25] | [0.75]";
    let grammar = Grammar::read(text).unwrap();
    assert_eq!(grammar.name(grammar.start()), "B");
    let shown: Vec<String> = (0..5).map(|p| grammar.show(p)).collect();
    assert_eq!(
        shown,
        [
            "A -> 'x' 'it\\'s'",
            "A -> B",
            "A -> '\\\\'",
            "B -> A",
            "B ->"
        ]
    );
    assert!(grammar.is_probabilistic());
    assert_eq!(grammar.probability(3), 0.25);
    assert!((grammar.probability(0) - 1.0 / 3.0).abs() < 1e-15);
}

#[test]
fn bnf_rules_end_where_the_next_begins() {
    let grammar = Grammar::read("; sums\n<s> ::= <s> \"+\"\n   <t> | <t>\n<t> ::= \"x\" | <empty name>\n<empty name> ::= \"\"").unwrap();
    assert_eq!(grammar.productions(), 5);
    assert_eq!(grammar.show(0), "s -> s '+' t");
    assert!(accepts(&grammar, "x++x"));
}

#[test]
fn gbnf_operators_become_productions_with_a_way_back() {
    let grammar =
        Grammar::read("item ::= [a-c]\nroot ::= item (\"=\" item)* \"!\"{2,3} | \"(\" root? \")\"")
            .unwrap();
    assert_eq!(grammar.name(grammar.start()), "root");
    for (text, good) in [
        ("a!!", true),
        ("a=b=c!!!", true),
        ("()", true),
        ("((b!!))", true),
        ("a!", false),
        ("a!!!!", false),
        ("a=!!", false),
        ("d!!", false),
    ] {
        assert_eq!(accepts(&grammar, text), good, "{text}");
    }
    let parts: Vec<_> = (0..grammar.nonterminals() as u16)
        .filter_map(|n| Some((grammar.name(n), grammar.desugared(n)?)))
        .collect();
    let texts: Vec<&str> = parts.iter().map(|(_, part)| part.text.as_str()).collect();
    assert_eq!(texts, ["[a-c]", "(\"=\" item)*", "\"!\"{2,3}", "root?"]);
    assert_eq!(
        (parts[1].0, parts[1].1.line, parts[1].1.column),
        ("root.1", 2, 15)
    );
}

#[test]
fn repetitions_are_exact() {
    for (operator, least, most) in [
        ("?", 0, 1),
        ("*", 0, 99),
        ("+", 1, 99),
        ("{2}", 2, 2),
        ("{2,}", 2, 99),
        ("{,3}", 0, 3),
        ("{1,4}", 1, 4),
        ("{0}", 0, 0),
    ] {
        let grammar = Grammar::read_as(
            &format!("root ::= (\"a\" | \"bc\"){operator} \".\""),
            Format::Ebnf,
        )
        .unwrap();
        for n in 0..8 {
            let text = "a".repeat(n / 2) + &"bc".repeat(n - n / 2) + ".";
            let parse = Parser::new(&grammar).parse(&text);
            assert_eq!(parse.is_ok(), (least..=most).contains(&n), "{operator} {n}");
            assert!(parse.is_err() || parse.unwrap().ambiguity.is_none());
        }
    }
}

#[test]
fn wide_classes_are_cut_where_other_terminals_need_it() {
    let grammar = Grammar::read(r#"root ::= "\"" [^"\\]* "\"" | .{3}"#).unwrap();
    assert!(!grammar.determines_text());
    for (text, good) in [
        ("\"aé\n😀\"", true),
        ("\"\"", true),
        ("\"\\\"", true),
        ("\"a\\\"", false),
        ("ab\n", false),
        ("日本語", true),
    ] {
        assert_eq!(accepts(&grammar, text), good, "{text:?}");
    }
    // `"a"` is a string and three characters.
    assert!(
        Parser::new(&grammar)
            .parse("\"a\"")
            .unwrap()
            .ambiguity
            .is_some()
    );
}

#[test]
fn lark_rules_terminals_and_ignored_text() {
    let text = r#"
        // a list of settings
        start: setting ("," setting)~0..2 [";"]
        ?setting: NAME "=" value   -> assign
                | "!"i
        value: NUMBER | "a".."c" | /x[yz]?|\d\w/
        NAME: /[d-f]+/
        NUMBER: "0" | "1".."9" DIGIT*
        DIGIT: /[0-9]/
        %ignore /[ \n]+/
        %ignore "_"
    "#;
    let grammar = Grammar::read(text).unwrap();
    for (sample, good) in [
        ("de=10", true),
        (" de = 10 ,\n f=a _, ! ;", true),
        ("d=01", true),
        ("d=xz,e=xy,f=x", true),
        ("d=1,d=1,d=1,d=1", false),
        ("d d=1", false),
        ("d=1 0", false),
        ("d=;", false),
    ] {
        assert_eq!(accepts(&grammar, sample), good, "{sample:?}");
    }
    assert!(
        Parser::new(&grammar)
            .parse("d  =_ _1")
            .unwrap()
            .ambiguity
            .is_none()
    );
}

/// Every error has a place and a way out.
#[test]
fn errors_have_line_column_and_a_way_out() {
    let cases = [
        (
            Format::Nltk,
            "S -> 'a'\nT - 'b'",
            2,
            3,
            "expected `->` behind `T`",
        ),
        (Format::Nltk, "S -> 'a", 1, 6, "close the quote"),
        (Format::Nltk, "S -> '\\'", 1, 6, "close the quote"),
        (
            Format::Nltk,
            "S -> '\\q'",
            1,
            7,
            "write \\\\ for a backslash",
        ),
        (
            Format::Nltk,
            "S -> 'a' [0.5] | 'b' [x]",
            1,
            22,
            "expected a probability",
        ),
        (
            Format::Nltk,
            "S -> 'a' [0.5] | 'b' [0.6]",
            1,
            1,
            "sum to 1.1, expected 1",
        ),
        (Format::Nltk, "S -> (A)", 1, 6, "terminals stand in quotes"),
        (Format::Bnf, "<s> ::= a", 1, 9, "expected <name>"),
        (Format::Bnf, "<s ::= \"a\"", 1, 1, "close it with `>`"),
        (
            Format::Ebnf,
            "root ::= (\"a\" | \"b\"",
            1,
            10,
            "is not closed",
        ),
        (Format::Ebnf, "root ::= \"a\")", 1, 13, "closes nothing"),
        (
            Format::Ebnf,
            "root ::= \"é\" [z-a]",
            1,
            15,
            "runs backwards",
        ),
        (Format::Ebnf, "root ::= [ab", 1, 10, "close it with `]`"),
        (
            Format::Ebnf,
            "root ::= \"a\"{3,2}",
            1,
            13,
            "must not be larger",
        ),
        (Format::Ebnf, "root ::= \"a\"*+", 1, 14, "parentheses"),
        (
            Format::Ebnf,
            "root ::= \"a\"\nroot ::= \"b\"",
            2,
            1,
            "join them with `|`",
        ),
        (Format::Ebnf, "root ::= \"\\xg1\"", 1, 11, "hexadecimal"),
        (
            Format::Lark,
            "start: A\n%import common.A",
            2,
            1,
            "write imported terminals out",
        ),
        (Format::Lark, "start: /a^b/", 1, 10, "matches as a whole"),
        (Format::Lark, "start: /(?=a)/", 1, 10, "look-ahead"),
        (
            Format::Lark,
            "start: \"ab\"..\"c\"",
            1,
            8,
            "one character each",
        ),
        (Format::Lark, "start.2: \"a\"", 1, 6, "priorities"),
        (Format::Lark, "start: /a/i", 1, 11, "flags"),
    ];
    for (format, text, line, column, part) in cases {
        match Grammar::read_as(text, format) {
            Err(GrammarError::Syntax {
                line: l,
                column: c,
                message,
            }) => {
                assert_eq!((l, c), (line, column), "{text}: {message}");
                assert!(message.contains(part), "{text}: {message}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn notations_are_told_apart() {
    for (text, format) in [
        ("# a -> comment ::= :\nS -> 'a'", Format::Nltk),
        ("<s> ::= \"a\"", Format::Bnf),
        ("# x\nroot ::= \"a\"", Format::Ebnf),
        ("// ->\nstart: \"a\"", Format::Lark),
    ] {
        assert_eq!(Format::of(text), format);
    }
}

#[test]
fn grammars_without_a_text_are_refused() {
    let endless = Grammar::read("S -> 'a' S").unwrap_err();
    assert!(endless.to_string().contains("production of terminals only"));
    assert!(Grammar::read("").is_err());
}
