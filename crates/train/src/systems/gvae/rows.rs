//! Texts as padded rows of choices.

use burn::tensor::Device;
use rayon::prelude::*;
use unbiased_grammar::GrammarError;
use unbiased_grammar::languages::{Language, molecules::Molecules, programs::Programs};
use unbiased_models::gvae::{Attributed, Batch, Characters, Derivations, Masks, Notation, Reader};

use super::settings::{NotationKind, NotationSettings};
use crate::data::TextSet;
use crate::error::Failure;

/// A notation that is never dropped while a model trains.
pub(super) type Kept = Box<dyn Notation + Send + Sync>;

/// The notation that the settings ask for.
///
/// # Errors
/// The language has no attributes.
pub(super) fn notation(settings: &NotationSettings, texts: &TextSet) -> Result<Kept, Failure> {
    let language = texts.language;
    Ok(match settings.kind {
        NotationKind::Grammar => Box::new(Derivations::new(language.kept())),
        NotationKind::Characters => Box::new(Characters::of(texts.all())),
        NotationKind::Attributes => match language.name {
            "programs" => {
                let grammar = language.kept();
                Box::new(Attributed::new(grammar, Programs::new(grammar)))
            }
            // The attributes of molecules are those of the grammar that grows chains to the right.
            "zinc" => {
                let right = Language::named("zinc_right").expect("a language of the grammar crate");
                let grammar = right.kept();
                Box::new(Attributed::new(grammar, Molecules::new(grammar)))
            }
            name => {
                return Err(Failure::usage(format!(
                    "notation.kind = \"attributes\": `{name}` has no attributes; programs and molecules have"
                )));
            }
        },
    })
}

/// Texts of one split, ready to be sent.
pub(super) struct Rows {
    steps: usize,
    choices: Vec<u16>,
}

impl Rows {
    /// Reads texts.
    ///
    /// # Errors
    /// A text that the notation cannot say, or not in so few steps.
    pub(super) fn read(
        texts: &[String],
        notation: &(dyn Notation + Send + Sync),
        steps: usize,
    ) -> Result<Self, Failure> {
        let padding = (notation.width() - 1) as u16;
        let read = |reader: &mut Reader<'_>, text: &String| {
            let mut row = reader(text)
                .map_err(|error| Failure::usage(format!("the text `{text}`: {error}")))?;
            if row.len() > steps {
                return Err(Failure::usage(format!(
                    "the text `{text}` is {} choices long, and notation.steps is {steps}",
                    row.len()
                )));
            }
            row.resize(steps, padding);
            Ok(row)
        };
        let rows: Vec<Vec<u16>> = texts
            .par_iter()
            .with_min_len(1000)
            .map_init(|| notation.reader(), read)
            .collect::<Result<_, Failure>>()?;
        Ok(Self {
            steps,
            choices: rows.concat(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.choices.len() / self.steps
    }

    /// Some of them as a model sees them.
    ///
    /// # Errors
    /// As [`Batch::new`].
    pub(super) fn batch(
        &self,
        indices: &[usize],
        notation: &dyn Notation,
        masks: Masks,
        device: &Device,
    ) -> Result<Batch, GrammarError> {
        let row = |&i: &usize| &self.choices[i * self.steps..][..self.steps];
        let rows: Vec<&[u16]> = indices.iter().map(row).collect();
        Batch::new(notation, masks, &rows, device)
    }
}
