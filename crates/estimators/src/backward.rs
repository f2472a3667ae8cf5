//! Exact forwards, something smooth backwards: what straight-through estimators differentiate instead of the choice.

use std::fmt::Debug;

use burn::tensor::Tensor;

use crate::{
    law::{Law, Relaxation},
    noise::Role,
};

/// What the gradient of an exact choice passes through.
pub trait Backward: Debug {
    /// A tensor of the shape of the choice, on the tape of its parameters. Its derivative counts, its value does not.
    fn path(&self, choice: &Chosen<'_>) -> Tensor<2>;
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
