//! The GBNF of llama.cpp: `root ::= expr ("=" expr)*`, classes `[^a-z]`, `.`, `?`, `*`, `+`, `{m,n}`.
//!
//! The start symbol is `root`, or the first rule's where there is none. A rule ends where the next begins.

use super::MAX_NESTING;
use super::classes::{self, Ranges};
use super::cursor::Cursor;
use super::expression::{Expr, Kind, Rule, Source};
use crate::error::GrammarError;

pub(super) fn read(text: &str) -> Result<Source, GrammarError> {
    let mut cursor = Cursor::new(text);
    let mut rules = Vec::new();
    loop {
        cursor.skip_lines("#");
        if cursor.peek().is_none() {
            break;
        }
        let at = cursor.at();
        let name = name(&mut cursor)?;
        cursor.skip_lines("#");
        if !cursor.eat("::=") {
            return Err(cursor.error(format!(
                "expected `::=` behind `{name}`, found {}",
                cursor.found()
            )));
        }
        let alternatives = choices(&mut cursor, 0)?
            .into_iter()
            .map(Into::into)
            .collect();
        rules.push(Rule {
            name,
            at,
            alternatives,
        });
        cursor.skip_lines("#");
        if cursor.looking_at(")") {
            return Err(cursor.error("this `)` closes nothing"));
        }
    }
    let start = rules
        .iter()
        .any(|rule| rule.name == "root")
        .then(|| "root".to_owned());
    Ok(Source {
        rules,
        start,
        spelled: true,
    })
}

fn name<'t>(cursor: &mut Cursor<'t>) -> Result<String, GrammarError> {
    let name: &'t str = cursor.take_while(|c| c.is_alphanumeric() || c == '-' || c == '_');
    if name.is_empty() {
        return Err(cursor.error(format!(
            "expected the name of a rule, a \"string\", a class or a group, found {}",
            cursor.found()
        )));
    }
    Ok(name.to_owned())
}

fn choices(cursor: &mut Cursor<'_>, depth: usize) -> Result<Vec<Expr>, GrammarError> {
    let mut choices = vec![sequence(cursor, depth)?];
    while cursor.eat("|") {
        choices.push(sequence(cursor, depth)?);
    }
    Ok(choices)
}

fn sequence(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expr, GrammarError> {
    let start = cursor.at();
    let mut parts = Vec::new();
    loop {
        cursor.skip_lines("#");
        let at = cursor.at();
        let kind = match cursor.peek() {
            None | Some('|' | ')') => break,
            Some('"') => Kind::Literal(cursor.quoted()?),
            Some('[') => {
                cursor.bump();
                Kind::Class(class(cursor)?)
            }
            Some('.') => {
                cursor.bump();
                Kind::Class(classes::negated(&[('\n', '\n')]))
            }
            Some('(') => {
                if depth == MAX_NESTING {
                    return Err(cursor.error(format!(
                        "parentheses nest deeper than {MAX_NESTING}; give a part a name of its own"
                    )));
                }
                cursor.bump();
                let choices = choices(cursor, depth + 1)?;
                if !cursor.eat(")") {
                    return Err(cursor.error_at(at, "this `(` is not closed"));
                }
                Kind::Alt(choices)
            }
            Some(_) => {
                let mut ahead = cursor.clone();
                let name = name(&mut ahead)?;
                let end = ahead.clone();
                ahead.skip_lines("#");
                if ahead.looking_at("::=") {
                    break;
                }
                *cursor = end;
                Kind::Name(name)
            }
        };
        let part = match kind {
            Kind::Alt(choices) => Expr {
                start: at,
                end: cursor.at(),
                ..Expr::alt(choices, at, at)
            },
            kind => Expr::new(kind, at, cursor.at()),
        };
        parts.push(repeats(cursor, part)?);
    }
    Ok(Expr::seq(parts, start, cursor.at()))
}

/// The operators behind a part.
pub(super) fn repeats(cursor: &mut Cursor<'_>, part: Expr) -> Result<Expr, GrammarError> {
    let at = cursor.at();
    let (least, most) = match cursor.peek() {
        Some('?') => (0, Some(1)),
        Some('*') => (0, None),
        Some('+') => (1, None),
        Some('{') => {
            cursor.bump();
            let least = if cursor.looking_at(",") {
                0
            } else {
                cursor.number()?
            };
            let most = match cursor.eat(",") {
                false => Some(least),
                true if cursor.looking_at("}") => None,
                true => Some(cursor.number()?),
            };
            if !cursor.looking_at("}") {
                return Err(cursor.error_at(at, "expected {m}, {m,}, {,n} or {m,n}"));
            }
            (least, most)
        }
        _ => return Ok(part),
    };
    if most.is_some_and(|most| most < least) {
        return Err(cursor.error_at(at, "the first number must not be larger than the second"));
    }
    cursor.bump();
    let part = part.repeated(least, most, cursor.at());
    if matches!(cursor.peek(), Some('?' | '*' | '+' | '{')) {
        return Err(
            cursor.error("an operator behind an operator; put the inner one into parentheses")
        );
    }
    Ok(part)
}

/// A class behind its `[`, up to and with `]`.
pub(super) fn class(cursor: &mut Cursor<'_>) -> Result<Ranges, GrammarError> {
    let start = cursor.at() - 1;
    let negated = cursor.eat("^");
    let mut ranges = Vec::new();
    while !cursor.eat("]") {
        let at = cursor.at();
        if let Some(named) = classes::escaped(cursor) {
            ranges.extend(named);
            continue;
        }
        let low = member(cursor, start)?;
        let range = cursor.looking_at("-") && !cursor.looking_at("-]");
        let high = if range {
            cursor.bump();
            member(cursor, start)?
        } else {
            low
        };
        if high < low {
            return Err(cursor.error_at(at, format!("the range `{low}-{high}` runs backwards")));
        }
        ranges.push((low, high));
    }
    let ranges = classes::merged(ranges);
    let ranges = if negated {
        classes::negated(&ranges)
    } else {
        ranges
    };
    if ranges.is_empty() {
        return Err(cursor.error_at(start, "this class holds no character"));
    }
    Ok(ranges)
}

fn member(cursor: &mut Cursor<'_>, start: usize) -> Result<char, GrammarError> {
    match cursor.bump() {
        Some('\\') => cursor.escape(),
        Some('\n') | None => Err(cursor.error_at(
            start,
            r"this class does not end on its line; close it with `]`, write \n for a line end",
        )),
        Some(character) => Ok(character),
    }
}
