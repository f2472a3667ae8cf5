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
    /// X̃, `[batch, N, pixels]`.
    shuffled: Tensor<3>,
    /// X.
    whole: Tensor<3>,
}

impl<'a> JigsawProgram<'a> {
    /// Shuffled pieces and the same in their places, `[batch, N, pixels]` both.
    ///
    /// # Panics
    /// If they differ in shape.
    #[must_use]
    pub fn new(
        model: &'a Jigsaw,
        law: SoftMatching,
        shuffled: Tensor<3>,
        whole: Tensor<3>,
    ) -> Self {
        assert_eq!(shuffled.dims(), whole.dims(), "JigsawProgram: pieces");
        Self {
            model: Cow::Borrowed(model),
            law,
            shuffled,
            whole,
        }
    }
}

/// `Pᵀ X̃`: `p` `[batch, N²]`, pieces `[batch, N, pixels]`.
fn arrange(p: Tensor<2>, pieces: Tensor<3>) -> Tensor<3> {
    let [batch, n, _] = pieces.dims();
    p.reshape([batch, n, n]).transpose().matmul(pieces)
}

impl Program for JigsawProgram<'_> {
    fn batch(&self) -> usize {
        self.shuffled.dims()[0]
    }

    fn device(&self) -> Device {
        self.shuffled.device()
    }

    fn run(&self, run: &mut Run<'_>) {
        let site = Site::new(run.rows(self.model.scores(self.shuffled.clone())));
        let order = run.law("order", self.law, site);
        let pieces = arrange(order.value, run.rows(self.shuffled.clone()));
        let off = (pieces - run.rows(self.whole.clone())).square();
        let distance = off.flatten::<2>(1, 2).mean_dim(1);
        run.cost("distance", distance.squeeze_dim::<1>(1), run.mark());
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(JigsawProgram {
            model: Cow::Owned(self.model.valid()),
            ..self.clone()
        })
    }
}
