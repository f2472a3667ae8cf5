//! Differentiable sorting networks: a fixed sequence of comparisons, each of them a soft swap.
//!
//! Sources: Petersen, Borgelt, Kuehne and Deussen, "Differentiable Sorting Networks for Scalable Sorting and Ranking Supervision", 2021;
//! "Monotonic Differentiable Sorting Networks", 2022.
//!
//! Places a and b (a first) keep their values with weight α and exchange them with 1 − α:
//!
//! `x_a' = α·x_a + (1 − α)·x_b`, `x_b' = (1 − α)·x_a + α·x_b`, `α = F(β·(x_a − x_b))`
//!
//! Every swap is doubly stochastic, so their product is. Swaps of a layer are done together, by index: O(n) for the values, O(n²) for the
//! matrix, where products with matrices of swaps would be O(n³).
//!
//! For the logistic F a larger score can lower a value far away in the list; the other three have tails of order 1/x, and with them the
//! network is monotonic (2022, theorem 3).

use super::network_layers::{Layer, bitonic, odd_even};
use super::{assert_ranks, positive};
use crate::Error;
use burn::tensor::{Int, Tensor, TensorData, activation::sigmoid};
use core::f64::consts::PI;

/// The share F(v) of a value that stays, v the steepness times how far the pair is in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Swap {
    /// `1/(1 + e^−v)`.
    Logistic,
    /// `½ + atan(v)/π`, the authors' choice.
    #[default]
    Cauchy,
    /// `½ + ½·v/(2 + |v|)`, in the scaling of the authors' code.
    Reciprocal,
    /// The F of the smallest error: `½ + v` for |v| ≤ ¼, `1 − 1/(16 v)` above, `−1/(16 v)` below.
    Optimal,
}

impl Swap {
    fn keep<const D: usize>(self, v: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Logistic => sigmoid(v),
            Self::Cauchy => v.atan() / PI + 0.5,
            Self::Reciprocal => v.clone() / (v.abs() + 2.0) * 0.5 + 0.5,
            Self::Optimal => {
                let tail = (v.clone().abs().clamp_min(0.25) * 16.0).recip().neg() + 0.25;
                v.clone().clamp(-0.25, 0.25) + v.sign() * tail + 0.5
            }
        }
    }
}

/// A sorting network for lists of one length.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use unbiased_permutations::sorting::{SortingNetwork, Swap};
///
/// let network = SortingNetwork::bitonic(5, Swap::Cauchy, 1e6)?;
/// let x = Tensor::<1>::from_floats([2.0, 5.0, 4.0, 1.0, 3.0], &Device::flex());
/// let sorted = network.sort(x).into_data().try_to_vec::<f32>().unwrap();
/// assert!((sorted[0] - 5.0).abs() < 1e-3 && (sorted[4] - 1.0).abs() < 1e-3);
/// # Ok::<(), unbiased_permutations::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SortingNetwork {
    n: usize,
    layers: Vec<Wiring>,
    swap: Swap,
    steepness: f64,
}

/// A layer as every place sees it.
#[derive(Clone, Debug)]
struct Wiring {
    /// Whom a place is compared with; itself if with none.
    partner: Vec<i32>,
    /// 1 where the larger value should go, −1 where the smaller.
    side: Vec<f64>,
}

impl Wiring {
    fn new(n: usize, layer: &Layer) -> Self {
        let mut partner: Vec<i32> = (0..n as i32).collect();
        let mut side = vec![1.0; n];
        for &[first, second] in layer {
            partner[first] = second as i32;
            partner[second] = first as i32;
            side[second] = -1.0;
        }
        Self { partner, side }
    }
}

/// A sorted list and how it came about.
#[derive(Clone, Debug)]
pub struct Sorted<const D: usize, const E: usize> {
    /// `[.., n]`, the largest first.
    pub values: Tensor<D>,
    /// P, `[.., n, n]`: doubly stochastic, `values = P·x`.
    pub matrix: Tensor<E>,
}

impl SortingNetwork {
    /// Comparisons of neighbours, n layers. `n` is the length of lists, `steepness` is β.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a steepness that is not positive.
    pub fn odd_even(n: usize, swap: Swap, steepness: f64) -> Result<Self, Error> {
        Self::new(n, &odd_even(n), swap, steepness)
    }

    /// Batcher's bitonic network, log₂n·(log₂n + 1)/2 layers with n rounded up to a power of two.
    ///
    /// # Errors
    ///
    /// As [`SortingNetwork::odd_even`].
    pub fn bitonic(n: usize, swap: Swap, steepness: f64) -> Result<Self, Error> {
        Self::new(n, &bitonic(n), swap, steepness)
    }

    fn new(n: usize, layers: &[Layer], swap: Swap, steepness: f64) -> Result<Self, Error> {
        Ok(Self {
            n,
            layers: layers.iter().map(|layer| Wiring::new(n, layer)).collect(),
            swap,
            steepness: positive("steepness", steepness)?,
        })
    }

    /// How many layers.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.layers.len()
    }

    /// The sorted values alone, O(n) per layer.
    ///
    /// # Shapes
    ///
    /// `[.., n]` to `[.., n]`.
    ///
    /// # Panics
    ///
    /// If the lists have another length.
    #[must_use]
    pub fn sort<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let shape = x.dims();
        let mut values = self.lists(x);
        for layer in &self.layers {
            let (partner, keep) = self.compare(layer, &values);
            values = exchange(values, 1, partner, keep);
        }
        values.reshape(shape)
    }

    /// The sorted values and the matrix that sorts them, O(n²) per layer.
    ///
    /// # Shapes
    ///
    /// `[.., n]` to `[.., n]` and `[.., n, n]`, `E = D + 1`.
    ///
    /// # Panics
    ///
    /// If the lists have another length or E is not D + 1.
    #[must_use]
    pub fn sort_with_matrix<const D: usize, const E: usize>(&self, x: Tensor<D>) -> Sorted<D, E> {
        assert_ranks("sort_with_matrix", D, E);
        let shape = x.dims();
        let mut of_matrix = [self.n; E];
        of_matrix[..D].copy_from_slice(&shape);
        let mut values = self.lists(x);
        let batch = values.dims()[0];
        let eye = Tensor::<3>::from_data(
            Tensor::<2>::eye(self.n, &values.device())
                .unsqueeze::<3>()
                .into_data(),
            (&values.device(), values.dtype()),
        );
        let mut matrix = eye.expand([batch, self.n, self.n]);
        for layer in &self.layers {
            let (partner, keep) = self.compare(layer, &values);
            matrix = exchange(matrix, 1, partner.clone(), keep.clone().unsqueeze_dim(2));
            values = exchange(values, 1, partner, keep);
        }
        Sorted {
            values: values.reshape(shape),
            matrix: matrix.reshape(of_matrix),
        }
    }

    /// `[batch, n]`.
    fn lists<const D: usize>(&self, x: Tensor<D>) -> Tensor<2> {
        let shape = x.dims();
        let got = shape[D - 1];
        let n = self.n;
        assert_eq!(got, n, "sorting network for lists of length {n}, got {got}");
        x.reshape([shape[..D - 1].iter().product::<usize>(), n])
    }

    /// The partner of every place, `[n]`, and the share that it keeps, `[batch, n]`.
    fn compare(&self, layer: &Wiring, values: &Tensor<2>) -> (Tensor<1, Int>, Tensor<2>) {
        let device = values.device();
        let partner = Tensor::from_data(TensorData::from(layer.partner.as_slice()), &device);
        let side = TensorData::new(layer.side.clone(), [1, self.n]);
        let side: Tensor<2> = Tensor::from_data(side, (&device, values.dtype()));
        let ahead = (values.clone() - values.clone().select(1, partner.clone())) * side;
        (partner, self.swap.keep(ahead * self.steepness))
    }
}

/// `α·x + (1 − α)·x_partner` along an axis.
fn exchange<const D: usize>(
    x: Tensor<D>,
    axis: usize,
    partner: Tensor<1, Int>,
    keep: Tensor<D>,
) -> Tensor<D> {
    let other = x.clone().select(axis, partner);
    other.clone() + (x - other) * keep
}
