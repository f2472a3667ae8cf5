//! The LSTM as an operation of the graph: two results, six inputs.

use super::isa::Isa;
use super::lstm::{self, Inputs, Saved, Sizes, Steps, Trace};
use super::panels::{Factor, OuterProducts};
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
        let [batch, steps, input] = self.x.shape().dims();
        let [_, hidden] = self.h0.shape().dims();
        Sizes {
            batch,
            steps,
            input,
            hidden,
        }
    }

    fn steps(&self) -> Steps<'_> {
        Steps(self.mask.as_ref().map(|mask| mask.as_slice()))
    }

    /// Output, final cell state and trace.
    fn forward(&self, keep: bool) -> (FlexTensor, FlexTensor, Vec<Trace>) {
        let sizes = self.sizes();
        let Sizes {
            batch,
            steps,
            hidden,
            ..
        } = sizes;
        let mut output = vec![0.0; batch * steps * hidden];
        let traces = lstm::forward(
            Isa::best(),
            Inputs {
                sizes,
                x: self.x.storage(),
                input: &sizes.factor(self.input.storage(), 4 * hidden, 0..4 * hidden),
                recurrent: &sizes.factor(self.recurrent.storage(), 4 * hidden, 0..4 * hidden),
                bias: self.bias.storage(),
                h0: self.h0.storage(),
                c0: self.c0.storage(),
                mask: self.steps(),
            },
            keep,
            &mut output,
        );
        let mut cell = Vec::with_capacity(batch * hidden);
        for Trace { cells, .. } in &traces {
            let kept = if keep { steps } else { 1 };
            cell.extend_from_slice(&cells[cells.len() / kept * (kept - 1)..]);
        }
        (
            tensor(output, [batch, steps, hidden]),
            tensor(cell, [batch, hidden]),
            traces,
        )
    }
}

/// The hidden state before each step, `[batch · time]` rows, from the initial one and the output `[batch, time, h]`.
pub(super) fn hidden_before<'a>(sizes: Sizes, h0: &'a [f32], output: &'a [f32]) -> Vec<&'a [f32]> {
    let rows = h0
        .chunks_exact(sizes.hidden)
        .zip(output.chunks_exact(sizes.steps * sizes.hidden));
    rows.flat_map(|(h0, output)| {
        core::iter::once(h0).chain(output.chunks_exact(sizes.hidden).take(sizes.steps - 1))
    })
    .collect()
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
        let (output, cell, _) = given.forward(false);
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
        let (output, cell, traces) = given.forward(true);
        match LstmGradient.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let slot = Slot::default();
                let state = State {
                    given,
                    output: output.clone(),
                    traces,
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
    traces: Vec<Trace>,
    slot: Slot,
}

impl Backward<Flex, 6> for LstmGradient {
    type State = State;

    fn backward(self, ops: Ops<Self::State, 6>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = contiguous(grads.consume::<Flex>(&ops.node));
        let State {
            given,
            output,
            mut traces,
            slot,
        } = ops.state;
        let sizes = given.sizes();
        let Sizes {
            batch,
            steps,
            input: d_input,
            hidden,
        } = sizes;
        let (state, width) = ([batch, hidden], 4 * hidden);
        let mut dc = match slot.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(dc) => dc,
            None => tensor(vec![0.0; batch * hidden], state),
        };
        let mut dh = vec![0.0; batch * hidden];
        let [x, input, recurrent, bias, h0, c0] = ops.parents;
        let input_factor = x
            .as_ref()
            .map(|_| Factor::transposed(given.input.storage(), width, 0..width));
        let wanted = if x.is_some() {
            batch * steps * d_input
        } else {
            0
        };
        let mut dx = vec![0.0; wanted];
        lstm::backward(
            Isa::best(),
            Saved {
                sizes,
                input: input_factor.as_ref(),
                recurrent: &Factor::transposed(given.recurrent.storage(), width, 0..width),
                c0: given.c0.storage(),
                mask: given.steps(),
                g: g.storage(),
            },
            &mut traces,
            [&mut dh, dc.storage_mut(), &mut dx],
        );
        if let Some(parent) = h0 {
            grads.register::<Flex>(parent.id, tensor(dh, state));
        }
        if let Some(parent) = c0 {
            grads.register::<Flex>(parent.id, dc);
        }
        if let Some(parent) = x {
            grads.register::<Flex>(parent.id, tensor(dx, given.x.shape()));
        }
        if [&input, &recurrent, &bias].into_iter().any(Option::is_some) {
            let rows: Vec<&[f32]> = given.x.storage::<f32>().chunks_exact(d_input).collect();
            let before = hidden_before(sizes, given.h0.storage(), output.storage());
            let ones: Vec<&[f32]> = vec![&[1.0]; rows.len()];
            let gates = traces.iter().map(|trace| trace.gates.as_slice());
            let gates = lstm::in_order(gates, steps, width);
            let products = OuterProducts::new(Isa::best(), [&rows, &before, &ones], &gates);
            for (parent, product, like) in [
                (input, &products[0], given.input.shape()),
                (recurrent, &products[1], given.recurrent.shape()),
                (bias, &products[2], given.bias.shape()),
            ] {
                if let Some(parent) = parent {
                    let gradient = OuterProducts::side_by_side(&[product]);
                    grads.register::<Flex>(parent.id, tensor(gradient, like));
                }
            }
        }
    }
}
