//! Pieces and the digits they shall become as a stochastic program.

use std::borrow::Cow;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use unbiased_estimators::{Program, Run};
use unbiased_permutations::sites::SoftMatching;

use super::model::DigitMaker;
use crate::jigsaw::arrange;

/// A batch of digits in pieces. The choice of the site `order` is a matrix, row i for the i-th piece.
#[derive(Debug, Clone)]
pub struct DigitsProgram<'a> {
    model: Cow<'a, DigitMaker>,
    law: SoftMatching,
    /// Permutations that are drawn for each digit.
    samples: usize,
    /// X̃, `[batch, N, pixels]`.
    pieces: Tensor<3>,
    /// c, `[batch]`.
    classes: Tensor<1, Int>,
    /// Y, `[batch, N, pixels]`.
    wanted: Tensor<3>,
}

impl<'a> DigitsProgram<'a> {
    /// Pieces of digits, `[batch, N, pixels]`, and other digits in their pieces, with their classes. `samples` permutations are drawn for each.
    ///
    /// # Panics
    /// If the digits differ in shape, or there is not one class for each.
    #[must_use]
    pub fn new(
        model: &'a DigitMaker,
        law: SoftMatching,
        samples: usize,
        pieces: Tensor<3>,
        classes: Tensor<1, Int>,
        wanted: Tensor<3>,
    ) -> Self {
        assert_eq!(pieces.dims(), wanted.dims(), "DigitsProgram: pieces");
        assert_eq!(
            classes.dims()[0],
            pieces.dims()[0],
            "DigitsProgram: classes"
        );
        Self {
            model: Cow::Borrowed(model),
            law,
            samples,
            pieces,
            classes,
            wanted,
        }
    }
}

impl Program for DigitsProgram<'_> {
    fn batch(&self) -> usize {
        self.pieces.dims()[0] * self.samples
    }

    fn device(&self) -> Device {
        self.pieces.device()
    }

    fn run(&self, run: &mut Run<'_>) {
        let scores = self.model.scores(self.pieces.clone(), self.classes.clone());
        arrange(
            run,
            self.law,
            self.samples,
            scores,
            &self.pieces,
            &self.wanted,
        );
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(DigitsProgram {
            model: Cow::Owned(self.model.valid()),
            ..self.clone()
        })
    }
}
