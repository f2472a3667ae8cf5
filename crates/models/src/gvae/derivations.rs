//! Texts as their derivations: the notation of the Grammar VAE.

use unbiased_grammar::{Codec, Decoder, Grammar, GrammarError, Parser};

use super::notation::{Masks, Notation, Reader, Writer};

/// Leftmost derivations of a grammar; a step is about the nonterminal that is expanded.
#[derive(Debug, Clone)]
pub struct Derivations<'g> {
    grammar: &'g Grammar,
    codec: Codec<'g>,
}

impl<'g> Derivations<'g> {
    /// The derivations of `grammar`.
    #[must_use]
    pub fn new(grammar: &'g Grammar) -> Self {
        Self {
            grammar,
            codec: Codec::new(grammar),
        }
    }
}

impl Notation for Derivations<'_> {
    fn width(&self) -> usize {
        self.codec.width()
    }

    fn contexts(&self) -> usize {
        self.grammar.nonterminals() + 1
    }

    fn reader(&self) -> Reader<'_> {
        let mut parser = Parser::new(self.grammar);
        Box::new(move |text| {
            let mut productions = Vec::new();
            parser.parse_into(text, &mut productions)?;
            Ok(productions)
        })
    }

    fn writer(&self, steps: usize, masks: Masks) -> Result<Box<dyn Writer + '_>, GrammarError> {
        let decoder = match masks {
            Masks::Plain => self.codec.decoder(steps),
            Masks::Budgeted => self.codec.budgeted(steps)?,
        };
        Ok(Box::new(Derivation {
            grammar: self.grammar,
            decoder,
        }))
    }
}

struct Derivation<'c> {
    grammar: &'c Grammar,
    decoder: Decoder<'c>,
}

impl Writer for Derivation<'_> {
    fn context(&self) -> u16 {
        self.decoder.nonterminal()
    }

    fn mask(&self) -> &[u64] {
        self.decoder.mask()
    }

    fn push(&mut self, choice: u16) {
        self.decoder.push(choice);
    }

    fn is_finished(&self) -> bool {
        self.decoder.is_finished()
    }

    fn text(&self) -> Option<String> {
        self.grammar.text_of(self.decoder.productions()).ok()
    }
}
