//! Backus-Naur form: `<s> ::= <s> "+" <t> | <t>`; a rule ends where the next begins.

use super::cursor::Cursor;
use super::expression::{Expr, Kind, Rule, Source};
use crate::error::GrammarError;

pub(super) fn read(text: &str) -> Result<Source, GrammarError> {
    let mut cursor = Cursor::new(text);
    let mut rules = Vec::new();
    loop {
        cursor.skip_lines(";");
        if cursor.peek().is_none() {
            return Ok(Source {
                rules,
                start: None,
                spelled: false,
            });
        }
        let at = cursor.at();
        let name = name(&mut cursor)?;
        cursor.skip_lines(";");
        if !cursor.eat("::=") {
            return Err(cursor.error(format!(
                "expected `::=` behind `<{name}>`, found {}",
                cursor.found()
            )));
        }
        let mut alternatives = vec![sequence(&mut cursor)?.into()];
        while cursor.eat("|") {
            alternatives.push(sequence(&mut cursor)?.into());
        }
        rules.push(Rule {
            name,
            at,
            alternatives,
        });
    }
}

fn name(cursor: &mut Cursor<'_>) -> Result<String, GrammarError> {
    let at = cursor.at();
    if !cursor.eat("<") {
        return Err(cursor.error(format!(
            "expected a nonterminal such as <name>, found {}; terminals stand in quotes",
            cursor.found()
        )));
    }
    let name = cursor
        .take_while(|c| c != '>' && c != '<' && c != '\n')
        .trim()
        .to_owned();
    if name.is_empty() || !cursor.eat(">") {
        return Err(cursor.error_at(at, "this name does not end; close it with `>`"));
    }
    Ok(name)
}

fn sequence(cursor: &mut Cursor<'_>) -> Result<Expr, GrammarError> {
    let start = cursor.at();
    let mut parts = Vec::new();
    loop {
        cursor.skip_lines(";");
        let at = cursor.at();
        let kind = match cursor.peek() {
            Some('"' | '\'') => Kind::Literal(cursor.quoted()?),
            Some('<') => {
                let mut ahead = cursor.clone();
                let name = name(&mut ahead)?;
                let end = ahead.clone();
                ahead.skip_lines(";");
                if ahead.looking_at("::=") {
                    break;
                }
                *cursor = end;
                Kind::Name(name)
            }
            None | Some('|') => break,
            Some(_) => {
                return Err(cursor.error(format!(
                    "expected <name>, \"terminal\" or `|`, found {}",
                    cursor.found()
                )));
            }
        };
        parts.push(Expr::new(kind, at, cursor.at()));
    }
    Ok(Expr::seq(parts, start, cursor.at()))
}
