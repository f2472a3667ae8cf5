//! Lists to sort, and permutations of puzzle pieces.

use unbiased_kernels::substream;
use unbiased_models::jigsaw::shuffle;
use unbiased_models::sorting::{Interval, lists};

use super::{Drawn, Generator, Request};
use crate::data::{DataError, npy};

/// Numbers in a list.
const LENGTHS: [usize; 6] = [5, 10, 15, 80, 100, 120];
/// What they are uniform over.
const INTERVALS: [Interval; 7] = [
    Interval(0.0, 1.0),
    Interval(0.0, 10.0),
    Interval(0.0, 1000.0),
    Interval(1.0, 2.0),
    Interval(10.0, 11.0),
    Interval(100.0, 101.0),
    Interval(1000.0, 1001.0),
];

/// One file `[lists, numbers]` for each length and interval.
pub(super) fn sorting(generator: &Generator, request: &Request<'_>) -> Result<Drawn, DataError> {
    let key = generator.stream(request).key();
    let mut files = Vec::new();
    for n in LENGTHS {
        for (number, interval) in INTERVALS.into_iter().enumerate() {
            let stream = substream(substream(key, n as u64), number as u64);
            let values = lists(interval, n, request.n, stream);
            let mut bytes = Vec::new();
            npy::write(&mut bytes, &[request.n, n], &values).expect("memory takes everything");
            let Interval(low, high) = interval;
            files.push(request.write(&format!("n{n}-from{low}-to{high}.npy"), &bytes)?);
        }
    }
    Ok(Drawn {
        files,
        yardstick: "sorting is exact: no error is unavoidable; a random order has Kendall tau 0"
            .into(),
    })
}

/// One file for each number of pieces a side: where the shuffled pieces of picture i belong, as a JSON list a line.
pub(super) fn jigsaw(generator: &Generator, request: &Request<'_>) -> Result<Drawn, DataError> {
    let key = generator.stream(request).key();
    let mut files = Vec::new();
    for side in 2..=6_usize {
        let stream = substream(key, side as u64);
        let line = |i: usize| {
            let order = shuffle(side * side, substream(stream, i as u64));
            format!("{order:?}\n")
        };
        let lines: String = (0..request.n).map(line).collect();
        files.push(request.write(&format!("{side}x{side}.jsonl"), lines.as_bytes())?);
    }
    Ok(Drawn {
        files,
        yardstick: "a random order puts one piece in its place on average, whatever their number"
            .into(),
    })
}
