//! Texts as their characters, with no mask but that the end is the end: the baseline of the Grammar VAE.

use unbiased_grammar::{GrammarError, bits};

use super::notation::{Masks, Notation, Reader, Writer};

/// Characters of an alphabet. A step is about the text (0) or behind its end (1).
///
/// The published baseline lets characters follow padding; here padding ends the text, so that the model is a law over texts.
#[derive(Debug, Clone)]
pub struct Characters {
    alphabet: Vec<char>,
    /// Every choice.
    open: Vec<u64>,
    /// Padding alone.
    ended: Vec<u64>,
}

impl Characters {
    /// The characters of `texts`, in their order in Unicode.
    #[must_use]
    pub fn of<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let mut alphabet = std::collections::BTreeSet::new();
        for text in texts {
            alphabet.extend(text.chars());
        }
        let alphabet: Vec<char> = alphabet.into_iter().collect();
        let padding = alphabet.len();
        let (mut open, mut ended) = (vec![0; bits::words(padding + 1)], Vec::new());
        ended.resize(open.len(), 0);
        for choice in 0..=padding {
            bits::insert(&mut open, choice);
        }
        bits::insert(&mut ended, padding);
        Self {
            alphabet,
            open,
            ended,
        }
    }

    /// The characters; a choice is a place in this list.
    #[must_use]
    pub fn alphabet(&self) -> &[char] {
        &self.alphabet
    }
}

impl Notation for Characters {
    fn width(&self) -> usize {
        self.alphabet.len() + 1
    }

    fn contexts(&self) -> usize {
        2
    }

    fn reader(&self) -> Reader<'_> {
        Box::new(|text| {
            let place = |(at, c): (usize, char)| {
                let place = self.alphabet.binary_search(&c);
                place
                    .map(|place| place as u16)
                    .map_err(|_| GrammarError::Parse {
                        at,
                        found: c.to_string(),
                        expected: self.alphabet.iter().collect(),
                    })
            };
            text.char_indices().map(place).collect()
        })
    }

    /// A budget changes nothing: any text may end at any step.
    fn writer(&self, steps: usize, _masks: Masks) -> Result<Box<dyn Writer + '_>, GrammarError> {
        Ok(Box::new(Line {
            notation: self,
            text: String::new(),
            left: steps,
            ended: false,
        }))
    }
}

struct Line<'c> {
    notation: &'c Characters,
    text: String,
    left: usize,
    ended: bool,
}

impl Writer for Line<'_> {
    fn context(&self) -> u16 {
        u16::from(self.is_finished())
    }

    fn mask(&self) -> &[u64] {
        if self.is_finished() {
            &self.notation.ended
        } else {
            &self.notation.open
        }
    }

    fn push(&mut self, choice: u16) {
        let choice = usize::from(choice);
        assert!(
            choice < self.notation.width() && bits::contains(self.mask(), choice),
            "expected a choice that the mask allows, got {choice}"
        );
        match self.notation.alphabet.get(choice) {
            Some(&c) => self.text.push(c),
            None => self.ended = true,
        }
        self.left = self.left.saturating_sub(1);
    }

    /// A text that fills all of its steps needs no padding.
    fn is_finished(&self) -> bool {
        self.ended || self.left == 0
    }

    fn text(&self) -> Option<String> {
        self.is_finished().then(|| self.text.clone())
    }
}
