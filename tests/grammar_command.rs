//! `unbiased grammar` through the real binary.

mod support;

use serde_json::{Value, json};
use support::{Bench, Outcome};

/// The program with a text as its last argument, spaces and all.
fn run_with(bench: &Bench, line: &str, text: &str) -> Outcome {
    let output = bench.command(line).arg(text).output().expect("the program");
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

fn value(outcome: &Outcome) -> Value {
    outcome.succeeds();
    serde_json::from_str(&outcome.stdout).expect("JSON")
}

#[test]
fn parse_gives_productions_and_tree() {
    let bench = Bench::new();
    let parsed = run_with(&bench, "grammar parse --grammar equations --json", "x + 1");
    let leaf = |production: u16, text: &str| json!({ "symbol": "T", "production": production, "children": [text] });
    let x = json!({ "symbol": "S", "production": 3, "children": [leaf(7, "x")] });
    let tree = json!({ "symbol": "S", "production": 0, "children": [x, "+", leaf(8, "1")] });
    let expected = json!({ "productions": [0, 3, 7, 8], "ambiguous": false, "tree": tree });
    assert_eq!(value(&parsed), expected);

    let plain = run_with(&bench, "grammar parse --grammar equations", "x");
    assert_eq!(plain.succeeds().stdout, "    3  S -> T\n    7  T -> 'x'\n");
}

#[test]
fn ambiguity_is_said_and_shown() {
    let bench = Bench::new();
    bench.write("g.bnf", "<s> ::= <s> \"-\" <s> | \"a\"");
    let parsed = run_with(&bench, "grammar parse --grammar g.bnf --json", "a-a-a");
    assert_eq!(value(&parsed)["ambiguous"], true);
    assert!(
        parsed.stderr.contains("bytes 0 to 5 as s"),
        "{}",
        parsed.stderr
    );
}

#[test]
fn texts_outside_the_language_fail_with_their_place() {
    let bench = Bench::new();
    run_with(&bench, "grammar parse --grammar zinc", "CC.C").fails(1, &["byte 2", "\".C\""]);
    run_with(&bench, "grammar parse --grammar zinc", "CC(")
        .fails(1, &["byte 3", "the end of the text"]);
    run_with(&bench, "grammar parse --grammar equations", "-x").fails(1, &["byte 0"]);
}

#[test]
fn grammars_that_cannot_be_read_are_usage_errors() {
    let bench = Bench::new();
    bench
        .run("grammar check --grammar nothing")
        .fails(2, &["nothing", "mini_c", "zinc_right"]);
    bench.write("bad.cfg", "S -> 'a'\nT = 'b'");
    bench
        .run("grammar check --grammar bad.cfg")
        .fails(2, &["bad.cfg: line 2, column 3", "->"]);
    bench
        .run("grammar count --grammar zinc --max-productions 99999999")
        .fails(2, &["limited"]);
    bench
        .run("grammar sample --grammar zinc --max-productions 3")
        .fails(2, &["--max-productions"]);
    bench
        .run("grammar sample --grammar zinc --from attributes")
        .fails(2, &["no attributes"]);
}

#[test]
fn check_reports_symbols_and_attributes() {
    let bench = Bench::new();
    let report = value(&bench.run("grammar check --grammar zinc --json"));
    assert_eq!(report["productions"], 75);
    assert_eq!(report["undefined"], json!(["class"]));
    assert_eq!(report["left_recursive"], json!(["RB", "BB", "chain"]));
    let plain = bench.run("grammar check --grammar zinc");
    assert!(plain.succeeds().stdout.contains("undefined       class"));

    let line = "grammar check --grammar mini_c";
    run_with(&bench, line, "int main(void) { int a = 1; return a; }").succeeds();
    run_with(&bench, line, "int main(void) { return a; }").fails(1, &["not allowed here"]);
}

#[test]
fn counts_are_decimal_strings() {
    let bench = Bench::new();
    let counted = value(&bench.run("grammar count --grammar equations --max-productions 4 --json"));
    // x, 1, 2, 3; then L o L for three operators, (L), sin(L), exp(L).
    assert_eq!(
        counted,
        json!({ "derivations": "64", "max_productions": 4 })
    );
    let many = bench.run("grammar count --grammar zinc --max-productions 277");
    assert!(many.succeeds().stdout.trim().len() > 100);
}

#[test]
fn samples_are_of_the_language_and_follow_their_seed() {
    let bench = Bench::new();
    let line = "grammar sample --grammar programs --from attributes --max-productions 80 -n 20";
    let drawn = bench.run(line);
    assert_eq!(drawn.succeeds().stdout, bench.run(line).stdout);
    assert_ne!(drawn.stdout, bench.run(&format!("{line} --seed 1")).stdout);
    let texts: Vec<&str> = drawn.stdout.lines().collect();
    assert_eq!(texts.len(), 20);
    for text in texts {
        run_with(&bench, "grammar check --grammar programs", text).succeeds();
    }

    let uniform =
        value(&bench.run("grammar sample --grammar equations -n 3 --max-productions 14 --json"));
    for entry in uniform.as_array().expect("a list") {
        let text = entry["text"].as_str().expect("a text");
        let parsed = value(&run_with(
            &bench,
            "grammar parse --grammar equations --json",
            text,
        ));
        assert_eq!(parsed["productions"], entry["productions"]);
    }

    bench.write("coin.pcfg", "S -> 'h' S [0.25] | 't' [0.75]");
    let coins = bench.run("grammar sample --grammar coin.pcfg --from probabilities -n 400");
    let single = coins
        .succeeds()
        .stdout
        .lines()
        .filter(|&line| line == "t")
        .count();
    // 300 expected; six standard deviations are 52.
    assert!(single.abs_diff(300) < 52, "{single}");
}

#[test]
fn deep_texts_do_not_overflow() {
    let bench = Bench::new();
    let text = "(".repeat(30_000) + "x" + &")".repeat(30_000);
    let parsed = run_with(&bench, "grammar parse --grammar equations --json", &text);
    assert!(parsed.succeeds().stdout.ends_with("}\n"));
}
