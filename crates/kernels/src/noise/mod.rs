//! Random numbers as a function of a counter, drawn on the host.

#![allow(
    clippy::inline_always,
    reason = "the helpers must be compiled with the instruction set of the function that enters them: see `flex::isa`"
)]

pub(crate) mod f32_laws;
mod f64_laws;
#[cfg(test)]
mod tests;

use burn::tensor::{DType, Device, Tensor, TensorData};
use f32_laws::{Exponential, Gumbel, Logistic, Normal, Part, Uniform};

/// The law of one entry of [`noise`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoiseLaw {
    /// Uniform on (0, 1).
    Uniform,
    /// `ln u - ln(1 - u)`.
    Logistic,
    /// `-ln(-ln u)`.
    Gumbel,
    /// Standard normal.
    Normal,
    /// `-ln u`, mean 1.
    Exponential,
}

impl NoiseLaw {
    /// The quantile function at `u` in (0, 1), in double precision.
    #[must_use]
    pub fn quantile(self, u: f64) -> f64 {
        match self {
            Self::Uniform => u,
            Self::Logistic => libm::log(u / (1.0 - u)),
            Self::Gumbel => -libm::log(-libm::log(u)),
            Self::Normal => f64_laws::normal_quantile(u),
            Self::Exponential => -libm::log(u),
        }
    }
}

/// Independent noise for every stream: row r is the beginning of stream `streams[r]`, through the quantile function of `law`.
///
/// A number depends on its stream and its place there and on nothing else: not on other rows, threads, the device or its CPU. It is made
/// on the host, by SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014), whose state is a counter, as
/// u = (k + ½)·2⁻²³; so neither 0 nor 1 occurs and no law is infinite. In single precision only operations are used that IEEE 754 rounds
/// exactly, in a fixed order and without fused products, so that the bits are the same everywhere; they are within 5e-7 of
/// [`NoiseLaw::quantile`], relative above 1 and absolute below (of an exponential, always relative). On a device whose float type
/// is `f64` it is [`NoiseLaw::quantile`] itself.
///
/// Streams are numbered by [`substream`]. Numbers of one's own will do, as long as no two differ by a small multiple of
/// 0x9e3779b97f4a7c15, the step of the counter.
///
/// # Shapes
///
/// Returns `[streams.len(), width]`.
///
/// # Example
///
/// ```
/// use burn::tensor::Device;
/// use unbiased_kernels::{NoiseLaw, noise, substream};
///
/// let (seed, step) = (7, 100);
/// let rows: Vec<u64> = (0..32).map(|row| substream(substream(seed, step), row)).collect();
/// let z = noise(NoiseLaw::Normal, &rows, 200, &Device::flex()); // [32, 200]
/// let again = noise(NoiseLaw::Normal, &rows[5..6], 200, &Device::flex());
/// assert_eq!(z.narrow(0, 5, 1).into_data(), again.into_data());
/// ```
#[must_use]
pub fn noise(law: NoiseLaw, streams: &[u64], width: usize, device: &Device) -> Tensor<2> {
    let dtype: DType = device.settings().float_dtype.into();
    let shape = [streams.len(), width];
    let data = if dtype == DType::F64 {
        let mut values = vec![0.0; streams.len() * width];
        for (&stream, row) in streams.iter().zip(values.chunks_mut(width.max(1))) {
            uniforms(stream, row);
        }
        for u in &mut values {
            *u = law.quantile(*u);
        }
        TensorData::new(values, shape)
    } else {
        TensorData::new(single(law, streams, width), shape)
    };
    Tensor::from_data(data, (device, dtype))
}

/// The beginning of a stream of uniforms, in double precision: the numbers behind every law of [`noise`].
pub fn uniforms(stream: u64, out: &mut [f64]) {
    const STEP: f64 = 1.0 / (1_u64 << 23) as f64;
    for (u, k) in out.iter_mut().zip(bits(stream, 0)) {
        *u = (f64::from(k) + 0.5) * STEP;
    }
}

/// The stream of number `part` below `stream`. Chained, it makes streams of coordinates: seed, step, row.
#[must_use]
pub const fn substream(stream: u64, part: u64) -> u64 {
    mix(stream ^ part)
}

/// By how much the counter goes on: 2⁶⁴ over the golden ratio, made odd.
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// One step and the finaliser of SplitMix64: a bijection of 64 bits.
#[inline(always)]
const fn mix(counter: u64) -> u64 {
    let mut x = counter.wrapping_add(GOLDEN_GAMMA);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The 23 bits at every place of a stream from `start` on.
#[inline(always)]
fn bits(stream: u64, start: usize) -> impl Iterator<Item = u32> {
    let mut counter = stream.wrapping_add(GOLDEN_GAMMA.wrapping_mul(start as u64));
    core::iter::repeat_with(move || {
        counter = counter.wrapping_add(GOLDEN_GAMMA);
        (mix(counter) >> 41) as u32
    })
}

fn single(law: NoiseLaw, streams: &[u64], width: usize) -> Vec<f32> {
    #[cfg(feature = "flex")]
    use crate::flex::fill_noise as fill;
    #[cfg(not(feature = "flex"))]
    use f32_laws::fill;
    let mut out = vec![0.0; streams.len() * width];
    let part = Part {
        streams,
        width,
        start: 0,
        out: &mut out,
    };
    match law {
        NoiseLaw::Uniform => fill::<Uniform>(part),
        NoiseLaw::Logistic => fill::<Logistic>(part),
        NoiseLaw::Gumbel => fill::<Gumbel>(part),
        NoiseLaw::Normal => fill::<Normal>(part),
        NoiseLaw::Exponential => fill::<Exponential>(part),
    }
    out
}
