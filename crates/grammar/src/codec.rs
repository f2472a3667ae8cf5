//! Derivations as rows of choices, with the mask of what may be chosen next.
//!
//! Kusner, Paige & Hernández-Lobato, "Grammar Variational Autoencoder", 2017: a stack of open nonterminals; the mask of step `t` holds the productions
//! of the one on top; after the end only padding, number `D`, is allowed.
//!
//! Beyond the paper, a budget: with `least(A)` the fewest productions that finish `A`, `r` is allowed at step `t` only if
//!
//! `sum_{B on the stack after r} least(B) <= T - t - 1`
//!
//! so that every decode is finished after `T` steps. The masks depend on the nonterminal and on how much of the budget is free; all of them
//! are made beforehand, and a step finds its row.

use crate::bits;
use crate::error::GrammarError;
use crate::grammar::Grammar;

/// Masks of one nonterminal, from the cheapest productions to all.
#[derive(Debug, Clone)]
pub(crate) struct Levels {
    /// Costs at which a mask grows, rising.
    costs: Vec<u32>,
    /// One row per cost, and an empty one before them.
    rows: Vec<u64>,
}

/// Tables of masks over choices: productions first, then whatever a user of the table adds.
#[derive(Debug, Clone)]
pub(crate) struct MaskTable {
    pub(crate) words: usize,
    levels: Vec<Levels>,
}

impl MaskTable {
    /// `cost(r)`: what a production needs beyond its own step; `u32::MAX` forbids it.
    pub(crate) fn new(grammar: &Grammar, width: usize, cost: impl Fn(u16) -> u32) -> Self {
        let words = bits::words(width);
        let levels = (0..grammar.nonterminals() as u16).map(|nonterminal| {
            let priced = grammar
                .productions_of(nonterminal)
                .iter()
                .map(|&production| (cost(production), production));
            let mut priced: Vec<(u32, u16)> =
                priced.filter(|&(cost, _)| cost != u32::MAX).collect();
            priced.sort_unstable();
            let (mut costs, mut rows) = (Vec::new(), vec![0; words]);
            for (cost, production) in priced {
                if costs.last() != Some(&cost) {
                    costs.push(cost);
                    rows.extend_from_within(rows.len() - words..);
                }
                let last = rows.len() - words;
                bits::insert(&mut rows[last..], usize::from(production));
            }
            Levels { costs, rows }
        });
        Self {
            words,
            levels: levels.collect(),
        }
    }

    /// The productions of a nonterminal that cost no more than is free.
    pub(crate) fn row(&self, nonterminal: u16, free: u32) -> &[u64] {
        let levels = &self.levels[usize::from(nonterminal)];
        let level = levels
            .costs
            .iter()
            .take_while(|&&cost| cost <= free)
            .count();
        &levels.rows[level * self.words..][..self.words]
    }
}

/// The way between derivations and rows of `D + 1` choices.
#[derive(Debug, Clone)]
pub struct Codec<'g> {
    grammar: &'g Grammar,
    table: MaskTable,
    finished: Vec<u64>,
    /// For every production the fewest productions that finish its right-hand side.
    rest: Vec<u32>,
}

impl<'g> Codec<'g> {
    /// The codec of a grammar.
    #[must_use]
    pub fn new(grammar: &'g Grammar) -> Self {
        let least = &grammar.analysis.fewest;
        let rest = (0..grammar.productions() as u16).map(|production| {
            let children = grammar
                .children(production)
                .map(|child| least[usize::from(child)]);
            children.fold(0, u32::saturating_add)
        });
        let rest: Vec<u32> = rest.collect();
        let width = grammar.productions() + 1;
        let mut finished = vec![0; bits::words(width)];
        bits::insert(&mut finished, grammar.productions());
        Self {
            grammar,
            table: MaskTable::new(grammar, width, |r| rest[usize::from(r)]),
            finished,
            rest,
        }
    }

    /// How many choices a row has: all productions, and padding.
    #[must_use]
    pub fn width(&self) -> usize {
        self.grammar.productions() + 1
    }

    /// Words of 64 bits in a mask.
    #[must_use]
    pub fn words(&self) -> usize {
        self.table.words
    }

    /// The choice behind the end of a derivation.
    #[must_use]
    pub fn padding(&self) -> u16 {
        self.grammar.productions() as u16
    }

    /// The mask of a nonterminal; of padding for the number behind the last nonterminal. Productions that never end are in no mask.
    ///
    /// # Panics
    /// When there is no such nonterminal.
    #[must_use]
    pub fn mask(&self, nonterminal: u16) -> &[u64] {
        if usize::from(nonterminal) == self.grammar.nonterminals() {
            return &self.finished;
        }
        self.table.row(nonterminal, u32::MAX - 1)
    }

    /// Which mask a choice of a true derivation belongs to: its left-hand side, or the number behind the last nonterminal for padding.
    ///
    /// # Panics
    /// When there is no such choice.
    #[must_use]
    pub fn mask_of(&self, choice: u16) -> u16 {
        if choice == self.padding() {
            self.grammar.nonterminals() as u16
        } else {
            self.grammar.lhs(choice)
        }
    }

    /// A derivation filled up with padding.
    ///
    /// # Errors
    /// It is longer than `length`.
    pub fn pad(&self, productions: &[u16], length: usize) -> Result<Vec<u16>, GrammarError> {
        if productions.len() > length {
            return Err(GrammarError::Limit {
                what: "the number of productions of a padded derivation",
                limit: length,
            });
        }
        let mut row = productions.to_vec();
        row.resize(length, self.padding());
        Ok(row)
    }

    /// What stands before the padding.
    #[must_use]
    pub fn unpad<'r>(&self, row: &'r [u16]) -> &'r [u16] {
        let end = row.iter().position(|&choice| choice == self.padding());
        &row[..end.unwrap_or(row.len())]
    }

    /// A decoder that may run out of steps: `T` at most, finished or not.
    #[must_use]
    pub fn decoder(&self, steps: usize) -> Decoder<'_> {
        Decoder {
            codec: self,
            open: vec![self.grammar.start()],
            productions: Vec::with_capacity(steps),
            steps,
            owed: None,
        }
    }

    /// A decoder that is finished within `T` steps, whatever it is given.
    ///
    /// # Errors
    /// No derivation is that short.
    pub fn budgeted(&self, steps: usize) -> Result<Decoder<'_>, GrammarError> {
        let least = self.grammar.analysis.fewest[usize::from(self.grammar.start())];
        if (least as usize) > steps {
            let message =
                format!("the shortest derivation has {least} productions, the budget is {steps}");
            return Err(GrammarError::Grammar { message });
        }
        Ok(Decoder {
            owed: Some(u64::from(least)),
            ..self.decoder(steps)
        })
    }
}

/// One derivation in the making.
///
/// ```
/// use unbiased_grammar::{Codec, Draws, Grammar, sample};
///
/// let grammar = Grammar::read("S -> S '+' T | T\nT -> '(' S ')' | 'x'")?;
/// let codec = Codec::new(&grammar);
/// let (mut decoder, mut draws) = (codec.budgeted(15)?, Draws::new(1));
/// let logits = [0.0; 5]; // a model's, one row per step
/// while !decoder.is_finished() {
///     let choice = sample(&logits, decoder.mask(), &mut draws);
///     decoder.push(choice);
/// }
/// assert!(grammar.text_of(decoder.productions()).is_ok());
/// # Ok::<(), unbiased_grammar::GrammarError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Decoder<'c> {
    codec: &'c Codec<'c>,
    open: Vec<u16>,
    productions: Vec<u16>,
    steps: usize,
    /// Fewest productions that finish everything open, where that is budgeted.
    owed: Option<u64>,
}

impl Decoder<'_> {
    /// The nonterminal whose turn it is; the number behind the last when there is none.
    #[must_use]
    pub fn nonterminal(&self) -> u16 {
        let none = self.codec.grammar.nonterminals() as u16;
        self.open.last().copied().unwrap_or(none)
    }

    /// What may be chosen now. Empty when there is no step left and something is open, which a budget rules out.
    #[must_use]
    pub fn mask(&self) -> &[u64] {
        let Some(&nonterminal) = self.open.last() else {
            return &self.codec.finished;
        };
        let left = (self.steps - self.productions.len()) as u64;
        let least = u64::from(self.codec.grammar.analysis.fewest[usize::from(nonterminal)]);
        let free = match self.owed {
            // Everything below the top of the stack is spoken for, and so is the step itself.
            Some(owed) => left - 1 - (owed - least),
            None if left == 0 => {
                return &self.codec.table.levels[usize::from(nonterminal)].rows
                    [..self.codec.words()];
            }
            None => u64::from(u32::MAX - 1),
        };
        self.codec
            .table
            .row(nonterminal, free.min(u64::from(u32::MAX - 1)) as u32)
    }

    /// Takes a choice; padding after the end changes nothing.
    ///
    /// # Panics
    /// When the mask does not hold the choice.
    pub fn push(&mut self, choice: u16) {
        let allowed = usize::from(choice) < self.codec.width()
            && bits::contains(self.mask(), usize::from(choice));
        assert!(
            allowed,
            "expected a choice that the mask allows, got {choice}"
        );
        if self.open.is_empty() {
            return;
        }
        let grammar = self.codec.grammar;
        self.open.pop();
        self.productions.push(choice);
        self.open.extend(grammar.children(choice).rev());
        if let Some(owed) = &mut self.owed {
            let lhs = usize::from(grammar.lhs(choice));
            *owed += u64::from(self.codec.rest[usize::from(choice)]);
            *owed -= u64::from(grammar.analysis.fewest[lhs]);
        }
    }

    /// Whether the derivation is complete.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.open.is_empty()
    }

    /// The choices so far, without padding.
    #[must_use]
    pub fn productions(&self) -> &[u16] {
        &self.productions
    }
}

/// Decoders side by side, one step of all at a time.
#[derive(Debug, Clone)]
pub struct Batch<'c> {
    rows: Vec<Decoder<'c>>,
}

impl<'c> Batch<'c> {
    /// As many copies of a decoder as there are rows.
    #[must_use]
    pub fn new(decoder: &Decoder<'c>, rows: usize) -> Self {
        Self {
            rows: vec![decoder.clone(); rows],
        }
    }

    /// The decoders.
    #[must_use]
    pub fn rows(&self) -> &[Decoder<'c>] {
        &self.rows
    }

    /// Writes the masks of all rows, `words` each, row after row.
    ///
    /// # Panics
    /// When `masks` has another size.
    pub fn masks(&self, masks: &mut [u64]) {
        let words = self.rows.first().map_or(1, |row| row.codec.words());
        let expected = self.rows.len() * words;
        assert_eq!(
            masks.len(),
            expected,
            "expected {expected} words for the masks, got {}",
            masks.len()
        );
        for (mask, row) in masks.chunks_exact_mut(words).zip(&self.rows) {
            mask.copy_from_slice(row.mask());
        }
    }

    /// Takes one choice per row.
    ///
    /// # Panics
    /// When there are more or fewer choices than rows, or a mask does not hold its choice.
    pub fn push(&mut self, choices: &[u16]) {
        let rows = self.rows.len();
        assert_eq!(
            choices.len(),
            rows,
            "expected {rows} choices, got {}",
            choices.len()
        );
        for (row, &choice) in self.rows.iter_mut().zip(choices) {
            row.push(choice);
        }
    }

    /// Whether every row is complete.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.rows.iter().all(Decoder::is_finished)
    }
}
