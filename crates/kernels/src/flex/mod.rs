//! The kernels for Burn's Flex backend, plain and under autodiff: single precision, one pass, SIMD, several threads where that pays.

#![allow(
    clippy::inline_always,
    reason = "the helpers must be compiled with the instruction set of the function that enters them: see `isa`"
)]

mod adam;
pub(crate) mod balance;
mod conv;
mod fold;
mod gru;
mod gru_op;
mod isa;
mod linear;
mod logistic;
mod lstm;
mod lstm_cell;
mod lstm_op;
mod map;
mod noise;
mod norm;
mod panels;
mod row_sum;
mod scalar;
mod sequence;
pub(crate) mod small_balance;
mod softmax;
mod softmax_op;
mod sweep;
#[cfg(test)]
mod tests;

pub(crate) use adam::Step;
pub(crate) use conv::{Direction, Geometry, Side, convolution};
pub(crate) use gru_op::{GruInputs, gru};
pub(crate) use linear::linear;
pub(crate) use logistic::discretised_logistic;
pub(crate) use lstm_cell::lstm_cell;
pub(crate) use lstm_op::{LstmInputs, lstm};
pub(crate) use map::Map;
pub(crate) use noise::fill as fill_noise;
pub(crate) use row_sum::RowSum;
pub(crate) use softmax::RowMap;
pub(crate) use softmax_op::{categorical, logsumexp, row_map};

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
use burn::tensor::{DType, Device, Tensor, TensorData};
pub(crate) use isa::Isa;

/// From how many elements on the work is split over threads: about 300 µs of it. A second thread gained nothing measurable below, and on a busy
/// machine waiting for it cost several times the work.
const PARALLEL_FROM: usize = 1024 * 1024;
/// Elements per parallel task. Fixed, so that results do not depend on the number of threads.
const GRAIN: usize = 64 * 1024;

/// Whether the kernels can take this tensor; everything else goes to the composed form.
pub(crate) fn takes<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32
        && tensor.device() == Device::flex()
        && tensor.shape().num_elements() > 0
}

pub(crate) fn map<const D: usize>(x: Tensor<D>, map: Map) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as Kernels>::map(x.into_dispatch(), map))
}

pub(crate) fn row_sum(a: Tensor<2>, b: Tensor<2>, row_sum: RowSum) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as Kernels>::row_sum(
        a.into_dispatch(),
        b.into_dispatch(),
        row_sum,
    ))
}

/// One Adam step on plain tensors; returns parameter and moments, updated in place where nothing else holds them.
pub(crate) fn adam<const D: usize>(
    step: Step,
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    moments: [Tensor<D>; 2],
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let [m, v] = moments;
    let [mut parameter, gradient, mut m, mut v] =
        [parameter, gradient, m, v].map(|t| contiguous(primitive(t)));
    adam::step(
        Isa::best(),
        step,
        parameter.storage_mut(),
        gradient.storage(),
        m.storage_mut(),
        v.storage_mut(),
    );
    (
        Tensor::from_primitive::<Flex>(parameter),
        [m, v].map(Tensor::from_primitive::<Flex>),
    )
}

fn primitive<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    tensor
        .try_into_primitive::<Flex>()
        .expect("the caller has checked that the tensor is plain and on Flex")
}

/// The same values in a buffer of exactly their size and order. A tensor that has one keeps it, and stays its only owner if it was.
pub(crate) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    tensor.to_contiguous()
}

fn tensor(values: Vec<f32>, shape: impl Into<burn::tensor::Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.into()))
}

#[backend_extension(Flex, Autodiff)]
pub(crate) trait Kernels: Backend {
    fn map(x: FloatTensor<Self>, map: Map) -> FloatTensor<Self>;
    fn row_sum(a: FloatTensor<Self>, b: FloatTensor<Self>, row_sum: RowSum) -> FloatTensor<Self>;
}

impl Kernels for Flex {
    fn map(x: FlexTensor, map: Map) -> FlexTensor {
        let mut y = contiguous(x);
        map::apply(Isa::best(), map, y.storage_mut());
        y
    }

    fn row_sum(a: FlexTensor, b: FlexTensor, row_sum: RowSum) -> FlexTensor {
        let (a, b) = (contiguous(a), contiguous(b));
        let rows = a.shape()[0];
        let mut out = vec![0.0; rows];
        row_sum::sums(Isa::best(), row_sum, a.storage(), b.storage(), &mut out);
        tensor(out, [rows])
    }
}

impl<C: CheckpointStrategy> Kernels for Autodiff<Flex, C> {
    fn map(x: FloatTensor<Self>, map: Map) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        match MapGradient.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                if map.slope_from_output() {
                    let y = Flex::map(x, map);
                    prep.finish((y.clone(), map), y)
                } else {
                    let x = contiguous(x);
                    prep.finish((x.clone(), map), Flex::map(x, map))
                }
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::map(x, map)),
        }
    }

    fn row_sum(a: FloatTensor<Self>, b: FloatTensor<Self>, row_sum: RowSum) -> FloatTensor<Self> {
        let ((a, node_a), (b, node_b)) = (a.into_parts(), b.into_parts());
        let (a, b) = (contiguous(a), contiguous(b));
        let out = Flex::row_sum(a.clone(), b.clone(), row_sum);
        match RowSumGradient
            .prepare::<C>([node_a, node_b])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((a, b, row_sum), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

#[derive(Debug)]
struct MapGradient;

impl Backward<Flex, 1> for MapGradient {
    type State = (FlexTensor, Map);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let mut g = contiguous(grads.consume::<Flex>(&ops.node));
        let (saved, map) = ops.state;
        if let [Some(parent)] = ops.parents {
            map::scale_by_slope(Isa::best(), map, saved.storage(), g.storage_mut());
            grads.register::<Flex>(parent.id, g);
        }
    }
}

#[derive(Debug)]
struct RowSumGradient;

impl Backward<Flex, 2> for RowSumGradient {
    type State = (FlexTensor, FlexTensor, RowSum);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = contiguous(grads.consume::<Flex>(&ops.node));
        let (a, b, row_sum) = ops.state;
        let [parent_a, parent_b] = ops.parents;
        let isa = Isa::best();
        if let Some(parent) = parent_a {
            let mut da = vec![0.0; a.shape().num_elements()];
            row_sum::gradient_a(isa, row_sum, a.storage(), b.storage(), g.storage(), &mut da);
            grads.register::<Flex>(parent.id, tensor(da, a.shape()));
        }
        if let Some(parent) = parent_b {
            let mut db = vec![0.0; b.shape().num_elements()];
            row_sum::gradient_b(isa, row_sum, a.storage(), b.storage(), g.storage(), &mut db);
            grads.register::<Flex>(parent.id, tensor(db, b.shape()));
        }
    }
}
