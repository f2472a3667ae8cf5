//! The scalar functions of the kernels, in `f32`, written so that a loop over them vectorises: no calls, no branches, only selects.
//! NaN passes through all of them.

const LOG2_E: f32 = core::f32::consts::LOG2_E;
/// ln 2 in two parts; the first has few enough digits that its products with the exponents used here are exact.
const LN2_HIGH: f32 = 355.0 / 512.0;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// Adding 1.5·2²³ rounds to an integer and leaves it in the low bits; 127 is the bias of the exponent.
const ROUND_AND_BIAS: f32 = 12_582_912.0 + 127.0;
/// Below it eˣ is no normal number; it is taken as 0.
const EXP_ZERO_BELOW: f32 = -87.33;

/// a·b + c, fused where that is one instruction.
#[inline(always)]
pub(super) fn fma<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// For x ≤ 0: x = n·ln 2 + r with |r| ≤ ½ ln 2; returns 2ⁿ and eʳ − 1 (the series to r⁷/7!: relative error below 1e-8).
#[inline(always)]
fn exp_parts<const FMA: bool>(x: f32) -> (f32, f32) {
    let biased = fma::<FMA>(x, LOG2_E, ROUND_AND_BIAS);
    let n = biased - ROUND_AND_BIAS;
    let r = fma::<FMA>(n, -LN2_LOW, fma::<FMA>(n, -LN2_HIGH, x));
    let mut series = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0] {
        series = fma::<FMA>(series, r, coefficient);
    }
    (f32::from_bits(biased.to_bits() << 23), series * r)
}

/// eˣ for x ≤ 0.
#[inline(always)]
fn exp_nonpositive<const FMA: bool>(x: f32) -> f32 {
    let (scale, rest) = exp_parts::<FMA>(x);
    let exp = fma::<FMA>(scale, rest, scale);
    if x < EXP_ZERO_BELOW { 0.0 } else { exp }
}

/// eˣ − 1 for x ≤ 0, without cancellation near 0.
#[inline(always)]
fn exp_m1_nonpositive<const FMA: bool>(x: f32) -> f32 {
    let (scale, rest) = exp_parts::<FMA>(x);
    let exp_m1 = fma::<FMA>(scale, rest, scale - 1.0);
    if x < EXP_ZERO_BELOW { -1.0 } else { exp_m1 }
}

/// ln(1 + e) for 0 ≤ e ≤ 1, as 2·artanh(s), s = e/(2 + e) ≤ ⅓ (the series to s¹³/13: relative error below 2e-8).
#[inline(always)]
fn ln_1p_unit<const FMA: bool>(e: f32) -> f32 {
    let s = e / (2.0 + e);
    let s2 = s * s;
    let mut series = 1.0 / 13.0;
    for coefficient in [1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 0.2, 1.0 / 3.0, 1.0] {
        series = fma::<FMA>(series, s2, coefficient);
    }
    2.0 * s * series
}

/// 1/(1 + e⁻ˣ).
#[inline(always)]
pub(super) fn sigmoid<const FMA: bool>(x: f32) -> f32 {
    let e = exp_nonpositive::<FMA>(-x.abs());
    (if x < 0.0 { e } else { 1.0 }) / (1.0 + e)
}

/// tanh x = sign(x)·(1 − e)/(1 + e), e = exp(−2|x|).
#[inline(always)]
pub(super) fn tanh<const FMA: bool>(x: f32) -> f32 {
    let e_m1 = exp_m1_nonpositive::<FMA>(-2.0 * x.abs());
    (-e_m1 / (2.0 + e_m1)).copysign(x)
}

/// ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|).
#[inline(always)]
pub(super) fn softplus<const FMA: bool>(x: f32) -> f32 {
    let e = exp_nonpositive::<FMA>(-x.abs());
    (if x > 0.0 { x } else { 0.0 }) + ln_1p_unit::<FMA>(e)
}

/// KL(Bernoulli(σ(q)) ‖ Bernoulli(σ(p))) = σ(q)(q − p) + softplus(p) − softplus(q), with the large parts cancelled by hand:
/// \[σ(q) or σ(−q)\]·|p| − σ(−|q|)·|q| + ln(1 + e^−|p|) − ln(1 + e^−|q|), the first factor being the probability that a draw from q
/// contradicts the sign of p.
#[inline(always)]
pub(super) fn bernoulli_kl<const FMA: bool>(q: f32, p: f32) -> f32 {
    let eq = exp_nonpositive::<FMA>(-q.abs());
    let ep = exp_nonpositive::<FMA>(-p.abs());
    let likely = 1.0 / (1.0 + eq);
    let unlikely = eq * likely;
    let contradicts = if (q < 0.0) == (p < 0.0) {
        unlikely
    } else {
        likely
    };
    contradicts * p.abs() - unlikely * q.abs() + ln_1p_unit::<FMA>(ep) - ln_1p_unit::<FMA>(eq)
}

/// ∂KL/∂q = σ(q)·σ(−q)·(q − p).
#[inline(always)]
pub(super) fn bernoulli_kl_slope_q<const FMA: bool>(q: f32, p: f32) -> f32 {
    let e = exp_nonpositive::<FMA>(-q.abs());
    let likely = 1.0 / (1.0 + e);
    e * likely * likely * (q - p)
}

/// ∂KL/∂p = σ(p) − σ(q).
#[inline(always)]
pub(super) fn bernoulli_kl_slope_p<const FMA: bool>(q: f32, p: f32) -> f32 {
    sigmoid::<FMA>(p) - sigmoid::<FMA>(q)
}
