//! Texts as the decisions that make them under attributes: the notation of the Syntax-Directed VAE.

use unbiased_grammar::{
    AttributeGrammar, Attributes, Decision, Directed, Grammar, GrammarError, Parser, Tree,
};

use super::notation::{Masks, Notation, Reader, Writer};

/// Decisions under the attributes of a language, values of lazy attributes among them (Dai, Tian, Dai, Skiena & Song, "Syntax-Directed Variational
/// Autoencoder for Structured Data", 2018): what is written breaks no rule. Decisions without an alternative are no steps. A step is about a nonterminal, or
/// about its lazy attribute.
///
/// A budget counts every decision, also those that are no steps, so that a text is finished within its steps with some to spare.
#[derive(Debug, Clone)]
pub struct Attributed<'g, A> {
    whole: AttributeGrammar<'g, A>,
}

impl<'g, A: Attributes> Attributed<'g, A> {
    /// The decisions of `grammar` under `attributes`.
    #[must_use]
    pub fn new(grammar: &'g Grammar, attributes: A) -> Self {
        Self {
            whole: AttributeGrammar::new(grammar, attributes),
        }
    }
}

impl<A: Attributes> Notation for Attributed<'_, A> {
    fn width(&self) -> usize {
        self.whole.width()
    }

    fn contexts(&self) -> usize {
        2 * self.whole.grammar().nonterminals() + 1
    }

    fn reader(&self) -> Reader<'_> {
        let grammar = self.whole.grammar();
        let mut parser = Parser::new(grammar);
        Box::new(move |text| {
            let parse = parser.parse(text)?;
            let tree = Tree::new(grammar, &parse.productions)?;
            Ok(self.whole.replay(&tree)?.without_forced().choices)
        })
    }

    fn writer(&self, steps: usize, masks: Masks) -> Result<Box<dyn Writer + '_>, GrammarError> {
        let decisions = match masks {
            Masks::Plain => u32::MAX,
            Masks::Budgeted => u32::try_from(steps).unwrap_or(u32::MAX),
        };
        let mut writer = Decisions {
            grammar: self.whole.grammar(),
            directed: self.whole.decode(decisions)?,
        };
        writer.settle();
        Ok(Box::new(writer))
    }
}

struct Decisions<'a, A: Attributes> {
    grammar: &'a Grammar,
    directed: Directed<'a, A>,
}

impl<A: Attributes> Decisions<'_, A> {
    fn decide(&mut self, choice: u16) {
        let decided = self.directed.push(choice);
        decided.expect("attributes whose masks keep what they promise");
    }

    /// Takes the decisions that have no alternative.
    fn settle(&mut self) {
        while !self.directed.is_finished() {
            let Some(choice) = self.directed.forced() else {
                return;
            };
            self.decide(choice);
        }
    }
}

impl<A: Attributes> Writer for Decisions<'_, A> {
    fn context(&self) -> u16 {
        let nonterminals = self.grammar.nonterminals() as u16;
        match self.directed.decision() {
            Decision::Production(nonterminal) => nonterminal,
            Decision::Lazy(nonterminal) => nonterminals + nonterminal,
            Decision::Finished => 2 * nonterminals,
        }
    }

    fn mask(&self) -> &[u64] {
        self.directed.mask()
    }

    fn push(&mut self, choice: u16) {
        self.decide(choice);
        self.settle();
    }

    fn is_finished(&self) -> bool {
        self.directed.is_finished()
    }

    fn text(&self) -> Option<String> {
        self.grammar.text_of(&self.directed.productions()?).ok()
    }
}
