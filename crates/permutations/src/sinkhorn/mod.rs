//! Sinkhorn balancing: the entropic relaxation of matching.
//!
//! Sources: Sinkhorn and Knopp, "Concerning nonnegative matrices and doubly stochastic matrices", 1967; Mena, Belanger, Linderman and Snoek,
//! "Learning Latent Permutations with Gumbel-Sinkhorn Networks", 2018, section 2; Cuturi, "Sinkhorn Distances", 2013.
//!
//! `S(X/τ) = argmax ⟨P, X⟩ + τ·h(P)` over matrices P ≥ 0 whose rows and columns sum to 1, `h(P) = −Σ P ln P`, is `exp(X/τ + f + g)` with
//! potentials f of rows and g of columns, found by balancing rows, then columns, again and again; as τ falls P becomes the best matching.
//!
//! Numerics: a matrix is never rewritten in the loop. Balanced are factors u, v around potentials that are kept as logarithms, so an iteration is
//! one pass of multiply-adds without exponentials; where a factor leaves the safe range that one iteration is done with logarithms. So single
//! precision serves at every temperature. A fixed number of iterations of small matrices, and of all on a GPU, are done with logarithms throughout.

mod accelerated;
mod balanced;
mod device;
mod gradient;
mod host;
mod implicit;
mod matrix;
mod plain;
mod real;
mod settings;
#[cfg(feature = "flex")]
mod small;

pub use balanced::Balanced;
pub use settings::{Acceleration, Sinkhorn, SinkhornGradient, Stop};

use crate::Error;
use burn::tensor::{DType, Tensor, TensorData};
use host::Solved;
use real::Real;
use std::sync::Arc;
use unbiased_kernels::{HostNumbers, custom_gradient};

impl Sinkhorn {
    /// Balances matrices of scores. −∞ forbids a pair.
    ///
    /// A rectangle is matched partially: the lines of its shorter side sum to 1, those of the longer side to at most 1 (a slack line of the
    /// right sum takes the rest). A line without allowed pairs stays 0. A matrix whose forbidden pairs leave no complete matching has no
    /// balanced form: the iteration ends after as many steps as it may take, and the error says so. NaN and +∞ give NaN.
    ///
    /// # Shapes
    ///
    /// * `scores`: `[.., n, m]`, any number of leading axes
    /// * the plan is `[.., n, m]`, potentials `[.., n, 1]` and `[.., 1, m]`, so that `scores/τ + f + g` broadcasts
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for settings that cannot be; [`Error::NotConverged`] if the scores are tracked, the gradient is implicit and a matrix is
    /// not within [`SinkhornGradient::IMPLICIT_WITHIN`].
    ///
    /// # Panics
    ///
    /// If `scores` has fewer than two axes or no entry.
    pub fn balance<const D: usize>(&self, scores: Tensor<D>) -> Result<Balanced<D>, Error> {
        self.run(scores, None, |k, start, keep| self.parts(k, start, keep))
    }

    /// The same from potentials of the columns, `[.., 1, m]`: [`Balanced::column_potentials`] of similar scores at the same temperature.
    /// They count as constants.
    ///
    /// # Errors
    ///
    /// As [`Sinkhorn::balance`].
    ///
    /// # Panics
    ///
    /// As [`Sinkhorn::balance`], and if the potentials have another shape.
    pub fn balance_from<const D: usize>(
        &self,
        scores: Tensor<D>,
        column_potentials: Tensor<D>,
    ) -> Result<Balanced<D>, Error> {
        let mut expected = scores.dims();
        expected[D - 2] = 1;
        assert_eq!(
            column_potentials.dims(),
            expected,
            "balance_from: potentials of the columns must have the shape of the scores, with one row"
        );
        self.run(scores, Some(column_potentials), |k, start, keep| {
            self.parts(k, start, keep)
        })
    }

    /// The same in ordinary tensor operations on the device of the scores. Slower than the host's way and than kernels; their second
    /// implementation, for comparisons.
    ///
    /// # Errors
    ///
    /// As [`Sinkhorn::balance`], and [`Error::Setting`] for anything but a fixed number of plain iterations and their exact gradient.
    ///
    /// # Panics
    ///
    /// As [`Sinkhorn::balance`].
    pub fn balance_on_device<const D: usize>(
        &self,
        scores: Tensor<D>,
    ) -> Result<Balanced<D>, Error> {
        let Some(iterations) = self.on_device() else {
            return Err(Error::Setting {
                setting: "stop",
                value: f64::NAN,
                allowed: "on the device, a fixed number of plain iterations with their exact gradient",
            });
        };
        self.run(scores, None, |k, start, _| {
            device::composed(k, start, iterations)
        })
    }

    fn run<const D: usize>(
        &self,
        scores: Tensor<D>,
        start: Option<Tensor<D>>,
        solve: impl FnOnce(Tensor<3>, Option<Tensor<3>>, bool) -> Parts,
    ) -> Result<Balanced<D>, Error> {
        self.check()?;
        assert!(D >= 2, "Sinkhorn: scores need two axes, got {D}");
        let shape = scores.dims();
        let entries: usize = shape.iter().product();
        assert!(entries > 0, "Sinkhorn: scores {shape:?} have no entry");
        let [n, m] = [shape[D - 2], shape[D - 1]];
        let batch = entries / (n * m);
        let scaled = if self.temperature == 1.0 {
            scores
        } else {
            scores / self.temperature
        };
        let k = scaled.clone().inner().reshape([batch, n, m]);
        let start = start.map(|g| g.inner().reshape([batch, 1, m]));
        let parts = solve(k, start, scaled.is_tracked());
        if self.gradient == SinkhornGradient::Implicit && scaled.is_tracked() {
            parts.check_converged()?;
        }
        let (mut rows, mut columns) = (shape, shape);
        (rows[D - 1], columns[D - 2]) = (1, 1);
        let (plan, pull_back) = (parts.plan.clone(), parts.pull_back.clone());
        let attached = custom_gradient(&scaled, plan.clone().reshape(shape), move |g| {
            let z = plan.clone() * g.reshape([batch, n, m]);
            pull_back(z).reshape(shape)
        });
        Ok(Balanced {
            plan: attached,
            row_potentials: parts.f.reshape(rows),
            column_potentials: parts.g.reshape(columns),
            iterations: parts.iterations,
            errors: parts.errors,
            scores: scaled,
            temperature: self.temperature,
            pull_back: parts.pull_back,
        })
    }

    /// Plain tensors in, plain tensors out; a gradient only if what it needs is to be kept.
    fn parts(&self, k: Tensor<3>, start: Option<Tensor<3>>, keep: bool) -> Parts {
        if let (Some(iterations), false) = (self.on_device(), is_host(&k)) {
            return device::fused(k, start, iterations);
        }
        let [_, n, m] = k.dims();
        #[cfg(feature = "flex")]
        if k.dtype() == DType::F32 {
            return match self.on_device() {
                Some(iterations) if small::takes([n, m]) => on_host(k, start, |scores, start| {
                    small::solve(scores, n, start, iterations, keep)
                }),
                _ => on_host::<f32>(k, start, |scores, start| {
                    host::solve(self, scores, [n, m], start, keep)
                }),
            };
        }
        on_host::<f64>(k, start, |scores, start| {
            host::solve(self, scores, [n, m], start, keep)
        })
    }

    /// The number of iterations if they can stay on a device that has its own memory: everything but a fixed number of plain iterations needs
    /// decisions in each of them.
    fn on_device(&self) -> Option<usize> {
        let plain = self.acceleration.is_none() && !self.epsilon_scaling;
        match self.stop {
            Stop::After(n) if plain && self.gradient == SinkhornGradient::Truncated => Some(n),
            _ => None,
        }
    }
}

/// What `solve` makes of scores and the columns' first potentials.
fn on_host<T: Real>(
    k: Tensor<3>,
    start: Option<Tensor<3>>,
    solve: impl FnOnce(&[T], Option<&[T]>) -> Solved<T>,
) -> Parts {
    let [batch, n, m] = k.dims();
    let (device, dtype) = (k.device(), k.dtype());
    let upload = move |values: Vec<T>, shape: [usize; 3]| {
        Tensor::<3>::from_data(TensorData::new(values, shape), (&device, dtype))
    };
    let start = start.map(values::<T>);
    let solved = solve(&HostNumbers::of(k.clone()), start.as_deref());
    let up = upload.clone();
    Parts {
        plan: upload(solved.plan, [batch, n, m]),
        f: upload(solved.f, [batch, n, 1]),
        g: upload(solved.g, [batch, 1, m]),
        iterations: solved.iterations,
        errors: solved.errors.iter().map(|e| e.into_f64()).collect(),
        pull_back: Arc::new(move |z| {
            let mut z = values::<T>(z);
            (solved.pull_back)(&HostNumbers::of(k.clone()), &mut z);
            up(z, [batch, n, m])
        }),
    }
}

fn values<T: Real>(x: Tensor<3>) -> Vec<T> {
    x.into_data_as::<T>().try_into_vec().expect("converted")
}

#[cfg(feature = "flex")]
fn is_host(x: &Tensor<3>) -> bool {
    x.device() == burn::tensor::Device::flex() && matches!(x.dtype(), DType::F32 | DType::F64)
}

#[cfg(not(feature = "flex"))]
fn is_host(x: &Tensor<3>) -> bool {
    x.dtype() == DType::F64
}

/// From Z = P∘∂l/∂P to the gradient towards scores/τ.
type PullBack = Arc<dyn Fn(Tensor<3>) -> Tensor<3> + Send + Sync>;

struct Parts {
    plan: Tensor<3>,
    f: Tensor<3>,
    g: Tensor<3>,
    iterations: Vec<usize>,
    errors: Vec<f64>,
    pull_back: PullBack,
}

impl Parts {
    fn check_converged(&self) -> Result<(), Error> {
        let worst = self.errors.iter().zip(&self.iterations);
        let within = |error: f64| error <= SinkhornGradient::IMPLICIT_WITHIN;
        match worst.into_iter().find(|(error, _)| !within(**error)) {
            None => Ok(()),
            Some((&error, &iterations)) => Err(Error::NotConverged {
                what: "Sinkhorn balancing, whose implicit gradient needs the limit,",
                iterations,
                error,
            }),
        }
    }
}
