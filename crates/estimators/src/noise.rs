//! Noise as an argument: counter-based, keyed, the same bits on every platform and device.
//!
//! A number depends only on (seed, step, site, occurrence, role, copy, row, column): not on call order, batch
//! composition, threads or backend. Uniforms are `(k + 1/2) 2^-23`, so neither 0 nor 1 occurs and every law below is
//! finite. Laws are computed on the host in f64 with `libm` and then rounded to the device's float type.

use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor, TensorData};
use libm::{log, sqrt};

use crate::program::Key;

/// The law of one entry of noise.
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
    /// The quantile function at `u` in (0, 1).
    #[must_use]
    pub fn quantile(self, u: f64) -> f64 {
        match self {
            Self::Uniform => u,
            Self::Logistic => log(u / (1.0 - u)),
            Self::Gumbel => -log(-log(u)),
            Self::Normal => normal_quantile(u),
            Self::Exponential => -log(u),
        }
    }
}

/// What a piece of noise is for; two roles at one site never share numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The choice itself.
    Choice,
    /// The conditional sample given the choice (two-branch REBAR and RELAX).
    Conditional,
    /// Samples coupled to the choice (ARMS, DisARM on trees).
    Partner,
    /// Binarization, initial values and anything else outside a program; numbered by the caller.
    Other(u32),
}

impl Role {
    fn code(self) -> u64 {
        match self {
            Self::Choice => 1,
            Self::Conditional => 2,
            Self::Partner => 3,
            Self::Other(n) => (1 << 32) | u64::from(n),
        }
    }
}

/// Where a row of noise belongs.
#[derive(Debug, Clone, Copy)]
pub struct Address<'a> {
    /// The site and its occurrence.
    pub key: &'a Key,
    /// What the noise is for.
    pub role: Role,
    /// The copy of the batch.
    pub copy: usize,
    /// The example in the batch.
    pub row: usize,
}

/// Where uniforms come from: a counter in training, a grid of nodes in exact tests.
pub trait Source: Send + Sync {
    /// Fills `out` with numbers in (0, 1) for `address`.
    fn fill(&self, address: Address<'_>, out: &mut [f64]);
}

/// The noise of one step.
#[derive(Clone)]
pub struct Noise {
    source: Arc<dyn Source>,
    step: u64,
}

impl Noise {
    /// Counter-based noise of optimisation step `step` under `seed`.
    #[must_use]
    pub fn new(seed: u64, step: u64) -> Self {
        Self {
            step,
            ..Self::from_source(Counter {
                key: mix(mix(seed ^ 0x756e_6269_6173_6564) ^ step),
            })
        }
    }

    /// Noise from any source, of step 0.
    #[must_use]
    pub fn from_source(source: impl Source + 'static) -> Self {
        Self {
            source: Arc::new(source),
            step: 0,
        }
    }

    /// The optimisation step that it is for.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Draws noise for `copies` copies of `batch` rows. Copy `c` gets the numbers of copy `c % independent`, so that
    /// later blocks of copies see the noise of the first one.
    ///
    /// # Shapes
    /// `[copies * batch, width]`, copy-major.
    #[must_use]
    #[expect(
        clippy::too_many_arguments,
        reason = "the coordinates of a block of noise"
    )]
    pub fn draw(
        &self,
        law: NoiseLaw,
        key: &Key,
        role: Role,
        copies: usize,
        independent: usize,
        batch: usize,
        width: usize,
        device: &Device,
    ) -> Tensor<2> {
        let block = independent * batch * width;
        let mut uniforms = vec![0.0; width];
        let mut values = Vec::with_capacity(copies * batch * width);
        for copy in 0..independent {
            for row in 0..batch {
                let address = Address {
                    key,
                    role,
                    copy,
                    row,
                };
                self.source.fill(address, &mut uniforms);
                values.extend(uniforms.iter().map(|&u| law.quantile(u)));
            }
        }
        for _ in 1..copies / independent {
            values.extend_from_within(..block);
        }
        upload(values, [copies * batch, width], device)
    }
}

/// Host numbers as a tensor of the device's float type.
pub(crate) fn upload(values: Vec<f64>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    let dtype: DType = device.settings().float_dtype.into();
    let data = if dtype == DType::F64 {
        TensorData::new(values, shape)
    } else {
        TensorData::new(values.into_iter().map(|v| v as f32).collect(), shape)
    };
    Tensor::from_data(data, (device, dtype))
}

struct Counter {
    key: u64,
}

impl Source for Counter {
    fn fill(&self, address: Address<'_>, out: &mut [f64]) {
        let mut key = mix(self.key ^ hash_name(&address.key.name));
        for part in [
            address.key.occurrence as u64,
            address.role.code(),
            address.copy as u64,
            address.row as u64,
        ] {
            key = mix(key ^ part);
        }
        for u in out {
            key = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
            *u = open_uniform(mix(key));
        }
    }
}

/// `(k + 1/2) 2^-23` from the upper 23 bits.
fn open_uniform(bits: u64) -> f64 {
    const SCALE: f64 = 1.0 / (1 << 23) as f64;
    ((bits >> 41) as f64 + 0.5) * SCALE
}

/// The finaliser of splitmix64 (Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators", 2014): a
/// bijection of 64 bits.
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// FNV-1a over the bytes of a name.
fn hash_name(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The normal quantile to 1e-15: Wichura, "Algorithm AS 241: The Percentage Points of the Normal Distribution", 1988.
fn normal_quantile(u: f64) -> f64 {
    let q = u - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * polynomial(&CENTRE_NUMERATOR, r) / polynomial(&CENTRE_DENOMINATOR, r);
    }
    let r = sqrt(-log(if q < 0.0 { u } else { 1.0 - u }));
    let tail = if r <= 5.0 {
        polynomial(&MIDDLE_NUMERATOR, r - 1.6) / polynomial(&MIDDLE_DENOMINATOR, r - 1.6)
    } else {
        polynomial(&TAIL_NUMERATOR, r - 5.0) / polynomial(&TAIL_DENOMINATOR, r - 5.0)
    };
    if q < 0.0 { -tail } else { tail }
}

/// Horner's rule, constant term first.
fn polynomial(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, &c| sum * x + c)
}

const CENTRE_NUMERATOR: [f64; 8] = [
    3.387_132_872_796_366_6,
    133.141_667_891_784_38,
    1_971.590_950_306_551_3,
    13_731.693_765_509_46,
    45_921.953_931_549_87,
    67_265.770_927_008_7,
    33_430.575_583_588_13,
    2_509.080_928_730_122_7,
];
const CENTRE_DENOMINATOR: [f64; 8] = [
    1.0,
    42.313_330_701_600_91,
    687.187_007_492_057_9,
    5_394.196_021_424_751,
    21_213.794_301_586_597,
    39_307.895_800_092_71,
    28_729.085_735_721_943,
    5_226.495_278_852_854,
];
const MIDDLE_NUMERATOR: [f64; 8] = [
    1.423_437_110_749_683_5,
    4.630_337_846_156_546,
    5.769_497_221_460_691,
    3.647_848_324_763_204_5,
    1.270_458_252_452_368_4,
    0.241_780_725_177_450_6,
    2.272_384_498_926_918_4e-2,
    7.745_450_142_783_414e-4,
];
const MIDDLE_DENOMINATOR: [f64; 8] = [
    1.0,
    2.053_191_626_637_759,
    1.676_384_830_183_803_8,
    0.689_767_334_985_1,
    0.148_103_976_427_480_08,
    1.519_866_656_361_645_7e-2,
    5.475_938_084_995_345e-4,
    1.050_750_071_644_416_9e-9,
];
const TAIL_NUMERATOR: [f64; 8] = [
    6.657_904_643_501_103,
    5.463_784_911_164_114,
    1.784_826_539_917_291_3,
    0.296_560_571_828_504_87,
    2.653_218_952_657_612_4e-2,
    1.242_660_947_388_078_4e-3,
    2.711_555_568_743_487_6e-5,
    2.010_334_399_292_288_1e-7,
];
const TAIL_DENOMINATOR: [f64; 8] = [
    1.0,
    0.599_832_206_555_888,
    0.136_929_880_922_735_8,
    1.487_536_129_085_061_5e-2,
    7.868_691_311_456_133e-4,
    1.846_318_317_510_054_8e-5,
    1.421_511_758_316_446e-7,
    2.044_263_103_389_939_8e-15,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn row(noise: &Noise, key: &Key, role: Role, copy: usize, row: usize, n: usize) -> Vec<f64> {
        let mut out = vec![0.0; n];
        let address = Address {
            key,
            role,
            copy,
            row,
        };
        noise.source.fill(address, &mut out);
        out
    }

    #[test]
    fn normal_quantile_inverts_the_distribution_function() {
        for u in [6e-8, 1e-4, 0.01, 0.074, 0.076, 0.3, 0.5, 0.9, 0.999_999_9] {
            let z = normal_quantile(u);
            let back = 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2);
            assert!(
                (back - u).abs() <= 1e-14 * u.max(1e-2),
                "u {u} z {z} back {back}"
            );
        }
    }

    #[test]
    fn every_part_of_the_address_changes_the_numbers() {
        let (a, b) = (Key::new("a", 0), Key::new("b", 0));
        let noise = Noise::new(7, 3);
        let base = row(&noise, &a, Role::Choice, 0, 0, 4);
        assert_eq!(base, row(&Noise::new(7, 3), &a, Role::Choice, 0, 0, 4));
        for other in [
            row(&Noise::new(8, 3), &a, Role::Choice, 0, 0, 4),
            row(&Noise::new(7, 4), &a, Role::Choice, 0, 0, 4),
            row(&noise, &b, Role::Choice, 0, 0, 4),
            row(&noise, &Key::new("a", 1), Role::Choice, 0, 0, 4),
            row(&noise, &a, Role::Conditional, 0, 0, 4),
            row(&noise, &a, Role::Choice, 1, 0, 4),
            row(&noise, &a, Role::Choice, 0, 1, 4),
        ] {
            assert!(base.iter().zip(&other).all(|(x, y)| x != y));
        }
    }

    #[test]
    fn laws_are_finite_at_the_ends_and_have_their_means() {
        for law in [
            NoiseLaw::Uniform,
            NoiseLaw::Logistic,
            NoiseLaw::Gumbel,
            NoiseLaw::Normal,
            NoiseLaw::Exponential,
        ] {
            for u in [open_uniform(0), open_uniform(u64::MAX)] {
                assert!(u > 0.0 && u < 1.0 && law.quantile(u).is_finite());
            }
        }
        // 2^20 draws: standard errors 0.0003 (uniform), 0.0018 (logistic), 0.0013 (Gumbel), 0.001 (normal, exponential);
        // the bounds are 6 of them, a false alarm in 2e-9 of all seeds.
        let noise = Noise::new(1, 0);
        let draws = row(&noise, &Key::new("x", 0), Role::Choice, 0, 0, 1 << 20);
        for (law, mean, bound) in [
            (NoiseLaw::Uniform, 0.5, 0.0017),
            (NoiseLaw::Logistic, 0.0, 0.0107),
            (NoiseLaw::Gumbel, 0.577_215_66, 0.0076),
            (NoiseLaw::Normal, 0.0, 0.0059),
            (NoiseLaw::Exponential, 1.0, 0.0059),
        ] {
            let sum: f64 = draws.iter().map(|&u| law.quantile(u)).sum();
            assert!((sum / f64::from(1 << 20) - mean).abs() < bound, "{law:?}");
        }
    }

    /// The numbers are a promise: a change would silently change every run.
    #[test]
    fn golden_uniforms() {
        let bits: Vec<u64> = row(
            &Noise::new(0, 0),
            &Key::new("code", 0),
            Role::Choice,
            0,
            0,
            3,
        )
        .iter()
        .map(|u| (u * f64::from(1 << 23)) as u64)
        .collect();
        assert_eq!(bits, GOLDEN);
    }
    // Worked out by a second implementation, in another language.
    const GOLDEN: [u64; 3] = [7_912_569, 767_324, 1_941_362];
}
