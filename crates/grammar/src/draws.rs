//! Random numbers as an argument: a seed gives the same numbers on every machine.
//!
//! SplitMix64 (Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators", 2014).

use num_bigint::BigUint;

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Draws {
    state: u64,
}

impl Draws {
    /// The stream that belongs to a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `(0, 1)`, open at both ends.
    pub fn uniform(&mut self) -> f64 {
        ((self.bits() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
    }

    /// Uniform among `0..n`.
    ///
    /// # Panics
    /// When `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "a draw needs at least one choice, got 0");
        let n = n as u64;
        // Lemire's multiplication; what would favour small numbers is drawn again.
        let reject = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.bits()) * u128::from(n);
            if product as u64 >= reject {
                return (product >> 64) as usize;
            }
        }
    }

    /// Uniform among `0..n`, however large.
    ///
    /// # Panics
    /// When `n` is 0.
    pub fn below_big(&mut self, n: &BigUint) -> BigUint {
        let bits = n.bits();
        assert!(bits > 0, "a draw needs at least one choice, got 0");
        loop {
            let words = (0..bits.div_ceil(32)).map(|_| (self.bits() >> 32) as u32);
            let drawn = BigUint::new(words.collect()) >> (bits.div_ceil(32) * 32 - bits);
            if drawn < *n {
                return drawn;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_below_is_as_likely() {
        let (mut draws, n) = (Draws::new(1), 3_usize.pow(4));
        let (mut small, mut large) = (vec![0_u32; n], vec![0_u32; n]);
        for _ in 0..n * 1000 {
            small[draws.below(n)] += 1;
            let drawn = draws.below_big(&BigUint::from(n));
            large[usize::try_from(drawn).unwrap()] += 1;
        }
        // Six standard deviations of a count of mean 1000: false alarms 2e-9 each.
        for count in small.into_iter().chain(large) {
            assert!(count.abs_diff(1000) < 190, "{count}");
        }
    }

    #[test]
    fn uniforms_are_open() {
        let mut draws = Draws::new(2);
        assert!((0..10_000).all(|_| {
            let u = draws.uniform();
            u > 0.0 && u < 1.0
        }));
    }
}
