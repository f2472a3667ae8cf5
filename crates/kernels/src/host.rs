//! The numbers of a tensor as a slice.

use core::marker::PhantomData;
use core::ops::Deref;

#[cfg(feature = "flex")]
use burn::backend::{Flex, flex::FlexTensor};
use burn::tensor::{Element, Tensor, TensorData};

/// The numbers of a plain tensor in the order of its axes: on Flex its own, without a copy; elsewhere, of a view and of another float type a
/// copy, for which the device is waited for.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use unbiased_kernels::HostNumbers;
///
/// let x = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0]], &Device::flex());
/// assert_eq!(*HostNumbers::<f32>::of(x.clone()), [1.0, 2.0, 3.0, 4.0]);
/// assert_eq!(*HostNumbers::<f64>::of(x.transpose()), [1.0, 3.0, 2.0, 4.0]);
/// ```
#[derive(Debug)]
pub struct HostNumbers<E> {
    held: Held,
    element: PhantomData<E>,
}

#[derive(Debug)]
enum Held {
    #[cfg(feature = "flex")]
    Shared(FlexTensor),
    Copied(TensorData),
}

impl<E: Element> HostNumbers<E> {
    /// The numbers of `x`.
    ///
    /// # Panics
    /// If the device cannot be read.
    #[must_use]
    pub fn of<const D: usize>(x: Tensor<D>) -> Self {
        Self {
            held: Held::of::<E, D>(x),
            element: PhantomData,
        }
    }
}

impl Held {
    fn of<E: Element, const D: usize>(x: Tensor<D>) -> Self {
        #[cfg(feature = "flex")]
        if x.dtype() == E::dtype()
            && let Ok(x) = x.clone().try_into_primitive::<Flex>()
        {
            return Self::Shared(crate::flex::contiguous(x));
        }
        Self::Copied(x.into_data_as::<E>())
    }
}

impl<E: Element> Deref for HostNumbers<E> {
    type Target = [E];

    fn deref(&self) -> &[E] {
        match &self.held {
            #[cfg(feature = "flex")]
            Held::Shared(x) => bytemuck::checked::cast_slice(x.bytes()),
            Held::Copied(data) => data.as_slice().expect("converted"),
        }
    }
}
