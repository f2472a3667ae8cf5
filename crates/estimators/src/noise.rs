//! Noise as an argument: counter-based, keyed, the same bits on every platform and device.
//!
//! A number depends only on (seed, step, site, occurrence, role, copy, row, column): not on call order, batch
//! composition, threads or backend. It is drawn on the host by [`unbiased_kernels::noise()`]; neither 0 nor 1 occurs
//! among its uniforms, so every law is finite.

use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor, TensorData};
pub use unbiased_kernels::NoiseLaw;
use unbiased_kernels::{noise, substream};

use crate::program::Key;

/// What a piece of noise is for; two roles at one site never share numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The choice itself.
    Choice,
    /// What is drawn once the choice is known: conditional latents (two-branch REBAR and RELAX, Gumbel-Rao), other values.
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

/// Where uniforms come from in exact tests: a grid of nodes, say.
pub trait Source: Send + Sync {
    /// Fills `out` with numbers in (0, 1) for `address`.
    fn fill(&self, address: Address<'_>, out: &mut [f64]);
}

/// The noise of one step.
#[derive(Clone)]
pub struct Noise {
    origin: Origin,
    step: u64,
}

#[derive(Clone)]
enum Origin {
    /// The stream that those of all addresses lie below.
    Counter(u64),
    Source(Arc<dyn Source>),
}

impl Noise {
    /// Counter-based noise of optimisation step `step` under `seed`.
    #[must_use]
    pub fn new(seed: u64, step: u64) -> Self {
        let seeds = substream(seed, 0x756e_6269_6173_6564);
        Self {
            origin: Origin::Counter(substream(seeds, step)),
            step,
        }
    }

    /// Noise from any source, of step 0.
    #[must_use]
    pub fn from_source(source: impl Source + 'static) -> Self {
        Self {
            origin: Origin::Source(Arc::new(source)),
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
        let block = match &self.origin {
            Origin::Counter(stream) => {
                let streams = streams(*stream, key, role, independent, batch);
                noise(law, &streams, width, device)
            }
            Origin::Source(source) => {
                let mut values = vec![0.0; independent * batch * width];
                for (index, values) in values.chunks_mut(width.max(1)).enumerate() {
                    let (copy, row) = (index / batch, index % batch);
                    let address = Address {
                        key,
                        role,
                        copy,
                        row,
                    };
                    source.fill(address, values);
                }
                for u in &mut values {
                    *u = law.quantile(*u);
                }
                upload(values, [independent * batch, width], device)
            }
        };
        block.repeat_dim(0, copies / independent)
    }
}

/// The streams of `copies` times `batch` rows, copy-major.
fn streams(noise: u64, key: &Key, role: Role, copies: usize, batch: usize) -> Vec<u64> {
    let site = substream(noise, hash_name(&key.name));
    let occurrence = substream(site, key.occurrence as u64);
    let role = substream(occurrence, role.code());
    let copies = (0..copies as u64).map(|copy| substream(role, copy));
    let rows = |copy| (0..batch as u64).map(move |row| substream(copy, row));
    copies.flat_map(rows).collect()
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

/// FNV-1a over the bytes of a name.
fn hash_name(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of a row of a copy.
    fn row(noise: &Noise, key: &Key, role: Role, [copy, row]: [usize; 2]) -> Vec<f32> {
        let draw = noise.draw(
            NoiseLaw::Uniform,
            key,
            role,
            copy + 1,
            copy + 1,
            row + 1,
            4,
            &Device::flex(),
        );
        let last = draw.slice([(copy + 1) * (row + 1) - 1..(copy + 1) * (row + 1)]);
        last.into_data().try_to_vec::<f32>().unwrap()
    }

    #[test]
    fn every_part_of_the_address_changes_the_numbers() {
        let (a, b) = (Key::new("a", 0), Key::new("b", 0));
        let noise = Noise::new(7, 3);
        let base = row(&noise, &a, Role::Choice, [0, 0]);
        assert_eq!(base, row(&Noise::new(7, 3), &a, Role::Choice, [0, 0]));
        for other in [
            row(&Noise::new(8, 3), &a, Role::Choice, [0, 0]),
            row(&Noise::new(7, 4), &a, Role::Choice, [0, 0]),
            row(&noise, &b, Role::Choice, [0, 0]),
            row(&noise, &Key::new("a", 1), Role::Choice, [0, 0]),
            row(&noise, &a, Role::Conditional, [0, 0]),
            row(&noise, &a, Role::Choice, [1, 0]),
            row(&noise, &a, Role::Choice, [0, 1]),
        ] {
            assert!(base.iter().zip(&other).all(|(x, y)| x != y));
        }
    }

    #[test]
    fn later_copies_see_the_noise_of_the_first_block() {
        let draw = |copies, independent| {
            let (key, role) = (Key::new("a", 0), Role::Choice);
            let device = Device::flex();
            let noise = Noise::new(1, 2);
            noise.draw(
                NoiseLaw::Gumbel,
                &key,
                role,
                copies,
                independent,
                3,
                2,
                &device,
            )
        };
        let block = draw(2, 2);
        let all = draw(6, 2);
        assert_eq!(all.dims(), [18, 2]);
        for copy in 0..3 {
            assert_eq!(
                all.clone().narrow(0, 6 * copy, 6).into_data(),
                block.to_data()
            );
        }
        // Rows do not depend on how many there are.
        assert_eq!(draw(1, 1).into_data(), block.narrow(0, 0, 3).into_data());
    }

    /// The numbers are a promise: a change would silently change every run.
    #[test]
    fn golden_uniforms() {
        let uniforms = row(
            &Noise::new(0, 0),
            &Key::new("code", 0),
            Role::Choice,
            [0, 0],
        );
        let bits: Vec<u64> = uniforms[..3]
            .iter()
            .map(|&u| (f64::from(u) * f64::from(1 << 23)) as u64)
            .collect();
        assert_eq!(bits, GOLDEN);
    }
    // Worked out by a second implementation, in another language.
    const GOLDEN: [u64; 3] = [7_912_569, 767_324, 1_941_362];
}
