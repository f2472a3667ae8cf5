//! Element-wise functions over slices, in place.

use super::isa::{Isa, Task};
use super::{GRAIN, PARALLEL_FROM, scalar};
use core::marker::PhantomData;
use rayon::prelude::*;

/// Which function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Map {
    Sigmoid,
    Tanh,
    Relu,
    Softplus,
    LogSigmoid,
    Exp,
    Log,
}

impl Map {
    /// The slope follows from the output for sigmoid, tanh, relu and exp; the others need their input (softplus: 1 − e^−y cancels for small y).
    pub(super) fn slope_from_output(self) -> bool {
        matches!(self, Self::Sigmoid | Self::Tanh | Self::Relu | Self::Exp)
    }
}

/// x ← f(x).
pub(super) fn apply(isa: Isa, map: Map, x: &mut [f32]) {
    match map {
        Map::Sigmoid => apply_with::<Sigmoid>(isa, x),
        Map::Tanh => apply_with::<Tanh>(isa, x),
        Map::Relu => apply_with::<Relu>(isa, x),
        Map::Softplus => apply_with::<Softplus>(isa, x),
        Map::LogSigmoid => apply_with::<LogSigmoid>(isa, x),
        Map::Exp => apply_with::<Exp>(isa, x),
        Map::Log => apply_with::<Log>(isa, x),
    }
}

/// g ← g·f′, f′ taken from `saved` (see [`Map::slope_from_output`]).
pub(super) fn scale_by_slope(isa: Isa, map: Map, saved: &[f32], g: &mut [f32]) {
    match map {
        Map::Sigmoid => scale_with::<Sigmoid>(isa, saved, g),
        Map::Tanh => scale_with::<Tanh>(isa, saved, g),
        Map::Relu => scale_with::<Relu>(isa, saved, g),
        Map::Softplus => scale_with::<Softplus>(isa, saved, g),
        Map::LogSigmoid => scale_with::<LogSigmoid>(isa, saved, g),
        Map::Exp => scale_with::<Exp>(isa, saved, g),
        Map::Log => scale_with::<Log>(isa, saved, g),
    }
}

trait Function: Send + Sync {
    fn value<const FMA: bool>(x: f32) -> f32;
    /// g·f′.
    fn scale<const FMA: bool>(saved: f32, g: f32) -> f32;
}

struct Sigmoid;
impl Function for Sigmoid {
    #[inline(always)]
    fn value<const FMA: bool>(x: f32) -> f32 {
        scalar::sigmoid::<FMA>(x)
    }
    #[inline(always)]
    fn scale<const FMA: bool>(y: f32, g: f32) -> f32 {
        g * (y * (1.0 - y))
    }
}

struct Tanh;
impl Function for Tanh {
    #[inline(always)]
    fn value<const FMA: bool>(x: f32) -> f32 {
        scalar::tanh::<FMA>(x)
    }
    #[inline(always)]
    fn scale<const FMA: bool>(y: f32, g: f32) -> f32 {
        g * (1.0 - y * y)
    }
}

struct Relu;
impl Function for Relu {
    #[inline(always)]
    fn value<const FMA: bool>(x: f32) -> f32 {
        if x <= 0.0 { 0.0 } else { x }
    }
    #[inline(always)]
    fn scale<const FMA: bool>(y: f32, g: f32) -> f32 {
        // Not a product: an infinite g times 0 would be NaN.
        if y <= 0.0 { 0.0 } else { g }
    }
}

struct Softplus;
impl Function for Softplus {
    #[inline(always)]
    fn value<const FMA: bool>(x: f32) -> f32 {
        scalar::softplus::<FMA>(x)
    }
    #[inline(always)]
    fn scale<const FMA: bool>(x: f32, g: f32) -> f32 {
        g * scalar::sigmoid::<FMA>(x)
    }
}

struct LogSigmoid;
impl Function for LogSigmoid {
    #[inline(always)]
    fn value<const FMA: bool>(x: f32) -> f32 {
        -scalar::softplus::<FMA>(-x)
    }
    #[inline(always)]
    fn scale<const FMA: bool>(x: f32, g: f32) -> f32 {
        g * scalar::sigmoid::<FMA>(-x)
    }
}

struct Exp;
impl Function for Exp {
    #[inline(always)]
    fn value<const FMA: bool>(x: f32) -> f32 {
        scalar::exp::<FMA>(x)
    }
    #[inline(always)]
    fn scale<const FMA: bool>(y: f32, g: f32) -> f32 {
        g * y
    }
}

struct Log;
impl Function for Log {
    #[inline(always)]
    fn value<const FMA: bool>(x: f32) -> f32 {
        scalar::log::<FMA>(x)
    }
    #[inline(always)]
    fn scale<const FMA: bool>(x: f32, g: f32) -> f32 {
        g * (1.0 / x)
    }
}

fn apply_with<F: Function>(isa: Isa, x: &mut [f32]) {
    let run = |x: &mut [f32]| isa.run(Apply::<F>(x, PhantomData));
    if x.len() < PARALLEL_FROM {
        run(x);
    } else {
        x.par_chunks_mut(GRAIN).for_each(run);
    }
}

fn scale_with<F: Function>(isa: Isa, saved: &[f32], g: &mut [f32]) {
    let run = |(saved, g): (&[f32], &mut [f32])| isa.run(Scale::<F>(saved, g, PhantomData));
    if g.len() < PARALLEL_FROM {
        run((saved, g));
    } else {
        saved
            .par_chunks(GRAIN)
            .zip(g.par_chunks_mut(GRAIN))
            .for_each(run);
    }
}

struct Apply<'a, F>(&'a mut [f32], PhantomData<F>);

impl<F: Function> Task for Apply<'_, F> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for x in self.0 {
            *x = F::value::<FMA>(*x);
        }
    }
}

struct Scale<'a, F>(&'a [f32], &'a mut [f32], PhantomData<F>);

impl<F: Function> Task for Scale<'_, F> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for (&saved, g) in self.0.iter().zip(self.1) {
            *g = F::scale::<FMA>(saved, *g);
        }
    }
}
