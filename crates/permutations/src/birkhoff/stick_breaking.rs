//! Stick-breaking: the entries of X one after another, each a share of what rows and columns leave room for.
//!
//! Source: Linderman et al., 2018, section 3.1 and supplement A.
//!
//! `β = σ(ψ/τ)`, and for m, n = 1, …, N − 1 in this order
//!
//! * `x_mn = l_mn + β_mn·(u_mn − l_mn)`;
//! * `u_mn = min(1 − Σ_{k<n} x_mk, 1 − Σ_{k<m} x_kn)`, what is left of the row and of the column;
//! * `l_mn = max(0, what is left of the row − what is left of the columns to the right)`;
//! * the last column and the last row take the rest.
//!
//! `ln|dX/dψ| = Σ ln(u − l) + ln σ(ψ/τ) + ln σ(−ψ/τ) − ln τ`. The first row alone is stick-breaking on the simplex.
//!
//! Numerics: u − l may be 0 in floating point; in logarithms and quotients it is 1e-12 at least. Bounds are piecewise linear, so gradients
//! have kinks.
//!
//! Differences from the paper: the supplement says that β tends to `Bernoulli(Φ(−μ/ν))` as τ → 0; it is `Φ(μ/ν)`. The law depends on the
//! order of the elements: `μ = 0` does not centre it, [`StickBreaking::uniform`] does.

use super::{Draw, Polytope, check_temperature, log_normal, normal_entropy};
use crate::Error;
use burn::tensor::{DType, Tensor, activation::log_sigmoid, activation::sigmoid};

/// The least of u − l in a logarithm or below a line.
const ROOM: f64 = 1e-12;

/// The stick-breaking law.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use unbiased_kernels::{NoiseLaw, noise};
/// use unbiased_permutations::birkhoff::{Polytope, StickBreaking};
///
/// let device = Device::flex();
/// let mean = StickBreaking::<3>::uniform(Polytope::Birkhoff, 4, 0.5);
/// let mean = Tensor::<1>::from_floats(mean.iter().map(|&x| x as f32).collect::<Vec<_>>().as_slice(), &device);
/// let law = StickBreaking {
///     mean: mean.reshape([1, 3, 3]).repeat_dim(0, 8),
///     deviation: Tensor::full([8, 3, 3], 0.3, &device),
///     temperature: 0.5,
///     polytope: Polytope::Birkhoff,
/// };
/// let eps = noise(NoiseLaw::Normal, &[0, 1, 2, 3, 4, 5, 6, 7], 9, &device).reshape([8, 3, 3]);
/// let draw = law.sample(eps)?;
/// assert_eq!(draw.value.dims(), [8, 4, 4]);
/// assert_eq!(draw.log_prob.dims(), [8, 1, 1]);
/// # Ok::<(), unbiased_permutations::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct StickBreaking<const D: usize> {
    /// μ, `[.., n − 1, n − 1]` or `[.., n − 1]`.
    pub mean: Tensor<D>,
    /// ν, above 0, in the shape of the mean.
    pub deviation: Tensor<D>,
    /// τ, above 0.
    pub temperature: f64,
    /// What X relaxes.
    pub polytope: Polytope,
}

impl<const D: usize> StickBreaking<D> {
    /// Means of the law whose median is the centre, X = 1/n: row after row, `(n − 1)²` or `n − 1` numbers.
    ///
    /// # Panics
    ///
    /// If n is less than 2.
    #[must_use]
    pub fn uniform(polytope: Polytope, n: usize, temperature: f64) -> Vec<f64> {
        assert!(n >= 2, "stick-breaking needs n of at least 2, got {n}");
        let rows = match polytope {
            Polytope::Birkhoff => n - 1,
            Polytope::Simplex => 1,
        };
        let share = 1.0 / n as f64;
        let places = (0..rows).flat_map(|row| (0..n - 1).map(move |column| [row, column]));
        let mean = places.map(|[row, column]| {
            let [of_row, of_column] = [column, row].map(|before| 1.0 - before as f64 * share);
            let lower = (of_row - of_column * (n - 1 - column) as f64).max(0.0);
            let beta = (share - lower) / (of_row.min(of_column) - lower);
            temperature * libm::log(beta / (1.0 - beta))
        });
        mean.collect()
    }

    /// X from standard normal noise of the shape of the mean.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a temperature that is not positive.
    ///
    /// # Panics
    ///
    /// If means are not `[.., n − 1, n − 1]`.
    pub fn sample(&self, noise: Tensor<D>) -> Result<Draw<D>, Error> {
        let psi = self.mean.clone() + self.deviation.clone() * noise.clone();
        self.place(psi, noise)
    }

    /// X of a ψ that was drawn elsewhere, and the density of this law there.
    ///
    /// # Errors
    ///
    /// As [`StickBreaking::sample`].
    ///
    /// # Panics
    ///
    /// As [`StickBreaking::sample`].
    pub fn at(&self, psi: Tensor<D>) -> Result<Draw<D>, Error> {
        let z = (psi.clone() - self.mean.clone()) / self.deviation.clone();
        self.place(psi, z)
    }

    /// ψ of a point: the inverse of the map.
    ///
    /// Shares β are kept within rounding of 0 and 1, so that points at the border have finite ψ.
    ///
    /// # Shapes
    ///
    /// `[.., n, n]` to `[.., n − 1, n − 1]`, or `[.., n]` to `[.., n − 1]`.
    ///
    /// # Errors
    ///
    /// As [`StickBreaking::sample`].
    pub fn inverse(&self, value: Tensor<D>) -> Result<Tensor<D>, Error> {
        Ok(self.invert(value)?.0)
    }

    /// `ln q(X)`, `[.., 1, 1]` or `[.., 1]`.
    ///
    /// # Errors
    ///
    /// As [`StickBreaking::sample`].
    pub fn log_prob(&self, value: Tensor<D>) -> Result<Tensor<D>, Error> {
        let (psi, log_room) = self.invert(value)?;
        let z = (psi.clone() - self.mean.clone()) / self.deviation.clone();
        Ok(self.log_density(z) - self.log_det(&psi, log_room, self.temperature))
    }

    /// An estimate of the entropy from one draw, `Σ ½·ln(2πe·ν²) + ln|dX/dψ|`, whose expectation it is.
    #[must_use]
    pub fn entropy(&self, draw: &Draw<D>) -> Tensor<D> {
        self.polytope.total(normal_entropy(self.deviation.clone())) + draw.log_det.clone()
    }

    fn place(&self, psi: Tensor<D>, z: Tensor<D>) -> Result<Draw<D>, Error> {
        let tau = self.check()?;
        let lists = Lists::of_sticks(self.polytope, &psi.dims());
        let list = psi.clone().reshape(lists.shape());
        let beta = sigmoid(list / tau);
        let scanned = lists.scan(beta.clone(), |place, lower, room| {
            lower + beta.clone().narrow(1, place, 1) * room
        });
        let log_det = self.log_det(&psi, scanned.log_room.clone(), tau);
        Ok(Draw {
            value: lists.point(scanned, &psi.dims()),
            log_prob: self.log_density(z) - log_det.clone(),
            log_det,
        })
    }

    fn check(&self) -> Result<f64, Error> {
        check_temperature(self.temperature, f64::MAX, "a positive number")
    }

    fn log_density(&self, z: Tensor<D>) -> Tensor<D> {
        self.polytope.total(log_normal(z, self.deviation.clone()))
    }

    fn log_det(&self, psi: &Tensor<D>, log_room: Tensor<2>, tau: f64) -> Tensor<D> {
        let scaled = psi.clone() / tau;
        let slope = log_sigmoid(scaled.clone()) + log_sigmoid(scaled.neg()) - tau.ln();
        self.polytope.total(slope + log_room.reshape(psi.dims()))
    }

    /// ψ and ln(u − l).
    fn invert(&self, value: Tensor<D>) -> Result<(Tensor<D>, Tensor<2>), Error> {
        let tau = self.check()?;
        let shape = value.dims();
        let lists = Lists::of_points(self.polytope, &shape);
        let columns = lists.columns;
        let entries = value.reshape([lists.batch, self.polytope.of_point(&shape).iter().product()]);
        let margin = match entries.dtype() {
            DType::F64 => f64::EPSILON,
            _ => f64::from(f32::EPSILON),
        };
        let mut shares = Vec::new();
        let scanned = lists.scan(entries.clone(), |place, lower, room| {
            // A row of X is one longer than one of β.
            let entry = place / (columns - 1) * columns + place % (columns - 1);
            let x = entries.clone().narrow(1, entry, 1);
            let beta = (x.clone() - lower) / room.clamp_min(ROOM);
            shares.push(beta.clamp(margin, 1.0 - margin));
            x
        });
        let beta = Tensor::cat(shares, 1);
        let psi = (beta.clone().log() - (beta.neg() + 1.0).log()) * tau;
        Ok((psi.reshape(lists.of_sticks_like(&shape)), scanned.log_room))
    }
}

/// Points as lists of their entries, a row of the batch each.
struct Lists {
    polytope: Polytope,
    batch: usize,
    /// Rows whose entries are chosen.
    rows: usize,
    /// Entries of a row of X.
    columns: usize,
}

/// All entries that the scan went through.
struct Scanned {
    /// Of all rows but the last, `[batch, 1]` each.
    entries: Vec<Tensor<2>>,
    /// What the columns have left.
    rest: Vec<Tensor<2>>,
    /// ln(u − l), `[batch, rows·(columns − 1)]`.
    log_room: Tensor<2>,
}

impl Lists {
    fn of_sticks(polytope: Polytope, shape: &[usize]) -> Self {
        let point = polytope.of_point(shape);
        let square = point.iter().all(|&n| n == point[0] && n > 0);
        assert!(
            square,
            "stick-breaking: means must be [.., n - 1, n - 1] or [.., n - 1], n at least 2, got {shape:?}"
        );
        Self::new(polytope, shape, point[0] + 1)
    }

    fn of_points(polytope: Polytope, shape: &[usize]) -> Self {
        let point = polytope.of_point(shape);
        let square = point.iter().all(|&n| n == point[0] && n > 1);
        assert!(
            square,
            "stick-breaking: points must be [.., n, n] or [.., n], n at least 2, got {shape:?}"
        );
        Self::new(polytope, shape, point[0])
    }

    fn new(polytope: Polytope, shape: &[usize], columns: usize) -> Self {
        let batch = shape.len() - polytope.of_point(shape).len();
        Self {
            polytope,
            batch: shape[..batch].iter().product(),
            rows: match polytope {
                Polytope::Birkhoff => columns - 1,
                Polytope::Simplex => 1,
            },
            columns,
        }
    }

    fn shape(&self) -> [usize; 2] {
        [self.batch, self.rows * (self.columns - 1)]
    }

    fn with_length<const D: usize>(&self, shape: &[usize; D], length: usize) -> [usize; D] {
        let mut other = *shape;
        let axes = self.polytope.of_point(shape).len();
        other[D - axes..].fill(length);
        other
    }

    fn of_sticks_like<const D: usize>(&self, shape: &[usize; D]) -> [usize; D] {
        self.with_length(shape, self.columns - 1)
    }

    /// The raster scan: `x(place, l, u − l)` is called for every entry in turn. `like` is any tensor `[batch, ..]`.
    fn scan(
        &self,
        like: Tensor<2>,
        mut x: impl FnMut(usize, Tensor<2>, Tensor<2>) -> Tensor<2>,
    ) -> Scanned {
        let n = self.columns;
        let one = like.narrow(1, 0, 1).ones_like();
        let mut rest = vec![one.clone(); n];
        let (mut entries, mut log_rooms) = (Vec::new(), Vec::new());
        for _ in 0..self.rows {
            // What the columns to the right have left.
            let mut right = vec![one.zeros_like(); n];
            for j in (0..n - 1).rev() {
                right[j] = right[j + 1].clone() + rest[j + 1].clone();
            }
            let mut row = one.clone();
            for j in 0..n - 1 {
                let upper = row.clone().min_pair(rest[j].clone());
                let lower = (row.clone() - right[j].clone()).clamp_min(0.0);
                let room = upper - lower.clone();
                let entry = x(log_rooms.len(), lower, room.clone());
                log_rooms.push(room.clamp_min(ROOM).log());
                row = row - entry.clone();
                rest[j] = rest[j].clone() - entry.clone();
                entries.push(entry);
            }
            rest[n - 1] = rest[n - 1].clone() - row.clone();
            entries.push(row);
        }
        Scanned {
            entries,
            rest,
            log_room: Tensor::cat(log_rooms, 1),
        }
    }

    /// X in the shape of ψ, `like`, but for its lengths.
    fn point<const D: usize>(&self, scanned: Scanned, like: &[usize; D]) -> Tensor<D> {
        let Scanned {
            mut entries, rest, ..
        } = scanned;
        if self.polytope == Polytope::Birkhoff {
            entries.extend(rest);
        }
        Tensor::cat(entries, 1).reshape(self.with_length(like, self.columns))
    }
}
