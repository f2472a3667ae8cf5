//! How balancing is done: temperature, end, acceleration, gradient.

use crate::Error;

/// When the iteration ends, for each matrix by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stop {
    /// After so many iterations, rows and columns each.
    After(usize),
    /// As soon as no row sum is further than `tolerance` from 1 (columns are exact), or after `at_most` iterations.
    Within {
        /// Largest deviation of a row sum.
        tolerance: f64,
        /// Iterations at most.
        at_most: usize,
    },
}

impl Stop {
    /// A guess of the iterations, for sharing out the work.
    pub(super) fn typical(self) -> usize {
        match self {
            Self::After(iterations) => iterations,
            Self::Within { at_most, .. } => at_most.min(20),
        }
    }

    pub(super) fn but_one(self) -> Self {
        match self {
            Self::After(iterations) => Self::After(iterations - 1),
            Self::Within { tolerance, at_most } => Self::Within {
                tolerance,
                at_most: at_most - 1,
            },
        }
    }
}

/// A way to need fewer iterations for the same potentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceleration {
    /// Both half-steps go further than they should (Thibault, Chizat, Dossal and Papadakis, 2021). About half the iterations.
    OverRelaxation,
    /// Mixtures of the last `memory` iterates (Anderson, 1965), given up where they lead away. At low temperatures a tenth of the iterations.
    Anderson {
        /// Iterates that are mixed; 6 is a good choice.
        memory: usize,
    },
}

/// What is differentiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkhornGradient {
    /// The iterations that were done, exactly, in memory for their potentials only: `iterations·(n + m)` numbers per matrix.
    Truncated,
    /// The limit, by the implicit function theorem. It holds where the iteration has converged: a row sum that is off by more than
    /// [`SinkhornGradient::IMPLICIT_WITHIN`] is an error, if a gradient is asked for.
    Implicit,
    /// One iteration from the potentials before it as constants: cheap, and wrong unless the temperature is high.
    LastStep,
}

impl SinkhornGradient {
    /// The error up to which a plan counts as converged.
    pub const IMPLICIT_WITHIN: f64 = 1e-3;
}

/// Settings of Sinkhorn balancing.
///
/// The default is that of the papers at temperature 1: 20 plain iterations and their exact gradient. At τ = 0.1 and n = 100 that leaves row sums
/// between 0.6 and 1.4; [`Sinkhorn::within`] iterates until they are right.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use unbiased_permutations::Sinkhorn;
///
/// let device = Device::flex().autodiff();
/// let scores = Tensor::<2>::from_floats([[2.0, 0.0], [0.0, 1.0]], &device).require_grad();
/// let balanced = Sinkhorn::within(1e-6).at(0.5).balance(scores.clone())?;
/// // [[p, 1 − p], [1 − p, p]] with p = σ((x₁₁ + x₂₂ − x₁₂ − x₂₁)/2τ) = σ(3)
/// let p = balanced.plan.clone().slice([0..1, 0..1]).sum();
/// assert!((p.clone().into_scalar::<f32>() - 0.952_574).abs() < 1e-5);
/// let gradients = p.backward();
/// assert!(scores.grad(&gradients).is_some());
/// # Ok::<(), unbiased_permutations::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sinkhorn {
    /// τ > 0: scores are divided by it.
    pub temperature: f64,
    /// When to stop.
    pub stop: Stop,
    /// How to get there faster; not with [`SinkhornGradient::Truncated`].
    pub acceleration: Option<Acceleration>,
    /// Potentials are first searched at higher temperatures, each half of the one before. Helps at very low temperatures.
    pub epsilon_scaling: bool,
    /// What is differentiated. The potentials found by `epsilon_scaling` count as constants.
    pub gradient: SinkhornGradient,
}

impl Default for Sinkhorn {
    fn default() -> Self {
        Self::after(20)
    }
}

impl Sinkhorn {
    /// So many plain iterations and their exact gradient.
    #[must_use]
    pub const fn after(iterations: usize) -> Self {
        Self {
            temperature: 1.0,
            stop: Stop::After(iterations),
            acceleration: None,
            epsilon_scaling: false,
            gradient: SinkhornGradient::Truncated,
        }
    }

    /// Until row sums are within `tolerance`, 2000 iterations at most, with Anderson's mixing and the gradient of the limit.
    #[must_use]
    pub const fn within(tolerance: f64) -> Self {
        Self {
            temperature: 1.0,
            stop: Stop::Within {
                tolerance,
                at_most: 2000,
            },
            acceleration: Some(Acceleration::Anderson { memory: 6 }),
            epsilon_scaling: false,
            gradient: SinkhornGradient::Implicit,
        }
    }

    /// The same at another temperature.
    #[must_use]
    pub const fn at(self, temperature: f64) -> Self {
        Self {
            temperature,
            ..self
        }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let setting = |setting, value, allowed| {
            Err(Error::Setting {
                setting,
                value,
                allowed,
            })
        };
        if !(self.temperature > 0.0 && self.temperature.is_finite()) {
            return setting("temperature", self.temperature, "a positive number");
        }
        match self.stop {
            Stop::After(0) | Stop::Within { at_most: 0, .. } => {
                return setting("iterations", 0.0, "at least 1");
            }
            Stop::Within { tolerance, .. } if tolerance.is_nan() || tolerance <= 0.0 => {
                return setting("tolerance", tolerance, "a positive number");
            }
            _ => {}
        }
        match self.acceleration {
            Some(Acceleration::Anderson { memory: 0 }) => setting("memory", 0.0, "at least 1"),
            Some(_) if self.gradient == SinkhornGradient::Truncated => setting(
                "acceleration",
                1.0,
                "none with the truncated gradient, which is that of plain iterations",
            ),
            _ => Ok(()),
        }
    }
}
