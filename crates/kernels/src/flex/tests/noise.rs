//! Noise: the same bits with every instruction set and any number of threads.

use crate::flex::PARALLEL_FROM;
use crate::flex::isa::Isa;
use crate::flex::noise::Fill;
use crate::noise::f32_laws::{Exponential, Gumbel, Law, Logistic, Normal, Part, Uniform};
use crate::noise::{NoiseLaw, noise, substream};
use burn::tensor::Device;
use core::marker::PhantomData;

/// The bits of noise that `isa` makes.
fn bits<L: Law>(isa: Isa, streams: &[u64], width: usize) -> Vec<u32> {
    let mut out = vec![0.0; streams.len() * width];
    let part = Part {
        streams,
        width,
        start: 0,
        out: &mut out,
    };
    isa.run(Fill::<L>(part, PhantomData));
    out.into_iter().map(f32::to_bits).collect()
}

fn check<L: Law>() {
    let streams: Vec<u64> = (0..40).map(|part| substream(1, part)).collect();
    for width in [1, 3, 37, 2000] {
        let [plain, others @ ..] = &Isa::all()[..] else {
            unreachable!("the plain one is always there")
        };
        let plain = bits::<L>(*plain, &streams, width);
        for &isa in others {
            assert_eq!(bits::<L>(isa, &streams, width), plain, "{isa:?} {width}");
        }
    }
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    check::<Uniform>();
    check::<Logistic>();
    check::<Gumbel>();
    check::<Normal>();
    check::<Exponential>();
}

#[test]
fn threads_change_nothing() {
    // Rows that do not fit the tasks.
    let width = 1531;
    let rows = PARALLEL_FROM / width + 5;
    let streams: Vec<u64> = (0..rows as u64).map(|part| substream(2, part)).collect();
    let draw = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().expect("threads");
        pool.install(|| noise(NoiseLaw::Normal, &streams, width, &Device::flex()))
            .into_data()
    };
    let (one, three) = (draw(1), draw(3));
    assert_eq!(one, three);
    // And a row by itself is the row of the matrix.
    let last = noise(
        NoiseLaw::Normal,
        &streams[rows - 1..],
        width,
        &Device::flex(),
    );
    let one = one.try_to_vec::<f32>().unwrap();
    assert_eq!(
        last.into_data().try_to_vec::<f32>().unwrap(),
        one[(rows - 1) * width..]
    );
}
