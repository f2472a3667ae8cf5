//! The log-probability of rounded values under a logistic law, element by element, in one pass.

use super::isa::{Isa, Task};
use super::scalar::{self, Edge};
use super::{GRAIN, PARALLEL_FROM, contiguous, tensor};
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
use rayon::prelude::*;

pub(crate) fn discretised_logistic<const D: usize>(
    x: Tensor<D>,
    mean: Tensor<D>,
    log_scale: Tensor<D>,
    half_width: f32,
) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as LogisticKernels>::discretised_logistic(
        x.into_dispatch(),
        mean.into_dispatch(),
        log_scale.into_dispatch(),
        half_width,
    ))
}

/// Values, means and log scales, alike in length.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub(super) x: &'a [f32],
    pub(super) mean: &'a [f32],
    pub(super) log_scale: &'a [f32],
    pub(super) half_width: f32,
}

impl<'a> Inputs<'a> {
    fn part(self, task: usize, grain: usize, len: usize) -> Self {
        let range = task * grain..task * grain + len;
        let part = |all: &'a [f32]| &all[range.clone()];
        Self {
            x: part(self.x),
            mean: part(self.mean),
            log_scale: part(self.log_scale),
            half_width: self.half_width,
        }
    }
}

/// The log-probabilities.
pub(super) fn values(isa: Isa, inputs: Inputs<'_>, out: &mut [f32]) {
    if out.len() < PARALLEL_FROM {
        return isa.run(Values { inputs, out });
    }
    out.par_chunks_mut(GRAIN)
        .enumerate()
        .for_each(|(task, out)| {
            let inputs = inputs.part(task, GRAIN, out.len());
            isa.run(Values { inputs, out });
        });
}

/// g times the derivatives by x (that by the mean is its negative) and by the log scale.
pub(super) fn gradients(
    isa: Isa,
    inputs: Inputs<'_>,
    g: &[f32],
    dx: &mut [f32],
    dlog_scale: &mut [f32],
) {
    if g.len() < PARALLEL_FROM {
        return isa.run(Slopes {
            inputs,
            g,
            dx,
            dlog_scale,
        });
    }
    dx.par_chunks_mut(GRAIN)
        .zip(dlog_scale.par_chunks_mut(GRAIN))
        .zip(g.par_chunks(GRAIN))
        .enumerate()
        .for_each(|(task, ((dx, dlog_scale), g))| {
            isa.run(Slopes {
                inputs: inputs.part(task, GRAIN, g.len()),
                g,
                dx,
                dlog_scale,
            });
        });
}

struct Values<'a> {
    inputs: Inputs<'a>,
    out: &'a mut [f32],
}

impl Task for Values<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Inputs {
            x,
            mean,
            log_scale,
            half_width: h,
        } = self.inputs;
        for (((out, &x), &mean), &log_scale) in self.out.iter_mut().zip(x).zip(mean).zip(log_scale)
        {
            let k = scalar::exp::<FMA>(-log_scale);
            *out = scalar::discretised_logistic::<FMA>(x - mean, k, h, Edge::of(x, h));
        }
    }
}

struct Slopes<'a> {
    inputs: Inputs<'a>,
    g: &'a [f32],
    dx: &'a mut [f32],
    dlog_scale: &'a mut [f32],
}

impl Task for Slopes<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Inputs {
            x,
            mean,
            log_scale,
            half_width: h,
        } = self.inputs;
        let outputs = self.dx.iter_mut().zip(self.dlog_scale).zip(self.g);
        for (((((dx, ds), &g), &x), &mean), &log_scale) in outputs.zip(x).zip(mean).zip(log_scale) {
            let k = scalar::exp::<FMA>(-log_scale);
            let (by_x, by_log_scale) =
                scalar::discretised_logistic_slopes::<FMA>(x - mean, k, h, Edge::of(x, h));
            *dx = g * by_x;
            *ds = g * by_log_scale;
        }
    }
}

#[backend_extension(Flex, Autodiff)]
pub(crate) trait LogisticKernels: Backend {
    fn discretised_logistic(
        x: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        log_scale: FloatTensor<Self>,
        half_width: f32,
    ) -> FloatTensor<Self>;
}

fn forward(inputs: &[FlexTensor; 3], half_width: f32) -> FlexTensor {
    let mut out = vec![0.0; inputs[0].shape().num_elements()];
    values(Isa::best(), slices(inputs, half_width), &mut out);
    tensor(out, inputs[0].shape())
}

fn slices([x, mean, log_scale]: &[FlexTensor; 3], half_width: f32) -> Inputs<'_> {
    Inputs {
        x: x.storage(),
        mean: mean.storage(),
        log_scale: log_scale.storage(),
        half_width,
    }
}

impl LogisticKernels for Flex {
    fn discretised_logistic(
        x: FlexTensor,
        mean: FlexTensor,
        log_scale: FlexTensor,
        half_width: f32,
    ) -> FlexTensor {
        forward(&[x, mean, log_scale].map(contiguous), half_width)
    }
}

impl<C: CheckpointStrategy> LogisticKernels for Autodiff<Flex, C> {
    fn discretised_logistic(
        x: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        log_scale: FloatTensor<Self>,
        half_width: f32,
    ) -> FloatTensor<Self> {
        let ((x, node_x), (mean, node_mean)) = (x.into_parts(), mean.into_parts());
        let (log_scale, node_log_scale) = log_scale.into_parts();
        let inputs = [x, mean, log_scale].map(contiguous);
        let out = forward(&inputs, half_width);
        match LogisticGradient
            .prepare::<C>([node_x, node_mean, node_log_scale])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((inputs, half_width), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

#[derive(Debug)]
struct LogisticGradient;

impl Backward<Flex, 3> for LogisticGradient {
    type State = ([FlexTensor; 3], f32);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = contiguous(grads.consume::<Flex>(&ops.node));
        let (inputs, half_width) = ops.state;
        let [parent_x, parent_mean, parent_log_scale] = ops.parents;
        let shape = g.shape();
        let (mut dx, mut ds) = (
            vec![0.0; shape.num_elements()],
            vec![0.0; shape.num_elements()],
        );
        gradients(
            Isa::best(),
            slices(&inputs, half_width),
            g.storage(),
            &mut dx,
            &mut ds,
        );
        if let Some(parent) = parent_mean {
            let negative = dx.iter().map(|dx| -dx).collect();
            grads.register::<Flex>(parent.id, tensor(negative, shape.clone()));
        }
        if let Some(parent) = parent_x {
            grads.register::<Flex>(parent.id, tensor(dx, shape.clone()));
        }
        if let Some(parent) = parent_log_scale {
            grads.register::<Flex>(parent.id, tensor(ds, shape));
        }
    }
}
