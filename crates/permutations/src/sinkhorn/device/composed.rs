//! The iterations in tensor operations: what runs on devices without kernels of their own, and what the rest is tested against.

use super::{Iterates, Problem, change_last};
use burn::tensor::Tensor;

/// The potentials of all iterates of a batch.
pub(super) struct Sweeps {
    scores: Tensor<3>,
    last_sums: [f64; 2],
    f: Vec<Tensor<3>>,
    /// One more than of `f`: the first are those that were given.
    g: Vec<Tensor<3>>,
}

/// `ln Σ exp` over an axis; 0 where every term is −∞, so that potentials stay finite.
fn log_sum(x: Tensor<3>, axis: usize) -> Tensor<3> {
    let top = x.clone().max_dim(axis);
    let idle = top.clone().equal_scalar(f64::NEG_INFINITY);
    let top = top.mask_fill(idle.clone(), 0.0);
    let sum = (x - top.clone()).exp().sum_dim(axis);
    (sum.log() + top).mask_fill(idle, 0.0)
}

impl Sweeps {
    pub(super) fn new(problem: Problem) -> Self {
        let Problem {
            scores,
            first,
            iterations,
            last_sums: [a, b],
        } = problem;
        let raise = |x, sum: f64| x + sum.ln();
        let (mut fs, mut gs) = (Vec::new(), vec![first]);
        for t in 0..iterations {
            let f = log_sum(scores.clone() + gs[t].clone(), 2).neg();
            let f = change_last(f, 1, a, raise);
            let g = log_sum(scores.clone() + f.clone(), 1).neg();
            gs.push(change_last(g, 2, b, raise));
            fs.push(f);
        }
        Self {
            scores,
            last_sums: [a, b],
            f: fs,
            g: gs,
        }
    }
}

impl Iterates for Sweeps {
    fn potentials(&self) -> [Tensor<3>; 2] {
        let last = |x: &[Tensor<3>]| x.last().expect("at least one iteration").clone();
        [last(&self.f), last(&self.g)]
    }

    fn pull_back(&self, z: Tensor<3>) -> Tensor<3> {
        let mut out = z;
        let [mut slope_f, mut slope_g] = [2, 1].map(|axis| out.clone().sum_dim(axis));
        let [a, b] = self.last_sums;
        for (t, f) in self.f.iter().enumerate().rev() {
            let plan = |g: &Tensor<3>| (self.scores.clone() + f.clone() + g.clone()).exp();
            let x = change_last(slope_g, 2, b, |x, sum| x / sum);
            let taken = plan(&self.g[t + 1]) * x;
            slope_f = slope_f - taken.clone().sum_dim(2);
            out = out - taken;
            let w = change_last(slope_f.clone(), 1, a, |w, sum| w / sum);
            let taken = plan(&self.g[t]) * w;
            slope_g = taken.clone().sum_dim(1).neg();
            slope_f = slope_f.zeros_like();
            out = out - taken;
        }
        out
    }
}
