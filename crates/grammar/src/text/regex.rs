//! The part of regular expressions that makes sense inside a grammar: choices, groups, classes, repetition.

use super::MAX_NESTING;
use super::classes;
use super::cursor::Cursor;
use super::ebnf::{class, repeats};
use super::expression::{Expr, Kind};
use crate::error::GrammarError;

/// Reads an expression behind its first `/`, up to and with the last.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Expr, GrammarError> {
    let start = cursor.at() - 1;
    let expr = choices(cursor, 0)?;
    if !cursor.eat("/") {
        return Err(cursor.error_at(
            start,
            r"this regular expression does not end; close it with `/`, write \/ for a slash",
        ));
    }
    if cursor.peek().is_some_and(|c| c.is_ascii_alphabetic()) {
        return Err(
            cursor.error("flags of regular expressions are not known; spell the expression out")
        );
    }
    Ok(expr)
}

fn choices(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expr, GrammarError> {
    let start = cursor.at();
    let mut choices = vec![sequence(cursor, depth)?];
    while cursor.eat("|") {
        choices.push(sequence(cursor, depth)?);
    }
    Ok(Expr::alt(choices, start, cursor.at()))
}

fn sequence(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expr, GrammarError> {
    let start = cursor.at();
    let mut parts = Vec::new();
    loop {
        let at = cursor.at();
        let part = match cursor.peek() {
            None | Some('\n' | '/' | '|' | ')') => break,
            Some('(') => group(cursor, depth)?,
            Some('[') => {
                cursor.bump();
                Expr::new(Kind::Class(class(cursor)?), at, cursor.at())
            }
            Some('.') => {
                cursor.bump();
                Expr::new(
                    Kind::Class(classes::negated(&[('\n', '\n')])),
                    at,
                    cursor.at(),
                )
            }
            Some('^' | '$') => {
                return Err(cursor.error("a terminal always matches as a whole; leave `^` and `$` out, or write a backslash before the sign"));
            }
            Some('?' | '*' | '+' | '{') => {
                return Err(cursor.error(
                    "an operator without anything before it; write a backslash before the sign",
                ));
            }
            Some('\\') => {
                let kind = if let Some(ranges) = classes::escaped(cursor) {
                    Kind::Class(ranges)
                } else {
                    cursor.bump();
                    Kind::Literal(cursor.escape()?.into())
                };
                Expr::new(kind, at, cursor.at())
            }
            Some(character) => {
                cursor.bump();
                Expr::new(Kind::Literal(character.into()), at, cursor.at())
            }
        };
        parts.push(repeats(cursor, part)?);
    }
    Ok(Expr::seq(parts, start, cursor.at()))
}

fn group(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expr, GrammarError> {
    let at = cursor.at();
    if depth == MAX_NESTING {
        return Err(cursor.error(format!(
            "groups nest deeper than {MAX_NESTING}; make a part a terminal of its own"
        )));
    }
    cursor.bump();
    if !cursor.eat("?:") && cursor.looking_at("?") {
        return Err(
            cursor.error("look-ahead and named groups are not known; only ( ) and (?: ) are")
        );
    }
    let expr = choices(cursor, depth + 1)?;
    if !cursor.eat(")") {
        return Err(cursor.error_at(at, "this `(` is not closed"));
    }
    Ok(Expr {
        start: at,
        end: cursor.at(),
        ..expr
    })
}
