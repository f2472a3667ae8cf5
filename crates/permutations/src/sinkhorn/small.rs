//! Many small square matrices on the host: a block of them at a time, by the kernels that put each into a lane of the CPU's registers.

use super::host::{PullBack, Solved, least};
use rayon::prelude::*;
use unbiased_kernels::balance::{
    SMALL, SMALL_TOGETHER, SmallSolution, small_pull_back, small_sweeps, small_trace,
};

/// Whether matrices of this shape are small.
pub(super) fn takes([n, m]: [usize; 2]) -> bool {
    n == m && n <= SMALL
}

/// Balances `[batch, n, n]` scores from the columns' potentials `[batch, n]` on. Without `keep` nothing is kept for the gradient.
pub(super) fn solve(
    scores: &[f32],
    n: usize,
    start: Option<&[f32]>,
    iterations: usize,
    keep: bool,
) -> Solved<f32> {
    let batch = scores.len() / (n * n);
    let mut solved = Solved::new(batch, [n, n]);
    solved.iterations = vec![iterations; batch];
    solved.errors = vec![0.0; batch];
    let [lines, entries] = [n, n * n].map(|size| size * SMALL_TOGETHER);
    let blocks = scores
        .par_chunks(entries)
        .zip(solved.plan.par_chunks_mut(entries))
        .zip(solved.f.par_chunks_mut(lines))
        .zip(solved.g.par_chunks_mut(lines))
        .zip(solved.errors.par_chunks_mut(SMALL_TOGETHER))
        .enumerate()
        .with_min_len(blocks_per_task(batch, n, iterations));
    let traces: Vec<Vec<f32>> = blocks
        .map(|(block, ((((scores, plan), f), g), errors))| {
            let mut trace = keep.then(|| vec![0.0; small_trace(n, iterations)]);
            small_sweeps(
                n,
                scores,
                of_block(start, block, lines),
                iterations,
                SmallSolution { plan, f, g, errors },
                trace.as_deref_mut(),
            );
            trace.unwrap_or_default()
        })
        .collect();
    if keep {
        solved.pull_back = pull_back(traces, n, start.map(<[f32]>::to_vec), iterations);
    }
    solved
}

fn pull_back(
    traces: Vec<Vec<f32>>,
    n: usize,
    start: Option<Vec<f32>>,
    iterations: usize,
) -> PullBack<f32> {
    let [lines, entries] = [n, n * n].map(|size| size * SMALL_TOGETHER);
    Box::new(move |scores, z| {
        scores
            .par_chunks(entries)
            .zip(z.par_chunks_mut(entries))
            .zip(&traces)
            .enumerate()
            .with_min_len(blocks_per_task(scores.len() / (n * n), n, iterations))
            .for_each(|(block, ((scores, z), trace))| {
                let start = of_block(start.as_deref(), block, lines);
                small_pull_back(n, scores, start, trace, z);
            });
    })
}

fn of_block(start: Option<&[f32]>, block: usize, lines: usize) -> Option<&[f32]> {
    start.and_then(|start| start.chunks(lines).nth(block))
}

fn blocks_per_task(batch: usize, n: usize, iterations: usize) -> usize {
    least(batch, [n, n], iterations).div_ceil(SMALL_TOGETHER)
}
