//! An LSTM over whole sequences as one operation: loops over slices. The graph side is in `lstm_op`.
//!
//! The batch is split over threads and each runs all steps of its rows alone, so that no step waits for another thread.

use super::isa::{Isa, Task};
use super::panels::Packed;
use super::scalar::{self, fma};
use core::ops::Range;
use rayon::prelude::*;

/// Sizes of one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) batch: usize,
    pub(super) steps: usize,
    pub(super) hidden: usize,
}

impl Sizes {
    /// Rows of the batch per task: as many tasks as threads, but none too small to pay. Every row is computed alone, so results do not
    /// depend on it.
    pub(super) fn rows_per_task(self, gates: usize) -> usize {
        let work = self.batch * self.steps * self.hidden * self.hidden * gates;
        if work < 1 << 20 {
            return self.batch;
        }
        self.batch.div_ceil(rayon::current_num_threads()).max(4)
    }
}

/// Runs `task` on parts of three arrays, each with its length of a part; on several threads where there are several parts.
pub(super) fn in_parts(
    [(a, a_part), (b, b_part), (c, c_part)]: [(&mut [f32], usize); 3],
    task: impl Fn(usize, [&mut [f32]; 3]) + Sync,
) {
    if a.len() <= a_part {
        return task(0, [a, b, c]);
    }
    a.par_chunks_mut(a_part)
        .zip(b.par_chunks_mut(b_part))
        .zip(c.par_chunks_mut(c_part))
        .enumerate()
        .for_each(|(index, ((a, b), c))| task(index, [a, b, c]));
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

/// What the forward pass reads beside the gates.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub(super) sizes: Sizes,
    /// `W_hh`; none where its product is already in the gates (a single step).
    pub(super) recurrent: Option<&'a Packed>,
    pub(super) bias: &'a [f32],
    pub(super) h0: &'a [f32],
    pub(super) c0: &'a [f32],
    pub(super) mask: Steps<'a>,
}

/// Runs all steps. `gates`, `[batch, time, 4 h]` in the order input, forget, candidate, output, holds the input product on entry and the
/// gates after their squashing functions on return; `output` and `cells` are `[batch, time, h]`.
pub(super) fn forward(
    isa: Isa,
    inputs: Inputs<'_>,
    gates: &mut [f32],
    output: &mut [f32],
    cells: &mut [f32],
) {
    let Sizes { steps, hidden, .. } = inputs.sizes;
    let rows = inputs.sizes.rows_per_task(4);
    let block = rows * steps * hidden;
    let parts = [(gates, 4 * block), (output, block), (cells, block)];
    in_parts(parts, |task, [gates, output, cells]| {
        let count = output.len() / (steps * hidden);
        let start = task * rows;
        let state = start * hidden..(start + count) * hidden;
        forward_rows(
            isa,
            Inputs {
                sizes: Sizes {
                    batch: count,
                    ..inputs.sizes
                },
                h0: &inputs.h0[state.clone()],
                c0: &inputs.c0[state],
                mask: inputs.mask.rows(start..start + count, steps),
                ..inputs
            },
            gates,
            output,
            cells,
        );
    });
}

fn forward_rows(
    isa: Isa,
    inputs: Inputs<'_>,
    gates: &mut [f32],
    output: &mut [f32],
    cells: &mut [f32],
) {
    let Sizes {
        batch,
        steps,
        hidden,
    } = inputs.sizes;
    // The hidden states side by side: in the output they are far apart, and would meet in the same few lines of the cache.
    let mut h = inputs.h0.to_vec();
    for t in 0..steps {
        if let Some(recurrent) = inputs.recurrent {
            let gates = (&mut gates[4 * t * hidden..], 4 * steps * hidden);
            recurrent.add_product(isa, batch, (&h, hidden), gates);
        }
        for (row, h) in h.chunks_exact_mut(hidden).enumerate() {
            let at = row * steps + t;
            let (before, now) = cells.split_at_mut(at * hidden);
            let c = &mut now[..hidden];
            let c_before = if t == 0 {
                &inputs.c0[row * hidden..][..hidden]
            } else {
                &before[(at - 1) * hidden..]
            };
            if inputs.mask.is_real(at) {
                isa.run(Cell {
                    gates: &mut gates[4 * at * hidden..][..4 * hidden],
                    bias: inputs.bias,
                    c_before,
                    c,
                    h,
                });
            } else {
                c.copy_from_slice(c_before);
            }
            output[at * hidden..][..hidden].copy_from_slice(h);
        }
    }
}

/// One row of one step: c = f·c′ + i·g, h = o·tanh c.
pub(super) struct Cell<'a> {
    pub(super) gates: &'a mut [f32],
    /// Empty where it is in the gates already.
    pub(super) bias: &'a [f32],
    pub(super) c_before: &'a [f32],
    pub(super) c: &'a mut [f32],
    pub(super) h: &'a mut [f32],
}

impl Task for Cell<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let n = self.h.len();
        for (gate, bias) in self.gates.iter_mut().zip(self.bias) {
            *gate += bias;
        }
        let (i, rest) = self.gates.split_at_mut(n);
        let (f, rest) = rest.split_at_mut(n);
        let (g, o) = rest.split_at_mut(n);
        let gates = i.iter_mut().zip(f).zip(g).zip(o);
        let state = self.c_before.iter().zip(self.c).zip(self.h);
        for ((((i, f), g), o), ((c_before, c), h)) in gates.zip(state) {
            *i = scalar::sigmoid::<FMA>(*i);
            *f = scalar::sigmoid::<FMA>(*f);
            *g = scalar::tanh::<FMA>(*g);
            *o = scalar::sigmoid::<FMA>(*o);
            *c = fma::<FMA>(*f, *c_before, *i * *g);
            *h = *o * scalar::tanh::<FMA>(*c);
        }
    }
}

/// What the backward pass reads beside the gates.
#[derive(Clone, Copy)]
pub(super) struct Saved<'a> {
    pub(super) sizes: Sizes,
    /// The transpose of `W_hh`; none for a single step, whose caller takes the product.
    pub(super) recurrent: Option<&'a Packed>,
    pub(super) c0: &'a [f32],
    pub(super) cells: &'a [f32],
    pub(super) mask: Steps<'a>,
    /// The gradient of the output, `[batch, time, h]`.
    pub(super) g: &'a [f32],
}

/// Runs all steps backwards. `gates` holds the saved gates on entry and the gradients of their arguments on return; `dh` and `dc`,
/// `[batch, h]`, hold the gradients of the final states on entry and those of the initial ones on return.
pub(super) fn backward(
    isa: Isa,
    saved: Saved<'_>,
    gates: &mut [f32],
    dh: &mut [f32],
    dc: &mut [f32],
) {
    let Sizes { steps, hidden, .. } = saved.sizes;
    let rows = saved.sizes.rows_per_task(4);
    let block = rows * steps * hidden;
    let parts = [(gates, 4 * block), (dh, rows * hidden), (dc, rows * hidden)];
    in_parts(parts, |task, [gates, dh, dc]| {
        let count = dh.len() / hidden;
        let start = task * rows;
        let all = start * steps * hidden..(start + count) * steps * hidden;
        backward_rows(
            isa,
            Saved {
                sizes: Sizes {
                    batch: count,
                    ..saved.sizes
                },
                c0: &saved.c0[start * hidden..(start + count) * hidden],
                cells: &saved.cells[all.clone()],
                mask: saved.mask.rows(start..start + count, steps),
                g: &saved.g[all],
                ..saved
            },
            gates,
            dh,
            dc,
        );
    });
}

fn backward_rows(isa: Isa, saved: Saved<'_>, gates: &mut [f32], dh: &mut [f32], dc: &mut [f32]) {
    let Sizes {
        batch,
        steps,
        hidden,
    } = saved.sizes;
    for t in (0..steps).rev() {
        for row in 0..batch {
            let at = row * steps + t;
            let state = row * hidden..(row + 1) * hidden;
            let g = &saved.g[at * hidden..][..hidden];
            let gates = &mut gates[4 * at * hidden..][..4 * hidden];
            let (dh, dc) = (&mut dh[state.clone()], &mut dc[state.clone()]);
            if saved.mask.is_real(at) {
                let c_before = if t == 0 {
                    &saved.c0[state]
                } else {
                    &saved.cells[(at - 1) * hidden..][..hidden]
                };
                isa.run(CellGradient {
                    gates,
                    c_before,
                    c: &saved.cells[at * hidden..][..hidden],
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
        if let Some(recurrent) = saved.recurrent {
            let gates = (&gates[4 * t * hidden..], 4 * steps * hidden);
            recurrent.add_product(isa, batch, gates, (&mut *dh, hidden));
        }
    }
}

/// One row of one step backwards. `dh` is left at zero, for the product with `W_hhᵀ` to be added.
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
