//! The layer norms of the LSTM: x̂ = (x − mean)/√(variance + ε) over the rows of both products and of the cell states.

use super::fold::{dot, sum};
use super::isa::{Isa, Task};
use super::panels::Factor;
use super::scalar::fma;
use crate::lstm::NORM_EPSILON;

/// Gains and biases of the layer norms.
#[derive(Clone, Copy)]
pub(super) struct Norms<'a> {
    /// Of the products with x and with h, `[4 h]` each.
    pub(super) products: [&'a [f32]; 2],
    /// Of the cell state, `[h]`.
    pub(super) gain: &'a [f32],
    pub(super) bias: &'a [f32],
}

/// How many numbers they are, in units of h.
pub(super) const NORMS: usize = 10;

impl<'a> Norms<'a> {
    /// From all of them one after the other.
    pub(super) fn new(all: &'a [f32]) -> Self {
        let hidden = all.len() / NORMS;
        let (products, rest) = all.split_at(8 * hidden);
        let (gain, bias) = rest.split_at(hidden);
        let (input, recurrent) = products.split_at(4 * hidden);
        Self {
            products: [input, recurrent],
            gain,
            bias,
        }
    }
}

/// Their gradients.
pub(super) struct NormSlopes<'a> {
    pub(super) products: [&'a mut [f32]; 2],
    pub(super) gain: &'a mut [f32],
    pub(super) bias: &'a mut [f32],
}

impl<'a> NormSlopes<'a> {
    pub(super) fn new(all: &'a mut [f32]) -> Self {
        let hidden = all.len() / NORMS;
        let (products, rest) = all.split_at_mut(8 * hidden);
        let (gain, bias) = rest.split_at_mut(hidden);
        let (input, recurrent) = products.split_at_mut(4 * hidden);
        Self {
            products: [input, recurrent],
            gain,
            bias,
        }
    }
}

/// The rows of a product after the norm, `[time, rows, 4 h]`, and what each was multiplied with.
#[derive(Clone, Debug)]
pub(super) struct Normalised {
    pub(super) rows: Vec<f32>,
    scales: Vec<f32>,
}

impl Normalised {
    pub(super) fn with_capacity(size: usize) -> Self {
        Self {
            rows: Vec::with_capacity(size),
            scales: Vec::new(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.scales.clear();
    }

    /// The next rows, from a·B; times the gain they are added to `sums`.
    pub(super) fn add(
        &mut self,
        isa: Isa,
        factor: &Factor<'_>,
        a: (&[f32], usize),
        gain: &[f32],
        sums: &mut [f32],
    ) {
        let (start, width) = (self.rows.len(), gain.len());
        self.rows.resize(start + sums.len(), 0.0);
        let rows = &mut self.rows[start..];
        factor.add_product(isa, sums.len() / width, a, (rows, width));
        let rows = rows.chunks_exact_mut(width);
        let tasks = rows.zip(sums.chunks_exact_mut(width));
        self.scales
            .extend(tasks.map(|(x, sum)| isa.run(AddNormalised { x, gain, sum })));
    }

    /// Puts the gradient of a product's row in its place, from that of γ·x̂; zeros where there is none.
    pub(super) fn pull_back(
        &mut self,
        isa: Isa,
        row: usize,
        d: Option<&[f32]>,
        gain: &[f32],
        d_gain: &mut [f32],
        scratch: &mut [f32],
    ) {
        let x = &mut self.rows[row * gain.len()..][..gain.len()];
        match d {
            None => x.fill(0.0),
            Some(d) => isa.run(PullBack {
                x,
                scale: self.scales[row],
                d,
                gain,
                d_gain,
                scratch,
            }),
        }
    }
}

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
struct AddNormalised<'a> {
    x: &'a mut [f32],
    gain: &'a [f32],
    sum: &'a mut [f32],
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
