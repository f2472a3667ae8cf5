//! What the recurrent layers share: sizes, masks, the split of the batch over threads, and rows in order.

use super::panels::{Factor, PARALLEL_PRODUCTS};
use burn::backend::{TensorMetadata, flex::FlexTensor};
use core::ops::Range;
use rayon::prelude::*;
use std::sync::Arc;

/// Which steps are real, `[batch, time]`; all where there is none.
pub(crate) type Mask = Option<Arc<Vec<bool>>>;

/// The same for the rows of a task.
#[derive(Clone, Copy)]
pub(super) struct Steps<'a>(pub(super) Option<&'a [bool]>);

impl<'a> Steps<'a> {
    pub(super) fn of(mask: &'a Mask) -> Self {
        Self(mask.as_ref().map(|mask| mask.as_slice()))
    }

    pub(super) fn part(self, range: Range<usize>) -> Self {
        Self(self.0.map(|mask| &mask[range]))
    }

    pub(super) fn is_real(self, at: usize) -> bool {
        self.0.is_none_or(|mask| mask[at])
    }
}

/// From how many rows on the weights are packed: that costs as much as it saves in about a hundred.
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
    /// Of x, `[batch, time, d_in]`, and a state, `[batch, h]`.
    pub(super) fn of(x: &FlexTensor, state: &FlexTensor) -> Self {
        let [batch, steps, input] = x.shape().dims();
        let [_, hidden] = state.shape().dims();
        Self {
            batch,
            steps,
            input,
            hidden,
        }
    }

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

    /// The rows of a task, and its sizes.
    pub(super) fn task(self, task: usize, rows: usize) -> (Range<usize>, Self) {
        let range = task * rows..self.batch.min((task + 1) * rows);
        let batch = range.len();
        (range, Self { batch, ..self })
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

/// An array in parts of `part` numbers, the last of what is left and then empty ones.
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

/// The rows `[batch · time]`, of `width` numbers, of what the tasks left, `[time, rows]` each.
pub(super) fn in_order<'a>(
    parts: impl Iterator<Item = &'a Vec<f32>>,
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

/// The hidden states before all steps, `[batch · time]` rows, from the initial ones and the output `[batch, time, h]`.
pub(super) fn hidden_before<'a>(sizes: Sizes, h0: &'a [f32], output: &'a [f32]) -> Vec<&'a [f32]> {
    let Sizes { steps, hidden, .. } = sizes;
    let rows = h0
        .chunks_exact(hidden)
        .zip(output.chunks_exact(steps * hidden));
    rows.flat_map(|(h0, output)| {
        core::iter::once(h0).chain(output.chunks_exact(hidden).take(steps - 1))
    })
    .collect()
}
