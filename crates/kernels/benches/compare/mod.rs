//! What the benchmarks of layers share: candidates that take turns, and the line they print.

use burn::tensor::{Device, Tensor, TensorData};
use std::time::Instant;

/// As in the program: the system's allocator gives large blocks back at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 20;

/// Uniform in (−1, 1), plain.
pub(crate) fn numbers<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let values = (0..shape.iter().product()).map(next).collect::<Vec<f32>>();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

pub(crate) type Candidate<'a> = (&'a str, Box<dyn FnMut() + 'a>);

/// Above the lines.
pub(crate) fn heading() {
    println!("{:9} {:44} {:>9} {:>9}", "", "case", "median", "min");
}

/// Runs the candidates in turn and prints the median and the minimum of each in milliseconds. The first argument of the program picks the
/// cases whose name contains it, the second one the candidates.
pub(crate) fn compare(case: &str, mut candidates: Vec<Candidate<'_>>) {
    let mut arguments = std::env::args().skip(1).filter(|a| !a.starts_with("--"));
    if !case.contains(&arguments.next().unwrap_or_default()) {
        return;
    }
    let wanted = arguments.next().unwrap_or_default();
    candidates.retain(|(name, _)| name.contains(&wanted));
    let mut times = vec![Vec::new(); candidates.len()];
    for round in 0..ROUNDS + 3 {
        for ((_, run), times) in candidates.iter_mut().zip(&mut times) {
            let start = Instant::now();
            run();
            if round >= 3 {
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    for ((name, _), times) in candidates.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        println!(
            "{name:9} {case:44} {:9.3} {:9.3}",
            times[times.len() / 2],
            times[0]
        );
    }
}
