//! Counter-based random numbers for data: what a number is depends on its address alone.
//!
//! Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011
//! (Philox4x32-10).
//!
//! The key is the first 8 bytes of SHA-256(name, 0, seed as 8 bytes little-endian); the counter is
//! (block, item, round). So items do not depend on order, batch size or threads, and every slice
//! of a data set can be recomputed. The conversions below are part of the definition of every
//! generated set: changing one means a new version of each of them. They use exact operations of
//! f64 and, beyond those, only the pure-Rust `libm`, so every platform gives the same bits.

use sha2::{Digest, Sha256};

/// A family of random numbers, one sequence per (item, round).
#[derive(Clone, Debug)]
pub(super) struct Stream {
    key: [u32; 2],
}

impl Stream {
    /// The stream of this name and seed. The name says what the numbers are for, and in which
    /// version and split (`glyphs/1/train`).
    pub(super) fn new(name: &str, seed: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(seed.to_le_bytes());
        let digest = hash.finalize();
        let word =
            |i: usize| u32::from_le_bytes([digest[i], digest[i + 1], digest[i + 2], digest[i + 3]]);
        Self {
            key: [word(0), word(4)],
        }
    }

    /// Its key, to number the streams of other parts of the program.
    pub(super) fn key(&self) -> u64 {
        u64::from(self.key[0]) | u64::from(self.key[1]) << 32
    }

    /// Four numbers: block `block` of item `item` in round `round`.
    pub(super) fn block(&self, item: u32, round: u64, block: u32) -> [u32; 4] {
        philox([block, item, round as u32, (round >> 32) as u32], self.key)
    }

    /// The numbers of one item, one after the other.
    pub(super) fn draws(&self, item: u32, round: u64) -> Draws<'_> {
        Draws {
            stream: self,
            item,
            round,
            drawn: 0,
            block: [0; 4],
        }
    }
}

/// Philox4x32-10.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    /// The multipliers and the Weyl increments of the paper.
    const M: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
    const W: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
    for _ in 0..10 {
        let a = M[0] * u64::from(counter[0]);
        let b = M[1] * u64::from(counter[2]);
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
        key = [key[0].wrapping_add(W[0]), key[1].wrapping_add(W[1])];
    }
    counter
}

/// Sequential reader of the numbers of one item.
pub(super) struct Draws<'a> {
    stream: &'a Stream,
    item: u32,
    round: u64,
    drawn: u32,
    block: [u32; 4],
}

impl Draws<'_> {
    fn next(&mut self) -> u32 {
        let lane = self.drawn % 4;
        if lane == 0 {
            self.block = self.stream.block(self.item, self.round, self.drawn / 4);
        }
        self.drawn += 1;
        self.block[lane as usize]
    }

    /// Uniform on (0, 1), open at both ends.
    fn unit(&mut self) -> f64 {
        (f64::from(self.next()) + 0.5) / 4_294_967_296.0
    }

    /// Uniform on (low, high).
    pub(super) fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Standard normal: the first of the Box-Muller pair.
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(self.unit())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }

    /// Puts a list in a random order (Fisher & Yates).
    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, self.below(i as u32 + 1) as usize);
        }
    }

    /// Uniform integer below `n`: multiply-shift with rejection (Lemire, "Fast random integer
    /// generation in an interval", 2019).
    pub(super) fn below(&mut self, n: u32) -> u32 {
        assert!(n > 0, "an integer below 0 was asked for");
        // 2^32 mod n: products whose low half is less than this are over-represented.
        let excess = n.wrapping_neg() % n;
        loop {
            let product = u64::from(self.next()) * u64::from(n);
            if product as u32 >= excess {
                return (product >> 32) as u32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of the authors' library (Random123, `kat_vectors`, philox4x32 10).
    #[test]
    fn philox_gives_the_known_answers() {
        let ones = u32::MAX;
        assert_eq!(
            philox([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox([ones; 4], [ones; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn names_seeds_items_and_rounds_have_their_own_numbers() {
        let first = |name, seed, item, round| Stream::new(name, seed).block(item, round, 0);
        let all = [
            first("a", 0, 0, 0),
            first("b", 0, 0, 0),
            first("a", 1, 0, 0),
            first("a", 0, 1, 0),
            first("a", 0, 0, 1),
            first("a", 0, 0, 1 << 32),
            Stream::new("a", 0).block(0, 0, 1),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(
                !all[..i].contains(a),
                "addresses {i} and an earlier one agree"
            );
        }
    }

    /// 40,000 draws: the standard error of the mean is .005, that of the variance .0071; five of
    /// each are allowed (false alarm 1e-6).
    #[test]
    fn normals_are_standard() {
        let stream = Stream::new("test", 0);
        let mut draws = stream.draws(0, 0);
        let sample: Vec<f64> = (0..40_000).map(|_| draws.normal()).collect();
        let mean = sample.iter().sum::<f64>() / 40_000.0;
        let variance = sample.iter().map(|x| x * x).sum::<f64>() / 40_000.0;
        assert!(mean.abs() < 0.025, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.036, "variance {variance}");
    }

    /// n = 3 * 2^30 is where plain multiply-shift is visibly unfair: a third of the values would
    /// come twice as often. 30,000 draws, the three residues, five standard deviations.
    #[test]
    fn integers_are_fair_and_in_range() {
        let stream = Stream::new("test", 1);
        let mut draws = stream.draws(0, 0);
        let n = 3 << 30;
        let mut counts = [0_i32; 3];
        for _ in 0..30_000 {
            let x = draws.below(n);
            assert!(x < n);
            counts[(x % 3) as usize] += 1;
        }
        for count in counts {
            assert!((count - 10_000).abs() < 5 * 82, "{counts:?}");
        }
        assert_eq!(draws.below(1), 0);
    }
}
