//! An LSTM over whole sequences as one operation: loops over slices. The graph side is in `lstm_op`.
//!
//! The batch is split over threads and each runs all steps of its rows alone, so that no step waits for another thread.

use super::isa::{Isa, Task};
use super::panels::{Factor, PARALLEL_PRODUCTS};
use super::scalar::{self, fma};
use core::ops::Range;
use rayon::prelude::*;

/// From how many rows on the weights are packed: that costs as much as it saves in 64 to 128 rows.
const PACK_FROM: usize = 64;

/// Sizes of one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) batch: usize,
    pub(super) steps: usize,
    pub(super) input: usize,
    pub(super) hidden: usize,
}

impl Sizes {
    /// Rows of the batch per task: as many tasks as threads, but none too small to pay. Every row is computed alone, so results do not
    /// depend on it.
    pub(super) fn rows_per_task(self, gates: usize) -> usize {
        let width = self.input + self.hidden;
        let work = self.batch * self.steps * width * self.hidden * gates;
        if work < PARALLEL_PRODUCTS {
            return self.batch;
        }
        let rows = self.batch.div_ceil(rayon::current_num_threads());
        rows.next_multiple_of(4)
    }

    /// Some columns of weights, packed if enough rows are multiplied with them to pay for it.
    pub(super) fn factor(self, matrix: &[f32], width: usize, columns: Range<usize>) -> Factor<'_> {
        if self.batch * self.steps < PACK_FROM {
            Factor::flat(matrix, width, columns)
        } else {
            Factor::packed(matrix, width, columns)
        }
    }
}

/// An array in parts, one for each task, of `part` numbers and the last of what is left.
pub(super) fn parts(array: &mut [f32], part: usize) -> impl Iterator<Item = &mut [f32]> {
    let mut rest = array;
    core::iter::from_fn(move || {
        let all = core::mem::take(&mut rest);
        let (head, tail) = all.split_at_mut(part.min(all.len()));
        rest = tail;
        Some(head)
    })
}

/// Runs tasks, on several threads where there are several.
pub(super) fn run_all<T: Send, R: Send>(
    tasks: impl Iterator<Item = T>,
    run: impl Fn(usize, T) -> R + Sync,
) -> Vec<R> {
    let mut tasks: Vec<T> = tasks.collect();
    if tasks.len() == 1 {
        tasks.drain(..).map(|task| run(0, task)).collect()
    } else {
        let tasks = tasks.into_par_iter().enumerate();
        tasks.map(|(index, task)| run(index, task)).collect()
    }
}

/// Which steps are real, `[batch, time]`; all where there is none.
#[derive(Clone, Copy)]
pub(super) struct Steps<'a>(pub(super) Option<&'a [bool]>);

impl Steps<'_> {
    pub(super) fn rows(self, rows: Range<usize>, steps: usize) -> Self {
        Self(
            self.0
                .map(|mask| &mask[rows.start * steps..rows.end * steps]),
        )
    }

    pub(super) fn is_real(self, at: usize) -> bool {
        self.0.is_none_or(|mask| mask[at])
    }
}

/// What the forward pass reads.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub(super) sizes: Sizes,
    pub(super) x: &'a [f32],
    pub(super) input: &'a Factor<'a>,
    pub(super) recurrent: &'a Factor<'a>,
    pub(super) bias: &'a [f32],
    pub(super) h0: &'a [f32],
    pub(super) c0: &'a [f32],
    pub(super) mask: Steps<'a>,
}

/// What the forward pass of some rows leaves behind: all steps for the backward pass, or only the last.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    /// `[time, rows, 4 h]` in the order input, forget, candidate, output, after their squashing functions.
    pub(super) gates: Vec<f32>,
    /// `[time, rows, h]`.
    pub(super) cells: Vec<f32>,
}

/// Runs all steps; `output` is `[batch, time, h]`. One trace for each task.
pub(super) fn forward(isa: Isa, inputs: Inputs<'_>, keep: bool, output: &mut [f32]) -> Vec<Trace> {
    let Sizes {
        batch,
        steps,
        input,
        hidden,
    } = inputs.sizes;
    let rows = inputs.sizes.rows_per_task(4);
    let parts = parts(output, rows * steps * hidden);
    run_all(parts.take(batch.div_ceil(rows)), |task, output| {
        let range = task * rows..batch.min((task + 1) * rows);
        let state = range.start * hidden..range.end * hidden;
        let inputs = Inputs {
            sizes: Sizes {
                batch: range.len(),
                ..inputs.sizes
            },
            x: &inputs.x[range.start * steps * input..range.end * steps * input],
            h0: &inputs.h0[state.clone()],
            c0: &inputs.c0[state],
            mask: inputs.mask.rows(range, steps),
            ..inputs
        };
        forward_rows(isa, inputs, keep, output)
    })
}

fn forward_rows(isa: Isa, inputs: Inputs<'_>, keep: bool, output: &mut [f32]) -> Trace {
    let Sizes {
        batch,
        steps,
        input,
        hidden,
    } = inputs.sizes;
    let kept = if keep { steps } else { 1 };
    let mut trace = Trace {
        gates: Vec::with_capacity(kept * batch * 4 * hidden),
        cells: Vec::with_capacity(kept * batch * hidden),
    };
    // The states side by side: in the output they are far apart, and would meet in the same few lines of the cache.
    let (mut h, mut c) = (inputs.h0.to_vec(), inputs.c0.to_vec());
    for t in 0..steps {
        if !keep {
            trace.gates.clear();
            trace.cells.clear();
        }
        let start = trace.gates.len();
        for _ in 0..batch {
            trace.gates.extend_from_slice(inputs.bias);
        }
        let gates = &mut trace.gates[start..];
        let x = (&inputs.x[t * input..], steps * input);
        inputs.input.add_product(isa, batch, x, (gates, 4 * hidden));
        let before = (&*h, hidden);
        inputs
            .recurrent
            .add_product(isa, batch, before, (gates, 4 * hidden));
        let states = h.chunks_exact_mut(hidden).zip(c.chunks_exact_mut(hidden));
        for (row, ((h, c), gates)) in states.zip(gates.chunks_exact_mut(4 * hidden)).enumerate() {
            let at = row * steps + t;
            if inputs.mask.is_real(at) {
                isa.run(Cell { gates, c, h });
            }
            output[at * hidden..][..hidden].copy_from_slice(h);
        }
        trace.cells.extend_from_slice(&c);
    }
    trace
}

/// One row of one step: c ← f·c + i·g, h = o·tanh c.
pub(super) struct Cell<'a> {
    pub(super) gates: &'a mut [f32],
    pub(super) c: &'a mut [f32],
    pub(super) h: &'a mut [f32],
}

impl Task for Cell<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let n = self.h.len();
        let (i, rest) = self.gates.split_at_mut(n);
        let (f, rest) = rest.split_at_mut(n);
        let (g, o) = rest.split_at_mut(n);
        let gates = i.iter_mut().zip(f).zip(g).zip(o);
        for ((((i, f), g), o), (c, h)) in gates.zip(self.c.iter_mut().zip(self.h)) {
            *i = scalar::sigmoid::<FMA>(*i);
            *f = scalar::sigmoid::<FMA>(*f);
            *g = scalar::tanh::<FMA>(*g);
            *o = scalar::sigmoid::<FMA>(*o);
            *c = fma::<FMA>(*f, *c, *i * *g);
            *h = *o * scalar::tanh::<FMA>(*c);
        }
    }
}

/// The rows `[batch · time]`, of `width` numbers, of the parts of a trace, `[time, rows]` each.
pub(super) fn in_order<'a>(
    parts: impl Iterator<Item = &'a [f32]>,
    steps: usize,
    width: usize,
) -> Vec<&'a [f32]> {
    parts
        .flat_map(|part| {
            let rows = part.len() / (steps * width);
            let at = move |row, t| &part[(t * rows + row) * width..][..width];
            (0..rows).flat_map(move |row| (0..steps).map(move |t| at(row, t)))
        })
        .collect()
}

/// What the backward pass reads beside the trace.
#[derive(Clone, Copy)]
pub(super) struct Saved<'a> {
    pub(super) sizes: Sizes,
    /// The transposes; that of the input weights where x gets a gradient.
    pub(super) input: Option<&'a Factor<'a>>,
    pub(super) recurrent: &'a Factor<'a>,
    pub(super) c0: &'a [f32],
    pub(super) mask: Steps<'a>,
    /// The gradient of the output, `[batch, time, h]`.
    pub(super) g: &'a [f32],
}

/// Runs all steps backwards. On return the traces hold the gradients of the gates' arguments in place of the gates. `dh` and `dc`,
/// `[batch, h]`, hold the gradients of the final states on entry and those of the initial ones on return. `dx` holds zeros and gets the
/// gradient of x, or is empty.
pub(super) fn backward(
    isa: Isa,
    saved: Saved<'_>,
    traces: &mut [Trace],
    [dh, dc, dx]: [&mut [f32]; 3],
) {
    let Sizes {
        batch,
        steps,
        input,
        hidden,
    } = saved.sizes;
    let rows = traces[0].cells.len() / (steps * hidden);
    let states = parts(dh, rows * hidden).zip(parts(dc, rows * hidden));
    let tasks = traces
        .iter_mut()
        .zip(states)
        .zip(parts(dx, rows * steps * input));
    run_all(tasks, |task, ((trace, (dh, dc)), dx)| {
        let range = task * rows..batch.min((task + 1) * rows);
        let saved = Saved {
            sizes: Sizes {
                batch: range.len(),
                ..saved.sizes
            },
            c0: &saved.c0[range.start * hidden..range.end * hidden],
            g: &saved.g[range.start * steps * hidden..range.end * steps * hidden],
            mask: saved.mask.rows(range, steps),
            ..saved
        };
        backward_rows(isa, saved, trace, [dh, dc, dx]);
    });
}

fn backward_rows(isa: Isa, saved: Saved<'_>, trace: &mut Trace, [dh, dc, dx]: [&mut [f32]; 3]) {
    let Sizes {
        batch,
        steps,
        input,
        hidden,
    } = saved.sizes;
    let step = batch * hidden;
    for t in (0..steps).rev() {
        let gates = &mut trace.gates[4 * t * step..][..4 * step];
        let (earlier, cells) = trace.cells.split_at(t * step);
        let before = if t == 0 {
            saved.c0
        } else {
            &earlier[(t - 1) * step..]
        };
        let states = dh.chunks_exact_mut(hidden).zip(dc.chunks_exact_mut(hidden));
        for (row, ((dh, dc), gates)) in states.zip(gates.chunks_exact_mut(4 * hidden)).enumerate() {
            let at = row * steps + t;
            let g = &saved.g[at * hidden..][..hidden];
            if saved.mask.is_real(at) {
                isa.run(CellGradient {
                    gates,
                    c_before: &before[row * hidden..],
                    c: &cells[row * hidden..],
                    g,
                    dh,
                    dc,
                });
            } else {
                // The states went through as they were.
                gates.fill(0.0);
                for (dh, g) in dh.iter_mut().zip(g) {
                    *dh += g;
                }
            }
        }
        let gates = (&*gates, 4 * hidden);
        saved.recurrent.add_product(isa, batch, gates, (dh, hidden));
        if let Some(weights) = saved.input {
            let dx = (&mut dx[t * input..], steps * input);
            weights.add_product(isa, batch, gates, dx);
        }
    }
}

/// One row of one step backwards. `dh` is left at zero, for the product with `Uᵀ` to be added.
pub(super) struct CellGradient<'a> {
    pub(super) gates: &'a mut [f32],
    pub(super) c_before: &'a [f32],
    pub(super) c: &'a [f32],
    pub(super) g: &'a [f32],
    pub(super) dh: &'a mut [f32],
    pub(super) dc: &'a mut [f32],
}

impl Task for CellGradient<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let n = self.g.len();
        let (i, rest) = self.gates.split_at_mut(n);
        let (f, rest) = rest.split_at_mut(n);
        let (g, o) = rest.split_at_mut(n);
        let gates = i.iter_mut().zip(f).zip(g).zip(o);
        let state = self.c_before.iter().zip(self.c).zip(self.g);
        let slopes = self.dh.iter_mut().zip(self.dc);
        for (((((i, f), g), o), ((c_before, c), dout)), (dh_next, dc_next)) in
            gates.zip(state).zip(slopes)
        {
            let dh = dout + *dh_next;
            let tanh_c = scalar::tanh::<FMA>(*c);
            let dc = fma::<FMA>(dh * *o, 1.0 - tanh_c * tanh_c, *dc_next);
            let (di, df, dg) = (dc * *g, dc * c_before, dc * *i);
            *dc_next = dc * *f;
            *dh_next = 0.0;
            *i = di * *i * (1.0 - *i);
            *f = df * *f * (1.0 - *f);
            *g = dg * (1.0 - *g * *g);
            *o = dh * tanh_c * *o * (1.0 - *o);
        }
    }
}
