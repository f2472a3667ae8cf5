//! Exact forwards, something smooth backwards: what straight-through estimators differentiate instead of the choice.

use std::{fmt::Debug, rc::Rc};

use burn::tensor::Tensor;

use crate::{
    estimator::Objective,
    law::{Law, Relaxation},
    noise::Role,
    rules::{At, Gradient, Rule, expected_only, needs_relaxation},
    trace::{Draw, Schema, SiteSchema},
};

/// What the gradient of an exact choice passes through. Whatever says so (and can be copied) is a [`Rule`]: biased, for expected costs that
/// are differentiable in relaxed choices.
pub trait Backward: Debug {
    /// A tensor of the shape of the choice, on the tape of its parameters. Its derivative counts, its value does not.
    fn path(&self, choice: &Chosen<'_>) -> Tensor<2>;

    /// Whether the law has what the path needs beside a relaxation.
    ///
    /// # Errors
    /// The reason why not, and what would work.
    fn is_defined(&self, _law: &dyn Law) -> Result<(), String> {
        Ok(())
    }
}

impl<B: Backward + Copy + 'static> Rule for B {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        expected_only(objective)?;
        needs_relaxation(site, schema)?;
        self.is_defined(&*site.law)
    }

    fn draw(&self) -> Draw {
        Draw::StraightThrough(Rc::new(*self))
    }

    fn gradient(&mut self, _: &At<'_>) -> Option<Gradient> {
        None
    }

    fn is_biased(&self) -> bool {
        true
    }
}

/// A choice that was made exactly, as a [`Backward`] sees it.
pub struct Chosen<'a> {
    /// Its law.
    pub law: &'a dyn Law,
    /// Its parameters on the tape, `[rows, width]`.
    pub params: &'a Tensor<2>,
    /// The choice, without gradient.
    pub hard: Tensor<2>,
    /// The noise that it was drawn from.
    pub noise: Tensor<2>,
    /// Further noise of the site.
    pub(crate) fresh: &'a dyn Fn(Role, usize) -> Tensor<2>,
}

impl Chosen<'_> {
    /// Noise of `draws` further draws of this choice in every row, side by side, `[rows, draws * width]`.
    #[must_use]
    pub fn further_noise(&self, draws: usize) -> Tensor<2> {
        (self.fresh)(Role::Conditional, draws)
    }

    /// The relaxation of its law.
    ///
    /// # Panics
    /// If the law has none.
    #[must_use]
    pub fn relaxation(&self) -> &dyn Relaxation {
        let relaxation = self.law.relaxation();
        relaxation.unwrap_or_else(|| panic!("a {} choice cannot be relaxed", self.law.name()))
    }

    /// `[1]`, where the choice lives.
    #[must_use]
    pub fn constant(&self, value: f64) -> Tensor<1> {
        Tensor::full([1], value, (&self.hard.device(), self.hard.dtype()))
    }

    /// The exact value with the gradient of `path`.
    pub(crate) fn through(&self, path: Tensor<2>) -> Tensor<2> {
        // In this order the value is exactly the hard one.
        self.hard.clone() + (path.clone() - path.inner())
    }
}
