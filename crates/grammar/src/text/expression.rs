//! What all notations are read into.

/// A part of a rule, with the bytes of the text it comes from.
#[derive(Debug, Clone)]
pub(super) struct Expr {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Literal(String),
    /// Sorted, disjoint, inclusive.
    Class(Vec<(char, char)>),
    Name(String),
    Seq(Vec<Expr>),
    Alt(Vec<Expr>),
    /// At least so often, at most so often.
    Repeat(Box<Expr>, u32, Option<u32>),
}

impl Expr {
    pub(super) fn new(kind: Kind, start: usize, end: usize) -> Self {
        Self { kind, start, end }
    }

    /// Several in a row; one alone stays itself.
    pub(super) fn seq(mut parts: Vec<Self>, start: usize, end: usize) -> Self {
        match parts.len() {
            1 => parts.remove(0),
            _ => Self::new(Kind::Seq(parts), start, end),
        }
    }

    /// Several to choose from; one alone stays itself.
    pub(super) fn alt(mut choices: Vec<Self>, start: usize, end: usize) -> Self {
        match choices.len() {
            1 => choices.remove(0),
            _ => Self::new(Kind::Alt(choices), start, end),
        }
    }

    pub(super) fn repeated(self, least: u32, most: Option<u32>, end: usize) -> Self {
        let start = self.start;
        Self::new(Kind::Repeat(Box::new(self), least, most), start, end)
    }
}

/// `name -> alternatives`.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) at: usize,
    pub(super) alternatives: Vec<Alternative>,
}

#[derive(Debug)]
pub(super) struct Alternative {
    pub(super) body: Expr,
    pub(super) probability: Option<f64>,
}

impl From<Expr> for Alternative {
    fn from(body: Expr) -> Self {
        Self {
            body,
            probability: None,
        }
    }
}

/// A whole grammar.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) rules: Vec<Rule>,
    /// `None`: the first rule's.
    pub(super) start: Option<String>,
    /// Whether terminals are single characters.
    pub(super) spelled: bool,
}
