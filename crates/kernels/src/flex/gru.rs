//! A GRU over whole sequences as one operation: loops over slices. The graph side is in `gru_op`, the plan is that of `lstm`.

use super::isa::{Isa, Task};
use super::panels::Factor;
use super::scalar::{self, fma};
use super::sequence::{Sizes, Steps, parts, run_all};
use core::ops::Range;

/// The recurrent matrix, whose candidate columns are used apart from those of the gates.
pub(super) struct Recurrent<'a> {
    /// Reset and update gates: `[h, 2 h]`, or its transpose.
    pub(super) gates: Factor<'a>,
    /// Candidate: `[h, h]`, or its transpose.
    pub(super) candidate: Factor<'a>,
}

impl<'a> Recurrent<'a> {
    /// From `[h, 3 h]`, by a function of matrix, width and columns.
    pub(super) fn new(
        matrix: &'a [f32],
        hidden: usize,
        factor: impl Fn(&'a [f32], usize, Range<usize>) -> Factor<'a>,
    ) -> Self {
        Self {
            gates: factor(matrix, 3 * hidden, 0..2 * hidden),
            candidate: factor(matrix, 3 * hidden, 2 * hidden..3 * hidden),
        }
    }
}

/// What the forward pass reads.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub(super) sizes: Sizes,
    /// Whether the reset gate multiplies the product with the candidate's columns, or the hidden state before it.
    pub(super) reset_after: bool,
    pub(super) x: &'a [f32],
    pub(super) input: &'a Factor<'a>,
    pub(super) recurrent: &'a Recurrent<'a>,
    /// All that is added to the gates whatever the input, `[3 h]`.
    pub(super) bias: &'a [f32],
    /// What is added to the candidate's product with the hidden state, `[h]`; with `reset_after` only.
    pub(super) inner_bias: &'a [f32],
    pub(super) h0: &'a [f32],
    pub(super) mask: Steps<'a>,
}

/// What the forward pass of some rows leaves behind: all steps for the backward pass, or only the last.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    /// `[time, rows, 3 h]` in the order reset, update, candidate, after their squashing functions.
    pub(super) gates: Vec<f32>,
    /// `[time, rows, h]`: what the reset gate multiplies (`reset_after`) or has multiplied (otherwise).
    pub(super) inner: Vec<f32>,
}

/// Runs all steps; `output` is `[batch, time, h]`. One trace for each task.
pub(super) fn forward(isa: Isa, inputs: Inputs<'_>, keep: bool, output: &mut [f32]) -> Vec<Trace> {
    let Sizes {
        batch,
        steps,
        input,
        hidden,
    } = inputs.sizes;
    let rows = inputs.sizes.rows_per_task(3);
    let parts = parts(output, rows * steps * hidden);
    run_all(parts.take(batch.div_ceil(rows)), |task, output| {
        let (range, sizes) = inputs.sizes.task(task, rows);
        let part = |width: usize| range.start * width..range.end * width;
        let inputs = Inputs {
            sizes,
            x: &inputs.x[part(steps * input)],
            h0: &inputs.h0[part(hidden)],
            mask: inputs.mask.part(part(steps)),
            ..inputs
        };
        forward_rows(isa, inputs, keep, output)
    })
}

fn forward_rows(isa: Isa, inputs: Inputs<'_>, keep: bool, output: &mut [f32]) -> Trace {
    let Inputs {
        sizes:
            Sizes {
                batch,
                steps,
                input,
                hidden: n,
            },
        recurrent,
        reset_after,
        mask,
        ..
    } = inputs;
    let kept = if keep { steps } else { 1 };
    let mut trace = Trace {
        gates: Vec::with_capacity(kept * batch * 3 * n),
        inner: Vec::with_capacity(kept * batch * n),
    };
    let zeros = vec![0.0; n];
    let inner_start = if reset_after {
        inputs.inner_bias
    } else {
        &zeros
    };
    // The hidden states side by side, as in the LSTM.
    let mut h = inputs.h0.to_vec();
    for t in 0..steps {
        if !keep {
            trace.gates.clear();
            trace.inner.clear();
        }
        let start = trace.inner.len();
        for _ in 0..batch {
            trace.gates.extend_from_slice(inputs.bias);
            trace.inner.extend_from_slice(inner_start);
        }
        let (gates, inner) = (&mut trace.gates[3 * start..], &mut trace.inner[start..]);
        let x = (&inputs.x[t * input..], steps * input);
        inputs.input.add_product(isa, batch, x, (gates, 3 * n));
        recurrent
            .gates
            .add_product(isa, batch, (&h, n), (gates, 3 * n));
        if reset_after {
            recurrent
                .candidate
                .add_product(isa, batch, (&h, n), (inner, n));
        }
        let is_real = |row: usize| mask.is_real(row * steps + t);
        let rows = gates
            .chunks_exact_mut(3 * n)
            .zip(inner.chunks_exact_mut(n))
            .zip(h.chunks_exact(n));
        for (_, ((gates, inner), h)) in rows.enumerate().filter(|(row, _)| is_real(*row)) {
            isa.run(Opening {
                gates: &mut gates[..2 * n],
                reset: (!reset_after).then_some((h, inner)),
            });
        }
        if !reset_after {
            let candidates = (&mut gates[2 * n..], 3 * n);
            recurrent
                .candidate
                .add_product(isa, batch, (inner, n), candidates);
        }
        let rows = gates
            .chunks_exact_mut(3 * n)
            .zip(inner.chunks_exact(n))
            .zip(h.chunks_exact_mut(n));
        for (row, ((gates, inner), h)) in rows.enumerate() {
            if is_real(row) {
                isa.run(Candidate {
                    gates,
                    inner: reset_after.then_some(inner),
                    h,
                });
            }
            output[(row * steps + t) * n..][..n].copy_from_slice(h);
        }
    }
    trace
}

/// One row of one step: r and z and, where the candidate's product needs it, r·h.
struct Opening<'a> {
    gates: &'a mut [f32],
    reset: Option<(&'a [f32], &'a mut [f32])>,
}

impl Task for Opening<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for gate in &mut *self.gates {
            *gate = scalar::sigmoid::<FMA>(*gate);
        }
        if let Some((h, inner)) = self.reset {
            for ((inner, h), r) in inner.iter_mut().zip(h).zip(self.gates) {
                *inner = *r * h;
            }
        }
    }
}

/// One row of one step: n = tanh(…), h ← (1 − z)·n + z·h.
struct Candidate<'a> {
    gates: &'a mut [f32],
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
            for ((n, inner), r) in n.iter_mut().zip(inner).zip(r) {
                *n = fma::<FMA>(*r, *inner, *n);
            }
        }
        for ((n, z), h) in n.iter_mut().zip(z).zip(self.h) {
            *n = scalar::tanh::<FMA>(*n);
            *h = fma::<FMA>(*z, *h - *n, *n);
        }
    }
}

/// What the backward pass reads beside the trace.
#[derive(Clone, Copy)]
pub(super) struct Saved<'a> {
    pub(super) sizes: Sizes,
    pub(super) reset_after: bool,
    /// The transposes; that of the input weights where x gets a gradient.
    pub(super) input: Option<&'a Factor<'a>>,
    pub(super) recurrent: &'a Recurrent<'a>,
    pub(super) h0: &'a [f32],
    pub(super) output: &'a [f32],
    pub(super) mask: Steps<'a>,
    /// The gradient of the output, `[batch, time, h]`.
    pub(super) g: &'a [f32],
}

/// Runs all steps backwards. On return the traces hold the gradients of the gates' arguments in place of the gates and, with `reset_after`,
/// the gradient of `inner` in place of it. `dh`, `[batch, h]`, holds zeros on entry and the gradient of the initial state on return. `dx`
/// holds zeros and gets the gradient of x, or is empty.
pub(super) fn backward(
    isa: Isa,
    saved: Saved<'_>,
    traces: &mut [Trace],
    [dh, dx]: [&mut [f32]; 2],
) {
    let Sizes {
        steps,
        input,
        hidden,
        ..
    } = saved.sizes;
    let rows = traces[0].inner.len() / (steps * hidden);
    let slopes = parts(dh, rows * hidden).zip(parts(dx, rows * steps * input));
    run_all(traces.iter_mut().zip(slopes), |task, (trace, (dh, dx))| {
        let (range, sizes) = saved.sizes.task(task, rows);
        let part = |width: usize| range.start * width..range.end * width;
        let saved = Saved {
            sizes,
            h0: &saved.h0[part(hidden)],
            output: &saved.output[part(steps * hidden)],
            mask: saved.mask.part(part(steps)),
            g: &saved.g[part(steps * hidden)],
            ..saved
        };
        let mut scratch = vec![0.0; if saved.reset_after { 0 } else { dh.len() }];
        for t in (0..steps).rev() {
            backward_step(isa, saved, t, trace, [&mut *dh, &mut *dx, &mut scratch]);
        }
    });
}

fn backward_step(
    isa: Isa,
    saved: Saved<'_>,
    t: usize,
    trace: &mut Trace,
    [dh, dx, scratch]: [&mut [f32]; 3],
) {
    let Sizes {
        batch,
        steps,
        input,
        hidden: n,
    } = saved.sizes;
    let step = batch * n;
    let gates = &mut trace.gates[3 * t * step..][..3 * step];
    let inner = &mut trace.inner[t * step..][..step];
    let is_real = |row: usize| saved.mask.is_real(row * steps + t);
    let before = |row: usize| {
        if t == 0 {
            &saved.h0[row * n..][..n]
        } else {
            &saved.output[(row * steps + t - 1) * n..][..n]
        }
    };
    let rows = gates
        .chunks_exact_mut(3 * n)
        .zip(inner.chunks_exact_mut(n))
        .zip(dh.chunks_exact_mut(n));
    for (row, ((gates, inner), dh)) in rows.enumerate() {
        let g = &saved.g[(row * steps + t) * n..][..n];
        if is_real(row) {
            isa.run(CandidateGradient {
                gates,
                inner: saved.reset_after.then_some(inner),
                h: before(row),
                g,
                dh,
            });
        } else {
            gates.fill(0.0);
            inner.fill(0.0);
            for (dh, g) in dh.iter_mut().zip(g) {
                *dh += g;
            }
        }
    }
    let recurrent = saved.recurrent;
    if saved.reset_after {
        recurrent
            .candidate
            .add_product(isa, batch, (inner, n), (dh, n));
    } else {
        // The gradient of r·h, and through it that of r and more of h.
        scratch.fill(0.0);
        let candidates = (&gates[2 * n..], 3 * n);
        recurrent
            .candidate
            .add_product(isa, batch, candidates, (scratch, n));
        let rows = gates
            .chunks_exact_mut(3 * n)
            .zip(scratch.chunks_exact(n))
            .zip(dh.chunks_exact_mut(n));
        for (row, ((gates, d), dh)) in rows.enumerate().filter(|(row, _)| is_real(*row)) {
            isa.run(ResetGradient {
                r: &mut gates[..n],
                h: before(row),
                d,
                dh,
            });
        }
    }
    let gates = (&*gates, 3 * n);
    recurrent.gates.add_product(isa, batch, gates, (dh, n));
    if let Some(weights) = saved.input {
        let dx = (&mut dx[t * input..], steps * input);
        weights.add_product(isa, batch, gates, dx);
    }
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
