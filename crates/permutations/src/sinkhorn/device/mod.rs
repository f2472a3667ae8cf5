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
    let sweeps = by(Problem {
        scores: with_slack(k.clone()),
        first: if m < n {
            Tensor::cat(vec![start, Tensor::zeros([batch, 1, 1], like)], 2)
        } else {
            start
        },
        iterations,
        last_sums: [m.saturating_sub(n).max(1), n.saturating_sub(m).max(1)].map(|sum| sum as f64),
    });
    let [f, g] = sweeps.potentials();
    let (f, g) = (f.narrow(1, 0, n), g.narrow(2, 0, m));
    let plan = (k + f.clone() + g.clone()).exp();
    let errors = (plan.clone().sum_dim(2) - 1.0).abs().max_dim(1);
    let errors = errors.into_data().convert::<f64>();
    Parts {
        errors: errors.try_into_vec::<f64>().expect("converted"),
        plan,
        f,
        g,
        iterations: vec![iterations; batch],
        pull_back: Arc::new(move |z| {
            let slope = sweeps.pull_back(with_slack(z));
            slope.narrow(1, 0, n).narrow(2, 0, m)
        }),
    }
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
