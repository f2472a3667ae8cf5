//! Stick-breaking and rounding.

use burn::tensor::Tensor;
use unbiased_estimators::{NoiseLaw, law::Law};

use super::row_sum;
use crate::Error;
use crate::birkhoff::{Polytope, Rounding, StickBreaking};

/// How noise becomes a relaxed permutation or a relaxed choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Construction {
    /// [`StickBreaking`]: parameters are μ and ln ν.
    StickBreaking,
    /// [`Rounding`]: parameters are L and ln V.
    Rounding,
}

/// A law of [`birkhoff`](crate::birkhoff) as that of a choice: parameters are its two tensors side by side, the second one as a logarithm.
///
/// | | parameters for matrices | for the simplex | values |
/// |---|---|---|---|
/// | stick-breaking | `[rows, 2 (n − 1)²]` | `[rows, 2 (n − 1)]` | `[rows, n²]`, `[rows, n]` |
/// | rounding | `[rows, 2 n²]` | `[rows, 2 n]` | the same |
///
/// Both move with their parameters (`pathwise`) and have a density, so that what needs a score is defined, too. Two biases: rounding jumps for
/// temperatures below 1, which `pathwise` and its relatives leave out; `reinforce` and its relatives do not. In single precision shares of stick-breaking
/// round to 0 and 1 where `|μ| ≫ τ`, and the density read off a value is then that of a point nearby.
///
/// Divergences from a prior of the same temperature are those of the normal laws behind both, in closed form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnPolytope {
    /// How.
    pub construction: Construction,
    /// τ, above 0; at most 1 for rounding.
    pub temperature: f64,
    /// What is relaxed.
    pub polytope: Polytope,
}

impl OnPolytope {
    /// The length of a point's axes, from the number of parameters of a row.
    fn n(&self, params: usize) -> usize {
        let free = match self.polytope {
            Polytope::Birkhoff => (params / 2).isqrt(),
            Polytope::Simplex => params / 2,
        };
        let fits = match self.polytope {
            Polytope::Birkhoff => 2 * free * free == params,
            Polytope::Simplex => 2 * free == params,
        };
        assert!(
            fits && free > 0,
            "OnPolytope: parameters must be two halves of a square each (or two lists), got {params} columns"
        );
        match self.construction {
            Construction::StickBreaking => free + 1,
            Construction::Rounding => free,
        }
    }

    /// `[rows, ..]` as points with axes of length n.
    fn points(&self, x: Tensor<2>, n: usize) -> Tensor<3> {
        let rows = x.dims()[0];
        match self.polytope {
            Polytope::Birkhoff => x.reshape([rows, n, n]),
            Polytope::Simplex => x.reshape([rows, 1, n]),
        }
    }

    /// The law with these parameters, ready for noise and points of n.
    fn with(&self, params: Tensor<2>) -> (Made, usize) {
        let columns = params.dims()[1];
        let n = self.n(columns);
        let half = |start| params.clone().narrow(1, start, columns / 2);
        let (first, log_second) = (half(0), half(columns / 2));
        let OnPolytope {
            temperature,
            polytope,
            ..
        } = *self;
        let made = match self.construction {
            Construction::StickBreaking => Made::StickBreaking(StickBreaking {
                mean: self.points(first, n - 1),
                deviation: self.points(log_second.exp(), n - 1),
                temperature,
                polytope,
            }),
            Construction::Rounding => Made::Rounding(Rounding {
                scores: self.points(first, n),
                deviation: self.points(log_second.exp(), n),
                temperature,
                polytope,
            }),
        };
        (made, n)
    }

    /// Mean and deviation of the normal law behind, `[rows, entries]`.
    fn normal(&self, params: Tensor<2>) -> [Tensor<2>; 2] {
        let rows = params.dims()[0];
        let flat = |x: Tensor<3>| x.reshape([rows as i32, -1]);
        match self.with(params).0 {
            Made::StickBreaking(law) => [flat(law.mean), flat(law.deviation)],
            Made::Rounding(law) => {
                let mean = valid(law.mean());
                [flat(mean), flat(law.deviation)]
            }
        }
    }
}

/// The law of one batch of parameters.
enum Made {
    StickBreaking(StickBreaking<3>),
    Rounding(Rounding<3>),
}

fn valid<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| panic!("OnPolytope: {error}"))
}

fn per_row(x: Tensor<3>) -> Tensor<1> {
    x.squeeze_dim::<2>(2).squeeze_dim::<1>(1)
}

impl Law for OnPolytope {
    fn name(&self) -> &'static str {
        match self.construction {
            Construction::StickBreaking => "stick-breaking",
            Construction::Rounding => "rounding",
        }
    }

    fn noise(&self) -> NoiseLaw {
        NoiseLaw::Normal
    }

    fn width(&self, params: usize) -> usize {
        let n = self.n(params);
        match self.polytope {
            Polytope::Birkhoff => n * n,
            Polytope::Simplex => n,
        }
    }

    /// Stick-breaking has fewer dimensions than entries: it uses the first columns of the noise.
    ///
    /// # Panics
    /// For a temperature out of range and for parameters that are not numbers.
    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        let shape = noise.dims();
        let used = params.dims()[1] / 2;
        let noise = noise.narrow(1, 0, used);
        let (law, n) = self.with(params);
        let draw = match law {
            Made::StickBreaking(law) => law.sample(self.points(noise, n - 1)),
            Made::Rounding(law) => law.sample(self.points(noise, n)),
        };
        valid(draw).value.reshape(shape)
    }

    /// The value without noise.
    fn mean(&self, params: Tensor<2>) -> Tensor<2> {
        let [rows, columns] = params.dims();
        let none = Tensor::zeros(
            [rows, self.width(columns)],
            (&params.device(), params.dtype()),
        );
        self.sample(params, none)
    }

    fn has_mean(&self) -> bool {
        false
    }

    fn log_prob(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<1> {
        let (law, n) = self.with(params);
        let value = self.points(value, n);
        per_row(valid(match law {
            Made::StickBreaking(law) => law.log_prob(value),
            Made::Rounding(law) => law.log_prob(value),
        }))
    }

    /// By a tape of its own.
    fn score(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
        let leaf = Tensor::from_inner(params.inner()).require_grad();
        let value = Tensor::from_inner(value.inner());
        let gradients = self.log_prob(leaf.clone(), value).sum().backward();
        leaf.grad(&gradients)
            .expect("densities depend on all parameters")
    }

    fn negative_entropy(&self, params: Tensor<2>) -> Option<Tensor<1>> {
        match self.with(params).0 {
            // Its Jacobian depends on the noise.
            Made::StickBreaking(_) => None,
            Made::Rounding(law) => Some(per_row(valid(law.entropy())).neg()),
        }
    }

    /// Of the normal laws: the map from noise to points is the same for both. A prior must forbid the same pairs.
    fn kl(&self, params: Tensor<2>, prior: Tensor<2>) -> Option<Tensor<1>> {
        let columns = params.dims()[1] / 2;
        let first = params.clone().inner().narrow(1, 0, columns);
        let forbidden = first.equal_scalar(f64::NEG_INFINITY);
        let [[mean, deviation], [prior_mean, prior_deviation]] =
            [self.normal(params), self.normal(prior)];
        let ratio = deviation / prior_deviation.clone();
        let shift = (mean - prior_mean) / prior_deviation;
        let each = (ratio.clone().square() + shift.square() - 1.0) * 0.5 - ratio.log();
        Some(row_sum(each.mask_fill(forbidden, 0.0)))
    }

    fn is_pathwise(&self) -> bool {
        true
    }
}
