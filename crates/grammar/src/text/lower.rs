//! From expressions to numbered productions.
//!
//! Productions are numbered in the order of the text; those of a nonterminal that was made for a part of a rule follow that rule's.
//!
//! | part | nonterminal X | productions |
//! |---|---|---|
//! | `(a \| b)` | X | X -> a, X -> b |
//! | `e?` | X | X -> , X -> e |
//! | `e*` | X | X -> , X -> e X |
//! | `e+` | X | X -> e, X -> e X |
//! | `e{m,n}` | X1 … | m times e, then X1 -> , X1 -> e X2, … |
//! | `[a-c]` | X | X -> 'a', X -> 'b', X -> 'c' |

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::MAX_SPELLED_CLASS;
use super::classes::{self, Cut, Ranges};
use super::cursor::Cursor;
use super::expression::{Alternative, Expr, Kind, Rule, Source};
use crate::error::GrammarError;
use crate::grammar::{
    Desugared, Draft, MAX_PRODUCTIONS, MAX_SYMBOLS, MAX_TERMINALS, Named, Symbol, Terminal,
};

/// How far the probabilities of a nonterminal may be from 1 in all, as in NLTK; they are divided by their sum.
const PROBABILITY_TOLERANCE: f64 = 0.01;

pub(super) fn lower(text: &str, source: &Source) -> Result<Draft, GrammarError> {
    let Some(first) = source.rules.first() else {
        let message = "the grammar holds no rule; write one such as S -> 'a' S | 'b'".into();
        return Err(GrammarError::Grammar { message });
    };
    let mut lowering = Lowering {
        text,
        places: places(text),
        spelled: source.spelled,
        draft: Draft::default(),
        names: HashMap::new(),
        terminals: HashMap::new(),
        classes: HashMap::new(),
        cut: cut(&source.rules)?,
        pending: VecDeque::new(),
        symbols: 0,
        part: 0,
    };
    for rule in &source.rules {
        let id = lowering.draft.nonterminals.len() as u16;
        let known = lowering.names.insert(rule.name.clone(), id);
        if let Some(known) = known {
            lowering.names.insert(rule.name.clone(), known);
            if source.spelled {
                let message = format!("`{}` has a rule already; join them with `|`", rule.name);
                return Err(Cursor::new(text).error_at(rule.at, message));
            }
            continue;
        }
        lowering.fresh(rule.name.clone(), None)?;
    }
    for rule in &source.rules {
        lowering.rule(rule)?;
    }
    let start = source.start.as_ref().unwrap_or(&first.name);
    let Some(&start) = lowering.names.get(start) else {
        let message = format!("the start symbol `{start}` has no rule");
        return Err(GrammarError::Grammar { message });
    };
    lowering.draft.start = start;
    normalise(text, source, &lowering.names, &mut lowering.draft)?;
    Ok(lowering.draft)
}

fn places(text: &str) -> Vec<(usize, usize)> {
    let (mut line, mut column) = (1, 1);
    let mut places = Vec::with_capacity(text.len() + 1);
    for c in text.chars() {
        places.extend(std::iter::repeat_n((line, column), c.len_utf8()));
        (line, column) = if c == '\n' {
            (line + 1, 1)
        } else {
            (line, column + 1)
        };
    }
    places.push((line, column));
    places
}

/// The cut of all wide classes of characters.
fn cut(rules: &[Rule]) -> Result<Cut, GrammarError> {
    let (mut wide, mut singles) = (Vec::new(), BTreeSet::new());
    let mut stack: Vec<&Expr> = rules
        .iter()
        .flat_map(|rule| &rule.alternatives)
        .map(|a| &a.body)
        .collect();
    while let Some(expr) = stack.pop() {
        match &expr.kind {
            Kind::Literal(text) => singles.extend(text.chars()),
            Kind::Class(ranges) if classes::size(ranges) <= MAX_SPELLED_CLASS => {
                singles.extend(ranges.iter().flat_map(|&(low, high)| low..=high));
            }
            Kind::Class(ranges) => wide.push(ranges.clone()),
            Kind::Name(_) => {}
            Kind::Seq(parts) | Kind::Alt(parts) => stack.extend(parts),
            Kind::Repeat(part, _, _) => stack.push(part),
        }
    }
    if wide.is_empty() {
        return Ok(Cut::default());
    }
    Cut::new(wide, singles.into_iter().collect())
}

/// What a nonterminal of a part still needs.
enum Pending<'s> {
    Choices(&'s [Expr]),
    /// The productions themselves.
    Ready(Vec<Vec<Symbol>>),
}

struct Lowering<'s> {
    text: &'s str,
    /// Line and column of every byte: asked for too often to count anew.
    places: Vec<(usize, usize)>,
    spelled: bool,
    draft: Draft,
    names: HashMap<String, u16>,
    terminals: HashMap<(String, Ranges), u16>,
    classes: HashMap<Ranges, u16>,
    cut: Cut,
    pending: VecDeque<(u16, Pending<'s>)>,
    symbols: usize,
    /// Parts of the current rule that have become nonterminals.
    part: usize,
}

impl<'s> Lowering<'s> {
    fn rule(&mut self, rule: &'s Rule) -> Result<(), GrammarError> {
        let lhs = self.names[&rule.name];
        self.part = 0;
        for Alternative { body, probability } in &rule.alternatives {
            let rhs = self.symbols_of(body, &rule.name)?;
            self.production(lhs, rhs)?;
            self.draft
                .probabilities
                .push(probability.unwrap_or(f64::NAN));
        }
        while let Some((lhs, pending)) = self.pending.pop_front() {
            let list = match pending {
                Pending::Ready(list) => list,
                Pending::Choices(choices) => choices
                    .iter()
                    .map(|choice| self.symbols_of(choice, &rule.name))
                    .collect::<Result<_, _>>()?,
            };
            for rhs in list {
                self.production(lhs, rhs)?;
                self.draft.probabilities.push(f64::NAN);
            }
        }
        Ok(())
    }

    fn production(&mut self, lhs: u16, rhs: Vec<Symbol>) -> Result<(), GrammarError> {
        if self.draft.productions.len() == MAX_PRODUCTIONS {
            return Err(GrammarError::Limit {
                what: "the number of productions",
                limit: MAX_PRODUCTIONS,
            });
        }
        self.draft.productions.push((lhs, rhs));
        Ok(())
    }

    fn fresh(&mut self, name: String, desugared: Option<Desugared>) -> Result<u16, GrammarError> {
        let id = self.draft.nonterminals.len();
        if id == MAX_PRODUCTIONS {
            return Err(GrammarError::Limit {
                what: "the number of nonterminals",
                limit: MAX_PRODUCTIONS,
            });
        }
        self.draft.nonterminals.push(Named { name, desugared });
        Ok(id as u16)
    }

    /// A nonterminal for a part of a rule.
    fn part(&mut self, expr: &Expr, rule: &str, pending: Pending<'s>) -> Result<u16, GrammarError> {
        self.part += 1;
        let (line, column) = self.places[expr.start];
        let text = self.text[expr.start..expr.end].trim().to_owned();
        let id = self.fresh(
            format!("{rule}.{}", self.part),
            Some(Desugared { text, line, column }),
        )?;
        self.pending.push_back((id, pending));
        Ok(id)
    }

    fn symbols_of(&mut self, expr: &'s Expr, rule: &str) -> Result<Vec<Symbol>, GrammarError> {
        let mut rhs = Vec::new();
        self.flatten(expr, rule, &mut rhs)?;
        Ok(rhs)
    }

    /// Takes room for symbols of right-hand sides.
    fn room(&mut self, symbols: usize) -> Result<(), GrammarError> {
        self.symbols += symbols;
        if self.symbols > MAX_SYMBOLS {
            return Err(GrammarError::Limit {
                what: "the number of symbols on right-hand sides",
                limit: MAX_SYMBOLS,
            });
        }
        Ok(())
    }

    fn push(&mut self, symbol: Symbol, rhs: &mut Vec<Symbol>) -> Result<(), GrammarError> {
        self.room(1)?;
        rhs.push(symbol);
        Ok(())
    }

    /// Nesting is bounded by [`super::MAX_NESTING`].
    fn flatten(
        &mut self,
        expr: &'s Expr,
        rule: &str,
        rhs: &mut Vec<Symbol>,
    ) -> Result<(), GrammarError> {
        match &expr.kind {
            Kind::Literal(text) if self.spelled => {
                for character in text.chars() {
                    let terminal = self.terminal(character.to_string(), Vec::new())?;
                    self.push(terminal, rhs)?;
                }
                Ok(())
            }
            Kind::Literal(text) if text.is_empty() => Ok(()),
            Kind::Literal(text) => {
                let terminal = self.terminal(text.clone(), Vec::new())?;
                self.push(terminal, rhs)
            }
            Kind::Class(ranges) => {
                let symbol = self.class(expr, ranges, rule)?;
                self.push(symbol, rhs)
            }
            Kind::Name(name) => {
                let id = if let Some(&id) = self.names.get(name) {
                    id
                } else {
                    let id = self.fresh(name.clone(), None)?;
                    self.names.insert(name.clone(), id);
                    id
                };
                self.push(Symbol::Nonterminal(id), rhs)
            }
            Kind::Seq(parts) => parts
                .iter()
                .try_for_each(|part| self.flatten(part, rule, rhs)),
            Kind::Alt(choices) => {
                let part = self.part(expr, rule, Pending::Choices(choices))?;
                self.push(Symbol::Nonterminal(part), rhs)
            }
            Kind::Repeat(part, least, most) => self.repeat(expr, part, (*least, *most), rule, rhs),
        }
    }

    fn repeat(
        &mut self,
        whole: &'s Expr,
        part: &'s Expr,
        (least, most): (u32, Option<u32>),
        rule: &str,
        rhs: &mut Vec<Symbol>,
    ) -> Result<(), GrammarError> {
        let unit = self.symbols_of(part, rule)?;
        let then = |next: u16| {
            let mut list = unit.clone();
            list.push(Symbol::Nonterminal(next));
            list
        };
        // `e{m,}` ends in `e+`, so that is one of the m.
        let copies = if most.is_none() {
            least.saturating_sub(1)
        } else {
            least
        };
        for _ in 0..copies {
            self.room(unit.len())?;
            rhs.extend_from_slice(&unit);
        }
        let Some(most) = most else {
            let id = self.part(whole, rule, Pending::Ready(Vec::new()))?;
            self.room(2 * unit.len() + 1)?;
            let first = if least == 0 { Vec::new() } else { unit.clone() };
            self.set_last(vec![first, then(id)]);
            return self.push(Symbol::Nonterminal(id), rhs);
        };
        for optional in 0..most - least {
            let id = self.part(whole, rule, Pending::Ready(Vec::new()))?;
            if optional == 0 {
                self.push(Symbol::Nonterminal(id), rhs)?;
            }
            let last = optional + 1 == most - least;
            // The next one's number is the one after this.
            let more = if last { unit.clone() } else { then(id + 1) };
            self.room(more.len())?;
            self.set_last(vec![Vec::new(), more]);
        }
        Ok(())
    }

    /// Fills in the productions of the part that was made last.
    fn set_last(&mut self, list: Vec<Vec<Symbol>>) {
        if let Some((_, pending)) = self.pending.back_mut() {
            *pending = Pending::Ready(list);
        }
    }

    fn class(&mut self, expr: &Expr, ranges: &Ranges, rule: &str) -> Result<Symbol, GrammarError> {
        if let Some(&id) = self.classes.get(ranges) {
            return Ok(Symbol::Nonterminal(id));
        }
        let mut list = Vec::new();
        if classes::size(ranges) <= MAX_SPELLED_CLASS {
            for character in ranges.iter().flat_map(|&(low, high)| low..=high) {
                list.push(self.terminal(character.to_string(), Vec::new())?);
            }
        } else {
            let pieces: Vec<Ranges> = self.cut.pieces(ranges).cloned().collect();
            for single in self.cut.singles(ranges) {
                list.push(self.terminal(single.to_string(), Vec::new())?);
            }
            for piece in pieces {
                list.push(self.terminal(classes::representative(&piece).to_string(), piece)?);
            }
        }
        if let [one] = list[..] {
            return Ok(one);
        }
        let list = list.into_iter().map(|symbol| vec![symbol]).collect();
        let id = self.part(expr, rule, Pending::Ready(list))?;
        self.classes.insert(ranges.clone(), id);
        Ok(Symbol::Nonterminal(id))
    }

    fn terminal(&mut self, text: String, class: Ranges) -> Result<Symbol, GrammarError> {
        let key = (text, class);
        if let Some(&id) = self.terminals.get(&key) {
            return Ok(Symbol::Terminal(id));
        }
        let id = self.draft.terminals.len();
        if id == MAX_TERMINALS {
            return Err(GrammarError::Limit {
                what: "the number of terminals",
                limit: MAX_TERMINALS,
            });
        }
        let (text, class) = key.clone();
        self.draft.terminals.push(Terminal { text, class });
        self.terminals.insert(key, id as u16);
        Ok(Symbol::Terminal(id as u16))
    }
}

/// Probabilities of a nonterminal sum to 1; one that states none shares it equally; no probability at all means none.
fn normalise(
    text: &str,
    source: &Source,
    names: &HashMap<String, u16>,
    draft: &mut Draft,
) -> Result<(), GrammarError> {
    if draft.probabilities.iter().all(|p| p.is_nan()) {
        draft.probabilities.clear();
        return Ok(());
    }
    let mut groups = vec![(0.0, 0, 0); draft.nonterminals.len()];
    for (&(lhs, _), p) in draft.productions.iter().zip(&draft.probabilities) {
        let (sum, stated, all) = &mut groups[usize::from(lhs)];
        *all += 1;
        if !p.is_nan() {
            *sum += p;
            *stated += 1;
        }
    }
    for rule in &source.rules {
        let (sum, stated, all): (f64, usize, usize) = groups[usize::from(names[&rule.name])];
        let message = if stated != 0 && stated != all {
            format!(
                "{stated} of the {all} productions of `{}` state a probability; give all or none",
                rule.name
            )
        } else if stated != 0 && (sum - 1.0).abs() > PROBABILITY_TOLERANCE {
            format!(
                "the probabilities of `{}` sum to {sum}, expected 1",
                rule.name
            )
        } else {
            continue;
        };
        return Err(Cursor::new(text).error_at(rule.at, message));
    }
    for (&(lhs, _), p) in draft.productions.iter().zip(&mut draft.probabilities) {
        let (sum, stated, all) = groups[usize::from(lhs)];
        *p = if stated == 0 {
            1.0 / all as f64
        } else {
            *p / sum
        };
    }
    Ok(())
}
