//! The pathwise (reparameterization) estimator for continuous choices.
//!
//! Sources: Kingma & Welling, "Auto-Encoding Variational Bayes", 2014; Rezende, Mohamed & Wierstra, "Stochastic
//! Backpropagation and Approximate Inference in Deep Generative Models", 2014.
//!
//! `z = T(noise, a)`, `g = f'(z) dT/da`
//!
//! | unbiased | f differentiable                 | calls of f | extra parameters |
//! |----------|----------------------------------|------------|------------------|
//! | yes      | needed, and continuous in `z`    | 1          | none             |

use super::{At, Gradient, Rule};
use crate::{
    estimator::Objective,
    trace::{Draw, Schema, SiteSchema},
};

/// The pathwise estimator; the rule of every continuous site that is not given another one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pathwise;

impl Rule for Pathwise {
    fn check(&self, site: &SiteSchema, schema: &Schema, _: &Objective) -> Result<(), String> {
        if !site.law.is_pathwise() {
            return Err(format!(
                "a {} choice is no smooth function of its noise; use `rloo`",
                site.law.name()
            ));
        }
        if !schema.abilities.differentiable {
            return Err("the costs of the program are not differentiable; use `reinforce`".into());
        }
        Ok(())
    }

    fn draw(&self) -> Draw {
        Draw::Pathwise
    }

    fn gradient(&mut self, _: &At<'_>) -> Option<Gradient> {
        None
    }
}
