//! Puzzles and their network as a stochastic program.

use std::borrow::Cow;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use unbiased_estimators::{Program, Run, Site};
use unbiased_permutations::sites::SoftMatching;

use super::model::Jigsaw;

/// A batch of puzzles. The choice of the site `order` is a matrix, row i for the i-th shuffled piece.
#[derive(Debug, Clone)]
pub struct JigsawProgram<'a> {
    model: Cow<'a, Jigsaw>,
    law: SoftMatching,
    /// Permutations that are drawn for each puzzle.
    samples: usize,
    /// X̃, `[batch, N, pixels]`.
    shuffled: Tensor<3>,
    /// X.
    whole: Tensor<3>,
}

impl<'a> JigsawProgram<'a> {
    /// Shuffled pieces and the same in their places, `[batch, N, pixels]` both. `samples` permutations are drawn for each puzzle; their rows are
    /// those of `samples` copies of the batch.
    ///
    /// # Panics
    /// If they differ in shape.
    #[must_use]
    pub fn new(
        model: &'a Jigsaw,
        law: SoftMatching,
        samples: usize,
        shuffled: Tensor<3>,
        whole: Tensor<3>,
    ) -> Self {
        assert_eq!(shuffled.dims(), whole.dims(), "JigsawProgram: pieces");
        Self {
            model: Cow::Borrowed(model),
            law,
            samples,
            shuffled,
            whole,
        }
    }
}

impl Program for JigsawProgram<'_> {
    fn batch(&self) -> usize {
        self.shuffled.dims()[0] * self.samples
    }

    fn device(&self) -> Device {
        self.shuffled.device()
    }

    fn run(&self, run: &mut Run<'_>) {
        let scores = self.model.scores(self.shuffled.clone());
        arrange(
            run,
            self.law,
            self.samples,
            scores,
            &self.shuffled,
            &self.whole,
        );
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(JigsawProgram {
            model: Cow::Owned(self.model.valid()),
            ..self.clone()
        })
    }
}

/// Draws `samples` permutations of `pieces` `[batch, N, pixels]` around each row of `scores` `[batch, N²]`, and reports the mean over pixels of
/// `(Pᵀ X̃ − X)²`, `X` being `wanted`. The network has scored the pieces once, whatever the number of samples.
pub(crate) fn arrange(
    run: &mut Run<'_>,
    law: SoftMatching,
    samples: usize,
    scores: Tensor<2>,
    pieces: &Tensor<3>,
    wanted: &Tensor<3>,
) {
    let n = pieces.dims()[1];
    let site = Site::new(run.rows(scores.repeat_dim(0, samples)));
    let order = run.law("order", law, site).value;
    let rows = order.dims()[0];
    let [pieces, wanted] = [pieces, wanted].map(|x| run.rows(x.clone().repeat_dim(0, samples)));
    let off = order.reshape([rows, n, n]).transpose().matmul(pieces) - wanted;
    let distance = off.square().flatten::<2>(1, 2).mean_dim(1);
    run.cost("distance", distance.squeeze_dim::<1>(1), run.mark());
}
