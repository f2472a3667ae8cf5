//! A fixed number of plain iterations in tensor operations: what runs on devices other than the host's, and what the rest is tested against.

use burn::tensor::Tensor;

/// The potentials of all iterates of a batch: `f` and `g` of shapes `[batch, n, 1]` and `[batch, 1, m]`, with the slack line.
pub(super) struct Sweeps {
    scores: Tensor<3>,
    /// Slack lines: `[rows, columns]` more than the scores had, and how much they take.
    slack: [usize; 2],
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

/// The last line along an axis times a number.
fn scale_last(x: Tensor<3>, axis: usize, by: f64) -> Tensor<3> {
    let lines = x.dims()[axis];
    let (before, last) = (
        x.clone().narrow(axis, 0, lines - 1),
        x.narrow(axis, lines - 1, 1),
    );
    Tensor::cat(vec![before, last * by], axis)
}

/// A line of zeros more on the shorter side.
fn with_slack(x: Tensor<3>) -> Tensor<3> {
    let [batch, n, m] = x.dims();
    let device = (&x.device(), x.dtype());
    match n.cmp(&m) {
        core::cmp::Ordering::Less => Tensor::cat(vec![x, Tensor::zeros([batch, 1, m], device)], 1),
        core::cmp::Ordering::Greater => {
            Tensor::cat(vec![x, Tensor::zeros([batch, n, 1], device)], 2)
        }
        core::cmp::Ordering::Equal => x,
    }
}

impl Sweeps {
    /// `[batch, n, m]`, and the columns' first potentials, `[batch, 1, m]`.
    pub(super) fn new(scores: Tensor<3>, g: Tensor<3>, iterations: usize) -> Self {
        let [_, n, m] = scores.dims();
        let slack = [m.saturating_sub(n), n.saturating_sub(m)];
        let [slack_row, slack_column] = slack.map(|size| (size as f64).ln());
        let scores = with_slack(scores);
        let g = if slack[1] > 0 {
            let [batch, ..] = g.dims();
            let zero = Tensor::zeros([batch, 1, 1], (&g.device(), g.dtype()));
            Tensor::cat(vec![g, zero], 2)
        } else {
            g
        };
        let (mut fs, mut gs) = (Vec::new(), vec![g]);
        for t in 0..iterations {
            let f = log_sum(scores.clone() + gs[t].clone(), 2).neg();
            let f = add_to_last(f, 1, slack[0] > 0, slack_row);
            let g = log_sum(scores.clone() + f.clone(), 1).neg();
            gs.push(add_to_last(g, 2, slack[1] > 0, slack_column));
            fs.push(f);
        }
        Self {
            scores,
            slack,
            f: fs,
            g: gs,
        }
    }

    /// The potentials of the last iterate, without slack.
    pub(super) fn potentials(&self) -> [Tensor<3>; 2] {
        let [_, rows, columns] = self.scores.dims();
        let [n, m] = [
            rows - usize::from(self.slack[0] > 0),
            columns - usize::from(self.slack[1] > 0),
        ];
        let last = |x: &[Tensor<3>]| x.last().expect("at least one iteration").clone();
        [last(&self.f).narrow(1, 0, n), last(&self.g).narrow(2, 0, m)]
    }

    /// The gradient from Z = P∘∂l/∂P, as in `gradient.rs` but with both matrices of every iteration from the potentials.
    pub(super) fn pull_back(&self, z: Tensor<3>) -> Tensor<3> {
        let [_, n, m] = z.dims();
        let mut out = with_slack(z);
        let [mut slope_f, mut slope_g] = [2, 1].map(|axis| out.clone().sum_dim(axis));
        let [a, b] = self.slack.map(|size| 1.0 / size as f64);
        for (t, f) in self.f.iter().enumerate().rev() {
            let plan = |g: &Tensor<3>| (self.scores.clone() + f.clone() + g.clone()).exp();
            let mut x = slope_g;
            if self.slack[1] > 0 {
                x = scale_last(x, 2, b);
            }
            let taken = plan(&self.g[t + 1]) * x;
            slope_f = slope_f - taken.clone().sum_dim(2);
            out = out - taken;
            let mut w = slope_f.clone();
            if self.slack[0] > 0 {
                w = scale_last(w, 1, a);
            }
            let taken = plan(&self.g[t]) * w;
            slope_g = taken.clone().sum_dim(1).neg();
            slope_f = slope_f.zeros_like();
            out = out - taken;
        }
        out.narrow(1, 0, n).narrow(2, 0, m)
    }
}

fn add_to_last(x: Tensor<3>, axis: usize, wanted: bool, amount: f64) -> Tensor<3> {
    if !wanted {
        return x;
    }
    let lines = x.dims()[axis];
    let before = x.clone().narrow(axis, 0, lines - 1);
    Tensor::cat(vec![before, x.narrow(axis, lines - 1, 1) + amount], axis)
}
