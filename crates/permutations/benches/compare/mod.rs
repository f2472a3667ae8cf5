//! Candidates that take turns, and the line they print.

use std::time::Instant;

/// As in the program: the system's allocator gives large blocks back at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Normal plus Gumbel, as the scores of a network with noise.
pub(crate) fn scores(count: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    };
    let mut score = || {
        let radius = (-2.0 * uniform().ln()).sqrt();
        let normal = radius * (core::f64::consts::TAU * uniform()).cos();
        (normal - (-uniform().ln()).ln()) as f32
    };
    (0..count).map(|_| score()).collect()
}

pub(crate) type Candidate<'a> = (&'a str, Box<dyn FnMut() + 'a>);

/// Runs the candidates in turn, for about a second each, and prints median and minimum in milliseconds. The first argument of the program
/// picks the cases whose name contains it.
pub(crate) fn compare(case: &str, mut candidates: Vec<Candidate<'_>>) {
    let mut arguments = std::env::args().skip(1).filter(|a| !a.starts_with("--"));
    if !case.contains(&arguments.next().unwrap_or_default()) {
        return;
    }
    let mut times = vec![Vec::new(); candidates.len()];
    let start = Instant::now();
    while times[0].len() < 30 && (start.elapsed().as_secs() < 2 || times[0].len() < 3) {
        for ((_, run), times) in candidates.iter_mut().zip(&mut times) {
            let start = Instant::now();
            run();
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    for ((name, _), times) in candidates.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let (median, least) = (times[times.len() / 2], times[0]);
        println!("{case:28} {name:24} {median:10.3} {least:10.3}");
    }
}
