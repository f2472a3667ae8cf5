//! The arrow notation of NLTK: `S -> S '+' T | T`, probabilities `[0.3]` behind an alternative.

use super::cursor::Cursor;
use super::expression::{Alternative, Expr, Kind, Rule, Source};
use crate::error::GrammarError;

pub(super) fn read(text: &str) -> Result<Source, GrammarError> {
    let mut cursor = Cursor::new(text);
    let mut source = Source {
        rules: Vec::new(),
        start: None,
        spelled: false,
    };
    loop {
        cursor.skip_lines("#");
        if cursor.peek().is_none() {
            break;
        }
        if cursor.eat("%start") {
            cursor.skip_blanks("#");
            source.start = Some(name(&mut cursor)?);
        } else if cursor.looking_at("|") && !source.rules.is_empty() {
            // A line that goes on with the rule of the line before.
            cursor.bump();
            let last = source.rules.len() - 1;
            alternatives(&mut cursor, &mut source.rules[last].alternatives)?;
        } else {
            source.rules.push(rule(&mut cursor)?);
        }
        cursor.skip_blanks("#");
        if !matches!(cursor.peek(), None | Some('\n')) {
            return Err(cursor.error(format!("{} does not belong here", cursor.found())));
        }
    }
    Ok(source)
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || "_/^<>-".contains(c)
}

fn name(cursor: &mut Cursor<'_>) -> Result<String, GrammarError> {
    let mut name = String::new();
    while !cursor.looking_at("->") {
        match cursor.peek() {
            Some(next) if is_name(next) => name.push(next),
            _ => break,
        }
        cursor.bump();
    }
    if name.is_empty() {
        return Err(cursor.error(format!(
            "expected the name of a nonterminal, found {}; terminals stand in quotes",
            cursor.found()
        )));
    }
    Ok(name)
}

fn rule(cursor: &mut Cursor<'_>) -> Result<Rule, GrammarError> {
    let at = cursor.at();
    let name = name(cursor)?;
    cursor.skip_blanks("#");
    if !cursor.eat("->") && !cursor.eat("→") {
        return Err(cursor.error(format!(
            "expected `->` behind `{name}`, found {}",
            cursor.found()
        )));
    }
    let mut list = Vec::new();
    alternatives(cursor, &mut list)?;
    Ok(Rule {
        name,
        at,
        alternatives: list,
    })
}

fn alternatives(cursor: &mut Cursor<'_>, list: &mut Vec<Alternative>) -> Result<(), GrammarError> {
    loop {
        let start = cursor.at();
        let (mut parts, mut probability) = (Vec::new(), None);
        loop {
            cursor.skip_blanks("#");
            let at = cursor.at();
            let kind = match cursor.peek() {
                None | Some('\n' | '|') => break,
                Some('\'' | '"') => Kind::Literal(cursor.quoted()?),
                Some('[') => {
                    probability = Some(weight(cursor)?);
                    cursor.skip_blanks("#");
                    if !matches!(cursor.peek(), None | Some('\n' | '|')) {
                        return Err(cursor.error("a probability ends its alternative; expected `|` or the end of the line"));
                    }
                    break;
                }
                _ => Kind::Name(name(cursor)?),
            };
            parts.push(Expr::new(kind, at, cursor.at()));
        }
        let body = Expr::seq(parts, start, cursor.at());
        list.push(Alternative { body, probability });
        if !cursor.eat("|") {
            return Ok(());
        }
    }
}

fn weight(cursor: &mut Cursor<'_>) -> Result<f64, GrammarError> {
    let at = cursor.at();
    cursor.bump();
    let digits = cursor.take_while(|c| c != ']' && c != '\n');
    let weight = digits
        .trim()
        .parse()
        .ok()
        .filter(|p| (0.0..=1.0).contains(p));
    match weight {
        Some(weight) if cursor.eat("]") => Ok(weight),
        _ => Err(cursor.error_at(at, "expected a probability from 0 to 1 such as [0.25]")),
    }
}
