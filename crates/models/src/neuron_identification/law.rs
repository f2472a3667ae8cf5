//! Relaxed names of the neurons of a worm as choices.

use burn::tensor::Tensor;
use unbiased_estimators::{NoiseLaw, law::Law};
use unbiased_kernels::softmax;
use unbiased_permutations::{Sinkhorn, birkhoff::Polytope, sites::SoftMatching};

/// A law of relaxed permutation matrices `[rows, N²]`, parameters and pairs that may not be: scores of −∞.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NameLaw {
    /// Each row a relaxed categorical variable, `softmax((X + ε)/τ)`.
    Rows {
        /// τ
        temperature: f64,
    },
    /// `τΨ + (1 − τ) round(Ψ)`, `Ψ = S(X) + V∘z`; parameters are X and ln V, `[rows, 2 N²]`. Pairs that may not be stay 0.
    Rounding {
        /// τ
        temperature: f64,
    },
    /// `S((X + ε)/τ)`
    GumbelSinkhorn(SoftMatching),
}

/// Iterations of the balancing inside [`NameLaw::Rounding`], as in the paper.
const BALANCING: usize = 10;

fn square(x: Tensor<2>) -> Tensor<3> {
    let [rows, width] = x.dims();
    let n = width.isqrt();
    x.reshape([rows, n, n])
}

fn flat(x: Tensor<3>) -> Tensor<2> {
    x.flatten(1, 2)
}

/// S(X) of the first half of the parameters of [`NameLaw::Rounding`].
fn balanced(params: &Tensor<2>) -> Tensor<3> {
    let half = params.dims()[1] / 2;
    let scores = square(params.clone().narrow(1, 0, half));
    let balanced = Sinkhorn::after(BALANCING).balance(scores);
    balanced
        .unwrap_or_else(|error| panic!("NameLaw: {error}"))
        .plan
}

impl Law for NameLaw {
    fn name(&self) -> &'static str {
        match self {
            Self::Rows { .. } => "relaxed categorical",
            Self::Rounding { .. } => "rounding",
            Self::GumbelSinkhorn(law) => law.name(),
        }
    }

    fn noise(&self) -> NoiseLaw {
        match self {
            Self::Rows { .. } | Self::GumbelSinkhorn(_) => NoiseLaw::Gumbel,
            Self::Rounding { .. } => NoiseLaw::Normal,
        }
    }

    fn width(&self, params: usize) -> usize {
        match self {
            Self::Rounding { .. } => params / 2,
            Self::Rows { .. } | Self::GumbelSinkhorn(_) => params,
        }
    }

    /// # Panics
    /// As [`SoftMatching::sample`].
    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        match *self {
            Self::Rows { temperature } => flat(softmax(square((params + noise) / temperature))),
            Self::Rounding { temperature } => {
                let half = params.dims()[1] / 2;
                let forbidden = params.clone().inner().narrow(1, 0, half);
                let forbidden = forbidden.equal_scalar(f64::NEG_INFINITY);
                let deviation = params.clone().narrow(1, half, half).exp();
                let moved = (deviation * noise).mask_fill(forbidden.clone(), 0.0);
                let psi = flat(balanced(&params)) + moved;
                if temperature == 1.0 {
                    return psi;
                }
                let scores = psi.clone().mask_fill(forbidden, f64::NEG_INFINITY);
                let vertex = Polytope::Birkhoff.round(square(scores));
                let vertex = vertex.unwrap_or_else(|error| panic!("NameLaw: {error}"));
                psi * temperature + flat(vertex) * (1.0 - temperature)
            }
            Self::GumbelSinkhorn(law) => law.sample(params, noise),
        }
    }

    fn mean(&self, params: Tensor<2>) -> Tensor<2> {
        match *self {
            Self::Rows { .. } => flat(softmax(square(params))),
            Self::Rounding { .. } => flat(balanced(&params)),
            Self::GumbelSinkhorn(law) => law.mean(params),
        }
    }

    fn has_density(&self) -> bool {
        false
    }

    /// # Panics
    /// Always.
    fn log_prob(&self, _params: Tensor<2>, _value: Tensor<2>) -> Tensor<1> {
        panic!("NameLaw: its prior is a cost of the program")
    }

    /// # Panics
    /// Always.
    fn score(&self, _params: Tensor<2>, _value: Tensor<2>) -> Tensor<2> {
        panic!("NameLaw: there is no score; use `pathwise`")
    }

    fn negative_entropy(&self, _params: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn kl(&self, _params: Tensor<2>, _prior: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn is_pathwise(&self) -> bool {
        true
    }
}
