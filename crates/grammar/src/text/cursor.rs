//! A place in the text of a grammar.

use crate::error::GrammarError;

#[derive(Debug, Clone)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    pub(super) fn looking_at(&self, text: &str) -> bool {
        self.rest().starts_with(text)
    }

    pub(super) fn eat(&mut self, text: &str) -> bool {
        let there = self.looking_at(text);
        if there {
            self.at += text.len();
        }
        there
    }

    pub(super) fn take_while(&mut self, holds: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.find(|c| !holds(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Goes to the end of the line, not past it.
    pub(super) fn skip_line(&mut self) {
        self.take_while(|c| c != '\n');
    }

    /// Skips blanks and comments on this line.
    pub(super) fn skip_blanks(&mut self, comment: &str) {
        self.take_while(|c| c == ' ' || c == '\t' || c == '\r');
        if self.looking_at(comment) {
            self.skip_line();
        }
    }

    /// Skips blanks, comments and line ends.
    pub(super) fn skip_lines(&mut self, comment: &str) {
        loop {
            self.skip_blanks(comment);
            if !self.eat("\n") {
                return;
            }
        }
    }

    /// A whole number of at most six digits.
    pub(super) fn number(&mut self) -> Result<u32, GrammarError> {
        let at = self.at;
        let digits = self.take_while(|c| c.is_ascii_digit());
        let small = (1..=6).contains(&digits.len());
        small
            .then(|| digits.parse().ok())
            .flatten()
            .ok_or_else(|| self.error_at(at, "expected a whole number below 1000000"))
    }

    /// What stands here, for a message.
    pub(super) fn found(&self) -> String {
        match self.peek() {
            None => "the end".into(),
            Some('\n') => "the end of the line".into(),
            Some(next) => format!("`{next}`"),
        }
    }

    pub(super) fn error(&self, message: impl Into<String>) -> GrammarError {
        self.error_at(self.at, message)
    }

    pub(super) fn error_at(&self, at: usize, message: impl Into<String>) -> GrammarError {
        let (line, column) = place(self.text, at);
        GrammarError::Syntax {
            line,
            column,
            message: message.into(),
        }
    }

    /// A character after a backslash, which has been read.
    pub(super) fn escape(&mut self) -> Result<char, GrammarError> {
        let at = self.at - 1;
        let digits = match self.bump() {
            Some('n') => return Ok('\n'),
            Some('r') => return Ok('\r'),
            Some('t') => return Ok('\t'),
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            Some(sign) if sign.is_ascii_punctuation() || sign == ' ' => return Ok(sign),
            _ => {
                return Err(self.error_at(
                    at,
                    r"unknown escape; known are \n \r \t \xHH \uHHHH \UHHHHHHHH and a backslash before a sign; write \\ for a backslash itself",
                ));
            }
        };
        let hex = self
            .rest()
            .get(..digits)
            .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let character = hex.and_then(|hex| char::from_u32(u32::from_str_radix(hex, 16).ok()?));
        self.at += character.map_or(0, |_| digits);
        character.ok_or_else(|| {
            self.error_at(
                at,
                format!("expected {digits} hexadecimal digits that name a character"),
            )
        })
    }

    /// A string up to the same quote; the cursor stands on the first quote.
    pub(super) fn quoted(&mut self) -> Result<String, GrammarError> {
        let start = self.at;
        let quote = self.bump();
        let mut text = String::new();
        loop {
            match self.bump() {
                end if end == quote => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                None | Some('\n') => {
                    return Err(self.error_at(
                        start,
                        r"this string does not end on its line; close the quote, write \n for a line end and \\ for a backslash",
                    ));
                }
                Some(other) => text.push(other),
            }
        }
    }
}

/// Line and column, both from 1, of a byte.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .map_or(0, |line| line.chars().count())
        + 1;
    (line, column)
}
