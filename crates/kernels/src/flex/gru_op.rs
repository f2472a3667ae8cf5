//! The GRU as an operation of the graph: one result, six inputs.

use super::gru::{self, Inputs, Recurrent, Saved};
use super::isa::Isa;
use super::lstm::{Sizes, Steps};
use super::lstm_op::{Mask, hidden_before, transposed};
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

    fn steps(&self) -> Steps<'_> {
        Steps(self.mask.as_ref().map(|mask| mask.as_slice()))
    }

    /// Output, gates and what the reset gate acts on.
    fn forward(&self) -> (FlexTensor, FlexTensor, FlexTensor) {
        let sizes = self.sizes();
        let shape = [sizes.batch, sizes.steps, sizes.hidden];
        let mut gates = Flex::float_matmul(self.flat_x(), self.input.clone());
        let mut output = vec![0.0; shape.iter().product()];
        let mut inner = vec![0.0; output.len()];
        gru::forward(
            Isa::best(),
            Inputs {
                sizes,
                reset_after: self.reset_after,
                recurrent: &Recurrent::new(self.recurrent.storage(), sizes.hidden),
                bias: self.bias.storage(),
                recurrent_bias: self.recurrent_bias.storage(),
                h0: self.h0.storage(),
                mask: self.steps(),
            },
            gates.storage_mut(),
            &mut inner,
            &mut output,
        );
        (tensor(output, shape), gates, tensor(inner, shape))
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
        given.forward().0
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
        let (output, gates, inner) = given.forward();
        match GruGradient.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let state = State {
                    given,
                    output: output.clone(),
                    gates,
                    inner,
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
    /// `[batch · time, 3 h]`, after their squashing functions.
    gates: FlexTensor,
    /// `[batch, time, h]`.
    inner: FlexTensor,
}

impl Backward<Flex, 6> for GruGradient {
    type State = State;

    fn backward(self, ops: Ops<Self::State, 6>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = contiguous(grads.consume::<Flex>(&ops.node));
        let State {
            given,
            output,
            mut gates,
            mut inner,
        } = ops.state;
        let sizes = given.sizes();
        let Sizes {
            batch,
            steps,
            hidden,
        } = sizes;
        let mut dh = tensor(vec![0.0; batch * hidden], [batch, hidden]);
        gru::backward(
            Isa::best(),
            Saved {
                sizes,
                reset_after: given.reset_after,
                recurrent: &Recurrent::transposed(given.recurrent.storage(), hidden),
                h0: given.h0.storage(),
                output: output.storage(),
                mask: given.steps(),
                g: g.storage(),
            },
            gates.storage_mut(),
            inner.storage_mut(),
            dh.storage_mut(),
        );
        let [x, input, recurrent, bias, recurrent_bias, h0] = ops.parents;
        if let Some(parent) = h0 {
            grads.register::<Flex>(parent.id, dh);
        }
        if let Some(parent) = x {
            let dx = Flex::float_matmul(gates.clone(), transposed(&given.input));
            grads.register::<Flex>(parent.id, dx.reshape(given.x.shape()));
        }
        if let Some(parent) = input {
            let dw = Flex::float_matmul(transposed(&given.flat_x()), gates.clone());
            grads.register::<Flex>(parent.id, dw);
        }
        let inner = inner.reshape([batch * steps, hidden].into());
        if let Some(parent) = recurrent {
            let before = transposed(&hidden_before(&given.h0, &output));
            let dgates = gates.narrow(1, 0, 2 * hidden);
            let du = Flex::float_matmul(before.clone(), dgates);
            // What met the candidate's columns, and the gradient of their product.
            let dcandidate = if given.reset_after {
                Flex::float_matmul(before, inner.clone())
            } else {
                Flex::float_matmul(transposed(&inner), gates.narrow(1, 2 * hidden, hidden))
            };
            grads.register::<Flex>(parent.id, Flex::float_cat(vec![du, dcandidate], 1));
        }
        let sum = Flex::float_sum_dim(gates, 0).reshape([3 * hidden].into());
        if let Some(parent) = recurrent_bias {
            let db = if given.reset_after {
                let candidate = Flex::float_sum_dim(inner, 0).reshape([hidden].into());
                Flex::float_cat(vec![sum.narrow(0, 0, 2 * hidden), candidate], 0)
            } else {
                sum.clone()
            };
            grads.register::<Flex>(parent.id, db);
        }
        if let Some(parent) = bias {
            grads.register::<Flex>(parent.id, sum);
        }
    }
}
