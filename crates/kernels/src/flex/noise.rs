//! Noise with the instruction set of the CPU and its threads.

use super::isa::{Isa, Task};
use super::{GRAIN, PARALLEL_FROM};
use crate::noise::f32_laws::{self, Law, Part};
use core::marker::PhantomData;
use rayon::prelude::*;

/// Fills a whole matrix.
pub(crate) fn fill<L: Law>(whole: Part<'_>) {
    let run = |part| Isa::best().run(Fill::<L>(part, PhantomData));
    if whole.out.len() < PARALLEL_FROM {
        return run(whole);
    }
    let Part { streams, width, .. } = whole;
    let parts = whole.out.par_chunks_mut(GRAIN).enumerate();
    parts.for_each(|(task, out)| {
        run(Part {
            streams,
            width,
            start: task * GRAIN,
            out,
        });
    });
}

pub(super) struct Fill<'a, L>(pub(super) Part<'a>, pub(super) PhantomData<L>);

impl<L: Law> Task for Fill<'_, L> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        f32_laws::fill::<L>(self.0);
    }
}
