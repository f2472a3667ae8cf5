//! The LSTM as an operation of the graph: two results, six inputs.

use super::isa::Isa;
use super::lstm::{self, Inputs, Saved, Sizes, Steps};
use super::panels::Packed;
use super::{contiguous, tensor};
use burn::backend::autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{
    Backend, Dispatch, Flex, TensorMetadata, backend_extension, flex::FlexTensor,
    ops::FloatTensorOps, tensor::FloatTensor,
};
use burn::tensor::{Shape, Tensor};
use std::sync::{Arc, Mutex, PoisonError};

/// Which steps are real, `[batch, time]`.
pub(crate) type Mask = Option<Arc<Vec<bool>>>;

/// Output `[batch, time, h]` and final cell state `[batch, h]`.
pub(crate) fn lstm(
    x: Tensor<3>,
    weights: [Tensor<2>; 2],
    bias: Tensor<1>,
    state: [Tensor<2>; 2],
    mask: Mask,
) -> (Tensor<3>, Tensor<2>) {
    let [input, recurrent] = weights;
    let [h0, c0] = state;
    let (output, cell) = <Dispatch as LstmKernels>::lstm(
        x.into_dispatch(),
        input.into_dispatch(),
        recurrent.into_dispatch(),
        bias.into_dispatch(),
        h0.into_dispatch(),
        c0.into_dispatch(),
        mask,
    );
    (Tensor::from_dispatch(output), Tensor::from_dispatch(cell))
}

#[backend_extension(Flex, Autodiff)]
pub(crate) trait LstmKernels: Backend {
    fn lstm(
        x: FloatTensor<Self>,
        input: FloatTensor<Self>,
        recurrent: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        h0: FloatTensor<Self>,
        c0: FloatTensor<Self>,
        mask: Mask,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

/// The inputs in the order of the operation's parents.
#[derive(Clone, Debug)]
struct Given {
    x: FlexTensor,
    input: FlexTensor,
    recurrent: FlexTensor,
    bias: FlexTensor,
    h0: FlexTensor,
    c0: FlexTensor,
    mask: Mask,
}

impl Given {
    fn sizes(&self) -> Sizes {
        let [batch, steps, _] = self.x.shape().dims();
        let [_, hidden] = self.h0.shape().dims();
        Sizes {
            batch,
            steps,
            hidden,
        }
    }

    /// `[batch · time, d_in]`.
    fn flat_x(&self) -> FlexTensor {
        let [batch, steps, width] = self.x.shape().dims();
        self.x.reshape([batch * steps, width].into())
    }

    /// Output, gates and cell states.
    fn forward(&self) -> (FlexTensor, FlexTensor, FlexTensor) {
        let sizes = self.sizes();
        let Sizes {
            batch,
            steps,
            hidden,
        } = sizes;
        let mut gates = Flex::float_matmul(self.flat_x(), self.input.clone());
        let packed = if steps == 1 {
            // Packing pays when it is used again.
            let product = Flex::float_matmul(self.h0.clone(), self.recurrent.clone());
            gates = Flex::float_add(gates, product);
            None
        } else {
            Some(Packed::new(self.recurrent.storage(), hidden, 4 * hidden))
        };
        let mut output = vec![0.0; batch * steps * hidden];
        let mut cells = vec![0.0; batch * steps * hidden];
        lstm::forward(
            Isa::best(),
            Inputs {
                sizes,
                recurrent: packed.as_ref(),
                bias: self.bias.storage(),
                h0: self.h0.storage(),
                c0: self.c0.storage(),
                mask: Steps(self.mask.as_ref().map(|mask| mask.as_slice())),
            },
            gates.storage_mut(),
            &mut output,
            &mut cells,
        );
        let shape = [batch, steps, hidden];
        (tensor(output, shape), gates, tensor(cells, shape))
    }
}

/// The hidden state before each step, `[batch · time, h]`, from the output `[batch, time, h]`.
pub(super) fn hidden_before(h0: &FlexTensor, output: &FlexTensor) -> FlexTensor {
    let [batch, steps, hidden] = output.shape().dims();
    let (h0, output): (&[f32], &[f32]) = (h0.storage(), output.storage());
    let mut before = Vec::with_capacity(output.len());
    let rows = h0
        .chunks_exact(hidden)
        .zip(output.chunks_exact(steps * hidden));
    for (h0, output) in rows {
        before.extend_from_slice(h0);
        before.extend_from_slice(&output[..(steps - 1) * hidden]);
    }
    tensor(before, [batch * steps, hidden])
}

/// The last step's part of `[batch, time, h]`.
fn last(cells: &FlexTensor) -> FlexTensor {
    let [batch, steps, hidden] = cells.shape().dims();
    contiguous(cells.narrow(1, steps - 1, 1)).reshape([batch, hidden].into())
}

pub(super) fn transposed(matrix: &FlexTensor) -> FlexTensor {
    matrix.transpose(0, 1)
}

impl LstmKernels for Flex {
    fn lstm(
        x: FlexTensor,
        input: FlexTensor,
        recurrent: FlexTensor,
        bias: FlexTensor,
        h0: FlexTensor,
        c0: FlexTensor,
        mask: Mask,
    ) -> (FlexTensor, FlexTensor) {
        let [x, input, recurrent, bias, h0, c0] =
            [x, input, recurrent, bias, h0, c0].map(contiguous);
        let given = Given {
            x,
            input,
            recurrent,
            bias,
            h0,
            c0,
            mask,
        };
        let (output, _, cells) = given.forward();
        let cell = last(&cells);
        (output, cell)
    }
}

/// Where the gradient of the final cell state waits for the operation that has the other one.
pub(super) type Slot = Arc<Mutex<Option<FlexTensor>>>;

impl<C: CheckpointStrategy> LstmKernels for Autodiff<Flex, C> {
    fn lstm(
        x: FloatTensor<Self>,
        input: FloatTensor<Self>,
        recurrent: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        h0: FloatTensor<Self>,
        c0: FloatTensor<Self>,
        mask: Mask,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let inputs = [x, input, recurrent, bias, h0, c0];
        let nodes = inputs.each_ref().map(FloatTensor::<Self>::node);
        let [x, input, recurrent, bias, h0, c0] =
            inputs.map(|input| contiguous(input.into_primitive()));
        let given = Given {
            x,
            input,
            recurrent,
            bias,
            h0,
            c0,
            mask,
        };
        let (output, gates, cells) = given.forward();
        let cell = last(&cells);
        match LstmGradient.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let slot = Slot::default();
                let state = State {
                    given,
                    output: output.clone(),
                    gates,
                    cells,
                    slot: slot.clone(),
                };
                let output = prep.finish(state, output);
                let shape = output.primitive().shape();
                let cell = match FinalCell
                    .prepare::<C>([output.node()])
                    .compute_bound()
                    .stateful()
                {
                    OpsKind::Tracked(prep) => prep.finish((slot, shape), cell),
                    OpsKind::UnTracked(prep) => prep.finish(cell),
                };
                (output, cell)
            }
            OpsKind::UnTracked(prep) => {
                let untracked = FloatTensor::<Self>::new(cell);
                (prep.finish(output), untracked)
            }
        }
    }
}

/// The final cell state as a function of the output, for the order of the backward pass: it hands its gradient over and adds nothing.
#[derive(Debug)]
pub(super) struct FinalCell;

impl Backward<Flex, 1> for FinalCell {
    type State = (Slot, Shape);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = contiguous(grads.consume::<Flex>(&ops.node));
        let (slot, shape) = ops.state;
        if let [Some(parent)] = ops.parents {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(g);
            let zeros = vec![0.0; shape.num_elements()];
            grads.register::<Flex>(parent.id, tensor(zeros, shape));
        }
    }
}

#[derive(Debug)]
struct LstmGradient;

#[derive(Clone, Debug)]
struct State {
    given: Given,
    output: FlexTensor,
    /// `[batch · time, 4 h]`, after their squashing functions.
    gates: FlexTensor,
    /// `[batch, time, h]`.
    cells: FlexTensor,
    slot: Slot,
}

impl Backward<Flex, 6> for LstmGradient {
    type State = State;

    fn backward(self, ops: Ops<Self::State, 6>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = contiguous(grads.consume::<Flex>(&ops.node));
        let State {
            given,
            output,
            mut gates,
            cells,
            slot,
        } = ops.state;
        let sizes = given.sizes();
        let state = [sizes.batch, sizes.hidden];
        let mut dc = match slot.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(dc) => dc,
            None => tensor(vec![0.0; state[0] * state[1]], state),
        };
        let mut dh = tensor(vec![0.0; state[0] * state[1]], state);
        let packed = (sizes.steps > 1)
            .then(|| Packed::transposed(given.recurrent.storage(), 4 * sizes.hidden, sizes.hidden));
        lstm::backward(
            Isa::best(),
            Saved {
                sizes,
                recurrent: packed.as_ref(),
                c0: given.c0.storage(),
                cells: cells.storage(),
                mask: Steps(given.mask.as_ref().map(|mask| mask.as_slice())),
                g: g.storage(),
            },
            gates.storage_mut(),
            dh.storage_mut(),
            dc.storage_mut(),
        );
        let [x, input, recurrent, bias, h0, c0] = ops.parents;
        if let Some(parent) = h0 {
            if packed.is_none() {
                let product = Flex::float_matmul(gates.clone(), transposed(&given.recurrent));
                dh = Flex::float_add(dh, product);
            }
            grads.register::<Flex>(parent.id, dh);
        }
        if let Some(parent) = c0 {
            grads.register::<Flex>(parent.id, dc);
        }
        if let Some(parent) = x {
            let dx = Flex::float_matmul(gates.clone(), transposed(&given.input));
            grads.register::<Flex>(parent.id, dx.reshape(given.x.shape()));
        }
        if let Some(parent) = input {
            let dw = Flex::float_matmul(transposed(&given.flat_x()), gates.clone());
            grads.register::<Flex>(parent.id, dw);
        }
        if let Some(parent) = recurrent {
            let before = hidden_before(&given.h0, &output);
            let dw = Flex::float_matmul(transposed(&before), gates.clone());
            grads.register::<Flex>(parent.id, dw);
        }
        if let Some(parent) = bias {
            let db = Flex::float_sum_dim(gates, 0);
            grads.register::<Flex>(parent.id, db.reshape(given.bias.shape()));
        }
    }
}
