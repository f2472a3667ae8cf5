//! An affine map with its activation as an operation of the graph, and matrix products on all threads.

use super::contiguous;
use super::isa::{Isa, Task};
use super::map::{self, Map};
use crate::Activation;
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
use core::ops::Range;
use rayon::prelude::*;

/// From how many multiply-adds on a product is split over threads: about 60 µs of it. Below, splitting cost more than it gave.
const SPLIT_FROM: usize = 1 << 23;
/// Columns that a part has at least: every part packs all of the left matrix.
const NARROWEST: usize = 64;

/// `[rows, d_in]` to `[rows, d_out]`.
pub(crate) fn linear(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    activation: Activation,
) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as LinearKernels>::linear(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        activation,
    ))
}

#[backend_extension(Flex, Autodiff)]
pub(crate) trait LinearKernels: Backend {
    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self>;
}

impl Activation {
    fn map(self) -> Option<Map> {
        match self {
            Self::Identity => None,
            Self::Tanh => Some(Map::Tanh),
            Self::Sigmoid => Some(Map::Sigmoid),
            Self::Relu => Some(Map::Relu),
            Self::Softplus => Some(Map::Softplus),
        }
    }
}

/// `f(x·W + b)`.
pub(super) fn affine(
    isa: Isa,
    x: &FlexTensor,
    weight: &FlexTensor,
    bias: &FlexTensor,
    then: Option<Map>,
) -> FlexTensor {
    let bias: &[f32] = bias.storage();
    product(x, weight, |columns, part| {
        isa.run(AddBias {
            part,
            bias: &bias[columns],
        });
        if let Some(map) = then {
            map::apply(isa, map, part);
        }
    })
}

/// `a·b`, with `finish` applied to each part of the columns as soon as it is there.
fn product(
    a: &FlexTensor,
    b: &FlexTensor,
    finish: impl Fn(Range<usize>, &mut [f32]) + Sync,
) -> FlexTensor {
    let [rows, depth] = a.shape().dims();
    let [_, width] = b.shape().dims();
    let part = |columns: Range<usize>| {
        let b = b.narrow(1, columns.start, columns.len());
        let mut part = Flex::float_matmul(a.clone(), b);
        finish(columns, part.storage_mut());
        part
    };
    let parts = rayon::current_num_threads().min(width / NARROWEST);
    if parts < 2 || rows * depth * width < SPLIT_FROM {
        return part(0..width);
    }
    let border = |i: usize| i * width / parts;
    let parts = (0..parts)
        .into_par_iter()
        .map(|i| part(border(i)..border(i + 1)));
    Flex::float_cat(parts.collect(), 1)
}

struct AddBias<'a> {
    part: &'a mut [f32],
    bias: &'a [f32],
}

impl Task for AddBias<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for row in self.part.chunks_exact_mut(self.bias.len()) {
            for (y, b) in row.iter_mut().zip(self.bias) {
                *y += b;
            }
        }
    }
}

impl LinearKernels for Flex {
    fn linear(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        activation: Activation,
    ) -> FlexTensor {
        affine(
            Isa::best(),
            &x,
            &weight,
            &contiguous(bias),
            activation.map(),
        )
    }
}

impl<C: CheckpointStrategy> LinearKernels for Autodiff<Flex, C> {
    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let inputs = [x, weight, bias];
        let nodes = inputs.each_ref().map(FloatTensor::<Self>::node);
        let [x, weight, bias] = inputs.map(FloatTensor::<Self>::into_primitive);
        let bias = contiguous(bias);
        match LinearGradient
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => {
                let map = activation.map();
                // What the slope follows from.
                let (saved, y) = match map {
                    Some(map) if !map.slope_from_output() => {
                        let z = affine(Isa::best(), &x, &weight, &bias, None);
                        let mut y = z.clone();
                        map::apply(Isa::best(), map, y.storage_mut());
                        (Some((map, z)), y)
                    }
                    _ => {
                        let y = affine(Isa::best(), &x, &weight, &bias, map);
                        (map.map(|map| (map, y.clone())), y)
                    }
                };
                prep.finish(State { x, weight, saved }, y)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(affine(Isa::best(), &x, &weight, &bias, activation.map()))
            }
        }
    }
}

#[derive(Debug)]
struct LinearGradient;

#[derive(Clone, Debug)]
struct State {
    x: FlexTensor,
    weight: FlexTensor,
    /// The activation, and what its slope follows from.
    saved: Option<(Map, FlexTensor)>,
}

impl Backward<Flex, 3> for LinearGradient {
    type State = State;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let mut g = contiguous(grads.consume::<Flex>(&ops.node));
        let State { x, weight, saved } = ops.state;
        if let Some((map, saved)) = saved {
            map::scale_by_slope(Isa::best(), map, saved.storage(), g.storage_mut());
        }
        let [to_x, to_weight, to_bias] = ops.parents;
        if let Some(parent) = to_x {
            let dx = product(&g, &weight.transpose(0, 1), |_, _| ());
            grads.register::<Flex>(parent.id, dx);
        }
        if let Some(parent) = to_weight {
            let dw = product(&x.transpose(0, 1), &g, |_, _| ());
            grads.register::<Flex>(parent.id, dw);
        }
        if let Some(parent) = to_bias {
            let [_, width] = g.shape().dims();
            let db = Flex::float_sum_dim(g, 0);
            grads.register::<Flex>(parent.id, db.reshape([width].into()));
        }
    }
}
