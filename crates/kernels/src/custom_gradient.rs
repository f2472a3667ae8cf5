//! A gradient of one's own, written with tensors.

#![cfg_attr(
    not(any(
        feature = "flex",
        feature = "ndarray",
        feature = "wgpu",
        feature = "vulkan",
        feature = "metal",
        feature = "cuda"
    )),
    expect(unused_variables, reason = "no backend to attach it to")
)]

use burn::backend::autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::Tensor;
use std::fmt;
use std::sync::Arc;

/// `y` as the result of an operation on `x` whose gradient is `pull_back`.
///
/// `y` may have been computed in any way, off the graph as well; the graph records nothing but the step from `x` to it. Where `x` is not
/// tracked nothing is recorded, and `pull_back` is dropped with all that it holds.
///
/// # Shapes
///
/// `pull_back` is given the gradient with respect to `y`, in its shape, and returns that with respect to `x`, in its shape; both are plain
/// tensors (off the graph).
///
/// # Panics
///
/// Under autodiff on a backend whose feature of this crate is off.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use unbiased_kernels::custom_gradient;
///
/// let x = Tensor::<1>::from_floats([0.3, 1.7], &Device::flex().autodiff()).require_grad();
/// // Rounding, with the gradient of the identity.
/// let y = custom_gradient(&x, x.clone().inner().round(), |g| g);
/// let gradients = (y * 2.0).sum().backward();
/// assert_eq!(x.grad(&gradients).unwrap().into_data().try_to_vec::<f32>().unwrap(), [2.0, 2.0]);
/// ```
#[must_use]
pub fn custom_gradient<const D: usize, const E: usize>(
    x: &Tensor<D>,
    y: Tensor<E>,
    pull_back: impl Fn(Tensor<E>) -> Tensor<D> + Send + Sync + 'static,
) -> Tensor<E> {
    let y = y.inner();
    if !x.is_autodiff() {
        return y;
    }
    Tensor::from_dispatch(<Dispatch as CustomGradient>::attach(
        x.clone().into_dispatch(),
        y.into_dispatch(),
        PullBack(Arc::new(move |g| {
            pull_back(Tensor::from_dispatch(g)).into_dispatch()
        })),
    ))
}

/// A tensor of any backend.
type Any = FloatTensor<Dispatch>;

/// The gradient as a function of tensors of any rank.
#[derive(Clone)]
pub(crate) struct PullBack(Arc<dyn Fn(Any) -> Any + Send + Sync>);

impl fmt::Debug for PullBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PullBack")
    }
}

/// A backend whose tensors can be handed to functions of any backend and back.
pub(crate) trait Lift: Backend {
    fn lift(tensor: FloatTensor<Self>) -> Any;
    fn lower(tensor: Any) -> FloatTensor<Self>;
}

macro_rules! backend {
    ($backend:ident, $condition:meta) => {
        #[cfg($condition)]
        const _: () = {
            use burn::backend::$backend;

            impl Lift for $backend {
                fn lift(tensor: FloatTensor<Self>) -> Any {
                    Tensor::<1>::from_primitive::<Self>(tensor).into_dispatch()
                }
                fn lower(tensor: Any) -> FloatTensor<Self> {
                    Tensor::<1>::from_dispatch(tensor)
                        .try_into_primitive::<Self>()
                        .expect("the gradient must stay plain and on the device it came from")
                }
            }

            impl CustomGradient for $backend {
                fn attach(
                    _: FloatTensor<Self>,
                    y: FloatTensor<Self>,
                    _: PullBack,
                ) -> FloatTensor<Self> {
                    y
                }
            }
        };
    };
}

#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal", feature = "cuda")),
    Autodiff
)]
pub(crate) trait CustomGradient: Backend {
    fn attach(x: FloatTensor<Self>, y: FloatTensor<Self>, pull_back: PullBack)
    -> FloatTensor<Self>;
}

backend!(Flex, feature = "flex");
backend!(NdArray, feature = "ndarray");
backend!(
    Cube,
    any(
        feature = "wgpu",
        feature = "vulkan",
        feature = "metal",
        feature = "cuda"
    )
);

impl<B: Lift, C: CheckpointStrategy> CustomGradient for Autodiff<B, C> {
    fn attach(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        pull_back: PullBack,
    ) -> FloatTensor<Self> {
        let y = y.into_primitive();
        match Attached.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(pull_back, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

#[derive(Debug)]
struct Attached;

impl<B: Lift> Backward<B, 1> for Attached {
    type State = PullBack;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<B>(&ops.node);
        if let [Some(parent)] = ops.parents {
            let PullBack(pull_back) = ops.state;
            grads.register::<B>(parent.id, B::lower(pull_back(B::lift(g))));
        }
    }
}
