//! Sinkhorn balancing of many small square matrices, a matrix in each lane: see [`crate::balance`] for what is computed.
//!
//! From the scores the largest one of each row is taken first, so that a number common to a row costs no digits. A matrix whose scores then lie close
//! together is balanced by factors of its entries, with no exponential in the iterations ([`Factors`]); others by logarithms ([`Logs`]), so that
//! neither temperature nor forbidden pairs matter. That depends on the matrix alone and not on those beside it.

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

/// Some of the matrices.
type Members = [bool; SMALL_TOGETHER];

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
fn from_lanes(lanes: &[Lanes], members: &Members, matrices: &mut [f32]) {
    for (l, matrix) in matrices.chunks_exact_mut(lanes.len()).enumerate() {
        if members[l] {
            for (lanes, x) in lanes.iter().zip(matrix) {
                *x = lanes[l];
            }
        }
    }
}

/// Keeps iterates of members.
#[inline(always)]
fn keep(lanes: &[Lanes], members: &Members, kept: &mut [f32]) {
    if !members.contains(&false) {
        return kept.copy_from_slice(lanes.as_flattened());
    }
    let (kept, _) = kept.as_chunks_mut::<SMALL_TOGETHER>();
    for (kept, lanes) in kept.iter_mut().zip(lanes) {
        for l in 0..SMALL_TOGETHER {
            kept[l] = if members[l] { lanes[l] } else { kept[l] };
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

/// How scores and potentials are held.
trait Form {
    /// From logarithms, and back.
    fn of_log<const FMA: bool>(x: f32) -> f32;
    fn log<const FMA: bool>(x: f32) -> f32;
    /// What makes the sum of a line 1, from its entries and the potentials of the lines across.
    fn potential<const FMA: bool, const N: usize>(entries: [f32; N], across: [f32; N]) -> f32;
    /// An entry of the plan.
    fn plan<const FMA: bool>(entry: f32, f: f32, g: f32) -> f32;
}

/// As they are.
struct Logs;

impl Form for Logs {
    #[inline(always)]
    fn of_log<const FMA: bool>(x: f32) -> f32 {
        x
    }
    #[inline(always)]
    fn log<const FMA: bool>(x: f32) -> f32 {
        x
    }
    #[inline(always)]
    fn potential<const FMA: bool, const N: usize>(entries: [f32; N], across: [f32; N]) -> f32 {
        potential::<FMA, N>(core::array::from_fn(|at| entries[at] + across[at]))
    }
    #[inline(always)]
    fn plan<const FMA: bool>(entry: f32, f: f32, g: f32) -> f32 {
        scalar::exp_nonpositive::<FMA>(entry + f + g)
    }
}

/// Their exponentials. Sums of positive numbers lose no digits, so this is as exact as logarithms while it stays within the range of the numbers.
///
/// Scores of a row are R = [`CLOSE`] apart at most, and so are the g of the balanced matrix, which can be chosen within R/2 of 0. An iteration brings
/// g no further from them, being monotone and moving along with what is added to all of g; it began within R + R/2. So |g| ≤ 2R, |f| ≤ 3R + ln N, and
/// all products below are between `e^−(3R + ln N)` and `e^(3R + ln N)`, where the numbers go from e^−87 to e^88.
struct Factors;

const CLOSE: f32 = 25.0;

impl Form for Factors {
    #[inline(always)]
    fn of_log<const FMA: bool>(x: f32) -> f32 {
        scalar::exp::<FMA>(x)
    }
    #[inline(always)]
    fn log<const FMA: bool>(x: f32) -> f32 {
        scalar::log::<FMA>(x)
    }
    #[inline(always)]
    fn potential<const FMA: bool, const N: usize>(entries: [f32; N], across: [f32; N]) -> f32 {
        let mut sum = 0.0;
        for at in 0..N {
            sum = scalar::fma::<FMA>(entries[at], across[at], sum);
        }
        1.0 / sum
    }
    #[inline(always)]
    fn plan<const FMA: bool>(entry: f32, f: f32, g: f32) -> f32 {
        (entry * g) * f
    }
}

/// Scores, with the largest one of each row taken from it, and the columns' potentials to begin with.
struct Scores<const N: usize> {
    k: Entries<N>,
    tops: Lines<N>,
    start: Lines<N>,
}

impl<const N: usize> Scores<N> {
    #[inline(always)]
    fn new(matrices: &[f32], start: Option<&[f32]>) -> Self {
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
        let mut g = [NONE; N];
        if let Some(start) = start {
            to_lanes(start, &mut g);
        }
        Self { k, tops, start: g }
    }

    /// The matrices for which factors will do; not those with NaN.
    #[inline(always)]
    fn close(&self) -> Members {
        let mut close = [true; SMALL_TOGETHER];
        for k in self.k.as_flattened() {
            for l in 0..SMALL_TOGETHER {
                close[l] &= k[l] >= -CLOSE;
            }
        }
        for g in &self.start {
            for l in 0..SMALL_TOGETHER {
                close[l] &= g[l].abs() <= CLOSE;
            }
        }
        close
    }

    /// Of members; the others are filled up with zeros.
    #[inline(always)]
    fn held_by<F: Form, const FMA: bool>(&self, members: &Members) -> (Entries<N>, Lines<N>) {
        let hold = |x: &mut Lanes| {
            for l in 0..SMALL_TOGETHER {
                x[l] = F::of_log::<FMA>(if members[l] { x[l] } else { 0.0 });
            }
        };
        let (mut k, mut start) = (self.k, self.start);
        k.as_flattened_mut().iter_mut().for_each(hold);
        start.iter_mut().for_each(hold);
        (k, start)
    }
}

/// Runs `$self.with` by the form that each matrix asks for.
macro_rules! by_form {
    ($self:expr, $fma:ident) => {{
        let scores = Scores::<N>::new($self.scores, $self.start);
        let close = scores.close();
        if close.contains(&true) {
            $self.with::<Factors, $fma>(&scores, &close);
        }
        if close.contains(&false) {
            $self.with::<Logs, $fma>(&scores, &close.map(|close| !close));
        }
    }};
}

#[inline(always)]
fn row_potentials<F: Form, const FMA: bool, const N: usize>(
    k: &Entries<N>,
    g: &Lines<N>,
    f: &mut Lines<N>,
) {
    for (row, f) in k.iter().zip(f) {
        for l in 0..SMALL_TOGETHER {
            let entries = core::array::from_fn(|j| row[j][l]);
            f[l] = F::potential::<FMA, N>(entries, core::array::from_fn(|j| g[j][l]));
        }
    }
}

#[inline(always)]
fn column_potentials<F: Form, const FMA: bool, const N: usize>(
    k: &Entries<N>,
    f: &Lines<N>,
    g: &mut Lines<N>,
) {
    for (j, g) in g.iter_mut().enumerate() {
        for l in 0..SMALL_TOGETHER {
            let entries = core::array::from_fn(|i| k[i][j][l]);
            g[l] = F::potential::<FMA, N>(entries, core::array::from_fn(|i| f[i][l]));
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
    fn run<const FMA: bool>(mut self) {
        by_form!(self, FMA);
    }
}

impl<const N: usize> Sweeps<'_, N> {
    #[inline(always)]
    fn with<F: Form, const FMA: bool>(&mut self, scores: &Scores<N>, members: &Members) {
        let (k, mut g) = scores.held_by::<F, FMA>(members);
        let mut f = [NONE; N];
        let step = 2 * N * SMALL_TOGETHER;
        let trace = self.trace.as_mut();
        let mut kept = trace.map(|trace| trace.chunks_exact_mut(step));
        for _ in 0..self.iterations {
            row_potentials::<F, FMA, N>(&k, &g, &mut f);
            column_potentials::<F, FMA, N>(&k, &f, &mut g);
            if let Some(kept) = kept.as_mut().and_then(Iterator::next) {
                let (kept_f, kept_g) = kept.split_at_mut(step / 2);
                keep(&f, members, kept_f);
                keep(&g, members, kept_g);
            }
        }
        let mut plan = [[NONE; N]; N];
        let mut errors = NONE;
        for (i, plan) in plan.iter_mut().enumerate() {
            for l in 0..SMALL_TOGETHER {
                let mut sum = 0.0;
                for j in 0..N {
                    let p = F::plan::<FMA>(k[i][j][l], f[i][l], g[j][l]);
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
                *f = F::log::<FMA>(*f) - top;
            }
        }
        for g in g.as_flattened_mut() {
            *g = F::log::<FMA>(*g);
        }
        from_lanes(plan.as_flattened(), members, self.solution.plan);
        from_lanes(&f, members, self.solution.f);
        from_lanes(&g, members, self.solution.g);
        from_lanes(&[errors], members, self.solution.errors);
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
    fn run<const FMA: bool>(mut self) {
        by_form!(self, FMA);
    }
}

impl<const N: usize> PullBack<'_, N> {
    #[inline(always)]
    fn with<F: Form, const FMA: bool>(&mut self, scores: &Scores<N>, members: &Members) {
        let (k, start) = scores.held_by::<F, FMA>(members);
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
                .map_or(&start, |before| lines(&before[half..]));
            for i in 0..N {
                for l in 0..SMALL_TOGETHER {
                    let mut slope = w[i][l];
                    for j in 0..N {
                        let p = F::plan::<FMA>(k[i][j][l], f[i][l], g[j][l]);
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
                        let p = F::plan::<FMA>(k[i][j][l], f[i][l], before[j][l]);
                        let taken = p * w[i][l];
                        slope -= taken;
                        out[i][j][l] -= taken;
                    }
                    x[j][l] = slope;
                }
            }
            w = [NONE; N];
        }
        from_lanes(out.as_flattened(), members, self.z);
    }
}
