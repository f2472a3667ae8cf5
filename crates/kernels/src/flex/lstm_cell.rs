//! The gates of an LSTM and what they do to the states, as an operation of the graph: two results, two inputs.

use super::isa::Isa;
use super::lstm::{Cell, CellGradient};
use super::lstm_op::{FinalCell, Slot};
use super::{contiguous, tensor};
use burn::backend::autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{
    Backend, Dispatch, Flex, TensorMetadata, backend_extension, flex::FlexTensor,
    tensor::FloatTensor,
};
use burn::tensor::Tensor;
use std::sync::PoisonError;

/// Hidden and cell state, `[batch, h]` each, from the arguments of the gates, `[batch, 4 h]`, and the cell state before.
pub(crate) fn lstm_cell(gates: Tensor<2>, cell: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let (hidden, cell) =
        <Dispatch as CellKernels>::lstm_cell(gates.into_dispatch(), cell.into_dispatch());
    (Tensor::from_dispatch(hidden), Tensor::from_dispatch(cell))
}

#[backend_extension(Flex, Autodiff)]
pub(crate) trait CellKernels: Backend {
    fn lstm_cell(
        gates: FloatTensor<Self>,
        cell: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

/// Gates after their squashing functions, hidden state, cell state.
fn forward(gates: FlexTensor, before: &FlexTensor) -> [FlexTensor; 3] {
    let mut gates = contiguous(gates);
    let [batch, n] = before.shape().dims();
    let before: &[f32] = before.storage();
    let (mut hidden, mut cell) = (vec![0.0; batch * n], before.to_vec());
    let isa = Isa::best();
    let rows = gates.storage_mut().chunks_exact_mut(4 * n);
    let states = hidden.chunks_exact_mut(n).zip(cell.chunks_exact_mut(n));
    for (gates, (h, c)) in rows.zip(states) {
        isa.run(Cell {
            gates,
            norms: None,
            c,
            h,
        });
    }
    [gates, tensor(hidden, [batch, n]), tensor(cell, [batch, n])]
}

impl CellKernels for Flex {
    fn lstm_cell(gates: FlexTensor, cell: FlexTensor) -> (FlexTensor, FlexTensor) {
        let [_, hidden, cell] = forward(gates, &contiguous(cell));
        (hidden, cell)
    }
}

impl<C: CheckpointStrategy> CellKernels for Autodiff<Flex, C> {
    fn lstm_cell(
        gates: FloatTensor<Self>,
        cell: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let ((gates, node_gates), (cell, node_cell)) = (gates.into_parts(), cell.into_parts());
        let before = contiguous(cell);
        let [gates, hidden, cell] = forward(gates, &before);
        match LstmCellGradient
            .prepare::<C>([node_gates, node_cell])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => {
                let slot = Slot::default();
                let shape = hidden.shape();
                let hidden = prep.finish((gates, before, cell.clone(), slot.clone()), hidden);
                let cell = match FinalCell
                    .prepare::<C>([hidden.node()])
                    .compute_bound()
                    .stateful()
                {
                    OpsKind::Tracked(prep) => prep.finish((slot, shape), cell),
                    OpsKind::UnTracked(prep) => prep.finish(cell),
                };
                (hidden, cell)
            }
            OpsKind::UnTracked(prep) => (prep.finish(hidden), FloatTensor::<Self>::new(cell)),
        }
    }
}

#[derive(Debug)]
struct LstmCellGradient;

impl Backward<Flex, 2> for LstmCellGradient {
    /// Gates after their squashing functions, cell state before and after, and the gradient of the latter.
    type State = (FlexTensor, FlexTensor, FlexTensor, Slot);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = contiguous(grads.consume::<Flex>(&ops.node));
        let (mut gates, before, cell, slot) = ops.state;
        let [batch, n] = cell.shape().dims();
        let mut dc = match slot.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(dc) => dc,
            None => tensor(vec![0.0; batch * n], [batch, n]),
        };
        let isa = Isa::best();
        let (g, c, before): (&[f32], &[f32], &[f32]) =
            (g.storage(), cell.storage(), before.storage());
        let mut dh = vec![0.0; n];
        let states = before.chunks_exact(n).zip(c.chunks_exact(n));
        let slopes = g.chunks_exact(n).zip(dc.storage_mut().chunks_exact_mut(n));
        let rows = gates.storage_mut().chunks_exact_mut(4 * n);
        for ((gates, (c_before, c)), (g, dc)) in rows.zip(states).zip(slopes) {
            isa.run(CellGradient {
                gates,
                c_before,
                c,
                g,
                dh: &mut dh,
                dc,
                norm: None,
            });
        }
        let [parent_gates, parent_cell] = ops.parents;
        if let Some(parent) = parent_gates {
            grads.register::<Flex>(parent.id, gates);
        }
        if let Some(parent) = parent_cell {
            grads.register::<Flex>(parent.id, dc);
        }
    }
}
