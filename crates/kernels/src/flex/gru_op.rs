//! The GRU as an operation of the graph: one result, six inputs.

use super::gru::{self, Inputs, Recurrent, Saved, Trace};
use super::isa::Isa;
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
use burn::tensor::Tensor;

/// The inputs, in the order of the operation's parents.
#[derive(Clone, Debug, ExtensionType)]
pub(crate) struct GruInputs<B: Backend> {
    pub(crate) x: FloatTensor<B>,
    pub(crate) input: FloatTensor<B>,
    pub(crate) recurrent: FloatTensor<B>,
    pub(crate) bias: FloatTensor<B>,
    pub(crate) recurrent_bias: FloatTensor<B>,
    pub(crate) h0: FloatTensor<B>,
    pub(crate) mask: Mask,
    pub(crate) reset_after: bool,
}

/// Output `[batch, time, h]`.
pub(crate) fn gru(inputs: GruInputs<Dispatch>) -> Tensor<3> {
    Tensor::from_dispatch(<Dispatch as GruKernels>::gru(inputs))
}

#[backend_extension(Flex, Autodiff)]
pub(crate) trait GruKernels: Backend {
    fn gru(#[extension_type] inputs: GruInputs<Self>) -> FloatTensor<Self>;
}

impl<B: Backend> GruInputs<B> {
    /// The tensors, each through a function, in inputs for another backend.
    fn map<C: Backend>(self, f: impl Fn(FloatTensor<B>) -> FloatTensor<C>) -> GruInputs<C> {
        GruInputs {
            x: f(self.x),
            input: f(self.input),
            recurrent: f(self.recurrent),
            bias: f(self.bias),
            recurrent_bias: f(self.recurrent_bias),
            h0: f(self.h0),
            mask: self.mask,
            reset_after: self.reset_after,
        }
    }
}

impl GruInputs<Flex> {
    /// Output and traces.
    fn forward(&self, keep: bool) -> (FlexTensor, Vec<Trace>) {
        let sizes = Sizes::of(&self.x, &self.h0);
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
                mask: Steps::of(&self.mask),
            },
            keep,
            &mut output,
        );
        (tensor(output, [batch, steps, hidden]), traces)
    }
}

impl GruKernels for Flex {
    fn gru(inputs: GruInputs<Self>) -> FlexTensor {
        inputs.map::<Flex>(contiguous).forward(false).0
    }
}

impl<C: CheckpointStrategy> GruKernels for Autodiff<Flex, C> {
    fn gru(inputs: GruInputs<Self>) -> FloatTensor<Self> {
        let nodes = [
            &inputs.x,
            &inputs.input,
            &inputs.recurrent,
            &inputs.bias,
            &inputs.recurrent_bias,
            &inputs.h0,
        ]
        .map(FloatTensor::<Self>::node);
        let given = inputs.map::<Flex>(|tensor| contiguous(tensor.into_primitive()));
        match GruGradient.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (output, traces) = given.forward(true);
                let state = State {
                    given,
                    output: output.clone(),
                    traces,
                };
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(given.forward(false).0),
        }
    }
}

#[derive(Debug)]
struct GruGradient;

#[derive(Clone, Debug)]
struct State {
    given: GruInputs<Flex>,
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
        let sizes = Sizes::of(&given.x, &given.h0);
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
                mask: Steps::of(&given.mask),
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
            let inner = in_order(traces.iter().map(|trace| &trace.inner), steps, hidden);
            let gates = in_order(traces.iter().map(|trace| &trace.gates), steps, width);
            let gates = gates.into_iter().map(|gates| gates.split_at(2 * hidden));
            let (openings, candidates): (Vec<&[f32]>, Vec<&[f32]>) = gates.unzip();
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
