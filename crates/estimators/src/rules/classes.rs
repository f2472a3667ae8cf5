//! One-hot choices side by side, of which each in turn gets other classes while the rest keeps theirs; shared by the unordered
//! set and by sum-and-sample.

use burn::tensor::{Tensor, activation::log_softmax};

use super::At;

/// The choices of a site, `[rows, choices, classes]`.
pub(super) struct Choices {
    shape: [usize; 3],
    /// As they were made.
    pub(super) made: Tensor<3>,
    /// `ln pi`.
    pub(super) log_probs: Tensor<3>,
    /// `ln pi` and Gumbel noise: the classes in descending order are draws without replacement.
    pub(super) latent: Tensor<3>,
}

impl Choices {
    pub(super) fn of(at: &At<'_>) -> Self {
        let (made, classes) = (at.hard(), at.site().law.classes());
        let [rows, width] = made.dims();
        let classes = classes.expect("checked: one-hot choices");
        let shape = [rows, width / classes, classes];
        let log_probs = log_softmax(at.params().reshape(shape), 2);
        Self {
            shape,
            made: made.reshape(shape),
            latent: log_probs.clone() + at.choice_noise().reshape(shape),
            log_probs,
        }
    }

    /// `[rows, choices]`.
    pub(super) fn sides(&self) -> [usize; 2] {
        [self.shape[0], self.shape[1]]
    }

    /// The class of each choice that comes first by `score`, but for those in `taken`.
    pub(super) fn first(&self, score: Tensor<3>, taken: &Tensor<3>) -> Tensor<3> {
        let index = (score - taken.clone() * 1e30).argmax(2);
        taken.zeros_like().scatter(
            2,
            index,
            Tensor::ones(
                [self.shape[0], self.shape[1], 1],
                (&taken.device(), taken.dtype()),
            ),
            burn::tensor::IndexingUpdateOp::Add,
        )
    }

    /// Costs to go `[rows, choices]` with each of `classes` for each choice alone.
    pub(super) fn costs(&self, at: &At<'_>, classes: &[Tensor<3>]) -> Vec<Tensor<2>> {
        let [rows, choices, _] = self.shape;
        let mut values = Vec::with_capacity(choices * classes.len());
        for class in classes {
            for choice in 0..choices {
                let own = [0..rows, choice..choice + 1];
                let value = self.made.clone();
                let class = class.clone().narrow(1, choice, 1);
                values.push(value.slice_assign(own, class).flatten::<2>(1, 2));
            }
        }
        if values.is_empty() {
            return Vec::new();
        }
        let costs = at.replay(Tensor::cat(values, 0));
        let by_class = costs.reshape([classes.len(), choices, rows]);
        (0..classes.len())
            .map(|i| {
                by_class
                    .clone()
                    .narrow(0, i, 1)
                    .squeeze_dim::<2>(0)
                    .transpose()
            })
            .collect()
    }

    /// Entries of `x` at one class of each choice, `[rows, choices]`.
    pub(super) fn pick(x: &Tensor<3>, class: &Tensor<3>) -> Tensor<2> {
        (x.clone() * class.clone()).sum_dim(2).squeeze_dim::<2>(2)
    }

    /// `sum_v weight_v (e_v - pi)` over classes `e_v`, at the logits of the site `[rows, width]`.
    pub(super) fn gradient(&self, classes: &[Tensor<3>], weights: Vec<Tensor<2>>) -> Tensor<2> {
        let probs = self.log_probs.clone().exp();
        let each = classes
            .iter()
            .zip(weights)
            .map(|(class, weight)| (class.clone() - probs.clone()) * weight.unsqueeze_dim::<3>(2));
        let sum = each.reduce(|a, b| a + b).expect("at least one class");
        sum.flatten::<2>(1, 2)
    }
}
