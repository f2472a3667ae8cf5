//! Quantile functions in single precision: no calls, no branches and no fused products, so that loops over them vectorise and every
//! instruction set gives the same bits. They have a logarithm of their own: what they return is a promise, and that of the other kernels is not.

use super::bits;

/// Numbers per pass; they stay in the fastest cache from the first pass, over bits, to the second one.
const BLOCK: usize = 1024;

/// Consecutive entries of a matrix of noise.
pub(crate) struct Part<'a> {
    /// One stream per row of the matrix.
    pub(crate) streams: &'a [u64],
    /// Of the matrix.
    pub(crate) width: usize,
    /// Place of the first entry.
    pub(crate) start: usize,
    pub(crate) out: &'a mut [f32],
}

/// Fills a part of a matrix.
#[inline(always)]
pub(crate) fn fill<L: Law>(part: Part<'_>) {
    if part.out.is_empty() {
        return;
    }
    let (mut row, mut column) = (part.start / part.width, part.start % part.width);
    for block in part.out.chunks_mut(BLOCK) {
        let mut rest = &mut *block;
        while !rest.is_empty() {
            let n = rest.len().min(part.width - column);
            let (now, later) = rest.split_at_mut(n);
            for (u, k) in now.iter_mut().zip(bits(part.streams[row], column)) {
                *u = open(k);
            }
            column += n;
            if column == part.width {
                (row, column) = (row + 1, 0);
            }
            rest = later;
        }
        for u in block {
            *u = L::quantile(*u);
        }
    }
}

/// (k + ½)·2⁻²³, which has 24 digits: both operations are exact.
#[inline(always)]
pub(super) fn open(k: u32) -> f32 {
    const ALMOST_ONE: f32 = 1.0 - f32::EPSILON / 2.0;
    f32::from_bits(1.0_f32.to_bits() | k) - ALMOST_ONE
}

/// A quantile function.
pub(crate) trait Law: Send + Sync {
    fn quantile(u: f32) -> f32;
}

pub(crate) struct Uniform;
impl Law for Uniform {
    #[inline(always)]
    fn quantile(u: f32) -> f32 {
        u
    }
}

pub(crate) struct Logistic;
impl Law for Logistic {
    #[inline(always)]
    fn quantile(u: f32) -> f32 {
        ln_ratio(u, 1.0 - u)
    }
}

pub(crate) struct Gumbel;
impl Law for Gumbel {
    #[inline(always)]
    fn quantile(u: f32) -> f32 {
        -ln(-ln(u))
    }
}

pub(crate) struct Exponential;
impl Law for Exponential {
    #[inline(always)]
    fn quantile(u: f32) -> f32 {
        -ln(u)
    }
}

/// √2·erf⁻¹(x) = x·P(w)/Q(w), x = 2u − 1, w = −ln(1 − x²). The quotient √2·erf⁻¹(x)/x is a smooth function of w (Giles, "Approximating the
/// erfinv function", 2010), and a quotient of two polynomials of degree 5 fits it to 9e-9 up to w = 15.25, where the uniforms end. All coefficients
/// are positive: nothing cancels.
pub(crate) struct Normal;
impl Law for Normal {
    #[inline(always)]
    fn quantile(u: f32) -> f32 {
        const P: [f32; 6] = [
            1.253_314_1,
            0.432_046_53,
            0.083_901_69,
            0.010_934_397,
            9.079_039_4e-4,
            3.517_287e-5,
        ];
        const Q: [f32; 6] = [
            1.0,
            0.082_924_12,
            0.032_201_212,
            0.001_850_271_7,
            1.817_208e-4,
            1.332_865_6e-6,
        ];
        let w = -ln(4.0 * u * (1.0 - u));
        (2.0 * u - 1.0) * (polynomial(P, w) / polynomial(Q, w))
    }
}

/// Horner's rule, constant term first.
#[inline(always)]
fn polynomial(c: [f32; 6], x: f32) -> f32 {
    ((((c[5] * x + c[4]) * x + c[3]) * x + c[2]) * x + c[1]) * x + c[0]
}

#[inline(always)]
fn ln(x: f32) -> f32 {
    ln_ratio(x, 1.0)
}

/// ln(a/b) = e·ln 2 + 2·artanh(s), s = (a − 2ᵉb)/(a + 2ᵉb), with e such that a/(2ᵉb) is in [√½, √2); the series to s⁹/9: relative
/// error below 1e-8. From numerator and denominator, since near 1 the quotient would have lost the digits that its logarithm consists of.
#[inline(always)]
fn ln_ratio(a: f32, b: f32) -> f32 {
    const HALF_ROOT: u32 = core::f32::consts::FRAC_1_SQRT_2.to_bits();
    /// ln 2 in two parts, the first with so few digits that its products with exponents are exact.
    const LN2_HIGH: f32 = 355.0 / 512.0;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let exponent = ((a / b).to_bits().wrapping_sub(HALF_ROOT) as i32) >> 23;
    let b = b * f32::from_bits(((exponent + 127) << 23) as u32);
    let s = (a - b) / (a + b);
    let s2 = s * s;
    let series = ((2.0 / 9.0 * s2 + 2.0 / 7.0) * s2 + 0.4) * s2 + 2.0 / 3.0;
    let exponent = exponent as f32;
    exponent * LN2_HIGH + (exponent * LN2_LOW + (series * s2 * s + 2.0 * s))
}
