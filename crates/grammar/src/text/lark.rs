//! The part of Lark that describes a language: rules, terminals, `/regex/`, `"a".."z"`, `?`, `*`, `+`, `~m..n`, `[optional]`, `%ignore`.
//!
//! Terminals are spelled out into productions over single characters, like everything else: what Lark's lexer settles by longest match
//! or by priority is an ambiguity here, which the parser reports. What is ignored may stand at the start and behind every terminal that a rule
//! names. The start symbol is `start`, or the first rule's where there is none.

use super::cursor::Cursor;
use super::expression::{Alternative, Expr, Kind, Rule, Source};
use super::{MAX_NESTING, regex};
use crate::error::GrammarError;

/// The name of what is ignored; no name in the text can be like it.
const IGNORED: &str = "%ignore";
/// The start symbol where something is ignored before it.
const START: &str = "%start";

pub(super) fn read(text: &str) -> Result<Source, GrammarError> {
    let (rules, ignored) = rules(text, false)?;
    let named = rules
        .iter()
        .find(|rule| rule.name == "start")
        .or(rules.first());
    let start = named.map(|rule| rule.name.clone());
    let Some(inner) = start.clone().filter(|_| !ignored.is_empty()) else {
        return Ok(Source {
            rules,
            start,
            spelled: true,
        });
    };
    let (mut rules, ignored) = self::rules(text, true)?;
    rules.extend(ignoring(ignored, inner));
    Ok(Source {
        rules,
        start: Some(START.to_owned()),
        spelled: true,
    })
}

/// All rules and what is ignored; with `pads`, ignored text may stand behind every terminal that a rule names.
fn rules(text: &str, pads: bool) -> Result<(Vec<Rule>, Vec<Expr>), GrammarError> {
    let mut cursor = Cursor::new(text);
    let (mut rules, mut ignored) = (Vec::new(), Vec::new());
    loop {
        cursor.skip_lines("//");
        if cursor.peek().is_none() {
            return Ok((rules, ignored));
        }
        if cursor.eat("%ignore") {
            ignored.extend(choices(
                &mut cursor,
                Inside {
                    depth: 0,
                    pads: false,
                },
            )?);
        } else if cursor.looking_at("%") {
            return Err(cursor.error(
                "only `%ignore` is known; write imported terminals out, such as INT: /[0-9]+/",
            ));
        } else {
            rules.push(rule(&mut cursor, pads)?);
        }
    }
}

/// Where an expression stands.
#[derive(Debug, Clone, Copy)]
struct Inside {
    /// How many parentheses are open.
    depth: usize,
    /// Whether ignored text may stand behind terminals.
    pads: bool,
}

fn is_terminal(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && !name.contains(|c: char| c.is_ascii_lowercase())
}

fn name<'t>(cursor: &mut Cursor<'t>) -> &'t str {
    cursor.take_while(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn rule(cursor: &mut Cursor<'_>, pads: bool) -> Result<Rule, GrammarError> {
    // `?rule` and `!rule` shape Lark's tree, not the language.
    let _ = cursor.eat("?") || cursor.eat("!");
    let at = cursor.at();
    let name = name(cursor).to_owned();
    cursor.skip_blanks("//");
    if name.is_empty() || !cursor.eat(":") {
        return Err(cursor.error(format!(
            "expected `name:`, found {}; priorities and templates are not known",
            cursor.found()
        )));
    }
    let inside = Inside {
        depth: 0,
        pads: pads && !is_terminal(&name),
    };
    let alternatives = choices(cursor, inside)?
        .into_iter()
        .map(Alternative::from)
        .collect();
    Ok(Rule {
        name,
        at,
        alternatives,
    })
}

/// Skips to what goes on with a rule: this line, or a next line that begins with `|`. Inside parentheses every line does.
fn skip(cursor: &mut Cursor<'_>, depth: usize) {
    if depth > 0 {
        return cursor.skip_lines("//");
    }
    cursor.skip_blanks("//");
    let mut ahead = cursor.clone();
    ahead.skip_lines("//");
    if ahead.looking_at("|") {
        *cursor = ahead;
    }
}

fn choices(cursor: &mut Cursor<'_>, inside: Inside) -> Result<Vec<Expr>, GrammarError> {
    let mut choices = vec![sequence(cursor, inside)?];
    while cursor.eat("|") {
        choices.push(sequence(cursor, inside)?);
    }
    Ok(choices)
}

fn sequence(cursor: &mut Cursor<'_>, inside: Inside) -> Result<Expr, GrammarError> {
    let start = cursor.at();
    let mut parts = Vec::new();
    loop {
        skip(cursor, inside.depth);
        if cursor.eat("->") {
            cursor.skip_blanks("//");
            name(cursor);
            skip(cursor, inside.depth);
            break;
        }
        if matches!(cursor.peek(), None | Some('\n' | '|' | ')' | ']')) {
            break;
        }
        let part = atom(cursor, inside)?;
        parts.push(repeated(cursor, part)?);
    }
    Ok(Expr::seq(parts, start, cursor.at()))
}

fn atom(cursor: &mut Cursor<'_>, inside: Inside) -> Result<Expr, GrammarError> {
    let at = cursor.at();
    let terminal = match cursor.peek() {
        Some('"') => string(cursor)?,
        Some('/') => {
            cursor.bump();
            let expr = regex::read(cursor)?;
            Expr {
                start: at,
                end: cursor.at(),
                ..expr
            }
        }
        Some(open @ ('(' | '[')) => return group(cursor, inside, open),
        _ => {
            let name = name(cursor).to_owned();
            if name.is_empty() {
                return Err(cursor.error(format!(
                    "expected a name, \"string\", /regex/ or group, found {}",
                    cursor.found()
                )));
            }
            let terminal = is_terminal(&name);
            let expr = Expr::new(Kind::Name(name), at, cursor.at());
            if !terminal {
                return Ok(expr);
            }
            expr
        }
    };
    if !inside.pads {
        return Ok(terminal);
    }
    let pad = Expr::new(Kind::Name(IGNORED.into()), cursor.at(), cursor.at());
    Ok(Expr::seq(vec![terminal, pad], at, cursor.at()))
}

fn group(cursor: &mut Cursor<'_>, inside: Inside, open: char) -> Result<Expr, GrammarError> {
    let at = cursor.at();
    if inside.depth == MAX_NESTING {
        return Err(cursor.error(format!(
            "parentheses nest deeper than {MAX_NESTING}; give a part a name of its own"
        )));
    }
    cursor.bump();
    let choices = choices(
        cursor,
        Inside {
            depth: inside.depth + 1,
            ..inside
        },
    )?;
    if !cursor.eat(if open == '(' { ")" } else { "]" }) {
        return Err(cursor.error_at(at, format!("this `{open}` is not closed")));
    }
    let inner = Expr {
        start: at,
        end: cursor.at(),
        ..Expr::alt(choices, at, at)
    };
    Ok(if open == '(' {
        inner
    } else {
        inner.repeated(0, Some(1), cursor.at())
    })
}

/// `"text"`, `"text"i` or `"a".."z"`.
fn string(cursor: &mut Cursor<'_>) -> Result<Expr, GrammarError> {
    let at = cursor.at();
    let text = cursor.quoted()?;
    if cursor.eat("..") {
        let high = if cursor.looking_at("\"") {
            cursor.quoted()?
        } else {
            String::new()
        };
        let ends = (
            text.chars().collect::<Vec<_>>(),
            high.chars().collect::<Vec<_>>(),
        );
        let ([low], [high]) = (&ends.0[..], &ends.1[..]) else {
            return Err(
                cursor.error_at(at, "a range runs between two strings of one character each")
            );
        };
        if high < low {
            return Err(cursor.error_at(at, "this range runs backwards"));
        }
        return Ok(Expr::new(Kind::Class(vec![(*low, *high)]), at, cursor.at()));
    }
    if cursor.eat("i") {
        let both = |c: char| {
            let cases = vec![
                (c.to_ascii_uppercase(), c.to_ascii_uppercase()),
                (c.to_ascii_lowercase(), c.to_ascii_lowercase()),
            ];
            Expr::new(Kind::Class(super::classes::merged(cases)), at, cursor.at())
        };
        let parts = text.chars().map(both).collect();
        return Ok(Expr::seq(parts, at, cursor.at()));
    }
    Ok(Expr::new(Kind::Literal(text), at, cursor.at()))
}

fn repeated(cursor: &mut Cursor<'_>, part: Expr) -> Result<Expr, GrammarError> {
    let at = cursor.at();
    if cursor.eat("~") {
        let least = cursor.number()?;
        let most = if cursor.eat("..") {
            cursor.number()?
        } else {
            least
        };
        if most < least {
            return Err(cursor.error_at(at, "the first number must not be larger than the second"));
        }
        return Ok(part.repeated(least, Some(most), cursor.at()));
    }
    if cursor.looking_at("{") {
        return Err(cursor.error("Lark writes `~m..n` for a number of repetitions"));
    }
    super::ebnf::repeats(cursor, part)
}

/// `%ignore -> (one ignored thing)*` and `%start -> %ignore start`.
fn ignoring(ignored: Vec<Expr>, start: String) -> [Rule; 2] {
    let at = ignored[0].start;
    // `(x+)*` would have as many derivations as there are ways to cut a run of x.
    let units = ignored.into_iter().map(|expr| match expr.kind {
        Kind::Repeat(unit, 0 | 1, None) => *unit,
        _ => expr,
    });
    let one = Expr::alt(units.collect(), at, at);
    let name = |name: &str| Expr::new(Kind::Name(name.into()), at, at);
    let whole = Expr::new(Kind::Seq(vec![name(IGNORED), name(&start)]), at, at);
    [
        Rule {
            name: IGNORED.into(),
            at,
            alternatives: vec![one.repeated(0, None, at).into()],
        },
        Rule {
            name: START.into(),
            at,
            alternatives: vec![whole.into()],
        },
    ]
}
