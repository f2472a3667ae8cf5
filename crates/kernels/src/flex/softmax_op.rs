//! Softmax and its relatives as operations of the graph.

use super::isa::Isa;
use super::softmax::{RowMap, apply, gradient, log_sums, pull_back, weighted};
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

pub(crate) fn row_map<const D: usize>(x: Tensor<D>, map: RowMap) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as SoftmaxKernels>::row_map(
        x.into_dispatch(),
        map,
    ))
}

pub(crate) fn logsumexp<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as SoftmaxKernels>::logsumexp(x.into_dispatch()))
}

pub(crate) fn categorical(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as SoftmaxKernels>::categorical(
        logits.into_dispatch(),
        targets.into_dispatch(),
    ))
}

/// The last axis.
fn width(x: &FlexTensor) -> usize {
    let shape = x.shape();
    shape[shape.num_dims() - 1]
}

#[backend_extension(Flex, Autodiff)]
pub(crate) trait SoftmaxKernels: Backend {
    fn row_map(x: FloatTensor<Self>, map: RowMap) -> FloatTensor<Self>;
    fn logsumexp(x: FloatTensor<Self>) -> FloatTensor<Self>;
    fn categorical(logits: FloatTensor<Self>, targets: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl SoftmaxKernels for Flex {
    fn row_map(x: FlexTensor, map: RowMap) -> FlexTensor {
        let x = contiguous(x);
        let mut y = vec![0.0; x.shape().num_elements()];
        apply(Isa::best(), map, width(&x), x.storage(), &mut y);
        tensor(y, x.shape())
    }

    fn logsumexp(x: FlexTensor) -> FlexTensor {
        let x = contiguous(x);
        let width = width(&x);
        let mut shape = x.shape();
        let last = shape.num_dims() - 1;
        let mut out = vec![0.0; shape.num_elements() / width];
        log_sums(Isa::best(), width, x.storage(), &mut out);
        shape[last] = 1;
        tensor(out, shape)
    }

    fn categorical(logits: FlexTensor, targets: FlexTensor) -> FlexTensor {
        let (logits, targets) = (contiguous(logits), contiguous(targets));
        let log_sum = Self::logsumexp(logits.clone());
        categorical_from(&logits, &targets, &log_sum)
    }
}

fn categorical_from(logits: &FlexTensor, targets: &FlexTensor, log_sum: &FlexTensor) -> FlexTensor {
    let [rows, width] = logits.shape().dims();
    let mut out = vec![0.0; rows];
    weighted(
        Isa::best(),
        width,
        logits.storage(),
        targets.storage(),
        log_sum.storage(),
        &mut out,
    );
    tensor(out, [rows])
}

impl<C: CheckpointStrategy> SoftmaxKernels for Autodiff<Flex, C> {
    fn row_map(x: FloatTensor<Self>, map: RowMap) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        let y = Flex::row_map(x, map);
        match RowMapGradient
            .prepare::<C>([node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((y.clone(), map), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn logsumexp(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        let x = contiguous(x);
        let y = Flex::logsumexp(x.clone());
        match LogSumExpGradient
            .prepare::<C>([node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((x, y.clone()), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn categorical(logits: FloatTensor<Self>, targets: FloatTensor<Self>) -> FloatTensor<Self> {
        let ((logits, node), (targets, targets_node)) = (logits.into_parts(), targets.into_parts());
        let (logits, targets) = (contiguous(logits), contiguous(targets));
        let log_sum = Flex::logsumexp(logits.clone());
        let out = categorical_from(&logits, &targets, &log_sum);
        match CategoricalGradient
            .prepare::<C>([node, targets_node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((logits, targets, log_sum), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

#[derive(Debug)]
struct RowMapGradient;

impl Backward<Flex, 1> for RowMapGradient {
    type State = (FlexTensor, RowMap);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let mut g = contiguous(grads.consume::<Flex>(&ops.node));
        let (y, map) = ops.state;
        if let [Some(parent)] = ops.parents {
            pull_back(Isa::best(), map, width(&y), y.storage(), g.storage_mut());
            grads.register::<Flex>(parent.id, g);
        }
    }
}

#[derive(Debug)]
struct LogSumExpGradient;

impl Backward<Flex, 1> for LogSumExpGradient {
    type State = (FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = contiguous(grads.consume::<Flex>(&ops.node));
        let (x, y) = ops.state;
        if let [Some(parent)] = ops.parents {
            let mut dx = vec![0.0; x.shape().num_elements()];
            gradient(
                Isa::best(),
                width(&x),
                x.storage(),
                y.storage(),
                None,
                g.storage(),
                &mut dx,
            );
            grads.register::<Flex>(parent.id, tensor(dx, x.shape()));
        }
    }
}

#[derive(Debug)]
struct CategoricalGradient;

impl Backward<Flex, 2> for CategoricalGradient {
    /// Logits, targets, and the logarithms of the normalisers.
    type State = (FlexTensor, FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = contiguous(grads.consume::<Flex>(&ops.node));
        let (x, t, log_sum) = ops.state;
        let [parent, targets_parent] = ops.parents;
        let width = width(&x);
        if let Some(parent) = parent {
            let mut dx = vec![0.0; x.shape().num_elements()];
            gradient(
                Isa::best(),
                width,
                x.storage(),
                log_sum.storage(),
                Some(t.storage()),
                g.storage(),
                &mut dx,
            );
            grads.register::<Flex>(parent.id, tensor(dx, x.shape()));
        }
        if let Some(parent) = targets_parent {
            let (g, log_sum): (&[f32], &[f32]) = (g.storage(), log_sum.storage());
            let mut dt = vec![0.0; t.shape().num_elements()];
            let total = dt.len();
            for (row, x) in x.storage::<f32>().chunks_exact(width).enumerate() {
                let dt = &mut dt[(row * width) % total..][..width];
                for (dt, &x) in dt.iter_mut().zip(x) {
                    *dt += g[row] * (x - log_sum[row]);
                }
            }
            grads.register::<Flex>(parent.id, tensor(dt, t.shape()));
        }
    }
}
