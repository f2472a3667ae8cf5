//! A fixed number of plain iterations on the device of the scores, without a decision on the host: by kernels where there are some for it, in
//! tensor operations everywhere.

mod composed;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod fused;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod kernels;

use super::Parts;
use burn::tensor::Tensor;
use core::cmp::Ordering;
use std::sync::Arc;

/// All iterates of a batch, without slack lines or with them.
trait Iterates: Send + Sync {
    /// Potentials of the last iterate, `[batch, rows, 1]` and `[batch, 1, columns]`.
    fn potentials(&self) -> [Tensor<3>; 2];

    /// The gradient towards the scores from Z = P∘∂l/∂P, as in `gradient.rs` but with both matrices of every iteration from the potentials.
    fn pull_back(&self, z: Tensor<3>) -> Tensor<3>;
}

/// Scores to be balanced from the columns' first potentials on: `[batch, rows, columns]` and `[batch, 1, columns]`.
struct Problem {
    scores: Tensor<3>,
    first: Tensor<3>,
    iterations: usize,
    /// The sums of the last row and of the last column; those of the others are 1.
    last_sums: [f64; 2],
}

impl Problem {
    fn composed(self) -> Arc<dyn Iterates> {
        Arc::new(composed::Sweeps::new(self))
    }

    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    fn fused(self) -> Arc<dyn Iterates> {
        match fused::Sweeps::new(self) {
            Ok(sweeps) => Arc::new(sweeps),
            Err(problem) => problem.composed(),
        }
    }

    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    fn fused(self) -> Arc<dyn Iterates> {
        self.composed()
    }
}

/// By the kernels of the device if it has them.
pub(super) fn fused(k: Tensor<3>, start: Option<Tensor<3>>, iterations: usize) -> Parts {
    solve(k, start, iterations, Problem::fused)
}

/// In tensor operations.
pub(super) fn composed(k: Tensor<3>, start: Option<Tensor<3>>, iterations: usize) -> Parts {
    solve(k, start, iterations, Problem::composed)
}

fn solve(
    k: Tensor<3>,
    start: Option<Tensor<3>>,
    iterations: usize,
    by: fn(Problem) -> Arc<dyn Iterates>,
) -> Parts {
    let [batch, n, m] = k.dims();
    let like = (&k.device(), k.dtype());
    let start = start.unwrap_or_else(|| Tensor::zeros([batch, 1, m], like));
    let scores = with_slack(k);
    let last_sums = [m.saturating_sub(n), n.saturating_sub(m)].map(|sum| sum.max(1) as f64);
    let sweeps = by(Problem {
        scores: scores.clone(),
        first: if m < n {
            Tensor::cat(vec![start, Tensor::zeros([batch, 1, 1], like)], 2)
        } else {
            start
        },
        iterations,
        last_sums,
    });
    let [f, g] = sweeps.potentials();
    let plan = (scores + f.clone() + g.clone()).exp();
    let errors = errors(&plan, last_sums).into_data().convert::<f64>();
    Parts {
        errors: errors.try_into_vec::<f64>().expect("converted"),
        plan: first_lines(first_lines(plan, 1, n), 2, m),
        f: first_lines(f, 1, n),
        g: first_lines(g, 2, m),
        iterations: vec![iterations; batch],
        pull_back: Arc::new(move |z| {
            let slope = sweeps.pull_back(with_slack(z));
            first_lines(first_lines(slope, 1, n), 2, m)
        }),
    }
}

/// The largest deviation of the sum of a line from what it shall be. Columns are exact, but for one without allowed pairs.
fn errors(plan: &Tensor<3>, last_sums: [f64; 2]) -> Tensor<3> {
    let [rows, columns] = [(2, 1), (1, 2)].map(|(axis, lines)| {
        let sums = plan.clone().sum_dim(axis);
        let last_sum = last_sums[lines - 1];
        let off = change_last(sums, lines, last_sum, |sum, shall| sum - (shall - 1.0)) - 1.0;
        off.abs().max_dim(lines)
    });
    rows.max_pair(columns)
}

/// Without a slack line.
fn first_lines(x: Tensor<3>, axis: usize, lines: usize) -> Tensor<3> {
    if x.dims()[axis] == lines {
        x
    } else {
        x.narrow(axis, 0, lines)
    }
}

/// Another last line along an axis, where its sum is not 1.
fn change_last(
    x: Tensor<3>,
    axis: usize,
    sum: f64,
    change: fn(Tensor<3>, f64) -> Tensor<3>,
) -> Tensor<3> {
    if sum == 1.0 {
        return x;
    }
    let lines = x.dims()[axis];
    let before = x.clone().narrow(axis, 0, lines - 1);
    let last = x.narrow(axis, lines - 1, 1);
    Tensor::cat(vec![before, change(last, sum)], axis)
}

/// A line of zeros more on the shorter side: it takes what is left over on the longer one.
fn with_slack(x: Tensor<3>) -> Tensor<3> {
    let [batch, n, m] = x.dims();
    let like = (&x.device(), x.dtype());
    match n.cmp(&m) {
        Ordering::Less => Tensor::cat(vec![x, Tensor::zeros([batch, 1, m], like)], 1),
        Ordering::Greater => Tensor::cat(vec![x, Tensor::zeros([batch, n, 1], like)], 2),
        Ordering::Equal => x,
    }
}
