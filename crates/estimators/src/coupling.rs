//! Further samples of a choice that are coupled to it: each by itself follows the law, and together they differ more than
//! independent ones would.

use std::fmt::Debug;

use burn::tensor::Tensor;

use crate::{law::Law, noise::NoiseLaw};

/// How the partners of a choice are drawn.
pub trait Coupling: Debug {
    /// How many there are, at least one.
    fn count(&self) -> usize {
        1
    }

    /// Law and columns of the noise that they take beyond that of a choice of `width` columns by `law`.
    fn further_noise(&self, _law: &dyn Law, _width: usize) -> Option<(NoiseLaw, usize)> {
        None
    }

    /// The value of each, `[rows, width]`.
    fn partners(&self, first: &First<'_>) -> Vec<Tensor<2>>;
}

/// What partners are drawn from: the choice as it was made. No tensor has a gradient.
pub struct First<'a> {
    /// Law of the choice.
    pub law: &'a dyn Law,
    /// Its parameters.
    pub params: Tensor<2>,
    /// The noise it was drawn from.
    pub noise: Tensor<2>,
    /// Its exact value.
    pub value: Tensor<2>,
    /// The [further noise](Coupling::further_noise), if any was asked for.
    pub further: Option<Tensor<2>>,
}

/// The choice in all blocks of `rows` rows, with its partners from block `block` on; `further` draws the noise that they take.
pub(crate) fn with_partners(
    coupling: &dyn Coupling,
    law: &dyn Law,
    params: &Tensor<2>,
    noise: &Tensor<2>,
    [rows, block]: [usize; 2],
    further: impl FnOnce(NoiseLaw, usize) -> Tensor<2>,
) -> Tensor<2> {
    let mut value = law.sample(params.clone(), noise.clone());
    let width = value.dims()[1];
    let first = |x: &Tensor<2>| x.clone().narrow(0, 0, rows);
    let partners = coupling.partners(&First {
        law,
        params: first(params),
        noise: first(noise),
        value: first(&value),
        further: coupling
            .further_noise(law, width)
            .map(|(noise, columns)| further(noise, columns)),
    });
    for (partner, block) in partners.into_iter().zip(block..) {
        let start = block * rows;
        value = value.slice_assign([start..start + rows, 0..width], partner);
    }
    value
}

/// One partner, from the opposite noise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Opposite;

impl Coupling for Opposite {
    fn partners(&self, first: &First<'_>) -> Vec<Tensor<2>> {
        let antithesis = first
            .law
            .antithesis()
            .unwrap_or_else(|| panic!("a {} choice has no opposite sample", first.law.name()));
        let noise = antithesis.opposite(first.noise.clone());
        vec![first.law.sample(first.params.clone(), noise)]
    }
}
