//! The GRU as an operation of the graph: one result, six inputs.

use super::gru::{self, Inputs, Recurrent, Saved, Trace};
use super::isa::Isa;
use super::lstm::{Sizes, Steps, in_order};
use super::lstm_op::{Mask, hidden_before};
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
use burn::tensor::Tensor;

/// Output `[batch, time, h]`.
pub(crate) fn gru(
    x: Tensor<3>,
    weights: [Tensor<2>; 2],
    biases: [Tensor<1>; 2],
    h0: Tensor<2>,
    mask: Mask,
    reset_after: bool,
) -> Tensor<3> {
    let [input, recurrent] = weights;
    let [bias, recurrent_bias] = biases;
    Tensor::from_dispatch(<Dispatch as GruKernels>::gru(
        x.into_dispatch(),
        input.into_dispatch(),
        recurrent.into_dispatch(),
        bias.into_dispatch(),
        recurrent_bias.into_dispatch(),
        h0.into_dispatch(),
        mask,
        reset_after,
    ))
}

#[backend_extension(Flex, Autodiff)]
#[allow(
    clippy::too_many_arguments,
    reason = "tensors cannot be passed in a structure"
)]
pub(crate) trait GruKernels: Backend {
    fn gru(
        x: FloatTensor<Self>,
        input: FloatTensor<Self>,
        recurrent: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        recurrent_bias: FloatTensor<Self>,
        h0: FloatTensor<Self>,
        mask: Mask,
        reset_after: bool,
    ) -> FloatTensor<Self>;
}

#[derive(Clone, Debug)]
struct Given {
    x: FlexTensor,
    input: FlexTensor,
    recurrent: FlexTensor,
    bias: FlexTensor,
    recurrent_bias: FlexTensor,
    h0: FlexTensor,
    mask: Mask,
    reset_after: bool,
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

    fn forward(&self, keep: bool) -> (FlexTensor, Vec<Trace>) {
        let sizes = self.sizes();
        let Sizes {
            batch,
            steps,
            hidden,
            ..
        } = sizes;
        let width = 3 * hidden;
        let recurrent_bias: &[f32] = self.recurrent_bias.storage();
        let mut bias = self.bias.storage::<f32>().to_vec();
        let outside = if self.reset_after { 2 * hidden } else { width };
        for (bias, more) in bias.iter_mut().zip(&recurrent_bias[..outside]) {
            *bias += more;
        }
        let mut output = vec![0.0; batch * steps * hidden];
        let factor = |matrix, width, columns| sizes.factor(matrix, width, columns);
        let traces = gru::forward(
            Isa::best(),
            Inputs {
                sizes,
                reset_after: self.reset_after,
                x: self.x.storage(),
                input: &factor(self.input.storage(), width, 0..width),
                recurrent: &Recurrent::new(self.recurrent.storage(), hidden, factor),
                bias: &bias,
                inner_bias: &recurrent_bias[2 * hidden..],
                h0: self.h0.storage(),
                mask: self.steps(),
            },
            keep,
            &mut output,
        );
        (tensor(output, [batch, steps, hidden]), traces)
    }
}

impl GruKernels for Flex {
    fn gru(
        x: FlexTensor,
        input: FlexTensor,
        recurrent: FlexTensor,
        bias: FlexTensor,
        recurrent_bias: FlexTensor,
        h0: FlexTensor,
        mask: Mask,
        reset_after: bool,
    ) -> FlexTensor {
        let [x, input, recurrent, bias, recurrent_bias, h0] =
            [x, input, recurrent, bias, recurrent_bias, h0].map(contiguous);
        let given = Given {
            x,
            input,
            recurrent,
            bias,
            recurrent_bias,
            h0,
            mask,
            reset_after,
        };
        given.forward(false).0
    }
}

impl<C: CheckpointStrategy> GruKernels for Autodiff<Flex, C> {
    fn gru(
        x: FloatTensor<Self>,
        input: FloatTensor<Self>,
        recurrent: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        recurrent_bias: FloatTensor<Self>,
        h0: FloatTensor<Self>,
        mask: Mask,
        reset_after: bool,
    ) -> FloatTensor<Self> {
        let inputs = [x, input, recurrent, bias, recurrent_bias, h0];
        let nodes = inputs.each_ref().map(FloatTensor::<Self>::node);
        let [x, input, recurrent, bias, recurrent_bias, h0] =
            inputs.map(|input| contiguous(input.into_primitive()));
        let given = Given {
            x,
            input,
            recurrent,
            bias,
            recurrent_bias,
            h0,
            mask,
            reset_after,
        };
        let (output, traces) = given.forward(true);
        match GruGradient.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let state = State {
                    given,
                    output: output.clone(),
                    traces,
                };
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}

#[derive(Debug)]
struct GruGradient;

#[derive(Clone, Debug)]
struct State {
    given: Given,
    output: FlexTensor,
    traces: Vec<Trace>,
}

impl Backward<Flex, 6> for GruGradient {
    type State = State;

    fn backward(self, ops: Ops<Self::State, 6>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = contiguous(grads.consume::<Flex>(&ops.node));
        let State {
            given,
            output,
            mut traces,
        } = ops.state;
        let sizes = given.sizes();
        let Sizes {
            batch,
            steps,
            input: d_input,
            hidden,
        } = sizes;
        let width = 3 * hidden;
        let [x, input, recurrent, bias, recurrent_bias, h0] = ops.parents;
        let input_factor = x
            .as_ref()
            .map(|_| Factor::transposed(given.input.storage(), width, 0..width));
        let wanted = if x.is_some() {
            batch * steps * d_input
        } else {
            0
        };
        let (mut dh, mut dx) = (vec![0.0; batch * hidden], vec![0.0; wanted]);
        gru::backward(
            Isa::best(),
            Saved {
                sizes,
                reset_after: given.reset_after,
                input: input_factor.as_ref(),
                recurrent: &Recurrent::new(given.recurrent.storage(), hidden, Factor::transposed),
                h0: given.h0.storage(),
                output: output.storage(),
                mask: given.steps(),
                g: g.storage(),
            },
            &mut traces,
            [&mut dh, &mut dx],
        );
        if let Some(parent) = h0 {
            grads.register::<Flex>(parent.id, tensor(dh, [batch, hidden]));
        }
        if let Some(parent) = x {
            grads.register::<Flex>(parent.id, tensor(dx, given.x.shape()));
        }
        let weights = [
            (input, given.input.shape()),
            (recurrent, given.recurrent.shape()),
            (bias, given.bias.shape()),
            (recurrent_bias, given.recurrent_bias.shape()),
        ];
        if weights.iter().any(|(parent, _)| parent.is_some()) {
            let isa = Isa::best();
            let rows: Vec<&[f32]> = given.x.storage::<f32>().chunks_exact(d_input).collect();
            let before = hidden_before(sizes, given.h0.storage(), output.storage());
            let ones: Vec<&[f32]> = vec![&[1.0]; rows.len()];
            let inner = traces.iter().map(|trace| trace.inner.as_slice());
            let inner = in_order(inner, steps, hidden);
            let gates = traces.iter().map(|trace| trace.gates.as_slice());
            let (openings, candidates): (Vec<&[f32]>, Vec<&[f32]>) = in_order(gates, steps, width)
                .into_iter()
                .map(|gates| gates.split_at(2 * hidden))
                .unzip();
            let [w, u, b] = OuterProducts::new(isa, [&rows, &before, &ones], &openings);
            let [w_candidate, b_candidate] = OuterProducts::new(isa, [&rows, &ones], &candidates);
            // What met the candidate's columns, and the gradient of their product.
            let (met, product) = if given.reset_after {
                (&before, &inner)
            } else {
                (&inner, &candidates)
            };
            let [u_candidate, b_inner] = OuterProducts::new(isa, [met, &ones], product);
            let gradients = [
                [&w, &w_candidate],
                [&u, &u_candidate],
                [&b, &b_candidate],
                [&b, &b_inner],
            ];
            for ((parent, shape), parts) in weights.into_iter().zip(gradients) {
                if let Some(parent) = parent {
                    let gradient = OuterProducts::side_by_side(&parts);
                    grads.register::<Flex>(parent.id, tensor(gradient, shape));
                }
            }
        }
    }
}
