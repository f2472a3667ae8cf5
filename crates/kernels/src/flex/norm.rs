//! Layer norm of single rows: x̂ = (x − mean)/√(variance + ε).

use super::fold::{dot, sum};
use super::isa::Task;
use super::scalar::fma;
use crate::lstm::NORM_EPSILON;

/// x ← x̂; returns 1/√(variance + ε).
#[inline(always)]
pub(super) fn normalise(x: &mut [f32]) -> f32 {
    let n = x.len() as f32;
    let mean = sum(x) / n;
    for x in &mut *x {
        *x -= mean;
    }
    let scale = 1.0 / (dot(x, x) / n + NORM_EPSILON as f32).sqrt();
    for x in x {
        *x *= scale;
    }
    scale
}

/// The way back through γ·x̂.
pub(super) struct PullBack<'a> {
    /// x̂ on entry, the gradient of x on return.
    pub(super) x: &'a mut [f32],
    /// 1/√(variance + ε).
    pub(super) scale: f32,
    /// The gradient of γ·x̂.
    pub(super) d: &'a [f32],
    pub(super) gain: &'a [f32],
    /// That of γ is added up.
    pub(super) d_gain: &'a mut [f32],
    pub(super) scratch: &'a mut [f32],
}

impl Task for PullBack<'_> {
    type Out = ();

    /// With e = γ·d: (e − mean e − x̂·mean(x̂·e))/√(variance + ε).
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let e = self.scratch;
        let slopes = e.iter_mut().zip(self.d_gain);
        for ((e, d_gain), ((x, d), gain)) in slopes.zip(self.x.iter().zip(self.d).zip(self.gain)) {
            *e = gain * d;
            *d_gain = fma::<FMA>(*d, *x, *d_gain);
        }
        let n = self.x.len() as f32;
        let (mean, slope) = (sum(e) / n, dot(e, self.x) / n);
        for (x, e) in self.x.iter_mut().zip(e) {
            *x = self.scale * (*e - mean - *x * slope);
        }
    }
}

/// x ← x̂, sum += γ·x̂; returns 1/√(variance + ε).
pub(super) struct AddNormalised<'a> {
    pub(super) x: &'a mut [f32],
    pub(super) gain: &'a [f32],
    pub(super) sum: &'a mut [f32],
}

impl Task for AddNormalised<'_> {
    type Out = f32;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> f32 {
        let scale = normalise(self.x);
        for ((sum, x), gain) in self.sum.iter_mut().zip(self.x).zip(self.gain) {
            *sum = fma::<FMA>(*gain, *x, *sum);
        }
        scale
    }
}
