//! The LSTM as an operation of the graph: two results, seven inputs.

use super::isa::Isa;
use super::lstm::{self, Inputs, Saved, Slopes, Trace};
use super::norm::{NORMS, Norms};
use super::panels::{Factor, OuterProducts};
use super::sequence::{Mask, Sizes, Steps, hidden_before, in_order};
use super::{contiguous, tensor};
use burn::backend::autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{
    Backend, Dispatch, ExtensionType, Flex, TensorMetadata, backend_extension, flex::FlexTensor,
    tensor::FloatTensor,
};
use burn::tensor::{Shape, Tensor};
use std::sync::{Arc, Mutex, PoisonError};

/// The inputs, in the order of the operation's parents.
#[derive(Clone, Debug, ExtensionType)]
pub(crate) struct LstmInputs<B: Backend> {
    pub(crate) x: FloatTensor<B>,
    pub(crate) input: FloatTensor<B>,
    pub(crate) recurrent: FloatTensor<B>,
    pub(crate) bias: FloatTensor<B>,
    /// All gains and biases of the layer norms one after the other, or none.
    pub(crate) norms: FloatTensor<B>,
    pub(crate) h0: FloatTensor<B>,
    pub(crate) c0: FloatTensor<B>,
    pub(crate) mask: Mask,
}

/// Output `[batch, time, h]` and final cell state `[batch, h]`.
pub(crate) fn lstm(inputs: LstmInputs<Dispatch>) -> (Tensor<3>, Tensor<2>) {
    let (output, cell) = <Dispatch as LstmKernels>::lstm(inputs);
    (Tensor::from_dispatch(output), Tensor::from_dispatch(cell))
}

#[backend_extension(Flex, Autodiff)]
pub(crate) trait LstmKernels: Backend {
    fn lstm(#[extension_type] inputs: LstmInputs<Self>) -> (FloatTensor<Self>, FloatTensor<Self>);
}

impl<B: Backend> LstmInputs<B> {
    /// The tensors, each through a function, in inputs for another backend.
    fn map<C: Backend>(self, f: impl Fn(FloatTensor<B>) -> FloatTensor<C>) -> LstmInputs<C> {
        LstmInputs {
            x: f(self.x),
            input: f(self.input),
            recurrent: f(self.recurrent),
            bias: f(self.bias),
            norms: f(self.norms),
            h0: f(self.h0),
            c0: f(self.c0),
            mask: self.mask,
        }
    }
}

impl LstmInputs<Flex> {
    fn norms(&self) -> Option<Norms<'_>> {
        let norms: &[f32] = self.norms.storage();
        (!norms.is_empty()).then(|| Norms::new(norms))
    }

    /// Output, final cell state and traces.
    fn forward(&self, keep: bool) -> (FlexTensor, FlexTensor, Vec<Trace>) {
        let sizes = Sizes::of(&self.x, &self.h0);
        let Sizes {
            batch,
            steps,
            hidden,
            ..
        } = sizes;
        let all = 0..4 * hidden;
        let mut output = vec![0.0; batch * steps * hidden];
        let traces = lstm::forward(
            Isa::best(),
            Inputs {
                sizes,
                x: self.x.storage(),
                input: &sizes.factor(self.input.storage(), all.len(), all.clone()),
                recurrent: &sizes.factor(self.recurrent.storage(), all.len(), all),
                bias: self.bias.storage(),
                norms: self.norms(),
                h0: self.h0.storage(),
                c0: self.c0.storage(),
                mask: Steps::of(&self.mask),
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

impl LstmKernels for Flex {
    fn lstm(inputs: LstmInputs<Self>) -> (FlexTensor, FlexTensor) {
        let (output, cell, _) = inputs.map::<Flex>(contiguous).forward(false);
        (output, cell)
    }
}

/// Where the gradient of the final cell state waits for the operation that has the other one.
pub(super) type Slot = Arc<Mutex<Option<FlexTensor>>>;

impl<C: CheckpointStrategy> LstmKernels for Autodiff<Flex, C> {
    fn lstm(inputs: LstmInputs<Self>) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let nodes = [
            &inputs.x,
            &inputs.input,
            &inputs.recurrent,
            &inputs.bias,
            &inputs.norms,
            &inputs.h0,
            &inputs.c0,
        ]
        .map(FloatTensor::<Self>::node);
        let given = inputs.map::<Flex>(|tensor| contiguous(tensor.into_primitive()));
        match LstmGradient.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (output, cell, traces) = given.forward(true);
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
                let (output, cell, _) = given.forward(false);
                (prep.finish(output), FloatTensor::<Self>::new(cell))
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
    given: LstmInputs<Flex>,
    output: FlexTensor,
    traces: Vec<Trace>,
    slot: Slot,
}

impl Backward<Flex, 7> for LstmGradient {
    type State = State;

    fn backward(self, ops: Ops<Self::State, 7>, grads: &mut Gradients, _: &mut Checkpointer) {
        let isa = Isa::best();
        let g = contiguous(grads.consume::<Flex>(&ops.node));
        let State {
            given,
            output,
            mut traces,
            slot,
        } = ops.state;
        let sizes = Sizes::of(&given.x, &given.h0);
        let Sizes {
            batch,
            steps,
            input: d_input,
            hidden,
        } = sizes;
        let state = [batch, hidden];
        let [x, input, recurrent, bias, norms, h0, c0] = ops.parents;
        let zeros = |size: usize, wanted: bool| vec![0.0; if wanted { size } else { 0 }];
        let mut dh = zeros(batch * hidden, true);
        let mut dc = match slot.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(dc) => dc,
            None => tensor(dh.clone(), state),
        };
        let mut dx = zeros(batch * steps * d_input, x.is_some());
        let mut dnorms = zeros(batch * NORMS * hidden, given.norms().is_some());
        let width = 4 * hidden;
        let transposed =
            |factor: &FlexTensor| Factor::transposed(factor.storage(), width, 0..width);
        lstm::backward(
            isa,
            Saved {
                sizes,
                input: x.as_ref().map(|_| transposed(&given.input)).as_ref(),
                recurrent: &transposed(&given.recurrent),
                norms: given.norms(),
                c0: given.c0.storage(),
                to_h0: h0.is_some(),
                mask: Steps::of(&given.mask),
                g: g.storage(),
            },
            &mut traces,
            Slopes {
                h: &mut dh,
                c: dc.storage_mut(),
                x: &mut dx,
                norms: &mut dnorms,
            },
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
        if let Some(parent) = norms {
            let mut sum = vec![0.0; given.norms.shape().num_elements()];
            for row in dnorms.chunks_exact(NORMS * hidden) {
                for (sum, d) in sum.iter_mut().zip(row) {
                    *sum += d;
                }
            }
            grads.register::<Flex>(parent.id, tensor(sum, given.norms.shape()));
        }
        if [&input, &recurrent, &bias].into_iter().any(Option::is_some) {
            let rows: Vec<&[f32]> = given.x.storage::<f32>().chunks_exact(d_input).collect();
            let before = hidden_before(sizes, given.h0.storage(), output.storage());
            let ones: Vec<&[f32]> = vec![&[1.0]; rows.len()];
            let gates = traces.iter().map(|trace| &trace.gates);
            let gates = in_order(gates, steps, width);
            let [w, u, b] = if given.norms().is_some() {
                let [to_x, to_h] = [0, 1].map(|product: usize| {
                    let rows = traces.iter().map(|trace| &trace.products[product].rows);
                    in_order(rows, steps, width)
                });
                let [w] = OuterProducts::new(isa, [&rows], &to_x);
                let [u] = OuterProducts::new(isa, [&before], &to_h);
                let [b] = OuterProducts::new(isa, [&ones], &gates);
                [w, u, b]
            } else {
                OuterProducts::new(isa, [&rows, &before, &ones], &gates)
            };
            for (parent, product, like) in [
                (input, w, &given.input),
                (recurrent, u, &given.recurrent),
                (bias, b, &given.bias),
            ] {
                if let Some(parent) = parent {
                    let gradient = OuterProducts::side_by_side(&[&product]);
                    grads.register::<Flex>(parent.id, tensor(gradient, like.shape()));
                }
            }
        }
    }
}
