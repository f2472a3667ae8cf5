//! Special functions: of tensors where ordinary operations give them, on the host in f64 where only a loop does.

use burn::tensor::{FloatDType, Tensor};
use rayon::prelude::*;

use crate::noise::upload;

/// Euler's constant.
pub(super) const EULER: f64 = 0.577_215_664_901_532_9;

/// `B_2k / (2k (2k - 1))`, the coefficients of Stirling's series for `ln Gamma` (Abramowitz & Stegun, 1964, 6.1.40).
const STIRLING: [f64; 8] = [
    1.0 / 12.0,
    -1.0 / 360.0,
    1.0 / 1260.0,
    -1.0 / 1680.0,
    1.0 / 1188.0,
    -691.0 / 360_360.0,
    1.0 / 156.0,
    -3617.0 / 122_400.0,
];

/// From here on eight terms of Stirling's series are exact to 1e-16.
const SHIFT: i32 = 8;

/// `ln Gamma(x)`, `x > 0`: Stirling's series at `x + 8`, and the recurrence back.
pub(super) fn ln_gamma(x: Tensor<2>) -> Tensor<2> {
    let far = x.clone() + f64::from(SHIFT);
    let inverse = far.clone().recip();
    let square = inverse.clone().square();
    let series = STIRLING
        .iter()
        .rev()
        .fold(inverse.zeros_like(), |sum, &c| sum * square.clone() + c);
    // Products of four: of eight would overflow in f32.
    let product = |from: i32| {
        (from..from + 4)
            .map(|i| x.clone() + f64::from(i))
            .reduce(|a, b| a * b)
    };
    let back = (0..SHIFT).step_by(4).filter_map(product).map(Tensor::log);
    let back = back.reduce(|a, b| a + b).expect("two products");
    (far.clone() - 0.5) * far.clone().log() - far + series * inverse - back
        + 0.5 * (2.0 * std::f64::consts::PI).ln()
}

/// `psi(x) = d ln Gamma(x) / dx`, `x > 0`, in the same way.
pub(super) fn digamma(x: Tensor<2>) -> Tensor<2> {
    let far = x.clone() + f64::from(SHIFT);
    let inverse = far.clone().recip();
    let square = inverse.clone().square();
    let terms = STIRLING.iter().zip(1..9).rev();
    let series = terms.fold(inverse.zeros_like(), |sum, (&c, k)| {
        sum * square.clone() + c * f64::from(2 * k - 1)
    });
    let back = (0..SHIFT).map(|i| (x.clone() + f64::from(i)).recip());
    let back = back.reduce(|a, b| a + b).expect("eight terms");
    far.log() - inverse * 0.5 - series * square - back
}

/// `ln(1 - e^-s)`, `s > 0`, by `1 - e^-s = 2 h / (1 + h)`, `h = tanh(s / 2)`: nothing cancels where `s` is small.
pub(super) fn ln_one_minus_exp(s: Tensor<2>) -> Tensor<2> {
    let h = (s * 0.5).tanh();
    (h.clone() * 2.0).log() - h.log1p()
}

/// `f` of each entry of tensors of one shape, on the host in f64. Waits for the device; the results carry no gradient.
pub(super) fn on_host<const I: usize, const O: usize>(
    inputs: [Tensor<2>; I],
    f: impl Fn([f64; I]) -> [f64; O] + Sync,
) -> [Tensor<2>; O] {
    let (shape, device) = (inputs[0].dims(), inputs[0].clone().inner().device());
    let columns = inputs.map(|input| {
        let data = input.inner().cast(FloatDType::F64).into_data();
        data.try_to_vec::<f64>().expect("cast to f64")
    });
    let entries = shape[0] * shape[1];
    let results: Vec<[f64; O]> = (0..entries)
        .into_par_iter()
        .map(|i| f(std::array::from_fn(|input| columns[input][i])))
        .collect();
    std::array::from_fn(|output| {
        let column = results.iter().map(|result| result[output]).collect();
        upload(column, shape, &device)
    })
}

/// Newton's method for an increasing `f` on `[low, high]`, with bisection wherever it would leave the bracket. `f` gives
/// value and slope.
pub(super) fn solve(mut low: f64, mut high: f64, start: f64, f: impl Fn(f64) -> (f64, f64)) -> f64 {
    let mut x = start.clamp(low, high);
    // Bisection alone would need 60 steps for a bracket of 1.
    for _ in 0..200 {
        let (value, slope) = f(x);
        if value < 0.0 {
            low = x;
        } else {
            high = x;
        }
        // At the root to rounding this is `x`, an end of the bracket.
        let newton = x - value / slope;
        let next = if newton >= low && newton <= high {
            newton
        } else {
            0.5 * (low + high)
        };
        let done = (next - x).abs() <= 1e-15 * (1.0 + x.abs());
        x = next;
        if done {
            break;
        }
    }
    x
}

/// `psi(x)` of one number.
fn psi(x: f64) -> f64 {
    let far = x + f64::from(SHIFT);
    let square = (far * far).recip();
    let terms = STIRLING.iter().zip(1..9).rev();
    let series = terms.fold(0.0, |sum, (&c, k)| sum * square + c * f64::from(2 * k - 1));
    let back: f64 = (0..SHIFT).map(|i| (x + f64::from(i)).recip()).sum();
    far.ln() - 0.5 / far - series * square - back
}

/// `ln x` for the `u`-quantile `x` of a gamma variable with concentration `a` and rate 1, and its derivative in `a`.
///
/// `P(a, x) = x^a e^-x / Gamma(a + 1) sum_n x^n / ((a + 1) .. (a + n))` (Abramowitz & Stegun, 1964, 6.5.29): every term is
/// positive, so that nothing cancels, and the series can be differentiated in `a` as it is summed. The equation is solved in
/// `ln x`, which does not underflow where `a` is small.
pub(super) fn ln_gamma_quantile(a: f64, u: f64) -> [f64; 2] {
    let (ln_norm, psi_norm) = (libm::lgamma(a + 1.0), psi(a + 1.0));
    // ln P, d ln P / d ln x, d ln P / d a.
    let distribution = |y: f64| {
        let x = y.exp();
        let (mut term, mut sum, mut slope, mut harmonic) = (1.0, 1.0, 0.0, 0.0);
        let mut n = a;
        while term > 1e-17 * sum {
            n += 1.0;
            term *= x / n;
            harmonic -= n.recip();
            sum += term;
            slope += term * harmonic;
        }
        let ln_p = a * y - x - ln_norm + sum.ln();
        [ln_p, a / sum, y - psi_norm + slope / sum]
    };
    let ln_u = u.ln();
    // P(x) <= x^a / Gamma(a + 1); and from a + 40 sqrt(a) + 60 on 1 - P is below 1e-20.
    let low = (ln_u + ln_norm) / a;
    let high = (a + 40.0 * a.sqrt() + 60.0).ln();
    let y = solve(low, high, low, |y| {
        let [ln_p, slope, _] = distribution(y);
        (ln_p - ln_u, slope)
    });
    let [_, slope, in_a] = distribution(y);
    [y, -in_a / slope]
}

/// The `u`-quantile of a beta variable, and its derivatives in `a` and `b`.
pub(super) fn beta_quantile(a: f64, b: f64, u: f64) -> [f64; 3] {
    // Solved from the end whose series is short: below the mean from 0, above it from 1, and away from both ends.
    let from_end = |exponent: f64| f64::min(0.1, 50.0 / exponent);
    let pivot = (a / (a + b)).max(from_end(b)).min(1.0 - from_end(a));
    if ln_beta_distribution(a, b, pivot.ln())[0] >= u.ln() {
        let [y, in_a, in_b] = lower_beta_quantile(a, b, u, pivot);
        let x = y.exp();
        return [x, x * in_a, x * in_b];
    }
    let [y, in_b, in_a] = lower_beta_quantile(b, a, 1.0 - u, 1.0 - pivot);
    let x = y.exp();
    [1.0 - x, -x * in_a, -x * in_b]
}

/// `ln I_x(a, b)` and its derivatives in `ln x`, `a` and `b`, for `x = e^y`:
///
/// `I_x(a, b) = x^a (1 - x)^b / (a B(a, b)) sum_n (a + b) .. (a + b + n - 1) x^n / ((a + 1) .. (a + n))` (Abramowitz & Stegun, 1964,
/// 26.5.4 and 15.3.3), again a series of positive terms; it converges well away from 1.
fn ln_beta_distribution(a: f64, b: f64, y: f64) -> [f64; 4] {
    let x = y.exp();
    let (mut term, mut sum) = (1.0, 1.0);
    let (mut in_a, mut in_b, mut log_in_a, mut log_in_b) = (0.0, 0.0, 0.0, 0.0);
    let mut n = 0.0;
    while term > 1e-17 * sum * (1.0 - x) {
        term *= (a + b + n) * x / (a + 1.0 + n);
        log_in_b += (a + b + n).recip();
        log_in_a += (a + b + n).recip() - (a + 1.0 + n).recip();
        sum += term;
        in_a += term * log_in_a;
        in_b += term * log_in_b;
        n += 1.0;
    }
    let ln_rest = (-x).ln_1p();
    let ln_beta = libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
    let psi_sum = psi(a + b);
    [
        a * y + b * ln_rest - a.ln() - ln_beta + sum.ln(),
        // x p(x) / I_x(a, b).
        a / ((1.0 - x) * sum),
        y - a.recip() - psi(a) + psi_sum + in_a / sum,
        ln_rest - psi(b) + psi_sum + in_b / sum,
    ]
}

/// `ln x` for a quantile below `pivot`, and its derivatives in `a` and `b`.
fn lower_beta_quantile(a: f64, b: f64, u: f64, pivot: f64) -> [f64; 3] {
    let ln_u = u.ln();
    let high = pivot.ln();
    // Far enough down `I_x` is a power of `x`, and above it.
    let mut low = high;
    while ln_beta_distribution(a, b, low)[0] > ln_u {
        low -= 1.0 - 2.0 * low;
    }
    let y = solve(low, high, low, |y| {
        let [ln_i, slope, ..] = ln_beta_distribution(a, b, y);
        (ln_i - ln_u, slope)
    });
    let [_, slope, in_a, in_b] = ln_beta_distribution(a, b, y);
    [y, -in_a / slope, -in_b / slope]
}

/// `I_j(k) / I_0(k)` for `j = 0, 1, ..` as far as they are above 1e-17, by Miller's backward recurrence (Abramowitz & Stegun, 1964,
/// 9.12), and one more.
fn bessel_ratios(k: f64) -> Vec<f64> {
    // I_j / I_0 is about exp(-j^2 / 2k).
    let n = 20 + (9.0 * k.sqrt()).ceil() as usize;
    let mut ratios = vec![0.0; n + 2];
    for j in (1..=n).rev() {
        ratios[j] = k / (2.0 * j as f64 + k * ratios[j + 1]);
    }
    ratios[0] = 1.0;
    for j in 1..n + 2 {
        ratios[j] *= ratios[j - 1];
    }
    ratios
}

/// `ln(e^-k I_0(k))` and `I_1(k) / I_0(k)`.
pub(super) fn ln_bessel(k: f64) -> [f64; 2] {
    // e^k = I_0 + 2 sum_j I_j.
    let ratios = bessel_ratios(k);
    let sum: f64 = ratios[1..].iter().rev().sum();
    [-(2.0 * sum).ln_1p(), ratios[1]]
}

/// The `u`-quantile in `(-pi, pi)` of a von Mises variable around 0 with concentration `k`, and its derivative in `k`.
///
/// `F(x) = 1/2 + x / 2 pi + 1/pi sum_j I_j(k)/I_0(k) sin(j x) / j` (Mardia & Jupp, "Directional Statistics", 2000, 3.5.8).
pub(super) fn von_mises_quantile(k: f64, u: f64) -> [f64; 2] {
    use std::f64::consts::PI;
    let ratios = bessel_ratios(k);
    let ln_norm = (2.0 * PI).ln() + ln_bessel(k)[0];
    let density = |x: f64| (k * (x.cos() - 1.0) - ln_norm).exp();
    // sum_j c_j sin(j x) / j / pi, with sin((j + 1) x) = 2 cos x sin(j x) - sin((j - 1) x).
    let series = |x: f64, coefficient: &dyn Fn(usize) -> f64| {
        let (mut before, mut sine, twice) = (0.0, x.sin(), 2.0 * x.cos());
        let mut sum = 0.0;
        for j in 1..ratios.len() - 1 {
            sum += coefficient(j) * sine / j as f64;
            (before, sine) = (sine, twice * sine - before);
        }
        sum / PI
    };
    let x = solve(-PI, PI, 0.0, |x| {
        let f = 0.5 + x / (2.0 * PI) + series(x, &|j| ratios[j]);
        (f - u, density(x))
    });
    // d(I_j / I_0)/dk = (I_(j-1) + I_(j+1)) / 2 I_0 - I_j I_1 / I_0^2.
    let in_k = series(x, &|j| {
        0.5 * (ratios[j - 1] + ratios[j + 1]) - ratios[j] * ratios[1]
    });
    [x, -in_k / density(x)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of other programs, to the digits given there.
    #[test]
    fn quantiles_and_bessel_functions_have_their_known_values() {
        let near = |got: f64, want: f64| {
            assert!(
                (got - want).abs() < 1e-12 * (1.0 + want.abs()),
                "{got} {want}"
            );
        };
        // An exponential variable: -ln(1 - u).
        near(ln_gamma_quantile(1.0, 0.3)[0].exp(), -f64::ln(0.7));
        // Two exponentials: 1 - (1 + x) e^-x at x = 2.
        near(
            ln_gamma_quantile(2.0, 1.0 - 3.0 * f64::exp(-2.0))[0].exp(),
            2.0,
        );
        // Beta(a, 1): u^(1/a); Beta(1, b): 1 - (1 - u)^(1/b); Beta(1/2, 1/2): sin^2(pi u / 2).
        near(beta_quantile(2.5, 1.0, 0.3)[0], f64::powf(0.3, 0.4));
        near(beta_quantile(1.0, 2.5, 0.9)[0], 1.0 - f64::powf(0.1, 0.4));
        for u in [1e-3_f64, 0.2, 0.7] {
            near(
                beta_quantile(0.5, 0.5, u)[0],
                (std::f64::consts::FRAC_PI_2 * u).sin().powi(2),
            );
        }
        // ln of the median of a concentration so small that x itself underflows: P = x^a / Gamma(a + 1).
        near(
            ln_gamma_quantile(1e-3, 0.5)[0],
            (0.5_f64.ln() + libm::lgamma(1.001)) / 1e-3,
        );
        // I_0(1) = 1.266065877752008, I_1(1) = 0.565159103992485 (Abramowitz & Stegun, 1964, table 9.8).
        let [ln_scaled, ratio] = ln_bessel(1.0);
        near(ln_scaled, 1.266_065_877_752_008_3_f64.ln() - 1.0);
        near(ratio, 0.565_159_103_992_485_f64 / 1.266_065_877_752_008_3);
        // psi(1) = -gamma, psi(1/2) = -gamma - 2 ln 2.
        near(psi(1.0), -EULER);
        near(psi(0.5), -EULER - 2.0 * 2_f64.ln());
    }

    #[test]
    fn derivatives_of_quantiles_are_their_slopes() {
        let slope = |f: &dyn Fn(f64) -> f64, x: f64| {
            let h = 1e-4 * x;
            (8.0 * (f(x + h) - f(x - h)) - f(x + 2.0 * h) + f(x - 2.0 * h)) / (12.0 * h)
        };
        let near = |what: &str, got: f64, want: f64| {
            assert!(
                (got - want).abs() < 2e-8 * (1.0 + want.abs()),
                "{what}: {got} {want}"
            );
        };
        for u in [1e-6, 0.02, 0.4, 0.9, 0.999] {
            for a in [0.02, 0.3, 1.0, 4.5, 300.0] {
                let want = slope(&|a| ln_gamma_quantile(a, u)[0], a);
                near(&format!("gamma {a} {u}"), ln_gamma_quantile(a, u)[1], want);
            }
            for (a, b) in [
                (0.3, 0.6),
                (1.0, 1.0),
                (2.5, 0.8),
                (0.7, 6.0),
                (40.0, 30.0),
                (0.3, 20.0),
                (20.0, 0.3),
            ] {
                let [_, in_a, in_b] = beta_quantile(a, b, u);
                let what = format!("beta {a} {b} {u}");
                near(&what, in_a, slope(&|a| beta_quantile(a, b, u)[0], a));
                near(&what, in_b, slope(&|b| beta_quantile(a, b, u)[0], b));
            }
            for k in [0.01, 0.8, 5.0, 90.0, 2000.0] {
                let want = slope(&|k| von_mises_quantile(k, u)[0], k);
                near(
                    &format!("von Mises {k} {u}"),
                    von_mises_quantile(k, u)[1],
                    want,
                );
            }
        }
    }
}
