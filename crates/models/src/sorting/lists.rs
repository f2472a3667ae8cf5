//! Lists of random numbers.

use serde::{Deserialize, Serialize};
use unbiased_kernels::{substream, uniforms};

/// Numbers are uniform between two ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval(pub f64, pub f64);

/// `count` lists of `n` numbers of `interval`, one after the other, with 46 random bits each; list k depends on `stream` and k alone.
#[must_use]
pub fn lists(interval: Interval, n: usize, count: usize, stream: u64) -> Vec<f64> {
    const COARSE: f64 = 1.0 / (1_u64 << 23) as f64;
    let mut values = Vec::with_capacity(count * n);
    let mut u = vec![0.0; 2 * n];
    for k in 0..count {
        uniforms(substream(stream, k as u64), &mut u);
        // Both are (k + ½)·2⁻²³: the second one fills the gap around the first.
        let number = |u: &[f64]| u[0] + (u[1] - 0.5) * COARSE;
        let Interval(low, high) = interval;
        values.extend(u.chunks_exact(2).map(|u| low + (high - low) * number(u)));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_uniform_apart_and_independent_of_their_number() {
        let all = lists(Interval(1000.0, 1001.0), 100, 50, 7);
        assert_eq!(all[..300], lists(Interval(1000.0, 1001.0), 100, 3, 7));
        assert!(all.iter().all(|&x| (1000.0..1001.0).contains(&x)));
        let mean = all.iter().sum::<f64>() / 5000.0;
        assert!((mean - 1000.5).abs() < 4.0 * (1.0_f64 / 12.0 / 5000.0).sqrt());
        let mut sorted = all;
        sorted.sort_by(f64::total_cmp);
        assert!(sorted.windows(2).all(|w| w[0] < w[1]));
    }
}
