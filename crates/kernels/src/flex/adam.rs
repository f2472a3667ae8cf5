//! One Adam step in one pass over parameter, gradient and both moments.

use super::isa::{Isa, Task};
use super::scalar::fma;
use rayon::prelude::*;

/// From how many elements on the work is split over threads: about 30 µs of it, most of them for a root and a quotient per element.
const SPLIT_FROM: usize = 64 * 1024;

/// The numbers of one step, in single precision: see [`crate::FusedAdam`] for the equations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) beta_1: f32,
    /// 1 − β₁, rounded once from double precision (so is the next one: `1.0 - 0.99999_f32` is wrong by 0.1 %).
    pub(crate) one_minus_beta_1: f32,
    pub(crate) beta_2: f32,
    pub(crate) one_minus_beta_2: f32,
    /// lr / (1 − β₁ᵗ).
    pub(crate) size: f32,
    /// 1 / √(1 − β₂ᵗ).
    pub(crate) root_correction: f32,
    pub(crate) epsilon: f32,
}

/// Updates `parameter` and both moments in place.
pub(super) fn step(
    isa: Isa,
    step: Step,
    parameter: &mut [f32],
    gradient: &[f32],
    m: &mut [f32],
    v: &mut [f32],
) {
    let run = |(((parameter, gradient), m), v)| {
        isa.run(Update {
            step,
            parameter,
            gradient,
            m,
            v,
        });
    };
    if parameter.len() < SPLIT_FROM {
        run((((parameter, gradient), m), v));
    } else {
        let part = parameter.len().div_ceil(rayon::current_num_threads());
        parameter
            .par_chunks_mut(part)
            .zip(gradient.par_chunks(part))
            .zip(m.par_chunks_mut(part))
            .zip(v.par_chunks_mut(part))
            .for_each(run);
    }
}

struct Update<'a> {
    step: Step,
    parameter: &'a mut [f32],
    gradient: &'a [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
}

impl Task for Update<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let s = self.step;
        for (((p, &g), m), v) in self
            .parameter
            .iter_mut()
            .zip(self.gradient)
            .zip(self.m)
            .zip(self.v)
        {
            *m = fma::<FMA>(s.beta_1, *m, s.one_minus_beta_1 * g);
            *v = fma::<FMA>(s.beta_2, *v, s.one_minus_beta_2 * g * g);
            *p -= s.size * *m / fma::<FMA>(v.sqrt(), s.root_correction, s.epsilon);
        }
    }
}
