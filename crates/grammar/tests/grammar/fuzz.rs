//! Mutations of what is right, at random but seeded: of grammars, of texts, of derivations. Each ends in a result or an error, soon.

use std::time::{Duration, Instant};

use unbiased_grammar::languages::{LANGUAGES, Language};
use unbiased_grammar::{Counts, Draws, Format, Grammar, Parser, Prefix, Tree};

/// Takes away, repeats, exchanges and inserts characters.
fn mutate(text: &str, draws: &mut Draws) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let odd = [
        '\'',
        '"',
        '|',
        '-',
        '>',
        '\n',
        '(',
        ')',
        '[',
        ']',
        '{',
        '}',
        '*',
        '+',
        '?',
        '\\',
        ':',
        '=',
        '#',
        '%',
        '0',
        '9',
        'a',
        'S',
        ' ',
        'é',
        '\u{10ffff}',
        '\0',
        '/',
        '~',
        '.',
        ',',
        ';',
        '<',
        '1',
        'C',
        'c',
        'n',
    ];
    for _ in 0..=draws.below(6) {
        let at = draws.below(letters.len() + 1);
        match draws.below(5) {
            0 if at < letters.len() => {
                letters.remove(at);
            }
            1 if at < letters.len() => letters[at] = odd[draws.below(odd.len())],
            2 => {
                let end = (at + draws.below(40)).min(letters.len());
                let piece = letters[at..end].to_vec();
                let to = draws.below(letters.len() + 1);
                letters.splice(to..to, piece);
            }
            3 => {
                let end = (at + draws.below(40)).min(letters.len());
                letters.drain(at..end);
            }
            _ => letters.insert(at, odd[draws.below(odd.len())]),
        }
    }
    letters.into_iter().collect()
}

/// A round of mutations; the longest that one took.
fn round(seed: u64, languages: &[(Language, Grammar, Vec<String>)]) -> Duration {
    let mut draws = Draws::new(seed);
    let (language, grammar, texts) = &languages[draws.below(languages.len())];
    let start = Instant::now();
    let text = mutate(&texts[draws.below(texts.len())], &mut draws);
    match draws.below(3) {
        0 => {
            let text = mutate(language.text, &mut draws);
            let formats = [Format::Nltk, Format::Bnf, Format::Ebnf, Format::Lark];
            let read = if draws.below(2) == 0 {
                Grammar::read(&text)
            } else {
                Grammar::read_as(&text, formats[draws.below(4)])
            };
            let Ok(grammar) = read else {
                return start.elapsed();
            };
            let _ = grammar.check();
            let _ = Parser::new(&grammar).parse(&texts[draws.below(texts.len())]);
            if let Ok(counts) = Counts::new(&grammar, 20)
                && let Some(drawn) = counts.sample(&mut draws)
            {
                let text = grammar.text_of(&drawn).unwrap();
                let _ = Parser::new(&grammar).parse(&text);
            }
        }
        1 => {
            if let Ok(parse) = Parser::new(grammar).parse(&text) {
                let written = grammar.text_of(&parse.productions).unwrap();
                let bare = |text: &str| text.split_whitespace().collect::<String>();
                let same =
                    written == text || (grammar.skips_spaces() && bare(&written) == bare(&text));
                assert!(!grammar.determines_text() || same, "{text:?} {written:?}");
                let tree = Tree::new(grammar, &parse.productions).unwrap();
                if let Some(rules) = language.rules(grammar) {
                    let _ = rules.check(&tree);
                }
            }
            let mut prefix = Prefix::new(grammar).unwrap();
            for _ in 0..draws.below(60) {
                let terminal = draws.below(grammar.terminals().len()) as u16;
                if draws.below(4) == 0 && !prefix.is_empty() {
                    prefix.pop();
                }
                let _ = prefix.push(terminal);
            }
        }
        _ => {
            let parse = Parser::new(grammar).parse(&texts[draws.below(texts.len())]);
            let mut productions = parse.unwrap().productions;
            for _ in 0..=draws.below(4) {
                let at = draws.below(productions.len());
                match draws.below(3) {
                    0 => productions[at] = draws.below(grammar.productions() + 2) as u16,
                    1 => {
                        productions.remove(at);
                    }
                    _ => productions.insert(at, draws.below(grammar.productions()) as u16),
                }
                if productions.is_empty() {
                    break;
                }
            }
            let _ = grammar.text_of(&productions);
            if let Ok(tree) = Tree::new(grammar, &productions) {
                let _ = tree.to_json(grammar);
                if let Some(rules) = language.rules(grammar) {
                    let _ = rules.check(&tree);
                }
            }
        }
    }
    start.elapsed()
}

fn rounds(seeds: std::ops::Range<u64>) {
    let mut draws = Draws::new(1);
    let languages: Vec<(Language, Grammar, Vec<String>)> = LANGUAGES
        .into_iter()
        .map(|language| {
            let grammar = language.grammar();
            let counts = Counts::new(&grammar, 60).unwrap();
            let rules = language.rules(&grammar);
            let texts = (0..20).map(|_| {
                let drawn = match &rules {
                    Some(rules) => rules.draw(120, &mut draws).unwrap(),
                    None => counts.sample(&mut draws).unwrap(),
                };
                grammar.text_of(&drawn).unwrap()
            });
            let texts = texts.collect();
            drop(rules);
            (language, grammar, texts)
        })
        .collect();
    for seed in seeds {
        let took = round(seed, &languages);
        assert!(took < Duration::from_secs(10), "seed {seed}: {took:?}");
    }
}

#[test]
fn mutations_end_soon() {
    rounds(0..1_000);
}

#[test]
#[ignore = "minutes: UNBIASED_FUZZ rounds from seed 1000 on"]
fn many_mutations_end_soon() {
    let count = std::env::var("UNBIASED_FUZZ").map_or(100_000, |n| n.parse().unwrap());
    rounds(1_000..1_000 + count);
}
