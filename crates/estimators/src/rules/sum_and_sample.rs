//! Sum and sample: the most probable classes summed over, the score function on one of the others.
//!
//! Source: Liu, Regier, Tripuraneni, Jordan & `McAuliffe`, "Rao-Blackwellized Stochastic Gradients for Discrete Distributions", 2019.
//!
//! `C`: the most probable classes, `P` their probability, `c` a class outside of them drawn by its own probability over `1 - P`,
//!
//! `g = sum_{v in C} pi_v (f(v) - beta) (e_v - pi) + (1 - P) (f(c) - beta) (e_c - pi)`
//!
//! | unbiased | f differentiable | calls of f                           | extra parameters |
//! |----------|------------------|--------------------------------------|------------------|
//! | yes      | not needed       | 1 + size of `C` times the choices    | none             |
//!
//! `samples` classes are evaluated, one of them drawn. Any `beta` that does not depend on `c` will do; it is the mean cost over `C`,
//! `sum_{v in C} pi_v f(v) / P`, which costs nothing. The choice of the main run is either in `C` or serves as `c`.
//! Good where few classes hold most of the probability. Of several one-hot choices side by side each is summed over by itself
//! while the others keep their values; what comes after is drawn anew from the same noise. With all classes but one in `C` nothing is
//! left to chance. Shapes: `[rows, choices * classes]`. Numerics: `1 - P` is the sum of the other probabilities.
//! Differences from the paper: the baseline.

use burn::tensor::Tensor;

use super::{At, Gradient, Rule, classes::Choices, expected_only, needs_classes, needs_replay};
use crate::{
    estimator::Objective,
    trace::{Schema, SiteSchema},
};

/// Sums over some classes and samples among the others.
#[derive(Debug, Clone, Copy)]
pub struct SumAndSample {
    /// Classes that are evaluated, at least 2; all of them where there are fewer.
    pub k: usize,
}

impl Rule for SumAndSample {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        needs_replay(schema)?;
        expected_only(objective)?;
        needs_classes(site, "measure-valued")
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let choices = Choices::of(at);
        let probs = choices.log_probs.clone().exp();
        let most = self.k.min(choices.made.dims()[2]) - 1;
        let mut summed = choices.made.zeros_like();
        let mut top = Vec::with_capacity(most);
        while top.len() < most {
            let next = choices.first(choices.log_probs.clone(), &summed);
            summed = summed + next.clone();
            top.push(next);
        }
        let drawn = choices.first(choices.latent.clone(), &summed);
        // The choice that was made, and of the rest of `C` and `c` those that it is not.
        let made = &choices.made;
        let mut classes = vec![made.clone()];
        classes.extend(top.iter().map(|class| {
            let same = Choices::pick(class, made).unsqueeze_dim::<3>(2);
            class.clone() + same * (drawn.clone() - class.clone())
        }));
        let mut costs = vec![
            at.cost_to_go()
                .unsqueeze_dim::<2>(1)
                .expand(choices.sides()),
        ];
        costs.extend(choices.costs(at, &classes[1..]));

        let summed_probs = probs.clone() * summed.clone();
        let outside = Choices::pick(&probs, &(summed.clone().neg() + 1.0));
        let in_sum: Vec<Tensor<2>> = classes
            .iter()
            .map(|class| Choices::pick(&summed_probs, class))
            .collect();
        let total = in_sum.iter().cloned().reduce(|sum, p| sum + p);
        let mean = in_sum
            .iter()
            .zip(&costs)
            .map(|(p, f)| p.clone() * f.clone());
        let mean = mean.reduce(|sum, f| sum + f).expect("at least one class")
            / total.expect("at least one class");
        let weights = classes
            .iter()
            .zip(in_sum)
            .zip(costs)
            .map(|((class, p), f)| {
                let sampled = Choices::pick(&summed, class).neg() + 1.0;
                (p + sampled * outside.clone()) * (f - mean.clone())
            });
        let weights = weights.collect();
        Some(Gradient {
            logits: at.mask(choices.gradient(&classes, weights)),
            tuning: None,
            evaluations: (most * choices.sides()[1] * at.samples()) as f64,
        })
    }
}
