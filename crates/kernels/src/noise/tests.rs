use super::f32_laws::{Exponential, Gumbel, Law, Logistic, Normal, Part, Uniform, fill, open};
use super::{NoiseLaw, bits, single, substream};

const LAWS: [NoiseLaw; 5] = [
    NoiseLaw::Uniform,
    NoiseLaw::Logistic,
    NoiseLaw::Gumbel,
    NoiseLaw::Normal,
    NoiseLaw::Exponential,
];

/// The error for every number that there can be: relative above 1 and absolute below, of exponentials always relative.
fn largest_error<L: Law>(law: NoiseLaw, mutant: impl Fn(f32) -> f32) -> f64 {
    let floor = f64::from(u8::from(law != NoiseLaw::Exponential));
    (0..1 << 23)
        .map(|k| {
            let exact = law.quantile((f64::from(k) + 0.5) / f64::from(1 << 23));
            let error = (f64::from(mutant(L::quantile(open(k)))) - exact).abs();
            error / exact.abs().max(floor)
        })
        .fold(0.0, f64::max)
}

#[test]
fn every_number_that_there_is_agrees_with_double_precision() {
    let errors = [
        largest_error::<Uniform>(NoiseLaw::Uniform, |x| x),
        largest_error::<Logistic>(NoiseLaw::Logistic, |x| x),
        largest_error::<Gumbel>(NoiseLaw::Gumbel, |x| x),
        largest_error::<Normal>(NoiseLaw::Normal, |x| x),
        largest_error::<Exponential>(NoiseLaw::Exponential, |x| x),
    ];
    println!("{errors:?}");
    assert_eq!(errors[0], 0.0);
    assert!(errors.iter().all(|&error| error < 5e-7), "{errors:?}");
    let mutant = largest_error::<Normal>(NoiseLaw::Normal, |x| x * 1.000_001);
    assert!(mutant > 5e-7, "{mutant:e}");
}

/// Numbers are a promise: a change would silently change every run. Worked out in Python by a second implementation (`numpy.float32` for
/// single precision).
#[test]
fn golden() {
    let stream = substream(substream(7, 100), 5);
    assert_eq!(stream, 0xb2b1_a8a6_e515_938d);
    let places: Vec<u32> = bits(stream, 0).take(4).collect();
    assert_eq!(places, [6_317_854, 3_295_749, 2_108_525, 1_709_274]);
    assert_eq!(bits(stream, 3).next(), Some(1_709_274));
    let golden = [
        [0x3f40_ce3d, 0x3ec9_2816, 0x3e80_b1b6, 0x3e50_a6d4],
        [0x3f8e_c7a0, 0xbede_d347, 0xbf8b_b2ce, 0xbfae_751f],
        [0x3fa1_5a10, 0x3d8b_4e83, 0xbea5_3c3a, 0xbeed_b0ef],
        [0x3f2f_368e, 0xbe8b_2ab7, 0xbf2b_9425, 0xbf54_08e7],
        [0x3e91_2640, 0x3f6f_2a6b, 0x3fb0_c0dd, 0x3fcb_9f84],
    ];
    for (law, golden) in LAWS.into_iter().zip(golden) {
        let bits: Vec<u32> = single(law, &[stream], 4)
            .iter()
            .map(|x| x.to_bits())
            .collect();
        assert_eq!(bits, golden, "{law:?}");
    }
}

#[test]
fn a_part_is_that_of_the_whole() {
    let streams = [3, 1, 4, 15, 9, 2, 6];
    for width in [1, 5, 700] {
        let whole = single(NoiseLaw::Gumbel, &streams, width);
        for start in [0, 1, width - 1, width, 3 * width - 1] {
            let mut out = vec![0.0; whole.len() - start];
            fill::<Gumbel>(Part {
                streams: &streams,
                width,
                start,
                out: &mut out,
            });
            assert_eq!(out, whole[start..]);
        }
    }
    assert!(single(NoiseLaw::Normal, &[], 3).is_empty());
    assert!(single(NoiseLaw::Normal, &streams, 0).is_empty());
}
