//! A GRU over whole sequences as one operation: loops over slices. The graph side is in `gru_op`, the plan is that of `lstm`.

use super::isa::{Isa, Task};
use super::lstm::{Sizes, Steps, in_parts};
use super::panels::Packed;
use super::scalar::{self, fma};

/// The recurrent matrix, whose candidate columns are used apart from those of the gates.
#[derive(Debug)]
pub(super) struct Recurrent {
    /// Reset and update gates: `[h, 2 h]`, or its transpose.
    pub(super) gates: Packed,
    /// Candidate: `[h, h]`, or its transpose.
    pub(super) candidate: Packed,
}

impl Recurrent {
    /// For the forward pass, from `[h, 3 h]`.
    pub(super) fn new(matrix: &[f32], hidden: usize) -> Self {
        let [gates, candidate] = split(matrix, hidden);
        Self {
            gates: Packed::new(&gates, hidden, 2 * hidden),
            candidate: Packed::new(&candidate, hidden, hidden),
        }
    }

    /// For the backward pass, from `[h, 3 h]`.
    pub(super) fn transposed(matrix: &[f32], hidden: usize) -> Self {
        let [gates, candidate] = split(matrix, hidden);
        Self {
            gates: Packed::transposed(&gates, 2 * hidden, hidden),
            candidate: Packed::transposed(&candidate, hidden, hidden),
        }
    }
}

/// The first two thirds and the last third of the columns.
fn split(matrix: &[f32], hidden: usize) -> [Vec<f32>; 2] {
    let (mut gates, mut candidate) = (Vec::new(), Vec::new());
    for row in matrix.chunks_exact(3 * hidden) {
        let (left, right) = row.split_at(2 * hidden);
        gates.extend_from_slice(left);
        candidate.extend_from_slice(right);
    }
    [gates, candidate]
}

/// What the forward pass reads beside the gates.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub(super) sizes: Sizes,
    /// Whether the reset gate multiplies the product with the candidate's columns, or the hidden state before it.
    pub(super) reset_after: bool,
    pub(super) recurrent: &'a Recurrent,
    /// `[3 h]` each.
    pub(super) bias: &'a [f32],
    pub(super) recurrent_bias: &'a [f32],
    pub(super) h0: &'a [f32],
    pub(super) mask: Steps<'a>,
}

/// Runs all steps. `gates`, `[batch, time, 3 h]` in the order reset, update, candidate, holds the input product on entry and the gates after
/// their squashing functions on return. `inner`, `[batch, time, h]`, holds zeros on entry and on return what the reset gate multiplies
/// (`reset_after`) or has multiplied (otherwise); `output` is `[batch, time, h]`.
pub(super) fn forward(
    isa: Isa,
    inputs: Inputs<'_>,
    gates: &mut [f32],
    inner: &mut [f32],
    output: &mut [f32],
) {
    let Sizes { steps, hidden, .. } = inputs.sizes;
    let rows = inputs.sizes.rows_per_task(3);
    let block = rows * steps * hidden;
    let parts = [(gates, 3 * block), (inner, block), (output, block)];
    in_parts(parts, |task, [gates, inner, output]| {
        let count = output.len() / (steps * hidden);
        let start = task * rows;
        let inputs = Inputs {
            sizes: Sizes {
                batch: count,
                ..inputs.sizes
            },
            h0: &inputs.h0[start * hidden..(start + count) * hidden],
            mask: inputs.mask.rows(start..start + count, steps),
            ..inputs
        };
        // The hidden states side by side, as in the LSTM.
        let mut h = inputs.h0.to_vec();
        for t in 0..steps {
            forward_step(
                isa,
                inputs,
                t,
                [&mut *gates, &mut *inner, &mut *output, &mut h],
            );
        }
    });
}

fn forward_step(
    isa: Isa,
    inputs: Inputs<'_>,
    t: usize,
    [gates, inner, output, h]: [&mut [f32]; 4],
) {
    let Inputs {
        sizes: Sizes {
            batch,
            steps,
            hidden: n,
        },
        recurrent,
        bias,
        recurrent_bias,
        reset_after,
        h0: _,
        mask,
    } = inputs;
    let all = (&mut gates[3 * t * n..], 3 * steps * n);
    recurrent.gates.add_product(isa, batch, (&*h, n), all);
    if reset_after {
        let all = (&mut inner[t * n..], steps * n);
        recurrent.candidate.add_product(isa, batch, (&*h, n), all);
    }
    for (row, h) in h.chunks_exact(n).enumerate() {
        let at = row * steps + t;
        let inner = &mut inner[at * n..][..n];
        if mask.is_real(at) {
            isa.run(Opening {
                gates: &mut gates[3 * at * n..][..3 * n],
                bias,
                recurrent_bias,
                reset_after,
                h,
                inner,
            });
        } else {
            inner.fill(0.0);
        }
    }
    if !reset_after {
        let reset = (&inner[t * n..], steps * n);
        let candidates = (&mut gates[(3 * t + 2) * n..], 3 * steps * n);
        recurrent
            .candidate
            .add_product(isa, batch, reset, candidates);
    }
    for (row, h) in h.chunks_exact_mut(n).enumerate() {
        let at = row * steps + t;
        if mask.is_real(at) {
            isa.run(Candidate {
                gates: &mut gates[3 * at * n..][..3 * n],
                bias: &bias[2 * n..],
                recurrent_bias: &recurrent_bias[2 * n..],
                inner: reset_after.then_some(&inner[at * n..][..n]),
                h,
            });
        }
        output[at * n..][..n].copy_from_slice(h);
    }
}

/// One row of one step: r and z, and what is needed before the candidate.
struct Opening<'a> {
    gates: &'a mut [f32],
    bias: &'a [f32],
    recurrent_bias: &'a [f32],
    reset_after: bool,
    h: &'a [f32],
    inner: &'a mut [f32],
}

impl Task for Opening<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let n = self.h.len();
        let biases = self.bias[..2 * n].iter().zip(self.recurrent_bias);
        for (gate, (a, b)) in self.gates.iter_mut().zip(biases) {
            *gate = scalar::sigmoid::<FMA>(*gate + (a + b));
        }
        if self.reset_after {
            for (inner, bias) in self.inner.iter_mut().zip(&self.recurrent_bias[2 * n..]) {
                *inner += bias;
            }
        } else {
            for ((inner, h), r) in self.inner.iter_mut().zip(self.h).zip(&*self.gates) {
                *inner = r * h;
            }
        }
    }
}

/// One row of one step: n = tanh(…), h ← (1 − z)·n + z·h.
struct Candidate<'a> {
    gates: &'a mut [f32],
    bias: &'a [f32],
    recurrent_bias: &'a [f32],
    inner: Option<&'a [f32]>,
    h: &'a mut [f32],
}

impl Task for Candidate<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let width = self.h.len();
        let (r, rest) = self.gates.split_at_mut(width);
        let (z, n) = rest.split_at_mut(width);
        if let Some(inner) = self.inner {
            for (((n, bias), inner), r) in n.iter_mut().zip(self.bias).zip(inner).zip(r) {
                *n = fma::<FMA>(*r, *inner, *n + bias);
            }
        } else {
            let biases = self.bias.iter().zip(self.recurrent_bias);
            for (n, (a, b)) in n.iter_mut().zip(biases) {
                *n += a + b;
            }
        }
        for ((n, z), h) in n.iter_mut().zip(z).zip(self.h) {
            *n = scalar::tanh::<FMA>(*n);
            *h = fma::<FMA>(*z, *h - *n, *n);
        }
    }
}

/// What the backward pass reads beside the gates.
#[derive(Clone, Copy)]
pub(super) struct Saved<'a> {
    pub(super) sizes: Sizes,
    pub(super) reset_after: bool,
    /// Transposed.
    pub(super) recurrent: &'a Recurrent,
    pub(super) h0: &'a [f32],
    pub(super) output: &'a [f32],
    pub(super) mask: Steps<'a>,
    /// The gradient of the output, `[batch, time, h]`.
    pub(super) g: &'a [f32],
}

/// Runs all steps backwards. `gates` holds the saved gates on entry and the gradients of their arguments on return. `inner` is as saved;
/// with `reset_after` it holds the gradient of what it was on return. `dh`, `[batch, h]`, holds zeros on entry and the gradient of the
/// initial state on return.
pub(super) fn backward(
    isa: Isa,
    saved: Saved<'_>,
    gates: &mut [f32],
    inner: &mut [f32],
    dh: &mut [f32],
) {
    let Sizes { steps, hidden, .. } = saved.sizes;
    let rows = saved.sizes.rows_per_task(3);
    let block = rows * steps * hidden;
    let parts = [(gates, 3 * block), (inner, block), (dh, rows * hidden)];
    in_parts(parts, |task, [gates, inner, dh]| {
        let count = dh.len() / hidden;
        let start = task * rows;
        let all = start * steps * hidden..(start + count) * steps * hidden;
        let saved = Saved {
            sizes: Sizes {
                batch: count,
                ..saved.sizes
            },
            h0: &saved.h0[start * hidden..(start + count) * hidden],
            output: &saved.output[all.clone()],
            mask: saved.mask.rows(start..start + count, steps),
            g: &saved.g[all],
            ..saved
        };
        let mut scratch = vec![0.0; if saved.reset_after { 0 } else { dh.len() }];
        for t in (0..steps).rev() {
            backward_step(isa, saved, t, gates, inner, dh, &mut scratch);
        }
    });
}

fn backward_step(
    isa: Isa,
    saved: Saved<'_>,
    t: usize,
    gates: &mut [f32],
    inner: &mut [f32],
    dh: &mut [f32],
    scratch: &mut [f32],
) {
    let Sizes {
        batch,
        steps,
        hidden: n,
    } = saved.sizes;
    let before = |row: usize| {
        if t == 0 {
            &saved.h0[row * n..][..n]
        } else {
            &saved.output[(row * steps + t - 1) * n..][..n]
        }
    };
    for row in 0..batch {
        let at = row * steps + t;
        let g = &saved.g[at * n..][..n];
        let gates = &mut gates[3 * at * n..][..3 * n];
        let dh = &mut dh[row * n..][..n];
        if saved.mask.is_real(at) {
            isa.run(CandidateGradient {
                gates,
                inner: saved.reset_after.then_some(&mut inner[at * n..][..n]),
                h: before(row),
                g,
                dh,
            });
        } else {
            gates.fill(0.0);
            inner[at * n..][..n].fill(0.0);
            for (dh, g) in dh.iter_mut().zip(g) {
                *dh += g;
            }
        }
    }
    if saved.reset_after {
        let inner = (&inner[t * n..], steps * n);
        let recurrent = &saved.recurrent.candidate;
        recurrent.add_product(isa, batch, inner, (&mut *dh, n));
    } else {
        // The gradient of r·h, and through it that of r and more of h.
        scratch.fill(0.0);
        let candidates = (&gates[(3 * t + 2) * n..], 3 * steps * n);
        let recurrent = &saved.recurrent.candidate;
        recurrent.add_product(isa, batch, candidates, (&mut *scratch, n));
        for row in 0..batch {
            let at = row * steps + t;
            if saved.mask.is_real(at) {
                isa.run(ResetGradient {
                    r: &mut gates[3 * at * n..][..n],
                    h: before(row),
                    d: &scratch[row * n..][..n],
                    dh: &mut dh[row * n..][..n],
                });
            }
        }
    }
    let gates = (&gates[3 * t * n..], 3 * steps * n);
    saved
        .recurrent
        .gates
        .add_product(isa, batch, gates, (dh, n));
}

/// One row of one step backwards, up to the arguments of update gate and candidate; with `inner` up to that of the reset gate, too.
struct CandidateGradient<'a> {
    gates: &'a mut [f32],
    inner: Option<&'a mut [f32]>,
    h: &'a [f32],
    g: &'a [f32],
    dh: &'a mut [f32],
}

impl Task for CandidateGradient<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let width = self.h.len();
        let (r, rest) = self.gates.split_at_mut(width);
        let (z, n) = rest.split_at_mut(width);
        let gates = z.iter_mut().zip(&mut *n);
        let states = self.h.iter().zip(self.g).zip(self.dh);
        for ((z, n), ((h, g), dh)) in gates.zip(states) {
            let d = g + *dh;
            *dh = d * *z;
            let dn = d * (1.0 - *z) * (1.0 - *n * *n);
            *z = d * (h - *n) * *z * (1.0 - *z);
            *n = dn;
        }
        if let Some(inner) = self.inner {
            for ((r, inner), dn) in r.iter_mut().zip(inner).zip(n) {
                let dr = *dn * *inner;
                *inner = *dn * *r;
                *r = dr * *r * (1.0 - *r);
            }
        }
    }
}

/// One row of one step backwards, where the reset gate multiplies the hidden state.
struct ResetGradient<'a> {
    r: &'a mut [f32],
    h: &'a [f32],
    d: &'a [f32],
    dh: &'a mut [f32],
}

impl Task for ResetGradient<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for (((r, h), d), dh) in self.r.iter_mut().zip(self.h).zip(self.d).zip(self.dh) {
            *dh = fma::<FMA>(*d, *r, *dh);
            *r = d * h * *r * (1.0 - *r);
        }
    }
}
