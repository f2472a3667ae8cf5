//! Convolutions as operations of the graph.

use super::{Geometry, correlate, spread, weight_gradient};
use crate::flex::isa::Isa;
use crate::flex::{contiguous, tensor};
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
use std::sync::Arc;

/// Which way a convolution goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    /// From images to features.
    Down,
    /// From features to images: transposed.
    Up,
}

/// Images to features or back; the weights are `[features, images, height, width]` for both.
pub(crate) fn convolution(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    geometry: Geometry,
    direction: Direction,
) -> Tensor<4> {
    Tensor::from_dispatch(<Dispatch as ConvKernels>::convolution(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        Arc::new(geometry),
        direction,
    ))
}

#[backend_extension(Flex, Autodiff)]
pub(crate) trait ConvKernels: Backend {
    fn convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Arc<Geometry>,
        direction: Direction,
    ) -> FloatTensor<Self>;
}

impl ConvKernels for Flex {
    fn convolution(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        geometry: Arc<Geometry>,
        direction: Direction,
    ) -> FlexTensor {
        let [x, weight, bias] = [x, weight, bias].map(contiguous);
        run(direction, &geometry, &x, &weight, bias.storage())
    }
}

fn run(
    direction: Direction,
    geometry: &Geometry,
    x: &FlexTensor,
    weight: &FlexTensor,
    bias: &[f32],
) -> FlexTensor {
    let [count, ..] = x.shape().dims::<4>();
    let (shape, kernel): (_, fn(_, &_, &_, &_, &_, &mut _)) = match direction {
        Direction::Down => (geometry.features(count), correlate),
        Direction::Up => (geometry.images(count), spread),
    };
    let mut out = vec![0.0; shape.iter().product()];
    kernel(
        Isa::best(),
        geometry,
        x.storage(),
        weight.storage(),
        bias,
        &mut out,
    );
    tensor(out, shape)
}

impl<C: CheckpointStrategy> ConvKernels for Autodiff<Flex, C> {
    fn convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Arc<Geometry>,
        direction: Direction,
    ) -> FloatTensor<Self> {
        let inputs = [x, weight, bias];
        let nodes = inputs.each_ref().map(FloatTensor::<Self>::node);
        let [x, weight, bias] = inputs.map(|input| contiguous(input.into_primitive()));
        let y = run(direction, &geometry, &x, &weight, bias.storage());
        match ConvGradient.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, weight, geometry, direction), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

#[derive(Debug)]
struct ConvGradient;

impl Backward<Flex, 3> for ConvGradient {
    type State = (FlexTensor, FlexTensor, Arc<Geometry>, Direction);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = contiguous(grads.consume::<Flex>(&ops.node));
        let (x, weight, geometry, direction) = ops.state;
        let [parent, weight_parent, bias_parent] = ops.parents;
        if let Some(parent) = parent {
            let (back, [_, channels, ..]) = match direction {
                Direction::Down => (Direction::Up, geometry.images(1)),
                Direction::Up => (Direction::Down, geometry.features(1)),
            };
            let dx = run(back, &geometry, &g, &weight, &vec![0.0; channels]);
            grads.register::<Flex>(parent.id, dx);
        }
        if let Some(parent) = weight_parent {
            let (images, features) = match direction {
                Direction::Down => (&x, &g),
                Direction::Up => (&g, &x),
            };
            let dw = weight_gradient(Isa::best(), &geometry, images.storage(), features.storage());
            grads.register::<Flex>(parent.id, tensor(dw, geometry.weights()));
        }
        if let Some(parent) = bias_parent {
            let [count, channels, height, width] = g.shape().dims();
            let sums = g.reshape([count * channels, height * width].into());
            let sums = Flex::float_sum_dim(sums, 1).reshape([count, channels].into());
            let db = Flex::float_sum_dim(sums, 0).reshape([channels].into());
            grads.register::<Flex>(parent.id, db);
        }
    }
}
