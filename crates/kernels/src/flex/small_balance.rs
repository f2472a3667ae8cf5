//! Sinkhorn balancing of many small square matrices, a matrix in each lane: see [`crate::balance`] for what is computed.
//!
//! With a line of N ≤ 8 numbers per lane there is nothing to be gained from factors: everything is done with logarithms, so that the
//! temperature does not matter. From the scores the largest one of each row is taken first, so that a number common to a row costs no digits.

use super::isa::{Isa, Task};
use super::scalar;
use crate::balance::{SMALL_TOGETHER, SmallSolution};

/// A number of each matrix.
type Lanes = [f32; SMALL_TOGETHER];
/// A number for each line of each matrix.
type Lines<const N: usize> = [Lanes; N];
/// A number for each entry of each matrix.
type Entries<const N: usize> = [Lines<N>; N];

const NONE: Lanes = [0.0; SMALL_TOGETHER];

/// Enters the code for a size.
macro_rules! sized {
    ($n:expr, $isa:expr, $task:ident { $($field:ident),* }) => {
        match $n {
            1 => $isa.run($task::<1> { $($field),* }),
            2 => $isa.run($task::<2> { $($field),* }),
            3 => $isa.run($task::<3> { $($field),* }),
            4 => $isa.run($task::<4> { $($field),* }),
            5 => $isa.run($task::<5> { $($field),* }),
            6 => $isa.run($task::<6> { $($field),* }),
            7 => $isa.run($task::<7> { $($field),* }),
            8 => $isa.run($task::<8> { $($field),* }),
            _ => panic!("small matrices have 1 to 8 rows, got {}", $n),
        }
    };
}

pub(crate) fn sweeps(
    isa: Isa,
    n: usize,
    scores: &[f32],
    start: Option<&[f32]>,
    iterations: usize,
    solution: SmallSolution<'_>,
    trace: Option<&mut [f32]>,
) {
    sized!(
        n,
        isa,
        Sweeps {
            scores,
            start,
            iterations,
            solution,
            trace
        }
    );
}

pub(crate) fn pull_back(
    isa: Isa,
    n: usize,
    scores: &[f32],
    start: Option<&[f32]>,
    trace: &[f32],
    z: &mut [f32],
) {
    sized!(
        n,
        isa,
        PullBack {
            scores,
            start,
            trace,
            z
        }
    );
}

/// From matrices one after the other to lanes; those without a matrix are 0.
#[inline(always)]
fn to_lanes(matrices: &[f32], lanes: &mut [Lanes]) {
    for (l, matrix) in matrices.chunks_exact(lanes.len()).enumerate() {
        for (lanes, x) in lanes.iter_mut().zip(matrix) {
            lanes[l] = *x;
        }
    }
}

#[inline(always)]
fn from_lanes(lanes: &[Lanes], matrices: &mut [f32]) {
    for (l, matrix) in matrices.chunks_exact_mut(lanes.len()).enumerate() {
        for (lanes, x) in lanes.iter().zip(matrix) {
            *x = lanes[l];
        }
    }
}

/// The largest number, NaN left aside; 0 if it is −∞.
#[inline(always)]
fn finite_top<const N: usize>(x: [f32; N]) -> f32 {
    let top = x
        .iter()
        .fold(f32::NEG_INFINITY, |top, &x| if x > top { x } else { top });
    if top == f32::NEG_INFINITY { 0.0 } else { top }
}

/// `−ln Σ exp`, and 0 for a line without allowed pairs.
#[inline(always)]
fn potential<const FMA: bool, const N: usize>(x: [f32; N]) -> f32 {
    let top = finite_top(x);
    let mut sum = 0.0;
    for x in x {
        sum += scalar::exp_nonpositive::<FMA>(x - top);
    }
    if sum == 0.0 {
        0.0
    } else {
        -(top + scalar::log::<FMA>(sum))
    }
}

/// Scores, with the largest one of each row taken from it.
struct Scores<const N: usize> {
    k: Entries<N>,
    tops: Lines<N>,
}

impl<const N: usize> Scores<N> {
    #[inline(always)]
    fn new(matrices: &[f32]) -> Self {
        let mut k = [[NONE; N]; N];
        to_lanes(matrices, k.as_flattened_mut());
        let mut tops = [NONE; N];
        for (row, tops) in k.iter_mut().zip(&mut tops) {
            for l in 0..SMALL_TOGETHER {
                let top = finite_top::<N>(core::array::from_fn(|j| row[j][l]));
                tops[l] = top;
                for k in row.iter_mut() {
                    k[l] -= top;
                }
            }
        }
        Self { k, tops }
    }

    #[inline(always)]
    fn row_potentials<const FMA: bool>(&self, g: &Lines<N>, f: &mut Lines<N>) {
        for (row, f) in self.k.iter().zip(f) {
            for l in 0..SMALL_TOGETHER {
                f[l] = potential::<FMA, N>(core::array::from_fn(|j| row[j][l] + g[j][l]));
            }
        }
    }

    #[inline(always)]
    fn column_potentials<const FMA: bool>(&self, f: &Lines<N>, g: &mut Lines<N>) {
        for (j, g) in g.iter_mut().enumerate() {
            for l in 0..SMALL_TOGETHER {
                g[l] = potential::<FMA, N>(core::array::from_fn(|i| self.k[i][j][l] + f[i][l]));
            }
        }
    }
}

struct Sweeps<'a, const N: usize> {
    scores: &'a [f32],
    start: Option<&'a [f32]>,
    iterations: usize,
    solution: SmallSolution<'a>,
    trace: Option<&'a mut [f32]>,
}

impl<const N: usize> Task for Sweeps<'_, N> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let scores = Scores::<N>::new(self.scores);
        let (mut f, mut g) = ([NONE; N], [NONE; N]);
        if let Some(start) = self.start {
            to_lanes(start, &mut g);
        }
        let step = 2 * N * SMALL_TOGETHER;
        let mut kept = self.trace.map(|trace| trace.chunks_exact_mut(step));
        for _ in 0..self.iterations {
            scores.row_potentials::<FMA>(&g, &mut f);
            scores.column_potentials::<FMA>(&f, &mut g);
            if let Some(kept) = kept.as_mut().and_then(Iterator::next) {
                let (kept_f, kept_g) = kept.split_at_mut(step / 2);
                kept_f.copy_from_slice(f.as_flattened());
                kept_g.copy_from_slice(g.as_flattened());
            }
        }
        let mut plan = [[NONE; N]; N];
        let mut errors = NONE;
        for (i, plan) in plan.iter_mut().enumerate() {
            for l in 0..SMALL_TOGETHER {
                let mut sum = 0.0;
                for j in 0..N {
                    let p = scalar::exp_nonpositive::<FMA>(scores.k[i][j][l] + f[i][l] + g[j][l]);
                    plan[j][l] = p;
                    sum += p;
                }
                let error = (sum - 1.0_f32).abs();
                // Written so that NaN stays.
                errors[l] = if error < errors[l] { errors[l] } else { error };
            }
        }
        for j in 0..N {
            for l in 0..SMALL_TOGETHER {
                let mut sum = 0.0;
                for plan in &plan {
                    sum += plan[j][l];
                }
                errors[l] = if sum == 0.0 && errors[l] < 1.0 {
                    1.0
                } else {
                    errors[l]
                };
            }
        }
        for (f, top) in f.iter_mut().zip(&scores.tops) {
            for (f, top) in f.iter_mut().zip(top) {
                *f -= top;
            }
        }
        from_lanes(plan.as_flattened(), self.solution.plan);
        from_lanes(&f, self.solution.f);
        from_lanes(&g, self.solution.g);
        let count = self.solution.errors.len();
        self.solution.errors.copy_from_slice(&errors[..count]);
    }
}

struct PullBack<'a, const N: usize> {
    scores: &'a [f32],
    start: Option<&'a [f32]>,
    trace: &'a [f32],
    z: &'a mut [f32],
}

/// The lanes of one iterate in a trace.
#[inline(always)]
fn lines<const N: usize>(kept: &[f32]) -> &Lines<N> {
    let (lanes, _) = kept.as_chunks::<SMALL_TOGETHER>();
    lanes.first_chunk().expect("a trace of this size")
}

impl<const N: usize> Task for PullBack<'_, N> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Scores { k, .. } = Scores::<N>::new(self.scores);
        let mut first = [NONE; N];
        if let Some(start) = self.start {
            to_lanes(start, &mut first);
        }
        let mut out = [[NONE; N]; N];
        to_lanes(self.z, out.as_flattened_mut());
        // The slopes towards the potentials of rows and of columns.
        let (mut w, mut x) = ([NONE; N], [NONE; N]);
        for i in 0..N {
            for j in 0..N {
                for l in 0..SMALL_TOGETHER {
                    w[i][l] += out[i][j][l];
                    x[j][l] += out[i][j][l];
                }
            }
        }
        let half = N * SMALL_TOGETHER;
        let mut iterates = self.trace.chunks_exact(2 * half).rev().peekable();
        while let Some(iterate) = iterates.next() {
            let (f, g) = (lines::<N>(iterate), lines::<N>(&iterate[half..]));
            let before = iterates
                .peek()
                .map_or(&first, |before| lines(&before[half..]));
            for i in 0..N {
                for l in 0..SMALL_TOGETHER {
                    let mut slope = w[i][l];
                    for j in 0..N {
                        let p = scalar::exp_nonpositive::<FMA>(k[i][j][l] + f[i][l] + g[j][l]);
                        let taken = p * x[j][l];
                        slope -= taken;
                        out[i][j][l] -= taken;
                    }
                    w[i][l] = slope;
                }
            }
            for j in 0..N {
                for l in 0..SMALL_TOGETHER {
                    let mut slope = 0.0;
                    for i in 0..N {
                        let p = scalar::exp_nonpositive::<FMA>(k[i][j][l] + f[i][l] + before[j][l]);
                        let taken = p * w[i][l];
                        slope -= taken;
                        out[i][j][l] -= taken;
                    }
                    x[j][l] = slope;
                }
            }
            w = [NONE; N];
        }
        from_lanes(out.as_flattened(), self.z);
    }
}
