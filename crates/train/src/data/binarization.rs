//! How grey pixels become what a model sees.
//!
//! The draw `bernoulli1` is published: pixel p of item i of a split is 1 if
//! (x + 1/2) / 2^32 < grey / 255, where x is number p of item i in the stream
//! `<set>/bernoulli1/1/<split>` of the seed. `dynamic` is the same in the stream
//! `<set>/dynamic/1/<split>`, with the draw's number as the round.

use super::stream::Stream;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How grey pixels become what a model sees. Figures under different binarizations cannot be
/// compared, so every result names its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Binarization {
    /// Made binary by whoever published the set; only for `binarized-mnist`.
    Fixed,
    /// One Bernoulli draw per pixel with probability grey / 255, the same for ever.
    Bernoulli1,
    /// A new Bernoulli draw whenever a training image is seen; validation and test use the draw
    /// of [`Binarization::Bernoulli1`].
    Dynamic,
    /// 1 where grey > 127.
    Threshold,
    /// Grey / 255 as it is: a cross-entropy on these is not a likelihood.
    Grey,
}

impl fmt::Display for Binarization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed => "fixed",
            Self::Bernoulli1 => "bernoulli1",
            Self::Dynamic => "dynamic",
            Self::Threshold => "threshold",
            Self::Grey => "grey",
        })
    }
}

/// Whether grey exceeds the threshold.
pub(super) fn is_ink(grey: u8) -> bool {
    grey > 127
}

/// One Bernoulli draw of an image: its pixels, 0 and 1, into `to`.
pub(super) fn bernoulli<T: From<u8>>(
    stream: &Stream,
    item: u32,
    round: u64,
    grey: &[u8],
    to: &mut [T],
) {
    for (block, (greys, to)) in grey.chunks(4).zip(to.chunks_mut(4)).enumerate() {
        // Most pixels are black or white, where every number gives the same.
        let certain = greys.iter().all(|&g| g == 0 || g == 255);
        let numbers = if certain {
            [0; 4]
        } else {
            stream.block(item, round, block as u32)
        };
        for ((&g, x), to) in greys.iter().zip(numbers).zip(to) {
            *to = u8::from(is_one(x, g)).into();
        }
    }
}

/// (x + 1/2) / 2^32 < grey / 255, in whole numbers.
fn is_one(x: u32, grey: u8) -> bool {
    (2 * u64::from(x) + 1) * 255 < u64::from(grey) << 33
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_and_white_are_certain_and_grey_has_its_share() {
        for x in [0, 1 << 31, u32::MAX] {
            assert!(!is_one(x, 0));
            assert!(is_one(x, 255));
        }
        // 51 / 255 = 1/5, and 2^32 / 5 = 858,993,459.2: (x + .5) is below it up to x = ..458.
        assert!(is_one(858_993_458, 51));
        assert!(!is_one(858_993_459, 51));
    }

    /// Leaving out certain blocks changes nothing; an odd end is drawn too.
    #[test]
    fn a_draw_is_what_its_definition_says() {
        let stream = Stream::new("test", 0);
        let grey: Vec<u8> = (0..785_u32)
            .map(|i| if i % 50 < 30 { 0 } else { (i * 7 % 256) as u8 })
            .collect();
        let mut drawn = vec![7_u8; 785];
        bernoulli(&stream, 4, 9, &grey, &mut drawn);
        for (p, &one) in drawn.iter().enumerate() {
            let x = stream.block(4, 9, p as u32 / 4)[p % 4];
            let u = (f64::from(x) + 0.5) / 4_294_967_296.0;
            assert_eq!(one, u8::from(u < f64::from(grey[p]) / 255.0));
        }
    }
}
