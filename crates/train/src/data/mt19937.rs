//! The Mersenne Twister as NumPy's legacy generator uses it, for data that papers drew with it.
//!
//! Source: Matsumoto, Nishimura, "Mersenne twister: a 623-dimensionally equidistributed uniform pseudo-random number
//! generator", 1998 (MT19937).

const N: usize = 624;
const M: usize = 397;

pub(super) struct Mt19937 {
    state: [u32; N],
    next: usize,
}

impl Mt19937 {
    pub(super) fn new(seed: u32) -> Self {
        let mut state = [seed; N];
        for i in 1..N {
            let before = state[i - 1];
            state[i] = (before ^ before >> 30)
                .wrapping_mul(1_812_433_253)
                .wrapping_add(i as u32);
        }
        Self { state, next: N }
    }

    fn word(&mut self) -> u32 {
        if self.next == N {
            for i in 0..N {
                let y = self.state[i] & 0x8000_0000 | self.state[(i + 1) % N] & 0x7fff_ffff;
                let twist = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + M) % N] ^ y >> 1 ^ twist;
            }
            self.next = 0;
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= y << 7 & 0x9d2c_5680;
        y ^= y << 15 & 0xefc6_0000;
        y ^ y >> 18
    }

    /// Uniform on \[0, 1), 53 bits: `numpy.random.rand`.
    pub(super) fn uniform(&mut self) -> f64 {
        let a = u64::from(self.word() >> 5);
        let b = u64::from(self.word() >> 6);
        ((a << 26) + b) as f64 / (1_u64 << 53) as f64
    }

    /// `numpy.random.permutation(n)`.
    pub(super) fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            let mask = (i + 1).next_power_of_two() as u32 - 1;
            let j = loop {
                let j = (self.word() & mask) as usize;
                if j <= i {
                    break j;
                }
            };
            order.swap(i, j);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.random.seed(5); rand(3)` and `numpy.random.seed(123); permutation(n)`.
    #[test]
    fn numbers_are_those_of_numpy() {
        let mut random = Mt19937::new(5);
        let drawn = [(); 3].map(|()| random.uniform());
        assert_eq!(
            drawn,
            [
                0.221_993_171_089_739_48,
                0.870_732_306_177_376_4,
                0.206_719_155_339_426_42
            ]
        );
        assert_eq!(
            Mt19937::new(123).permutation(10),
            [4, 0, 7, 5, 8, 3, 1, 6, 9, 2]
        );
        let long = Mt19937::new(123).permutation(24_345);
        assert_eq!(long[..5], [17_795, 4_791, 14_296, 974, 5_953]);
        assert_eq!(long[24_342..], [17_730, 15_725, 19_966]);
    }
}
