//! The scalar functions of the kernels, in `f32`, written so that a loop over them vectorises: no calls, no branches, only selects.
//! NaN passes through all of them.

const LOG2_E: f32 = core::f32::consts::LOG2_E;
/// The bits of √½.
const HALF_ROOT_BITS: u32 = 0x3f35_04f3;
/// ln 2 in two parts; the first has few enough digits that its products with the exponents used here are exact.
const LN2_HIGH: f32 = 355.0 / 512.0;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// Adding 1.5·2²³ rounds to an integer and leaves it in the low bits; 127 is the bias of the exponent.
const ROUND_AND_BIAS: f32 = 12_582_912.0 + 127.0;
/// Below it eˣ is no normal number; it is taken as 0.
const EXP_ZERO_BELOW: f32 = -87.33;
/// Above it eˣ is larger than every finite number.
const EXP_INFINITE_ABOVE: f32 = 88.722_84;
/// e⁶⁴.
const EXP_64: f32 = 6.235_149e27;

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
pub(super) fn exp_nonpositive<const FMA: bool>(x: f32) -> f32 {
    let (scale, rest) = exp_parts::<FMA>(x);
    let exp = fma::<FMA>(scale, rest, scale);
    if x < EXP_ZERO_BELOW { 0.0 } else { exp }
}

/// eˣ. Above 64 the exponent is shifted by 64, which is exact, so that neither factor overflows before the result does.
#[inline(always)]
pub(super) fn exp<const FMA: bool>(x: f32) -> f32 {
    let (shift, factor) = if x > 64.0 { (64.0, EXP_64) } else { (0.0, 1.0) };
    let (scale, rest) = exp_parts::<FMA>(x - shift);
    let exp = fma::<FMA>(scale, rest, scale) * factor;
    let exp = if x < EXP_ZERO_BELOW { 0.0 } else { exp };
    if x > EXP_INFINITE_ABOVE {
        f32::INFINITY
    } else {
        exp
    }
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

/// ln x = e·ln 2 + 2·artanh(s), s = (m − 1)/(m + 1), x = 2ᵉ·m with m in [√½, √2) (the series to s⁹/9: relative error below 1e-8).
/// NaN below 0, −∞ at 0.
#[inline(always)]
pub(super) fn log<const FMA: bool>(x: f32) -> f32 {
    // Numbers below the normal ones are scaled by 2²³ first.
    let small = x < f32::MIN_POSITIVE;
    let bits = (if small { x * 8_388_608.0 } else { x }).to_bits();
    // Counted from √½, so that the exponent steps there and not at 1.
    let from_half_root = bits.wrapping_sub(HALF_ROOT_BITS);
    let exponent = ((from_half_root as i32) >> 23) as f32 - if small { 23.0 } else { 0.0 };
    let m = f32::from_bits((from_half_root & 0x007f_ffff).wrapping_add(HALF_ROOT_BITS));
    let s = (m - 1.0) / (m + 1.0);
    let s2 = s * s;
    let mut series = 1.0 / 9.0;
    for coefficient in [1.0 / 7.0, 0.2, 1.0 / 3.0] {
        series = fma::<FMA>(series, s2, coefficient);
    }
    let artanh = fma::<FMA>(series * s2, s, s);
    let low = fma::<FMA>(exponent, LN2_LOW, 2.0 * artanh);
    let log = fma::<FMA>(exponent, LN2_HIGH, low);
    let log = if x < f32::INFINITY { log } else { x };
    let log = if x < 0.0 { f32::NAN } else { log };
    if x == 0.0 { f32::NEG_INFINITY } else { log }
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

/// The logarithm of the probability of one of the values −1, −1 + 2h, …, 1 under a logistic law rounded to them; see
/// [`crate::discretised_logistic`].
#[inline(always)]
pub(super) fn discretised_logistic<const FMA: bool>(c: f32, k: f32, h: f32, edge: Edge) -> f32 {
    let upper = softplus::<FMA>(-(c + h) * k);
    let lower = softplus::<FMA>((c - h) * k);
    let width = log::<FMA>(-exp_m1_nonpositive::<FMA>(-2.0 * h * k));
    let inside = width - upper - lower;
    let above = if edge.highest { -lower } else { inside };
    if edge.lowest { -upper } else { above }
}

/// Whether a value is the lowest or the highest one, whose interval has no other end.
#[derive(Clone, Copy)]
pub(super) struct Edge {
    lowest: bool,
    highest: bool,
}

impl Edge {
    #[inline(always)]
    pub(super) fn of(x: f32, h: f32) -> Self {
        Self {
            lowest: x < h - 1.0,
            highest: x > 1.0 - h,
        }
    }
}

/// Its derivatives: by c = x − μ, k(σ(−p) − σ(m)), and by the log scale, m·σ(m) − p·σ(−p) − d/(eᵈ − 1),
/// with p = (c + h)k, m = (c − h)k, d = 2hk; at an end the other end's terms and d's are missing.
#[inline(always)]
pub(super) fn discretised_logistic_slopes<const FMA: bool>(
    c: f32,
    k: f32,
    h: f32,
    edge: Edge,
) -> (f32, f32) {
    let (p, m, d) = ((c + h) * k, (c - h) * k, 2.0 * h * k);
    let p_slope = sigmoid::<FMA>(-p);
    let m_slope = sigmoid::<FMA>(m);
    let (e_m1, e) = (exp_m1_nonpositive::<FMA>(-d), exp_nonpositive::<FMA>(-d));
    // d·e⁻ᵈ/(1 − e⁻ᵈ), which is 1 where d vanishes.
    let width = if d < 1e-30 { 1.0 } else { d * e / -e_m1 };
    let p_slope = if edge.highest { 0.0 } else { p_slope };
    let m_slope = if edge.lowest { 0.0 } else { m_slope };
    let width = if edge.lowest || edge.highest {
        0.0
    } else {
        width
    };
    (k * (p_slope - m_slope), m * m_slope - p * p_slope - width)
}
