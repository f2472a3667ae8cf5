//! `unbiased grammar`: the grammar crate from the shell.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::json;
use unbiased_grammar::languages::{LANGUAGES, Language};
use unbiased_grammar::{Counts, Draws, Format, Grammar, GrammarError, Parser, Rules, Tree};

use crate::cli::{
    Drawing, GrammarArgs, GrammarCheckArgs, GrammarCommand, GrammarCountArgs, GrammarParseArgs,
    GrammarSampleArgs,
};
use crate::error::Failure;
use crate::out;

/// Draws from probabilities that were too long before one gives up.
const TRIES: usize = 10_000;

/// Does what the command says.
///
/// # Errors
/// The grammar cannot be read, the text is not of its language, or there is nothing to draw.
pub fn run(command: &GrammarCommand) -> Result<(), Failure> {
    match command {
        GrammarCommand::Check(args) => check(args),
        GrammarCommand::Parse(args) => parse(args),
        GrammarCommand::Count(args) => count(args),
        GrammarCommand::Sample(args) => sample(args),
    }
}

/// A grammar from a file, or a language that is built in.
fn read(args: &GrammarArgs) -> Result<(Grammar, Option<Language>), Failure> {
    let name = &args.grammar;
    if let Ok(language) = Language::named(name) {
        return Ok((language.grammar(), Some(language)));
    }
    let text = fs::read_to_string(name).map_err(|error| {
        let known: Vec<&str> = LANGUAGES.iter().map(|language| language.name).collect();
        Failure::usage(format!(
            "cannot read the grammar {name}: {error}; give a file, or one of {}",
            known.join(", ")
        ))
    })?;
    let extension = Path::new(name).extension().and_then(|e| e.to_str());
    let format = match extension {
        Some("bnf") => Format::Bnf,
        Some("ebnf" | "gbnf") => Format::Ebnf,
        Some("lark") => Format::Lark,
        Some("cfg" | "pcfg") => Format::Nltk,
        _ => Format::of(&text),
    };
    let grammar = Grammar::read_as(&text, format)
        .map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    Ok((
        if args.skip_spaces {
            grammar.skipping_spaces()
        } else {
            grammar
        },
        None,
    ))
}

/// A request that cannot be met as it stands.
fn usage(error: GrammarError) -> Failure {
    Failure::usage(error.to_string())
}

/// A text that is not right.
fn wrong(error: GrammarError) -> Failure {
    Failure::Failed(error.into())
}

fn rules<'g>(
    language: Option<Language>,
    grammar: &'g Grammar,
) -> Result<Box<dyn Rules + 'g>, Failure> {
    let rules = language.and_then(|language| language.rules(grammar));
    rules.ok_or_else(|| {
        Failure::usage(
            "this grammar has no attributes; lists, mini_c, programs and zinc_right have",
        )
    })
}

fn check(args: &GrammarCheckArgs) -> Result<(), Failure> {
    let (grammar, language) = read(&args.grammar)?;
    if let Some(text) = &args.text {
        let rules = rules(language, &grammar)?;
        let parse = Parser::new(&grammar).parse(text).map_err(wrong)?;
        let tree = Tree::new(&grammar, &parse.productions).map_err(wrong)?;
        rules.check(&tree).map_err(wrong)?;
        let right = if args.grammar.json {
            "{\"right\":true}"
        } else {
            "right"
        };
        return Ok(out::result(right)?);
    }
    let report = grammar.check();
    let lists = [
        ("undefined", &report.undefined),
        ("unproductive", &report.unproductive),
        ("unreachable", &report.unreachable),
        ("nullable", &report.nullable),
        ("left_recursive", &report.left_recursive),
        ("cyclic", &report.cyclic),
    ];
    let names = |list: &[u16]| -> Vec<&str> { list.iter().map(|&n| grammar.name(n)).collect() };
    if args.grammar.json {
        let mut value = json!({
            "start": grammar.name(grammar.start()),
            "productions": grammar.productions(),
            "nonterminals": grammar.nonterminals(),
            "terminals": grammar.terminals().len(),
        });
        for (kind, list) in lists {
            value[kind] = json!(names(list));
        }
        return Ok(out::result(value)?);
    }
    let mut text = format!(
        "{} productions, {} nonterminals, {} terminals, start symbol {}",
        grammar.productions(),
        grammar.nonterminals(),
        grammar.terminals().len(),
        grammar.name(grammar.start()),
    );
    for (kind, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        let _ = write!(
            text,
            "\n{:<15} {}",
            kind.replace('_', "-"),
            names(list).join(" ")
        );
    }
    Ok(out::result(text)?)
}

fn parse(args: &GrammarParseArgs) -> Result<(), Failure> {
    let (grammar, _) = read(&args.grammar)?;
    let parse = Parser::new(&grammar).parse(&args.text).map_err(wrong)?;
    if let Some(ambiguity) = &parse.ambiguity {
        out::note(format_args!(
            "ambiguous: bytes {} to {} as {} can be derived in another way; with it the derivation is {}",
            ambiguity.start,
            ambiguity.end,
            grammar.name(ambiguity.nonterminal),
            numbers(&ambiguity.other),
        ));
    }
    if !args.grammar.json {
        let lines: Vec<String> = parse
            .productions
            .iter()
            .map(|&production| format!("{production:>5}  {}", grammar.show(production)))
            .collect();
        return Ok(out::result(lines.join("\n"))?);
    }
    let tree = Tree::new(&grammar, &parse.productions).map_err(wrong)?;
    // The tree may be deeper than a recursive writer can go.
    Ok(out::result(format_args!(
        "{{\"productions\":{},\"ambiguous\":{},\"tree\":{}}}",
        numbers(&parse.productions),
        parse.ambiguity.is_some(),
        tree.to_json(&grammar),
    ))?)
}

fn numbers(list: &[u16]) -> String {
    let list: Vec<String> = list.iter().map(u16::to_string).collect();
    format!("[{}]", list.join(", "))
}

fn count(args: &GrammarCountArgs) -> Result<(), Failure> {
    let (grammar, _) = read(&args.grammar)?;
    let counts = Counts::new(&grammar, args.max_productions).map_err(usage)?;
    let derivations = counts.at_most().to_string();
    if args.grammar.json {
        let value = json!({ "derivations": derivations, "max_productions": args.max_productions });
        return Ok(out::result(value)?);
    }
    Ok(out::result(derivations)?)
}

fn sample(args: &GrammarSampleArgs) -> Result<(), Failure> {
    let (grammar, language) = read(&args.grammar)?;
    let mut draws = Draws::new(args.seed);
    let most = args.max_productions;
    let nothing = || {
        Failure::usage(format!(
            "no derivation of at most {most} productions was found; give a larger --max-productions"
        ))
    };
    let mut drawn = Vec::with_capacity(args.n);
    match args.from {
        Drawing::Uniform => {
            let counts = Counts::new(&grammar, most).map_err(usage)?;
            for _ in 0..args.n {
                drawn.push(counts.sample(&mut draws).ok_or_else(nothing)?);
            }
        }
        Drawing::Probabilities => {
            for _ in 0..args.n {
                let mut tries = (0..TRIES).filter_map(|_| grammar.sample(most, &mut draws));
                drawn.push(tries.next().ok_or_else(nothing)?);
            }
        }
        Drawing::Attributes => {
            let rules = rules(language, &grammar)?;
            let decisions = u32::try_from(most).unwrap_or(u32::MAX);
            for _ in 0..args.n {
                drawn.push(rules.draw(decisions, &mut draws).map_err(usage)?);
            }
        }
    }
    let mut lines = Vec::with_capacity(args.n);
    for productions in drawn {
        let text = grammar.text_of(&productions).map_err(wrong)?;
        lines.push(if args.grammar.json {
            json!({ "text": text, "productions": productions }).to_string()
        } else {
            text
        });
    }
    if args.grammar.json {
        return Ok(out::result(format_args!("[{}]", lines.join(",\n ")))?);
    }
    Ok(out::result(lines.join("\n"))?)
}
